//! The way into the archive: a bounded queue between the links and the writer.
//!
//! Live values do not wait for the disk. A link hands over after it has published; when the queue is
//! full it waits once, for a bounded time, and from then on drops and counts until the writer has
//! caught up by half.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::haul::Haul;
use crate::alarms::AlarmRecord;

/// Hauls that are kept for the next use.
const MAX_SPARE: usize = 32;
/// Alarm records that may wait; each is one change of one alarm.
const MAX_ALARMS: usize = 65_536;

/// What the writer finds waiting.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) hauls: VecDeque<Haul>,
    pub(crate) alarms: Vec<AlarmRecord>,
    /// Somebody waits for the next transaction.
    pub(crate) urgent: bool,
    pub(crate) closed: bool,
}

#[derive(Debug, Default)]
struct State {
    waiting: Delivery,
    weight: usize,
    overloaded: bool,
    spare: Vec<Haul>,
    /// How many deliveries were offered, taken into the tail, and made durable.
    offered: u64,
    applied: u64,
    committed: u64,
    /// Offers up to here are in the hands of the writer.
    taken: u64,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Intake {
    state: Mutex<State>,
    arrived: Condvar,
    progressed: Condvar,
    capacity: usize,
}

impl Intake {
    /// A queue of at most `capacity` octets, and one haul.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), progressed: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty haul.
    pub(crate) fn spare(&self) -> Haul {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Puts a haul in; when there is no room within `patience` it comes back.
    pub(crate) fn offer(&self, haul: Haul, patience: Duration) -> Result<(), Haul> {
        let weight = haul.weight();
        let mut state = self.lock();
        if state.overloaded && state.weight <= self.capacity / 2 {
            state.overloaded = false;
        }
        if state.weight > 0 && state.weight + weight > self.capacity {
            if state.overloaded || state.waiting.closed {
                return Err(haul);
            }
            state = self
                .progressed
                .wait_timeout_while(state, patience, |state| {
                    state.weight > 0 && state.weight + weight > self.capacity && !state.waiting.closed
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if state.weight > 0 && state.weight + weight > self.capacity {
                state.overloaded = true;
                return Err(haul);
            }
        }
        if state.waiting.closed {
            return Err(haul);
        }
        state.weight += weight;
        state.offered += 1;
        state.waiting.hauls.push_back(haul);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Puts a change of an alarm in; says whether there was room.
    pub(crate) fn offer_alarm(&self, alarm: AlarmRecord) -> bool {
        let mut state = self.lock();
        if state.waiting.closed || state.waiting.alarms.len() >= MAX_ALARMS {
            return false;
        }
        state.offered += 1;
        state.waiting.alarms.push(alarm);
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Waits until all that was offered before this call is in the tail; says whether it is.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let state = self.lock();
        let offered = state.offered;
        self.wait(state, patience, |state| state.applied >= offered)
    }

    /// Waits until all that was offered before this call is in a committed transaction; says whether it is.
    pub(crate) fn settle_durably(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let offered = state.offered;
        state.waiting.urgent = true;
        self.arrived.notify_one();
        self.wait(state, patience, |state| state.committed >= offered)
    }

    fn wait(&self, state: MutexGuard<'_, State>, patience: Duration, done: impl Fn(&State) -> bool) -> bool {
        let (state, _) = self
            .progressed
            .wait_timeout_while(state, patience, |state| !done(state) && !state.waiting.closed)
            .unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }

    /// Takes no more; the writer empties the queue and ends.
    pub(crate) fn close(&self) {
        self.lock().waiting.closed = true;
        self.arrived.notify_all();
        self.progressed.notify_all();
    }

    /// For the writer: what waits, or nothing when nothing came until `deadline`.
    pub(crate) fn take(&self, deadline: Instant) -> Delivery {
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut state = self
            .arrived
            .wait_timeout_while(self.lock(), patience, |state| {
                let waiting = &state.waiting;
                waiting.hauls.is_empty() && waiting.alarms.is_empty() && !waiting.urgent && !waiting.closed
            })
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        state.taken = state.offered;
        let closed = state.waiting.closed;
        std::mem::replace(&mut state.waiting, Delivery { closed, ..Delivery::default() })
    }

    /// For the writer: what was taken last is in the tail. The hauls come back for the next use.
    pub(crate) fn applied(&self, hauls: impl IntoIterator<Item = Haul>) {
        let mut state = self.lock();
        for mut haul in hauls {
            state.weight = state.weight.saturating_sub(haul.weight());
            if state.spare.len() < MAX_SPARE {
                haul.clear();
                state.spare.push(haul);
            }
        }
        state.applied = state.taken;
        drop(state);
        self.progressed.notify_all();
    }

    /// For the writer: all that is in the tail is durable.
    pub(crate) fn committed(&self) {
        let mut state = self.lock();
        state.committed = state.applied;
        drop(state);
        self.progressed.notify_all();
    }
}
