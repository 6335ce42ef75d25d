//! What one link has counted, and the status that follows from it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perigee_ccsds::frame::OCF_LENGTH;
use perigee_ccsds::reason::Reason;
use perigee_ccsds::receive::Counters;
use perigee_part::Timestamp;

use crate::chain::Chain;
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
    pub(crate) rejections: BTreeMap<&'static str, u64>,
    pub(crate) ocf: Option<[u8; OCF_LENGTH]>,
    pub(crate) last_octets: Option<Instant>,
    /// A good frame, or a packet where there are no frames, came with the last octets.
    pub(crate) good: bool,
    pub(crate) last_good: Option<Instant>,
    pub(crate) last_frame: Option<Timestamp>,
    pub(crate) last_packet: Option<Timestamp>,
    pub(crate) error: Option<String>,
}

impl Tally {
    /// Counts so many rejections for a reason.
    pub(crate) fn reject(&mut self, reason: &'static str, count: u64) {
        *self.rejections.entry(reason).or_default() += count;
    }

    /// Takes over what a receiver has counted.
    pub(crate) fn copy(&mut self, counters: &Counters) {
        self.totals.frames = counters.good_frames;
        self.corrected_symbols = counters.corrected_symbols;
        self.uncorrectable = counters.rejected.of(Reason::Uncorrectable);
        self.gaps = counters.vc_gaps;
        for (reason, count) in counters.rejected.iter() {
            *self.rejections.entry(reason.as_str()).or_default() = count;
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

    /// The status at `now`.
    pub(crate) fn status(
        &mut self,
        tally: &Tally,
        chain: &Chain,
        connected: bool,
        now: Instant,
    ) -> &LinkStatus {
        let recent = |last: Option<Instant>| {
            last.is_some_and(|last| now.saturating_duration_since(last) < self.idle_timeout)
        };
        let rates = self.rates.update(now, tally.totals);
        let status = &mut self.status;
        status.connected = connected;
        status.bit_lock = connected && recent(tally.last_octets) && chain.symbols_locked();
        status.frame_lock = status.bit_lock && chain.in_lock() && recent(tally.last_good);
        status.sync = chain.sync();
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
        status.rejections.clone_from(&tally.rejections);
        status.ocf = tally.ocf.map(|octets| format!("{:08x}", u32::from_be_bytes(octets)));
        status.clcw = tally.ocf.and_then(Clcw::parse);
        status.last_frame = tally.last_frame.map(Timestamp::as_millis);
        status.last_packet = tally.last_packet.map(Timestamp::as_millis);
        status
    }
}
