//! What the files of a log are called.
//!
//! One file is open, `current.jsonl`. A closed one has in its name what is in it, which is all the index there is:
//! `FIRST-LAST-FROM-TO.jsonl`, the numbers of its first and last record and the earliest and latest of their times,
//! with `.gz` behind it once it is compressed. What ends in `.part` is not finished and may be thrown away.

use std::io;
use std::path::{Path, PathBuf};

use crate::time::Time;

pub(crate) const CURRENT: &str = "current.jsonl";
pub(crate) const PLAIN: &str = ".jsonl";
pub(crate) const COMPRESSED: &str = ".jsonl.gz";
pub(crate) const PART: &str = ".part";

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Span {
    pub(crate) fn of(sequence: u64, time: Time) -> Span {
        Span { first: sequence, last: sequence, from: time, to: time }
    }

    pub(crate) fn with(self, other: Span) -> Span {
        Span {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }

    /// The name of a closed file that is not compressed.
    pub(crate) fn name(self) -> String {
        let compact = |time: Time| time.to_string().replace(['-', ':'], "");
        format!("{:016}-{:016}-{}-{}{PLAIN}", self.first, self.last, compact(self.from), compact(self.to))
    }

    /// From the name of a closed file, and whether it is compressed.
    pub(crate) fn from_name(name: &str) -> Option<(Span, bool)> {
        let (stem, compressed) = match name.strip_suffix(COMPRESSED) {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(PLAIN)?, false),
        };
        let mut parts = stem.split('-');
        let (first, last, from, to) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if parts.next().is_some() || first.len() < 16 || last.len() < 16 || !digits(first) || !digits(last) {
            return None;
        }
        let span =
            Span { first: first.parse().ok()?, last: last.parse().ok()?, from: wide(from)?, to: wide(to)? };
        Some((span, compressed))
    }
}

/// `20261125T155102.123456Z`.
fn wide(text: &str) -> Option<Time> {
    let cut = |range: std::ops::Range<usize>| text.get(range);
    let date = format!("{}-{}-{}", cut(0..4)?, cut(4..6)?, cut(6..8)?);
    let time = format!("{}:{}:{}", cut(8..11)?, cut(11..13)?, cut(13..text.len())?);
    Time::from_digits((date + &time).as_bytes())
}

/// A closed file.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) path: PathBuf,
    pub(crate) span: Span,
    pub(crate) compressed: bool,
    pub(crate) octets: u64,
}

/// The closed files of a folder, the oldest first. One that is there both ways is compressed: its plain twin only
/// waits to be removed.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn closed(folder: &Path) -> io::Result<Vec<Closed>> {
    let mut files: Vec<Closed> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((span, compressed)) = name.to_str().and_then(Span::from_name) else { continue };
        // One that goes away meanwhile is not there.
        let Ok(metadata) = entry.metadata() else { continue };
        files.push(Closed { path: entry.path(), span, compressed, octets: metadata.len() });
    }
    files.sort_by_key(|file| (file.span.first, !file.compressed));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        let span = Span { first: 1, last: 4711, from: Time(5), to: Time(1_798_761_599_999_999) };
        let name = span.name();
        assert_eq!(
            name,
            "0000000000000001-0000000000004711-19700101T000000.000005Z-20261231T235959.999999Z.jsonl"
        );
        assert_eq!(Span::from_name(&name), Some((span, false)));
        assert_eq!(Span::from_name(&format!("{name}.gz")), Some((span, true)));
        for other in ["current.jsonl", "a-b-c-d.jsonl", "1-2-3-4.jsonl", &format!("{name}.gz.part"), ""] {
            assert_eq!(Span::from_name(other), None, "{other}");
        }
    }
}
