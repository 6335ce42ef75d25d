//! Presets, systemd.preset(5): which units a system enables when they are installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use perigee_units::unit::UnitName;
use perigee_units::value::{GlobKind, cut_words, glob_matches};

use super::info::Context;
use super::layout::{Layout, failed};
use super::state::State;
use super::{InstallError, Installation, Outcome};

/// Where presets are; a file in an earlier folder hides those of the same name.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system-preset",
    "/run/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// A line of a preset.
struct Rule {
    /// What names it is for.
    pattern: String,
    /// What it says.
    enables: bool,
    /// The instances that a template is enabled with.
    instances: Vec<String>,
}

/// All presets, the first rule that fits counts.
pub(super) struct Presets(Vec<Rule>);

impl Presets {
    pub(super) fn read(layout: &Layout) -> Result<Presets, InstallError> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for folder in FOLDERS {
            for (name, is_folder) in layout.list(folder)? {
                if !is_folder && name.ends_with(".preset") {
                    files.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
                }
            }
        }
        let mut rules = Vec::new();
        for path in files.values() {
            let text = fs::read(layout.at(path)).map_err(|error| failed(path, error))?;
            for line in String::from_utf8_lossy(&text).lines() {
                rules.extend(rule(line.trim()));
            }
        }
        Ok(Presets(rules))
    }

    /// Whether a unit is enabled by the presets; what no rule is for is.
    pub(super) fn enables(&self, name: &UnitName) -> bool {
        self.find(name).is_none_or(|rule| rule.enables)
    }

    fn find(&self, name: &UnitName) -> Option<&Rule> {
        self.0.iter().find(|rule| {
            glob_matches(&rule.pattern, name.as_str(), GlobKind::Plain)
                || !rule.instances.is_empty()
                    && name.template().is_some_and(|template| {
                        template.as_str() == rule.pattern
                            && rule.instances.iter().any(|instance| name.instance() == Some(instance))
                    })
        })
    }
}

/// `enable PATTERN [INSTANCE…]`, `disable PATTERN`.
fn rule(line: &str) -> Option<Rule> {
    let mut words = cut_words(line).ok()?.into_iter();
    let enables = match words.next()?.as_str() {
        "enable" => true,
        "disable" => false,
        _ => return None,
    };
    let pattern = words.next()?;
    // What else stands behind it is for `enable` of a template.
    let instances = if enables { words.collect() } else { Vec::new() };
    Some(Rule { pattern, enables, instances })
}

impl Installation {
    /// Enables or disables units as the presets say.
    pub fn preset(&self, names: &[&str]) -> Outcome {
        self.preset_with(names, true, true)
    }

    /// Enables units where the presets say so, and disables none.
    pub fn preset_enable_only(&self, names: &[&str]) -> Outcome {
        self.preset_with(names, true, false)
    }

    /// Disables units where the presets say so, and enables none.
    pub fn preset_disable_only(&self, names: &[&str]) -> Outcome {
        self.preset_with(names, false, true)
    }

    /// Enables or disables every unit as the presets say; those that are masked, or cannot be read, stay as they are.
    pub fn preset_all(&self) -> Outcome {
        let listed = match self.list() {
            Ok(listed) => listed,
            Err(error) => return Outcome { failures: vec![error], by_preset: true, ..Outcome::default() },
        };
        let kept = [State::Masked, State::MaskedRuntime, State::Bad];
        let listed = listed.iter().filter(|unit| unit.preset.is_some() && !kept.contains(&unit.state));
        let names: Vec<_> = listed.map(|unit| unit.name.as_str()).collect();
        self.preset(&names)
    }

    fn preset_with(&self, names: &[&str], enable: bool, disable: bool) -> Outcome {
        let mut outcome = Outcome { by_preset: true, ..Outcome::default() };
        let context = Context::new(&self.layout);
        let presets = match Presets::read(&self.layout) {
            Ok(presets) => presets,
            Err(error) => {
                outcome.failures.push(error);
                return outcome;
            }
        };
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for name in names {
            let Ok(name) = UnitName::parse(name) else {
                outcome.failures.push(InstallError::Name((*name).to_owned()));
                return outcome;
            };
            let info = match context.discover(&name, true) {
                // Presets speak of units by their own names.
                Ok(info) if info.name != name => continue,
                Ok(info) => info,
                Err(error) => {
                    outcome.failures.push(error);
                    return outcome;
                }
            };
            let rule = presets.find(&name);
            match rule.is_none_or(|rule| rule.enables) {
                false => minus.push(name),
                true if info.masked => {
                    outcome.failures.push(InstallError::Masked(info.path));
                    return outcome;
                }
                true => {
                    let instances = rule.map(|rule| rule.instances.as_slice()).unwrap_or_default();
                    if !name.is_template() || instances.is_empty() {
                        plus.push(info);
                        continue;
                    }
                    let made = instances.iter().filter_map(|instance| name.with_instance(instance).ok());
                    plus.extend(made.filter_map(|name| context.discover(&name, true).ok()));
                }
            }
        }
        if disable {
            self.remove_all(&context, minus, &BTreeSet::new(), &mut outcome);
        }
        if enable {
            self.apply(&context, plus, &mut outcome);
        }
        outcome
    }
}
