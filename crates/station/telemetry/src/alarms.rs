//! Alarms as operators see them: raised, worsened, cleared, acknowledged, ended.
//!
//! An alarm is raised when a parameter has violated its limits so many times in a row as the mission
//! database asks for. It is *cleared* when the values are good again, but stays on the list until
//! somebody has acknowledged it; one that was acknowledged before ends when it clears. A worse severity
//! than the acknowledged one asks for a new acknowledgement.

use perigee_part::Timestamp;
use perigee_xtce::{ParameterId, Severity};
use serde::{Deserialize, Serialize};

/// An alarm on the list.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmState {
    /// Number of this alarm, unique in the archive.
    pub id: i64,
    /// The parameter.
    pub parameter: ParameterId,
    /// The worst severity since it was raised.
    pub severity: Severity,
    /// The value that violated last, as the interfaces write it.
    pub value: serde_json::Value,
    /// The limit that it violated, in words.
    pub limit: String,
    /// Generation time of the value that raised it.
    pub triggered: Timestamp,
    /// Generation time of the value that violated last.
    pub latest: Timestamp,
    /// Violations since it was raised, those before it tripped included.
    pub count: u64,
    /// When the values were good again; `None` while it is active.
    pub cleared: Option<Timestamp>,
    /// Who has taken note.
    pub acknowledged: Option<Acknowledgement>,
}

impl AlarmState {
    /// Whether the values still violate the limits.
    pub fn is_active(&self) -> bool {
        self.cleared.is_none()
    }
}

/// Somebody has taken note of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Account.
    pub by: String,
    /// When, in nanoseconds of the Unix epoch.
    pub at: i64,
    /// What they said of it.
    pub comment: String,
}

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmEvent {
    /// The parameter violates its limits.
    Raised,
    /// It violates more severe limits than before.
    Worsened,
    /// It still does; said at most once a second.
    Violated,
    /// Its values are good again, but nobody has acknowledged the alarm yet.
    Cleared,
    /// Somebody has taken note.
    Acknowledged,
    /// The alarm has left the list.
    Ended,
}

/// A change of one alarm, with its state after it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmChange {
    /// What happened.
    pub event: AlarmEvent,
    /// The alarm now.
    pub alarm: AlarmState,
}

/// Why an alarm could not be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// The parameter has no alarm.
    #[error("there is no alarm of this parameter")]
    NoAlarm,
    /// Somebody was faster.
    #[error("{0} has acknowledged this alarm already")]
    Already(String),
}

/// An alarm as the archive keeps it.
#[derive(Clone, Debug)]
pub(crate) struct AlarmRecord {
    pub(crate) id: i64,
    /// Qualified name.
    pub(crate) parameter: String,
    pub(crate) triggered: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    details: Details,
}

/// What is not in a column of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Details {
    severity: u8,
    value: serde_json::Value,
    limit: String,
    latest: i64,
    count: u64,
    cleared: Option<i64>,
    acknowledged: Option<Acknowledgement>,
}

impl AlarmRecord {
    pub(crate) fn new(alarm: &AlarmState, parameter: &str, ended: Option<Timestamp>) -> Self {
        Self {
            id: alarm.id,
            parameter: parameter.to_owned(),
            triggered: alarm.triggered,
            ended,
            details: Details {
                severity: alarm.severity as u8,
                value: alarm.value.clone(),
                limit: alarm.limit.clone(),
                latest: alarm.latest.0,
                count: alarm.count,
                cleared: alarm.cleared.map(|at| at.0),
                acknowledged: alarm.acknowledged.clone(),
            },
        }
    }

    /// Reads a row; `None` where its details make no sense.
    pub(crate) fn read(id: i64, parameter: String, triggered: i64, details: &str) -> Option<Self> {
        let details = serde_json::from_str(details).ok()?;
        Some(Self { id, parameter, triggered: Timestamp(triggered), ended: None, details })
    }

    /// The same alarm, ended now.
    pub(crate) fn end(self) -> Self {
        Self { ended: Some(Timestamp::now()), ..self }
    }

    pub(crate) fn details(&self) -> String {
        serde_json::to_string(&self.details).unwrap_or_default()
    }

    pub(crate) fn state(self, parameter: ParameterId) -> AlarmState {
        AlarmState {
            id: self.id,
            parameter,
            severity: Severity::ALL.get(usize::from(self.details.severity)).copied().unwrap_or_default(),
            value: self.details.value,
            limit: self.details.limit,
            triggered: self.triggered,
            latest: Timestamp(self.details.latest),
            count: self.details.count,
            cleared: self.details.cleared.map(Timestamp),
            acknowledged: self.details.acknowledged,
        }
    }
}
