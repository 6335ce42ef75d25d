//! The tables of the archive, and who may open it.
//!
//! The file says what it is (`application_id`) and how it is laid out (`user_version`). A file of
//! another program, or of a newer Perigee, is refused and left as it is. A lock file beside it lets one
//! writer in at a time; readers need none.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::ArchiveError;

/// "PERI": the file belongs to Perigee.
const APPLICATION_ID: i32 = 0x5045_5249;
/// The layout below. A change that old files must be rewritten for raises it, with a migration.
pub(crate) const VERSION: i32 = 2;
/// How long a statement waits for another connection's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the writer before may take to let go: a part that is started again, a child that is just born.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_RETRY: Duration = Duration::from_millis(20);

const TABLES: &str = "
-- Names stand once. A parameter gets a new key when its definition (kind, labels) changes.
CREATE TABLE parameter (key INTEGER PRIMARY KEY, name TEXT NOT NULL, definition TEXT NOT NULL, UNIQUE (name, definition));
CREATE TABLE container (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE link (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Which containers hold a parameter.
CREATE TABLE member (parameter INTEGER NOT NULL, container INTEGER NOT NULL, PRIMARY KEY (parameter, container)) WITHOUT ROWID;

-- Packets of one container over at most 2^42 ns of generation time; times in ns of the Unix epoch.
-- rows: packets, count: values of all parameters.
-- state: 0 visible, 1 waiting to take the place of others, 2 replaced and to be removed.
CREATE TABLE segment (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, container INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, received_first INTEGER NOT NULL, received_last INTEGER NOT NULL,
    rows INTEGER NOT NULL, count INTEGER NOT NULL, times BLOB NOT NULL);
CREATE INDEX segment_by_time ON segment (container, first);
CREATE INDEX segment_by_reception ON segment (received_last);
CREATE INDEX segment_hidden ON segment (state) WHERE state <> 0;
-- Values of one parameter in a segment; id = segment << 20 | parameter.
CREATE TABLE series (id INTEGER PRIMARY KEY, summary BLOB NOT NULL, data BLOB NOT NULL);
-- What open segments hold, transaction by transaction.
CREATE TABLE journal (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, container INTEGER NOT NULL, block BLOB NOT NULL);
CREATE INDEX journal_by_segment ON journal (segment);

-- Many frames or packets to the row, in the order of reception.
CREATE TABLE frame (id INTEGER PRIMARY KEY, link INTEGER NOT NULL, vcid INTEGER NOT NULL,
    received_first INTEGER NOT NULL, received_last INTEGER NOT NULL, count INTEGER NOT NULL, block BLOB NOT NULL);
CREATE TABLE packet (id INTEGER PRIMARY KEY, link INTEGER NOT NULL, vcid INTEGER, apid INTEGER,
    received_first INTEGER NOT NULL, received_last INTEGER NOT NULL,
    generated_first INTEGER NOT NULL, generated_last INTEGER NOT NULL, count INTEGER NOT NULL, block BLOB NOT NULL);

-- Unbroken stretches of a channel; missing = counted but not received since the stretch before.
CREATE TABLE span (id INTEGER PRIMARY KEY, link INTEGER NOT NULL, vcid INTEGER, apid INTEGER,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, sequence INTEGER NOT NULL,
    missing INTEGER NOT NULL, gap_start INTEGER, scid INTEGER, received INTEGER NOT NULL DEFAULT 0);
CREATE INDEX span_by_time ON span (last);
CREATE INDEX span_by_reception ON span (received);

-- One row an alarm, from its trip to its end; details as JSON.
CREATE TABLE alarm (id INTEGER PRIMARY KEY, parameter TEXT NOT NULL, triggered INTEGER NOT NULL, ended INTEGER, details TEXT NOT NULL);
CREATE INDEX alarm_open ON alarm (ended) WHERE ended IS NULL;
CREATE INDEX alarm_by_end ON alarm (ended) WHERE ended IS NOT NULL;
";

/// What layout 2 has and layout 1 had not: spans know their spacecraft and the time of reception.
const FROM_1_TO_2: &str = "
ALTER TABLE span ADD COLUMN scid INTEGER;
ALTER TABLE span ADD COLUMN received INTEGER NOT NULL DEFAULT 0;
UPDATE span SET received = last;
CREATE INDEX span_by_reception ON span (received);
CREATE INDEX alarm_by_end ON alarm (ended) WHERE ended IS NOT NULL;
";

/// The only writer of an archive, and the lock that makes it so.
#[derive(Debug)]
pub(crate) struct Writable {
    pub(crate) connection: Connection,
    _lock: File,
}

/// Opens the archive to write, creating it where there is none.
pub(crate) fn open_writer(path: &Path) -> Result<Writable, ArchiveError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .map_err(|source| ArchiveError::Io { path: directory.to_owned(), source })?;
    }
    let lock = lock(path)?;
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    check_owner(&connection, path)?;
    // Must precede the first table; a no-op afterwards.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode a killed process loses nothing committed; a power cut may lose the last
    // transactions but never the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    // Checkpoints wait for the disk: one each 16 MiB, and none while the station stops or a query ends.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let found = version(&connection)?;
    if found < VERSION {
        let transaction = connection.transaction()?;
        transaction.execute_batch(if found == 0 { TABLES } else { FROM_1_TO_2 })?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(Writable { connection, _lock: lock })
}

/// Opens the archive to read only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, ArchiveError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    check_owner(&connection, path)?;
    if version(&connection)? == 0 {
        return Err(ArchiveError::Empty { path: path.to_owned() });
    }
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn lock(path: &Path) -> Result<File, ArchiveError> {
    let lock = PathBuf::from(format!("{}.lock", path.display()));
    let failed = |source| ArchiveError::Io { path: lock.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => return Err(ArchiveError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

fn version(connection: &Connection) -> Result<i32, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), ArchiveError> {
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner != APPLICATION_ID && tables > 0 {
        return Err(ArchiveError::Foreign { path: path.to_owned() });
    }
    let found = version(connection)?;
    if !(0..=VERSION).contains(&found) {
        return Err(ArchiveError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}
