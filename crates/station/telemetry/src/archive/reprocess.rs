//! Archived packets processed again, under another mission database.
//!
//! New segments are written beside the old ones, where no reader sees them; then one transaction puts
//! them in their place. A kill before it changes nothing, a kill after it leaves only rows to sweep up.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perigee_part::{PartError, Timestamp};
use perigee_xtce::{Database, Plan};
use rusqlite::{Connection, Transaction};

use super::schema::{self, Writable};
use super::segment::{OpenSegment, ParameterKey, decode_column, decode_times};
use super::tail::{Bounds, ContainerKey, Growing, KEY_BITS, Tail, series_of};
use super::writer::{self, Members};
use super::{ArchiveError, blocks, retention};
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
/// values of that time. Values received while no packets were archived stay. No station may run on the archive.
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
    retention::sweep(&writable.connection).map_err(ArchiveError::from)?;
    remove_replaced(&mut writable)?;
    let mut work = Work::begin(writable, database)?;
    let range = (start.0, end.0);
    let covered = Covered::read(&packets, range)?;
    if covered.intervals.is_empty() {
        return Ok(Reprocessed::default());
    }
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
    done.replaced = work.replace(range, &covered)?;
    remove_replaced(&mut work.writable)?;
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

/// When packets were archived, and so what can be made again from them.
#[derive(Debug, Default)]
struct Covered {
    /// Times of reception, from the first to the last of a row, both included; ascending, apart. So many as
    /// the archive had transactions, at most.
    intervals: Vec<(i64, i64)>,
}

impl Covered {
    /// What the packet rows cover that reach into the range.
    fn read(packets: &Connection, range: (i64, i64)) -> Result<Self, ArchiveError> {
        let mut select = packets.prepare(
            "SELECT received_first, received_last FROM packet
             WHERE received_last >= ?1 AND received_first < ?2 ORDER BY received_first",
        )?;
        let mut covered = Self::default();
        let mut rows = select.query(range)?;
        while let Some(row) = rows.next()? {
            covered.add(row.get(0)?, row.get(1)?);
        }
        Ok(covered)
    }

    /// Takes an interval in that begins no earlier than the one before.
    fn add(&mut self, first: i64, last: i64) {
        match self.intervals.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => self.intervals.push((first, last)),
        }
    }

    fn holds(&self, received: i64) -> bool {
        let after = self.intervals.partition_point(|&(first, _)| first <= received);
        after.checked_sub(1).is_some_and(|at| received <= self.intervals[at].1)
    }
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

/// Removes every segment that others have taken the place of, in short transactions.
fn remove_replaced(writable: &mut Writable) -> Result<(), ArchiveError> {
    let connection = &mut writable.connection;
    loop {
        let transaction = connection.transaction()?;
        let removed = retention::remove_replaced(&transaction)?;
        transaction.commit()?;
        if removed == 0 {
            return Ok(());
        }
        retention::give_back(connection, 4096)?;
    }
}

/// The archive while new segments are written into it.
struct Work {
    writable: Writable,
    tail: Tail,
    members: Members,
}

impl Work {
    /// Finishes the segments that were growing when the station stopped.
    fn begin(writable: Writable, database: &Arc<Database>) -> Result<Self, ArchiveError> {
        let tail = writer::recover(&writable.connection, database)?;
        let mut work = Self { writable, tail, members: Members::default() };
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
        self.members.begin();
        writer::save_names(&transaction, &self.tail.names)?;
        for growing in self.tail.numbered(ids) {
            writer::save_segment(&transaction, growing, state, &mut self.members)?;
        }
        also(&transaction)?;
        transaction.commit()?;
        self.members.committed();
        self.tail.names.new = Default::default();
        self.tail.remove(ids);
        Ok(())
    }

    /// Puts the new segments in the place of what was received in the range while packets were archived; gives
    /// how many segments went.
    fn replace(&mut self, range: (i64, i64), covered: &Covered) -> Result<u64, ArchiveError> {
        let replaced = |received: i64| (range.0..range.1).contains(&received) && covered.holds(received);
        let transaction = self.writable.connection.transaction()?;
        let mut segments = transaction.prepare(
            "SELECT id, container, rows, times FROM segment WHERE state = 0
             AND received_last >= ?1 AND received_first < ?2",
        )?;
        let mut gone = Vec::new();
        let mut rows = segments.query(range)?;
        while let Some(row) = rows.next()? {
            let (id, container, count): (i64, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let times = decode_times(row.get_ref(3)?.as_blob().unwrap_or_default(), count as usize)?;
            let going = times.1.iter().filter(|&&received| replaced(received)).count();
            if going == 0 {
                continue;
            }
            gone.push(id);
            if going == times.1.len() {
                continue;
            }
            // Its other rows are kept in a segment of their own.
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
                segment: OpenSegment::keeping(&times, &columns, |received| !replaced(received)),
            };
            writer::save_segment(&transaction, &growing, 1, &mut self.members)?;
        }
        drop(rows);
        drop(segments);
        for id in &gone {
            transaction.prepare_cached("UPDATE segment SET state = 2 WHERE id = ?1")?.execute([id])?;
        }
        transaction.execute("UPDATE segment SET state = 0 WHERE state = 1 AND state <> 0", [])?;
        transaction.commit()?;
        Ok(gone.len() as u64)
    }
}
