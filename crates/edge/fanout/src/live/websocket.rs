//! `GET /api/stream`: one client on a WebSocket (RFC 6455).

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use perigee_part::http::Refusal;
use perigee_part::http::axum::Extension;
use perigee_part::http::axum::extract::State;
use perigee_part::http::axum::extract::ws::rejection::WebSocketUpgradeRejection;
use perigee_part::http::axum::extract::ws::{
    CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use perigee_part::http::axum::http::{HeaderMap, header};
use perigee_part::http::axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::client::{Client, Debt};
use super::outbox::Next;
use super::queue::Frame;
use crate::http::guard::Caller;
use crate::http::headers::check_origin;
use crate::http::input::bad;
use crate::station::Station;
use crate::wire::Format;

/// How long a client has to take the close frame.
const FAREWELL: Duration = Duration::from_secs(1);

/// Opens the WebSocket, unless a foreign page asks, or for formats that nobody knows.
pub(crate) async fn open(
    State(station): State<Arc<Station>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|rejection| {
        Refusal::new(rejection.status(), "no-websocket", rejection.body_text())
            .hint("connect with a WebSocket, or follow /api/events")
    })?;
    check_origin(&headers, &station.config.origins)?;
    let format = format_of(&headers)?;
    let client = Client::join(&station, format)?;
    let limit = station.config.message_octets;
    let upgrade = upgrade
        .protocols([format.subprotocol()])
        .max_message_size(limit)
        .max_frame_size(limit)
        // Messages are gathered before they get here.
        .write_buffer_size(0);
    Ok(upgrade.on_upgrade(move |socket| async move { converse(&station, &caller, &client, socket).await }))
}

/// The format of the first subprotocol that is known; JSON where none was asked for.
fn format_of(headers: &HeaderMap) -> Result<Format, Refusal> {
    let offers: Vec<_> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(',').map(str::trim))
        .collect();
    if offers.is_empty() {
        return Ok(Format::Json);
    }
    let known = |name: &str| Format::ALL.into_iter().find(|format| format.subprotocol() == name);
    offers
        .iter()
        .find_map(|name| known(name))
        .ok_or_else(|| bad("none of the subprotocols is known").hint("perigee.v1.json or perigee.v1.msgpack"))
}

async fn converse(station: &Station, caller: &Caller, client: &Client, socket: WebSocket) {
    let (mut sink, stream) = socket.split();
    let farewell = tokio::select! {
        farewell = read(station, client, stream) => farewell,
        farewell = write(station, caller, client, &mut sink) => farewell,
        () = station.stopping.cancelled() => Some((close_code::AWAY, "the station is stopping")),
    };
    if let Some((code, reason)) = farewell {
        let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // A client that does not take it is gone all the same.
        let _ = timeout(FAREWELL, sink.send(Message::Close(Some(close)))).await;
    }
}

/// A close code and the reason; nothing when the connection is gone already.
type Farewell = Option<(u16, &'static str)>;

/// Does what the client asks, until it leaves or falls silent.
async fn read(station: &Station, client: &Client, mut stream: SplitStream<WebSocket>) -> Farewell {
    let mut debt = Debt::default();
    loop {
        let Ok(next) = timeout(station.config.idle, stream.next()).await else {
            return Some((close_code::POLICY, "no sign of life"));
        };
        let json = client.outbox.format() == Format::Json;
        let pause = match next {
            None => return None,
            Some(Err(error)) => {
                tracing::debug!(target: "fanout", %error, "connection lost");
                return Some((close_code::PROTOCOL, "not a good WebSocket message"));
            }
            Some(Ok(Message::Close(_))) => return None,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(text))) if json => debt.work(|| client.handle(text.as_bytes())),
            Some(Ok(Message::Binary(octets))) if !json => debt.work(|| client.handle(&octets)),
            Some(Ok(_)) => debt.work(|| {
                client.complain(
                    "wrong-frame",
                    if json { "JSON comes in text frames" } else { "MessagePack comes in binary frames" },
                );
            }),
        };
        if let Some(pause) = pause {
            sleep(pause).await;
        }
        client.outbox.room().await;
    }
}

/// Sends what waits in the outbox, until the client takes nothing more.
async fn write(
    station: &Station,
    caller: &Caller,
    client: &Client,
    sink: &mut SplitSink<WebSocket, Message>,
) -> Farewell {
    let linger = station.config.linger;
    let period = station.config.ping;
    let mut pings = interval_at(Instant::now() + period, period);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            next = client.outbox.next() => next,
            _ = pings.tick() => {
                if !caller.is_good(&station.access) {
                    return Some((close_code::POLICY, "the session has ended"));
                }
                match timeout(station.config.idle, sink.send(Message::Ping(Default::default()))).await {
                    Ok(Ok(())) => continue,
                    _ => return None,
                }
            }
        };
        let Next::Frame(frame) = next else {
            return Some((close_code::AGAIN, "too slow for the messages that must arrive"));
        };
        let samples = frame.samples;
        client.count_sent(&frame);
        match timeout(station.config.idle, sink.send(message(client.outbox.format(), frame))).await {
            Ok(Ok(())) => {}
            _ => return None,
        }
        if samples > 0 && !linger.is_zero() {
            sleep(linger).await;
        }
    }
}

fn message(format: Format, frame: Frame) -> Message {
    let octets = frame.message.octets;
    match format {
        Format::MessagePack => Message::Binary(octets),
        // JSON that was written here is UTF-8.
        Format::Json => Message::Text(Utf8Bytes::try_from(octets).unwrap_or_default()),
    }
}
