//! Who follows what, and the delivery to them.
//!
//! Clients that follow the same parameters in the same format and at the same interval form a group: each
//! batch is encoded once for each format, cut once for each group, and its octets are shared by the members.
//! The hub has no clock and does no I/O: it is handed `now` and fills outboxes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fixedbitset::FixedBitSet;
use serde::Serialize;

use super::latest::Latest;
use super::outbox::Outbox;
use super::told::Told;
use crate::wire::Format;
use crate::wire::client::{Selection, Topic};
use crate::wire::sample::Sample;
use crate::wire::server::{Chunk, ChunkWriter, Encoded, ServerMessage};

/// Different intervals that one client may use at a time.
pub(crate) const MAX_INTERVALS: usize = 8;
/// The longest interval: an hour.
pub(crate) const MAX_EVERY_MS: u32 = 3_600_000;
/// What a sample takes at the most, usually; buffers start at this size.
const USUAL_SAMPLE: usize = 112;

/// One client among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientId(u64);

/// Why a subscription was refused, wholly or in part.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubscribeError {
    /// The known ones among them are subscribed.
    #[error("there is no parameter {first} ({count} unknown in all)")]
    UnknownParameters { first: u32, count: usize },
    #[error("one client may use at most {MAX_INTERVALS} different intervals")]
    TooManyIntervals,
    #[error("`every` is at most {MAX_EVERY_MS} milliseconds")]
    TooLong,
}

impl SubscribeError {
    /// The fixed word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::UnknownParameters { .. } => "unknown-parameter",
            Self::TooManyIntervals => "too-many-intervals",
            Self::TooLong => "interval-too-long",
        }
    }
}

/// All clients and what they follow.
#[derive(Debug)]
pub(crate) struct Hub {
    latest: Latest,
    clients: HashMap<ClientId, Client>,
    groups: HashMap<Key, Group>,
    next_client: u64,
    /// The alarms that those who follow them have on their screens.
    pub(crate) alarms: Told,
    /// Where each sample of the batch at hand lies in the encoded message; kept for its memory.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Client {
    outbox: Arc<Outbox>,
    topics: Vec<Topic>,
    /// Milliseconds between values, and the parameters followed at that pace; no parameter is in two.
    paces: Vec<(u32, FixedBitSet)>,
}

/// What the members of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    format: Format,
    every: u32,
    parameters: FixedBitSet,
}

#[derive(Debug, Default)]
struct Group {
    members: Vec<(ClientId, Arc<Outbox>)>,
    /// Where `every` is not 0: parameters with a value that was not sent yet.
    pending: FixedBitSet,
    /// The first moment at which the members may be sent values again; `None` before the first sending.
    open: Option<Instant>,
}

/// One sample in an encoded message.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: u32,
    start: usize,
    end: usize,
}

impl Hub {
    /// No clients; parameters are numbered from 0 to below `parameters`.
    pub(crate) fn new(parameters: usize) -> Self {
        Self {
            latest: Latest::new(parameters),
            clients: HashMap::new(),
            groups: HashMap::new(),
            next_client: 0,
            alarms: Told::default(),
            places: Vec::new(),
        }
    }

    /// A value from before the hub began, shown to those who subscribe until a newer one arrives.
    pub(crate) fn remember(&mut self, sample: &Sample<'_>) {
        self.latest.store(sample);
    }

    /// Takes in a client that follows nothing yet.
    pub(crate) fn join(&mut self, outbox: Arc<Outbox>) -> ClientId {
        let id = ClientId(self.next_client);
        self.next_client += 1;
        self.clients.insert(id, Client { outbox, topics: Vec::new(), paces: Vec::new() });
        id
    }

    /// Forgets a client.
    pub(crate) fn leave(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            for (every, parameters) in client.paces {
                self.ungroup(id, Key { format: client.outbox.format(), every, parameters });
            }
        }
    }

    /// Adds parameters, or changes their interval, and sends their last values at once.
    pub(crate) fn subscribe(
        &mut self,
        id: ClientId,
        selection: &Selection,
        every: u32,
    ) -> Result<(), SubscribeError> {
        if every > MAX_EVERY_MS {
            return Err(SubscribeError::TooLong);
        }
        let (wanted, unknown) = self.select(selection);
        if !wanted.is_clear() {
            self.change(id, every, &wanted)?;
            if let Some(client) = self.clients.get(&id)
                && let Some(chunk) = encode_latest(&self.latest, client.outbox.format(), &wanted)
            {
                client.outbox.values(chunk);
            }
        }
        unknown
    }

    /// Removes parameters. Those that were not followed are passed over.
    pub(crate) fn unsubscribe(&mut self, id: ClientId, selection: &Selection) -> Result<(), SubscribeError> {
        let (unwanted, unknown) = self.select(selection);
        self.take(id, &unwanted, None);
        unknown
    }

    /// Adds topics. Returns those that were not followed before.
    pub(crate) fn follow(&mut self, id: ClientId, topics: &[Topic]) -> Vec<Topic> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        let mut fresh = Vec::new();
        for &topic in topics {
            if !client.topics.contains(&topic) {
                client.topics.push(topic);
                fresh.push(topic);
            }
        }
        fresh
    }

    /// Removes topics.
    pub(crate) fn unfollow(&mut self, id: ClientId, topics: &[Topic]) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.topics.retain(|topic| !topics.contains(topic));
        }
    }

    /// Whether anybody follows a topic.
    pub(crate) fn is_followed(&self, topic: Topic) -> bool {
        self.clients.values().any(|client| client.topics.contains(&topic))
    }

    /// Delivers the values of one batch, in order. Returns how many samples slow clients lost for it.
    pub(crate) fn values<'a>(
        &mut self,
        samples: impl Iterator<Item = Sample<'a>> + Clone,
        now: Instant,
    ) -> u64 {
        let mut dropped = 0;
        for sample in samples.clone() {
            self.latest.store(&sample);
        }
        for format in Format::ALL {
            dropped += self.values_at_once(format, samples.clone());
        }
        for (key, group) in &mut self.groups {
            if key.every > 0 {
                for sample in samples.clone().filter(|sample| key.parameters.contains(sample.id as usize)) {
                    group.pending.insert(sample.id as usize);
                }
            }
        }
        dropped + self.elapse(now)
    }

    /// Delivers the values whose time has come.
    pub(crate) fn elapse(&mut self, now: Instant) -> u64 {
        let mut dropped = 0;
        for (key, group) in &mut self.groups {
            if !group.pending.is_clear() && group.open.is_none_or(|open| open <= now) {
                if let Some(chunk) = encode_latest(&self.latest, key.format, &group.pending) {
                    dropped += group.deliver(&chunk);
                }
                group.pending.clear();
                group.open = Some(now + Duration::from_millis(u64::from(key.every)));
            }
        }
        dropped
    }

    /// When [`Hub::elapse`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.groups.values().filter(|group| !group.pending.is_clear()).filter_map(|group| group.open).min()
    }

    /// Sends everyone the last values of all that they follow.
    pub(crate) fn show_latest(&mut self) -> u64 {
        let mut dropped = 0;
        for (key, group) in &mut self.groups {
            group.pending.clear();
            if let Some(chunk) = encode_latest(&self.latest, key.format, &key.parameters) {
                dropped += group.deliver(&chunk);
            }
        }
        dropped
    }

    /// Tells everyone who follows values that some were lost before they came here; returns the sum.
    pub(crate) fn missed(&self, samples: u64) -> u64 {
        let followers = self.clients.values().filter(|client| !client.paces.is_empty());
        followers.map(|client| client.outbox.missed(samples)).count() as u64 * samples
    }

    /// Sends a message that must arrive to everyone who follows `topic`.
    pub(crate) fn message<T: Serialize>(&self, topic: Topic, message: &ServerMessage<'_, T>) {
        self.tell(topic, message, Outbox::message);
    }

    /// Sends a state that makes older ones worthless to everyone who follows `topic`.
    pub(crate) fn state<T: Serialize>(&self, topic: Topic, message: &ServerMessage<'_, T>) {
        self.tell(topic, message, |outbox, message| outbox.state(topic, message));
    }

    fn tell<T: Serialize>(
        &self,
        topic: Topic,
        message: &ServerMessage<'_, T>,
        put: impl Fn(&Outbox, Encoded),
    ) {
        for format in Format::ALL {
            let mut encoded = None;
            for client in self.clients.values() {
                if client.outbox.format() == format && client.topics.contains(&topic) {
                    let message = encoded.get_or_insert_with(|| message.encode(format));
                    put(&client.outbox, message.clone());
                }
            }
        }
    }

    fn values_at_once<'a>(
        &mut self,
        format: Format,
        samples: impl Iterator<Item = Sample<'a>> + Clone,
    ) -> u64 {
        let mut wanted = FixedBitSet::new();
        for key in self.groups.keys().filter(|key| key.format == format && key.every == 0) {
            wanted.union_with(&key.parameters);
        }
        if wanted.is_clear() {
            return 0;
        }
        self.places.clear();
        let expected = samples.size_hint().0.saturating_mul(USUAL_SAMPLE);
        let mut writer = ChunkWriter::new(format, expected);
        for sample in samples.filter(|sample| wanted.contains(sample.id as usize)) {
            let place = writer.sample(&sample);
            self.places.push(Place { id: sample.id, start: place.start, end: place.end });
        }
        let all = writer.finish();
        let mut dropped = 0;
        for (key, group) in &mut self.groups {
            if key.format == format
                && key.every == 0
                && let Some(chunk) = cut(format, &all, &self.places, &key.parameters)
            {
                dropped += group.deliver(&chunk);
            }
        }
        dropped
    }

    /// The set of a selection within the database, and what was not in it.
    fn select(&self, selection: &Selection) -> (FixedBitSet, Result<(), SubscribeError>) {
        let mut set = FixedBitSet::with_capacity(self.latest.parameters());
        let mut unknown = Vec::new();
        match selection {
            Selection::Nothing => {}
            Selection::All => set.insert_range(..),
            Selection::Ids(ids) => {
                for &id in ids {
                    if (id as usize) < set.len() { set.insert(id as usize) } else { unknown.push(id) }
                }
            }
        }
        let error =
            unknown.first().map(|&first| SubscribeError::UnknownParameters { first, count: unknown.len() });
        (set, error.map_or(Ok(()), Err))
    }

    /// Moves `wanted` of one client to the pace of `every`.
    fn change(&mut self, id: ClientId, every: u32, wanted: &FixedBitSet) -> Result<(), SubscribeError> {
        let Some(client) = self.clients.get(&id) else { return Ok(()) };
        let others = client.paces.iter().filter(|(pace, set)| *pace != every && !set.is_subset(wanted));
        if others.count() >= MAX_INTERVALS {
            return Err(SubscribeError::TooManyIntervals);
        }
        self.take(id, wanted, Some(every));
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        let outbox = Arc::clone(&client.outbox);
        let at = client.paces.iter().position(|(pace, _)| *pace == every).unwrap_or_else(|| {
            client.paces.push((every, FixedBitSet::with_capacity(wanted.len())));
            client.paces.len() - 1
        });
        let before = client.paces[at].1.clone();
        client.paces[at].1.union_with(wanted);
        let after = client.paces[at].1.clone();
        if before != after {
            let format = outbox.format();
            self.ungroup(id, Key { format, every, parameters: before });
            self.group(id, outbox, Key { format, every, parameters: after });
        }
        Ok(())
    }

    /// Takes `unwanted` away from every pace of one client but `keep`.
    fn take(&mut self, id: ClientId, unwanted: &FixedBitSet, keep: Option<u32>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let outbox = Arc::clone(&client.outbox);
        let mut changed = Vec::new();
        for (every, set) in &mut client.paces {
            if keep != Some(*every) && !set.is_disjoint(unwanted) {
                let before = set.clone();
                set.difference_with(unwanted);
                changed.push((*every, before, set.clone()));
            }
        }
        client.paces.retain(|(_, set)| !set.is_clear());
        for (every, before, after) in changed {
            let format = outbox.format();
            self.ungroup(id, Key { format, every, parameters: before });
            if !after.is_clear() {
                self.group(id, Arc::clone(&outbox), Key { format, every, parameters: after });
            }
        }
    }

    fn group(&mut self, id: ClientId, outbox: Arc<Outbox>, key: Key) {
        let parameters = key.parameters.len();
        let group = self.groups.entry(key).or_default();
        group.pending.grow(parameters);
        group.members.push((id, outbox));
    }

    /// Takes a client out of its group. What waits for the next sending goes to it at once, lest it be lost.
    fn ungroup(&mut self, id: ClientId, key: Key) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if let Some(at) = group.members.iter().position(|(member, _)| *member == id) {
            let (_, outbox) = group.members.swap_remove(at);
            if let Some(chunk) = encode_latest(&self.latest, key.format, &group.pending) {
                outbox.values(chunk);
            }
        }
        if group.members.is_empty() {
            self.groups.remove(&key);
        }
    }
}

impl Group {
    /// Puts a message into the outbox of every member. Returns how many samples were dropped for it.
    fn deliver(&self, chunk: &Chunk) -> u64 {
        self.members.iter().map(|(_, outbox)| outbox.values(chunk.clone())).sum()
    }
}

/// The last values of some parameters as one message; nothing where there are none.
fn encode_latest(latest: &Latest, format: Format, parameters: &FixedBitSet) -> Option<Chunk> {
    if parameters.is_clear() {
        return None;
    }
    let mut writer = ChunkWriter::new(format, parameters.count_ones(..) * USUAL_SAMPLE);
    for sample in parameters.ones().filter_map(|id| latest.get(id)) {
        writer.sample(&sample);
    }
    (writer.samples() > 0).then(|| writer.finish())
}

/// Those samples of a message whose parameters are in `parameters`, neighbours copied together; the message
/// itself where that is all of them.
fn cut(format: Format, all: &Chunk, places: &[Place], parameters: &FixedBitSet) -> Option<Chunk> {
    let is_in = |place: &Place| parameters.contains(place.id as usize);
    let count = places.iter().filter(|place| is_in(place)).count();
    if count == 0 {
        return None;
    }
    if count == places.len() {
        return Some(all.clone());
    }
    let mut writer = ChunkWriter::new(format, count * USUAL_SAMPLE);
    for run in places.chunk_by(|one, next| is_in(one) == is_in(next)).filter(|run| is_in(&run[0])) {
        writer.copy(&all.message[run[0].start..run[run.len() - 1].end], run.len() as u32);
    }
    Some(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::outbox::Next;
    use crate::live::queue::Limits;
    use crate::wire::sample::Value;

    const LIMITS: Limits = Limits { octets: 1 << 20, messages: 16, frame: 1 << 16 };

    struct Bench {
        hub: Hub,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { hub: Hub::new(200), start: Instant::now() }
        }

        fn client(&mut self, format: Format) -> (ClientId, Arc<Outbox>) {
            let outbox = Arc::new(Outbox::new(format, LIMITS));
            (self.hub.join(Arc::clone(&outbox)), outbox)
        }

        /// Each (parameter, value) as one batch at so many milliseconds.
        fn batch(&mut self, at_ms: u64, values: &[(u32, i64)]) {
            let samples = values.iter().map(|&(id, n)| Sample {
                id,
                t: 10,
                r: 20,
                v: Value::Signed(n),
                raw: Value::Absent,
                s: "nominal",
            });
            let now = self.start + Duration::from_millis(at_ms);
            assert_eq!(self.hub.values(samples, now), 0);
        }
    }

    /// What waits for a client: `id=value` of each sample, a bar between messages.
    fn seen(outbox: &Outbox) -> String {
        let mut messages = Vec::new();
        while let Some(Next::Frame(frame)) = now_or_never(outbox.next()) {
            let message: serde_json::Value = match outbox.format() {
                Format::Json => serde_json::from_slice(&frame.message.octets).expect("JSON"),
                Format::MessagePack => rmp_serde::from_slice(&frame.message.octets).expect("MessagePack"),
            };
            messages.push(match message["samples"].as_array() {
                Some(samples) => {
                    let pairs: Vec<_> = samples.iter().map(|s| format!("{}={}", s["id"], s["v"])).collect();
                    pairs.join(" ")
                }
                None => message.to_string(),
            });
        }
        messages.join(" | ")
    }

    fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn each_client_gets_what_it_asked_for_in_its_own_format() {
        for format in Format::ALL {
            let mut bench = Bench::new();
            let (all, all_box) = bench.client(format);
            let (some, some_box) = bench.client(format);
            let (_, idle_box) = bench.client(format);
            bench.hub.subscribe(all, &Selection::All, 0).expect("all");
            bench.hub.subscribe(some, &Selection::Ids(vec![2, 3, 7]), 0).expect("some");
            bench.batch(0, &[(1, 1), (2, 2), (3, 3), (4, 4), (7, 7), (2, 8)]);
            assert_eq!(seen(&all_box), "1=1 2=2 3=3 4=4 7=7 2=8");
            assert_eq!(seen(&some_box), "2=2 3=3 7=7 2=8");
            assert_eq!(seen(&idle_box), "");
            bench.hub.unsubscribe(some, &Selection::Ids(vec![2])).expect("known");
            bench.hub.leave(all);
            bench.batch(1, &[(1, 1), (2, 2), (3, 3)]);
            assert_eq!(seen(&some_box), "3=3");
            assert_eq!(seen(&all_box), "");
            bench.hub.leave(some);
            assert!(bench.hub.groups.is_empty() && bench.hub.clients.len() == 1);
        }
    }

    #[test]
    fn members_of_a_group_share_the_octets() {
        let mut bench = Bench::new();
        let clients = [bench.client(Format::Json), bench.client(Format::Json)];
        for (id, _) in &clients {
            bench.hub.subscribe(*id, &Selection::Ids(vec![1, 3]), 0).expect("known");
        }
        let (all, _) = bench.client(Format::Json);
        bench.hub.subscribe(all, &Selection::All, 0).expect("all");
        assert_eq!(bench.hub.groups.len(), 2);
        bench.batch(0, &[(1, 1), (2, 2), (3, 3)]);
        let octets = clients.map(|(_, outbox)| match now_or_never(outbox.next()) {
            Some(Next::Frame(frame)) => frame.message.octets.as_ptr(),
            other => panic!("no frame: {other:?}"),
        });
        assert_eq!(octets[0], octets[1]);
    }

    #[test]
    fn the_latest_values_come_first_and_each_later_one_once() {
        let mut bench = Bench::new();
        bench.batch(0, &[(1, 1), (2, 2)]);
        let (id, outbox) = bench.client(Format::Json);
        bench.hub.subscribe(id, &Selection::Ids(vec![1, 5]), 0).expect("known");
        bench.batch(1, &[(1, 3), (5, 4)]);
        assert_eq!(seen(&outbox), "1=1 1=3 5=4");
    }

    #[test]
    fn an_interval_lets_only_the_latest_through() {
        let mut bench = Bench::new();
        let (id, outbox) = bench.client(Format::Json);
        bench.hub.subscribe(id, &Selection::Ids(vec![1, 2]), 100).expect("known");
        assert_eq!(bench.hub.next_due(), None);
        bench.batch(0, &[(1, 1)]);
        assert_eq!(seen(&outbox), "1=1", "the first value goes at once");
        bench.batch(10, &[(1, 2), (2, 1)]);
        bench.batch(20, &[(1, 3)]);
        assert_eq!(seen(&outbox), "");
        let due = bench.start + Duration::from_millis(100);
        assert_eq!(bench.hub.next_due(), Some(due));
        bench.hub.elapse(due);
        assert_eq!(seen(&outbox), "1=3 2=1");
        assert_eq!(bench.hub.next_due(), None);
        bench.batch(150, &[(1, 4)]);
        bench.batch(210, &[(1, 5)]);
        assert_eq!(seen(&outbox), "1=5", "a batch after the interval carries the value itself");
    }

    #[test]
    fn a_change_of_pace_loses_nothing_that_waited() {
        let mut bench = Bench::new();
        let (id, outbox) = bench.client(Format::Json);
        bench.hub.subscribe(id, &Selection::Ids(vec![1, 2]), 100).expect("known");
        bench.batch(0, &[(1, 1), (2, 1)]);
        bench.batch(1, &[(1, 2), (2, 2)]);
        assert_eq!(seen(&outbox), "1=1 2=1");
        bench.hub.subscribe(id, &Selection::Ids(vec![1]), 0).expect("known");
        let after = seen(&outbox);
        assert!(after.contains("1=2") && after.contains("2=2"), "{after}");
        bench.batch(2, &[(1, 3), (2, 3)]);
        assert_eq!(seen(&outbox), "1=3 2=3", "the pace of 2 starts afresh in its new group");
        bench.batch(3, &[(1, 4), (2, 4)]);
        assert_eq!(seen(&outbox), "1=4");
    }

    #[test]
    fn wrong_subscriptions_are_refused_and_the_right_part_of_them_holds() {
        let mut bench = Bench::new();
        let (id, outbox) = bench.client(Format::Json);
        assert_eq!(
            bench.hub.subscribe(id, &Selection::Ids(vec![1, 200, 4_000_000_000]), 0),
            Err(SubscribeError::UnknownParameters { first: 200, count: 2 })
        );
        bench.batch(0, &[(1, 1)]);
        assert_eq!(seen(&outbox), "1=1");
        assert_eq!(bench.hub.subscribe(id, &Selection::All, MAX_EVERY_MS + 1), Err(SubscribeError::TooLong));
        for every in 1..MAX_INTERVALS as u32 {
            bench.hub.subscribe(id, &Selection::Ids(vec![10 + every]), every).expect("few enough");
        }
        assert_eq!(
            bench.hub.subscribe(id, &Selection::Ids(vec![50]), 99),
            Err(SubscribeError::TooManyIntervals)
        );
        bench.hub.subscribe(id, &Selection::All, 99).expect("takes the place of all others");
        assert_eq!(bench.hub.groups.len(), 1);
    }

    #[test]
    fn topics_reach_their_followers_only() {
        let mut bench = Bench::new();
        let (one, one_box) = bench.client(Format::Json);
        let (_, other_box) = bench.client(Format::Json);
        assert_eq!(bench.hub.follow(one, &[Topic::Alarms, Topic::Alarms]), [Topic::Alarms]);
        assert!(bench.hub.is_followed(Topic::Alarms) && !bench.hub.is_followed(Topic::Links));
        bench.hub.message(Topic::Alarms, &ServerMessage::Alarm { alarm: &7 });
        assert_eq!(seen(&one_box), r#"{"alarm":7,"op":"alarm"}"#);
        assert_eq!(seen(&other_box), "");
        bench.hub.unfollow(one, &[Topic::Alarms]);
        bench.hub.message(Topic::Alarms, &ServerMessage::Alarm { alarm: &8 });
        assert_eq!(seen(&one_box), "");
    }
}
