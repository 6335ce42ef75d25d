//! `GET /api/units/{name}/log`: the last records of a unit, then every new one, as server-sent events. Each event
//! `record` is the record as it is on disk (see `base/journal`).

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use perigee_journal::{Follower, Query, Reader, Record};
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::body::Body;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::{HeaderValue, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::client::place;
use crate::http::guard::Caller;
use crate::http::input::{Params, Segment, bad, internal};
use crate::http::units::{check_machine, find};
use crate::station::Station;

/// Records that may be asked for before the new ones.
const MOST_LINES: usize = 1000;
/// Octets of one event stream's piece; what more there is comes with the next.
const PIECE: usize = 256 << 10;
/// How often it is looked for new records.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How much of the past, in the query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    #[serde(default = "some_lines")]
    lines: usize,
}

fn some_lines() -> usize {
    100
}

/// Follows one unit.
struct Following {
    station: Arc<Station>,
    caller: Caller,
    query: Arc<Query>,
    /// Away while it reads.
    follower: Option<Follower>,
    first: Option<Bytes>,
    spoke: Instant,
    _place: OwnedSemaphorePermit,
}

/// Opens the stream.
pub(crate) async fn open(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    Segment(name): Segment<String>,
    Params(past): Params<Past>,
) -> Result<Response, Refusal> {
    if past.lines > MOST_LINES {
        return Err(bad(format!("no more than {MOST_LINES} lines at once")));
    }
    check_machine(&station, &caller, &name)?;
    let place = place(&station)?;
    let found = find(&station, &name).await?;
    let folders = station.supervisors.logs_of(&name);
    let reader = Reader::new(folders.unwrap_or_default());
    let query = Arc::new(Query::default().unit(&found.unit.listed.unit));
    let read = {
        let (reader, query) = (reader.clone(), Arc::clone(&query));
        tokio::task::spawn_blocking(move || reader.last(past.lines, &query)).await
    };
    let read = read.map_err(|error| internal(&error.to_string()))?;
    let (records, behind) = read.map_err(|error| internal(&error.to_string()))?;
    let mut first = b"event: begin\ndata: {}\n\n".to_vec();
    records.iter().for_each(|record| event(record, &mut first));
    let following = Following {
        station,
        caller,
        query,
        follower: Some(reader.follow(behind)),
        first: Some(first.into()),
        spoke: Instant::now(),
        _place: place,
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(events(following))).into_response())
}

/// A record is a line of JSON, and so one `data:` line.
fn event(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: record\ndata: ");
    record.encode(out);
    while out.last() == Some(&b'\n') {
        out.pop();
    }
    out.extend_from_slice(b"\n\n");
}

/// The events; ends when the station stops, the session has ended or the log cannot be read.
fn events(following: Following) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(following, |mut this| async move {
        if let Some(first) = this.first.take() {
            return Some((Ok(first), this));
        }
        loop {
            let octets = this.look().await?;
            if !octets.is_empty() {
                this.spoke = Instant::now();
                return Some((Ok(octets.into()), this));
            }
            if this.spoke.elapsed() >= this.station.config.ping {
                this.spoke = Instant::now();
                // A comment: it keeps what is in between from closing the connection.
                return Some((Ok(Bytes::from_static(b":\n\n")), this));
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = this.station.stopping.cancelled() => return None,
            }
        }
    })
}

impl Following {
    /// What is new, as events; none if the stream is to end.
    async fn look(&mut self) -> Option<Vec<u8>> {
        if !self.caller.is_good(&self.station.access) {
            return None;
        }
        let mut follower = self.follower.take()?;
        let query = Arc::clone(&self.query);
        let read = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            let flow = follower.read(&query, &mut |record| {
                event(record, &mut out);
                if out.len() < PIECE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            flow.map(|_| (follower, out))
        });
        let (follower, octets) = read.await.ok()?.ok()?;
        self.follower = Some(follower);
        Some(octets)
    }
}
