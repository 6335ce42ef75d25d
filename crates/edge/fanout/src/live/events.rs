//! `GET /api/events`: one client on server-sent events (WHATWG HTML, 9.2). The messages are those of the
//! WebSocket in JSON; the event's type is the `op`.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::body::Body;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::{HeaderValue, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::client::Client;
use super::outbox::Next;
use super::queue::Frame;
use crate::http::guard::Caller;
use crate::http::input::{Params, selection, topics};
use crate::station::Station;
use crate::wire::Format;
use crate::wire::client::Subscribe;

/// What to follow, in the query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    parameters: Option<String>,
    topics: Option<String>,
    #[serde(default)]
    every: u32,
}

/// Opens the stream.
pub(crate) async fn open(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<Query>,
) -> Result<Response, Refusal> {
    let subscribe = Subscribe {
        parameters: selection(query.parameters.as_deref())?,
        topics: topics(query.topics.as_deref())?,
        every: query.every,
    };
    let client = Client::join(&station, Format::Json)?;
    client.subscribe(&subscribe);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(events(station, caller, client))).into_response())
}

/// The events; ends when the station stops, the session has ended or the client is far too slow.
fn events(
    station: Arc<Station>,
    caller: Caller,
    client: Client,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let linger = station.config.linger;
    let ping = station.config.ping;
    // Kept from one message to the next: the stream is checked however busy it is.
    let mut checks = interval_at(Instant::now() + ping, ping);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = (station, caller, client, checks, false);
    stream::unfold(begun, move |(station, caller, client, mut checks, pause)| async move {
        if pause {
            sleep(linger).await;
        }
        let (octets, pause) = tokio::select! {
            next = client.outbox.next() => match next {
                Next::Frame(frame) => {
                    client.count_sent(&frame);
                    (event(&frame), frame.samples > 0)
                }
                Next::Overflown => return None,
            },
            _ = checks.tick() => {
                if !caller.is_good(&station.access) {
                    return None;
                }
                // A comment: it keeps what is in between from closing the connection, and shows when the client is gone.
                (Bytes::from_static(b":\n\n"), false)
            }
            () = station.stopping.cancelled() => return None,
        };
        Some((Ok(octets), (station, caller, client, checks, pause)))
    })
}

/// JSON as it is written here has no line breaks, so one `data:` line holds all of it.
fn event(frame: &Frame) -> Bytes {
    let mut octets = Vec::with_capacity(frame.message.octets.len() + 32);
    octets.extend_from_slice(b"event: ");
    octets.extend_from_slice(frame.message.op.as_bytes());
    octets.extend_from_slice(b"\ndata: ");
    octets.extend_from_slice(&frame.message.octets);
    octets.extend_from_slice(b"\n\n");
    octets.into()
}
