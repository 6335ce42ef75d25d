//! The kinds of value that directives have, and the typed values.

use std::collections::BTreeMap;

use super::super::command::is_name;
use super::super::{Command, Scope, UnitName};
pub use super::statuses::ExitStatuses;
use crate::calendar::Calendar;
use crate::health::http::Address;
use crate::value::{
    Amount, DeviceKind, Limit, LimitKind, OfDevice, Signal, Span, ValueError, Words, cut_words, parse_amount,
    parse_bool, parse_mode, parse_number, parse_path, parse_percent, parse_size, split_words,
};

/// What stands right of the `=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text; specifiers are expanded.
    Text,
    /// Any text; repeated ones add up.
    Texts,
    /// Yes or no.
    Bool,
    /// Yes, no, or one of these words.
    BoolOr(&'static [&'static str]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number between these.
    Number(i64, i64),
    /// A whole number between these, or one of the words.
    NumberOr(i64, i64, &'static [&'static str]),
    /// A time span.
    Span,
    /// A time span; repeated ones add up.
    Spans,
    /// A number of octets.
    Size,
    /// A number of octets or of things, a share, or infinity.
    Amount,
    /// A percentage, over 100 % too.
    Percent,
    /// A soft and a hard bound.
    Limit(LimitKind),
    /// An octal mode.
    Mode,
    /// A signal.
    Signal,
    /// Exit statuses and signals; repeated ones add up.
    Statuses,
    /// An absolute path.
    Path,
    /// An absolute path, which may have spaces in it; repeated ones add up.
    EachPath,
    /// A path below `/run` where it is not absolute.
    RunPath,
    /// An absolute path or `~`; `-` before it where it may be missing.
    Folder,
    /// Absolute paths; repeated ones add up.
    Paths,
    /// Names of units; repeated ones add up.
    Units,
    /// Names of units, or the folder of what one wants or requires with a name in it; repeated ones add up.
    Aliases,
    /// The name of a user or a group, or its number.
    Name,
    /// Words without quotation marks; repeated ones add up.
    Words,
    /// Words, with quotation marks; repeated ones add up.
    QuotedWords,
    /// Command lines; repeated ones add up.
    Command,
    /// `NAME=VALUE` words; repeated ones add up.
    Environment,
    /// A file with such lines; repeated ones add up.
    EnvironmentFile,
    /// A calendar expression; repeated ones add up.
    Calendar,
    /// A test, with `|` and `!` before it; repeated ones add up.
    Condition,
    /// A test of an absolute path.
    PathCondition,
    /// A device and what is said of it; repeated ones add up.
    Device(DeviceKind),
    /// `http://HOST:PORT/PATH`.
    HttpAddress,
    /// `HOST:PORT`.
    TcpAddress,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the value of the kind of its name")]
pub enum Value {
    Text(String),
    Bool(bool),
    Number(i64),
    Span(Span),
    Amount(Amount),
    Limit(Limit),
    Mode(u32),
    Signal(Signal),
    Statuses(ExitStatuses),
    Words(Vec<String>),
    Units(Vec<UnitName>),
    Commands(Vec<Command>),
    Environment(BTreeMap<String, String>),
    EnvironmentFile(EnvironmentFile),
    Calendar(Box<Calendar>),
    Condition(Condition),
    Device(OfDevice),
    Address(Address),
}

/// A file with `NAME=VALUE` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Where it is; it may be a pattern.
    pub path: String,
    /// It may be missing.
    pub optional: bool,
}

/// A test that must hold for a unit to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `|`: one of those marked so must hold, instead of all.
    pub any: bool,
    /// `!`: it must not hold.
    pub negated: bool,
    /// What is tested.
    pub parameter: String,
}

impl Kind {
    /// Whether repeated directives add up; else the last one counts.
    pub fn adds_up(self) -> bool {
        matches!(
            self,
            Kind::Texts
                | Kind::Spans
                | Kind::EachPath
                | Kind::Statuses
                | Kind::Paths
                | Kind::Units
                | Kind::Aliases
                | Kind::Words
                | Kind::QuotedWords
                | Kind::Command
                | Kind::Environment
                | Kind::EnvironmentFile
                | Kind::Calendar
                | Kind::Condition
                | Kind::PathCondition
                | Kind::Device(_)
        )
    }

    /// Reads a value that is not empty.
    ///
    /// # Errors
    /// What is no value of this kind.
    pub fn parse(self, text: &str, scope: &Scope<'_>) -> Result<Value, ValueError> {
        let expanded_path = |text: &str| scope.expand(text).and_then(|path| parse_path(&path));
        let one_of = |words: &[&str]| words.contains(&text).then(|| Value::Text(text.to_owned()));
        Ok(match self {
            Kind::Text | Kind::Texts => Value::Text(scope.expand(text)?),
            Kind::Bool => Value::Bool(parse_bool(text)?),
            Kind::BoolOr(words) => one_of(words).map_or_else(|| parse_bool(text).map(Value::Bool), Ok)?,
            Kind::Choice(words) => one_of(words)
                .ok_or_else(|| ValueError::Choice { value: text.to_owned(), choices: words.join(", ") })?,
            Kind::Number(least, most) => Value::Number(parse_number(text, least, most)?),
            Kind::NumberOr(least, most, words) => {
                one_of(words).map_or_else(|| parse_number(text, least, most).map(Value::Number), Ok)?
            }
            Kind::Span | Kind::Spans => Value::Span(Span::parse(text)?),
            Kind::Size => Value::Amount(Amount::Absolute(parse_size(text)?)),
            Kind::Amount => Value::Amount(parse_amount(text)?),
            Kind::Percent => {
                let share = text.strip_suffix('%').and_then(parse_percent);
                Value::Amount(Amount::Share(share.ok_or_else(|| ValueError::Size(text.to_owned()))?))
            }
            Kind::Limit(kind) => Value::Limit(Limit::parse(text, kind)?),
            Kind::Mode => Value::Mode(parse_mode(text)?),
            Kind::Signal => Value::Signal(Signal::parse(text)?),
            Kind::Statuses => Value::Statuses(ExitStatuses::parse(text)?),
            Kind::Path | Kind::EachPath => Value::Text(expanded_path(text)?),
            Kind::RunPath => {
                let path = scope.expand(text)?;
                Value::Text(parse_path(&if path.starts_with('/') { path } else { format!("/run/{path}") })?)
            }
            Kind::Folder => {
                let (mark, path) = text.strip_prefix('-').map_or(("", text), |path| ("-", path));
                let path = if path == "~" { "~".to_owned() } else { expanded_path(path)? };
                Value::Text(format!("{mark}{path}"))
            }
            Kind::Paths => Value::Words(expanded(split_words(text)?, expanded_path)?),
            Kind::Units => {
                let names = cut_words(text)?;
                let names = names.iter().map(|name| UnitName::parse(&scope.expand(name)?));
                Value::Units(names.collect::<Result<_, _>>()?)
            }
            Kind::Aliases => Value::Words(expanded(cut_words(text)?, |word| {
                let link = scope.expand(word)?;
                let in_folder = link.rsplit_once('/').and_then(|(folder, name)| {
                    let by = folder.strip_suffix(".wants").or_else(|| folder.strip_suffix(".requires"))?;
                    UnitName::parse(by).is_ok().then_some(name)
                });
                UnitName::parse(in_folder.unwrap_or(&link))?;
                Ok(link)
            })?),
            Kind::Name => Value::Text(account(&scope.expand(text)?)?),
            Kind::Words => Value::Words(expanded(cut_words(text)?, |word| scope.expand(word))?),
            Kind::QuotedWords => Value::Words(expanded(split_words(text)?, |word| scope.expand(word))?),
            Kind::Command => Value::Commands(Command::parse_line(text, scope)?),
            Kind::Environment => Value::Environment(environment(text, scope)?),
            Kind::EnvironmentFile => {
                let (optional, path) = text.strip_prefix('-').map_or((false, text), |path| (true, path));
                Value::EnvironmentFile(EnvironmentFile { path: expanded_path(path)?, optional })
            }
            Kind::Calendar => {
                let wrong = |source| ValueError::Calendar { text: text.to_owned(), source };
                Value::Calendar(Box::new(Calendar::parse(text).map_err(wrong)?))
            }
            Kind::HttpAddress => Value::Address(Address::http(&scope.expand(text)?)?),
            Kind::TcpAddress => Value::Address(Address::tcp(&scope.expand(text)?)?),
            Kind::Device(kind) => Value::Device(OfDevice::parse(&scope.expand(text)?, kind)?),
            Kind::Condition | Kind::PathCondition => {
                let condition = condition(&scope.expand(text)?)?;
                if self == Kind::PathCondition {
                    parse_path(&condition.parameter)?;
                }
                Value::Condition(condition)
            }
        })
    }
}

fn expanded(
    words: Vec<String>,
    expand: impl Fn(&str) -> Result<String, ValueError>,
) -> Result<Vec<String>, ValueError> {
    words.iter().map(|word| expand(word)).collect()
}

/// A name that an account may have, or its number.
fn account(name: &str) -> Result<String, ValueError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == ':' || c == '/';
    if name.is_empty() || name.starts_with('-') || name.contains(forbidden) {
        return Err(ValueError::Other { value: name.to_owned(), expected: "the name of an account" });
    }
    Ok(name.to_owned())
}

fn environment(text: &str, scope: &Scope<'_>) -> Result<BTreeMap<String, String>, ValueError> {
    let mut environment = BTreeMap::new();
    let mut words = Words::new(text);
    while let Some(word) = words.next_word()? {
        let word = scope.expand(&word)?;
        let (name, value) = word
            .split_once('=')
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| ValueError::Assignment(word.clone()))?;
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}

fn condition(text: &str) -> Result<Condition, ValueError> {
    let (any, rest) = text.strip_prefix('|').map_or((false, text), |rest| (true, rest));
    let (negated, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
    let parameter = rest.trim_start().to_owned();
    if parameter.is_empty() { Err(ValueError::Empty) } else { Ok(Condition { any, negated, parameter }) }
}

#[cfg(test)]
mod tests {
    use super::super::super::Host;
    use super::*;

    fn parse(kind: Kind, text: &str) -> Result<Value, ValueError> {
        let name = UnitName::parse("a@b.service").expect("a name");
        kind.parse(text, &Scope { name: &name, fragment: "", host: &Host::default() })
    }

    #[test]
    fn values_of_every_kind() {
        let words = |words: &[&str]| Value::Words(words.iter().map(|word| (*word).to_owned()).collect());
        let text = |text: &str| Value::Text(text.to_owned());
        let pairs = BTreeMap::from([("A".to_owned(), "1 2".to_owned()), ("B".to_owned(), "b".to_owned())]);
        let file = EnvironmentFile { path: "/etc/default/b".to_owned(), optional: true };
        let condition = Condition { any: true, negated: true, parameter: "/etc/b".to_owned() };
        for (kind, given, expected) in [
            (Kind::Text, "of %i", text("of b")),
            (Kind::BoolOr(&["strict"]), "strict", text("strict")),
            (Kind::BoolOr(&["strict"]), "yes", Value::Bool(true)),
            (Kind::Choice(&["a", "b"]), "b", text("b")),
            (Kind::NumberOr(1, 9, &["idle"]), "idle", text("idle")),
            (Kind::NumberOr(1, 9, &["idle"]), "9", Value::Number(9)),
            (Kind::Percent, "250%", Value::Amount(Amount::Share(25_000))),
            (Kind::RunPath, "x.pid", text("/run/x.pid")),
            (Kind::Folder, "-/srv//x", text("-/srv/x")),
            (Kind::Folder, "~", text("~")),
            (Kind::Paths, "/a '/b c'", words(&["/a", "/b c"])),
            (
                Kind::Units,
                "x@%i.service y.target",
                Value::Units(vec![
                    UnitName::parse("x@b.service").expect("a name"),
                    UnitName::parse("y.target").expect("a name"),
                ]),
            ),
            (
                Kind::Aliases,
                "x.service y.target.wants/%i.service",
                words(&["x.service", "y.target.wants/b.service"]),
            ),
            (Kind::Words, "~@mount 'x", words(&["~@mount", "'x"])),
            (Kind::Environment, "\"A=1 2\" B=%i", Value::Environment(pairs)),
            (Kind::EnvironmentFile, "-/etc/default/%i", Value::EnvironmentFile(file)),
            (Kind::PathCondition, "|!/etc/%i", Value::Condition(condition)),
        ] {
            assert_eq!(parse(kind, given), Ok(expected), "{kind:?} {given}");
        }
    }

    #[test]
    fn wrong_values() {
        for (kind, text) in [
            (Kind::Choice(&["a"]), "A"),
            (Kind::BoolOr(&["strict"]), "stricter"),
            (Kind::Percent, "5"),
            (Kind::Path, "x"),
            (Kind::Folder, "-"),
            (Kind::Units, "nginx"),
            (Kind::Aliases, "y.target/x.service"),
            (Kind::Aliases, "y.wants/x.service"),
            (Kind::Name, "a:b"),
            (Kind::Environment, "A"),
            (Kind::Environment, "1=2"),
            (Kind::EnvironmentFile, "-etc"),
            (Kind::Calendar, "never"),
            (Kind::Condition, "|!"),
            (Kind::PathCondition, "!etc"),
        ] {
            assert!(parse(kind, text).is_err(), "{kind:?} {text}");
        }
    }
}
