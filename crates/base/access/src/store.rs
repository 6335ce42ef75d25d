//! `access.json`: read when it changed, replaced whole and at once, under a lock shared with other
//! processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::AccessError;
use crate::account::Accounts;

#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    path: PathBuf,
    accounts: Accounts,
    seen: Option<Version>,
}

/// What tells one version of the file from the next: each is a file of its own.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Version {
    inode: u64,
    modified_ns: (i64, i64),
}

impl Store {
    pub(crate) fn open(state: &Path) -> Result<Self, AccessError> {
        let mut directory = fs::DirBuilder::new();
        directory.recursive(true).mode(0o700);
        directory.create(state).map_err(|source| io_error("making", state, source))?;
        let path = state.join("access.json");
        let directory = state.to_owned();
        let mut store = Self { directory, path, accounts: Accounts::default(), seen: None };
        store.accounts()?;
        Ok(store)
    }

    /// The accounts as they are now.
    pub(crate) fn accounts(&mut self) -> Result<&Accounts, AccessError> {
        let version = match fs::metadata(&self.path) {
            Ok(found) => {
                Some(Version { inode: found.ino(), modified_ns: (found.mtime(), found.mtime_nsec()) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("reading", &self.path, error)),
        };
        if version != self.seen {
            self.accounts = match version {
                Some(_) => self.read()?,
                None => Accounts::default(),
            };
            self.seen = version;
        }
        Ok(&self.accounts)
    }

    /// Makes one change, all or nothing.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Accounts) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let _lock = self.lock()?;
        let mut accounts = self.accounts()?.clone();
        let outcome = change(&mut accounts)?;
        self.write(&accounts).map_err(|source| io_error("writing", &self.path, source))?;
        Ok(outcome)
    }

    fn read(&self) -> Result<Accounts, AccessError> {
        let text = fs::read(&self.path).map_err(|source| io_error("reading", &self.path, source))?;
        serde_json::from_slice(&text).map_err(|error| AccessError::Damaged {
            path: self.path.display().to_string(),
            // The category and place alone: the message may quote what it found.
            detail: format!("{:?} error at line {}", error.classify(), error.line()),
        })
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

    fn lock(&self) -> Result<File, AccessError> {
        let path = self.directory.join("access.lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(|source| io_error("opening", &path, source))?;
        file.lock().map_err(|source| io_error("locking", &path, source))?;
        Ok(file)
    }
}

pub(crate) fn io_error(doing: &str, path: &Path, source: io::Error) -> AccessError {
    AccessError::Io { what: format!("{doing} {}", path.display()), source }
}
