//! A walk along the events.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log::Segment;
use super::sleepers::{Alarm, Place};
use super::{Event, Inner, KEPT};

/// How far a watch may fall behind, unless it says otherwise.
pub const DEFAULT_BOUND: u64 = 64;

/// How often a watch looks for events that cannot be woken, since there are too many of them.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// What a watch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// What has happened.
    Event(Arc<Event>),
    /// It was too slow, and these have gone by.
    Missed(RangeInclusive<u64>),
}

/// A walk along the events: each once, in order.
pub struct Watch {
    inner: Arc<Inner>,
    /// The number of the next event.
    next: u64,
    bound: u64,
    near: Option<Arc<Segment>>,
    place: Option<Place>,
}

impl Watch {
    pub(super) fn new(inner: Arc<Inner>, next: u64) -> Watch {
        let place = inner.sleepers.enter();
        Watch { inner, next, bound: DEFAULT_BOUND, near: None, place }
    }

    /// Lets it fall behind so far, before it misses something: [`KEPT`] at most.
    pub fn bounded(mut self, bound: u64) -> Watch {
        self.bound = bound.clamp(1, KEPT);
        self
    }

    /// The number of the event that comes next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// What there is to be told now, if anything. It never waits.
    pub fn try_next(&mut self) -> Option<Item> {
        loop {
            let head = self.inner.log.head();
            if self.next > head {
                return None;
            }
            let bounded = (head + 1).saturating_sub(self.bound);
            let first = bounded.max(self.inner.log.oldest());
            if self.next < first {
                let missed = self.next..=first - 1;
                self.next = first;
                return Some(Item::Missed(missed));
            }
            // None where the writer has gone on meanwhile, so far that it is kept no more.
            if let Some(event) = self.inner.log.get(&mut self.near, self.next) {
                self.next += 1;
                return Some(Item::Event(event));
            }
        }
    }

    /// What there is to be told next; none when `timeout` is over.
    pub fn next(&mut self, timeout: Duration) -> Option<Item> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let item = self.try_next();
            if item.is_some() || timeout.is_zero() {
                return item;
            }
            if let Some(place) = self.place {
                self.inner.sleepers.sleep(place, Alarm::Thread(std::thread::current()));
                let item = self.try_next();
                if item.is_some() {
                    return item;
                }
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let longest = if self.place.is_some() { Duration::MAX } else { POLL };
            match left {
                Some(Duration::ZERO) => return None,
                Some(left) => std::thread::park_timeout(left.min(longest)),
                None => std::thread::park_timeout(longest),
            }
        }
    }

    /// Has `wake` called once, with the next event, and says whether it will be: false where there is something to be
    /// told already, or where there are too many watches (some 65,000) for this one to be woken. It is called on the
    /// writer's thread, so it must be short and wait for nothing: it wakes a task, or writes to a descriptor.
    pub fn arm(&mut self, wake: Arc<dyn Fn() + Send + Sync>) -> bool {
        let Some(place) = self.place else { return false };
        self.inner.sleepers.sleep(place, Alarm::Call(wake));
        self.next > self.inner.log.head()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.inner.sleepers.leave(place);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("next", &self.next).field("bound", &self.bound).finish_non_exhaustive()
    }
}
