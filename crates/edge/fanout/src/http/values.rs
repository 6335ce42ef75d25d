//! Values, the latest and those of the archive.

use std::sync::Arc;

use perigee_part::Timestamp;
use perigee_part::http::Refusal;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::StatusCode;
use perigee_part::http::axum::response::Response;
use perigee_telemetry::{ArchiveError, History, HistoryQuery, MAX_POINTS};
use perigee_xtce::{Parameter, ParameterId};
use serde::{Deserialize, Serialize};

use super::input::{Params, bad, internal, json, selection};
use crate::dictionary::{latest_of, view};
use crate::station::Station;
use crate::wire::client::Selection;
use crate::wire::sample::{Sample, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LatestQuery {
    parameters: Option<String>,
}

#[derive(Serialize)]
struct Latest<'a> {
    samples: Vec<Sample<'a>>,
}

/// `GET /api/latest`
pub(crate) async fn latest(
    State(station): State<Arc<Station>>,
    Params(query): Params<LatestQuery>,
) -> Result<Response, Refusal> {
    let parameters = station.database.parameters().len() as u32;
    let ids: Vec<_> = match query.parameters.as_deref().map(|text| selection(Some(text))).transpose()? {
        None | Some(Selection::All) => (0..parameters).map(ParameterId).collect(),
        Some(Selection::Nothing) => Vec::new(),
        Some(Selection::Ids(ids)) => match ids.iter().find(|id| **id >= parameters) {
            Some(id) => return Err(unknown(*id)),
            None => ids.into_iter().map(ParameterId).collect(),
        },
    };
    let held = station.telemetry.latest(&ids);
    json(&Latest {
        samples: held.iter().flatten().filter_map(|held| latest_of(&station.database, held)).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    parameter: u32,
    start: i64,
    end: i64,
    points: Option<u32>,
}

#[derive(Serialize)]
struct Answer<'a> {
    samples: Vec<Point<'a>>,
    sampled: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct Point<'a> {
    t: i64,
    v: Value<'a>,
    s: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Value<'a>>,
}

/// `GET /api/history`
pub(crate) async fn history(
    State(station): State<Arc<Station>>,
    Params(Range { parameter, start, end, points }): Params<Range>,
) -> Result<Response, Refusal> {
    if end < start {
        return Err(bad("end is before start"));
    }
    if points.is_some_and(|points| points == 0 || points > MAX_POINTS) {
        return Err(bad(format!("points must be from 1 to {MAX_POINTS}")));
    }
    let id = ParameterId(parameter);
    if station.database.parameter(id).is_none() {
        return Err(unknown(parameter));
    }
    // The archive leaves the end out; here it is included, to the millisecond.
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end.saturating_add(1)));
    let answer = station.query(move |station| {
        let history = station.telemetry.history(HistoryQuery { parameter: id, start, end, points });
        let history = history.map_err(from_archive)?;
        let parameter = station.database.parameter(id).ok_or_else(|| unknown(parameter))?;
        json(&show(&history, parameter))
    });
    answer.await?
}

fn show<'a>(history: &'a History, parameter: &'a Parameter) -> Answer<'a> {
    let show = |value| view(value, &history.arena, parameter);
    let extreme = |value| Some(show(value)).filter(|value| *value != Value::Absent);
    let point = |sample: &perigee_telemetry::HistorySample| Point {
        t: sample.generated.as_millis(),
        v: show(sample.eng),
        s: sample.severity.name(),
        min: extreme(sample.min),
        max: extreme(sample.max),
    };
    Answer {
        samples: history.samples.iter().map(point).collect(),
        sampled: history.sampled,
        truncated: history.truncated,
    }
}

/// Why the archive did not answer.
pub(crate) fn from_archive(error: ArchiveError) -> Refusal {
    match error {
        ArchiveError::Busy => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()),
        ArchiveError::NotOpen => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no-archive", error.to_string())
        }
        other => internal(&other.to_string()),
    }
}

fn unknown(id: u32) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "unknown-parameter", format!("there is no parameter {id}"))
        .hint("/api/parameters lists them")
}
