//! `NAME.conf` files in folders of which the earlier hides the later, taken in the order of their names.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use perigee_units::unit::LONGEST_FILE;

use crate::Root;

/// A file that is named, or a text that is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A file: by its path, or by its name in the folders.
    Name(String),
    /// A text, with what it is called in messages.
    Text(String, Vec<u8>),
}

/// A line that could not be carried out, or a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
    /// The line says that it may fail, or passing it over is no failure.
    pub tolerated: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// A file with its text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: Vec<u8>,
}

/// Reads what was given, or all files of the folders. With `replace`, what was given takes the place that a file of
/// this path has among all, unless one in an earlier folder hides it.
pub(crate) fn texts(
    root: &Root,
    folders: &[&str],
    given: &[Given],
    replace: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<Text> {
    if !given.is_empty() && replace.is_none() {
        return given.iter().filter_map(|given| one(root, folders, given, problems)).collect();
    }
    let mut files: BTreeMap<String, Option<String>> = BTreeMap::new();
    for folder in folders {
        for name in root.list(folder) {
            if name.ends_with(".conf") {
                files.entry(name.clone()).or_insert_with(|| Some(format!("{folder}/{name}")));
            }
        }
        // It stands where its path says, behind the folders before it.
        if let Some(name) = replace.and_then(|path| path.strip_prefix(folder)?.strip_prefix('/')) {
            let slot = files.entry(name.to_owned()).or_insert(None);
            if slot.as_deref() == replace {
                *slot = None;
            }
        }
    }
    let mut found = Vec::new();
    for path in files.into_values() {
        match path {
            Some(path) => found.extend(read(root, &path, problems)),
            None => found.extend(given.iter().filter_map(|given| one(root, folders, given, problems))),
        }
    }
    found
}

fn one(root: &Root, folders: &[&str], given: &Given, problems: &mut Vec<Problem>) -> Option<Text> {
    match given {
        Given::Text(name, text) => Some(Text { path: name.clone(), text: text.clone() }),
        // A path leads out of the system that is worked on, as it does for systemd.
        Given::Name(path) if path.contains('/') => match std::fs::File::open(path) {
            Ok(file) => taken(path, file, problems),
            Err(error) => {
                problems.push(unread(path, &error.to_string()));
                None
            }
        },
        Given::Name(name) => {
            let found =
                folders.iter().map(|folder| format!("{folder}/{name}")).find(|path| root.exists(path));
            match found {
                Some(path) => read(root, &path, problems),
                None => {
                    problems.push(unread(name, "there is no such file in the folders"));
                    None
                }
            }
        }
    }
}

fn read(root: &Root, path: &str, problems: &mut Vec<Problem>) -> Option<Text> {
    match root.open_file(path) {
        // A link to nothing hides what comes later.
        Ok(None) => None,
        Ok(Some(file)) => taken(path, file, problems),
        Err(error) => {
            problems.push(unread(path, &error.to_string()));
            None
        }
    }
}

fn taken(path: &str, file: std::fs::File, problems: &mut Vec<Problem>) -> Option<Text> {
    let mut text = Vec::new();
    if let Err(error) = file.take(LONGEST_FILE as u64 + 1).read_to_end(&mut text) {
        problems.push(unread(path, &error.to_string()));
        return None;
    }
    if text.len() > LONGEST_FILE {
        problems.push(unread(path, "the file is too long; the rest is not read"));
        text.truncate(LONGEST_FILE);
    }
    Some(Text { path: path.to_owned(), text })
}

fn unread(path: &str, reason: &str) -> Problem {
    Problem { file: path.to_owned(), line: 0, reason: reason.to_owned(), tolerated: false }
}

/// Takes words off the front of a line: quotation marks hold a word together, a backslash takes the meaning from what
/// follows it.
#[derive(Debug)]
pub(crate) struct Words<'a>(pub(crate) &'a str);

/// A quotation mark without its pair, or a backslash at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quotation mark is not closed")]
pub struct Unclosed;

impl Words<'_> {
    /// The next word; none at the end.
    pub(crate) fn next_word(&mut self) -> Result<Option<String>, Unclosed> {
        let text = self.0.trim_start();
        if text.is_empty() {
            self.0 = text;
            return Ok(None);
        }
        let (mut word, mut quote) = (String::new(), None);
        let mut characters = text.char_indices();
        while let Some((at, c)) = characters.next() {
            match (c, quote) {
                ('\\', _) => word.push(characters.next().ok_or(Unclosed)?.1),
                (c, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                (c, None) if c.is_whitespace() => {
                    self.0 = &text[at..];
                    return Ok(Some(word));
                }
                (c, _) => word.push(c),
            }
        }
        self.0 = "";
        if quote.is_some() { Err(Unclosed) } else { Ok(Some(word)) }
    }
}

/// The lines with something in them, with their numbers.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = (u32, Result<&str, ()>)> {
    let lines = (1..).zip(text.split(|octet| *octet == b'\n'));
    let lines =
        lines.map(|(number, line)| (number, std::str::from_utf8(line).map(str::trim).map_err(|_| ())));
    lines.filter(|(_, line)| !line.is_ok_and(|line| line.is_empty() || line.starts_with('#')))
}
