//! What can be asked of an archive without a station: what is in it, and whether it is whole.

use std::path::Path;

use rusqlite::Connection;

use super::segment::{OpenSegment, ParameterKey, decode_column, decode_times};
use super::summary::{Summary, compare};
use super::tail::{KEY_BITS, series_of};
use super::{ArchiveError, Corrupt, blocks, retention, schema};
use crate::alarms::AlarmRecord;

/// Problems that one check names at most.
const MAX_PROBLEMS: usize = 100;

/// What is in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Octets of the file that hold something.
    pub octets: u64,
    /// Frames.
    pub frames: u64,
    /// Packets.
    pub packets: u64,
    /// Values in finished segments.
    pub values: u64,
    /// Octets that those values take.
    pub values_octets: u64,
    /// Finished segments.
    pub segments: u64,
    /// Values in segments that were growing when the archive was last written.
    pub growing_values: u64,
    /// Alarms, ended ones too.
    pub alarms: u64,
    /// First and last reception time of frames, packets or values, in nanoseconds of the Unix epoch.
    pub received: Option<(i64, i64)>,
    /// Frames and packets by channel.
    pub channels: Vec<ChannelStats>,
}

/// What is in an archive of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ChannelStats {
    /// The link.
    pub link: String,
    /// Virtual channel; `None` where packets arrive bare.
    pub vcid: Option<u8>,
    /// The APID; `None` for the frames of the virtual channel.
    pub apid: Option<u16>,
    /// Received.
    pub count: u64,
    /// Counted by the spacecraft and not received.
    pub missing: u64,
}

/// Reads what is in an archive. A station may write to it meanwhile.
///
/// # Errors
/// There is no archive, or it cannot be read.
pub fn stats(path: &Path) -> Result<Stats, ArchiveError> {
    let connection = schema::open_reader(path)?;
    let snapshot = connection.unchecked_transaction()?;
    let number =
        |query: &str| snapshot.query_row(query, [], |row| row.get::<_, i64>(0)).map(|number| number as u64);
    let received = snapshot.query_row(
        "SELECT min(first), max(last) FROM (
            SELECT min(received_first) AS first, max(received_last) AS last FROM frame UNION ALL
            SELECT min(received_first), max(received_last) FROM packet UNION ALL
            SELECT min(received_first), max(received_last) FROM segment)",
        [],
        |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)),
    )?;
    let mut channels = snapshot.prepare(
        "SELECT link.name, vcid, apid, sum(count), sum(missing) FROM span JOIN link ON link.key = span.link
         GROUP BY link.name, vcid, apid ORDER BY link.name, vcid, apid",
    )?;
    let channels = channels
        .query_map([], |row| {
            Ok(ChannelStats {
                link: row.get(0)?,
                vcid: row.get(1)?,
                apid: row.get(2)?,
                count: row.get::<_, i64>(3)? as u64,
                missing: row.get::<_, i64>(4)? as u64,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Stats {
        octets: retention::used_octets(&snapshot)?,
        frames: number("SELECT coalesce(sum(count), 0) FROM frame")?,
        packets: number("SELECT coalesce(sum(count), 0) FROM packet")?,
        values: number("SELECT coalesce(sum(count), 0) FROM segment WHERE state = 0")?,
        values_octets: number(
            "SELECT coalesce((SELECT sum(length(summary) + length(data)) FROM series), 0)
                  + coalesce((SELECT sum(length(times)) FROM segment), 0)",
        )?,
        segments: number("SELECT count(*) FROM segment WHERE state = 0")?,
        growing_values: growing_values(&snapshot)?,
        alarms: number("SELECT count(*) FROM alarm")?,
        received,
        channels,
    })
}

fn growing_values(connection: &Connection) -> Result<u64, ArchiveError> {
    let mut journal = connection.prepare("SELECT block FROM journal")?;
    let mut rows = journal.query([])?;
    let mut total = 0;
    while let Some(row) = rows.next()? {
        total += values_of(&row.get::<_, Vec<u8>>(0)?)?;
    }
    Ok(total)
}

/// How many values a block of the journal holds.
fn values_of(block: &[u8]) -> Result<u64, Corrupt> {
    let mut segment = OpenSegment::default();
    segment.recover(block)?;
    Ok(segment.columns().iter().map(|column| column.len() as u64).sum())
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Frames that were read.
    pub frames: u64,
    /// Packets that were read.
    pub packets: u64,
    /// Values that were read.
    pub values: u64,
    /// What is wrong; empty when the archive is whole.
    pub problems: Vec<String>,
}

impl Check {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Reads all of an archive and holds it against itself: SQLite's structures, each frame, packet and value,
/// each summary. A station may write to it meanwhile.
///
/// # Errors
/// There is no archive, or it cannot be read.
pub fn check(path: &Path) -> Result<Check, ArchiveError> {
    let connection = schema::open_reader(path)?;
    let snapshot = connection.unchecked_transaction()?;
    let mut check = Check::default();
    let mut integrity = snapshot.prepare("PRAGMA integrity_check(100)")?;
    for finding in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let finding = finding?;
        if finding != "ok" {
            check.problem(finding);
        }
    }
    check.frames = check_blocks(&snapshot, "frame", &mut check)?;
    check.packets = check_blocks(&snapshot, "packet", &mut check)?;
    check_segments(&snapshot, &mut check)?;
    check_journal(&snapshot, &mut check)?;
    Ok(check)
}

fn check_blocks(connection: &Connection, table: &str, check: &mut Check) -> Result<u64, ArchiveError> {
    let mut rows = connection.prepare(&format!("SELECT id, count, block FROM {table}"))?;
    let mut rows = rows.query([])?;
    let mut total = 0;
    while let Some(row) = rows.next()? {
        let (id, count, block): (i64, u64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match blocks::read(&block).collect::<Result<Vec<_>, _>>() {
            Ok(read) if read.len() as u64 == count => total += count,
            Ok(read) => check.problem(format!("{table} {id} holds {} records and says {count}", read.len())),
            Err(error) => check.problem(format!("{table} {id}: {error}")),
        }
    }
    Ok(total)
}

fn check_segments(connection: &Connection, check: &mut Check) -> Result<(), ArchiveError> {
    let mut segments = connection.prepare("SELECT id, rows, count, times FROM segment")?;
    let mut series = connection.prepare("SELECT id, summary, data FROM series WHERE id >= ?1 AND id < ?2")?;
    let mut rows = segments.query([])?;
    while let Some(row) = rows.next()? {
        let (id, rows, count, times): (i64, i64, u64, Vec<u8>) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let generated = match decode_times(&times, rows as usize) {
            Ok((generated, _)) => generated,
            Err(error) => {
                check.problem(format!("segment {id}: {error}"));
                continue;
            }
        };
        let mut values = 0;
        let mut columns = series.query(series_of(id))?;
        while let Some(row) = columns.next()? {
            let (series, summary, data): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let key = ParameterKey((series & ((1 << KEY_BITS) - 1)) as u32);
            match decode_column(key, &data, generated.len())
                .and_then(|column| Ok((column, Summary::decode(&summary)?)))
            {
                Ok((column, summary)) => {
                    values += column.len() as u64;
                    let found = Summary::of(&column, &generated);
                    let same = found.count == summary.count
                        && found.worst == summary.worst
                        && found.min == summary.min
                        && found.max == summary.max
                        && compare(found.min, found.max) == compare(summary.min, summary.max);
                    if !same {
                        check.problem(format!(
                            "segment {id}, parameter {}: its summary is of other values",
                            key.0
                        ));
                    }
                }
                Err(error) => check.problem(format!("segment {id}, parameter {}: {error}", key.0)),
            }
        }
        if values != count {
            check.problem(format!("segment {id} holds {values} values and says {count}"));
        }
        check.values += values;
    }
    Ok(())
}

fn check_journal(connection: &Connection, check: &mut Check) -> Result<(), ArchiveError> {
    let mut journal = connection.prepare("SELECT id, block FROM journal")?;
    let mut rows = journal.query([])?;
    while let Some(row) = rows.next()? {
        let (id, block): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        match values_of(&block) {
            Ok(values) => check.values += values,
            Err(error) => check.problem(format!("journal {id}: {error}")),
        }
    }
    Ok(())
}

/// Alarms that have not ended, the latest first, and the number of the next.
pub(crate) fn open_alarms(connection: &Connection) -> Result<(Vec<AlarmRecord>, i64), ArchiveError> {
    let mut open = connection.prepare(
        "SELECT id, parameter, triggered, details FROM alarm WHERE ended IS NULL ORDER BY id DESC",
    )?;
    let mut rows = open.query([])?;
    let mut alarms = Vec::new();
    while let Some(row) = rows.next()? {
        let details: String = row.get(3)?;
        alarms.extend(AlarmRecord::read(row.get(0)?, row.get(1)?, row.get(2)?, &details));
    }
    let next = connection.query_row("SELECT coalesce(max(id), 0) + 1 FROM alarm", [], |row| row.get(0))?;
    Ok((alarms, next))
}
