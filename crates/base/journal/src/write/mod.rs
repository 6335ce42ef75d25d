//! Writes records, and never fails its caller.
//!
//! Records are gathered by [`Journal::write`] and go to the file in one piece with [`Journal::flush`]. Where the
//! folder cannot be written they go to the fallback folder, and where that fails too they wait in memory, the oldest
//! dropped and counted when there are too many. Each change is told by a record, and every few seconds the folder is
//! tried again; what waited is then moved there. What takes long (syncing, compressing) is done by a thread beside.

mod folder;
mod janitor;
mod waiting;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::names::Span;
use crate::record::{Priority, Record, Source};
use crate::time::Now;

use folder::Folder;
use janitor::Janitor;
use waiting::{Batch, Waiting, renumbered};

/// Octets that are gathered at most before they are written without being asked.
const MOST_GATHERED: usize = 1 << 20;

/// Where records go, and how much of them is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the files are.
    pub folder: PathBuf,
    /// Where they are while that cannot be written: a folder in memory, such as /run/perigee/log.
    pub fallback: Option<PathBuf>,
    /// Octets of a file before it is closed.
    pub file_bytes: u64,
    /// Age of its first record at which a file is closed.
    pub file_age: Duration,
    /// Octets of all files together; the oldest closed ones go first.
    pub total_bytes: u64,
    /// The same of the fallback.
    pub fallback_bytes: u64,
    /// Octets that wait in memory where nothing can be written.
    pub memory_bytes: usize,
    /// How long a record may be in the page cache alone; critical ones and worse are synced at once.
    pub sync_every: Duration,
    /// How often a folder that could not be written is tried again.
    pub retry_every: Duration,
    /// Whether closed files are compressed (gzip).
    pub compress: bool,
}

impl Settings {
    /// The usual bounds: files of 16 MiB or a day, 512 MiB in all, synced every 5 s.
    pub fn new(folder: impl Into<PathBuf>) -> Settings {
        Settings {
            folder: folder.into(),
            fallback: None,
            file_bytes: 16 << 20,
            file_age: Duration::from_secs(86_400),
            total_bytes: 512 << 20,
            fallback_bytes: 16 << 20,
            memory_bytes: 4 << 20,
            sync_every: Duration::from_secs(5),
            retry_every: Duration::from_secs(5),
            compress: true,
        }
    }
}

/// Where records go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the folder.
    Folder,
    /// To the fallback folder.
    Fallback,
    /// Nowhere yet: they wait in memory.
    Memory,
}

/// The writer of a log. There is one for a folder; a second is turned away by a lock.
#[derive(Debug)]
pub struct Journal {
    settings: Settings,
    boot: Id,
    /// Number of the last record.
    sequence: u64,
    place: Place,
    folder: Option<Folder>,
    fallback: Option<Folder>,
    gathered: Batch,
    waiting: Waiting,
    /// When the folder is tried again, in microseconds since boot.
    retry_at: u64,
    /// When what was written must be synced.
    sync_at: Option<u64>,
    janitor: Janitor,
}

impl Journal {
    /// Opens the log, behind the last whole record that is in it. What a crash tore is cut off.
    pub fn open(settings: Settings, now: Now) -> Journal {
        let mut journal = Journal {
            boot: Id::of_this_boot(),
            sequence: 0,
            place: Place::Folder,
            folder: None,
            fallback: None,
            gathered: Batch::default(),
            waiting: Waiting::new(settings.memory_bytes),
            retry_at: 0,
            sync_at: None,
            janitor: Janitor::start(),
            settings,
        };
        if let Err(error) = journal.enter_folder(now) {
            journal.leave_folder(&error, now);
            journal.flush(now);
        }
        journal
    }

    /// Takes a record: gives it its number and this boot, and gathers it for the next flush. Returns the number.
    pub fn write(&mut self, mut record: Record<'_>) -> u64 {
        self.sequence += 1;
        record.sequence = self.sequence;
        record.boot = self.boot;
        self.gathered.add(&record);
        if self.gathered.octets.len() >= MOST_GATHERED {
            self.flush(Now { wall: record.time, monotonic: record.monotonic });
        }
        self.sequence
    }

    /// Writes what was gathered. What it says is then safe from the end of this process, and from that of the
    /// machine once it is synced.
    pub fn flush(&mut self, now: Now) {
        if self.place != Place::Folder && now.monotonic >= self.retry_at {
            self.retry(now);
        }
        while let Some(span) = self.gathered.span {
            let outcome = match self.place {
                Place::Folder => append(self.folder.as_mut(), &self.settings, &self.gathered, span, now),
                Place::Fallback => {
                    let settings = Settings {
                        total_bytes: self.settings.fallback_bytes,
                        file_bytes: self.settings.file_bytes.min(self.settings.fallback_bytes / 4),
                        ..self.settings.clone()
                    };
                    append(self.fallback.as_mut(), &settings, &self.gathered, span, now)
                }
                Place::Memory => {
                    self.waiting.push(std::mem::take(&mut self.gathered));
                    return;
                }
            };
            match outcome {
                Ok(closed) => {
                    if closed {
                        self.tidy();
                    }
                    let urgent = self.gathered.urgent;
                    self.gathered.clear();
                    let every = u64::try_from(self.settings.sync_every.as_micros()).unwrap_or(u64::MAX);
                    let at = if urgent { now.monotonic } else { now.monotonic.saturating_add(every) };
                    self.sync_at = Some(self.sync_at.map_or(at, |other| other.min(at)));
                }
                Err(error) if self.place == Place::Folder => self.leave_folder(&error, now),
                Err(error) => self.leave_fallback(&error, now),
            }
        }
        self.sync_if_due(now);
    }

    /// Does what time has made due. Returns when to call again, in microseconds since boot.
    pub fn tick(&mut self, now: Now) -> Option<u64> {
        if let Some(problem) = self.janitor.problem() {
            self.tell(Priority::WARNING, problem, now);
        }
        if self.place == Place::Folder && self.folder.as_ref().is_some_and(Folder::is_gone) {
            let error = io::Error::new(io::ErrorKind::NotFound, "the file was removed");
            if let Err(error) = self.enter_folder(now) {
                self.leave_folder(&error, now);
            } else {
                self.tell(Priority::WARNING, format!("{}: {error}", self.settings.folder.display()), now);
            }
        }
        self.flush(now);
        let retry = (self.place != Place::Folder).then_some(self.retry_at);
        [self.sync_at, retry].into_iter().flatten().min()
    }

    /// Closes the file that is open and begins a new one.
    pub fn rotate(&mut self, now: Now) {
        self.flush(now);
        let open = match self.place {
            Place::Folder => self.folder.as_mut(),
            Place::Fallback => self.fallback.as_mut(),
            Place::Memory => None,
        };
        match open.map(Folder::rotate) {
            Some(Err(error)) if self.place == Place::Folder => self.leave_folder(&error, now),
            Some(Err(error)) => self.leave_fallback(&error, now),
            _ => self.tidy(),
        }
        self.flush(now);
    }

    /// Writes and syncs everything and waits until closed files are compressed.
    pub fn close(mut self, now: Now) {
        self.flush(now);
        if let Some(folder) = &self.folder {
            self.janitor.sync(folder.file());
        }
        self.janitor.finish();
    }

    /// Where records go now.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Number of the last record.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Records that were dropped since the folder could last be written.
    pub fn dropped(&self) -> u64 {
        self.waiting.dropped
    }

    fn tell(&mut self, priority: Priority, message: String, now: Now) {
        let mut record = Record::new("", Source::Supervisor, priority, message.as_bytes());
        record.identifier = "perigee-log".into();
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        (record.pid, record.uid) = (Some(std::process::id()), None);
        // Not through `write`, which may flush.
        self.sequence += 1;
        (record.sequence, record.boot) = (self.sequence, self.boot);
        self.gathered.add(&record);
    }

    /// Opens the folder, and moves there what waited elsewhere, with numbers behind those that are there.
    fn enter_folder(&mut self, now: Now) -> io::Result<()> {
        self.folder = None;
        let mut folder = Folder::open(&self.settings.folder)?;
        folder.begin_boot(self.boot)?;
        let elsewhere = match (&self.fallback, &self.settings.fallback) {
            (Some(_), _) => true,
            // Perhaps of a log process before this one.
            (None, Some(path)) if path.is_dir() => {
                self.fallback = Folder::open(path).ok();
                self.fallback.is_some()
            }
            _ => false,
        };
        let mut first = self.waiting.first().or(self.gathered.span.map(|span| span.first));
        let mut batches = Vec::new();
        let mut files = Vec::new();
        if let Some(fallback) = self.fallback.as_ref().filter(|_| elsewhere) {
            for (path, batch) in fallback.everything()? {
                files.push(path);
                batches.push(batch);
            }
        }
        first = batches.iter().filter_map(|batch| batch.span).map(|span| span.first).chain(first).min();
        let last = folder.last();
        let shift = first.map_or(0, |first| (last + 1).saturating_sub(first));
        if !batches.is_empty() || self.waiting.first().is_some() {
            // What comes from elsewhere begins a file, so that no file has a gap that another one fills.
            folder.rotate()?;
        }
        for batch in batches.iter().chain(self.waiting.batches()) {
            let moved = renumbered(batch, shift);
            if let Some(span) = moved.span {
                folder.append(&self.settings, &moved, span, now)?;
            }
        }
        self.gathered = renumbered(&self.gathered, shift);
        self.sequence = (self.sequence + shift).max(folder.last());
        self.waiting.clear();
        for path in files {
            // One that stays is moved again: twice is better than never.
            let _ = std::fs::remove_file(path);
        }
        self.fallback = None;
        self.folder = Some(folder);
        self.place = Place::Folder;
        self.sync_at = Some(now.monotonic);
        self.tidy();
        Ok(())
    }

    fn retry(&mut self, now: Now) {
        self.retry_at = now.monotonic.saturating_add(micros(self.settings.retry_every));
        if self.enter_folder(now).is_ok() {
            let dropped = std::mem::take(&mut self.waiting.dropped);
            let lost =
                if dropped == 0 { "nothing was lost".into() } else { format!("{dropped} records were lost") };
            let folder = self.settings.folder.display();
            self.tell(Priority::NOTICE, format!("{folder} can be written again; {lost}"), now);
        } else if self.place == Place::Memory && self.open_fallback().is_ok() {
            self.place = Place::Fallback;
            let batches: Vec<_> = self.waiting.batches().cloned().collect();
            for batch in &batches {
                let Some(span) = batch.span else { continue };
                if append(self.fallback.as_mut(), &self.settings, batch, span, now).is_err() {
                    // Those that were written are written once more when they can be.
                    self.place = Place::Memory;
                    return;
                }
            }
            self.waiting.clear();
        }
    }

    fn leave_folder(&mut self, error: &io::Error, now: Now) {
        self.folder = None;
        self.sync_at = None;
        self.retry_at = now.monotonic.saturating_add(micros(self.settings.retry_every));
        let folder = self.settings.folder.display().to_string();
        let place = match self.open_fallback() {
            Ok(path) => {
                self.place = Place::Fallback;
                format!("records go to {}", path.display())
            }
            Err(_) => {
                self.place = Place::Memory;
                format!("records wait in memory, {} KiB of them", self.settings.memory_bytes >> 10)
            }
        };
        self.tell(Priority::ERROR, format!("{folder} cannot be written: {error}; {place}"), now);
    }

    fn leave_fallback(&mut self, error: &io::Error, now: Now) {
        self.fallback = None;
        self.place = Place::Memory;
        let path = self.settings.fallback.clone().unwrap_or_default();
        let kept = self.settings.memory_bytes >> 10;
        let message = format!(
            "{} cannot be written: {error}; records wait in memory, {kept} KiB of them",
            path.display()
        );
        self.tell(Priority::ERROR, message, now);
    }

    fn open_fallback(&mut self) -> io::Result<PathBuf> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there is no fallback");
        let path = self.settings.fallback.clone().ok_or_else(none)?;
        if self.fallback.is_none() {
            let folder = Folder::open(&path)?;
            if folder.last() >= self.sequence && self.waiting.first().is_none() {
                // Of a log process before this one, which could not write the folder either.
                let shift =
                    folder.last() + 1 - self.gathered.span.map_or(self.sequence + 1, |span| span.first);
                self.gathered = renumbered(&self.gathered, shift);
                self.sequence += shift;
            }
            self.fallback = Some(folder);
        }
        Ok(path)
    }

    fn tidy(&mut self) {
        if self.place == Place::Folder {
            self.janitor.tidy(&self.settings.folder, self.settings.compress);
        }
    }

    fn sync_if_due(&mut self, now: Now) {
        if self.sync_at.is_some_and(|at| at <= now.monotonic) {
            let open = if self.place == Place::Folder { self.folder.as_ref() } else { None };
            let begun = open.is_none_or(|folder| self.janitor.sync(folder.file()));
            // The janitor is busy: a little later.
            self.sync_at = (!begun).then_some(now.monotonic + 100_000);
        }
    }
}

fn append(
    folder: Option<&mut Folder>,
    settings: &Settings,
    batch: &Batch,
    span: Span,
    now: Now,
) -> io::Result<bool> {
    let closed = || io::Error::new(io::ErrorKind::NotFound, "it is not open");
    folder.ok_or_else(closed)?.append(settings, batch, span, now)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
