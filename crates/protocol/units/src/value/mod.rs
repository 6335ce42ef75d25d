//! Values of directives: booleans, numbers, modes, time spans, sizes, signals, words. Each has a parser
//! that takes the text after `=` and says in one enum what is wrong with it.

mod device;
mod escape;
mod glob;
mod limit;
mod signal;
mod size;
mod span;
mod words;

pub use device::{DeviceKind, DeviceValue, OfDevice};
pub use escape::{escape_name, escape_path, unescape_name};
pub use glob::{GlobKind, glob_matches, glob_paths};
pub use limit::{Bound, Limit, LimitKind};
pub use signal::Signal;
pub(crate) use size::parse_percent;
pub use size::{Amount, parse_amount, parse_size};
pub use span::{DEFAULT_UNIT, Span, parse_span_in};
pub use words::{Words, cut_words, split_words};

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Nothing stands after `=` where something must.
    #[error("no value is given")]
    Empty,
    /// Not one of the words for yes and no.
    #[error("`{0}` is neither yes nor no")]
    Boolean(String),
    /// Not a number.
    #[error("`{0}` is not a whole number")]
    Number(String),
    /// A number outside of what the directive takes.
    #[error("{value} is not between {least} and {most}")]
    Range {
        /// The number that was given.
        value: i64,
        /// The least that is taken.
        least: i64,
        /// The most that is taken.
        most: i64,
    },
    /// Not an octal file mode.
    #[error("`{0}` is not an octal mode up to 7777")]
    Mode(String),
    /// Not a time span.
    #[error("`{0}` is not a time span such as `5min 20s`")]
    Span(String),
    /// A unit of time that does not exist.
    #[error("`{0}` is no unit of time")]
    TimeUnit(String),
    /// More than 64 bits of microseconds or of octets.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// Not a size.
    #[error("`{0}` is not a size such as `512M`, `50%` or `infinity`")]
    Size(String),
    /// No such signal.
    #[error("`{0}` is no signal")]
    Signal(String),
    /// Not one of the words that the directive takes.
    #[error("`{value}` is not one of {choices}")]
    Choice {
        /// What was given.
        value: String,
        /// What could have been.
        choices: String,
    },
    /// A path which does not begin with `/`, or has a NUL in it.
    #[error("`{0}` is not an absolute path")]
    Path(String),
    /// Not a name of a unit.
    #[error("`{0}` is not a name of a unit")]
    UnitName(String),
    /// A quotation mark without its pair.
    #[error("a quotation mark is not closed")]
    Quote,
    /// A backslash with what no escape sequence has.
    #[error("`\\{0}` is no escape sequence")]
    Escape(String),
    /// Octets, given by number, that are no UTF-8.
    #[error("the octets given by number are no UTF-8")]
    NotText,
    /// A specifier that cannot be expanded on this machine, or for this unit.
    #[error("`%{letter}` cannot be expanded: {reason}")]
    Specifier {
        /// The letter after the percent sign.
        letter: char,
        /// What is missing.
        reason: &'static str,
    },
    /// Not a line of an environment.
    #[error("`{0}` is not NAME=VALUE")]
    Assignment(String),
    /// Not a calendar expression.
    #[error("`{text}`: {source}")]
    Calendar {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: crate::calendar::CalendarError,
    },
    /// Not a command line.
    #[error("{0}")]
    Command(&'static str),
    /// Of the kind that the directive takes, but not as it takes it.
    #[error("`{value}` is not {expected}")]
    Other {
        /// What was given.
        value: String,
        /// What could have been.
        expected: &'static str,
    },
    /// More words, or longer ones, than are taken.
    #[error("the value is longer than {0}")]
    TooLong(usize),
}

/// Yes or no, in systemd's words.
///
/// # Errors
/// Any other word.
pub fn parse_bool(text: &str) -> Result<bool, ValueError> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Ok(true)
    } else if is(&["0", "no", "n", "false", "f", "off"]) {
        Ok(false)
    } else {
        Err(ValueError::Boolean(text.to_owned()))
    }
}

/// A whole number from `least` to `most`; `0x` and `0` in front mean base 16 and 8, `0b` and `0o` too.
///
/// # Errors
/// No number, or one outside of the bounds.
pub fn parse_number(text: &str, least: i64, most: i64) -> Result<i64, ValueError> {
    let wrong = || ValueError::Number(text.to_owned());
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return Err(wrong());
    }
    let value = sign * i64::from_str_radix(digits, base).map_err(|_| wrong())?;
    if (least..=most).contains(&value) { Ok(value) } else { Err(ValueError::Range { value, least, most }) }
}

/// An octal file mode, up to 7777.
///
/// # Errors
/// Digits that are not octal, or too many.
pub fn parse_mode(text: &str) -> Result<u32, ValueError> {
    let octal = !text.is_empty() && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o7777).ok_or_else(|| ValueError::Mode(text.to_owned()))
}

/// An absolute path, without doubled or trailing slashes.
///
/// # Errors
/// A path that is relative, longer than a system call takes, or goes up by `..`.
pub fn parse_path(text: &str) -> Result<String, ValueError> {
    let wrong = || ValueError::Path(text.to_owned());
    if !text.starts_with('/') || text.contains('\0') || text.len() >= 4096 {
        return Err(wrong());
    }
    let steps: Vec<_> = text.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    if steps.contains(&"..") {
        return Err(wrong());
    }
    Ok(format!("/{}", steps.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no() {
        for word in ["1", "yes", "Y", "true", "t", "ON"] {
            assert_eq!(parse_bool(word), Ok(true), "{word}");
        }
        for word in ["0", "no", "n", "False", "f", "off"] {
            assert_eq!(parse_bool(word), Ok(false), "{word}");
        }
        for word in ["", "2", "yess", " yes"] {
            assert_eq!(parse_bool(word), Err(ValueError::Boolean(word.to_owned())), "{word}");
        }
    }

    #[test]
    fn numbers_have_bases_and_bounds() {
        for (text, value) in [("12", 12), ("-5", -5), ("0x1F", 31), ("017", 15), ("0b101", 5), ("0", 0)] {
            assert_eq!(parse_number(text, -100, 100), Ok(value), "{text}");
        }
        for text in ["", "-", "0x", "1.5", "--1", "12a", "0x-1"] {
            assert_eq!(parse_number(text, -100, 100), Err(ValueError::Number(text.to_owned())), "{text}");
        }
        let outside = ValueError::Range { value: 101, least: -100, most: 100 };
        assert_eq!(parse_number("101", -100, 100), Err(outside));
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0755"), Ok(0o755));
        assert_eq!(parse_mode("7777"), Ok(0o7777));
        for text in ["", "8", "10000", "-1", "0o7", "u+x"] {
            assert_eq!(parse_mode(text), Err(ValueError::Mode(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn paths_are_absolute_and_tidied() {
        assert_eq!(parse_path("//usr/./lib/"), Ok("/usr/lib".to_owned()));
        assert_eq!(parse_path("/"), Ok("/".to_owned()));
        for text in ["", "usr", "/a/../b", "/a\0b"] {
            assert_eq!(parse_path(text), Err(ValueError::Path(text.to_owned())), "{text}");
        }
    }
}
