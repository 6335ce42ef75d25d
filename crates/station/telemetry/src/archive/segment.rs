//! A segment: the packets of one container over some minutes, turned from rows into columns.
//!
//! The times stand once for all parameters of a packet. A column is dense when the parameter is in
//! every packet from the first on; otherwise it says which rows it has a value in, and may have two in
//! one (a container can name a parameter twice). The same form serves in memory, as the journal block of
//! one transaction, and as the finished segment.

use std::collections::HashMap;
use std::ops::Range;

use perigee_part::Timestamp;
use perigee_xtce::{Severity, Value};

use super::lane::Lane;
use super::wire::{Corrupt, Reader, put_varint};

/// More rows than this in a stored segment are taken for damage.
pub(crate) const MAX_ROWS: usize = 1 << 24;
/// More values than this in one block are taken for damage: a few octets can say that there are as many.
const MAX_VALUES: usize = 1 << 26;

/// A parameter as the archive knows it: one key for each definition of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ParameterKey(pub(crate) u32);

/// The values of one parameter in a segment.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) key: ParameterKey,
    raw: Lane,
    /// Empty while every engineering value is its raw value.
    eng: Lane,
    calibrated: bool,
    severities: Vec<(Severity, u32)>,
    /// The row of each value; `None` while value and row have the same number.
    rows: Option<Vec<u32>>,
    /// So many values are in the journal.
    journaled: usize,
}

/// One value of a column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) row: usize,
    pub(crate) raw: Value,
    pub(crate) eng: Value,
    pub(crate) severity: Severity,
}

fn identical(one: Value, other: Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

impl Column {
    pub(crate) fn new(key: ParameterKey) -> Self {
        Self {
            key,
            raw: Lane::default(),
            eng: Lane::default(),
            calibrated: false,
            severities: Vec::new(),
            rows: None,
            journaled: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(crate) fn footprint(&self) -> usize {
        self.raw.footprint()
            + self.eng.footprint()
            + self.severities.len() * 8
            + self.rows.as_ref().map_or(0, |rows| rows.len() * 4)
    }

    #[inline]
    pub(crate) fn push(&mut self, row: usize, raw: Value, eng: Value, severity: Severity, arena: &[u8]) {
        if let Some(rows) = &mut self.rows {
            rows.push(row as u32);
        } else if self.raw.len() != row {
            self.rows = Some((0..self.raw.len() as u32).chain([row as u32]).collect());
        }
        if !self.calibrated && !identical(raw, eng) {
            self.calibrated = true;
            self.eng = self.raw.clone();
        }
        self.raw.push(raw, arena);
        if self.calibrated {
            self.eng.push(eng, arena);
        }
        match self.severities.last_mut() {
            Some((last, run)) if *last == severity => *run += 1,
            _ => self.severities.push((severity, 1)),
        }
    }

    /// Every value, in the order in which they came; `arena` holds the octets of one at a time.
    pub(crate) fn cells(&self, arena: &mut Vec<u8>, mut each: impl FnMut(Cell, &[u8])) {
        let severities = self.severities.iter().flat_map(|&(severity, run)| (0..run).map(move |_| severity));
        for (at, severity) in (0..self.len()).zip(severities) {
            let row = self.row(at);
            arena.clear();
            let raw = self.raw.value(at, arena);
            let eng = if self.calibrated { self.eng.value(at, arena) } else { raw };
            each(Cell { row, raw, eng, severity }, arena);
        }
    }

    /// The row of a value.
    fn row(&self, at: usize) -> usize {
        self.rows.as_ref().map_or(at, |rows| rows[at] as usize)
    }

    /// Writes the values from `start` on, their rows counted from `row`.
    fn encode(&self, start: usize, row: usize, small: bool, out: &mut Vec<u8>) {
        put_varint(out, (self.len() - start) as u64);
        let dense = (start..self.len()).all(|at| self.row(at) == row + (at - start));
        out.push(u8::from(dense));
        if !dense {
            let mut last = row;
            for at in start..self.len() {
                let here = self.row(at);
                put_varint(out, (here - last) as u64);
                last = here;
            }
        }
        let mut skip = start as u32;
        let runs: Vec<(Severity, u32)> = self
            .severities
            .iter()
            .filter_map(|&(severity, run)| {
                let skipped = skip.min(run);
                skip -= skipped;
                (run > skipped).then_some((severity, run - skipped))
            })
            .collect();
        let nominal = matches!(runs[..], [] | [(Severity::Nominal, _)]);
        put_varint(out, if nominal { 0 } else { runs.len() as u64 });
        if !nominal {
            for (severity, run) in runs {
                out.push(severity as u8);
                put_varint(out, u64::from(run));
            }
        }
        self.raw.encode(start, small, out);
        let calibrated = self.calibrated && !self.eng.same(&self.raw, start);
        out.push(u8::from(calibrated));
        if calibrated {
            self.eng.encode(start, small, out);
        }
    }

    /// The column as it stands in a finished segment.
    pub(crate) fn finished(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(0, 0, true, &mut out);
        out
    }

    /// Reads values behind those that are there, of the rows from `new.start` on; `room` is how many may come.
    pub(crate) fn decode(
        &mut self,
        new: Range<usize>,
        room: &mut usize,
        from: &mut Reader<'_>,
    ) -> Result<(), Corrupt> {
        let row = new.start;
        if self.len() > 0 && self.row(self.len() - 1) >= row {
            return Err(Corrupt("a column that comes twice"));
        }
        let count = from.varint()? as usize;
        *room = room.checked_sub(count).ok_or(Corrupt("more values than any block has"))?;
        let dense = from.octet()? != 0;
        let mut rows = Vec::new();
        if dense && count > new.len() {
            return Err(Corrupt("a column longer than the segment"));
        }
        if !dense {
            let mut last = row;
            for _ in 0..count {
                last = last
                    .checked_add(from.varint()? as usize)
                    .filter(|last| new.contains(last))
                    .ok_or(Corrupt("a row beyond the segment"))?;
                rows.push(last as u32);
            }
        }
        let mut severities = Vec::new();
        let mut left = count as u32;
        for _ in 0..from.count()? {
            let severity = severity_of(from.octet()?)?;
            let run = from.varint()?;
            left = u32::try_from(run)
                .ok()
                .and_then(|run| left.checked_sub(run))
                .ok_or(Corrupt("severities beyond the column"))?;
            severities.push((severity, run as u32));
        }
        if left > 0 {
            severities.push((Severity::Nominal, left));
        }
        let (mut raw, mut eng) = (Lane::default(), Lane::default());
        raw.decode(count, from)?;
        let calibrated = from.octet()? != 0;
        if calibrated {
            eng.decode(count, from)?;
        }
        if self.len() == 0 {
            // All of the column, as when a finished segment is read: it is taken as it is.
            self.rows = match dense {
                true if row == 0 => None,
                true => Some((row as u32..(row + count) as u32).collect()),
                false => Some(rows),
            };
            (self.raw, self.eng, self.calibrated, self.severities) = (raw, eng, calibrated, severities);
            return Ok(());
        }
        let mut arena = Vec::new();
        let severities = severities.iter().flat_map(|&(severity, run)| (0..run).map(move |_| severity));
        for (at, severity) in (0..count).zip(severities) {
            arena.clear();
            let value = raw.value(at, &mut arena);
            let engineering = if calibrated { eng.value(at, &mut arena) } else { value };
            let row = rows.get(at).map_or(row + at, |&row| row as usize);
            self.push(row, value, engineering, severity, &arena);
        }
        Ok(())
    }
}

pub(crate) fn severity_of(octet: u8) -> Result<Severity, Corrupt> {
    Severity::ALL.get(usize::from(octet)).copied().ok_or(Corrupt("a severity that is not one"))
}

/// A segment that still grows.
#[derive(Debug, Default)]
pub(crate) struct OpenSegment {
    generated: Vec<i64>,
    received: Vec<i64>,
    columns: Vec<Column>,
    /// Where each parameter's column is.
    places: HashMap<ParameterKey, usize>,
    /// So many rows are in the journal.
    journaled: usize,
}

impl OpenSegment {
    pub(crate) fn rows(&self) -> usize {
        self.generated.len()
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn column(&self, key: ParameterKey) -> Option<&Column> {
        self.places.get(&key).map(|&place| &self.columns[place])
    }

    pub(crate) fn generated(&self) -> &[i64] {
        &self.generated
    }

    pub(crate) fn received(&self) -> &[i64] {
        &self.received
    }

    /// Whether every row is in the journal.
    pub(crate) fn is_journaled(&self) -> bool {
        self.journaled == self.rows()
    }

    /// Memory that the values take, roughly.
    pub(crate) fn footprint(&self) -> usize {
        self.rows() * 16 + self.columns.iter().map(Column::footprint).sum::<usize>()
    }

    /// Begins a row: one packet.
    pub(crate) fn begin_row(&mut self, generated: Timestamp, received: Timestamp) -> Row<'_> {
        self.generated.push(generated.0);
        self.received.push(received.0);
        Row { segment: self, expected: 0 }
    }

    /// Writes the rows that are not in the journal yet, as one block.
    pub(crate) fn encode_journal(&self, out: &mut Vec<u8>) {
        put_varint(out, (self.rows() - self.journaled) as u64);
        put_times(&self.generated[self.journaled..], false, out);
        put_times(&self.received[self.journaled..], false, out);
        for column in self.columns.iter().filter(|column| column.len() > column.journaled) {
            put_varint(out, u64::from(column.key.0));
            column.encode(column.journaled, self.journaled, false, out);
        }
    }

    /// The journal holds every row now.
    pub(crate) fn mark_journaled(&mut self) {
        self.journaled = self.rows();
        for column in &mut self.columns {
            column.journaled = column.len();
        }
    }

    /// Reads a journal block behind what is there; it counts as journaled.
    pub(crate) fn recover(&mut self, block: &[u8]) -> Result<(), Corrupt> {
        let mut from = Reader::new(block);
        let row = self.rows();
        let rows = from.varint()? as usize;
        if rows > MAX_ROWS.saturating_sub(row) {
            return Err(Corrupt("more rows than any segment has"));
        }
        let (generated, received) = (read_times(rows, &mut from)?, read_times(rows, &mut from)?);
        self.generated.extend(generated);
        self.received.extend(received);
        let mut room = MAX_VALUES;
        while !from.is_empty() {
            let key = u32::try_from(from.varint()?).map_err(|_| Corrupt("a parameter beyond all keys"))?;
            let place = self.place(ParameterKey(key));
            self.columns[place].decode(row..row + rows, &mut room, &mut from)?;
        }
        self.mark_journaled();
        Ok(())
    }

    /// The times as they stand in a finished segment.
    pub(crate) fn finished_times(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_times(&self.generated, true, &mut out);
        put_times(&self.received, true, &mut out);
        out
    }

    /// Rows of a finished segment that are to stay, of those received at a time that `keep` says.
    pub(crate) fn keeping(
        (generated, received): &(Vec<i64>, Vec<i64>),
        columns: &[Column],
        keep: impl Fn(i64) -> bool,
    ) -> Self {
        let mut segment = Self::default();
        let mut kept = vec![None; generated.len()];
        for (row, (&generated, &received)) in generated.iter().zip(received).enumerate() {
            if keep(received) {
                kept[row] = Some(segment.rows());
                segment.begin_row(Timestamp(generated), Timestamp(received));
            }
        }
        let mut arena = Vec::new();
        for column in columns {
            let place = segment.place(column.key);
            let copy = &mut segment.columns[place];
            column.cells(&mut arena, |cell, arena| {
                if let Some(Some(row)) = kept.get(cell.row) {
                    copy.push(*row, cell.raw, cell.eng, cell.severity, arena);
                }
            });
        }
        segment
    }

    fn place(&mut self, key: ParameterKey) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            self.columns.push(Column::new(key));
            self.columns.len() - 1
        })
    }
}

/// A row being filled. Parameters that come in the order of the row before find their column at once.
pub(crate) struct Row<'a> {
    segment: &'a mut OpenSegment,
    expected: usize,
}

impl Row<'_> {
    #[inline]
    pub(crate) fn push(
        &mut self,
        key: ParameterKey,
        raw: Value,
        eng: Value,
        severity: Severity,
        arena: &[u8],
    ) {
        let place = match self.segment.columns.get(self.expected) {
            Some(column) if column.key == key => self.expected,
            _ => self.segment.place(key),
        };
        self.expected = place + 1;
        let row = self.segment.generated.len() - 1;
        self.segment.columns[place].push(row, raw, eng, severity, arena);
    }
}

fn put_times(times: &[i64], small: bool, out: &mut Vec<u8>) {
    let mut lane = Lane::default();
    for &time in times {
        lane.push(Value::Time(time), &[]);
    }
    lane.encode(0, small, out);
}

fn read_times(rows: usize, from: &mut Reader<'_>) -> Result<Vec<i64>, Corrupt> {
    let mut lane = Lane::default();
    lane.decode(rows, from)?;
    (0..rows)
        .map(|row| match lane.value(row, &mut Vec::new()) {
            Value::Time(time) => Ok(time),
            _ => Err(Corrupt("a time that is not one")),
        })
        .collect()
}

/// Generation and reception times of a finished segment.
pub(crate) fn decode_times(block: &[u8], rows: usize) -> Result<(Vec<i64>, Vec<i64>), Corrupt> {
    if rows > MAX_ROWS {
        return Err(Corrupt("more rows than any segment has"));
    }
    let mut from = Reader::new(block);
    Ok((read_times(rows, &mut from)?, read_times(rows, &mut from)?))
}

/// A column of a finished segment of so many rows.
pub(crate) fn decode_column(key: ParameterKey, block: &[u8], rows: usize) -> Result<Column, Corrupt> {
    let mut column = Column::new(key);
    let mut room = MAX_VALUES;
    column.decode(0..rows, &mut room, &mut Reader::new(block))?;
    Ok(column)
}

#[cfg(test)]
mod tests {
    use super::super::lane::tests::{lanes, same};
    use super::*;
    use proptest::prelude::*;

    type Row = (Vec<(u32, Value, Value, Severity)>, Vec<u8>);

    /// Rows of a container with a few parameters, some of them absent or twice in a row.
    fn fill(segment: &mut OpenSegment, rows: &[Row]) {
        for (at, (cells, arena)) in rows.iter().enumerate() {
            let mut row = segment.begin_row(Timestamp(at as i64 * 1000), Timestamp(at as i64 * 1001));
            for &(key, raw, eng, severity) in cells {
                row.push(ParameterKey(key), raw, eng, severity, arena);
            }
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        (lanes(), prop::collection::vec((0u32..3, any::<bool>(), 0usize..6), 1..400)).prop_map(
            |(values, cells)| {
                let mut rows = Vec::new();
                for (chunk, cells) in cells.chunks(3).enumerate() {
                    let mut arena = Vec::new();
                    let mut row = Vec::new();
                    for (at, &(key, calibrated, severity)) in cells.iter().enumerate() {
                        let raw = values[(chunk * 3 + at) % values.len()].lend(&mut arena);
                        let eng = if calibrated { values[at % values.len()].lend(&mut arena) } else { raw };
                        row.push((key, raw, eng, Severity::ALL[severity]));
                    }
                    rows.push((row, arena));
                }
                rows
            },
        )
    }

    fn check(columns: &[Column], rows: &[Row]) -> Result<(), TestCaseError> {
        for column in columns {
            let mut cells = Vec::new();
            let mut arena = Vec::new();
            column.cells(&mut arena, |cell, arena| cells.push((cell, arena.to_vec())));
            let expected: Vec<_> = rows
                .iter()
                .enumerate()
                .flat_map(|(at, (row, arena))| row.iter().map(move |cell| (at, cell, arena)))
                .filter(|(_, cell, _)| cell.0 == column.key.0)
                .collect();
            prop_assert_eq!(cells.len(), expected.len());
            for ((cell, arena), (at, (_, raw, eng, severity), octets)) in cells.iter().zip(expected) {
                prop_assert_eq!(cell.row, at);
                prop_assert_eq!(cell.severity, *severity);
                prop_assert!(same((cell.raw, arena), (*raw, octets)), "{:?} for {:?}", cell.raw, raw);
                prop_assert!(same((cell.eng, arena), (*eng, octets)), "{:?} for {:?}", cell.eng, eng);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_finished_segment_holds_what_was_pushed(rows in rows()) {
            let mut segment = OpenSegment::default();
            fill(&mut segment, &rows);
            let (generated, received) = decode_times(&segment.finished_times(), rows.len()).expect("times");
            prop_assert_eq!(&generated[..], segment.generated());
            prop_assert_eq!(&received[..], segment.received());
            let columns: Vec<_> = segment
                .columns()
                .iter()
                .map(|column| decode_column(column.key, &column.finished(), rows.len()).expect("a column"))
                .collect();
            check(&columns, &rows)?;
        }

        #[test]
        fn journal_blocks_make_the_same_segment(rows in rows(), cuts in prop::collection::vec(1usize..20, 1..20)) {
            let (mut segment, mut recovered) = (OpenSegment::default(), OpenSegment::default());
            let mut cuts = cuts.into_iter().cycle();
            let mut from = 0;
            while from < rows.len() {
                let to = (from + cuts.next().unwrap_or(1)).min(rows.len());
                for (at, (cells, arena)) in rows[from..to].iter().enumerate() {
                    let at = (from + at) as i64;
                    let mut row = segment.begin_row(Timestamp(at * 1000), Timestamp(at * 1001));
                    for &(key, raw, eng, severity) in cells {
                        row.push(ParameterKey(key), raw, eng, severity, arena);
                    }
                }
                let mut block = Vec::new();
                segment.encode_journal(&mut block);
                segment.mark_journaled();
                recovered.recover(&block).expect("what was just written");
                from = to;
            }
            prop_assert_eq!(recovered.generated(), segment.generated());
            check(recovered.columns(), &rows)?;
        }

        #[test]
        fn damage_is_an_error_and_no_panic(block: Vec<u8>) {
            let _ = OpenSegment::default().recover(&block);
            let _ = decode_column(ParameterKey(0), &block, 10);
            let _ = decode_times(&block, 10);
        }
    }
}
