//! What is changed of units and of the supervisor while it runs: limits of units (systemctl's `set-property`), the
//! variables that all services get, and how much the supervisor says of itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perigee_journal::Priority;
use perigee_units::unit::directive::{find, is_limit};
use perigee_units::unit::{Source, Unit, UnitName};

use super::Supervisor;

/// Where the system has what was set so, until it is taken back and until the next boot.
const PERSISTENT: &str = "/etc/systemd/system.control";
const RUNTIME: &str = "/run/systemd/system.control";

/// Settings of one request.
const MOST_SETTINGS: usize = 64;

impl Supervisor {
    /// Sets limits of a unit: as drop-ins, and at once if it runs.
    pub(super) fn set_property(
        &mut self,
        name: &str,
        settings: &[String],
        runtime: bool,
    ) -> Result<(), String> {
        let name = UnitName::parse(name).map_err(|error| error.to_string())?;
        if settings.is_empty() || settings.len() > MOST_SETTINGS {
            return Err(format!("from one to {MOST_SETTINGS} settings can be set at once"));
        }
        let unit = self.load(&name).map_err(|error| error.to_string())?;
        let name = self.table.get(unit).unit.name.clone();
        // All are looked at before anything is written.
        let mut files = Vec::new();
        for setting in settings {
            files.push(dropin(&name, setting, &self.host)?);
        }
        let folder = self.control_folder(runtime).join(format!("{name}.d"));
        for (directive, text) in &files {
            let write = || {
                if !runtime {
                    // What was set until the next boot would count for more.
                    forget(
                        &self.control_folder(true).join(format!("{name}.d")),
                        &file_name(directive, true),
                    )?;
                }
                put(&folder, &file_name(directive, runtime), text)
            };
            write().map_err(|error| format!("cannot write below {}: {error}", folder.display()))?;
        }
        self.load_anew(std::slice::from_ref(&name), true).map_err(|error| error.to_string())?;
        self.limit_anew();
        self.publish_anew(unit);
        let names: Vec<_> = files.iter().map(|(directive, _)| directive.as_str()).collect();
        self.say_of(Some(unit), Priority::NOTICE, &format!("was given other limits: {}", names.join(", ")));
        Ok(())
    }

    /// The folder of drop-ins that are set so: the system's, if units are looked for there; else the supervisor's own,
    /// and the first folder of units.
    fn control_folder(&self, runtime: bool) -> PathBuf {
        let folders = self.settings.search.folders();
        let usual = Path::new(if runtime { RUNTIME } else { PERSISTENT });
        if folders.iter().any(|folder| folder == usual) {
            return usual.to_owned();
        }
        let own = self.settings.runtime.join("transient");
        if runtime { own } else { folders.first().cloned().unwrap_or(own) }
    }

    /// How much the supervisor says of itself: what is less urgent is left out.
    pub(super) fn set_log_level(&mut self, level: &str) -> Result<(), String> {
        self.log_level = level.parse().map_err(|_| format!("`{level}` is no level of a log"))?;
        Ok(())
    }
}

/// Those set until the next boot come behind the others.
fn file_name(directive: &str, runtime: bool) -> String {
    format!("{}-{directive}.conf", if runtime { 51 } else { 50 })
}

/// The directive and the text of a drop-in for `NAME=VALUE`.
fn dropin(
    name: &UnitName,
    setting: &str,
    host: &perigee_units::unit::Host,
) -> Result<(String, String), String> {
    let (directive, value) =
        setting.split_once('=').ok_or_else(|| format!("`{setting}` is no DIRECTIVE=VALUE"))?;
    let section = name.kind().section().unwrap_or("Unit");
    let (section, row) = find(name.kind(), section, directive)
        .filter(|(_, row)| is_limit(row.name))
        .ok_or_else(|| format!("{directive}= is nothing that can be set while {name} runs"))?;
    if value.contains(['\n', '\r', '\0']) || value.ends_with('\\') {
        return Err(format!("{directive}= has one line"));
    }
    let text =
        format!("# Set by `set-property`; `revert` takes it back.\n[{section}]\n{}={value}\n", row.name);
    let source = Source { path: file_name(row.name, false).into(), text: text.clone().into_bytes() };
    let unit = Unit::read(name.clone(), &[source], host);
    // What the unit lacks beside is not the setting's fault.
    let mut complaints = unit.complaints.iter();
    match complaints.find(|complaint| complaint.directive.as_deref() == Some(row.name)) {
        Some(complaint) => Err(format!("{setting}: {}", complaint.reason)),
        None => Ok((row.name.to_owned(), text)),
    }
}

/// A file is there whole, or as it was.
fn put(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text)?;
    fs::rename(&new, folder.join(name)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn forget(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_alone_can_be_set() {
        let host = perigee_units::unit::Host::default();
        let of = |unit: &str, setting: &str| {
            dropin(&UnitName::parse(unit).expect("a name"), setting, &host).map(|(directive, text)| {
                format!("{directive}|{}", text.lines().skip(1).collect::<Vec<_>>().join("|"))
            })
        };
        for (unit, setting, expected) in [
            ("a.service", "CPUWeight=7", "CPUWeight|[Service]|CPUWeight=7"),
            ("a.slice", "MemoryMax=1G", "MemoryMax|[Slice]|MemoryMax=1G"),
            // Another name for the same, and an empty value, which takes back.
            ("a.service", "MemoryLimit=", "MemoryMax|[Service]|MemoryMax="),
        ] {
            assert_eq!(of(unit, setting).as_deref(), Ok(expected), "{unit} {setting}");
        }
        for (unit, setting, part) in [
            ("a.service", "ExecStart=/bin/x", "nothing that can be set"),
            ("a.service", "Slice=b.slice", "nothing that can be set"),
            ("a.service", "Nonsense=1", "nothing that can be set"),
            ("a.service", "CPUWeight", "no DIRECTIVE=VALUE"),
            ("a.service", "CPUWeight=0", "CPUWeight=0: "),
            ("a.service", "CPUWeight=1\n[Service]\nExecStart=/bin/x", "one line"),
            ("a.mount", "CPUWeight=7", "CPUWeight=7: "),
            ("a.target", "CPUWeight=7", "nothing that can be set"),
            ("a.service", "MemoryPressureWatch=auto", ""),
        ] {
            let error = of(unit, setting).expect_err(setting);
            assert!(error.contains(part), "{setting}: {error}");
        }
    }
}
