//! What one link has counted, and the status that follows from it.

use std::time::{Duration, Instant};

use perigee_part::Timestamp;

use crate::rates::{Rates, Totals};
use crate::status::{Clcw, LinkStatus};

/// Counts of one link; written by its thread alone.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) totals: Totals,
    pub(crate) connections: u64,
    pub(crate) corrected_symbols: u64,
    pub(crate) uncorrectable: u64,
    pub(crate) gaps: u64,
    /// By reason. There are few, and rejections are rare: a search from the front is quick enough.
    pub(crate) rejections: Vec<(&'static str, u64)>,
    pub(crate) ocf: Option<[u8; 4]>,
    pub(crate) last_octets: Option<Instant>,
    pub(crate) last_good: Option<Instant>,
    pub(crate) last_frame: Option<Timestamp>,
    pub(crate) last_packet: Option<Timestamp>,
    pub(crate) error: Option<String>,
}

impl Tally {
    /// Counts so many rejections for a reason.
    pub(crate) fn reject(&mut self, reason: &'static str, count: u64) {
        match self.rejections.iter_mut().find(|(word, _)| *word == reason) {
            Some((_, sum)) => *sum += count,
            None => self.rejections.push((reason, count)),
        }
    }
}

/// Turns counts into the status that people see.
#[derive(Debug)]
pub(crate) struct Meter {
    status: LinkStatus,
    rates: Rates,
    idle_timeout: Duration,
}

impl Meter {
    pub(crate) fn new(status: LinkStatus, idle_timeout: Duration, now: Instant) -> Self {
        Self { status, rates: Rates::new(now), idle_timeout }
    }

    /// The status at `now`; `synchronised` says whether the chain holds its lock.
    pub(crate) fn status(
        &mut self,
        tally: &Tally,
        connected: bool,
        synchronised: bool,
        now: Instant,
    ) -> &LinkStatus {
        let recent = |last: Option<Instant>| {
            last.is_some_and(|last| now.saturating_duration_since(last) < self.idle_timeout)
        };
        let rates = self.rates.update(now, tally.totals);
        let status = &mut self.status;
        status.connected = connected;
        status.bit_lock = connected && recent(tally.last_octets);
        status.frame_lock = status.bit_lock && synchronised && recent(tally.last_good);
        status.connections = tally.connections;
        status.error.clone_from(&tally.error);
        status.octets = tally.totals.octets;
        status.frames = tally.totals.frames;
        status.packets = tally.totals.packets;
        status.octet_rate = rates.octets;
        status.frame_rate = rates.frames;
        status.packet_rate = rates.packets;
        status.corrected_symbols = tally.corrected_symbols;
        status.uncorrectable = tally.uncorrectable;
        status.gaps = tally.gaps;
        for &(reason, count) in &tally.rejections {
            status.rejections.insert(reason, count);
        }
        status.ocf = tally.ocf.map(|octets| format!("{:08x}", u32::from_be_bytes(octets)));
        status.clcw = tally.ocf.and_then(Clcw::parse);
        status.last_frame = tally.last_frame.map(Timestamp::as_millis);
        status.last_packet = tally.last_packet.map(Timestamp::as_millis);
        status
    }
}
