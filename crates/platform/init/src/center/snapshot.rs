//! What is known of one unit at one moment.

use std::sync::Arc;
use std::time::Duration;

use perigee_units::health::Standing;
use perigee_units::machine::{Cause, Outcome, State};
use serde::{Serialize, Serializer};

/// What is known of one unit at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// Its name.
    #[serde(serialize_with = "text")]
    pub name: Arc<str>,
    /// What it says about itself in its file.
    #[serde(serialize_with = "text")]
    pub description: Arc<str>,
    /// What it is doing.
    pub state: State,
    /// What it is doing, more exactly: `start-pre`, `running`, `auto-restart`.
    #[serde(serialize_with = "text")]
    pub phase: Arc<str>,
    /// Why it came into its state; none as long as it never had another one.
    pub cause: Option<Cause>,
    /// How it has ended last.
    #[serde(serialize_with = "shown")]
    pub outcome: Outcome,
    /// Since when it has its state, in time since the machine was started.
    pub since: Duration,
    /// The number of the event that told its last change; 0 before the first.
    pub sequence: u64,
    /// How often it was started again by itself since it was started from being down.
    pub restarts: u32,
    /// When it will be started again, if it waits for that.
    pub restart_at: Option<Duration>,
    /// Whether it does its work, where it is asked for that and is there.
    pub health: Option<Standing>,
    /// Its main process.
    pub main_pid: Option<i32>,
    /// What it says about itself with `STATUS=`.
    #[serde(serialize_with = "some_text")]
    pub status: Option<Arc<str>>,
    /// Its control group, below the supervisor's.
    #[serde(serialize_with = "some_text")]
    pub group: Option<Arc<str>>,
    /// What of its settings does not hold, each in words.
    #[serde(serialize_with = "texts")]
    pub unmet: Arc<[String]>,
}

impl Snapshot {
    /// A unit of which nothing is known but its name.
    pub fn new(name: &str) -> Snapshot {
        Snapshot {
            name: Arc::from(name),
            description: Arc::from(""),
            state: State::Inactive,
            phase: Arc::from("dead"),
            cause: None,
            outcome: Outcome::Success,
            since: Duration::ZERO,
            sequence: 0,
            restarts: 0,
            restart_at: None,
            health: None,
            main_pid: None,
            status: None,
            group: None,
            unmet: Arc::from([]),
        }
    }
}

pub(super) fn shown<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(outcome)
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

pub(super) fn some_text<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

fn texts<S: Serializer>(texts: &Arc<[String]>, serializer: S) -> Result<S::Ok, S::Error> {
    texts.as_ref().serialize(serializer)
}
