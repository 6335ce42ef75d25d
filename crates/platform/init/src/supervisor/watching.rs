//! The settings of the supervisor as a whole, and the machine's watchdog, which is set back by every turn of the loop
//! and by nothing else.

use std::time::Duration;

use perigee_journal::Priority;
use perigee_units::system::{System, WatchdogTime};

use super::{Settings, Supervisor};
use crate::pid1;
use crate::watchdog::Watchdog;

/// What is set, as far as this process may follow it: a container must not hold the watchdog of its machine.
pub(super) fn of_machine(settings: &Settings, system: &System) -> System {
    if settings.is_first && pid1::is_machine() {
        return system.clone();
    }
    System { watchdog: WatchdogTime::Off, reboot_watchdog: WatchdogTime::Off, ..system.clone() }
}

impl Supervisor {
    /// Reads what is set anew.
    pub(super) fn read_system(&mut self) {
        let (system, notes) = self.settings.system.read();
        self.tell_of_system(notes);
        if system != self.system {
            self.watchdog.set(&of_machine(&self.settings, &system));
            self.system = system;
        }
    }

    pub(super) fn tell_of_system(&mut self, notes: Vec<String>) {
        for note in notes {
            self.say_of(None, Priority::WARNING, &note);
        }
    }

    pub(super) fn tend_watchdog(&mut self, at: Duration) {
        if let Some(told) = self.watchdog.tend(at) {
            self.say_of(None, Priority::NOTICE, &told);
        }
    }

    /// The watchdog, for what comes after the last unit.
    pub fn into_watchdog(self) -> Watchdog {
        self.watchdog
    }
}
