//! Alarms, and who has seen them.

use std::sync::Arc;

use perigee_part::Timestamp;
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::StatusCode;
use perigee_part::http::axum::response::Response;
use perigee_telemetry::{AcknowledgeError, AlarmState};
use perigee_xtce::ParameterId;
use serde::{Deserialize, Serialize};

use super::guard::Caller;
use super::input::{Body, Segment, bad, internal, json};
use crate::station::Station;
use crate::wire::sample::Structured;

/// The longest comment, in characters.
const MAX_COMMENT: usize = 1000;

/// An alarm as the wire shows it.
#[derive(Serialize)]
pub(crate) struct Alarm<'a> {
    id: u32,
    name: &'a str,
    severity: &'static str,
    value: Structured<'a>,
    limit: &'a str,
    triggered: i64,
    count: u64,
    state: &'static str,
    acknowledged: Option<Acknowledged<'a>>,
}

#[derive(Serialize)]
struct Acknowledged<'a> {
    by: &'a str,
    at: i64,
    comment: &'a str,
}

impl<'a> Alarm<'a> {
    /// Shows one; `None` when its parameter is not of this database.
    pub(crate) fn of(station: &'a Station, state: &'a AlarmState) -> Option<Self> {
        let parameter = station.database.parameter(state.parameter)?;
        let acknowledged = state.acknowledged.as_ref().map(|seen| Acknowledged {
            by: &seen.by,
            at: Timestamp(seen.at).as_millis(),
            comment: &seen.comment,
        });
        Some(Self {
            id: state.parameter.0,
            name: &parameter.name,
            severity: state.severity.name(),
            value: Structured(&state.value),
            limit: &state.limit,
            triggered: state.triggered.as_millis(),
            count: state.count,
            state: if state.is_active() { "active" } else { "cleared" },
            acknowledged,
        })
    }
}

#[derive(Serialize)]
struct Alarms<'a> {
    alarms: Vec<Alarm<'a>>,
}

/// `GET /api/alarms`
pub(crate) async fn list(State(station): State<Arc<Station>>) -> Result<Response, Refusal> {
    let states = station.telemetry.alarms();
    let alarms = states.iter().filter_map(|state| Alarm::of(&station, state)).collect();
    json(&Alarms { alarms })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comment {
    #[serde(default)]
    comment: String,
}

/// `POST /api/alarms/{id}/acknowledge`
pub(crate) async fn acknowledge(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment<u32>,
    Body(Comment { comment }): Body<Comment>,
) -> Result<Response, Refusal> {
    if comment.chars().count() > MAX_COMMENT {
        return Err(bad(format!("the comment is longer than {MAX_COMMENT} characters")));
    }
    let missing = move || {
        Refusal::new(StatusCode::NOT_FOUND, "not-found", format!("there is no alarm of parameter {id}"))
            .hint("it may have been acknowledged and cleared already")
    };
    let name = station.database.parameter(ParameterId(id)).ok_or_else(missing)?.name.clone();
    let who = caller.identity.name;
    let refuse = move |error: AcknowledgeError| match error {
        AcknowledgeError::NoAlarm => missing(),
        AcknowledgeError::Already(_) => Refusal::new(StatusCode::CONFLICT, "acknowledged", error.to_string()),
    };
    let state = Arc::clone(&station).blocking(move |station| {
        let alarm = station.telemetry.alarms().into_iter().find(|alarm| alarm.parameter.0 == id);
        if let Some(before) = alarm.ok_or_else(missing)?.acknowledged {
            return Err(refuse(AcknowledgeError::Already(before.by)));
        }
        let record = |what: &str| station.access.audit(&who, what, &name, &comment);
        record("alarm.acknowledge").map_err(|error| internal(&error.to_string()))?;
        station.telemetry.acknowledge(ParameterId(id), &who, &comment).map_err(|error| {
            // Somebody was faster since the look above; the refusal is what the caller must hear of.
            let _ = record("alarm.acknowledge.failed");
            refuse(error)
        })
    });
    let state = state.await??;
    json(&Alarm::of(&station, &state).ok_or_else(missing)?)
}
