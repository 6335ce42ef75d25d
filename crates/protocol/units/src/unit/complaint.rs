//! What is to be said about a unit file, with file and line.

use std::fmt;
use std::path::PathBuf;

use super::SyntaxError;
use crate::value::ValueError;

/// Something to know about a line of a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The directive, if it is about one.
    pub directive: Option<String>,
    /// What there is to know.
    pub reason: Reason,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Well written, but Perigee does not do it.
    NotCarriedOut,
    /// Passed over: it means nothing to systemd either.
    Ignored,
    /// Wrong, and the line is as if it were not there.
    Wrong,
    /// The unit cannot be started.
    Refused,
}

/// What there is to know about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No line of a unit file.
    Syntax(SyntaxError),
    /// A section that this kind of unit does not have.
    Section(String),
    /// A directive that the section does not have, and the one most like it.
    Unknown {
        /// The section.
        section: String,
        /// What may have been meant.
        similar: Option<&'static str>,
    },
    /// A value that is none.
    Value(ValueError),
    /// Understood, but not done, for this reason.
    NotCarriedOut(&'static str),
    /// The unit lacks something, or says what excludes itself; it cannot be started.
    Unit(&'static str),
    /// A file of the unit could not be read.
    Unreadable(String),
}

impl Complaint {
    /// How bad it is.
    pub fn level(&self) -> Level {
        match self.reason {
            Reason::NotCarriedOut(_) => Level::NotCarriedOut,
            Reason::Section(_) | Reason::Unknown { .. } => Level::Ignored,
            Reason::Syntax(_) | Reason::Value(_) => Level::Wrong,
            Reason::Unit(_) | Reason::Unreadable(_) => Level::Refused,
        }
    }
}

impl fmt::Display for Complaint {
    /// `FILE:LINE: Directive=: reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if let Some(directive) = &self.directive {
            write!(f, "{directive}=: ")?;
        }
        write!(f, "{}", self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Syntax(error) => write!(f, "{error}"),
            Reason::Section(section) => write!(f, "files of this kind have no section [{section}]"),
            Reason::Unknown { section, similar } => {
                write!(f, "there is no such directive in [{section}]")?;
                similar.map_or(Ok(()), |similar| write!(f, "; is it {similar}=?"))
            }
            Reason::Value(error) => write!(f, "{error}"),
            Reason::NotCarriedOut(reason) => write!(f, "not carried out: {reason}"),
            Reason::Unit(problem) => write!(f, "the unit cannot be started: {problem}"),
            Reason::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}
