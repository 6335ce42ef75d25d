//! A folder with the files of a log, of which one is open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use memchr::memrchr;

use crate::id::Id;
use crate::names::{self, CURRENT, PART, Span};
use crate::record::{Record, head};
use crate::time::Now;
use crate::write::Settings;
use crate::write::waiting::Batch;

/// Mode of the files; the group may read.
const MODE: u32 = 0o640;
/// Mode of a folder that is made.
const FOLDER_MODE: u32 = 0o750;

/// How often, and after which pause, a folder is asked for that another process has.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The folder itself, locked.
    _lock: File,
    file: File,
    octets: u64,
    /// What is in the open file.
    span: Option<Span>,
    /// Number of the last record in any file.
    last: u64,
    /// The boot of the last record in the open file, if there is one.
    boot: Option<Id>,
}

impl Folder {
    /// Makes the folder where it is not there, locks it, and opens the file behind its last whole record.
    pub(crate) fn open(path: &Path) -> io::Result<Folder> {
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        let lock = File::open(path)?;
        let mut tries = LOCK_TRIES;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // Perhaps a process that has been killed and is not quite gone.
                Err(TryLockError::WouldBlock) if tries > 0 => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes there"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            tries -= 1;
        }
        for entry in fs::read_dir(path)?.flatten() {
            if entry.file_name().as_encoded_bytes().ends_with(PART.as_bytes()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let last = names::closed(path)?.iter().map(|file| file.span.last).max().unwrap_or(0);
        let mut folder = Folder {
            file: current(path)?,
            path: path.into(),
            _lock: lock,
            octets: 0,
            span: None,
            last,
            boot: None,
        };
        folder.recover()?;
        Ok(folder)
    }

    /// Cuts off what is behind the last whole record of the open file and learns what is in it.
    fn recover(&mut self) -> io::Result<()> {
        let mut octets = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut octets)?;
        let mut end = memrchr(b'\n', &octets).map_or(0, |at| at + 1);
        while end > 0 {
            let begin = memrchr(b'\n', &octets[..end - 1]).map_or(0, |at| at + 1);
            if let Ok(record) = Record::decode(&octets[begin..end]) {
                self.boot = Some(record.boot);
                break;
            }
            end = begin;
        }
        if end < octets.len() {
            self.file.set_len(end as u64)?;
        }
        self.octets = end as u64;
        let lines = octets[..end].split(|octet| *octet == b'\n');
        let spans = lines.filter_map(head).map(|(sequence, time)| Span::of(sequence, time));
        self.span = spans.reduce(Span::with);
        self.last = self.span.map_or(self.last, |span| span.last.max(self.last));
        Ok(())
    }

    /// Writes a batch, all of it or nothing. Returns whether a file was closed for it.
    pub(crate) fn append(
        &mut self,
        settings: &Settings,
        batch: &Batch,
        span: Span,
        now: Now,
    ) -> io::Result<bool> {
        let old = self.span.is_some_and(|span| {
            let age = u64::try_from(now.wall.0.saturating_sub(span.from.0)).unwrap_or(0);
            age >= u64::try_from(settings.file_age.as_micros()).unwrap_or(u64::MAX)
        });
        let full = self.octets > 0 && self.octets + batch.octets.len() as u64 > settings.file_bytes;
        let closes = old || full;
        if closes {
            self.rotate()?;
            self.bound(settings)?;
        }
        if let Err(error) = self.file.write_all(&batch.octets) {
            // A piece of it may be there. A file can be made shorter on a full disk too; if not, the next one who
            // opens it cuts what is torn.
            let _ = self.file.set_len(self.octets);
            return Err(error);
        }
        self.octets += batch.octets.len() as u64;
        self.span = Some(self.span.map_or(span, |all| all.with(span)));
        self.last = self.last.max(span.last);
        Ok(closes)
    }

    /// Closes the open file, unless it is empty, and begins another.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        let Some(span) = self.span else { return Ok(()) };
        fs::rename(self.path.join(CURRENT), self.path.join(span.name()))?;
        self.file = current(&self.path)?;
        (self.octets, self.span) = (0, None);
        Ok(())
    }

    /// Removes the oldest closed files until there is room for a whole one.
    fn bound(&self, settings: &Settings) -> io::Result<()> {
        let closed = names::closed(&self.path)?;
        let mut total: u64 = closed.iter().map(|file| file.octets).sum();
        for file in closed {
            if total + settings.file_bytes <= settings.total_bytes {
                break;
            }
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= file.octets,
            }
        }
        Ok(())
    }

    /// Every file with its records, the oldest first.
    pub(crate) fn everything(&self) -> io::Result<Vec<(PathBuf, Batch)>> {
        let plain = names::closed(&self.path)?.into_iter().filter(|file| !file.compressed);
        let paths = plain.map(|file| file.path).chain([self.path.join(CURRENT)]);
        paths.map(|path| fs::read(&path).map(|octets| (path, Batch::of_lines(&octets)))).collect()
    }

    /// Closes the open file if it ends with another boot, so that each boot begins a file.
    pub(crate) fn begin_boot(&mut self, boot: Id) -> io::Result<()> {
        if self.boot.take().is_some_and(|other| other != boot) { self.rotate() } else { Ok(()) }
    }

    /// Number of the last record in any file.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The open file has been removed: what is written there is lost.
    pub(crate) fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

fn current(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(folder.join(CURRENT))
}
