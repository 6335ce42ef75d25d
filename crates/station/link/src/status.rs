//! What a link tells about itself.

use std::collections::BTreeMap;

use perigee_ccsds::frame::{OCF_LENGTH, OperationalControl};
use serde::Serialize;

use crate::config::{Content, Kind};
use crate::settings::Settings;

/// The state of one link, as people and other systems see it. Counts are since the node started.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// How its octets arrive.
    pub kind: Kind,
    /// The address it is bound to or connects to, or the path it reads.
    pub address: String,
    /// What its octets are.
    pub content: Content,
    /// A peer is connected, the socket listens, or the file is open.
    pub connected: bool,
    /// Octets arrived within the idle time-out; behind a convolutional code, its decoder sees the code too.
    pub bit_lock: bool,
    /// The frame synchroniser is in lock and a good frame came within the idle time-out; for bare packets,
    /// a good packet did.
    pub frame_lock: bool,
    /// What the frame synchroniser does; `None` for datagrams and bare packets, which need none.
    pub sync: Option<SyncStatus>,
    /// How often a peer has connected.
    pub connections: u64,
    /// What went wrong with the connection or file, until it is there again or octets come.
    pub error: Option<String>,
    /// Octets received.
    pub octets: u64,
    /// Good frames.
    pub frames: u64,
    /// Whole packets, idle ones left out.
    pub packets: u64,
    /// Octets per second.
    pub octet_rate: f64,
    /// Good frames per second.
    pub frame_rate: f64,
    /// Packets per second.
    pub packet_rate: f64,
    /// Reed-Solomon symbols corrected.
    pub corrected_symbols: u64,
    /// Frames that the code could not correct.
    pub uncorrectable: u64,
    /// Gaps in the virtual channel frame counts.
    pub gaps: u64,
    /// Dropped frames and packets, by reason.
    pub rejections: BTreeMap<&'static str, u64>,
    /// The latest operational control field, in hex.
    pub ocf: Option<String>,
    /// The latest operational control field, read as a communications link control word.
    pub clcw: Option<Clcw>,
    /// When the last good frame arrived, in milliseconds of the Unix epoch.
    pub last_frame: Option<i64>,
    /// When the last packet arrived, in milliseconds of the Unix epoch.
    pub last_packet: Option<i64>,
}

/// The frame synchroniser. Counts are since the node started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// `search` (no marker in sight), `verify` (one was seen), `lock`, or `flywheel` (the last one was missing).
    pub state: &'static str,
    /// Bits that belonged to no frame; they grow while the search goes on. Behind a convolutional code: of what its
    /// decoder gave.
    pub skipped_bits: u64,
    /// Times that lock was lost.
    pub losses: u64,
    /// Frames given out without a marker good enough.
    pub flywheel: u64,
    /// Markers found a few bits off their place.
    pub slips: u64,
}

/// Communications link control word (CCSDS 232.0-B-4 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Clcw {
    /// The telecommand virtual channel that it reports on.
    pub vcid: u8,
    /// The spacecraft's receiver has no radio-frequency carrier.
    pub no_rf_available: bool,
    /// The spacecraft's receiver has no bit lock.
    pub no_bit_lock: bool,
    /// The FARM is locked out.
    pub lockout: bool,
    /// The FARM cannot take more frames now.
    pub wait: bool,
    /// Frames are asked for again.
    pub retransmit: bool,
    /// Count of type-B frames accepted, modulo 4.
    pub farm_b_counter: u8,
    /// V(R), the next frame sequence number expected.
    pub report_value: u8,
}

impl LinkStatus {
    /// A link that has received nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            name: settings.name.clone(),
            kind: settings.kind,
            address: settings.address.clone(),
            content: settings.content,
            connected: false,
            bit_lock: false,
            frame_lock: false,
            sync: None,
            connections: 0,
            error: None,
            octets: 0,
            frames: 0,
            packets: 0,
            octet_rate: 0.0,
            frame_rate: 0.0,
            packet_rate: 0.0,
            corrected_symbols: 0,
            uncorrectable: 0,
            gaps: 0,
            rejections: BTreeMap::new(),
            ocf: None,
            clcw: None,
            last_frame: None,
            last_packet: None,
        }
    }
}

impl Clcw {
    /// The word in an operational control field, if its type bit says that it holds one.
    pub(crate) fn parse(ocf: [u8; OCF_LENGTH]) -> Option<Self> {
        let OperationalControl::Clcw(word) = OperationalControl::parse(ocf) else { return None };
        Some(Self {
            vcid: word.vcid,
            no_rf_available: word.no_rf_available,
            no_bit_lock: word.no_bit_lock,
            lockout: word.lockout,
            wait: word.wait,
            retransmit: word.retransmit,
            farm_b_counter: word.farm_b,
            report_value: word.report_value,
        })
    }
}
