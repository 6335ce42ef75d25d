//! "Why was this not decoded?": the latest frames and packets that were dropped, and counts by reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use perigee_part::{Rejection, Timestamp};

use crate::archive::space_packet_header;

/// Octets that are kept of each.
const KEPT: usize = 32;

/// A frame or packet that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionRecord {
    /// When.
    pub received: Timestamp,
    /// The link that it came by.
    pub link: Arc<str>,
    /// The virtual channel, where it could be told.
    pub vcid: Option<u8>,
    /// The APID of a packet that could not be decoded.
    pub apid: Option<u16>,
    /// One of a fixed set of words.
    pub reason: &'static str,
    /// More of the reason, in words; may be empty.
    pub detail: String,
    /// How long it was.
    pub length: u64,
    /// Its first octets.
    pub octets: Vec<u8>,
}

/// What was dropped so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    /// All of it.
    pub total: u64,
    /// How many for each reason.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// The latest, latest first.
    pub recent: Vec<RejectionRecord>,
}

#[derive(Debug, Default)]
struct State {
    total: u64,
    by_reason: BTreeMap<&'static str, u64>,
    recent: VecDeque<RejectionRecord>,
}

/// A ring of the latest, and the counts.
#[derive(Debug)]
pub(crate) struct Ring {
    capacity: usize,
    state: Mutex<State>,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default() }
    }

    /// A link dropped a frame or packet.
    pub(crate) fn dropped(&self, link: &Arc<str>, rejection: &Rejection<'_>) {
        self.note(link, rejection, None, |_| {});
    }

    /// A packet was not decoded.
    pub(crate) fn undecoded(
        &self,
        link: &Arc<str>,
        rejection: &Rejection<'_>,
        error: &dyn std::fmt::Display,
    ) {
        let apid = space_packet_header(rejection.octets).map(|(apid, _)| apid);
        self.note(link, rejection, apid, |detail| {
            use std::fmt::Write;
            // Writing to a string does not fail.
            let _ = write!(detail, "{error}");
        });
    }

    fn note(
        &self,
        link: &Arc<str>,
        rejection: &Rejection<'_>,
        apid: Option<u16>,
        describe: impl FnOnce(&mut String),
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.total += 1;
        *state.by_reason.entry(rejection.reason).or_default() += 1;
        if self.capacity == 0 {
            return;
        }
        // The memory of the oldest is used again: a flood of rejections allocates nothing.
        let oldest = if state.recent.len() >= self.capacity { state.recent.pop_back() } else { None };
        let (mut detail, mut octets) =
            oldest.map_or_else(Default::default, |oldest| (oldest.detail, oldest.octets));
        detail.clear();
        describe(&mut detail);
        octets.clear();
        octets.extend_from_slice(&rejection.octets[..rejection.octets.len().min(KEPT)]);
        state.recent.push_front(RejectionRecord {
            received: rejection.received,
            link: Arc::clone(link),
            vcid: rejection.vcid,
            apid,
            reason: rejection.reason,
            detail,
            length: rejection.length,
            octets,
        });
    }

    pub(crate) fn total(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    pub(crate) fn read(&self) -> Rejections {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Rejections {
            total: state.total,
            by_reason: state.by_reason.clone(),
            recent: state.recent.iter().cloned().collect(),
        }
    }
}
