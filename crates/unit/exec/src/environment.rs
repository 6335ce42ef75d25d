//! The variables of a process: those of the unit, of its files, and of the supervisor; and the syntax of
//! `EnvironmentFile=`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use perigee_process::file::read;
use perigee_units::unit::{EnvironmentFile, Value};

use super::ExecError;
use super::reader::Reader;

/// Where programs without a path are looked for.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A file of variables is no longer than this.
const LONGEST_FILE: u64 = 1 << 20;
/// Files that one pattern stands for are no more than this.
const MOST_FILES: usize = 1024;

/// Name and value.
pub(super) type Variables = BTreeMap<String, String>;

/// What a unit says of variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// `Environment=`.
    set: Variables,
    files: Vec<EnvironmentFile>,
    pass: Vec<String>,
    /// Names, or names with values.
    unset: Vec<String>,
    /// `ExecSearchPath=`, absolute folders.
    pub(super) search: Option<String>,
}

impl Environment {
    pub(super) fn read(reader: &Reader<'_>) -> Environment {
        let mut environment = Environment::default();
        for value in reader.all("Environment") {
            if let Value::Environment(pairs) = value {
                environment.set.extend(pairs.clone());
            }
        }
        for value in reader.all("EnvironmentFile") {
            if let Value::EnvironmentFile(file) = value {
                environment.files.push(file.clone());
            }
        }
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        environment.pass = owned(reader.words("PassEnvironment"));
        environment.unset = owned(reader.words("UnsetEnvironment"));
        environment.search = reader.text("ExecSearchPath").map(str::to_owned);
        environment
    }

    /// What is the same for every process of a start. `own` is what the supervisor says of the unit: less than what
    /// the unit says itself.
    pub(super) fn prepare(&self, own: Variables, notes: &mut Vec<String>) -> Result<Variables, ExecError> {
        let mut variables = Variables::from([("PATH".to_owned(), PATH.to_owned())]);
        if let Ok(language) = std::env::var("LANG") {
            variables.insert("LANG".to_owned(), language);
        }
        variables.extend(own);
        if let Some(search) = &self.search {
            variables.insert("PATH".to_owned(), search.clone());
        }
        for name in &self.pass {
            variables.extend(std::env::var(name).map(|value| (name.clone(), value)));
        }
        variables.extend(self.set.clone());
        for file in &self.files {
            for path in matching(&file.path) {
                let read =
                    read(Path::new(&path), LONGEST_FILE + 1).and_then(|text| match text.len() as u64 {
                        0..=LONGEST_FILE => Ok(text),
                        _ => Err(std::io::Error::other("it is too large")),
                    });
                match read {
                    Ok(text) => {
                        let (pairs, wrong) = parse(&String::from_utf8_lossy(&text));
                        variables.extend(pairs);
                        let wrong = wrong.into_iter().take(16);
                        notes.extend(wrong.map(|line| format!("{path}:{line}: the line is not NAME=VALUE")));
                    }
                    Err(_) if file.optional => {}
                    Err(source) => return Err(ExecError::Environment { path, source }),
                }
            }
        }
        Ok(variables)
    }

    /// `UnsetEnvironment=`, the last word on variables.
    pub(super) fn finish(&self, variables: &mut Variables) {
        for name in &self.unset {
            match name.split_once('=') {
                Some((name, value)) if variables.get(name).is_some_and(|set| set == value) => {
                    variables.remove(name);
                }
                Some(_) => {}
                None => {
                    variables.remove(name);
                }
            }
        }
    }
}

/// The files that a path with `*`, `?` and `[…]` in its last part stands for, in order; the path itself where it has
/// none of them, or where nothing matches.
fn matching(path: &str) -> Vec<String> {
    let Some((folder, pattern)) = path.rsplit_once('/').filter(|(_, last)| last.contains(['*', '?', '[']))
    else {
        return vec![path.to_owned()];
    };
    let folder = if folder.is_empty() { "/" } else { folder };
    let names = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_FILES);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<_> = names
        .filter(|name| !name.starts_with('.') && matches(pattern.as_bytes(), name.as_bytes()))
        .map(|name| format!("{}/{name}", folder.trim_end_matches('/')))
        .collect();
    found.sort();
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

/// Whether a name is of a pattern, as in glob(7).
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([b'[', rest @ ..], [octet, name @ ..]) => {
            let Some(end) = rest.iter().skip(1).position(|octet| *octet == b']').map(|end| end + 1) else {
                return false;
            };
            let (negated, set) = match &rest[..end] {
                [b'!' | b'^', set @ ..] => (true, set),
                set => (false, set),
            };
            let mut found = set.contains(octet);
            for range in set.windows(3).filter(|range| range[1] == b'-') {
                found |= (range[0]..=range[2]).contains(octet);
            }
            found != negated && matches(&rest[end + 1..], name)
        }
        ([expected, rest @ ..], [octet, name @ ..]) => expected == octet && matches(rest, name),
        _ => false,
    }
}

/// Where in a file of variables a character stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    BeforeName,
    Name,
    BeforeValue,
    Value,
    Escaped,
    Single,
    Double,
    DoubleEscaped,
    Comment,
    CommentEscaped,
}

/// The variables of a file, and the lines that are none: systemd.exec(5) on `EnvironmentFile=`. Values may be quoted
/// as in a shell, and go on in the next line after a backslash; nothing is expanded.
pub(crate) fn parse(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let (mut pairs, mut wrong) = (Vec::new(), Vec::new());
    let (mut name, mut value) = (String::new(), String::new());
    // How much of the value is more than blanks at its end, and the line that the name stands in.
    let (mut solid, mut begin, mut line) = (0, 1, 1);
    let mut place = Place::BeforeName;
    for c in text.chars().chain(['\n']) {
        let end = c == '\n' || c == '\r';
        place = match place {
            Place::BeforeName if c.is_whitespace() => Place::BeforeName,
            Place::BeforeName if c == '#' || c == ';' => Place::Comment,
            Place::BeforeName => {
                (name, value, solid, begin) = (String::from(c), String::new(), 0, line);
                Place::Name
            }
            Place::Name if end => {
                wrong.push(begin);
                Place::BeforeName
            }
            Place::Name if c == '=' => Place::BeforeValue,
            Place::Name => {
                name.push(c);
                Place::Name
            }
            Place::BeforeValue | Place::Value if end => {
                value.truncate(solid);
                let word = name.trim_end();
                if is_name(word) && !value.contains('\0') {
                    pairs.push((word.to_owned(), std::mem::take(&mut value)));
                } else {
                    wrong.push(begin);
                }
                Place::BeforeName
            }
            Place::BeforeValue | Place::Value if c == '\\' => Place::Escaped,
            Place::BeforeValue if c == '\'' => Place::Single,
            Place::BeforeValue if c == '"' => Place::Double,
            Place::BeforeValue if c.is_whitespace() => Place::BeforeValue,
            Place::BeforeValue | Place::Value => {
                value.push(c);
                if !c.is_whitespace() {
                    solid = value.len();
                }
                Place::Value
            }
            Place::Escaped => {
                if !end {
                    value.push(c);
                }
                solid = value.len();
                Place::Value
            }
            Place::Single if c == '\'' => Place::BeforeValue,
            Place::Double if c == '"' => Place::BeforeValue,
            Place::Double if c == '\\' => Place::DoubleEscaped,
            Place::Single | Place::Double | Place::DoubleEscaped => {
                let escaped = place == Place::DoubleEscaped;
                if escaped && !end && !"\"\\`$".contains(c) {
                    value.push('\\');
                }
                if !(escaped && end) {
                    value.push(c);
                }
                solid = value.len();
                if place == Place::Single { Place::Single } else { Place::Double }
            }
            Place::Comment if end => Place::BeforeName,
            Place::Comment if c == '\\' => Place::CommentEscaped,
            Place::Comment | Place::CommentEscaped => Place::Comment,
        };
        line += usize::from(c == '\n');
    }
    if !matches!(place, Place::BeforeName | Place::Comment) {
        wrong.push(begin);
    }
    (pairs, wrong)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
        && name.bytes().next().is_some_and(|octet| !octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)], wrong: &[usize]) {
        let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(parse(text), (expected, wrong.to_vec()), "{text}");
    }

    #[test]
    fn files_of_variables() {
        check("A=1\n\n# B=2\n; C=3\n D = 4  \n", &[("A", "1"), ("D", "4")], &[]);
        check(
            "A=one two  three \r\nB=it's\nC=x\"y\"",
            &[("A", "one two  three"), ("B", "it's"), ("C", "x\"y\"")],
            &[],
        );
        check("A='one\ntwo'\nB=\"a\\\"b\\$c\\d\\\ne\" ", &[("A", "one\ntwo"), ("B", "a\"b$c\\de")], &[]);
        check("A=one\\\n two\\ \\\\\n", &[("A", "one two \\")], &[]);
        check("A='one ' \"two\"x\n", &[("A", "one twox")], &[]);
        check("A=\nB", &[("A", "")], &[2]);
        check("1A=2\nexport B=3\nC=4", &[("C", "4")], &[1, 2]);
        check("A='never closed\nB=2", &[], &[1]);
        check("# comment \\\nA=1\nB=2", &[("B", "2")], &[]);
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.confx", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
