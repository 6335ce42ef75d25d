//! Records that are encoded and not yet written: those of one turn, and those that wait for a folder.

use std::collections::VecDeque;

use crate::names::Span;
use crate::record::{Priority, Record, head};

/// Records one behind the other, as lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) octets: Vec<u8>,
    pub(crate) records: u64,
    /// `None` where there is no record.
    pub(crate) span: Option<Span>,
    /// One of them is critical or worse.
    pub(crate) urgent: bool,
}

impl Batch {
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        record.encode(&mut self.octets);
        self.count(Span::of(record.sequence, record.time));
        self.urgent |= record.priority <= Priority::CRITICAL;
    }

    pub(crate) fn count(&mut self, span: Span) {
        self.records += 1;
        self.span = Some(self.span.map_or(span, |all| all.with(span)));
    }

    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        *self = Batch { octets: std::mem::take(&mut self.octets), ..Batch::default() };
    }

    /// Of lines of a file; what is no record is left out.
    pub(crate) fn of_lines(octets: &[u8]) -> Batch {
        renumber(octets, 0)
    }
}

/// The same records with numbers that are higher by `shift`.
pub(crate) fn renumbered(batch: &Batch, shift: u64) -> Batch {
    if shift == 0 {
        return batch.clone();
    }
    Batch { urgent: batch.urgent, ..renumber(&batch.octets, shift) }
}

fn renumber(octets: &[u8], shift: u64) -> Batch {
    const BEFORE: &[u8] = b"{\"seq\":";
    let mut batch = Batch::default();
    for line in octets.split_inclusive(|octet| *octet == b'\n').filter(|line| line.ends_with(b"\n")) {
        let Some((sequence, time)) = head(line) else { continue };
        let digits = line[BEFORE.len()..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        batch.octets.extend_from_slice(BEFORE);
        crate::record::decimal(sequence + shift, &mut batch.octets);
        batch.octets.extend_from_slice(&line[BEFORE.len() + digits..]);
        batch.count(Span::of(sequence + shift, time));
    }
    batch
}

/// Batches that wait in memory; the oldest are dropped when there are too many.
#[derive(Debug)]
pub(crate) struct Waiting {
    batches: VecDeque<Batch>,
    octets: usize,
    most: usize,
    /// Records that were dropped.
    pub(crate) dropped: u64,
}

impl Waiting {
    pub(crate) fn new(most: usize) -> Waiting {
        Waiting { batches: VecDeque::new(), octets: 0, most, dropped: 0 }
    }

    pub(crate) fn push(&mut self, mut batch: Batch) {
        batch.octets.shrink_to_fit();
        self.octets += batch.octets.len();
        self.batches.push_back(batch);
        while self.octets > self.most {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.octets -= oldest.octets.len();
            self.dropped += oldest.records;
        }
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter()
    }

    /// Number of the oldest record that waits.
    pub(crate) fn first(&self) -> Option<u64> {
        self.batches.iter().find_map(|batch| batch.span).map(|span| span.first)
    }

    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.octets = 0;
    }
}
