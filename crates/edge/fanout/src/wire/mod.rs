//! What goes over the wire: the messages of clients and of the station, in JSON and in MessagePack.
//!
//! Both formats carry the same data model, so whatever is said about one holds for the other:
//! - times are integer milliseconds of the Unix epoch, UTC;
//! - integers outside ±(2^53 - 1), which a browser would round, are decimal strings;
//! - floats that are not finite are the strings `NaN`, `Infinity` and `-Infinity`;
//! - binary values are strings of lower-case hexadecimal digits.

pub(crate) mod client;
pub(crate) mod sample;
pub(crate) mod server;

/// How the messages of one connection are encoded; the names are WebSocket subprotocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// `perigee.v1.json`, in text frames.
    Json,
    /// `perigee.v1.msgpack`, in binary frames; maps with string keys.
    MessagePack,
}

impl Format {
    /// Every format, the preferred one first.
    pub(crate) const ALL: [Self; 2] = [Self::MessagePack, Self::Json];

    /// The WebSocket subprotocol (RFC 6455, 1.9).
    pub(crate) fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "perigee.v1.json",
            Self::MessagePack => "perigee.v1.msgpack",
        }
    }
}
