//! What waits for one client.
//!
//! One queue in the order of events. When the client is slow its oldest values go, are counted, and a
//! `missed` message stands where the next values are; alarm and reply messages are never dropped nor
//! overtaken, and a client that lets too many of them pile up is disconnected. States of which only the last
//! matters (links, rejections) wait at most once.

use std::collections::VecDeque;

use crate::wire::Format;
use crate::wire::client::Topic;
use crate::wire::server::{Chunk, ChunkWriter, Encoded, Plain, ServerMessage};

/// Room that an entry takes besides its octets.
const OVERHEAD: usize = 64;

/// The bounds of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Octets of values that may wait.
    pub(crate) octets: usize,
    /// Other messages that may wait.
    pub(crate) messages: usize,
    /// Octets of one message that joins several chunks.
    pub(crate) frame: usize,
}

#[derive(Debug)]
enum Entry {
    Values(Chunk),
    State(Topic, Encoded),
    Message(Encoded),
    Greeting(Encoded),
}

/// The messages that wait for one client, oldest first.
#[derive(Debug)]
pub(crate) struct Queue {
    format: Format,
    limits: Limits,
    entries: VecDeque<Entry>,
    octets: usize,
    messages: usize,
    greetings: usize,
    missed: u64,
    overflown: bool,
}

/// One message to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The message.
    pub(crate) message: Encoded,
    /// How many samples are in it.
    pub(crate) samples: u32,
}

impl From<Chunk> for Frame {
    fn from(chunk: Chunk) -> Self {
        Self { message: Encoded { op: "values", octets: chunk.message }, samples: chunk.samples }
    }
}

impl From<Encoded> for Frame {
    fn from(message: Encoded) -> Self {
        Self { message, samples: 0 }
    }
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(format: Format, limits: Limits) -> Self {
        Self {
            format,
            limits,
            entries: VecDeque::new(),
            octets: 0,
            messages: 0,
            greetings: 0,
            missed: 0,
            overflown: false,
        }
    }

    /// Adds values; the oldest ones go when there are too many. Returns how many samples were dropped.
    pub(crate) fn push_values(&mut self, chunk: Chunk) -> u64 {
        self.octets += chunk.message.len() + OVERHEAD;
        self.entries.push_back(Entry::Values(chunk));
        let mut dropped = 0;
        let mut position = 0;
        // The newest chunk stays, however large it is.
        while self.octets > self.limits.octets && position + 1 < self.entries.len() {
            let Entry::Values(chunk) = &self.entries[position] else {
                position += 1;
                continue;
            };
            dropped += u64::from(chunk.samples);
            self.octets -= chunk.message.len() + OVERHEAD;
            self.entries.remove(position);
        }
        self.missed += dropped;
        dropped
    }

    /// Values were lost on the way to this queue.
    pub(crate) fn add_missed(&mut self, samples: u64) {
        self.missed += samples;
    }

    /// Adds a message that must arrive.
    pub(crate) fn push_message(&mut self, message: Encoded) {
        self.messages += 1;
        self.overflown |= self.messages > self.limits.messages;
        if !self.overflown {
            self.entries.push_back(Entry::Message(message));
        }
    }

    /// Adds a message about what there was before the client came. However many there are, they do not count
    /// as the client being slow.
    pub(crate) fn push_greeting(&mut self, message: Encoded) {
        self.greetings += 1;
        self.entries.push_back(Entry::Greeting(message));
    }

    /// Adds a state that makes older ones of the same topic worthless.
    pub(crate) fn push_state(&mut self, topic: Topic, state: Encoded) {
        self.entries.retain(|entry| !matches!(entry, Entry::State(t, _) if *t == topic));
        self.entries.push_back(Entry::State(topic, state));
    }

    /// Whether the client let so many messages pile up that one was lost: it must be disconnected.
    pub(crate) fn overflown(&self) -> bool {
        self.overflown
    }

    /// Whether there is room for the answer to another message of the client.
    pub(crate) fn has_room(&self) -> bool {
        self.messages < self.limits.messages.div_ceil(2) && self.greetings == 0
    }

    /// The next message. Values that wait one behind the other come as one.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        if let Some(Entry::Values(_)) = self.entries.front()
            && self.missed > 0
        {
            return Some(self.take_missed());
        }
        match self.entries.pop_front() {
            Some(Entry::Values(first)) => Some(self.gather(first)),
            Some(Entry::State(_, state)) => Some(state.into()),
            Some(Entry::Message(message)) => {
                self.messages -= 1;
                Some(message.into())
            }
            Some(Entry::Greeting(message)) => {
                self.greetings -= 1;
                Some(message.into())
            }
            None if self.missed > 0 => Some(self.take_missed()),
            None => None,
        }
    }

    fn take_missed(&mut self) -> Frame {
        let message: Plain<'_> = ServerMessage::Missed { count: std::mem::take(&mut self.missed) };
        message.encode(self.format).into()
    }

    fn gather(&mut self, first: Chunk) -> Frame {
        self.octets -= first.message.len() + OVERHEAD;
        let mut total = first.message.len();
        let more = self
            .entries
            .iter()
            .map_while(|entry| match entry {
                Entry::Values(chunk) => Some(chunk.message.len()),
                _ => None,
            })
            .take_while(|len| {
                total += len;
                total <= self.limits.frame
            })
            .count();
        if more == 0 {
            return first.into();
        }
        let mut writer = ChunkWriter::new(self.format, total.min(self.limits.frame));
        writer.append(&first);
        for entry in self.entries.drain(..more) {
            if let Entry::Values(chunk) = entry {
                self.octets -= chunk.message.len() + OVERHEAD;
                writer.append(&chunk);
            }
        }
        writer.finish().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sample::{Sample, Value};

    const LIMITS: Limits = Limits { octets: 2000, messages: 4, frame: 1200 };

    fn chunk(format: Format, ids: std::ops::Range<u32>) -> Chunk {
        let mut writer = ChunkWriter::new(format, 0);
        for id in ids {
            let v = Value::Float(0.5);
            writer.sample(&Sample { id, t: 1, r: 2, v, raw: Value::Unsigned(3), s: "nominal" });
        }
        writer.finish()
    }

    fn read(format: Format, octets: &[u8]) -> serde_json::Value {
        match format {
            Format::Json => serde_json::from_slice(octets).expect("valid JSON"),
            Format::MessagePack => rmp_serde::from_slice(octets).expect("valid MessagePack"),
        }
    }

    /// The queue as a client sees it: ids of samples in brackets, every other message by its name.
    fn trace(queue: &mut Queue) -> String {
        let mut seen = Vec::new();
        while let Some(frame) = queue.pop() {
            let message = read(queue.format, &frame.message.octets);
            seen.push(match message["op"].as_str().expect("op") {
                "values" => {
                    let samples = message["samples"].as_array().expect("samples");
                    assert_eq!(samples.len(), frame.samples as usize);
                    let ids: Vec<_> = samples.iter().map(|s| s["id"].to_string()).collect();
                    format!("[{}]", ids.join(" "))
                }
                "missed" => format!("missed {}", message["count"]),
                "pong" => format!("pong {}", message["n"]),
                op => op.to_owned(),
            });
        }
        seen.join(" ")
    }

    fn pong(format: Format, n: u64) -> Encoded {
        Plain::Pong { n }.encode(format)
    }

    #[test]
    fn values_are_joined_and_messages_keep_their_place() {
        for format in Format::ALL {
            let mut queue = Queue::new(format, LIMITS);
            queue.push_values(chunk(format, 0..2));
            queue.push_values(chunk(format, 2..4));
            queue.push_message(pong(format, 9));
            queue.push_values(chunk(format, 4..5));
            assert_eq!(trace(&mut queue), "[0 1 2 3] pong 9 [4]");
            assert_eq!(queue.octets, 0);
            assert_eq!(queue.messages, 0);
        }
    }

    #[test]
    fn a_single_chunk_is_sent_without_a_copy() {
        let mut queue = Queue::new(Format::Json, LIMITS);
        let chunk = chunk(Format::Json, 0..3);
        queue.push_values(chunk.clone());
        let frame = queue.pop().expect("a frame");
        assert_eq!(frame.message.octets.as_ptr(), chunk.message.as_ptr());
    }

    #[test]
    fn the_oldest_values_go_and_are_counted_and_nothing_else_goes() {
        for format in Format::ALL {
            let mut queue = Queue::new(format, LIMITS);
            queue.push_values(chunk(format, 0..1));
            queue.push_message(pong(format, 1));
            let mut dropped = 0;
            for n in 1..100 {
                dropped += queue.push_values(chunk(format, n..n + 1));
                assert!(queue.octets <= LIMITS.octets);
            }
            queue.push_message(pong(format, 2));
            let seen = trace(&mut queue);
            assert!(seen.starts_with(&format!("pong 1 missed {dropped} [{dropped} ")), "{seen}");
            assert!(seen.ends_with(" 99] pong 2"), "{seen}");
        }
    }

    #[test]
    fn one_chunk_larger_than_the_queue_still_arrives() {
        let mut queue = Queue::new(Format::Json, LIMITS);
        queue.push_values(chunk(Format::Json, 0..1));
        queue.push_values(chunk(Format::Json, 1..100));
        let seen = trace(&mut queue);
        assert!(seen.starts_with("missed 1 [1 2 "), "{seen}");
        assert!(seen.ends_with(" 99]"), "{seen}");
    }

    #[test]
    fn a_gap_before_the_queue_is_told_even_when_nothing_follows() {
        let mut queue = Queue::new(Format::Json, LIMITS);
        queue.add_missed(5);
        assert_eq!(trace(&mut queue), "missed 5");
    }

    #[test]
    fn only_the_last_state_waits() {
        let mut queue = Queue::new(Format::Json, LIMITS);
        queue.push_state(Topic::Links, pong(Format::Json, 1));
        queue.push_message(pong(Format::Json, 2));
        queue.push_state(Topic::Rejections, pong(Format::Json, 3));
        queue.push_state(Topic::Links, pong(Format::Json, 4));
        assert_eq!(trace(&mut queue), "pong 2 pong 3 pong 4");
    }

    #[test]
    fn a_client_that_takes_no_messages_overflows() {
        let mut queue = Queue::new(Format::Json, LIMITS);
        for n in 0..4 {
            assert_eq!(queue.has_room(), n < 2);
            queue.push_message(pong(Format::Json, n));
        }
        assert!(!queue.overflown());
        queue.push_greeting(pong(Format::Json, 9));
        assert!(!queue.overflown(), "what was there before does not count");
        queue.push_message(pong(Format::Json, 4));
        assert!(queue.overflown());
        assert_eq!(trace(&mut queue), "pong 0 pong 1 pong 2 pong 3 pong 9");
        assert!(queue.has_room());
    }

    #[test]
    fn joined_frames_stay_under_their_limit() {
        let mut queue = Queue::new(Format::Json, Limits { octets: 1 << 20, ..LIMITS });
        for n in 0..100 {
            queue.push_values(chunk(Format::Json, n..n + 1));
        }
        let mut samples = 0;
        while let Some(frame) = queue.pop() {
            assert!(frame.message.octets.len() <= LIMITS.frame);
            samples += frame.samples;
        }
        assert_eq!(samples, 100);
    }
}
