//! The log of events: one writer adds, any number of readers walk along it, and none waits for another.
//!
//! It is a chain of segments whose places are each written once. The log itself keeps the last segments; each knows the
//! next one only as long as that is kept. So a reader that stands still holds one segment, not all that came after it,
//! and finds out, when it goes on, that it has been overtaken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use perigee_units::machine::{Cause, Outcome, State};
use serde::Serialize;

/// Events in a segment.
pub(super) const SEGMENT: u64 = 128;
/// Segments that are kept.
pub(super) const SEGMENTS: u64 = 9;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Counts up, without gaps.
    pub sequence: u64,
    /// When, in time since the machine was started.
    pub at: Duration,
    /// The unit; none where it concerns the supervisor itself.
    #[serde(serialize_with = "super::snapshot::some_text")]
    pub unit: Option<Arc<str>>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A unit has changed its state.
    Changed {
        /// Its state before.
        from: State,
        /// Its state now.
        to: State,
        /// Why.
        cause: Cause,
        /// How it has ended last.
        #[serde(serialize_with = "super::snapshot::shown")]
        outcome: Outcome,
    },
    /// Something else.
    Note {
        /// In one word, for machines: `limit-unmet`, `restart-scheduled`, `cycle`.
        kind: &'static str,
        /// In a sentence, for people.
        text: String,
    },
}

#[derive(Debug)]
pub(super) struct Segment {
    /// The number of its first event.
    first: u64,
    events: Box<[OnceLock<Arc<Event>>]>,
    next: OnceLock<Weak<Segment>>,
}

impl Segment {
    fn starting_at(first: u64) -> Arc<Segment> {
        let events = (0..SEGMENT).map(|_| OnceLock::new()).collect();
        Arc::new(Segment { first, events, next: OnceLock::new() })
    }

    /// The event with this number, if it belongs here and has happened.
    fn get(&self, sequence: u64) -> Option<&Arc<Event>> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.events.get(index)?.get()
    }

    fn holds(&self, sequence: u64) -> bool {
        (self.first..self.first + SEGMENT).contains(&sequence)
    }
}

#[derive(Debug)]
pub(super) struct Log {
    /// The number of the last event.
    head: AtomicU64,
    segments: ArcSwap<VecDeque<Arc<Segment>>>,
}

impl Log {
    pub(super) fn after(sequence: u64) -> Log {
        let first = Segment::starting_at(sequence + 1);
        Log { head: AtomicU64::new(sequence), segments: ArcSwap::from_pointee(VecDeque::from([first])) }
    }

    /// The number of the last event.
    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::SeqCst)
    }

    /// Adds an event; there is one writer only, which holds the publisher.
    pub(super) fn push(&self, at: Duration, unit: Option<Arc<str>>, what: What) -> u64 {
        let sequence = self.head() + 1;
        let mut segments = self.segments.load_full();
        let full = segments.back().is_none_or(|last| !last.holds(sequence));
        if full {
            let new = Segment::starting_at(sequence);
            let mut kept = VecDeque::clone(&segments);
            if let Some(last) = kept.back() {
                let _ = last.next.set(Arc::downgrade(&new));
            }
            kept.push_back(new);
            while kept.len() as u64 > SEGMENTS {
                kept.pop_front();
            }
            segments = Arc::new(kept);
            self.segments.store(Arc::clone(&segments));
        }
        if let Some(last) = segments.back() {
            let event = Arc::new(Event { sequence, at, unit, what });
            // The place is there, and free, since numbers only count up.
            let _ = last.events[(sequence - last.first) as usize].set(event);
        }
        // Whoever sees this number sees the event too; see `Sleepers` for why the order is the strict one.
        self.head.store(sequence, Ordering::SeqCst);
        sequence
    }

    /// The event with this number, which has happened; none where it is kept no more. `near` is the segment that was
    /// looked at last.
    pub(super) fn get(&self, near: &mut Option<Arc<Segment>>, sequence: u64) -> Option<Arc<Event>> {
        if !near.as_ref().is_some_and(|segment| segment.holds(sequence)) {
            let next = near.as_ref().and_then(|segment| segment.next.get()?.upgrade());
            let found = next.filter(|segment| segment.holds(sequence)).or_else(|| {
                self.segments.load().iter().find(|segment| segment.holds(sequence)).map(Arc::clone)
            });
            *near = found;
        }
        near.as_ref()?.get(sequence).cloned()
    }

    /// The number of the oldest event that is kept; the next one where none is.
    pub(super) fn oldest(&self) -> u64 {
        self.segments.load().front().map_or(1, |segment| segment.first)
    }
}
