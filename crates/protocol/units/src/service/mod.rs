//! The life of one service, from `ExecCondition=` to `ExecStopPost=`: which command runs next, which signal is sent
//! when, when it is ready and how it has ended, as systemd.service(5) and systemd.kill(5) have it.
//!
//! [`Service`] is what the unit says, [`Life`] the state machine. It starts no process and reads no clock: whoever
//! runs it carries out each [`Action`] and tells what came of it. The supervisor's [`crate::machine`] says when it
//! starts and stops, and is told by [`Action::Report`].

mod life;
mod settings;
mod stopping;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use life::{Action, Ended, Life, Role, Sender};
pub use settings::{Exec, ExitType, Kill, KillMode, NotifyAccess, OomPolicy, Service, Type};

/// What a service is doing, finer than the state of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing.
    #[default]
    Dead,
    /// `ExecCondition=` runs.
    Condition,
    /// `ExecStartPre=` runs.
    StartPre,
    /// `ExecStart=` runs, or is to say that it is ready.
    Start,
    /// `ExecStartPost=` runs.
    StartPost,
    /// It is there.
    Running,
    /// It has done its work, and counts as there.
    Exited,
    /// `ExecReload=` runs, or it has said that it reloads.
    Reload,
    /// `ExecStop=` runs.
    Stop,
    /// It has missed its watchdog, and was told so by a signal.
    StopWatchdog,
    /// It was asked to end by a signal.
    StopSigterm,
    /// It was killed.
    StopSigkill,
    /// `ExecStopPost=` runs.
    StopPost,
    /// What is left of it was asked to end.
    FinalSigterm,
    /// What is left of it was killed.
    FinalSigkill,
}

impl Phase {
    /// As systemd names its sub-states.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Dead => "dead",
            Phase::Condition => "condition",
            Phase::StartPre => "start-pre",
            Phase::Start => "start",
            Phase::StartPost => "start-post",
            Phase::Running => "running",
            Phase::Exited => "exited",
            Phase::Reload => "reload",
            Phase::Stop => "stop",
            Phase::StopWatchdog => "stop-watchdog",
            Phase::StopSigterm => "stop-sigterm",
            Phase::StopSigkill => "stop-sigkill",
            Phase::StopPost => "stop-post",
            Phase::FinalSigterm => "final-sigterm",
            Phase::FinalSigkill => "final-sigkill",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
