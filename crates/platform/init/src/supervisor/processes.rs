//! Who has ended: signals that this process gets, and children that it reaps.

use std::collections::HashMap;

use perigee_process::signalfd::SignalFd;
use perigee_process::wait::{self, Exit};
use perigee_units::machine::UnitId;
use perigee_units::service::Ended;
use perigee_units::value::Signal;

use super::{Ending, Supervisor, now};

/// Children that are reaped before others have their turn.
const MOST_AT_ONCE: usize = 1024;

/// The processes that are known to belong to units.
#[derive(Debug, Default)]
pub(super) struct Processes {
    known: HashMap<u32, UnitId>,
    /// How many were reaped that nobody had started here.
    pub(super) orphans: u64,
    /// Others may have ended already.
    pub(super) more: bool,
}

impl Processes {
    pub(super) fn add(&mut self, pid: u32, unit: UnitId) {
        self.known.insert(pid, unit);
    }

    pub(super) fn of(&self, pid: u32) -> Option<UnitId> {
        self.known.get(&pid).copied()
    }

    pub(super) fn remove(&mut self, pid: u32) -> Option<UnitId> {
        self.known.remove(&pid)
    }
}

impl Supervisor {
    pub(super) fn take_in_signals(&mut self) {
        let mut children = false;
        while let Some(Ok(Some(signal))) = self.signals.as_ref().map(SignalFd::read_signal) {
            match Signal::from_number(signal.ssi_signo as i32) {
                Some(Signal::CHLD) => children = true,
                Some(signal) => self.told(signal),
                None => {}
            }
        }
        if children {
            self.reap();
        }
    }

    /// What the signals mean that systemd(1) lists for PID 1; an ordinary process ends by SIGINT too.
    fn told(&mut self, signal: Signal) {
        let first = self.settings.is_first;
        match signal.to_string().as_str() {
            "SIGTERM" | "SIGRTMIN+3" => self.end(Ending::Exit(0)),
            "SIGINT" if first => self.end(Ending::Reboot),
            "SIGINT" | "SIGHUP" if !first => self.end(Ending::Exit(0)),
            "SIGRTMIN+4" => self.end(Ending::PowerOff),
            "SIGRTMIN+5" => self.end(Ending::Reboot),
            "SIGHUP" => self.reload_all(),
            _ => {}
        }
    }

    /// Reaps children that have ended, whoever made them: all, or so many that the others have their turn first.
    pub(super) fn reap(&mut self) {
        self.processes.more = true;
        for _ in 0..MOST_AT_ONCE {
            let Ok(Some((pid, exit))) = wait::reap() else {
                self.processes.more = false;
                return;
            };
            let pid = pid as u32;
            if !self.finish_making_of(pid) {
                continue;
            }
            let Some(unit) = self.processes.remove(pid) else {
                self.processes.orphans += 1;
                continue;
            };
            let (mut short, mut main) = (false, false);
            if let Some(service) = self.table.service(unit) {
                (short, main) = (service.was_out_of_memory(exit), service.life.main() == Some(pid));
            }
            if main && self.has_moved(unit, pid) {
                self.live(unit);
                self.settle();
                continue;
            }
            if main {
                // Its tasks end before it does.
                self.node_has_ended(unit, ended(exit), short);
            }
            if let Some(service) = self.table.service(unit) {
                if short {
                    service.life.out_of_memory(now());
                }
                service.life.ended(pid, ended(exit), now());
                service.forget(pid);
            }
            self.live(unit);
            self.health_process_ended(unit, pid, exit);
            self.helped(unit, pid, exit);
            self.settle();
        }
    }
}

/// How a process has ended, as a unit has it.
pub(super) fn ended(exit: Exit) -> Ended {
    match exit {
        Exit::Code(code) => Ended::Exit(code as u8),
        Exit::Signal { signal, core } => match Signal::from_number(signal) {
            Some(signal) if core => Ended::Core(signal),
            Some(signal) => Ended::Signal(signal),
            None => Ended::Unknown,
        },
    }
}
