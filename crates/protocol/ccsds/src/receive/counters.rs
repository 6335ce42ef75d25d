//! What a receiver counts. Plain integers: they only ever grow, and whoever shows them takes the difference.

use crate::reason::Reason;

/// A virtual channel of a spacecraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId {
    /// Spacecraft identifier.
    pub scid: u16,
    /// Virtual channel identifier.
    pub vcid: u8,
}

/// Counters of a whole link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Octets of input.
    pub octets: u64,
    /// Frames that came out of the synchroniser, bad ones included.
    pub frames: u64,
    /// Frames with status ok, idle ones included.
    pub good_frames: u64,
    /// Good frames that carry only idle data.
    pub idle_frames: u64,
    /// Frames in which Reed-Solomon corrected something.
    pub corrected_frames: u64,
    /// Symbols that Reed-Solomon corrected.
    pub corrected_symbols: u64,
    /// Nibbles that the AOS frame header error control corrected.
    pub corrected_header_nibbles: u64,
    /// Whole packets, idle ones included.
    pub packets: u64,
    /// Idle packets.
    pub idle_packets: u64,
    /// Octets of whole packets.
    pub packet_octets: u64,
    /// Service data units other than packets.
    pub service_data_units: u64,
    /// Gaps in the master channel frame count (TM).
    pub mc_gaps: u64,
    /// Frames missing in them, as far as the count tells.
    pub mc_missing: u64,
    /// Gaps in the virtual channel frame counts.
    pub vc_gaps: u64,
    /// Frames missing in them, as far as the counts tell.
    pub vc_missing: u64,
    /// Things dropped, by reason.
    pub rejected: Rejections,
}

/// Things dropped, by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejections([u64; Reason::COUNT]);

impl Default for Rejections {
    fn default() -> Self {
        Self([0; Reason::COUNT])
    }
}

impl Rejections {
    pub(crate) fn add(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }

    /// How many were dropped for this reason.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// All that were dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.iter().map(|reason| (*reason, self.of(*reason))).filter(|(_, count)| *count > 0)
    }
}

/// Counters of one virtual channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounters {
    /// Good frames.
    pub frames: u64,
    /// Good frames that carry only idle data.
    pub idle_frames: u64,
    /// Whole packets, idle ones included.
    pub packets: u64,
    /// Gaps in the frame count.
    pub gaps: u64,
    /// Frames missing in them, as far as the count tells.
    pub missing: u64,
}
