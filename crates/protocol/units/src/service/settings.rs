//! What a unit says about its service.

use std::time::Duration;

use crate::health::HealthCheck;
use crate::machine::{CLEAN_SIGNALS, Outcome};
use crate::unit::{Command, ExitStatuses, Host, Unit, UnitKind, UnitName, Value};
use crate::value::Signal;

use super::Ended;

/// When a service counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// At once.
    Simple,
    /// When its program was executed.
    Exec,
    /// When the process that was started has ended and left others behind.
    Forking,
    /// When its commands have ended.
    Oneshot,
    /// When it owns its name on the message bus.
    Dbus,
    /// When it says so.
    Notify,
    /// When it says so; it is reloaded by a signal and says when that is done.
    NotifyReload,
    /// At once, and started when nothing else is to be done.
    Idle,
    /// No service, but the commands of a socket unit: when its sockets are open.
    Socket,
}

/// Lists of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the directive of its name")]
pub enum Exec {
    Condition,
    StartPre,
    Start,
    StartPost,
    Reload,
    Stop,
    StopPost,
}

impl Exec {
    /// All of them.
    pub const ALL: [Exec; 7] = [
        Exec::Condition,
        Exec::StartPre,
        Exec::Start,
        Exec::StartPost,
        Exec::Reload,
        Exec::Stop,
        Exec::StopPost,
    ];

    /// The name of the directive in a service; in a socket unit [`Exec::Stop`] is `ExecStopPre=`.
    pub fn directive(self) -> &'static str {
        match self {
            Exec::Condition => "ExecCondition",
            Exec::StartPre => "ExecStartPre",
            Exec::Start => "ExecStart",
            Exec::StartPost => "ExecStartPost",
            Exec::Reload => "ExecReload",
            Exec::Stop => "ExecStop",
            Exec::StopPost => "ExecStopPost",
        }
    }
}

/// Whom the signals of a stop go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMode {
    /// Every process of the unit.
    ControlGroup,
    /// The main process first, SIGKILL later to all.
    Mixed,
    /// The main process only.
    Process,
    /// Nobody.
    None,
}

/// How a service is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// `KillMode=`.
    pub mode: KillMode,
    /// `KillSignal=`.
    pub signal: Signal,
    /// `RestartKillSignal=`: instead of it when the unit is to come back.
    pub restart_signal: Signal,
    /// `FinalKillSignal=`.
    pub final_signal: Signal,
    /// `WatchdogSignal=`.
    pub watchdog_signal: Signal,
    /// `SendSIGKILL=`.
    pub send_sigkill: bool,
    /// `SendSIGHUP=`.
    pub send_sighup: bool,
}

/// Whose notifications count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyAccess {
    /// Nobody's.
    None,
    /// The main process's.
    Main,
    /// Those of processes that were started from `Exec…=` lines.
    Exec,
    /// Those of every process of the unit.
    All,
}

/// When a service has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitType {
    /// When its main process has.
    Main,
    /// When none of its processes is left.
    Cgroup,
}

/// What follows when the kernel kills a process of the service for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomPolicy {
    /// Nothing.
    Continue,
    /// The service is stopped.
    Stop,
    /// All of it is killed.
    Kill,
}

/// A service, as its unit declares it, or the commands of a socket unit.
#[derive(Clone, Debug)]
pub struct Service {
    /// `Type=`.
    pub kind: Type,
    /// `ExitType=`.
    pub exit_type: ExitType,
    /// `Exec…=`, by [`Exec`].
    commands: [Vec<Command>; 7],
    /// `RemainAfterExit=`.
    pub remain_after_exit: bool,
    /// `PIDFile=`.
    pub pid_file: Option<String>,
    /// `GuessMainPID=`.
    pub guess_main_pid: bool,
    /// `BusName=`.
    pub bus_name: Option<String>,
    /// `NotifyAccess=`, raised to `main` where the type needs notifications.
    pub notify_access: NotifyAccess,
    /// `SuccessExitStatus=`.
    pub success: ExitStatuses,
    /// systemd.kill(5).
    pub kill: Kill,
    /// `TimeoutStartSec=`; none for ever.
    pub start_timeout: Option<Duration>,
    /// `TimeoutStopSec=`; none for ever.
    pub stop_timeout: Option<Duration>,
    /// `RuntimeMaxSec=`; none for ever.
    pub runtime_max: Option<Duration>,
    /// `WatchdogSec=`; none for no watchdog.
    pub watchdog: Option<Duration>,
    /// `OOMPolicy=`.
    pub oom_policy: OomPolicy,
    /// `FileDescriptorStoreMax=`.
    pub descriptor_store: usize,
    /// `[X-HealthCheck]`.
    pub health: Option<Box<HealthCheck>>,
    /// `Tasks=` in the section `X-Perigee`: it brings units that are parts of it ([`crate::tasks`]).
    pub tasks: bool,
}

impl Default for Service {
    /// A service that does nothing.
    fn default() -> Service {
        let (name, none) = (UnitName::parse("nothing.service"), [].as_slice());
        // The name is right.
        let unit = name.map(|name| Unit::read(name, none, &Host::default()));
        unit.map(|unit| Service::read(&unit, None, None))
            .unwrap_or_else(|_| unreachable!("the name is right"))
    }
}

impl Service {
    /// Reads what the unit says; the time-outs of starting and stopping come from its [`crate::machine::Spec`].
    pub fn read(unit: &Unit, start_timeout: Option<Duration>, stop_timeout: Option<Duration>) -> Service {
        let socket = unit.name.kind() == UnitKind::Socket;
        let section = if socket { "Socket" } else { "Service" };
        let value = |name| unit.last(section, name);
        let text = |name| match value(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let flag = |name, default| match value(name) {
            Some(Value::Bool(flag)) => *flag,
            _ => default,
        };
        let signal = |name| match value(name) {
            Some(Value::Signal(signal)) => Some(*signal),
            _ => None,
        };
        let span = |name| match value(name) {
            Some(Value::Span(span)) => span.finite().filter(|length| !length.is_zero()),
            _ => None,
        };
        let commands = Exec::ALL.map(|exec| {
            let directive = if socket && exec == Exec::Stop { "ExecStopPre" } else { exec.directive() };
            let values = unit.all(section, directive);
            let lists = values.filter_map(|value| match value {
                Value::Commands(commands) => Some(commands.clone()),
                _ => None,
            });
            lists.flatten().collect::<Vec<_>>()
        });
        let kind = match text("Type") {
            _ if socket => Type::Socket,
            Some("simple") => Type::Simple,
            Some("exec") => Type::Exec,
            Some("forking") => Type::Forking,
            Some("oneshot") => Type::Oneshot,
            Some("dbus") => Type::Dbus,
            Some("notify") => Type::Notify,
            Some("notify-reload") => Type::NotifyReload,
            Some("idle") => Type::Idle,
            _ if text("BusName").is_some() => Type::Dbus,
            _ if commands[Exec::Start as usize].is_empty() => Type::Oneshot,
            _ => Type::Simple,
        };
        let says = matches!(kind, Type::Notify | Type::NotifyReload) || span("WatchdogSec").is_some();
        let notify_access = match text("NotifyAccess") {
            Some("all") => NotifyAccess::All,
            Some("exec") => NotifyAccess::Exec,
            Some("main") => NotifyAccess::Main,
            _ if says => NotifyAccess::Main,
            _ => NotifyAccess::None,
        };
        let mut success = ExitStatuses::default();
        for value in unit.all("Service", "SuccessExitStatus") {
            if let Value::Statuses(statuses) = value {
                success.codes.extend(&statuses.codes);
                success.signals.extend(&statuses.signals);
            }
        }
        let term = signal("KillSignal").unwrap_or(Signal::TERM);
        Service {
            kind,
            exit_type: match text("ExitType") {
                Some("cgroup") => ExitType::Cgroup,
                _ => ExitType::Main,
            },
            commands,
            remain_after_exit: flag("RemainAfterExit", false),
            pid_file: text("PIDFile").map(str::to_owned),
            guess_main_pid: flag("GuessMainPID", true),
            bus_name: text("BusName").map(str::to_owned),
            notify_access,
            success,
            kill: Kill {
                mode: match text("KillMode") {
                    Some("mixed") => KillMode::Mixed,
                    Some("process") => KillMode::Process,
                    Some("none") => KillMode::None,
                    _ => KillMode::ControlGroup,
                },
                signal: term,
                restart_signal: signal("RestartKillSignal").unwrap_or(term),
                final_signal: signal("FinalKillSignal").unwrap_or(Signal::KILL),
                watchdog_signal: signal("WatchdogSignal").unwrap_or(Signal::ABRT),
                send_sigkill: flag("SendSIGKILL", true),
                send_sighup: flag("SendSIGHUP", false),
            },
            start_timeout,
            stop_timeout,
            runtime_max: span("RuntimeMaxSec"),
            watchdog: span("WatchdogSec"),
            oom_policy: match text("OOMPolicy") {
                _ if socket => OomPolicy::Continue,
                Some("continue") => OomPolicy::Continue,
                Some("kill") => OomPolicy::Kill,
                _ => OomPolicy::Stop,
            },
            descriptor_store: match value("FileDescriptorStoreMax") {
                Some(Value::Number(most)) => usize::try_from(*most).unwrap_or(0),
                _ => 0,
            },
            health: HealthCheck::read(unit).map(Box::new),
            tasks: unit.last("X-Perigee", "Tasks") == Some(&Value::Bool(true)),
        }
    }

    /// Whether it has commands at all.
    pub fn has_commands(&self) -> bool {
        self.commands.iter().any(|list| !list.is_empty())
    }

    /// The commands of a list.
    pub fn commands(&self, exec: Exec) -> &[Command] {
        &self.commands[exec as usize]
    }

    /// How a process that has ended so has done; `ignore_failure` is the `-` before its command.
    pub(super) fn judge(&self, ended: Ended, ignore_failure: bool) -> Outcome {
        let (code, signal) = match ended {
            Ended::Exit(code) => (Some(code), None),
            Ended::Signal(signal) | Ended::Core(signal) => (None, Some(signal)),
            // What was not seen is not held against it.
            Ended::Unknown => (Some(0), None),
        };
        // Commands that are to end by themselves have no clean signals.
        let daemon = self.kind != Type::Oneshot;
        let clean = code == Some(0) || daemon && signal.is_some_and(|signal| CLEAN_SIGNALS.contains(&signal));
        if clean || ignore_failure || self.success.contain(code, signal) {
            return Outcome::Success;
        }
        match ended {
            Ended::Exit(code) => Outcome::ExitCode(code),
            Ended::Signal(signal) => Outcome::Signal(signal),
            Ended::Core(signal) => Outcome::Core(signal),
            Ended::Unknown => Outcome::Success,
        }
    }
}
