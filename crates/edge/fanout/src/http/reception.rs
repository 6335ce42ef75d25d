//! What the links receive, what was not decoded of it, and what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use perigee_link::LinkStatus;
use perigee_part::Timestamp;
use perigee_part::http::Refusal;
use perigee_part::http::axum::Json;
use perigee_part::http::axum::extract::State;
use serde::{Deserialize, Serialize};

use super::input::{Params, bad};
use super::values::from_archive;
use crate::station::Station;
use crate::wire::sample::Hex;

#[derive(Serialize)]
pub(crate) struct Links {
    links: Vec<LinkStatus>,
}

/// `GET /api/links`
pub(crate) async fn links(State(station): State<Arc<Station>>) -> Json<Links> {
    Json(Links { links: station.links.statuses() })
}

/// What was not decoded, and why.
#[derive(Serialize)]
pub(crate) struct Rejections {
    total: u64,
    by_reason: BTreeMap<&'static str, u64>,
    recent: Vec<Rejection>,
}

#[derive(Serialize)]
struct Rejection {
    t: i64,
    link: String,
    vcid: Option<u8>,
    apid: Option<u16>,
    reason: &'static str,
    detail: String,
    length: u64,
    octets: String,
}

/// Cases that are shown; the counts are of all.
const MAX_RECENT: usize = 64;

impl Rejections {
    /// How many since the node started.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// As of now.
    pub(crate) fn now(station: &Station) -> Self {
        let now = station.telemetry.rejections();
        let recent = now.recent.into_iter().take(MAX_RECENT).map(|rejection| Rejection {
            t: rejection.received.as_millis(),
            link: rejection.link.to_string(),
            vcid: rejection.vcid,
            apid: rejection.apid,
            reason: rejection.reason,
            detail: rejection.detail,
            length: rejection.length,
            octets: Hex(&rejection.octets).to_string(),
        });
        Self { total: now.total, by_reason: now.by_reason, recent: recent.collect() }
    }
}

/// `GET /api/rejections`
pub(crate) async fn rejections(State(station): State<Arc<Station>>) -> Json<Rejections> {
    Json(Rejections::now(&station))
}

/// A stretch of time in the query string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stretch {
    start: i64,
    end: i64,
}

#[derive(Serialize)]
pub(crate) struct Completeness {
    channels: Vec<Channel>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct Channel {
    link: String,
    scid: Option<u16>,
    vcid: Option<u8>,
    apid: Option<u16>,
    spans: Vec<(i64, i64, u64)>,
    gaps: Vec<(i64, i64, u64)>,
}

/// `GET /api/completeness`
pub(crate) async fn completeness(
    State(station): State<Arc<Station>>,
    Params(Stretch { start, end }): Params<Stretch>,
) -> Result<Json<Completeness>, Refusal> {
    if end < start {
        return Err(bad("end is before start"));
    }
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    let found = station.query(move |station| station.telemetry.completeness(start, end)).await?;
    let perigee_telemetry::Completeness { channels, truncated } = found.map_err(from_archive)?;
    let millis = |nanoseconds| Timestamp(nanoseconds).as_millis();
    let channels = channels.into_iter().map(|channel| Channel {
        link: channel.link,
        scid: channel.scid,
        vcid: channel.vcid,
        apid: channel.apid,
        spans: channel.spans.iter().map(|span| (millis(span.start), millis(span.end), span.count)).collect(),
        gaps: channel.gaps.iter().map(|gap| (millis(gap.start), millis(gap.end), gap.missing)).collect(),
    });
    Ok(Json(Completeness { channels: channels.collect(), truncated }))
}
