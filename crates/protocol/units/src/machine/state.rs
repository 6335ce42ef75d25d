//! The states of a unit, and every way from one to another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::Signal;

/// What a unit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing; it was not started, or has ended well.
    Inactive,
    /// It is being started, or waits to be started again.
    Activating,
    /// It is there.
    Active,
    /// It is there, and reads its configuration again.
    Reloading,
    /// It is being stopped.
    Deactivating,
    /// It has ended badly, and is not started again by itself.
    Failed,
}

/// Why a unit goes from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A job starts it.
    Start,
    /// It has said that it is ready.
    Ready,
    /// It has done what it was started for, or ended well.
    Done,
    /// It was not started, since a condition does not hold.
    Skipped,
    /// It has ended badly, or could not be started.
    Failure,
    /// It has ended, and will be started again after a while.
    Restart,
    /// It was started too often.
    StartLimit,
    /// A job stops it.
    Stop,
    /// It took too long to start.
    Timeout,
    /// It goes down, without having been asked to.
    Ending,
    /// It is stopped.
    Stopped,
    /// It could not be stopped, not even by force.
    GaveUp,
    /// A job reloads it, or it has said that it reloads by itself.
    Reload,
    /// It has reloaded, or has not done so in time.
    Reloaded,
    /// Its failure is forgotten.
    Reset,
    /// It is there, by nobody's doing here: a device.
    Appeared,
    /// It has gone, as it has come.
    Vanished,
}

use Cause as C;
use State::{Activating, Active, Deactivating, Failed, Inactive, Reloading};

/// Every legal transition. Nothing else changes a state.
pub const TRANSITIONS: [(State, Cause, State); 35] = [
    (Inactive, C::Start, Activating),
    (Inactive, C::StartLimit, Failed),
    (Failed, C::Start, Activating),
    (Failed, C::StartLimit, Failed),
    (Failed, C::Reset, Inactive),
    // Started again after it has waited.
    (Activating, C::Start, Activating),
    (Activating, C::Ready, Active),
    (Activating, C::Done, Inactive),
    (Activating, C::Skipped, Inactive),
    (Activating, C::Failure, Failed),
    (Activating, C::Restart, Activating),
    (Activating, C::StartLimit, Failed),
    (Activating, C::Timeout, Deactivating),
    (Activating, C::Stop, Deactivating),
    (Activating, C::Ending, Deactivating),
    // While it waited there was nothing to stop.
    (Activating, C::Stopped, Inactive),
    (Active, C::Done, Inactive),
    (Active, C::Failure, Failed),
    (Active, C::Restart, Activating),
    (Active, C::Reload, Reloading),
    (Active, C::Stop, Deactivating),
    (Active, C::Ending, Deactivating),
    (Reloading, C::Reloaded, Active),
    (Reloading, C::Done, Inactive),
    (Reloading, C::Failure, Failed),
    (Reloading, C::Restart, Activating),
    (Reloading, C::Stop, Deactivating),
    (Reloading, C::Ending, Deactivating),
    (Deactivating, C::Stopped, Inactive),
    (Deactivating, C::Done, Inactive),
    (Deactivating, C::Failure, Failed),
    (Deactivating, C::Restart, Activating),
    (Deactivating, C::GaveUp, Failed),
    // Devices know no other ways.
    (Inactive, C::Appeared, Active),
    (Active, C::Vanished, Inactive),
];

/// Whether a unit may go from one state to another for this cause.
pub fn is_legal(from: State, cause: Cause, to: State) -> bool {
    TRANSITIONS.contains(&(from, cause, to))
}

impl State {
    /// All of them.
    pub const ALL: [State; 6] = [Inactive, Activating, Active, Reloading, Deactivating, Failed];

    /// Whether the unit is there.
    pub fn is_active(self) -> bool {
        matches!(self, Active | Reloading)
    }

    /// Whether nothing of it runs, and nothing will by itself.
    pub fn is_down(self) -> bool {
        matches!(self, Inactive | Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Inactive => "inactive",
            Activating => "activating",
            Active => "active",
            Reloading => "reloading",
            Deactivating => "deactivating",
            Failed => "failed",
        })
    }
}

/// How a unit has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// Well.
    Success,
    /// It was not started, since a condition does not hold.
    Skipped,
    /// With this exit status.
    ExitCode(u8),
    /// By this signal.
    Signal(Signal),
    /// By this signal, leaving a core.
    Core(Signal),
    /// It took too long.
    Timeout,
    /// The kernel has killed a process of it for want of memory.
    OomKill,
    /// It did not say in time that it lives.
    Watchdog,
    /// It did not answer well when it was asked whether it does its work.
    Unhealthy,
    /// It did not do what it must to be ready.
    Protocol,
    /// It could not be started: no such program, no such user, no memory.
    Resources,
    /// What it asserts of the machine does not hold.
    Assert,
    /// Its files say what cannot be done, or is not done where all of it must be.
    Refused,
    /// It was started too often.
    StartLimit,
    /// It has started its unit too often.
    TriggerLimit,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Success => f.write_str("success"),
            Outcome::Skipped => f.write_str("skipped"),
            Outcome::ExitCode(code) => write!(f, "exit-code {code}"),
            Outcome::Signal(signal) => write!(f, "signal {signal}"),
            Outcome::Core(signal) => write!(f, "core-dump {signal}"),
            Outcome::Timeout => f.write_str("timeout"),
            Outcome::OomKill => f.write_str("oom-kill"),
            Outcome::Watchdog => f.write_str("watchdog"),
            Outcome::Unhealthy => f.write_str("unhealthy"),
            Outcome::Protocol => f.write_str("protocol"),
            Outcome::Resources => f.write_str("resources"),
            Outcome::Assert => f.write_str("assert"),
            Outcome::Refused => f.write_str("refused"),
            Outcome::StartLimit => f.write_str("start-limit"),
            Outcome::TriggerLimit => f.write_str("trigger-limit"),
        }
    }
}
