//! A unit's section, asked for one directive after the other. What cannot be understood is a note of the unit, and
//! counts as not said.

use perigee_units::unit::{Unit, Value};
use perigee_units::value::Limit;

/// The section of a unit that says how its processes run.
pub(super) struct Reader<'a> {
    unit: &'a Unit,
    section: &'static str,
    /// What was not understood, in words.
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    /// None for a unit without processes.
    pub(super) fn new(unit: &'a Unit) -> Option<Reader<'a>> {
        let section = unit.name.kind().section()?;
        Some(Reader { unit, section, problems: Vec::new() })
    }

    pub(super) fn name(&self) -> &'a str {
        self.unit.name.as_str()
    }

    fn last(&self, directive: &'a str) -> Option<&'a Value> {
        self.unit.last(self.section, directive)
    }

    pub(super) fn all(&self, directive: &'a str) -> impl Iterator<Item = &'a Value> {
        self.unit.all(self.section, directive)
    }

    pub(super) fn flag(&self, directive: &'a str) -> Option<bool> {
        match self.last(directive)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn is(&self, directive: &'a str) -> bool {
        self.flag(directive) == Some(true)
    }

    pub(super) fn text(&self, directive: &'a str) -> Option<&'a str> {
        match self.last(directive)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of each assignment.
    pub(super) fn texts(&self, directive: &'a str) -> Vec<&'a str> {
        let texts = self.all(directive).filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    pub(super) fn number(&self, directive: &'a str) -> Option<i64> {
        match self.last(directive)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn mode(&self, directive: &'a str) -> Option<u32> {
        match self.last(directive)? {
            Value::Mode(mode) => Some(*mode),
            _ => None,
        }
    }

    pub(super) fn limit(&self, directive: &'a str) -> Option<Limit> {
        match self.last(directive)? {
            Value::Limit(limit) => Some(*limit),
            _ => None,
        }
    }

    /// The words of each assignment for itself.
    pub(super) fn lines(&self, directive: &'a str) -> Vec<&'a [String]> {
        let words = self.all(directive).filter_map(|value| match value {
            Value::Words(words) => Some(words.as_slice()),
            _ => None,
        });
        words.collect()
    }

    /// The words of all assignments.
    pub(super) fn words(&self, directive: &'a str) -> Vec<&'a str> {
        self.lines(directive).into_iter().flatten().map(String::as_str).collect()
    }

    /// `word` is nothing that the directive knows.
    pub(super) fn problem(&mut self, directive: &str, word: &str, why: &str) {
        self.problems.push(format!("{directive}={word}: {why}"));
    }

    /// A set of bits, given by lists of names: those with `~` in front take away. None where nothing is said.
    pub(super) fn set(
        &mut self,
        directive: &'a str,
        all: u64,
        bit: impl Fn(&str) -> Option<u64>,
    ) -> Option<u64> {
        let mut set = None;
        for line in self.lines(directive) {
            let mut negated = false;
            let mut sum = 0;
            for (index, word) in line.iter().enumerate() {
                let word = match word.strip_prefix('~').filter(|_| index == 0) {
                    Some(rest) => {
                        negated = true;
                        rest
                    }
                    None => word.as_str(),
                };
                match bit(word) {
                    Some(bits) => sum |= bits,
                    None if word.is_empty() => {}
                    None => self.problem(directive, word, "there is no such name"),
                }
            }
            set = Some(match (set, negated) {
                (None, false) => sum,
                (None, true) => all & !sum,
                // An empty list, which takes all back, and the full one.
                (Some(_), false) if line.is_empty() => 0,
                (Some(_), true) if sum == 0 => all,
                (Some(before), false) => before | sum,
                (Some(before), true) => before & !sum,
            });
        }
        set
    }
}
