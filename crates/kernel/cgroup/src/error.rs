//! What can go wrong with a group, and what of a unit's limits is not set.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// This machine has no control groups for us; processes are tracked one by one.
    #[error("there are no control groups: {0}")]
    Unavailable(String),
    /// No path of a group.
    #[error("`{0}` is not a path of a control group")]
    Path(String),
    /// A file of the kernel could not be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl GroupError {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GroupError {
        move |source| GroupError::File { what, path: path.to_owned(), source }
    }

    /// What the kernel answered.
    pub fn errno(&self) -> Option<i32> {
        match self {
            GroupError::File { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// A setting that does not hold for a group, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The directive, without `=`.
    pub directive: &'static str,
    /// Why.
    pub reason: String,
}

impl Unmet {
    pub(crate) fn new(directive: &'static str, reason: impl Into<String>) -> Unmet {
        Unmet { directive, reason: reason.into() }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=: {}", self.directive, self.reason)
    }
}
