//! A service on its way down: `ExecStop=`, signals in the order of systemd.kill(5), `ExecStopPost=`, and whatever is
//! left.

use std::time::Duration;

use crate::machine::{Event, Outcome};
use crate::value::Signal;

use super::{Action, Exec, KillMode, Life, Phase, Role};

impl Life {
    /// Stops it, or ends its start; `restarts` if it is to come back.
    pub fn stop(&mut self, restarts: bool, now: Duration) {
        self.now = now;
        self.restarts = restarts;
        match self.phase {
            Phase::Dead => self.dead(),
            Phase::Condition | Phase::StartPre | Phase::Start | Phase::StartPost => self.signal_stop(),
            Phase::Reload => {
                if self.control.take().is_some() {
                    self.actions.push_back(Action::Signal(Role::Control, Signal::KILL));
                }
                self.run(Exec::Stop);
            }
            Phase::Running | Phase::Exited => self.run(Exec::Stop),
            // It stops already.
            _ => {}
        }
    }

    /// It took too long: the next harder way.
    pub fn kill(&mut self, now: Duration) {
        self.now = now;
        self.fail(Outcome::Timeout);
        match self.phase {
            Phase::Stop => self.signal_stop(),
            Phase::StopPost => self.final_kill(),
            Phase::FinalSigterm | Phase::FinalSigkill => self.final_sigkill(),
            Phase::Dead => self.dead(),
            _ => self.kill_all(),
        }
    }

    /// It has ended, or is to end, without being asked to.
    pub(super) fn stop_by_itself(&mut self) {
        if matches!(self.phase, Phase::StartPost | Phase::Running | Phase::Reload | Phase::Exited) {
            self.run(Exec::Stop);
        }
    }

    /// It has said that it goes down, which is as good as having been asked to: a signal could end it at once.
    pub(super) fn stop_by_notice(&mut self) {
        self.enter(Phase::StopSigterm);
        self.begin(self.service.stop_timeout);
        self.await_end();
    }

    /// The watchdog bites.
    pub(super) fn bite(&mut self) {
        self.watchdog_at = None;
        self.fail(Outcome::Watchdog);
        if !matches!(self.phase, Phase::Start | Phase::StartPost | Phase::Running | Phase::Reload) {
            return;
        }
        self.enter(Phase::StopWatchdog);
        self.begin(self.service.stop_timeout);
        self.send(self.service.kill.watchdog_signal, false);
        self.await_end();
    }

    /// Tells the machine once that it goes down.
    pub(super) fn ending(&mut self) {
        self.actions.push_back(Action::Report(Event::Ending));
    }

    /// Asks it to end by a signal.
    pub(super) fn signal_stop(&mut self) {
        if self.service.kill.mode == KillMode::None {
            // What runs is left alone, and forgotten.
            (self.main, self.control) = (None, None);
            return self.run(Exec::StopPost);
        }
        self.enter(Phase::StopSigterm);
        self.begin(self.service.stop_timeout);
        let signal = match self.restarts {
            true => self.service.kill.restart_signal,
            false => self.service.kill.signal,
        };
        self.send(signal, true);
        self.await_end();
    }

    /// Kills everything that may be killed.
    pub(super) fn kill_all(&mut self) {
        self.enter(Phase::StopSigkill);
        if !self.service.kill.send_sigkill {
            (self.main, self.control) = (None, None);
            return self.run(Exec::StopPost);
        }
        self.begin(self.service.stop_timeout);
        self.send_kill();
        self.await_end();
    }

    /// After `ExecStopPost=` nothing may be left.
    pub(super) fn final_kill(&mut self) {
        if self.service.kill.mode == KillMode::None {
            return self.dead();
        }
        self.enter(Phase::FinalSigterm);
        self.begin(self.service.stop_timeout);
        if self.control.is_some() || self.main.is_some() {
            self.send(self.service.kill.signal, false);
        } else if self.service.kill.mode == KillMode::ControlGroup {
            self.actions.push_back(Action::SignalRest(self.service.kill.signal));
        } else if self.service.kill.mode == KillMode::Mixed {
            // Whoever was spared so far goes by force.
            self.actions.push_back(Action::SignalRest(self.service.kill.final_signal));
        } else {
            return self.dead();
        }
        self.actions.push_back(Action::AwaitEmpty);
    }

    fn final_sigkill(&mut self) {
        self.enter(Phase::FinalSigkill);
        if self.service.kill.send_sigkill {
            self.send_kill();
        }
        self.actions.push_back(Action::AwaitEmpty);
    }

    /// Sends a signal as the mode of killing has it.
    fn send(&mut self, signal: Signal, gently: bool) {
        let kill = self.service.kill;
        let mut signals = vec![signal];
        // What is stopped cannot take a signal in.
        if gently && signal != Signal::KILL {
            signals.push(Signal::CONT);
            if kill.send_sighup {
                signals.push(Signal::HUP);
            }
        }
        for signal in signals {
            if self.main.is_some() {
                self.actions.push_back(Action::Signal(Role::Main, signal));
            }
            if self.control.is_some() {
                self.actions.push_back(Action::Signal(Role::Control, signal));
            }
            if kill.mode == KillMode::ControlGroup {
                self.actions.push_back(Action::SignalRest(signal));
            }
        }
    }

    fn send_kill(&mut self) {
        let kill = self.service.kill;
        for (role, there) in [(Role::Main, self.main.is_some()), (Role::Control, self.control.is_some())] {
            if there {
                self.actions.push_back(Action::Signal(role, kill.final_signal));
            }
        }
        if matches!(kill.mode, KillMode::ControlGroup | KillMode::Mixed) {
            self.actions.push_back(Action::SignalRest(kill.final_signal));
        }
    }

    /// Waits for the known processes, or for all where none is known.
    fn await_end(&mut self) {
        if self.main.is_some() || self.control.is_some() {
            self.ending();
        } else if self.service.kill.mode == KillMode::ControlGroup {
            self.actions.push_back(Action::AwaitEmpty);
        } else {
            self.run(Exec::StopPost);
        }
    }

    /// Some of its processes are left: [`Life::empty`] comes later.
    pub fn not_empty(&mut self, now: Duration) {
        self.now = now;
        if !matches!(self.phase, Phase::Running | Phase::Dead) {
            self.ending();
        }
    }

    /// Nothing of it is left.
    pub(super) fn dead(&mut self) {
        (self.main, self.control) = (None, None);
        self.enter(Phase::Dead);
        if std::mem::take(&mut self.alive) {
            self.actions.push_back(Action::Report(Event::Ended(self.result)));
        }
    }
}
