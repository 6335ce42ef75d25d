//! Where it is set how the supervisor as a whole works: `system.conf` of systemd, with its drop-ins.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perigee_process::file;
use perigee_units::system::System;
use perigee_units::unit::{LONGEST_FILE, Source};

/// Folders of `system.conf` and of `system.conf.d`; an earlier file hides those of its name in later ones.
const FOLDERS: [&str; 4] = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];

/// Drop-ins that are read.
const MOST_DROPINS: usize = 256;

/// Where the settings of a supervisor are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemFiles {
    /// Nowhere: everything is as if nothing were said.
    #[default]
    None,
    /// Where those of the machine are.
    Usual,
    /// In this file alone.
    File(PathBuf),
}

impl SystemFiles {
    /// Reads them, with what there is to know about them.
    pub fn read(&self) -> (System, Vec<String>) {
        let (mut sources, mut notes) = (Vec::new(), Vec::new());
        for path in self.paths() {
            match read(&path) {
                Ok(text) => sources.push(Source { path, text }),
                // What is not there says nothing, but for a file that was named.
                Err(error) if error.kind() == io::ErrorKind::NotFound && *self == SystemFiles::Usual => {}
                Err(error) => notes.push(format!("{}: {error}", path.display())),
            }
        }
        let (system, complaints) = System::read(&sources);
        notes.extend(complaints.iter().map(ToString::to_string));
        (system, notes)
    }

    fn paths(&self) -> Vec<PathBuf> {
        match self {
            SystemFiles::None => Vec::new(),
            SystemFiles::File(path) => vec![path.clone()],
            SystemFiles::Usual => paths(&FOLDERS.map(PathBuf::from)),
        }
    }
}

/// The files in the order in which they count.
fn paths(folders: &[PathBuf]) -> Vec<PathBuf> {
    let file = folders.iter().map(|folder| folder.join("system.conf")).find(|path| path.exists());
    let mut dropins: BTreeMap<_, PathBuf> = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder.join("system.conf.d")) else { continue };
        for entry in entries.flatten().take(MOST_DROPINS) {
            let name = entry.file_name();
            if Path::new(&name).extension().is_some_and(|ending| ending == "conf") {
                dropins.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    file.into_iter().chain(dropins.into_values()).collect()
}

/// The text of a file; one that leads to /dev/null says nothing.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::canonicalize(path)? == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    file::read(path, LONGEST_FILE as u64 + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use perigee_units::system::WatchdogTime;

    use super::*;

    #[test]
    fn a_drop_in_hides_those_of_its_name_and_counts_after_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["etc", "lib"].map(|name| folder.path().join(name));
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("lib/system.conf", "[Manager]\nRuntimeWatchdogSec=1s\n");
        write("etc/system.conf", "[Manager]\nRuntimeWatchdogSec=2s\n");
        write("etc/system.conf.d/20.conf", "[Manager]\nRuntimeWatchdogSec=20s\n");
        write("lib/system.conf.d/10.conf", "[Manager]\nRuntimeWatchdogSec=10s\n");
        write("lib/system.conf.d/20.conf", "[Manager]\nRuntimeWatchdogSec=21s\n");
        write("lib/system.conf.d/30.txt", "[Manager]\nRuntimeWatchdogSec=30s\n");
        let names: Vec<_> = paths(&folders)
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["etc/system.conf", "lib/system.conf.d/10.conf", "etc/system.conf.d/20.conf"]);
    }

    #[test]
    fn a_named_file_must_be_there_and_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perigee.conf");
        let files = SystemFiles::File(path.clone());
        let (system, notes) = files.read();
        assert_eq!((system, notes.len()), (System::default(), 1));
        fs::write(&path, "[Manager]\nRuntimeWatchdogSec=9s\nDumpCore=no\n").unwrap();
        let (system, notes) = files.read();
        assert_eq!(system.watchdog, WatchdogTime::After(Duration::from_secs(9)));
        assert_eq!(notes.len(), 1, "{notes:?}");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(files.read().1[0].ends_with("it is no regular file"));
        assert_eq!(SystemFiles::None.read(), (System::default(), Vec::new()));
    }
}
