//! A service from its start to its end: the way up, being there, and reloading. The way down is in `stopping`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{Event, Outcome};
use crate::notify::Message;
use crate::value::Signal;

use super::{Exec, ExitType, OomPolicy, Phase, Service, Type};

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// With this exit status.
    Exit(u8),
    /// By this signal.
    Signal(Signal),
    /// By this signal, leaving a core.
    Core(Signal),
    /// Nobody saw it.
    Unknown,
}

/// What a process of a service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is the service.
    Main,
    /// It does something for it.
    Control,
}

/// Who has sent a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The main process.
    Main,
    /// A control process.
    Control,
    /// Another process of the service.
    Other,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run the command at this place of a list: answer with [`Life::spawned`] or [`Life::not_spawned`].
    Spawn(Role, Exec, usize),
    /// Send a signal to the main process, or to the control process.
    Signal(Role, Signal),
    /// Send a signal to every process of the service but these two.
    SignalRest(Signal),
    /// Find the main process of a forking service: answer with [`Life::found_main`].
    FindMain,
    /// Open the sockets of a socket unit: answer with [`Life::opened`].
    Open,
    /// Close the sockets of a socket unit, if they are open.
    Close,
    /// Look whether processes of the service are left: answer with [`Life::not_empty`] if so, and with [`Life::empty`]
    /// once none is.
    AwaitEmpty,
    /// Tell the supervisor's machine.
    Report(Event),
    /// Its phase is another now.
    Phase(Phase),
    /// Its watchdog is this now; none for none.
    Watchdog(Option<Duration>),
}

/// The state of a service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Life {
    #[serde(skip)]
    pub(super) service: Arc<Service>,
    pub(super) phase: Phase,
    /// The processes that are known, by number.
    pub(super) main: Option<u32>,
    pub(super) control: Option<u32>,
    /// The place in the list of commands that is at work.
    pub(super) place: usize,
    /// The first thing that went wrong since the start.
    pub(super) result: Outcome,
    /// How the main process has ended, if it has.
    pub(super) main_ended: Option<Ended>,
    /// How the last reload has gone so far.
    reloaded: bool,
    /// It was started and has not told the machine of its end.
    pub(super) alive: bool,
    /// It comes back after this stop.
    pub(super) restarts: bool,
    watchdog: Option<Duration>,
    /// When the watchdog bites.
    pub(super) watchdog_at: Option<Duration>,
    /// When it has run long enough.
    pub(super) runtime_at: Option<Duration>,
    status: String,
    errno: Option<i32>,
    #[serde(skip)]
    pub(super) now: Duration,
    #[serde(skip)]
    pub(super) actions: VecDeque<Action>,
}

/// The longest text of `STATUS=` that is kept.
const LONGEST_STATUS: usize = 1024;

impl Life {
    /// A service that is not started.
    pub fn new(service: Arc<Service>) -> Life {
        Life {
            service,
            phase: Phase::Dead,
            main: None,
            control: None,
            place: 0,
            result: Outcome::Success,
            main_ended: None,
            reloaded: true,
            alive: false,
            restarts: false,
            watchdog: None,
            watchdog_at: None,
            runtime_at: None,
            status: String::new(),
            errno: None,
            now: Duration::ZERO,
            actions: VecDeque::new(),
        }
    }

    /// A life that was saved, with what its unit says.
    #[must_use]
    pub fn restored(mut self, service: Arc<Service>) -> Life {
        self.service = service;
        self
    }

    /// What the unit says has changed; what is at work goes on as it began.
    pub fn declared(&mut self, service: Arc<Service>) {
        self.service = service;
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What it is.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The main process.
    pub fn main(&self) -> Option<u32> {
        self.main
    }

    /// The control process.
    pub fn control(&self) -> Option<u32> {
        self.control
    }

    /// How the main process has ended last.
    pub fn main_ended(&self) -> Option<Ended> {
        self.main_ended
    }

    /// What went wrong first since it was started.
    pub fn result(&self) -> Outcome {
        self.result
    }

    /// `STATUS=`.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// `ERRNO=`.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The next thing to be done outside.
    pub fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Life::tick`] must be called at the latest.
    pub fn timeout(&self) -> Option<Duration> {
        [self.watchdog_at, self.runtime_at].into_iter().flatten().min()
    }

    /// Starts it.
    pub fn start(&mut self, now: Duration) {
        self.now = now;
        self.result = Outcome::Success;
        (self.main_ended, self.errno, self.alive, self.restarts) = (None, None, true, false);
        self.status.clear();
        self.watchdog = self.service.watchdog;
        self.run(Exec::Condition);
    }

    /// Takes up a service that was started by a supervisor before this one: it is there, or stops.
    pub fn adopt(&mut self, phase: Phase, main: Option<u32>, now: Duration) {
        (self.now, self.main, self.alive) = (now, main, true);
        self.watchdog = self.service.watchdog;
        self.enter(phase);
        self.arm_watchdog();
    }

    /// Reloads it.
    pub fn reload(&mut self, now: Duration) {
        self.now = now;
        self.reloaded = true;
        if self.service.kind == Type::NotifyReload && self.service.commands(Exec::Reload).is_empty() {
            self.enter(Phase::Reload);
            self.actions.push_back(Action::Signal(Role::Main, Signal::HUP));
        } else {
            self.run(Exec::Reload);
        }
    }

    /// The reload took too long: what does it is killed.
    pub fn reload_is_over(&mut self, now: Duration) {
        self.now = now;
        if self.phase == Phase::Reload {
            if self.control.take().is_some() {
                self.actions.push_back(Action::Signal(Role::Control, Signal::KILL));
            }
            self.enter(Phase::Running);
        }
    }

    /// A process was made.
    pub fn spawned(&mut self, role: Role, pid: u32, now: Duration) {
        self.now = now;
        match role {
            Role::Main => (self.main, self.main_ended) = (Some(pid), None),
            Role::Control => self.control = Some(pid),
        }
        if role == Role::Main && self.phase == Phase::Start {
            match self.service.kind {
                Type::Simple | Type::Exec | Type::Idle => self.started(),
                Type::Oneshot | Type::Forking | Type::Dbus | Type::Notify | Type::NotifyReload => {}
                Type::Socket => {}
            }
        }
    }

    /// A process could not be made, or its program could not be executed: it counts as ended with this exit status.
    pub fn not_spawned(&mut self, role: Role, status: u8, now: Duration) {
        self.now = now;
        if role == Role::Main && matches!(self.service.kind, Type::Simple | Type::Idle) {
            // Such a service is there before its program is.
            self.enter(Phase::Running);
            self.actions.push_back(Action::Report(Event::Ready));
        }
        self.process_ended(role, Ended::Exit(status));
    }

    /// A process has ended.
    pub fn ended(&mut self, pid: u32, ended: Ended, now: Duration) {
        self.now = now;
        if self.main == Some(pid) {
            self.main = None;
            self.process_ended(Role::Main, ended);
        } else if self.control == Some(pid) {
            self.control = None;
            self.process_ended(Role::Control, ended);
        }
    }

    /// Another process goes on with the work of the main one, which has ended or will.
    pub fn main_has_moved(&mut self, main: u32) {
        self.main = Some(main);
    }

    /// The main process of a forking service was found, or there is none.
    pub fn found_main(&mut self, main: Option<u32>, now: Duration) {
        self.now = now;
        if self.phase != Phase::Start {
            return;
        }
        self.main = main;
        // Without a file that names it, it may do its work without a main process.
        if main.is_none() && self.service.pid_file.is_some() {
            self.fail(Outcome::Protocol);
            self.signal_stop();
        } else {
            self.started();
        }
    }

    /// The sockets of a socket unit are open, or cannot be had.
    pub fn opened(&mut self, outcome: Outcome, now: Duration) {
        self.now = now;
        if self.phase != Phase::Start || self.service.kind != Type::Socket {
            return;
        }
        if outcome == Outcome::Success {
            return self.started();
        }
        self.fail(outcome);
        self.run(Exec::StopPost);
    }

    /// It cannot go on, for a reason that none of its processes has given.
    pub fn broken(&mut self, outcome: Outcome, now: Duration) {
        self.now = now;
        self.fail(outcome);
        match self.phase {
            Phase::StartPre | Phase::StartPost => self.signal_stop(),
            _ => self.stop_by_itself(),
        }
    }

    /// Its name has appeared on the message bus, or has gone.
    pub fn bus_name(&mut self, owned: bool, now: Duration) {
        self.now = now;
        match (self.phase, owned) {
            (Phase::Start, true) if self.service.kind == Type::Dbus => self.started(),
            (Phase::Running, false) if self.service.kind == Type::Dbus && self.main.is_none() => {
                self.stop_by_itself();
            }
            _ => {}
        }
    }

    /// None of its processes is left.
    pub fn empty(&mut self, now: Duration) {
        self.now = now;
        if self.main.is_some() || self.control.is_some() {
            return;
        }
        match self.phase {
            Phase::Running => self.is_it_still_there(true),
            Phase::StopWatchdog | Phase::StopSigterm | Phase::StopSigkill => self.run(Exec::StopPost),
            Phase::FinalSigterm | Phase::FinalSigkill => self.dead(),
            _ => {}
        }
    }

    /// The kernel has killed a process of it for want of memory.
    pub fn out_of_memory(&mut self, now: Duration) {
        self.now = now;
        if self.service.oom_policy == OomPolicy::Continue || !self.alive {
            return;
        }
        self.fail(Outcome::OomKill);
        match self.phase {
            Phase::Start | Phase::StartPost | Phase::Running | Phase::Reload => match self.service.oom_policy
            {
                OomPolicy::Kill => self.kill_all(),
                _ => self.signal_stop(),
            },
            _ => {}
        }
    }

    /// It has not answered well when it was asked whether it does its work, so often that it counts as unhealthy.
    pub fn unhealthy(&mut self, now: Duration) {
        self.now = now;
        if !matches!(self.phase, Phase::Running | Phase::Exited | Phase::Reload) {
            return;
        }
        self.fail(Outcome::Unhealthy);
        if self.phase == Phase::Reload && self.control.take().is_some() {
            self.actions.push_back(Action::Signal(Role::Control, Signal::KILL));
        }
        self.stop_by_itself();
    }

    /// A process of it has said something, and may.
    pub fn notified(&mut self, message: &Message, now: Duration) {
        self.now = now;
        if !self.alive || self.phase == Phase::Dead {
            return;
        }
        if let Some(pid) = message.main_pid {
            (self.main, self.main_ended) = (Some(pid), None);
        }
        if let Some(status) = &message.status {
            self.status = status.chars().take(LONGEST_STATUS).collect();
        }
        self.errno = message.errno.or(self.errno);
        let (starting, reloading) = (self.phase == Phase::Start, self.phase == Phase::Reload);
        let says = matches!(self.service.kind, Type::Notify | Type::NotifyReload);
        if message.reloading && self.phase == Phase::Running {
            self.enter(Phase::Reload);
            self.actions.push_back(Action::Report(Event::Reloading));
        }
        if message.ready && starting && says {
            self.started();
        } else if message.ready && reloading && self.control.is_none() {
            self.enter(Phase::Running);
            self.actions.push_back(Action::Report(Event::Reloaded(self.reloaded)));
        }
        if message.stopping && matches!(self.phase, Phase::Running | Phase::Reload) {
            self.stop_by_notice();
        }
        if let Some(length) = message.watchdog_interval {
            self.watchdog = Some(length).filter(|length| !length.is_zero());
            self.actions.push_back(Action::Watchdog(self.watchdog));
            self.arm_watchdog();
        }
        if message.watchdog_trigger {
            self.bite();
        } else if message.watchdog {
            self.arm_watchdog();
        }
        if let Some(length) = message.extend {
            self.extend(length);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        if self.watchdog_at.is_some_and(|at| at <= now) {
            self.bite();
        }
        if self.runtime_at.is_some_and(|at| at <= now) {
            self.runtime_at = None;
            self.fail(Outcome::Timeout);
            self.stop_by_itself();
        }
    }

    /// Something went wrong; what went wrong first counts.
    pub(super) fn fail(&mut self, outcome: Outcome) {
        if self.result == Outcome::Success {
            self.result = outcome;
        }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.actions.push_back(Action::Phase(phase));
        }
        let there = matches!(phase, Phase::StartPost | Phase::Running | Phase::Reload);
        if !there {
            self.watchdog_at = None;
        }
        if !there && phase != Phase::Exited {
            self.runtime_at = None;
        }
    }

    /// The machine gives this much from now on for what goes on.
    fn extend(&mut self, length: Duration) {
        self.actions.push_back(Action::Report(Event::Extend(length)));
    }

    /// What begins now has a time-out of its own.
    pub(super) fn begin(&mut self, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.extend(timeout);
        }
    }

    pub(super) fn arm_watchdog(&mut self) {
        let there = matches!(self.phase, Phase::StartPost | Phase::Running | Phase::Reload);
        self.watchdog_at = self.watchdog.filter(|_| there).map(|length| self.now.saturating_add(length));
    }

    /// Runs a list of commands from its beginning; goes on if there is none.
    pub(super) fn run(&mut self, exec: Exec) {
        self.place = 0;
        if exec == Exec::StopPost && self.service.kind == Type::Socket {
            self.actions.push_back(Action::Close);
        }
        let phase = match exec {
            Exec::Condition => Phase::Condition,
            Exec::StartPre => Phase::StartPre,
            Exec::Start => Phase::Start,
            Exec::StartPost => Phase::StartPost,
            Exec::Reload => Phase::Reload,
            Exec::Stop => Phase::Stop,
            Exec::StopPost => Phase::StopPost,
        };
        if self.service.commands(exec).is_empty() {
            return self.done(exec);
        }
        self.enter(phase);
        match exec {
            Exec::Stop | Exec::StopPost => {
                self.ending();
                self.begin(self.service.stop_timeout);
            }
            Exec::Condition | Exec::StartPre | Exec::Start | Exec::StartPost => {
                self.begin(self.service.start_timeout);
            }
            Exec::Reload => {}
        }
        self.spawn(exec);
    }

    fn spawn(&mut self, exec: Exec) {
        let main = exec == Exec::Start && self.service.kind != Type::Forking;
        let role = if main { Role::Main } else { Role::Control };
        self.actions.push_back(Action::Spawn(role, exec, self.place));
    }

    /// The commands that are at work.
    pub(super) fn exec(&self) -> Option<Exec> {
        Some(match self.phase {
            Phase::Condition => Exec::Condition,
            Phase::StartPre => Exec::StartPre,
            Phase::Start => Exec::Start,
            Phase::StartPost => Exec::StartPost,
            Phase::Reload => Exec::Reload,
            Phase::Stop => Exec::Stop,
            Phase::StopPost => Exec::StopPost,
            _ => return None,
        })
    }

    /// A list of commands has ended well, or was empty.
    fn done(&mut self, exec: Exec) {
        match exec {
            Exec::Condition => self.run(Exec::StartPre),
            Exec::StartPre => self.run(Exec::Start),
            Exec::Start if self.service.kind == Type::Socket => {
                self.enter(Phase::Start);
                self.actions.push_back(Action::Open);
            }
            Exec::Start => self.started(),
            Exec::StartPost => self.up(),
            Exec::Reload => {
                // Whoever says when it has reloaded is not done before it does.
                if self.service.kind != Type::NotifyReload {
                    self.enter(Phase::Running);
                    self.actions.push_back(Action::Report(Event::Reloaded(self.reloaded)));
                    self.is_it_still_there(false);
                }
            }
            Exec::Stop => self.stopped(),
            Exec::StopPost => self.final_kill(),
        }
    }

    /// What asks it to stop has ended.
    fn stopped(&mut self) {
        match self.service.kind {
            // No process of it is to be asked by a signal.
            Type::Socket => self.run(Exec::StopPost),
            _ => self.signal_stop(),
        }
    }

    /// It is ready, but for `ExecStartPost=`.
    fn started(&mut self) {
        self.run(Exec::StartPost);
        self.arm_watchdog();
    }

    /// It is there.
    fn up(&mut self) {
        self.enter(Phase::Running);
        self.runtime_at = self.service.runtime_max.map(|length| self.now.saturating_add(length));
        self.arm_watchdog();
        let oneshot = self.service.kind == Type::Oneshot;
        let stays = !oneshot || self.service.remain_after_exit;
        if stays && self.result == Outcome::Success {
            self.actions.push_back(Action::Report(Event::Ready));
        }
        self.is_it_still_there(false);
    }

    /// Whether a service without a main process is still there; `empty` is known to have no process at all.
    fn is_it_still_there(&mut self, empty: bool) {
        if self.phase != Phase::Running || self.main.is_some() || self.service.kind == Type::Socket {
            return;
        }
        if self.result != Outcome::Success {
            return self.signal_stop();
        }
        let oneshot = self.service.kind == Type::Oneshot;
        let others = match self.service.exit_type {
            ExitType::Cgroup => !oneshot,
            // It never had one that we knew.
            ExitType::Main => self.main_ended.is_none() && !oneshot,
        };
        if others && !empty {
            self.actions.push_back(Action::AwaitEmpty);
        } else if self.service.remain_after_exit {
            self.enter(Phase::Exited);
        } else {
            self.stop_by_itself();
        }
    }

    fn process_ended(&mut self, role: Role, ended: Ended) {
        match role {
            Role::Main => self.main_has_ended(ended),
            Role::Control => self.control_has_ended(ended),
        }
    }

    fn ignores_failure(&self, exec: Exec) -> bool {
        self.service.commands(exec).get(self.place).is_some_and(|command| command.ignore_failure)
    }

    fn main_has_ended(&mut self, ended: Ended) {
        self.main_ended = Some(ended);
        let ignore = match self.service.kind {
            Type::Oneshot => self.ignores_failure(Exec::Start),
            _ => self.service.commands(Exec::Start).first().is_some_and(|command| command.ignore_failure),
        };
        let outcome = self.service.judge(ended, ignore);
        if !matches!(self.phase, Phase::StopWatchdog) {
            self.fail(outcome);
        }
        match self.phase {
            Phase::Start if self.service.kind == Type::Oneshot => {
                if outcome == Outcome::Success {
                    self.next(Exec::Start);
                } else {
                    self.signal_stop();
                }
            }
            // It was to say that it is ready.
            Phase::Start if self.service.exit_type == ExitType::Main || outcome != Outcome::Success => {
                self.fail(Outcome::Protocol);
                self.signal_stop();
            }
            Phase::Running => self.is_it_still_there(false),
            Phase::Reload => {
                if self.control.take().is_some() {
                    self.actions.push_back(Action::Signal(Role::Control, Signal::KILL));
                }
                self.enter(Phase::Running);
                self.is_it_still_there(false);
            }
            Phase::StopWatchdog | Phase::StopSigterm | Phase::StopSigkill if self.control.is_none() => {
                self.run(Exec::StopPost);
            }
            Phase::FinalSigterm | Phase::FinalSigkill if self.control.is_none() => {
                self.actions.push_back(Action::AwaitEmpty);
            }
            // It is looked at when the commands that are at work have ended.
            _ => {}
        }
    }

    fn control_has_ended(&mut self, ended: Ended) {
        let Some(exec) = self.exec() else {
            // It was being killed.
            match self.phase {
                Phase::StopWatchdog | Phase::StopSigterm | Phase::StopSigkill if self.main.is_none() => {
                    self.run(Exec::StopPost);
                }
                Phase::FinalSigterm | Phase::FinalSigkill if self.main.is_none() => {
                    self.actions.push_back(Action::AwaitEmpty);
                }
                _ => {}
            }
            return;
        };
        let ignore = self.ignores_failure(exec);
        if exec == Exec::Condition
            && let Ended::Exit(code @ 1..=254) = ended
            && !ignore
        {
            // Not a failure: the service is not for this machine, or not for now.
            if !self.service.success.contain(Some(code), None) {
                self.fail(Outcome::Skipped);
                return self.run(Exec::StopPost);
            }
        }
        // A control process is a command: only what ends with 0 has done well.
        let outcome = match ended {
            Ended::Exit(0) | Ended::Unknown => Outcome::Success,
            _ if ignore => Outcome::Success,
            Ended::Signal(signal) => Outcome::Signal(signal),
            Ended::Core(signal) => Outcome::Core(signal),
            Ended::Exit(_) => self.service.judge(ended, false),
        };
        if outcome == Outcome::Success {
            return if exec == Exec::Start { self.forked() } else { self.next(exec) };
        }
        match exec {
            Exec::Reload => {
                self.reloaded = false;
                self.enter(Phase::Running);
                self.actions.push_back(Action::Report(Event::Reloaded(false)));
                self.is_it_still_there(false);
            }
            Exec::Stop => {
                self.fail(outcome);
                self.stopped();
            }
            Exec::StopPost => {
                self.fail(outcome);
                self.final_kill();
            }
            // As systemd has it: nothing was opened, or what was is given up in order.
            Exec::StartPre if self.service.kind == Type::Socket => {
                self.fail(outcome);
                self.final_kill();
            }
            Exec::StartPost if self.service.kind == Type::Socket => {
                self.fail(outcome);
                self.run(Exec::Stop);
            }
            Exec::Condition | Exec::StartPre | Exec::Start | Exec::StartPost => {
                self.fail(outcome);
                self.signal_stop();
            }
        }
    }

    /// The process that a forking service was started with has ended well.
    fn forked(&mut self) {
        if self.main.is_some() {
            self.started();
        } else {
            self.actions.push_back(Action::FindMain);
        }
    }

    /// Runs the next command of a list.
    fn next(&mut self, exec: Exec) {
        self.place += 1;
        if self.place < self.service.commands(exec).len() {
            match exec {
                Exec::Stop | Exec::StopPost => self.begin(self.service.stop_timeout),
                Exec::Reload => {}
                _ => self.begin(self.service.start_timeout),
            }
            self.spawn(exec);
        } else {
            self.done(exec);
        }
    }
}
