//! A system below a folder: its search path, and links followed without leaving it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perigee_units::unit::UnitName;

use super::InstallError;
use crate::{FindError, SearchPath};

/// Where links are that stay.
pub(super) const PERSISTENT: &str = "/etc/systemd/system";

/// Where links are that are gone at the next boot.
pub(super) const RUNTIME: &str = "/run/systemd/system";

/// Links are followed no further than this, as the kernel does it.
const MOST_LINKS: usize = 40;

/// Entries of one folder that are looked at.
const MOST_ENTRIES: usize = 65_536;

#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    folders: Vec<String>,
}

/// What lies at a path; a link is not followed.
pub(super) enum Entry {
    Missing,
    Folder,
    File { empty: bool },
    Link(String),
    Other,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Layout {
        // A supervisor that runs has units of its own, behind all others.
        let own = ["/run/perigee/generated", "/run/perigee/units"];
        let folders = crate::SYSTEM_FOLDERS.iter().chain(&own);
        let folders = folders.map(|folder| (*folder).to_owned()).collect();
        Layout { root, folders }
    }

    /// The search path, from the root of the system.
    pub(super) fn folders(&self) -> &[String] {
        &self.folders
    }

    /// The path by which this process reaches `path` of the system: links among its folders are followed, one
    /// that stands at its end is not.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        if self.root == Path::new("/") {
            return PathBuf::from(path);
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.chase(folder).unwrap_or_else(|_| folder.to_owned());
        self.root.join(folder.trim_start_matches('/')).join(name)
    }

    /// What lies at `path`.
    pub(super) fn entry(&self, path: &str) -> Result<Entry, InstallError> {
        let real = self.at(path);
        let metadata = match real.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) => return Ok(Entry::Missing),
            Err(error) => return Err(failed(path, error)),
        };
        Ok(if metadata.is_symlink() {
            let target = fs::read_link(&real).map_err(|error| failed(path, error))?;
            Entry::Link(target.to_string_lossy().into_owned())
        } else if metadata.is_dir() {
            Entry::Folder
        } else if metadata.is_file() {
            Entry::File { empty: metadata.len() == 0 }
        } else {
            Entry::Other
        })
    }

    /// Where a path leads when every link in it is followed; what is missing stays as it stands.
    pub(super) fn chase(&self, path: &str) -> Result<String, InstallError> {
        let mut done = String::new();
        let mut todo: Vec<String> = steps(path);
        let mut links = 0;
        while let Some(step) = todo.pop() {
            if step == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{done}/{step}");
            match fs::read_link(self.root.join(&next[1..])) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(InstallError::Circle(path.to_owned()));
                    }
                    let target = target.to_string_lossy();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(steps(&target));
                }
                Err(_) => done = next,
            }
        }
        Ok(if done.is_empty() { "/".to_owned() } else { done })
    }

    /// Names in a folder, in order, each with whether it is a folder itself; none where it is missing.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<(String, bool)>, InstallError> {
        let real = self.at(folder);
        let entries = match fs::read_dir(real) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(folder, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(folder, error))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            found.extend(entry.file_name().into_string().ok().map(|name| (name, is_folder)));
            if found.len() > MOST_ENTRIES {
                return Err(failed(folder, io::Error::other("the folder has too many entries")));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The drop-ins of a unit, as this process opens them.
    pub(super) fn dropins(&self, name: &UnitName) -> Result<Vec<PathBuf>, InstallError> {
        let folders = self.folders.iter().map(|folder| self.at(&format!("{folder}/.")));
        SearchPath::new(folders.collect()).dropins(std::slice::from_ref(name)).map_err(|error| match error {
            FindError::Io { path, source } => InstallError::Io { path: path.display().to_string(), source },
            error => InstallError::Io { path: name.to_string(), source: io::Error::other(error) },
        })
    }

    /// Whether a path lies in one of the folders of the search path itself.
    pub(super) fn is_searched(&self, path: &str) -> bool {
        let Some((folder, _)) = path.rsplit_once('/') else { return false };
        let same = |known: &String| known == folder || self.chase(known).is_ok_and(|known| known == folder);
        self.folders.iter().any(same)
    }
}

/// The steps of a path, the last one first.
fn steps(path: &str) -> Vec<String> {
    let steps = path.split('/').filter(|step| !step.is_empty() && *step != ".");
    steps.rev().map(str::to_owned).collect()
}

pub(super) fn failed(path: &str, source: io::Error) -> InstallError {
    InstallError::Io { path: path.to_owned(), source }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The last step of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
