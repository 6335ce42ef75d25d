//! Which records are wanted.

use std::collections::BTreeMap;

use memchr::memmem;
use regex_lite::{Regex, RegexBuilder};

use crate::id::Id;
use crate::record::{Priority, Record, head};
use crate::time::Time;

/// Which records are wanted: those that fit everything that is asked. Nothing asked is everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub(super) units: Vec<String>,
    /// From this time on.
    pub since: Option<Time>,
    /// Until this time, itself included.
    pub until: Option<Time>,
    /// At least so urgent.
    pub priority: Option<Priority>,
    /// Of this boot.
    pub boot: Option<Id>,
    pub(super) fields: BTreeMap<String, Vec<String>>,
    pub(super) grep: Option<Regex>,
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A field without `=`.
    #[error("`{0}` is not NAME=VALUE")]
    Field(String),
    /// Not a regular expression.
    #[error("`{pattern}` is no regular expression: {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Query {
    /// Of this unit too; the name may have `*`, `?` and `[…]` as a shell has them.
    #[must_use]
    pub fn unit(mut self, pattern: &str) -> Query {
        self.units.push(pattern.to_owned());
        self
    }

    /// With `NAME=VALUE`, where the name is a key of a record or of one of its further fields. Several values of one name
    /// are alternatives.
    ///
    /// # Errors
    /// When there is no `=`.
    pub fn field(mut self, field: &str) -> Result<Query, QueryError> {
        let (name, value) = field.split_once('=').ok_or_else(|| QueryError::Field(field.to_owned()))?;
        self.fields.entry(name.to_owned()).or_default().push(value.to_owned());
        Ok(self)
    }

    /// Whose text has a match of this regular expression; where it has no upper-case letter, case does not count.
    ///
    /// # Errors
    /// When it is no regular expression.
    pub fn grep(mut self, pattern: &str) -> Result<Query, QueryError> {
        let blind = !pattern.chars().any(char::is_uppercase);
        let built = RegexBuilder::new(pattern).case_insensitive(blind).build();
        let wrong = |error: regex_lite::Error| QueryError::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        self.grep = Some(built.map_err(wrong)?);
        Ok(self)
    }

    /// Whether a record is wanted.
    pub fn fits(&self, record: &Record<'_>) -> bool {
        self.units_fit(&record.unit)
            && self.time_fits(record.time)
            && self.priority.is_none_or(|most| record.priority <= most)
            && self.boot.is_none_or(|boot| record.boot == boot)
            && self.fields.iter().all(|(name, values)| field_fits(record, name, values))
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&record.text()))
    }

    /// Whether a line can be a record that is wanted: cheaper than reading it.
    pub(super) fn may_fit(&self, line: &[u8]) -> bool {
        let Some((_, time)) = head(line) else { return false };
        if !self.time_fits(time) {
            return false;
        }
        match &self.units[..] {
            [unit] if !unit.contains(['*', '?', '[', '"', '\\']) => {
                let key = [b"\"unit\":\"", unit.as_bytes(), b"\""].concat();
                memmem::find(line, &key).is_some()
            }
            _ => true,
        }
    }

    /// Whether records of these times can be wanted.
    pub(super) fn span_fits(&self, from: Time, to: Time) -> bool {
        self.since.is_none_or(|since| to >= since) && self.until.is_none_or(|until| from <= until)
    }

    fn time_fits(&self, time: Time) -> bool {
        self.span_fits(time, time)
    }

    fn units_fit(&self, unit: &str) -> bool {
        self.units.is_empty() || self.units.iter().any(|pattern| glob(pattern.as_bytes(), unit.as_bytes()))
    }
}

fn field_fits(record: &Record<'_>, name: &str, values: &[String]) -> bool {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let own = match name {
        "seq" => number(Some(record.sequence)),
        "time" => Some(record.time.to_string()),
        "mono" => number(Some(record.monotonic)),
        "boot" => Some(record.boot.to_string()),
        "unit" => Some(record.unit.to_string()),
        "run" => record.invocation.map(|run| run.to_string()),
        "pid" => number(record.pid.map(u64::from)),
        "uid" => number(record.uid.map(u64::from)),
        "from" => Some(record.source.name().to_owned()),
        "prio" => number(Some(record.priority.number().into())),
        "facility" => number(record.facility.map(u64::from)),
        "id" => Some(record.identifier.to_string()),
        "msg" => Some(record.text().into_owned()),
        _ => None,
    };
    let wanted = |value: &[u8]| values.iter().any(|wanted| wanted.as_bytes() == value);
    own.is_some_and(|own| wanted(own.as_bytes()))
        || record.fields.iter().any(|(own, value)| own == name && wanted(value))
}

/// Whether a text fits a pattern with `*`, `?`, `[abc]`, `[a-z]`, `[!a]`, and `\` before what means itself.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    // Behind the last star: where to go on when what follows does not fit, one octet further each time.
    let mut again = None;
    while here < text.len() {
        if pattern.get(at) == Some(&b'*') {
            again = Some((at + 1, here));
            at += 1;
        } else if let Some(width) = one(&pattern[at..], text[here]) {
            (at, here) = (at + width, here + 1);
        } else if let Some((behind, from)) = again {
            again = Some((behind, from + 1));
            (at, here) = (behind, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}

/// Octets of the pattern that fit this octet of a text.
fn one(pattern: &[u8], octet: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', itself, ..] => (*itself == octet).then_some(2),
        [b'[', set @ ..] => {
            // A bracket that stands first is one of the set.
            let (set, not) = match set {
                [b'!' | b'^', rest @ ..] => (rest, true),
                _ => (set, false),
            };
            let Some(end) = set.iter().skip(1).position(|octet| *octet == b']').map(|end| end + 1) else {
                return (octet == b'[').then_some(1);
            };
            let mut members = &set[..end];
            let mut found = false;
            while let [first, rest @ ..] = members {
                members = match rest {
                    [b'-', last, behind @ ..] => {
                        found |= (*first..=*last).contains(&octet);
                        behind
                    }
                    _ => {
                        found |= *first == octet;
                        rest
                    }
                };
            }
            (found != not).then_some(end + 2 + usize::from(not))
        }
        [itself, ..] => (*itself == octet).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Source;

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("a.service", "a.service", true),
            ("a.service", "b.service", false),
            ("*.service", "a.b.service", true),
            ("*.service", ".service", true),
            ("*.service", "a.socket", false),
            ("get*@tty?.service", "getty@tty1.service", true),
            ("get*@tty?.service", "getty@tty10.service", false),
            ("[ab]*", "beta", true),
            ("[!ab]*", "beta", false),
            ("[a-c]x", "bx", true),
            ("[]x]", "]", true),
            ("[", "[", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b*c*", "xaxbxc", true),
            ("*a*b*c*", "xaxcxb", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
        // Many stars stay cheap.
        assert!(!glob("*a".repeat(40).as_bytes(), "a".repeat(39).as_bytes()));
    }

    #[test]
    fn everything_that_is_asked_must_fit() {
        let mut record = Record::new("a.service", Source::Stdout, Priority::WARNING, b"No Carrier at all");
        record.pid = Some(7);
        record.fields = vec![("SITE".to_owned(), b"Kiruna".to_vec())].into();
        let ask = Query::default;
        let field = |text: &str| ask().field(text).expect("a field");
        let grep = |text: &str| ask().grep(text).expect("a pattern");
        for (query, fits) in [
            (ask(), true),
            (ask().unit("b.service"), false),
            (ask().unit("b.service").unit("a.*"), true),
            (Query { priority: Some(Priority::WARNING), ..ask() }, true),
            (Query { priority: Some(Priority::ERROR), ..ask() }, false),
            (Query { boot: Some(Id(1)), ..ask() }, false),
            (Query { since: Some(Time(1)), ..ask() }, false),
            (Query { until: Some(Time(0)), ..ask() }, true),
            (field("SITE=Kiruna"), true),
            (field("SITE=Svalbard"), false),
            (field("SITE=Svalbard").field("SITE=Kiruna").expect("a field"), true),
            (field("pid=7").field("from=stderr").expect("a field"), false),
            (grep("no carrier"), true),
            (grep("NO carrier"), false),
            (grep("^no.*all$"), true),
        ] {
            assert_eq!(query.fits(&record), fits, "{query:?}");
        }
        assert!(ask().field("SITE").is_err());
        assert!(ask().grep("(").is_err());
    }
}
