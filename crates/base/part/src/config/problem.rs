//! What is wrong with the configuration, where, and what to do about it.

use std::fmt;

use serde_path_to_error::Segment;

use super::Origin;
use super::merge::Merged;
use super::show::is_secret;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place, where there is one.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { origin: None, message: message.into(), hint: None }
    }

    pub(super) fn at(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What serde said of a table, put where it belongs.
    pub(super) fn in_table(
        merged: &Merged,
        table: &str,
        error: &serde_path_to_error::Error<toml::de::Error>,
    ) -> Self {
        let mut path = table.to_owned();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => path.push_str(&format!(".{index}")),
                Segment::Map { key } => path.push_str(&format!(".{key}")),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.inner().message().trim();
        if let Some((key, expected)) = unknown_field(message) {
            // The path may end at the table or at the key in it.
            if !path.ends_with(&format!(".{key}")) {
                path = format!("{path}.{key}");
            }
            return Self::new(format!("`{path}`: there is no such key"))
                .at(merged.origin(&path))
                .hint(suggestion(key, &expected));
        }
        let message = if is_secret(&path) { "the value is of the wrong kind" } else { message };
        Self::new(format!("`{path}`: {message}")).at(merged.origin(&path))
    }
}

/// Takes serde's ``unknown field `a`, expected one of `b`, `c` `` apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// The nearest of the words that would do, or all of them.
pub(super) fn suggestion(word: &str, expected: &[&str]) -> String {
    let near = expected
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4);
    match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if expected.is_empty() => "nothing can be set here".to_owned(),
        None => format!("there are: {}", expected.join(", ")),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(formatter, "{origin}: ")?;
        }
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Every mistake that was found, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}
