//! The end: every unit is stopped in its order, then whatever is left is asked to go, then killed.

use std::time::Duration;

use perigee_units::machine::Verb;

use super::{Supervisor, now};

/// What follows when everything is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This process ends with this status.
    Exit(u8),
    /// The machine is switched off.
    PowerOff,
    /// The machine starts anew.
    Reboot,
    /// The machine stands still.
    Halt,
}

/// Units are being stopped.
#[derive(Debug)]
pub(super) struct Stopping {
    ending: Ending,
    /// After this the units that still go are left to what kills all processes.
    patience: Duration,
}

/// How long stopping all units may take.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Stopping {
    pub(super) fn timeout(&self) -> Option<Duration> {
        Some(self.patience)
    }
}

impl Supervisor {
    /// Stops everything; the second time it goes faster.
    pub(super) fn end(&mut self, ending: Ending) {
        let at = now();
        if let Some(stopping) = &mut self.stopping {
            stopping.ending = ending;
            return;
        }
        self.tell("stopping all units");
        self.stopping = Some(Stopping { ending, patience: at + PATIENCE });
        self.machine.give_way();
        for unit in self.machine.units() {
            if !self.machine.state(unit).is_down() || self.machine.job(unit).is_some() {
                // Stopping is never refused.
                let _ = self.machine.request(Verb::Stop, unit, at);
            }
        }
    }

    /// What is being stopped is left to what ends all processes.
    pub(super) fn end_without_waiting(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            stopping.patience = now();
        }
    }

    /// What follows, once every unit is down or has taken too long.
    pub(super) fn ended(&mut self) -> Option<Ending> {
        let stopping = self.stopping.as_ref()?;
        let late = now() >= stopping.patience;
        let ending = stopping.ending;
        // Devices stay where they are.
        let devices = self.table.devices();
        let up = self.machine.units().filter(|unit| !self.machine.state(*unit).is_down());
        let up: Vec<_> = up.filter(|unit| !devices.contains(unit)).collect();
        if !up.is_empty() && !late {
            return None;
        }
        for unit in up {
            let line = format!("{} could not be stopped in time", self.machine.name(unit));
            self.tell(&line);
        }
        self.connections.flush();
        Some(ending)
    }
}
