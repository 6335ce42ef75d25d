//! Files of administrators about units: where `edit` puts them, what `revert` removes, and links that let one unit want
//! another without an `[Install]` section.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perigee_process::file;
use perigee_units::unit::{LONGEST_FILE, Source, Unit, UnitName};

use super::info::Context;
use super::layout::{Entry, PERSISTENT, RUNTIME, failed};
use super::{Change, InstallError, Installation, Outcome};
use crate::host;

/// Folders whose files about a unit are not those of its package.
const OWN: [&str; 4] = [PERSISTENT, RUNTIME, "/etc/systemd/system.control", "/run/systemd/system.control"];

/// A file that is to be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The unit.
    pub unit: UnitName,
    /// Where it will be, as this process opens it.
    pub path: PathBuf,
    /// What stands there now, or would be a beginning; empty if there is nothing.
    pub text: String,
    /// The other files of the unit with what stands in them: its drop-ins, and before them the unit file unless that is
    /// what is edited.
    pub others: Vec<Source>,
    /// Whether it is the unit file, or a drop-in.
    pub full: bool,
}

impl Installation {
    /// What to edit of a unit: the unit file in whole, or the drop-in of this name. With `force` a unit that is not there
    /// begins with nothing.
    ///
    /// # Errors
    /// There is no such unit, it is masked, or one of its files cannot be read.
    pub fn draft(&self, name: &UnitName, dropin: Option<&str>) -> Result<Draft, InstallError> {
        let found = self.files_of(name).and_then(|files| {
            // An alias is edited by the name that it leads to.
            Ok((Context::new(&self.layout).discover(name, true)?.name, files))
        });
        let (unit, files) = match found {
            Err(InstallError::Missing(_)) if self.force => (name.clone(), Vec::new()),
            found => found?,
        };
        let place = match dropin {
            Some(dropin) => format!("{}/{unit}.d/{dropin}", self.config()),
            None => format!("{}/{unit}", self.config()),
        };
        let path = self.layout.at(&place);
        let read = |path: &PathBuf| {
            let text = file::read(path, LONGEST_FILE as u64);
            text.map_err(|error| failed(&path.display().to_string(), error))
        };
        let text = match self.layout.entry(&place)? {
            Entry::File { .. } => read(&path)?,
            // A link is replaced by a file that begins with what it leads to.
            Entry::Missing | Entry::Link(_) if dropin.is_none() => {
                files.first().map_or(Ok(Vec::new()), read)?
            }
            Entry::Missing => Vec::new(),
            _ => return Err(InstallError::Exists { path: place, to: None }),
        };
        let others = files.iter().skip(usize::from(dropin.is_none())).filter(|other| **other != path);
        let others = others.map(|path| Ok(Source { path: path.clone(), text: read(path)? }));
        let others = others.collect::<Result<_, InstallError>>()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Draft { unit, path, text, others, full: dropin.is_none() })
    }

    /// Removes what administrators have made of units: drop-ins, and unit files and masks that hide one of a package.
    pub fn revert(&self, names: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        for name in names {
            match UnitName::parse(name) {
                Ok(name) => {
                    if let Err(error) = self.revert_one(&name, &mut outcome) {
                        outcome.failures.push(error);
                    }
                }
                Err(_) => outcome.failures.push(InstallError::Name((*name).to_owned())),
            }
        }
        outcome
    }

    fn revert_one(&self, name: &UnitName, outcome: &mut Outcome) -> Result<(), InstallError> {
        let others = self.layout.folders().iter().filter(|folder| !OWN.contains(&folder.as_str()));
        let names = [Some(name.clone()), name.template()];
        let mut vendor = false;
        for folder in others {
            for name in names.iter().flatten() {
                vendor |= !matches!(self.layout.entry(&format!("{folder}/{name}"))?, Entry::Missing);
            }
        }
        for folder in OWN {
            let own = format!("{folder}/{name}");
            // The only file of a unit is not undone but deleted, which nobody has asked for.
            if vendor && matches!(self.layout.entry(&own)?, Entry::File { .. } | Entry::Link(_)) {
                self.remove(&own, outcome)?;
            }
            let dropins = format!("{folder}/{name}.d");
            if matches!(self.layout.entry(&dropins)?, Entry::Folder) {
                for (entry, is_folder) in self.layout.list(&dropins)? {
                    if !is_folder && entry.ends_with(".conf") {
                        self.remove(&format!("{dropins}/{entry}"), outcome)?;
                    }
                }
                // It is kept while there is something else in it.
                let _ = fs::remove_dir(self.layout.at(&dropins));
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str, outcome: &mut Outcome) -> Result<(), InstallError> {
        fs::remove_file(self.layout.at(path)).map_err(|error| failed(path, error))?;
        outcome.changes.push(Change::Removed(path.to_owned()));
        Ok(())
    }

    /// Lets a unit want others, or require them, by links in its folder.
    pub fn add_dependency(&self, by: &str, names: &[&str], required: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let context = Context::new(&self.layout);
        let find = |name: &str| {
            let parsed = UnitName::parse(name).map_err(|_| InstallError::Name(name.to_owned()))?;
            match context.discover(&parsed, true)? {
                info if info.masked => Err(InstallError::Masked(info.path)),
                info => Ok(info),
            }
        };
        // All are looked at before anything is done.
        let (by, units): (_, Result<Vec<_>, _>) = (find(by), names.iter().map(|name| find(name)).collect());
        let (by, units) = match (by, units) {
            (Ok(by), Ok(units)) => (by.name, units),
            (Err(error), _) | (_, Err(error)) => {
                outcome.failures.push(error);
                return outcome;
            }
        };
        let ending = if required { "requires" } else { "wants" };
        for info in units {
            let path = format!("{}/{by}.{ending}/{}", self.config(), info.name);
            self.make(&info.path, &path, self.force, &mut outcome);
        }
        outcome
    }
}

impl Draft {
    /// What would be wrong with the unit if this stood there: lines of the file itself alone.
    pub fn check(&self, text: &str) -> Vec<String> {
        let draft = Source { path: self.path.clone(), text: text.as_bytes().to_vec() };
        let mut sources = self.others.clone();
        if self.full {
            sources.insert(0, draft);
        } else {
            // The unit file comes first, drop-ins by their names.
            let after = |other: &Source| other.path.file_name() > self.path.file_name();
            let at = sources.iter().skip(1).position(after).map_or(sources.len(), |at| at + 1);
            sources.insert(at, draft);
        }
        let unit = Unit::read(self.unit.clone(), &sources, &host());
        use perigee_units::unit::Level;
        let ours = unit.complaints.iter().filter(|complaint| {
            let of_file = complaint.file == self.path && complaint.level() >= Level::Ignored;
            of_file || complaint.level() == Level::Refused
        });
        ours.map(ToString::to_string).collect()
    }

    /// Keeps this as the file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = folder.join(format!(".#{name}.{}", std::process::id()));
        fs::write(&new, text)?;
        fs::rename(&new, &self.path).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }
}
