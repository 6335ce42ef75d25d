//! Connections for history queries: a few, opened when first needed, lent one at a time.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::ArchiveError;
use super::schema;

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a query may take.
const MAX_QUERY: Duration = Duration::from_secs(20);
/// SQLite looks at the clock every so many of its instructions.
const CHECK_EVERY: i32 = 10_000;

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    capacity: usize,
    state: Mutex<State>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn new(path: &Path, capacity: usize) -> Self {
        Self {
            path: path.to_owned(),
            capacity: capacity.max(1),
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// Runs a query on one connection, in one read transaction: everything it reads is of one moment.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .returned
            .wait_timeout_while(state, PATIENCE, |state| state.idle.is_empty() && state.lent >= self.capacity)
            .unwrap_or_else(PoisonError::into_inner);
        let idle = state.idle.pop();
        if idle.is_none() && state.lent >= self.capacity {
            return Err(ArchiveError::Busy);
        }
        state.lent += 1;
        drop(state);
        let lent = Lent { pool: self, connection: None };
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        lent.run(connection, query)
    }
}

/// A place in the pool, given back however the query ends.
struct Lent<'a> {
    pool: &'a Readers,
    connection: Option<Connection>,
}

impl Lent<'_> {
    fn run<T>(
        mut self,
        mut connection: Connection,
        query: impl FnOnce(&Connection) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let deadline = Instant::now() + MAX_QUERY;
        connection.progress_handler(CHECK_EVERY, Some(move || Instant::now() >= deadline))?;
        let snapshot = connection.unchecked_transaction()?;
        let answer = query(&snapshot);
        snapshot.finish()?;
        self.connection = Some(connection);
        answer
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lent -= 1;
        state.idle.extend(self.connection.take());
        drop(state);
        self.pool.returned.notify_one();
    }
}
