//! Command lines of `ExecStart=` and its kin: prefixes, words, several commands on a line, and the
//! substitution of the environment.

use super::Scope;
use crate::value::{ValueError, Words, parse_path, split_words};

/// Commands of one line, and words of one command, are no more than this.
const MOST: usize = 1024;

/// With which rights a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// As the unit says.
    #[default]
    Unit,
    /// `+`: with all rights; user, capabilities and sandbox do not apply.
    Full,
    /// `!`: as [`Privileges::Unit`], but the command changes to the user itself.
    KeepUser,
    /// `!!`: as `!` where the kernel knows no ambient capabilities.
    KeepUserWithoutAmbient,
}

/// A command of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// An absolute path, or a name to be looked for on the search path.
    pub program: String,
    /// The arguments from the zeroth, before the environment is substituted.
    pub arguments: Vec<String>,
    /// `-`: a failure is a success.
    pub ignore_failure: bool,
    /// No `:`, so that variables are substituted.
    pub substitute: bool,
    /// With which rights it runs.
    pub privileges: Privileges,
}

impl Command {
    /// Reads the commands of a line, separated by `;` words.
    ///
    /// # Errors
    /// No program, one that is neither an absolute path nor a name, prefixes that exclude each other, and what
    /// [`split_words`] and [`Scope::expand`] refuse.
    pub fn parse_line(text: &str, scope: &Scope<'_>) -> Result<Vec<Command>, ValueError> {
        let mut words = Words::new(text);
        let mut commands = Vec::new();
        while !words.rest().is_empty() {
            if commands.len() == MOST {
                return Err(ValueError::TooLong(MOST));
            }
            commands.push(Command::parse(&mut words, scope)?);
        }
        commands.shrink_to_fit();
        if commands.is_empty() { Err(ValueError::Empty) } else { Ok(commands) }
    }

    fn parse(words: &mut Words<'_>, scope: &Scope<'_>) -> Result<Command, ValueError> {
        let first = words.next_word()?.ok_or(ValueError::Empty)?;
        let mut command = Command {
            program: String::new(),
            arguments: Vec::new(),
            ignore_failure: false,
            substitute: true,
            privileges: Privileges::Unit,
        };
        let (mut named, mut program) = (false, first.as_str());
        loop {
            let twice = match program.as_bytes().first() {
                Some(b'-') => std::mem::replace(&mut command.ignore_failure, true),
                Some(b'@') => std::mem::replace(&mut named, true),
                Some(b':') => !std::mem::replace(&mut command.substitute, false),
                Some(b'+') => command.raise(Privileges::Full),
                Some(b'!') if command.privileges == Privileges::KeepUser => {
                    command.privileges = Privileges::KeepUserWithoutAmbient;
                    false
                }
                Some(b'!') => command.raise(Privileges::KeepUser),
                _ => break,
            };
            if twice {
                return Err(ValueError::Command("the prefixes of the command exclude each other"));
            }
            program = &program[1..];
        }
        let program = scope.expand(program)?;
        let last_is_slash = program.ends_with('/');
        command.program = match program.as_str() {
            "" => return Err(ValueError::Command("the line has no program")),
            ";" => return Err(ValueError::Command("no command stands before the `;`")),
            path if path.starts_with('/') => parse_path(path)?,
            "." | ".." => return Err(ValueError::Command("the program is a folder")),
            name if name.contains('/') => {
                return Err(ValueError::Command("the program is neither an absolute path nor a plain name"));
            }
            name => name.to_owned(),
        };
        if last_is_slash {
            return Err(ValueError::Command("the program is a folder"));
        }
        if !named {
            command.arguments.push(command.program.clone());
        }
        while !words.rest().is_empty() {
            let raw = words.peek_raw();
            let word = words.next_word()?.ok_or(ValueError::Empty)?;
            match raw {
                ";" => break,
                "\\;" => command.arguments.push(";".to_owned()),
                _ => command.arguments.push(scope.expand(&word)?),
            }
            if command.arguments.len() > MOST {
                return Err(ValueError::TooLong(MOST));
            }
        }
        if command.arguments.is_empty() {
            return Err(ValueError::Command("no name for the command follows the `@`"));
        }
        Ok(command)
    }

    /// Whether there were rights already.
    fn raise(&mut self, privileges: Privileges) -> bool {
        std::mem::replace(&mut self.privileges, privileges) != Privileges::Unit
    }

    /// The arguments with the environment substituted: `${NAME}` within a word stays one word, a word `$NAME`
    /// becomes as many words as its value has, `$$` is a dollar sign. What has no value is empty.
    pub fn substituted<'a>(&self, variable: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
        if !self.substitute {
            return self.arguments.clone();
        }
        let mut words = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            match argument.strip_prefix('$') {
                Some(name) if is_name(name) => {
                    let value = variable(name).unwrap_or_default();
                    words.extend(split_words(value).unwrap_or_else(|_| vec![value.to_owned()]));
                }
                _ => words.push(substitute(argument, &variable)),
            }
        }
        words
    }
}

/// Whether it can be the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    let word = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    word && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn substitute<'a>(text: &str, variable: &impl Fn(&str) -> Option<&'a str>) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        rest = match braced.filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                result.push_str(variable(name).unwrap_or_default());
                after
            }
            None => {
                result.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::super::{Host, UnitName};
    use super::*;

    fn parse(text: &str) -> Result<Vec<Command>, ValueError> {
        let name = UnitName::parse("a@b.service").expect("a name");
        Command::parse_line(text, &Scope { name: &name, fragment: "", host: &Host::default() })
    }

    fn one(text: &str) -> Command {
        let commands = parse(text).expect(text);
        assert_eq!(commands.len(), 1, "{text}");
        commands.into_iter().next().expect("one")
    }

    #[test]
    fn words_and_commands() {
        assert_eq!(one("/bin/echo one \"two three\" %i").arguments, ["/bin/echo", "one", "two three", "b"]);
        let two = parse("/bin/a x ; -/bin/b y").expect("two");
        assert_eq!(
            (two[0].arguments.len(), two[1].program.as_str(), two[1].ignore_failure),
            (2, "/bin/b", true)
        );
        assert_eq!(one("/bin/find . -exec ls {} \\;").arguments.last().map(String::as_str), Some(";"));
        assert_eq!(one("/bin/echo a;b").arguments, ["/bin/echo", "a;b"]);
        assert_eq!(one("/bin/echo ';'").arguments, ["/bin/echo", ";"]);
        assert_eq!(one("//usr//bin/x").program, "/usr/bin/x");
        assert_eq!(one("echo hi").program, "echo");
    }

    #[test]
    fn prefixes() {
        let command = one("-@+/bin/sh -sh");
        assert_eq!(command.arguments, ["-sh"]);
        assert_eq!((command.ignore_failure, command.privileges), (true, Privileges::Full));
        assert_eq!(one("!/bin/x").privileges, Privileges::KeepUser);
        assert_eq!(one("!!/bin/x").privileges, Privileges::KeepUserWithoutAmbient);
        assert!(!one(":/bin/x $A").substitute);
    }

    #[test]
    fn what_is_no_command() {
        for text in [
            "",
            "-",
            "@/bin/x",
            "bin/x",
            "--/bin/x",
            "+!/bin/x",
            "!!!/bin/x",
            "/bin/",
            "; /bin/x",
            "/bin/x ; ; /bin/y",
            "/bin/x 'a",
            "/a/../b",
            "..",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    /// The examples of systemd.service(5).
    #[test]
    fn the_environment() {
        let variable = |name: &str| match name {
            "ONE" => Some("one"),
            "TWO" => Some("two two"),
            "THREE" => Some("'two two' too"),
            _ => None,
        };
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(one(text).substituted(variable), expected, "{text}");
        };
        check("/bin/echo $ONE $TWO ${TWO}", &["/bin/echo", "one", "two", "two", "two two"]);
        check("/bin/echo ${ONE} ${TWO} ${THREE}", &["/bin/echo", "one", "two two", "'two two' too"]);
        check("/bin/echo $ONE $TWO $THREE", &["/bin/echo", "one", "two", "two", "two two", "too"]);
        check("/bin/echo $NONE ${NONE} x${ONE}y", &["/bin/echo", "", "xoney"]);
        check(
            "/bin/echo $$ONE $${ONE} a$ONE ${1} ${ONE $",
            &["/bin/echo", "$ONE", "${ONE}", "a$ONE", "${1}", "${ONE", "$"],
        );
        check(":/bin/echo $ONE", &["/bin/echo", "$ONE"]);
    }
}
