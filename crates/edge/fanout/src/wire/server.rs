//! Messages to clients.
//!
//! Values travel in [`Chunk`]s: whole messages that can be sent as they are to one client after the other,
//! and whose bodies can be joined when several wait for the same client.

use bytes::Bytes;
use serde::Serialize;

use super::Format;
use super::sample::Sample;

/// Everything before the samples, in JSON.
const JSON_HEAD: &[u8] = br#"{"op":"values","samples":["#;
/// Everything after them.
const JSON_TAIL: &[u8] = b"]}";
/// A map of two: "op" => "values", "samples" => an array whose length follows in four octets.
const PACK_HEAD: &[u8] = b"\x82\xa2op\xa6values\xa7samples\xdd";

/// A whole message with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// `{"op":"values","samples":[..]}` in the format of the client.
    pub(crate) message: Bytes,
    /// How many samples are in it.
    pub(crate) samples: u32,
}

/// Puts encoded samples into one message.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    format: Format,
    octets: Vec<u8>,
    samples: u32,
}

impl ChunkWriter {
    /// An empty message with room for `capacity` octets.
    pub(crate) fn new(format: Format, capacity: usize) -> Self {
        let mut octets = Vec::with_capacity(capacity + 64);
        match format {
            Format::Json => octets.extend_from_slice(JSON_HEAD),
            Format::MessagePack => {
                octets.extend_from_slice(PACK_HEAD);
                octets.extend_from_slice(&[0; 4]);
            }
        }
        Self { format, octets, samples: 0 }
    }

    /// Encodes one sample and says where it lies, for [`ChunkWriter::copy`] into another message.
    pub(crate) fn sample(&mut self, sample: &Sample<'_>) -> std::ops::Range<usize> {
        self.separate(1);
        let start = self.octets.len();
        encode_into(self.format, sample, &mut self.octets);
        start..self.octets.len()
    }

    /// Adds samples that are encoded already.
    pub(crate) fn copy(&mut self, encoded: &[u8], samples: u32) {
        self.separate(samples);
        self.octets.extend_from_slice(encoded);
    }

    /// Adds all samples of another message in the same format.
    pub(crate) fn append(&mut self, chunk: &Chunk) {
        let body = match self.format {
            Format::Json => JSON_HEAD.len()..chunk.message.len() - JSON_TAIL.len(),
            Format::MessagePack => PACK_HEAD.len() + 4..chunk.message.len(),
        };
        self.copy(&chunk.message[body], chunk.samples);
    }

    /// How many samples were written so far.
    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    /// The message, complete.
    pub(crate) fn finish(mut self) -> Chunk {
        match self.format {
            Format::Json => self.octets.extend_from_slice(JSON_TAIL),
            Format::MessagePack => {
                self.octets[PACK_HEAD.len()..PACK_HEAD.len() + 4]
                    .copy_from_slice(&self.samples.to_be_bytes());
            }
        }
        Chunk { message: self.octets.into(), samples: self.samples }
    }

    fn separate(&mut self, samples: u32) {
        if self.format == Format::Json && self.samples > 0 && samples > 0 {
            self.octets.push(b',');
        }
        self.samples += samples;
    }
}

/// Every message but values.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum ServerMessage<'a, T> {
    /// So many values were dropped here, the oldest first, because the client was slow.
    Missed { count: u64 },
    /// An alarm changed, or is as it was when the client subscribed.
    Alarm { alarm: &'a T },
    /// The state of the links.
    Links { links: &'a T },
    /// What was not decoded and why.
    Rejections {
        #[serde(flatten)]
        rejections: &'a T,
    },
    /// The answer to a ping.
    Pong { n: u64 },
    /// A message was not understood or not possible; the connection stays open.
    Error { error: Problem<'a> },
}

/// What was wrong with a message of the client, in the shape of the errors of the REST API.
#[derive(Debug, Serialize)]
pub(crate) struct Problem<'a> {
    /// A fixed word that programs can tell apart.
    pub(crate) code: &'a str,
    /// The same for people.
    pub(crate) message: &'a str,
}

/// Stands in for the state that a message does not carry.
pub(crate) type Plain<'a> = ServerMessage<'a, ()>;

impl<T: Serialize> ServerMessage<'_, T> {
    /// Which message it is, the same word as in the message.
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::Missed { .. } => "missed",
            Self::Alarm { .. } => "alarm",
            Self::Links { .. } => "links",
            Self::Rejections { .. } => "rejections",
            Self::Pong { .. } => "pong",
            Self::Error { .. } => "error",
        }
    }

    /// The message in the format of the client, with its name.
    pub(crate) fn encode(&self, format: Format) -> Encoded {
        let mut octets = Vec::new();
        encode_into(format, self, &mut octets);
        Encoded { op: self.op(), octets: octets.into() }
    }
}

/// A message that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Which message it is.
    pub(crate) op: &'static str,
    /// The whole of it in the format of the client.
    pub(crate) octets: Bytes,
}

/// Appends `value`. Writing to memory cannot fail, and nothing here refuses to be serialised: keys are strings.
fn encode_into(format: Format, value: &impl Serialize, octets: &mut Vec<u8>) {
    let done = match format {
        Format::Json => serde_json::to_writer(octets, value).map_err(|e| e.to_string()),
        Format::MessagePack => value
            .serialize(&mut rmp_serde::Serializer::new(octets).with_struct_map())
            .map_err(|e| e.to_string()),
    };
    debug_assert_eq!(done, Ok(()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_says_its_name_and_means_the_same_in_both_formats() {
        let state = serde_json::json!({"total": 3, "by_reason": {"vc-gap": 3}});
        let messages = [
            (ServerMessage::Missed { count: 5 }, r#"{"op":"missed","count":5}"#),
            (
                ServerMessage::Alarm { alarm: &state },
                r#"{"op":"alarm","alarm":{"total":3,"by_reason":{"vc-gap":3}}}"#,
            ),
            (
                ServerMessage::Links { links: &state },
                r#"{"op":"links","links":{"total":3,"by_reason":{"vc-gap":3}}}"#,
            ),
            (
                ServerMessage::Rejections { rejections: &state },
                r#"{"op":"rejections","total":3,"by_reason":{"vc-gap":3}}"#,
            ),
            (ServerMessage::Pong { n: 7 }, r#"{"op":"pong","n":7}"#),
            (
                ServerMessage::Error { error: Problem { code: "malformed", message: "EOF" } },
                r#"{"op":"error","error":{"code":"malformed","message":"EOF"}}"#,
            ),
        ];
        for (message, expected) in messages {
            let expected: serde_json::Value = serde_json::from_str(expected).expect("valid JSON");
            let json: serde_json::Value =
                serde_json::from_slice(&message.encode(Format::Json).octets).expect("valid JSON");
            let pack: serde_json::Value = rmp_serde::from_slice(&message.encode(Format::MessagePack).octets)
                .expect("valid MessagePack");
            assert_eq!(json, expected);
            assert_eq!(pack, expected);
            assert_eq!(expected["op"], message.op());
        }
    }
}
