//! `access.json`: read when it changed, replaced whole and at once, under a lock shared with other
//! processes.
//!
//! Whoever looks waits for nobody: the lock is for those who change the accounts, and its wait has an end.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::AccessError;
use crate::account::Accounts;

/// How long a change waits for those of other processes and threads, which take milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Time between two tries to take the lock.
const RETRY: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    path: PathBuf,
    /// Held to look what is there and to swap in what was read, never while waiting.
    seen: Mutex<Seen>,
}

/// The accounts as they were last read.
#[derive(Debug, Default)]
struct Seen {
    version: Option<Version>,
    accounts: Arc<Accounts>,
}

/// What tells one version of the file from the next: each is a file of its own.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Version {
    inode: u64,
    modified_ns: (i64, i64),
}

impl Version {
    fn of(file: &Metadata) -> Self {
        Self { inode: file.ino(), modified_ns: (file.mtime(), file.mtime_nsec()) }
    }
}

impl Store {
    pub(crate) fn open(state: &Path) -> Result<Self, AccessError> {
        let mut directory = fs::DirBuilder::new();
        directory.recursive(true).mode(0o700);
        directory.create(state).map_err(|source| io_error("making", state, source))?;
        let path = state.join("access.json");
        let store = Self { directory: state.to_owned(), path, seen: Mutex::default() };
        store.accounts()?;
        Ok(store)
    }

    /// The accounts as they are now.
    pub(crate) fn accounts(&self) -> Result<Arc<Accounts>, AccessError> {
        let version = match fs::metadata(&self.path) {
            Ok(found) => Some(Version::of(&found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("reading", &self.path, error)),
        };
        {
            let seen = self.seen();
            if seen.version == version {
                return Ok(Arc::clone(&seen.accounts));
            }
        }
        let fresh = if version.is_some() { self.read()? } else { Seen::default() };
        let accounts = Arc::clone(&fresh.accounts);
        // Where another thread has read a newer one meanwhile, the next look finds the difference.
        *self.seen() = fresh;
        Ok(accounts)
    }

    /// Makes one change, all or nothing. Waits for other changes, for a bounded time.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Accounts) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let _lock = self.lock()?;
        let mut accounts = Accounts::clone(&*self.accounts()?);
        let outcome = change(&mut accounts)?;
        self.write(&accounts).map_err(|source| io_error("writing", &self.path, source))?;
        Ok(outcome)
    }

    fn read(&self) -> Result<Seen, AccessError> {
        let failed = |source| io_error("reading", &self.path, source);
        let mut file = File::open(&self.path).map_err(failed)?;
        // Of the file that was opened: another one may have this path by now.
        let version = Version::of(&file.metadata().map_err(failed)?);
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let accounts = serde_json::from_slice(&text).map_err(|error| AccessError::Damaged {
            path: self.path.display().to_string(),
            // The category and place alone: the message may quote what it found.
            detail: format!("{:?} error at line {}", error.classify(), error.line()),
        })?;
        Ok(Seen { version: Some(version), accounts: Arc::new(accounts) })
    }

    fn write(&self, accounts: &Accounts) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(accounts)?;
        text.push('\n');
        // Temporary files have mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|refused| refused.error)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Takes the lock, which keeps out other threads as well as other processes.
    fn lock(&self) -> Result<File, AccessError> {
        let path = self.directory.join("access.lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(|source| io_error("opening", &path, source))?;
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(RETRY),
                Err(TryLockError::WouldBlock) => return Err(AccessError::Locked),
                Err(TryLockError::Error(source)) => return Err(io_error("locking", &path, source)),
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn io_error(doing: &str, path: &Path, source: io::Error) -> AccessError {
    AccessError::Io { what: format!("{doing} {}", path.display()), source }
}
