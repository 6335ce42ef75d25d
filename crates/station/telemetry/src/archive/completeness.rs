//! The completeness index: what was received when, by virtual channel and by APID, with the gaps.
//!
//! A *span* is an unbroken run of a counter: the virtual channel frame count, or the packet sequence
//! count of an APID. Packets stand at their generation time, frames at their reception. A step forward
//! of less than half the counter's range is a gap of that many; a larger one means that the source began
//! anew or sends again, and begins a span of its own without a gap. Frames that carry no count, as USLP
//! allows, make a span that only silence ends.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, params};

use super::haul::Haul;
use crate::links::LinkId;

/// A silence of this length ends a span even when no count is missing.
const SILENCE_NS: i64 = 300 * 1_000_000_000;
/// Packet sequence counts wrap at 2^14 (CCSDS 133.0-B-2, 4.1.3.4.3).
const SEQUENCE_MODULUS: u64 = 1 << 14;

/// How the table says that the latest of a run had no counter. No counter is so large.
const UNCOUNTED: i64 = -1;

/// Frames of a virtual channel of one spacecraft, or packets of an APID on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelKey {
    pub(crate) link: LinkId,
    pub(crate) scid: Option<u16>,
    pub(crate) vcid: Option<u8>,
    pub(crate) apid: Option<u16>,
}

/// An unbroken run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Row in the table.
    row: i64,
    first: i64,
    last: i64,
    /// When the latest was received.
    received: i64,
    count: u64,
    /// The counter of the latest; `None` where it has none.
    sequence: Option<u64>,
    /// So many are missing since the run before, which ended at `gap_start`.
    missing: u64,
    gap_start: Option<i64>,
    dirty: bool,
}

/// The open run of each channel, and closed ones that are to be written.
#[derive(Debug, Default)]
pub(crate) struct Completeness {
    open: HashMap<ChannelKey, Run>,
    closed: Vec<(ChannelKey, Run)>,
    next_row: i64,
}

impl Completeness {
    /// Goes on where the archive ends: what is missed while the program is down is a gap as well.
    pub(crate) fn restore(connection: &Connection, link: impl Fn(i64) -> LinkId) -> rusqlite::Result<Self> {
        let mut latest = connection.prepare(
            "SELECT id, link, vcid, apid, first, last, count, sequence, missing, gap_start, scid, received FROM span
             WHERE id IN (SELECT max(id) FROM span GROUP BY link, scid, vcid, apid)",
        )?;
        let open = latest
            .query_map([], |row| {
                let channel = ChannelKey {
                    link: link(row.get(1)?),
                    scid: row.get(10)?,
                    vcid: row.get(2)?,
                    apid: row.get(3)?,
                };
                let run = Run {
                    row: row.get(0)?,
                    first: row.get(4)?,
                    last: row.get(5)?,
                    count: row.get(6)?,
                    sequence: Some(row.get(7)?).filter(|&count| count != UNCOUNTED).map(i64::cast_unsigned),
                    missing: row.get::<_, i64>(8)? as u64,
                    gap_start: row.get(9)?,
                    received: row.get(11)?,
                    dirty: false,
                };
                Ok((channel, run))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let next_row =
            connection.query_row("SELECT coalesce(max(id), 0) + 1 FROM span", [], |row| row.get(0))?;
        Ok(Self { open, closed: Vec::new(), next_row })
    }

    /// Takes the counters of a haul in.
    pub(crate) fn apply(&mut self, haul: &Haul) {
        for frame in &haul.frames {
            let (scid, vcid) = (Some(frame.scid), Some(frame.vcid));
            let channel = ChannelKey { link: haul.link, scid, vcid, apid: None };
            let received = frame.received.0;
            self.count(channel, (received, received), frame.vcfc, frame.modulus);
        }
        for packet in &haul.packets {
            if let (Some(_), Some(sequence)) = (packet.apid, packet.sequence) {
                let (scid, vcid, apid) = (packet.scid, packet.vcid, packet.apid);
                let channel = ChannelKey { link: haul.link, scid, vcid, apid };
                let times = (packet.generated.0, packet.received.0);
                self.count(channel, times, Some(u64::from(sequence)), SEQUENCE_MODULUS);
            }
        }
    }

    /// Counts one more, which stands at a time and was received at another.
    fn count(
        &mut self,
        channel: ChannelKey,
        (time, received): (i64, i64),
        sequence: Option<u64>,
        modulus: u64,
    ) {
        let begin = |row, missing, gap_start| Run {
            row,
            first: time,
            last: time,
            received,
            count: 1,
            sequence,
            missing,
            gap_start,
            dirty: true,
        };
        let Some(run) = self.open.get_mut(&channel) else {
            self.open.insert(channel, begin(self.next_row, 0, None));
            self.next_row += 1;
            return;
        };
        let (ahead, half) = match (sequence.zip(run.sequence), modulus) {
            // Nothing tells whether any is missing.
            (None, _) => (1, u64::MAX / 2),
            (Some((now, before)), 0) => (now.wrapping_sub(before), u64::MAX / 2),
            (Some((now, before)), modulus) => (now.wrapping_sub(before) % modulus, modulus / 2),
        };
        let silent = time.saturating_sub(run.last).saturating_abs() > SILENCE_NS;
        if ahead == 1 && !silent {
            run.first = run.first.min(time);
            run.last = run.last.max(time);
            run.received = run.received.max(received);
            run.sequence = sequence;
            run.count += 1;
            run.dirty = true;
            return;
        }
        // After a silence the counter may have wrapped any number of times; a small step is a gap all
        // the same, since at least so many are missing.
        let gap = ahead > 1 && ahead <= half;
        let next = begin(self.next_row, if gap { ahead - 1 } else { 0 }, gap.then_some(run.last));
        self.next_row += 1;
        let before = std::mem::replace(run, next);
        if before.dirty {
            self.closed.push((channel, before));
        }
    }

    /// Runs that are not saved yet.
    pub(crate) fn backlog(&self) -> usize {
        self.closed.len()
    }

    /// Writes what has changed. All of it stays until [`Completeness::committed`].
    pub(crate) fn save(
        &self,
        transaction: &Transaction<'_>,
        link: impl Fn(LinkId) -> Option<i64>,
    ) -> rusqlite::Result<()> {
        let mut save = transaction.prepare_cached(
            "INSERT INTO span (id, link, vcid, apid, first, last, count, sequence, missing, gap_start, scid, received)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET first = ?5, last = ?6, count = ?7, sequence = ?8, received = ?12",
        )?;
        let closed = self.closed.iter().map(|(channel, run)| (channel, run));
        for (channel, run) in closed.chain(self.open.iter().filter(|(_, run)| run.dirty)) {
            save.execute(params![
                run.row,
                link(channel.link),
                channel.vcid,
                channel.apid,
                run.first,
                run.last,
                run.count as i64,
                run.sequence.map_or(UNCOUNTED, u64::cast_signed),
                run.missing as i64,
                run.gap_start,
                channel.scid,
                run.received,
            ])?;
        }
        Ok(())
    }

    /// What was saved is durable.
    pub(crate) fn committed(&mut self) {
        self.closed.clear();
        for run in self.open.values_mut() {
            run.dirty = false;
        }
    }
}

/// What was received on one channel.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Channel {
    /// The link.
    pub link: String,
    /// Spacecraft; `None` where packets arrive bare, and of what older programs archived.
    pub scid: Option<u16>,
    /// Virtual channel; `None` where packets arrive bare.
    pub vcid: Option<u8>,
    /// The APID; `None` for the frames of the virtual channel.
    pub apid: Option<u16>,
    /// Unbroken runs.
    pub spans: Vec<Span>,
    /// What is missing between them.
    pub gaps: Vec<Gap>,
}

/// An unbroken run of frames or packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// Nanoseconds of the Unix epoch: generation time of packets, reception time of frames.
    pub start: i64,
    /// The same, of the last.
    pub end: i64,
    /// How many.
    pub count: u64,
}

/// A hole between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// The last before it.
    pub start: i64,
    /// The first after it.
    pub end: i64,
    /// How many the counter skipped.
    pub missing: u64,
}

/// Spans that one answer holds at most.
const MAX_SPANS: usize = 100_000;

/// The channels with spans or gaps between `start` and `end`; says whether some had to be left out.
pub(crate) fn read(connection: &Connection, start: i64, end: i64) -> rusqlite::Result<(Vec<Channel>, bool)> {
    let mut rows = connection.prepare_cached(
        "SELECT link.name, vcid, apid, first, last, count, missing, gap_start, scid
         FROM span JOIN link ON link.key = span.link
         WHERE last >= ?1 AND min(first, coalesce(gap_start, first)) <= ?2
         ORDER BY link.name, scid, vcid, apid, first LIMIT ?3",
    )?;
    let mut rows = rows.query((start, end, MAX_SPANS as i64 + 1))?;
    let mut channels: Vec<Channel> = Vec::new();
    let mut spans = 0;
    while let Some(row) = rows.next()? {
        spans += 1;
        if spans > MAX_SPANS {
            return Ok((channels, true));
        }
        let (link, vcid, apid): (String, _, _) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let scid = row.get(8)?;
        let same = |channel: &Channel| {
            channel.link == link && channel.scid == scid && channel.vcid == vcid && channel.apid == apid
        };
        if !channels.last().is_some_and(same) {
            channels.push(Channel { link, scid, vcid, apid, spans: Vec::new(), gaps: Vec::new() });
        }
        let Some(channel) = channels.last_mut() else { continue };
        let span = Span { start: row.get(3)?, end: row.get(4)?, count: row.get::<_, i64>(5)? as u64 };
        if let (missing @ 1.., Some(start)) = (row.get::<_, i64>(6)?, row.get(7)?) {
            channel.gaps.push(Gap { start, end: span.start, missing: missing as u64 });
        }
        channel.spans.push(span);
    }
    Ok((channels, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts `sequences` one second apart and gives what was closed and is open: (count, missing).
    fn runs(sequences: &[u64]) -> Vec<(u64, u64)> {
        let channel = ChannelKey { link: LinkId(0), scid: Some(9), vcid: Some(1), apid: Some(2) };
        let mut completeness = Completeness::default();
        for (second, &sequence) in sequences.iter().enumerate() {
            let time = second as i64 * 1_000_000_000;
            completeness.count(channel, (time, time), Some(sequence), SEQUENCE_MODULUS);
        }
        let open = completeness.open[&channel];
        completeness
            .closed
            .iter()
            .map(|(_, run)| (run.count, run.missing))
            .chain([(open.count, open.missing)])
            .collect()
    }

    #[test]
    fn gaps_wraps_and_restarts() {
        assert_eq!(runs(&[1, 2, 3]), [(3, 0)]);
        assert_eq!(runs(&[16_382, 16_383, 0, 1]), [(4, 0)], "it wraps without a gap");
        assert_eq!(runs(&[1, 2, 5, 6]), [(2, 0), (2, 2)]);
        assert_eq!(runs(&[16_380, 2]), [(1, 0), (1, 5)], "a gap over the wrap");
        assert_eq!(runs(&[9_000, 9_001, 0, 1]), [(2, 0), (2, 7_382)]);
        assert_eq!(runs(&[100, 101, 0, 1]), [(2, 0), (2, 0)], "a counter that began anew is no gap");
        assert_eq!(runs(&[7, 7, 8]), [(1, 0), (2, 0)], "a packet sent twice");
    }
}
