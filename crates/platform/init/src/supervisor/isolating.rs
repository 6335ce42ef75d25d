//! Isolating a unit: it is started with all that it drags along, and everything else is stopped.

use std::collections::BTreeSet;

use perigee_units::machine::{JobId, Relation, UnitId, Verb};
use perigee_units::unit::{UnitKind, Value};

use super::table::Work;
use super::{Supervisor, now};

/// By these a unit drags others along.
const DRAGS: [Relation; 5] =
    [Relation::Requires, Relation::Requisite, Relation::Wants, Relation::BindsTo, Relation::Upholds];

impl Supervisor {
    /// Makes the jobs and tells of that of the unit; whether the answer is complete.
    pub(super) fn isolate(&mut self, number: u32, name: &str, wait: bool) -> Result<bool, String> {
        let units = self.named(name, Verb::Start).map_err(|(_, why)| why)?;
        let [unit] = units[..] else { return Err("one unit can be isolated, and no pattern".to_owned()) };
        self.machine.may_ask(Verb::Start, unit).map_err(|why| why.to_string())?;
        let job = self.isolate_unit(unit)?;
        Ok(self.queued(number, &[(job, unit, Verb::Start)], wait))
    }

    /// Starts a unit with all that it drags along, and stops everything else.
    pub(super) fn isolate_unit(&mut self, unit: UnitId) -> Result<JobId, String> {
        if self.stopping.is_some() {
            return Err("everything is being stopped".to_owned());
        }
        let name = self.machine.name(unit);
        if self.flag(unit, "AllowIsolate") != Some(true) {
            return Err(format!("{name} may not be isolated: its file does not say AllowIsolate=yes"));
        }
        if let Some(why) = self.refusal(unit) {
            return Err(format!("{name} is not started: {why}"));
        }
        // What cannot be started is no reason to stop anything.
        self.machine.request(Verb::Start, unit, now()).map_err(|why| why.to_string())?;
        let kept = self.dragged(unit);
        for other in self.machine.units() {
            let idle = self.machine.state(other).is_down() && self.machine.job(other).is_none();
            if !idle && !kept.contains(&other) && !self.stays(other) {
                // Stopping is never refused.
                let _ = self.machine.request(Verb::Stop, other, now());
            }
        }
        // What was stopped with others, and belongs to it, comes back.
        self.machine.request(Verb::Start, unit, now()).map_err(|why| why.to_string())
    }

    /// A unit and all that it drags along, and what those start.
    fn dragged(&self, unit: UnitId) -> BTreeSet<UnitId> {
        let (mut found, mut queue) = (BTreeSet::from([unit]), vec![unit]);
        while let Some(unit) = queue.pop() {
            let related =
                DRAGS.iter().flat_map(|relation| self.machine.related(unit, *relation).iter().copied());
            for other in related.chain(self.triggered(unit)).collect::<Vec<_>>() {
                if found.insert(other) {
                    queue.push(other);
                }
            }
        }
        found
    }

    /// The unit that a socket, a path or a timer starts, if it is loaded.
    fn triggered(&self, unit: UnitId) -> Option<UnitId> {
        let loaded = self.table.get(unit);
        match &loaded.work {
            Work::Socket(sockets) => self.table.find(sockets.spec().service.as_str()),
            Work::Path(paths) => self.table.find(paths.unit().as_str()),
            Work::Timer => match loaded.unit.last("Timer", "Unit") {
                Some(Value::Text(name)) => self.table.find(name),
                Some(Value::Units(names)) => self.table.find(names.first()?.as_str()),
                _ => self.table.find(&format!("{}.service", loaded.unit.name.stem())),
            },
            _ => None,
        }
    }

    /// Whether a unit goes on when another one is isolated: `IgnoreOnIsolate=`, or its kind.
    fn stays(&self, unit: UnitId) -> bool {
        let kind = self.table.get(unit).unit.name.kind();
        let by_kind = !matches!(
            kind,
            UnitKind::Service | UnitKind::Target | UnitKind::Socket | UnitKind::Timer | UnitKind::Path
        );
        self.flag(unit, "IgnoreOnIsolate").unwrap_or(by_kind)
    }

    fn flag(&self, unit: UnitId, name: &str) -> Option<bool> {
        match self.table.get(unit).unit.last("Unit", name) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }
}
