//! Archived packets processed again, under another mission database.
//!
//! New segments are written beside the old ones, where no reader sees them; then one transaction puts
//! them in their place. A kill before it changes nothing, a kill after it leaves only rows to sweep up.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perigee_part::{PartError, Timestamp};
use perigee_xtce::{Database, Plan};
use rusqlite::{Connection, Transaction, params};

use super::schema::{self, Writable};
use super::segment::{OpenSegment, ParameterKey, decode_column, decode_times};
use super::tail::{Bounds, ContainerKey, Growing, KEY_BITS, Tail, series_of};
use super::{ArchiveError, blocks, retention, writer};
use crate::config::TimeConfig;
use crate::generation::GenerationTime;
use crate::limits::Limits;
use crate::processor::Processor;

/// When segments are finished on the way.
const BOUNDS: Bounds = Bounds { rows: 4096, age: Duration::MAX, octets: 32 << 20 };

/// How far reprocessing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Packets done.
    pub done: u64,
    /// Packets to do, those beside the range in the same blocks included.
    pub total: u64,
}

/// What reprocessing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reprocessed {
    /// Packets decoded.
    pub packets: u64,
    /// Packets that the database has no container for, or that do not hold what it says.
    pub undecoded: u64,
    /// Values written.
    pub values: u64,
    /// Segments that were replaced.
    pub replaced: u64,
}

/// Decodes the packets received from `start` (included) to `end` (not included) again and replaces the
/// values of that time. Values older than the oldest archived packet stay. No station may run on the archive.
///
/// # Errors
/// The archive is in use, cannot be read or written, or the time source names what the database lacks.
pub fn reprocess(
    path: &Path,
    (database, plan): (&Arc<Database>, &Arc<Plan>),
    time: &TimeConfig,
    (start, end): (Timestamp, Timestamp),
    mut progress: impl FnMut(Progress),
) -> Result<Reprocessed, ReprocessError> {
    let time = GenerationTime::new(time, database).map_err(ReprocessError::Time)?;
    // To see whether there is an archive; the writer would begin one.
    let packets = schema::open_reader(path)?;
    let mut writable = schema::open_writer(path)?;
    remove_all(&mut writable, "state = 1")?;
    let mut work = Work::begin(writable, database)?;
    let Some(oldest) = oldest_packet(&packets, start.0, end.0)? else { return Ok(Reprocessed::default()) };
    let range = (start.0.max(oldest), end.0);
    let total = packets
        .query_row(
            "SELECT coalesce(sum(count), 0) FROM packet WHERE received_last >= ?1 AND received_first < ?2",
            range,
            |row| row.get::<_, i64>(0),
        )
        .map_err(ArchiveError::from)? as u64;
    let mut processor = Processor::with_time(Arc::clone(plan), time);
    let mut limits = Limits::new(Arc::clone(database));
    let mut done = Reprocessed::default();
    let mut seen = 0;
    for_each_block(&packets, range, |block| {
        for packet in blocks::read(block) {
            let packet = packet?;
            seen += 1;
            if !(range.0..range.1).contains(&packet.received.0) {
                continue;
            }
            match processor.receive(packet.octets, packet.received) {
                Ok(_) => done.packets += 1,
                Err(_) => done.undecoded += 1,
            }
            if processor.is_full() {
                done.values += work.take(&mut processor, &mut limits)?;
            }
        }
        progress(Progress { done: seen, total });
        Ok(())
    })?;
    done.values += work.take(&mut processor, &mut limits)?;
    work.save_due(true)?;
    done.replaced = work.replace(range)?;
    remove_all(&mut work.writable, "state = 2")?;
    Ok(done)
}

/// Why packets could not be processed again.
#[derive(Debug, thiserror::Error)]
pub enum ReprocessError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The source of generation times.
    #[error("{0}")]
    Time(String),
}

impl From<ReprocessError> for PartError {
    fn from(error: ReprocessError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn oldest_packet(packets: &Connection, start: i64, end: i64) -> Result<Option<i64>, ArchiveError> {
    let oldest: (Option<i64>, i64) = packets.query_row(
        "SELECT (SELECT min(received_first) FROM packet),
                (SELECT count(*) FROM packet WHERE received_last >= ?1 AND received_first < ?2)",
        (start, end),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(oldest.0.filter(|_| oldest.1 > 0))
}

fn for_each_block(
    packets: &Connection,
    range: (i64, i64),
    mut each: impl FnMut(&[u8]) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut blocks = packets
        .prepare("SELECT block FROM packet WHERE received_last >= ?1 AND received_first < ?2 ORDER BY id")?;
    let mut rows = blocks.query(range)?;
    while let Some(row) = rows.next()? {
        each(
            row.get_ref(0)?
                .as_blob()
                .map_err(|_| ArchiveError::Damaged("a packet row without octets".into()))?,
        )?;
    }
    Ok(())
}

/// Removes every segment that no reader sees, in short transactions.
fn remove_all(writable: &mut Writable, which: &str) -> Result<(), ArchiveError> {
    let connection = &mut writable.connection;
    connection.execute(&format!("UPDATE segment SET state = 2 WHERE {which}"), [])?;
    loop {
        let transaction = connection.transaction()?;
        let removed = retention::remove_replaced(&transaction)?;
        transaction.commit()?;
        if removed == 0 {
            return Ok(());
        }
        connection.execute_batch("PRAGMA incremental_vacuum(4096)")?;
    }
}

/// The archive while new segments are written into it.
struct Work {
    writable: Writable,
    tail: Tail,
    members: HashSet<(ParameterKey, ContainerKey)>,
}

impl Work {
    /// Finishes the segments that were growing when the station stopped.
    fn begin(writable: Writable, database: &Arc<Database>) -> Result<Self, ArchiveError> {
        let tail = writer::recover(&writable.connection, database)?;
        let mut work = Self { writable, tail, members: HashSet::new() };
        let ids: Vec<i64> = work.tail.open().map(|growing| growing.id).collect();
        work.save(&ids, 0, |transaction| transaction.execute("DELETE FROM journal", []).map(drop))?;
        Ok(work)
    }

    /// Takes what the processor has decoded.
    fn take(&mut self, processor: &mut Processor, limits: &mut Limits) -> Result<u64, ArchiveError> {
        let Some(batch) = processor.publish(|batch| limits.check(batch, drop)) else { return Ok(0) };
        self.tail.apply(&batch, Instant::now());
        self.save_due(false)?;
        Ok(batch.values.entries.len() as u64)
    }

    fn save_due(&mut self, all: bool) -> Result<(), ArchiveError> {
        let due = match all {
            true => self.tail.open().map(|growing| growing.id).collect(),
            false => self.tail.due(BOUNDS, Instant::now()),
        };
        if due.is_empty() {
            return Ok(());
        }
        self.save(&due, 1, |_| Ok(()))
    }

    fn save(
        &mut self,
        ids: &[i64],
        state: u8,
        also: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ArchiveError> {
        let transaction = self.writable.connection.transaction()?;
        writer::save_names(&transaction, &self.tail.names)?;
        for growing in self.tail.numbered(ids) {
            writer::save_segment(&transaction, growing, state, &mut self.members)?;
        }
        also(&transaction)?;
        transaction.commit()?;
        self.tail.names.new = Default::default();
        self.tail.remove(ids);
        Ok(())
    }

    /// Puts the new segments in the place of those received in the range; gives how many those were.
    fn replace(&mut self, range: (i64, i64)) -> Result<u64, ArchiveError> {
        let transaction = self.writable.connection.transaction()?;
        // Segments that reach beyond the range: their other rows are kept in a segment of their own.
        let mut crossing = transaction.prepare(
            "SELECT id, container, rows, times FROM segment WHERE state = 0
             AND received_last >= ?1 AND received_first < ?2 AND (received_first < ?1 OR received_last >= ?2)",
        )?;
        let mut rows = crossing.query(range)?;
        while let Some(row) = rows.next()? {
            let (id, container, count): (i64, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let times = decode_times(row.get_ref(3)?.as_blob().unwrap_or_default(), count as usize)?;
            let mut series =
                transaction.prepare_cached("SELECT id, data FROM series WHERE id >= ?1 AND id < ?2")?;
            let mut series = series.query(series_of(id))?;
            let mut columns = Vec::new();
            while let Some(row) = series.next()? {
                let key = ParameterKey((row.get::<_, i64>(0)? & ((1 << KEY_BITS) - 1)) as u32);
                columns.push(decode_column(
                    key,
                    row.get_ref(1)?.as_blob().unwrap_or_default(),
                    times.0.len(),
                )?);
            }
            let growing = Growing {
                id: self.tail.next_number(),
                container: ContainerKey(container),
                opened: Instant::now(),
                segment: OpenSegment::keeping(&times, &columns, |received| {
                    !(range.0..range.1).contains(&received)
                }),
            };
            writer::save_segment(&transaction, &growing, 1, &mut self.members)?;
        }
        drop(rows);
        drop(crossing);
        let replaced = transaction.execute(
            "UPDATE segment SET state = 2 WHERE state = 0 AND received_last >= ?1 AND received_first < ?2",
            params![range.0, range.1],
        )?;
        transaction.execute("UPDATE segment SET state = 0 WHERE state = 1", [])?;
        transaction.commit()?;
        Ok(replaced as u64)
    }
}
