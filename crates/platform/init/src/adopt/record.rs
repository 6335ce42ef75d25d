//! What a supervisor leaves behind about each unit: one small JSON file, replaced by renaming.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use perigee_process::stranger;
use perigee_units::machine::State;
use perigee_units::service::Phase;
use serde::{Deserialize, Serialize};

/// A process, by number and start time; only both together mean one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was.
    pub started: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: i32) -> Option<ProcessId> {
        stranger::look(pid).map(|seen| ProcessId::from(seen.identity))
    }
}

impl From<stranger::Identity> for ProcessId {
    fn from(identity: stranger::Identity) -> ProcessId {
        ProcessId { pid: identity.pid, started: identity.started }
    }
}

/// What is kept of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which boot of the machine it was written in: numbers and times mean nothing in another one.
    pub boot: String,
    /// The unit.
    pub unit: String,
    /// What it was doing.
    pub state: State,
    /// The same, finer.
    pub phase: Phase,
    /// Its main process.
    pub main: Option<ProcessId>,
    /// Its control process.
    pub control: Option<ProcessId>,
    /// The identity of its run.
    pub invocation: String,
}

/// Octets of the largest file, and files in the folder, that are read.
const LARGEST: u64 = 64 << 10;
const MOST: usize = 100_000;

/// The folder of records.
#[derive(Debug)]
pub struct Records {
    folder: PathBuf,
    /// What stands in each file, so that nothing is written twice.
    written: BTreeMap<String, Record>,
}

impl Records {
    /// The records below a run-time folder; the folder is made where it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn below(runtime: &Path) -> io::Result<Records> {
        let folder = runtime.join("records");
        fs::create_dir_all(&folder)?;
        Ok(Records { folder, written: BTreeMap::new() })
    }

    /// Writes the record of a unit, unless it is what was written last.
    ///
    /// # Errors
    /// It cannot be written: the older one stays.
    pub fn save(&mut self, record: Record) -> io::Result<()> {
        if self.written.get(&record.unit) == Some(&record) {
            return Ok(());
        }
        let (path, new) = self.paths(&record.unit);
        let text = serde_json::to_string(&record)?;
        // The folder is in memory: it needs no more than this to be whole after any kill.
        let write = || fs::File::create(&new)?.write_all(text.as_bytes());
        if let Err(error) = write().and_then(|()| fs::rename(&new, &path)) {
            let _ = fs::remove_file(&new);
            self.written.remove(&record.unit);
            return Err(error);
        }
        self.written.insert(record.unit.clone(), record);
        Ok(())
    }

    /// Removes the record of a unit.
    pub fn remove(&mut self, unit: &str) {
        if self.written.remove(unit).is_some() || self.paths(unit).0.exists() {
            let _ = fs::remove_file(self.paths(unit).0);
        }
    }

    fn paths(&self, unit: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(unit), self.folder.join(format!(".{unit}")))
    }

    /// Every record of this boot, by unit, and what could not be read, in words. Files that stand for nothing any more
    /// are removed.
    pub fn read_all(&mut self, boot: &str) -> (Vec<Record>, Vec<String>) {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        let entries = fs::read_dir(&self.folder).into_iter().flatten().map_while(Result::ok);
        for entry in entries.take(MOST) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                let _ = fs::remove_file(&path);
                continue;
            }
            match read(&path) {
                Ok(record) if record.unit == name && record.boot == boot => records.push(record),
                Ok(record) if record.boot != boot => drop(fs::remove_file(&path)),
                Ok(record) => problems.push(format!("{} is a record of {}", path.display(), record.unit)),
                Err(error) => problems.push(format!("{} is no record: {error}", path.display())),
            }
        }
        records.sort_by(|one, other| one.unit.cmp(&other.unit));
        self.written = records.iter().map(|record| (record.unit.clone(), record.clone())).collect();
        (records, problems)
    }
}

fn read(path: &Path) -> io::Result<Record> {
    let mut text = String::new();
    fs::File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(unit: &str) -> Record {
        Record {
            boot: "b".to_owned(),
            unit: unit.to_owned(),
            state: State::Active,
            phase: Phase::Running,
            main: Some(ProcessId { pid: 7, started: 70 }),
            control: None,
            invocation: "00ff".to_owned(),
        }
    }

    #[test]
    fn what_was_written_is_read_by_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut records = Records::below(folder.path()).expect("records");
        let older = Record { state: State::Activating, phase: Phase::StartPre, ..record("a@x\\x2d.service") };
        records.save(older).expect("saved");
        records.save(record("a@x\\x2d.service")).expect("saved");
        records.save(record("b.service")).expect("saved");
        records.save(record("c.service")).expect("saved");
        records.save(Record { boot: "older".to_owned(), ..record("d.service") }).expect("saved");
        records.remove("b.service");
        fs::write(folder.path().join("records/.e.service"), "{").expect("written");
        fs::write(folder.path().join("records/f.service"), "{}").expect("written");
        fs::write(
            folder.path().join("records/g.service"),
            serde_json::to_string(&record("c.service")).expect("JSON"),
        )
        .expect("written");
        fs::write(folder.path().join("records/h.service"), vec![b' '; 1 << 20]).expect("written");
        let mut next = Records::below(folder.path()).expect("records");
        let (read, problems) = next.read_all("b");
        assert_eq!(read, [record("a@x\\x2d.service"), record("c.service")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        let names = fs::read_dir(folder.path().join("records")).expect("a folder");
        let mut names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a@x\\x2d.service", "c.service", "f.service", "g.service", "h.service"]);
    }

    #[test]
    fn nothing_is_written_twice_and_a_full_disk_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut records = Records::below(folder.path()).expect("records");
        let path = folder.path().join("records/a.service");
        records.save(record("a.service")).expect("saved");
        fs::remove_file(&path).expect("removed");
        records.save(record("a.service")).expect("saved");
        assert!(!path.exists(), "it was written already");
        records.save(Record { main: None, ..record("a.service") }).expect("saved");
        let before = fs::read(&path).expect("read");
        // Where its new file should be there is a folder: it can be neither written nor renamed.
        fs::create_dir(folder.path().join("records/.a.service")).expect("made");
        assert!(records.save(record("a.service")).is_err());
        assert_eq!(fs::read(&path).expect("read"), before);
    }
}
