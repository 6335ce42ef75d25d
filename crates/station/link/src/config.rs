//! The `[[link]]` tables of `perigee.toml`, as they are written. [`Settings`](crate::settings::Settings)
//! is what they mean once checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All `[[link]]` tables, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config(pub Vec<LinkConfig>);

/// One `[[link]]` table: where octets come from and what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// Name of the link, unique in the node: shown to people, kept with what it received.
    pub name: String,
    /// How the octets arrive.
    pub kind: Kind,
    /// `host:port`. TCP client: where to connect; TCP server and UDP: where to listen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The file to read (kind `file`); like all paths here, a relative one starts in the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What the octets are: coded transfer frames (default) or bare packets.
    #[serde(default)]
    pub content: Content,
    /// The managed parameters of the physical channel: the path of a link file, or its text as an inline
    /// table. Needed for frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// After so long without octets the link shows no bit lock, without a good frame no frame lock.
    #[serde(default = "default_idle_timeout", with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// TCP client: longest wait between two attempts to connect, at least 10 ms; the first waits are shorter.
    #[serde(default = "default_reconnect_max", with = "humantime_serde")]
    pub reconnect_max: Duration,
    /// Octets that the kernel is asked to hold for this socket (`SO_RCVBUF`; `net.core.rmem_max` is the
    /// most it grants).
    #[serde(default = "default_receive_buffer")]
    pub receive_buffer: usize,
    /// File: wait for more at its end (default false: the link ends there).
    #[serde(default)]
    pub follow: bool,
    /// File: where to start, `"begin"` (default), `"end"` or an offset in octets.
    #[serde(default)]
    pub start: Start,
    /// File: bits (channel symbols) per second of the recording. Left out: as fast as they can be processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u64>,
    /// File: replay so many times faster than `bit_rate` (default 1).
    #[serde(default = "default_speed")]
    pub speed: f64,
}

/// How a link's octets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Connects to a server, and again when the connection is lost.
    TcpClient,
    /// Listens; the newest client is the one that is read.
    TcpServer,
    /// Listens; each datagram holds whole frames or whole packets.
    Udp,
    /// Reads a file, once or as it grows.
    File,
}

/// What a link's octets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Transfer frames as the link file describes them, coded or not.
    #[default]
    Frames,
    /// Space packets or encapsulation packets, back to back.
    Packets,
}

/// The managed parameters of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameters {
    /// Path of a link file.
    Path(PathBuf),
    /// The content of a link file.
    Inline(toml::Table),
}

/// Where in a file to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Start {
    /// At one of its ends.
    Edge(Edge),
    /// At an offset in octets.
    Offset(u64),
}

/// The two ends of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// The first octet.
    Begin,
    /// Behind the last octet that is there when the link starts.
    End,
}

impl LinkConfig {
    /// A link with every other key at its default.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            address: None,
            path: None,
            content: Content::default(),
            parameters: None,
            idle_timeout: default_idle_timeout(),
            reconnect_max: default_reconnect_max(),
            receive_buffer: default_receive_buffer(),
            follow: false,
            start: Start::default(),
            bit_rate: None,
            speed: default_speed(),
        }
    }
}

impl Default for Start {
    fn default() -> Self {
        Self::Edge(Edge::Begin)
    }
}

fn default_idle_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_reconnect_max() -> Duration {
    Duration::from_secs(10)
}

fn default_receive_buffer() -> usize {
    8 << 20
}

fn default_speed() -> f64 {
    1.0
}
