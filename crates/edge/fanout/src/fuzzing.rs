//! The way in for the fuzzer: messages of a client, from octets to the hub and back to octets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::live::hub::Hub;
use crate::live::outbox::Outbox;
use crate::live::queue::{Limits, Queue};
use crate::wire::Format;
use crate::wire::client::{ClientMessage, Topic, decode};
use crate::wire::sample::{Sample, Value};
use crate::wire::server::{Plain, Problem, ServerMessage};

/// The first octet chooses the format, the others are messages: in JSON one a line, in MessagePack each
/// behind its length in an octet.
///
/// # Panics
/// When something is wrong with the code, never for anything that `octets` hold.
pub fn client_messages(octets: &[u8]) {
    let Some((choice, rest)) = octets.split_first() else { return };
    let format = if choice & 1 == 0 { Format::Json } else { Format::MessagePack };
    let mut hub = Hub::new(usize::from(choice >> 1));
    let mut queue = Queue::new(format, Limits { octets: 4096, messages: 64, frame: 1024 });
    let outbox = Arc::new(Outbox::new(format, Limits { octets: 4096, messages: 64, frame: 1024 }));
    let id = hub.join(Arc::clone(&outbox));
    let mut now = Instant::now();
    for message in messages(format, rest) {
        match decode(format, message) {
            Ok(ClientMessage::Subscribe(subscribe)) => {
                let _ = hub.subscribe(id, &subscribe.parameters, subscribe.every);
                hub.follow(id, &subscribe.topics);
            }
            Ok(ClientMessage::Unsubscribe(unsubscribe)) => {
                let _ = hub.unsubscribe(id, &unsubscribe.parameters);
                hub.unfollow(id, &unsubscribe.topics);
            }
            Ok(ClientMessage::Ping(ping)) => outbox.answer(&Plain::Pong { n: ping.n }),
            Err(reason) => {
                let error = Problem { code: "malformed", message: &reason };
                queue.push_message(Plain::Error { error }.encode(format));
            }
        }
        let samples = (0..u32::from(choice >> 1)).map(|id| Sample {
            id,
            t: 0,
            r: 0,
            v: Value::Binary(message),
            raw: Value::Unsigned(u64::MAX),
            s: "nominal",
        });
        now += Duration::from_millis(50);
        hub.values(samples, now);
        hub.state(Topic::Links, &ServerMessage::Links { links: &message.len() });
    }
    hub.leave(id);
    while let Some(frame) = queue.pop().or_else(|| outbox.try_next()) {
        let good = match format {
            Format::Json => serde_json::from_slice::<serde_json::Value>(&frame.message.octets).is_ok(),
            Format::MessagePack => rmp_serde::from_slice::<serde_json::Value>(&frame.message.octets).is_ok(),
        };
        assert!(good, "what is sent can be read");
    }
}

fn messages(format: Format, octets: &[u8]) -> Vec<&[u8]> {
    match format {
        Format::Json => octets.split(|octet| *octet == b'\n').collect(),
        Format::MessagePack => {
            let mut rest = octets;
            std::iter::from_fn(|| {
                let (length, after) = rest.split_first()?;
                let (message, after) = after.split_at_checked(usize::from(*length)).unwrap_or((after, &[]));
                rest = after;
                Some(message)
            })
            .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_the_corpus_find_nothing() {
        for seed in [
            &b""[..],
            b"\x08{\"op\":\"subscribe\",\"parameters\":\"*\"}\n{\"op\":\"ping\",\"n\":1}\nx",
            b"\x08{\"op\":\"subscribe\",\"parameters\":[1,2],\"every\":100}\n\n{\"op\":\"unsubscribe\",\"parameters\":[1]}",
            b"\x09\x0c\x82\xa2op\xa4ping\xa1n\x01\x02\xc1\xc1",
        ] {
            client_messages(seed);
        }
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fuzz/corpus/fanout_client_messages");
        for entry in std::fs::read_dir(corpus).into_iter().flatten().flatten() {
            client_messages(&std::fs::read(entry.path()).expect("readable"));
        }
    }
}
