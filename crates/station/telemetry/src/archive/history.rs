//! History: what a parameter was, from the archive and from what has not reached it yet.
//!
//! Few samples are given as they are. Many are gathered into buckets of equal length, each with its
//! least, greatest and last value and its worst severity: whatever is drawn from it, no extreme is
//! hidden. A segment that lies within one bucket is not read, only its summary.

use std::collections::HashSet;

use perigee_part::Timestamp;
use perigee_xtce::{Database, ParameterId, Severity, Value};
use rusqlite::{Connection, OptionalExtension};

use super::ArchiveError;
use super::segment::{Column, ParameterKey, decode_column, decode_times};
use super::summary::Summary;
use super::tail::{INTERVAL_NS, KEY_BITS, Names, Tail};
use crate::value::{append, move_to};

/// Samples that one answer holds at most.
pub const MAX_SAMPLES: usize = 100_000;
/// Buckets that one answer holds at most.
pub const MAX_POINTS: u32 = 20_000;

/// A question for the values of one parameter from `start` (included) to `end` (not included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The parameter.
    pub parameter: ParameterId,
    /// First generation time.
    pub start: Timestamp,
    /// The generation time before which it ends.
    pub end: Timestamp,
    /// At most so many samples, gathered into buckets where there are more; `None`: every sample.
    pub points: Option<u32>,
}

/// The answer, in the order of generation.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Samples, or the last sample of each bucket.
    pub samples: Vec<HistorySample>,
    /// What the spans of the values point into.
    pub arena: Vec<u8>,
    /// The samples stand for buckets.
    pub sampled: bool,
    /// There are more samples, later ones, than the answer may hold.
    pub truncated: bool,
}

/// A sample, or the last of a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistorySample {
    /// Generation time.
    pub generated: Timestamp,
    /// Engineering value.
    pub eng: Value,
    /// Raw value; absent for a bucket.
    pub raw: Value,
    /// Severity, of a bucket the worst.
    pub severity: Severity,
    /// Least value of the bucket; absent for a single sample and for values that are no numbers.
    pub min: Value,
    /// Greatest value of the bucket.
    pub max: Value,
    /// How many samples it stands for.
    pub count: u64,
}

/// A definition that the parameter has had, and how its labels read today.
struct Definition {
    key: ParameterKey,
    /// For each label of then, the value of today; empty where nothing has changed.
    labels: Vec<Result<u32, String>>,
}

impl Definition {
    fn new(key: ParameterKey, definition: &str, database: &Database, parameter: ParameterId) -> Self {
        if definition == Names::definition(database, parameter) {
            return Self { key, labels: Vec::new() };
        }
        let today = database.parameter(parameter).map_or(&[][..], |parameter| &parameter.labels);
        let then: serde_json::Value = serde_json::from_str(definition).unwrap_or_default();
        let labels = then["labels"].as_array().into_iter().flatten().map(|label| {
            let label = label.as_str().unwrap_or_default();
            let index = today.iter().position(|known| known == label);
            index.map(|index| index as u32).ok_or_else(|| label.to_owned())
        });
        Self { key, labels: labels.collect() }
    }

    /// The value as the database of today has it; a label that it does not know becomes text.
    fn translate(&self, value: Value, arena: &mut Vec<u8>) -> Value {
        match value {
            Value::Label(index) if !self.labels.is_empty() => match self.labels.get(index as usize) {
                Some(Ok(index)) => Value::Label(*index),
                Some(Err(label)) => Value::Text(append(arena, label.as_bytes())),
                None => Value::Absent,
            },
            value => value,
        }
    }
}

/// What the tail has of the answer. It is taken before the database is read.
pub(crate) struct FromTail {
    definitions: Vec<Definition>,
    /// Segments that are in here and not to be read again.
    segments: HashSet<i64>,
    parts: Vec<(usize, Column, Vec<i64>)>,
}

impl FromTail {
    pub(crate) fn take(tail: &Tail, database: &Database, query: &HistoryQuery) -> Self {
        let name = database.parameter(query.parameter).map_or("", |parameter| &parameter.name);
        let keys = tail.names.keys_of(name);
        let definitions: Vec<_> = keys
            .iter()
            .map(|(key, definition)| Definition::new(*key, definition, database, query.parameter))
            .collect();
        let mut parts = Vec::new();
        for growing in tail.open() {
            for (at, definition) in definitions.iter().enumerate() {
                if let Some(column) = growing.segment.column(definition.key) {
                    parts.push((at, column.clone(), growing.segment.generated().to_vec()));
                }
            }
        }
        let segments = tail.open().map(|growing| growing.id).collect();
        Self { definitions, segments, parts }
    }
}

/// A finished segment that has the parameter.
struct Found {
    id: i64,
    first: i64,
    last: i64,
    rows: usize,
}

/// Answers from the tail and the database.
pub(crate) fn read(
    connection: &Connection,
    tail: &FromTail,
    query: &HistoryQuery,
) -> Result<History, ArchiveError> {
    let found = find(connection, tail, query)?;
    let rows: usize =
        found.iter().map(|found| found.rows).chain(tail.parts.iter().map(|part| part.1.len())).sum();
    match query.points {
        Some(points) if rows > points as usize => {
            let points = points.clamp(1, MAX_POINTS);
            let history = buckets(connection, tail, query, &found, points)?;
            let count: u64 = history.samples.iter().map(|bucket| bucket.count).sum();
            // The segments reach beyond the range, or not every packet of theirs has the parameter.
            if count <= u64::from(points) { samples(connection, tail, query, &found) } else { Ok(history) }
        }
        _ => samples(connection, tail, query, &found),
    }
}

fn find(connection: &Connection, tail: &FromTail, query: &HistoryQuery) -> Result<Vec<Found>, ArchiveError> {
    let mut containers = HashSet::new();
    let mut members = connection.prepare_cached("SELECT container FROM member WHERE parameter = ?1")?;
    for definition in &tail.definitions {
        for container in members.query_map([definition.key.0], |row| row.get::<_, u32>(0))? {
            containers.insert(container?);
        }
    }
    let mut segments = connection.prepare_cached(
        "SELECT id, first, last, rows FROM segment
         WHERE container = ?1 AND first > ?2 AND first < ?3 AND last >= ?4 AND state < 1",
    )?;
    let mut found = Vec::new();
    for container in containers {
        let earliest = query.start.0.saturating_sub(INTERVAL_NS);
        let mut rows = segments.query((container, earliest, query.end.0, query.start.0))?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if !tail.segments.contains(&id) {
                // A damaged count is refused when the times are read.
                let rows = row.get::<_, u32>(3).unwrap_or(u32::MAX) as usize;
                found.push(Found { id, first: row.get(1)?, last: row.get(2)?, rows });
            }
        }
    }
    found.sort_unstable_by_key(|found| (found.first, found.id));
    Ok(found)
}

/// One blob of a row of `series`, if that segment has the parameter.
fn series(
    connection: &Connection,
    blob: &'static str,
    segment: i64,
    key: ParameterKey,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut select = connection.prepare_cached(blob)?;
    Ok(select.query_row([segment << KEY_BITS | i64::from(key.0)], |row| row.get(0)).optional()?)
}

const SUMMARY: &str = "SELECT summary FROM series WHERE id = ?1";
const DATA: &str = "SELECT data FROM series WHERE id = ?1";

/// Shows every value that a segment has of the parameter.
fn decode(
    connection: &Connection,
    tail: &FromTail,
    found: &Found,
    mut each: impl FnMut(usize, &Column, &[i64]),
) -> Result<(), ArchiveError> {
    let mut times = None;
    for (number, definition) in tail.definitions.iter().enumerate() {
        let Some(data) = series(connection, DATA, found.id, definition.key)? else { continue };
        let generated = match &times {
            Some(times) => times,
            None => {
                let mut select = connection.prepare_cached("SELECT times FROM segment WHERE id = ?1")?;
                let block: Vec<u8> = select.query_row([found.id], |row| row.get(0))?;
                times.insert(decode_times(&block, found.rows)?.0)
            }
        };
        each(number, &decode_column(definition.key, &data, found.rows)?, generated);
    }
    Ok(())
}

fn samples(
    connection: &Connection,
    tail: &FromTail,
    query: &HistoryQuery,
    found: &[Found],
) -> Result<History, ArchiveError> {
    let mut history = History::default();
    // Samples from here on would be cut off anyway.
    let mut horizon = query.end.0;
    let collect =
        |history: &mut History, horizon: i64, definition: usize, column: &Column, generated: &[i64]| {
            let definition = &tail.definitions[definition];
            let mut scratch = Vec::new();
            column.cells(&mut scratch, |cell, octets| {
                let Some(&at) = generated.get(cell.row).filter(|&&at| at >= query.start.0 && at < horizon)
                else {
                    return;
                };
                let raw = move_to(cell.raw, octets, &mut history.arena);
                let eng = move_to(cell.eng, octets, &mut history.arena);
                let eng = definition.translate(eng, &mut history.arena);
                history.samples.push(HistorySample {
                    generated: Timestamp(at),
                    eng,
                    raw,
                    severity: cell.severity,
                    min: Value::Absent,
                    max: Value::Absent,
                    count: 1,
                });
            });
        };
    for (definition, column, generated) in &tail.parts {
        collect(&mut history, horizon, *definition, column, generated);
        horizon = horizon.min(cut(&mut history, 2 * MAX_SAMPLES));
    }
    for found in found {
        if found.first >= horizon {
            break;
        }
        decode(connection, tail, found, |definition, column, generated| {
            collect(&mut history, horizon, definition, column, generated);
        })?;
        horizon = horizon.min(cut(&mut history, 2 * MAX_SAMPLES));
    }
    history.samples.sort_by_key(|sample| sample.generated);
    cut(&mut history, MAX_SAMPLES);
    Ok(history)
}

/// Keeps the earliest samples when there are more than `limit`; gives the time from which none is needed.
fn cut(history: &mut History, limit: usize) -> i64 {
    if history.samples.len() <= limit {
        return i64::MAX;
    }
    history.samples.sort_by_key(|sample| sample.generated);
    history.samples.truncate(MAX_SAMPLES);
    history.truncated = true;
    history.samples.last().map_or(i64::MAX, |last| last.generated.0)
}

/// Equal lengths of time.
struct Buckets<'a> {
    query: &'a HistoryQuery,
    width: i128,
    /// What each holds, and the definition that its last value is of.
    buckets: Vec<(Summary, usize)>,
}

impl<'a> Buckets<'a> {
    fn new(query: &'a HistoryQuery, points: u32) -> Self {
        let (range, points) = (i128::from(query.end.0) - i128::from(query.start.0), i128::from(points));
        let width = ((range + points - 1) / points).max(1);
        Self { query, width, buckets: vec![Default::default(); points as usize] }
    }

    fn holds(&self, at: i64) -> bool {
        (self.query.start.0..self.query.end.0).contains(&at)
    }

    fn place(&self, at: i64) -> usize {
        ((i128::from(at) - i128::from(self.query.start.0)) / self.width) as usize
    }

    /// Takes each value in that is of the range.
    fn add(&mut self, definition: usize, column: &Column, generated: &[i64]) {
        let mut arena = Vec::new();
        column.cells(&mut arena, |cell, octets| {
            let Some(&at) = generated.get(cell.row).filter(|&&at| self.holds(at)) else { return };
            let place = self.place(at);
            let (summary, last) = &mut self.buckets[place];
            summary.add(at, cell.eng, cell.severity, octets);
            if summary.last_at == at {
                *last = definition;
            }
        });
    }

    /// Takes the values of a segment in that lies within one bucket.
    fn merge(&mut self, definition: usize, at: i64, whole: &Summary) {
        let place = self.place(at);
        let (summary, last) = &mut self.buckets[place];
        summary.merge(whole);
        if summary.last_at == whole.last_at {
            *last = definition;
        }
    }
}

fn buckets(
    connection: &Connection,
    tail: &FromTail,
    query: &HistoryQuery,
    found: &[Found],
    points: u32,
) -> Result<History, ArchiveError> {
    let mut buckets = Buckets::new(query, points);
    for (definition, column, generated) in &tail.parts {
        buckets.add(*definition, column, generated);
    }
    for found in found {
        let whole = buckets.holds(found.first)
            && buckets.holds(found.last)
            && buckets.place(found.first) == buckets.place(found.last);
        if !whole {
            decode(connection, tail, found, |definition, column, generated| {
                buckets.add(definition, column, generated);
            })?;
            continue;
        }
        for (number, definition) in tail.definitions.iter().enumerate() {
            if let Some(summary) = series(connection, SUMMARY, found.id, definition.key)? {
                buckets.merge(number, found.first, &Summary::decode(&summary)?);
            }
        }
    }
    let mut history = History { sampled: true, ..History::default() };
    for (summary, definition) in buckets.buckets.iter().filter(|(summary, _)| summary.count > 0) {
        let definition = &tail.definitions[*definition];
        let last = move_to(summary.last, &summary.arena, &mut history.arena);
        history.samples.push(HistorySample {
            generated: Timestamp(summary.last_at),
            eng: definition.translate(last, &mut history.arena),
            raw: Value::Absent,
            severity: summary.worst,
            min: definition.translate(summary.min, &mut history.arena),
            max: definition.translate(summary.max, &mut history.arena),
            count: summary.count,
        });
    }
    Ok(history)
}
