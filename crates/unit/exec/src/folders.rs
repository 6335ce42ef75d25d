//! The folders that a unit wants made: `RuntimeDirectory=`, `StateDirectory=`, `CacheDirectory=`, `LogsDirectory=`,
//! `ConfigurationDirectory=`.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::environment::Variables;
use super::reader::Reader;
use super::{ExecError, owned};

/// Directive, where its folders are, and the variable that says so.
const KINDS: [(&str, &str, &str, &str); 5] = [
    ("RuntimeDirectory", "RuntimeDirectoryMode", "/run", "RUNTIME_DIRECTORY"),
    ("StateDirectory", "StateDirectoryMode", "/var/lib", "STATE_DIRECTORY"),
    ("CacheDirectory", "CacheDirectoryMode", "/var/cache", "CACHE_DIRECTORY"),
    ("LogsDirectory", "LogsDirectoryMode", "/var/log", "LOGS_DIRECTORY"),
    ("ConfigurationDirectory", "ConfigurationDirectoryMode", "/etc", "CONFIGURATION_DIRECTORY"),
];

/// When the folders in `/run` go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Preserve {
    /// When the unit stops.
    #[default]
    No,
    /// When it stops for good.
    Restart,
    /// Never.
    Yes,
}

/// What a unit says of folders.
#[derive(Clone, Debug, Default)]
pub(super) struct Folders {
    sets: Vec<Set>,
    preserve: Preserve,
}

#[derive(Clone, Debug)]
struct Set {
    directive: &'static str,
    base: &'static str,
    variable: &'static str,
    mode: u32,
    /// Below the base, with names that point at it.
    names: Vec<(String, Vec<String>)>,
}

/// Who owns what is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The number is given to others later: what stays is kept where nobody else comes.
    pub(super) passing: bool,
}

impl Folders {
    pub(super) fn read(reader: &mut Reader<'_>) -> Folders {
        let mut sets = Vec::new();
        for (directive, mode, base, variable) in KINDS {
            let mut names = Vec::new();
            for word in reader.words(directive) {
                let mut parts = word.split(':');
                let name = parts.next().unwrap_or_default().to_owned();
                let links: Vec<_> = parts.map(str::to_owned).collect();
                if links.iter().chain([&name]).all(|name| is_below(name)) {
                    names.push((name, links));
                } else {
                    reader.problem(directive, word, "it is not the name of a folder below another");
                }
            }
            if !names.is_empty() {
                sets.push(Set { directive, base, variable, mode: reader.mode(mode).unwrap_or(0o755), names });
            }
        }
        let preserve =
            match (reader.flag("RuntimeDirectoryPreserve"), reader.text("RuntimeDirectoryPreserve")) {
                (Some(true), _) => Preserve::Yes,
                (_, Some("restart")) => Preserve::Restart,
                _ => Preserve::No,
            };
        Folders { sets, preserve }
    }

    /// Makes them, and gives the variables that say where they are.
    pub(super) fn make(&self, owner: Owner) -> Result<Variables, ExecError> {
        let mut variables = Variables::new();
        for set in &self.sets {
            let mut places = Vec::new();
            for (name, links) in &set.names {
                let (place, kept) = set.place(name, owner.passing);
                let wrong = |path: &Path| {
                    let path = path.display().to_string();
                    move |source| ExecError::Folder { path, directive: set.directive, source }
                };
                set.make(&kept, owner).map_err(wrong(&kept))?;
                if kept != place {
                    link(&kept, &place).map_err(wrong(&place))?;
                }
                for name in links {
                    let path = Path::new(set.base).join(name);
                    link(&place, &path).map_err(wrong(&path))?;
                }
                places.push(place.display().to_string());
            }
            variables.insert(set.variable.to_owned(), places.join(":"));
        }
        Ok(variables)
    }

    /// Where they are: what the process may write, whatever else is read-only.
    pub(super) fn places(&self, passing: bool) -> impl Iterator<Item = PathBuf> {
        let sets = self.sets.iter().filter(|set| set.directive != "ConfigurationDirectory");
        sets.flat_map(move |set| set.names.iter().map(move |(name, _)| set.place(name, passing).1))
    }

    /// The folders that are closed to everybody but the superuser, and what of them the process sees.
    pub(super) fn closed(&self) -> impl Iterator<Item = (PathBuf, Vec<PathBuf>)> {
        let sets = self.sets.iter().filter(|set| set.is_closed());
        sets.map(|set| {
            let names = set.names.iter().map(|(name, _)| set.place(name, true).1);
            (Path::new(set.base).join("private"), names.collect())
        })
    }

    /// Removes those in `/run`, unless they are to stay.
    pub(super) fn clean(&self, restarts: bool) {
        if self.preserve == Preserve::Yes || (self.preserve == Preserve::Restart && restarts) {
            return;
        }
        for set in self.sets.iter().filter(|set| set.directive == "RuntimeDirectory") {
            for (name, links) in &set.names {
                // What is not there, or is a mount point still, stays; it is made again or taken as it is.
                let _ = fs::remove_dir_all(Path::new(set.base).join(name));
                for link in links {
                    let path = Path::new(set.base).join(link);
                    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
                        let _ = fs::remove_file(path);
                    }
                }
            }
        }
    }
}

impl Set {
    fn is_closed(&self) -> bool {
        !matches!(self.directive, "RuntimeDirectory" | "ConfigurationDirectory")
    }

    /// Where a folder is for the unit, and where it is kept.
    fn place(&self, name: &str, passing: bool) -> (PathBuf, PathBuf) {
        let base = Path::new(self.base);
        let place = base.join(name);
        let kept = if passing && self.is_closed() { base.join("private").join(name) } else { place.clone() };
        (place, kept)
    }

    fn make(&self, path: &Path, owner: Owner) -> io::Result<()> {
        let private = Path::new(self.base).join("private");
        if path.starts_with(&private) {
            DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
            fs::set_permissions(&private, Permissions::from_mode(0o700))?;
            // A folder of an ordinary user's time moves in.
            let open = Path::new(self.base).join(path.strip_prefix(&private).unwrap_or(path));
            if fs::symlink_metadata(&open).is_ok_and(|m| m.is_dir()) && !path.exists() {
                fs::rename(&open, path)?;
            }
        }
        let base = Path::new(self.base);
        DirBuilder::new().recursive(true).mode(0o755).create(base)?;
        let folder = owned::make(base, path, self.mode)?;
        let metadata = folder.metadata()?;
        if metadata.permissions().mode() & 0o7777 != self.mode {
            folder.set_permissions(Permissions::from_mode(self.mode))?;
        }
        // Configuration belongs to the superuser.
        let theirs = (metadata.uid(), metadata.gid()) == (owner.uid, owner.gid);
        if self.directive == "ConfigurationDirectory" || theirs {
            return Ok(());
        }
        owned::hand_over(folder, owner.uid, owner.gid)
    }
}

/// A relative path that goes nowhere but down.
fn is_below(name: &str) -> bool {
    let steps = name.split('/').all(|step| !step.is_empty() && step != "." && step != "..");
    steps && !name.starts_with('/') && name != "private"
}

/// A symbolic link, instead of one that points elsewhere or an empty folder; nothing else is replaced.
fn link(target: &Path, path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::remove_file(path)?,
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(path)?,
        Ok(_) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
        Err(_) => {}
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    symlink(target, path)
}
