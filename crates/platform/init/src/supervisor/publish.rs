//! What happens is told to the state centre, where any number of threads read it without asking this one.

use std::sync::Arc;

use perigee_units::machine::{Change, UnitId};

use super::table::Work;
use super::{Supervisor, now};
use crate::center::{Center, Publisher, Snapshot};

/// The writing side, and how many units it knows.
#[derive(Debug)]
pub(super) struct Publishing {
    publisher: Publisher,
    known: usize,
}

impl Publishing {
    pub(super) fn new() -> Publishing {
        Publishing { publisher: crate::center::open().0, known: 0 }
    }
}

impl Supervisor {
    /// What the units are doing, for any thread of this program.
    pub fn center(&self) -> Center {
        self.publishing.publisher.center()
    }

    /// Tells of the units that have been loaded meanwhile.
    pub(super) fn publish_new(&mut self) {
        let known = self.publishing.known;
        if known == self.table.len() {
            return;
        }
        self.publishing.known = self.table.len();
        let new = self.machine.units().skip(known).map(|unit| {
            let mut snapshot = Snapshot::new(self.machine.name(unit));
            snapshot.description = Arc::from(super::report::description(&self.table.get(unit).unit));
            self.describe(unit, &mut snapshot);
            snapshot
        });
        let new: Vec<_> = new.collect();
        self.publishing.publisher.add(new);
    }

    /// A unit is not there any more.
    pub(super) fn unpublish(&mut self, name: &str) {
        self.publishing.publisher.remove([name]);
    }

    /// Tells of a unit that has taken the place of another.
    pub(super) fn publish_anew(&mut self, unit: UnitId) {
        self.publish_new();
        let mut snapshot = Snapshot::new(self.machine.name(unit));
        snapshot.description = Arc::from(super::report::description(&self.table.get(unit).unit));
        self.describe(unit, &mut snapshot);
        self.publishing.publisher.add([snapshot]);
    }

    /// Tells of a change of state.
    pub(super) fn publish(&mut self, change: &Change) {
        self.publish_new();
        let mut snapshot = Snapshot::new("");
        self.describe(change.unit, &mut snapshot);
        let name = self.machine.name(change.unit);
        self.publishing.publisher.changed(name, change, |unit| take_over(unit, snapshot));
    }

    /// Tells what has changed in a unit within its state.
    pub(super) fn publish_details(&mut self, unit: UnitId) {
        let mut snapshot = Snapshot::new("");
        self.describe(unit, &mut snapshot);
        let name = self.machine.name(unit);
        self.publishing.publisher.update(name, |unit| take_over(unit, snapshot));
    }

    /// Tells what is worth knowing.
    pub(super) fn publish_note(&mut self, unit: Option<UnitId>, kind: &'static str, text: &str) {
        let name = unit.map(|unit| self.machine.name(unit));
        self.publishing.publisher.note(now(), name, kind, text);
    }

    fn describe(&self, unit: UnitId, snapshot: &mut Snapshot) {
        let loaded = self.table.get(unit);
        snapshot.restarts = self.machine.restarts(unit);
        snapshot.restart_at = self.machine.restart_at(unit);
        snapshot.unmet = loaded.notes.clone().into();
        snapshot.phase = Arc::from(self.sub(unit));
        match &loaded.work {
            Work::Service(service) => {
                let life = &service.life;
                snapshot.main_pid = life.main().and_then(|pid| i32::try_from(pid).ok());
                snapshot.status = said(life.status());
                snapshot.health = service.standing();
                snapshot.group = service.group.as_ref().map(|group| Arc::from(group.path()));
            }
            Work::Runner(work) => snapshot.status = said(&work.status),
            _ => {}
        }
    }
}

fn said(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| Arc::from(text))
}

/// What [`Supervisor::describe`] has found.
fn take_over(unit: &mut Snapshot, found: Snapshot) {
    unit.phase = found.phase;
    (unit.restarts, unit.restart_at) = (found.restarts, found.restart_at);
    (unit.main_pid, unit.status, unit.group) = (found.main_pid, found.status, found.group);
    (unit.unmet, unit.health) = (found.unmet, found.health);
}
