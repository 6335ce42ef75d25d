//! One live client: its place among the allowed number, its outbox, and what its messages do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use perigee_part::http::Refusal;
use perigee_part::http::axum::http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::hub::{ClientId, Hub};
use super::outbox::Outbox;
use super::queue::{Frame, Limits};
use crate::http::alarms::Alarm;
use crate::http::reception::Rejections;
use crate::station::Station;
use crate::wire::Format;
use crate::wire::client::{self, ClientMessage, Subscribe, Topic, Unsubscribe};
use crate::wire::server::{Plain, Problem, ServerMessage};

/// A client may keep one core busy for one part in so many of the time.
const SHARE: u32 = 5;
/// Work of a client is paid for with waiting when so much has come together.
const DEBT_LIMIT: Duration = Duration::from_millis(10);

/// A client that is connected. Dropping it forgets the client.
pub(crate) struct Client {
    station: Arc<Station>,
    id: ClientId,
    pub(crate) outbox: Arc<Outbox>,
    _place: OwnedSemaphorePermit,
}

/// A place among the live clients that may be there.
pub(crate) fn place(station: &Station) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(&station.places).try_acquire_owned().map_err(|_| {
        let message = "as many live clients as are allowed";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "full", message)
            .hint("`max_clients` under [fanout] is the limit")
    })
}

impl Client {
    /// Takes a client in, if there is room for one more.
    pub(crate) fn join(station: &Arc<Station>, format: Format) -> Result<Self, Refusal> {
        let place = place(station)?;
        let config = &station.config;
        let limits = Limits {
            octets: config.queue_octets,
            messages: config.queue_messages,
            frame: config.frame_octets,
        };
        let outbox = Arc::new(Outbox::new(format, limits));
        let id = station.hub().join(Arc::clone(&outbox));
        station.metrics.clients.inc();
        Ok(Self { station: Arc::clone(station), id, outbox, _place: place })
    }

    /// Does what one message asks for; the answer goes to the outbox.
    pub(crate) fn handle(&self, octets: &[u8]) {
        match client::decode(self.outbox.format(), octets) {
            Ok(ClientMessage::Subscribe(subscribe)) => self.subscribe(&subscribe),
            Ok(ClientMessage::Unsubscribe(unsubscribe)) => self.unsubscribe(&unsubscribe),
            Ok(ClientMessage::Ping(client::Ping { n })) => self.outbox.answer(&Plain::Pong { n }),
            Err(reason) => {
                self.station.metrics.malformed.inc();
                self.complain("malformed", &reason);
            }
        }
    }

    /// Follows more.
    pub(crate) fn subscribe(&self, Subscribe { parameters, topics, every }: &Subscribe) {
        let subscribed = self.station.hub().subscribe(self.id, parameters, *every);
        if let Err(error) = subscribed {
            self.complain(error.code(), &error.to_string());
        }
        // The hub delivers nothing before the lock is released: what is sent now is older than all that follows.
        let mut hub = self.station.hub();
        let fresh = hub.follow(self.id, topics);
        fresh.into_iter().for_each(|topic| self.greet(topic, &mut hub));
    }

    fn unsubscribe(&self, Unsubscribe { parameters, topics }: &Unsubscribe) {
        let unsubscribed = self.station.hub().unsubscribe(self.id, parameters);
        if let Err(error) = unsubscribed {
            self.complain(error.code(), &error.to_string());
        }
        self.station.hub().unfollow(self.id, topics);
    }

    /// Sends what a topic has to say now.
    fn greet(&self, topic: Topic, hub: &mut Hub) {
        let format = self.outbox.format();
        match topic {
            Topic::Alarms => {
                let states = self.station.telemetry.alarms();
                for (state, alarm) in
                    states.iter().filter_map(|state| Some((state, Alarm::of(&self.station, state)?)))
                {
                    hub.alarms.note(state);
                    self.outbox.greeting(ServerMessage::Alarm { alarm: &alarm }.encode(format));
                }
            }
            Topic::Links => {
                let links = self.station.links.statuses();
                self.outbox.state(topic, ServerMessage::Links { links: &links }.encode(format));
            }
            Topic::Rejections => {
                let rejections = Rejections::now(&self.station);
                self.outbox
                    .state(topic, ServerMessage::Rejections { rejections: &rejections }.encode(format));
            }
        }
    }

    /// Says what was wrong with a message.
    pub(crate) fn complain(&self, code: &str, message: &str) {
        self.outbox.answer(&Plain::Error { error: Problem { code, message } });
    }

    /// Counts a message that was sent.
    pub(crate) fn count_sent(&self, frame: &Frame) {
        self.station.metrics.values.inc_by(u64::from(frame.samples));
        self.station.metrics.octets.inc_by(frame.message.octets.len() as u64);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.station.hub().leave(self.id);
        self.station.metrics.clients.dec();
    }
}

/// Makes a client wait for the work that it causes.
#[derive(Debug, Default)]
pub(crate) struct Debt(Duration);

impl Debt {
    /// Does some work for a client; returns how long to wait before more is done for it.
    pub(crate) fn work(&mut self, work: impl FnOnce()) -> Option<Duration> {
        let begun = Instant::now();
        work();
        self.0 += begun.elapsed() * (SHARE - 1);
        (self.0 >= DEBT_LIMIT).then(|| std::mem::take(&mut self.0))
    }
}
