//! The `[fanout]` table of `perigee.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use perigee_part::PartError;
use perigee_part::http::DEFAULT_ADDRESS;

/// How the HTTP API listens, whom it lets in and where its limits are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the page and the API. Loopback unless configured.
    pub listen: SocketAddr,
    /// What people may do who have not logged in: `observer` (read everything) or `none`.
    pub anonymous: Anonymous,
    /// Name of the station, shown by the page.
    pub station: String,
    /// Host names under which the station is reached, besides `localhost` and literal addresses. While
    /// anonymous reading is allowed, requests for any other name are refused, so that no foreign page can
    /// read the station by pointing its own name at this address (DNS rebinding).
    pub hosts: Vec<String>,
    /// Origins (`https://station.example`) whose pages may open the WebSocket, besides the own one.
    pub origins: Vec<String>,
    /// Marks the session cookie `Secure`: switch on when the page is served behind TLS.
    pub secure_cookie: bool,
    /// Live clients (WebSocket and server-sent events) at a time.
    pub max_clients: usize,
    /// Octets that may wait for one live client before its oldest values are dropped.
    pub queue_octets: usize,
    /// Alarm, link and reply messages that may wait for one live client before it is disconnected.
    pub queue_messages: usize,
    /// Octets of one message to a live client; more values than fit are sent in several.
    pub frame_octets: usize,
    /// Octets of one message from a live client.
    pub message_octets: usize,
    /// Values are gathered for so long after a message was sent; the first after a pause goes at once.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Time between pings to a live client; at least 1 s.
    #[serde(with = "humantime_serde")]
    pub ping: Duration,
    /// A live client that takes nothing or answers no ping for so long is closed.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Queries of the archive that run at a time; others wait.
    pub max_queries: usize,
    /// A query of the archive that takes longer is given up; at least 1 s.
    #[serde(with = "humantime_serde")]
    pub query: Duration,
}

/// What people may do who have not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Read everything, change nothing.
    Observer,
    /// Nothing: every request of the API needs a session or a token.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_ADDRESS,
            anonymous: Anonymous::Observer,
            station: "Perigee".into(),
            hosts: Vec::new(),
            origins: Vec::new(),
            secure_cookie: false,
            max_clients: 256,
            queue_octets: 8 << 20,
            queue_messages: 8192,
            frame_octets: 1 << 20,
            message_octets: 256 << 10,
            linger: Duration::from_millis(4),
            ping: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            max_queries: 4,
            query: Duration::from_secs(8),
        }
    }
}

impl Config {
    /// Refuses values that cannot work together.
    pub(crate) fn check(&self) -> Result<(), PartError> {
        let wrong = |what: &str| Err(PartError::Configuration(format!("fanout: {what}")));
        if self.max_clients == 0 || self.max_queries == 0 || self.queue_messages == 0 {
            return wrong("max_clients, max_queries and queue_messages must be at least 1");
        }
        if self.frame_octets < 1024 || self.message_octets < 1024 {
            return wrong("frame_octets and message_octets must be at least 1024");
        }
        if self.queue_octets < self.frame_octets {
            return wrong("queue_octets must be at least frame_octets");
        }
        let second = Duration::from_secs(1);
        if self.ping < second || self.idle <= self.ping {
            return wrong("ping must be at least 1 s and idle longer than ping");
        }
        if self.query < second || self.linger > second {
            return wrong("query must be at least 1 s and linger at most 1 s");
        }
        if let Some(origin) = self.origins.iter().find(|o| !is_origin(o)) {
            return wrong(&format!(
                "origins: {origin:?} is not of the form https://host or https://host:port"
            ));
        }
        Ok(())
    }
}

/// Scheme and authority, nothing after it: what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_bind_to_loopback() {
        let config = Config::default();
        config.check().expect("defaults");
        assert!(config.listen.ip().is_loopback());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let bad = [
            Config { max_clients: 0, ..Config::default() },
            Config { queue_octets: 1, ..Config::default() },
            Config { ping: Duration::from_secs(60), ..Config::default() },
            Config { ping: Duration::from_nanos(1), ..Config::default() },
            Config { query: Duration::from_millis(999), ..Config::default() },
            Config { origins: vec!["https://a.example/path".into()], ..Config::default() },
        ];
        for config in bad {
            assert!(matches!(config.check(), Err(PartError::Configuration(_))), "{config:?}");
        }
    }
}
