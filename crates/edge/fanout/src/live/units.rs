//! `GET /api/units/events`: every change of a unit's state as it happens, as server-sent events.
//!
//! `change` is one change; `missed` says that this client was too slow for some, and should ask for the units again.
//! `?station=N&machine=N` begins with the changes from these numbers on, as far as they are kept; `missed` tells of others.
//! The stream ends when a supervisor goes; whoever opens it again should ask for the units again too.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use perigee_init::control::{Change, Reply, Request};
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::body::Body;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::http::{HeaderValue, header};
use perigee_part::http::axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::client::place;
use crate::http::guard::Caller;
use crate::http::input::Params;
use crate::station::Station;
use crate::supervisors::{Connection, Supervisors, Trouble, Which};

/// Watches both supervisors, as far as they are there.
struct Watch {
    station: Arc<Station>,
    caller: Caller,
    connections: [Option<Connection>; 2],
    checks: Interval,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

#[derive(Serialize)]
struct Changed<'a> {
    supervisor: Which,
    #[serde(flatten)]
    change: &'a Change,
}

#[derive(Serialize)]
struct Missed {
    supervisor: Which,
    from: u64,
    to: u64,
}

/// From which change on, by the numbers of each supervisor; from now on where nothing is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    station: Option<u64>,
    machine: Option<u64>,
}

impl From {
    fn of(&self, which: Which, supervisors: &Supervisors) -> Option<u64> {
        match which {
            Which::Station => self.station,
            // Where the station's parts are units of the machine's, both are counted together.
            Which::Machine if supervisors.station.is_none() => self.machine.or(self.station),
            Which::Machine => self.machine,
        }
    }
}

/// Opens the stream.
pub(crate) async fn open(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    Params(from): Params<From>,
) -> Result<Response, Refusal> {
    let place = place(&station)?;
    let mut connections = [None, None];
    let has_parts = station.supervisors.of_parts();
    for (which, runtime) in station.supervisors.all() {
        // That of the machine may be gone for a moment; without that of the station's parts nothing is to be seen.
        match watch(runtime, from.of(which, &station.supervisors)).await {
            Ok(connection) => connections[which as usize] = Some(connection),
            Err(trouble) if Some(which) == has_parts => return Err(trouble.into()),
            Err(_) => {}
        }
    }
    let ping = station.config.ping;
    // Kept from one message to the next: the stream is checked however busy it is.
    let mut checks = interval_at(Instant::now() + ping, ping);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { station, caller, connections, checks, begun: false, _place: place };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(events(watch))).into_response())
}

async fn watch(runtime: &std::path::Path, from: Option<u64>) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(runtime).await?;
    connection.send(&Request::Watch { from }).await?;
    Ok(connection)
}

/// The events; ends when the station stops, the session has ended or a supervisor goes.
fn events(watch: Watch) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(watch, |mut watch| async move {
        if !std::mem::replace(&mut watch.begun, true) {
            // Whoever asks for the units after this misses nothing.
            return Some((Ok(Bytes::from_static(b"event: begin\ndata: {}\n\n")), watch));
        }
        loop {
            let [station, machine] = &mut watch.connections;
            let (which, reply) = tokio::select! {
                reply = next(station) => (Which::Station, reply),
                reply = next(machine) => (Which::Machine, reply),
                _ = watch.checks.tick() => {
                    if !watch.caller.is_good(&watch.station.access) {
                        return None;
                    }
                    // A comment: it keeps what is in between from closing the connection.
                    return Some((Ok(Bytes::from_static(b":\n\n")), watch));
                }
                () = watch.station.stopping.cancelled() => return None,
            };
            if let Some(event) = event(&watch.station.supervisors, which, &reply.ok()?) {
                return Some((Ok(event), watch));
            }
        }
    })
}

/// The next line of a connection; of none there never is one.
async fn next(connection: &mut Option<Connection>) -> Result<Reply, Trouble> {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

fn event(supervisors: &Supervisors, supervisor: Which, reply: &Reply) -> Option<Bytes> {
    let (name, data) = match reply {
        Reply::Change(change) => {
            let supervisor = supervisors.whose(&change.unit, supervisor);
            ("change", serde_json::to_string(&Changed { supervisor, change }).ok()?)
        }
        Reply::Missed { from, to } => {
            ("missed", serde_json::to_string(&Missed { supervisor, from: *from, to: *to }).ok()?)
        }
        _ => return None,
    };
    Some(format!("event: {name}\ndata: {data}\n\n").into())
}
