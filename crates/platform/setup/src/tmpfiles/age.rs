//! Ages: `10d`, `~1w`, `aM:2h`; and which of a file's times count.

use perigee_units::value::Span;

use super::LineError;

/// How old what lies in a folder may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Microseconds; none for ever.
    pub micros: Option<u64>,
    /// `~`: what lies in the folder itself stays, what lies in its folders goes.
    pub keep_first: bool,
    /// The times of a file that count.
    pub files: Times,
    /// The times of a folder that count.
    pub folders: Times,
}

/// Which times count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was last read.
    pub access: bool,
    /// When it was made.
    pub birth: bool,
    /// When it, its owner or its mode was last changed.
    pub change: bool,
    /// When it was last written.
    pub modify: bool,
}

impl Age {
    /// Reads an age.
    ///
    /// # Errors
    /// What is none.
    pub fn parse(text: &str) -> Result<Age, LineError> {
        let wrong = || LineError::Age(text.to_owned());
        let (keep_first, rest) = text.strip_prefix('~').map_or((false, text), |rest| (true, rest));
        let all = Times { access: true, birth: true, change: true, modify: true };
        // Cleaning itself changes a folder.
        let (mut files, mut folders) = (all, Times { change: false, ..all });
        let mut rest = rest;
        if let Some((by, span)) = rest.split_once(':') {
            let pick = |upper: bool| {
                let has =
                    |letter: char| by.contains(if upper { letter.to_ascii_uppercase() } else { letter });
                Times { access: has('a'), birth: has('b'), change: has('c'), modify: has('m') }
            };
            if by.is_empty() || !by.chars().all(|letter| "abcmABCM".contains(letter)) {
                return Err(wrong());
            }
            (files, folders) = (pick(false), pick(true));
            rest = span;
        }
        let micros = match Span::parse(rest).map_err(|_| wrong())? {
            Span::Finite(span) => Some(u64::try_from(span.as_micros()).map_err(|_| wrong())?),
            Span::Infinity => None,
        };
        Ok(Age { micros, keep_first, files, folders })
    }
}
