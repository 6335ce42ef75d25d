//! The state centre: what every unit is doing, for any number of readers, and everything that happens to them, in
//! order.
//!
//! One [`Publisher`], the supervisor's, writes. It never waits for a reader, and readers do not wait for it or for each
//! other: a [`Snapshot`] of a unit is replaced as a whole, and events stand in a log that is only added to. A [`Watch`]
//! walks along that log. One that has fallen behind by more than its bound is told exactly which events it has missed;
//! it can read the snapshots again and go on, since a snapshot is never older than an event that was handed out.
//!
//! ```
//! use std::time::Duration;
//! use perigee_init::center::{self, Item, Snapshot};
//!
//! let (mut publisher, center) = center::open();
//! publisher.add([Snapshot::new("beacon.service")]);
//! let mut watch = center.watch(1);
//! publisher.note(Duration::ZERO, Some("beacon.service"), "limit-unmet", "MemoryMax=: there is no memory controller here");
//! let Some(Item::Event(event)) = watch.next(Duration::ZERO) else { panic!() };
//! assert_eq!((event.sequence, event.unit.as_deref()), (1, Some("beacon.service")));
//! assert_eq!(watch.next(Duration::ZERO), None);
//! ```

mod log;
mod sleepers;
mod snapshot;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use perigee_units::machine::Change;

pub use log::{Event, What};
pub use snapshot::Snapshot;
pub use watch::{DEFAULT_BOUND, Item, Watch};

use log::Log;
use sleepers::Sleepers;

/// Events that are kept, at the least; no watch may have a larger bound.
pub const KEPT: u64 = log::SEGMENT * (log::SEGMENTS - 1);

/// The units, by name. The table is replaced as a whole when units come or go.
type Units = HashMap<Arc<str>, Arc<Unit>>;

/// One unit, for who reads it again and again.
#[derive(Debug)]
pub struct Unit {
    now: ArcSwap<Snapshot>,
}

impl Unit {
    /// What it is doing.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.now.load_full()
    }

    /// Looks at what it is doing, without taking hold of it; the cheapest way.
    pub fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.now.load())
    }
}

#[derive(Debug)]
struct Inner {
    units: ArcSwap<Units>,
    log: Log,
    sleepers: Sleepers,
}

/// The reading side; clones read the same.
#[derive(Clone, Debug)]
pub struct Center {
    inner: Arc<Inner>,
}

/// The writing side.
#[derive(Debug)]
pub struct Publisher {
    inner: Arc<Inner>,
}

/// A centre without units, whose first event will be number 1.
pub fn open() -> (Publisher, Center) {
    open_after(0)
}

/// A centre without units, whose first event will be the one after `sequence`: for a supervisor that takes over from
/// another one.
pub fn open_after(sequence: u64) -> (Publisher, Center) {
    let inner = Arc::new(Inner {
        units: ArcSwap::from_pointee(Units::new()),
        log: Log::after(sequence),
        sleepers: Sleepers::default(),
    });
    (Publisher { inner: Arc::clone(&inner) }, Center { inner })
}

impl Center {
    /// A unit.
    pub fn unit(&self, name: &str) -> Option<Arc<Unit>> {
        self.inner.units.load().get(name).cloned()
    }

    /// Looks at what a unit is doing, without taking hold of anything; the cheapest way where a unit is looked at by name.
    pub fn look<T>(&self, name: &str, look: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        self.inner.units.load().get(name).map(|unit| unit.look(look))
    }

    /// What a unit is doing.
    pub fn snapshot(&self, name: &str) -> Option<Arc<Snapshot>> {
        self.inner.units.load().get(name).map(|unit| unit.snapshot())
    }

    /// What all units are doing, by name.
    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut all: Vec<_> = self.inner.units.load().values().map(|unit| unit.snapshot()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// How many units there are.
    pub fn units(&self) -> usize {
        self.inner.units.load().len()
    }

    /// The number of the last event; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.inner.log.head()
    }

    /// Watches events from the one with this number on. Where it lies in the future, those before it are not told.
    pub fn watch(&self, from: u64) -> Watch {
        Watch::new(Arc::clone(&self.inner), from.max(1))
    }

    /// Watches what happens from now on.
    pub fn watch_new(&self) -> Watch {
        self.watch(self.sequence() + 1)
    }
}

impl Publisher {
    /// The reading side.
    pub fn center(&self) -> Center {
        Center { inner: Arc::clone(&self.inner) }
    }

    /// Adds units; one that is there already is replaced.
    pub fn add(&mut self, units: impl IntoIterator<Item = Snapshot>) {
        let mut table = Units::clone(&self.inner.units.load());
        for snapshot in units {
            match table.get(&snapshot.name) {
                // Who holds it goes on seeing it.
                Some(unit) => unit.now.store(Arc::new(snapshot)),
                None => {
                    let name = Arc::clone(&snapshot.name);
                    table.insert(name, Arc::new(Unit { now: ArcSwap::from_pointee(snapshot) }));
                }
            }
        }
        self.inner.units.store(Arc::new(table));
    }

    /// Removes units.
    pub fn remove<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        let mut table = Units::clone(&self.inner.units.load());
        names.into_iter().for_each(|name| drop(table.remove(name)));
        self.inner.units.store(Arc::new(table));
    }

    /// Changes what is known of a unit without an event: its main process, its status line. Says whether there is such
    /// a unit.
    pub fn update(&mut self, name: &str, update: impl FnOnce(&mut Snapshot)) -> bool {
        let units = self.inner.units.load();
        let Some(unit) = units.get(name) else { return false };
        let mut snapshot = Snapshot::clone(&unit.now.load());
        update(&mut snapshot);
        unit.now.store(Arc::new(snapshot));
        true
    }

    /// Tells a change of state, with whatever else has changed in the unit at the same time. Returns the number of the
    /// event.
    pub fn changed(&mut self, name: &str, change: &Change, update: impl FnOnce(&mut Snapshot)) -> u64 {
        let sequence = self.sequence() + 1;
        self.update(name, |snapshot| {
            snapshot.state = change.to;
            snapshot.cause = Some(change.cause);
            snapshot.outcome = change.outcome;
            snapshot.since = change.at;
            snapshot.sequence = sequence;
            update(snapshot);
        });
        let (from, to, cause, outcome) = (change.from, change.to, change.cause, change.outcome);
        self.push(change.at, Some(name), What::Changed { from, to, cause, outcome })
    }

    /// Tells something else that has happened, in one word for machines and in a sentence for people. Returns the number
    /// of the event.
    pub fn note(
        &mut self,
        at: Duration,
        unit: Option<&str>,
        kind: &'static str,
        text: impl Into<String>,
    ) -> u64 {
        self.push(at, unit, What::Note { kind, text: text.into() })
    }

    /// The number of the last event.
    pub fn sequence(&self) -> u64 {
        self.inner.log.head()
    }

    fn push(&mut self, at: Duration, unit: Option<&str>, what: What) -> u64 {
        let units = self.inner.units.load();
        let unit = unit.map(|name| match units.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        });
        let sequence = self.inner.log.push(at, unit, what);
        self.inner.sleepers.wake();
        sequence
    }
}

#[cfg(test)]
mod tests;
