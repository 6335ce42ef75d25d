//! Jobs: what was asked of a unit and is not done yet. A unit has one at most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, UnitId};

/// A job, by the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// What is asked of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Be there.
    Start,
    /// Be there no more.
    Stop,
    /// Stop if it is there, then start.
    Restart,
    /// Read the configuration again.
    Reload,
}

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobOutcome {
    /// What was asked is so.
    Done,
    /// A condition does not hold, and the unit was not started.
    Skipped,
    /// The unit failed.
    Failed,
    /// A unit that it needs is not there.
    Dependency,
    /// A contrary request came.
    Cancelled,
    /// It took too long.
    Timeout,
}

/// A job that is not done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) unit: UnitId,
    pub(super) verb: Verb,
    /// It has begun to work; before, it waits for others.
    pub(super) running: bool,
    pub(super) deadline: Option<Duration>,
    /// A unit after which it comes, and whose start it has waited for when it was looked at last.
    pub(super) waits_for: Option<UnitId>,
    /// Where that one stands among those after which it comes; the search goes on from there.
    pub(super) looked_at: usize,
    /// How it was asked for.
    #[serde(default)]
    pub(super) mode: Mode,
}

impl Job {
    /// Whether the unit will be stopped by it before anything else.
    pub(super) fn stops(&self) -> bool {
        matches!(self.verb, Verb::Stop | Verb::Restart)
    }

    /// Whether the unit will be there in the end.
    pub(super) fn starts(&self) -> bool {
        self.verb != Verb::Stop
    }
}
