//! Whether a unit is enabled, read off the links.

use std::collections::BTreeMap;
use std::fmt;

use perigee_units::unit::UnitName;

use super::info::{Context, Info};
use super::layout::{Entry, PERSISTENT, RUNTIME, last};
use super::links::alias_of;
use super::preset::Presets;
use super::{InstallError, Installation};

/// Whether a unit starts by itself, in systemctl's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word of its name, of systemctl(1)")]
pub enum State {
    Enabled,
    EnabledRuntime,
    Linked,
    LinkedRuntime,
    Alias,
    Masked,
    MaskedRuntime,
    Static,
    Indirect,
    Disabled,
    Generated,
    Transient,
    Bad,
}

/// A unit file in a list of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The unit.
    pub name: UnitName,
    /// Whether it starts by itself.
    pub state: State,
    /// Whether it would with the system's presets; none for those to which presets do not apply.
    pub preset: Option<bool>,
}

impl State {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            State::Enabled => "enabled",
            State::EnabledRuntime => "enabled-runtime",
            State::Linked => "linked",
            State::LinkedRuntime => "linked-runtime",
            State::Alias => "alias",
            State::Masked => "masked",
            State::MaskedRuntime => "masked-runtime",
            State::Static => "static",
            State::Indirect => "indirect",
            State::Disabled => "disabled",
            State::Generated => "generated",
            State::Transient => "transient",
            State::Bad => "bad",
        }
    }

    /// Whether `is-enabled` says so by its exit status.
    pub fn counts_as_enabled(self) -> bool {
        matches!(
            self,
            State::Enabled
                | State::EnabledRuntime
                | State::Static
                | State::Alias
                | State::Indirect
                | State::Generated
        )
    }
}

impl State {
    fn takes_presets(self) -> bool {
        matches!(
            self,
            State::Enabled
                | State::EnabledRuntime
                | State::Disabled
                | State::Masked
                | State::MaskedRuntime
                | State::Linked
                | State::LinkedRuntime
                | State::Indirect
                | State::Bad
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Installation {
    /// Whether a unit starts by itself.
    ///
    /// # Errors
    /// There is no such unit, or it cannot be read.
    pub fn state(&self, name: &UnitName) -> Result<State, InstallError> {
        let info = Context::new(&self.layout).discover(name, true)?;
        if info.masked {
            return Ok(if info.path.starts_with("/run/") { State::MaskedRuntime } else { State::Masked });
        }
        let is_instance = name.template().is_some();
        if last(&info.path) != name.as_str() && !is_instance {
            return Ok(State::Alias);
        }
        if info.path.starts_with("/run/systemd/generator") {
            return Ok(State::Generated);
        }
        if info.path.starts_with("/run/systemd/transient") {
            return Ok(State::Transient);
        }
        if let Some(state) = self.linked(&info)? {
            return Ok(state);
        }
        Ok(if info.has_rules() {
            State::Disabled
        } else if !info.also.is_empty() {
            State::Indirect
        } else {
            State::Static
        })
    }

    /// Whether a unit would start by itself with the system's presets; none where they do not apply.
    ///
    /// # Errors
    /// There is no such unit, or the presets cannot be read.
    pub fn preset_of(&self, name: &UnitName) -> Result<Option<bool>, InstallError> {
        let applies = self.state(name)?.takes_presets();
        Ok(if applies { Some(Presets::read(&self.layout)?.enables(name)) } else { None })
    }

    /// Every unit file with its state, by name.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, InstallError> {
        let presets = Presets::read(&self.layout)?;
        let mut found: BTreeMap<UnitName, Listed> = BTreeMap::new();
        for folder in self.layout.folders() {
            for (entry, is_folder) in self.layout.list(folder)? {
                let Some(name) = UnitName::parse(&entry).ok().filter(|_| !is_folder) else { continue };
                if found.contains_key(&name) {
                    continue;
                }
                let state = self.state(&name).unwrap_or(State::Bad);
                let preset = state.takes_presets().then(|| presets.enables(&name));
                found.insert(name.clone(), Listed { name, state, preset });
            }
        }
        Ok(found.into_values().collect())
    }

    /// The links that there are to a unit, in all folders of the search path.
    fn linked(&self, info: &Info) -> Result<Option<State>, InstallError> {
        let (mut at_runtime, mut at_all, mut indirect) = (false, false, false);
        let (mut same_name, mut same_name_runtime) = (false, false);
        for folder in self.layout.folders() {
            let found = self.links_in(folder, info)?;
            if found.enabled && folder == PERSISTENT {
                return Ok(Some(State::Enabled));
            }
            let runtime = folder.starts_with("/run/systemd/");
            at_runtime |= found.enabled && runtime;
            at_all |= found.enabled && !runtime;
            same_name |= found.same_name && folder == PERSISTENT;
            same_name_runtime |= found.same_name && folder == RUNTIME;
            indirect |= found.by_another && (folder == PERSISTENT || folder == RUNTIME);
        }
        // An instance that the system itself wants was asked for by name, and cannot be disabled.
        let is_instance = info.name.template().is_some();
        Ok(if at_runtime {
            Some(State::EnabledRuntime)
        } else if at_all && is_instance {
            Some(State::Static)
        } else if same_name {
            Some(State::Linked)
        } else if same_name_runtime {
            Some(State::LinkedRuntime)
        } else if indirect {
            Some(State::Indirect)
        } else {
            None
        })
    }

    /// What links to the unit there are in a folder of the search path.
    fn links_in(&self, folder: &str, info: &Info) -> Result<Links, InstallError> {
        let mut links = Links::default();
        let (name, instance) = (info.name.as_str(), info.instance());
        for (entry, is_folder) in self.layout.list(folder)? {
            let path = format!("{folder}/{entry}");
            if is_folder && (entry.ends_with(".wants") || entry.ends_with(".requires")) {
                for (entry, _) in self.layout.list(&path)? {
                    if !matches!(self.layout.entry(&format!("{path}/{entry}"))?, Entry::Link(_)) {
                        continue;
                    }
                    links.enabled |= entry == name || entry == instance.as_str();
                    let template = UnitName::parse(&entry).ok().and_then(|entry| entry.template());
                    links.by_another |= template.as_ref() == Some(&info.name);
                }
            } else if !is_folder && self.is_link_to(folder, &entry, info)? {
                let known = entry == instance.as_str() || known_name(info, &entry);
                *(match (entry == name, known) {
                    (true, _) => &mut links.same_name,
                    (_, true) => &mut links.enabled,
                    _ => &mut links.by_another,
                }) = true;
            }
        }
        Ok(links)
    }

    /// Whether this is a link that has the unit's name or leads to it.
    fn is_link_to(&self, folder: &str, entry: &str, info: &Info) -> Result<bool, InstallError> {
        let path = format!("{folder}/{entry}");
        let Entry::Link(to) = self.layout.entry(&path)? else { return Ok(false) };
        // A mask that an earlier folder overrules.
        if to == "/dev/null" {
            return Ok(false);
        }
        Ok(entry == info.name.as_str() || last(&to) == info.name.as_str() || {
            let to = if to.starts_with('/') { to } else { format!("{folder}/{to}") };
            // Instances share the file of their template: it is their names that tell them apart.
            info.name.template().is_none()
                && self.layout.chase(&to).ok() == self.layout.chase(&info.path).ok()
        })
    }
}

/// Links to a unit in one folder.
#[derive(Default)]
struct Links {
    /// Those that start it.
    enabled: bool,
    /// One by its own name in the folder itself: its file lies elsewhere.
    same_name: bool,
    /// By a name that it does not ask for, or to an instance of the template.
    by_another: bool,
}

/// Whether a link in the search path itself has a name that the unit asks for.
fn known_name(info: &Info, entry: &str) -> bool {
    info.aliases
        .iter()
        .any(|alias| alias == entry || alias_of(&info.name, alias).is_some_and(|alias| alias == entry))
}
