//! Files become a unit: assignments are looked up in the tables, values are read, an empty value takes back
//! what was said before.

use std::path::PathBuf;

use super::directive::{self, Fate};
use super::{Complaint, Host, Level, Reason, Scope, UnitName, Value, syntax, whole};

/// Settings of one unit are no more than this.
const MOST_SETTINGS: usize = 20_000;

/// Complaints about one unit are no more than this.
const MOST_COMPLAINTS: usize = 1_000;

/// Names that nobody knows are held against all that are known no more often than this: what is not written for us has
/// very many of them, and there is no person behind it who has mistyped one.
const MOST_GUESSES: usize = 20;

/// A file of a unit, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: Vec<u8>,
}

/// A directive with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The section that it counts for.
    pub section: &'static str,
    /// The directive, by its present name.
    pub directive: &'static str,
    /// The value.
    pub value: Value,
    /// Which of the unit's files it stands in.
    pub file: usize,
    /// The line in it.
    pub line: u32,
    /// Whether code does what it says.
    pub carried_out: bool,
}

/// A unit as its files declare it.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The name.
    pub name: UnitName,
    /// The files it was read from: the unit file, then the drop-ins.
    pub files: Vec<PathBuf>,
    /// What is set, in order.
    pub settings: Vec<Setting>,
    /// What there is to know about it.
    pub complaints: Vec<Complaint>,
}

impl Unit {
    /// Reads a unit from the texts of its files: the unit file and its drop-ins, in the order in which they count.
    /// A template is read as its instance `instance`.
    pub fn read(name: UnitName, sources: &[Source], host: &Host) -> Unit {
        let mut unit = Unit { name, files: Vec::new(), settings: Vec::new(), complaints: Vec::new() };
        let shown = match unit.name.is_template() {
            true => unit.name.with_instance("instance").unwrap_or_else(|_| unit.name.clone()),
            false => unit.name.clone(),
        };
        let fragment = sources.first().map(|source| source.path.display().to_string()).unwrap_or_default();
        let scope = Scope { name: &shown, fragment: &fragment, host };
        for (file, source) in sources.iter().enumerate() {
            unit.files.push(source.path.clone());
            unit.take(file, &source.text, &scope);
        }
        let not_done: Vec<_> = unit.settings.iter().filter_map(|setting| unit.not_done(setting)).collect();
        not_done.into_iter().for_each(|complaint| unit.complain(complaint));
        for (directive, problem) in whole::problems(&unit) {
            let setting = unit.settings.iter().rev().find(|setting| Some(setting.directive) == directive);
            let (file, line) = setting.map_or((0, 0), |setting| (setting.file, setting.line));
            let directive = directive.map(str::to_owned);
            let file = unit.files.get(file).cloned().unwrap_or_default();
            unit.complain(Complaint { file, line, directive, reason: Reason::Unit(problem) });
        }
        unit.complaints.sort_by_key(|complaint| {
            (unit.files.iter().position(|file| *file == complaint.file), complaint.line)
        });
        // Units are many, and stay.
        unit.settings.shrink_to_fit();
        unit
    }

    fn take(&mut self, file: usize, text: &[u8], scope: &Scope<'_>) {
        let parsed = syntax::parse(text);
        let path = self.files[file].clone();
        let about = |line, directive: Option<&str>, reason| Complaint {
            file: path.clone(),
            line,
            directive: directive.map(str::to_owned),
            reason,
        };
        for (line, error) in parsed.faults {
            self.complain(about(line, None, Reason::Syntax(error)));
        }
        let known = directive::sections(self.name.kind());
        let ours = |section: &str| known.contains(&section);
        let mut guesses = 0;
        for (section, line) in &parsed.sections {
            if !ours(section) && !section.starts_with("X-") {
                self.complain(about(*line, None, Reason::Section(section.clone())));
            }
        }
        for assignment in parsed.assignments.iter().filter(|assignment| ours(&assignment.section)) {
            let (section, key, line) =
                (assignment.section.as_str(), assignment.key.as_str(), assignment.line);
            if key.starts_with("X-") {
                continue;
            }
            let Some((section, directive)) = directive::find(self.name.kind(), section, key) else {
                guesses += 1;
                let guessed = guesses <= MOST_GUESSES;
                let similar = guessed.then(|| directive::similar(self.name.kind(), section, key)).flatten();
                let reason = Reason::Unknown { section: section.to_owned(), similar };
                self.complain(about(line, Some(key), reason));
                continue;
            };
            if assignment.value.is_empty() {
                self.settings.retain(|s| {
                    s.section != section || !directive::takes_back(section, directive.name, s.directive)
                });
                // Here nothing is not the same as nothing said: it leaves no capability at all.
                if directive.name == "CapabilityBoundingSet" {
                    let carried_out = directive::fate(section, directive) == Fate::CarriedOut;
                    let (directive, value) = (directive.name, Value::Words(Vec::new()));
                    self.settings.push(Setting { section, directive, value, file, line, carried_out });
                }
                continue;
            }
            match directive.kind.parse(&assignment.value, scope) {
                Ok(value) => {
                    if !directive.kind.adds_up() {
                        self.settings.retain(|s| (s.section, s.directive) != (section, directive.name));
                    }
                    let carried_out = directive::fate(section, directive) == Fate::CarriedOut;
                    let directive = directive.name;
                    if self.settings.len() < MOST_SETTINGS {
                        self.settings.push(Setting { section, directive, value, file, line, carried_out });
                    } else {
                        let reason = Reason::Unit("it has too many settings");
                        self.complain(about(line, Some(key), reason));
                    }
                }
                Err(error) => self.complain(about(line, Some(key), Reason::Value(error))),
            }
        }
    }

    /// What is set, and stays so after everything was read, but is not carried out.
    fn not_done(&self, setting: &Setting) -> Option<Complaint> {
        let (_, directive) = directive::find(self.name.kind(), setting.section, setting.directive)?;
        let Fate::NotCarriedOut(reason) = directive::fate(setting.section, directive) else { return None };
        Some(Complaint {
            file: self.files[setting.file].clone(),
            line: setting.line,
            directive: Some(setting.directive.to_owned()),
            reason: Reason::NotCarriedOut(reason),
        })
    }

    fn complain(&mut self, complaint: Complaint) {
        if self.complaints.len() < MOST_COMPLAINTS {
            self.complaints.push(complaint);
        }
    }

    /// Why it is not to be started: what it lacks, or, where it is to be carried out as it says or not at all, the first
    /// thing that is not. Its own `Strict=` counts for more than what is set for all.
    pub fn refusal(&self, strict: bool) -> Option<&Complaint> {
        let strict = match self.last("X-Perigee", "Strict") {
            Some(Value::Bool(own)) => *own,
            _ => strict,
        };
        let impossible = self.complaints.iter().find(|complaint| complaint.level() == Level::Refused);
        impossible.or_else(|| self.complaints.first().filter(|_| strict))
    }

    /// Every value of a directive, in order.
    pub fn all<'a>(
        &'a self,
        section: &'a str,
        directive: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> {
        let found = self.settings.iter().filter(move |s| s.section == section && s.directive == directive);
        found.map(|setting| &setting.value)
    }

    /// The value of a directive that counts, if it is set.
    pub fn last<'a>(&'a self, section: &'a str, directive: &'a str) -> Option<&'a Value> {
        self.all(section, directive).next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each name that is not known is told, with a guess as long as a person may have mistyped them.
    #[test]
    fn guesses_have_an_end() {
        let text = format!("[Service]\n{}", "ExecStrat=x\n".repeat(100)).into_bytes();
        let name = UnitName::parse("a.service").expect("a name");
        let unit = Unit::read(name, &[Source { path: "a.service".into(), text }], &Host::default());
        let unknown = unit.complaints.iter().filter_map(|complaint| match complaint.reason {
            Reason::Unknown { similar, .. } => Some(similar),
            _ => None,
        });
        let unknown: Vec<_> = unknown.collect();
        assert_eq!(unknown[..MOST_GUESSES], [Some("ExecStart"); MOST_GUESSES]);
        assert_eq!(unknown[MOST_GUESSES..], [None; 100 - MOST_GUESSES]);
    }
}
