//! A `[[link]]` table once checked: what the rest of the crate works with.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use perigee_ccsds::link::{LinkFileError, LinkParameters, Symbols};

use crate::config::{Config, Content, Kind, LinkConfig, Parameters, Start};

/// The largest receive buffer that may be asked for.
const RECEIVE_BUFFER_MAX: usize = 1 << 30;

/// The least that the longest wait of a TCP client may be: a server that is away is not besieged.
const RECONNECT_LEAST: Duration = Duration::from_millis(10);

/// What is wrong with a link's configuration, or what the system refused to it.
#[derive(Debug, thiserror::Error)]
#[error("link {link:?}: {problem}")]
pub struct SettingsError {
    /// The link.
    pub link: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with one link.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Another link has the name already.
    #[error("another link has this name")]
    NameTaken,
    /// A key that this kind of link needs is missing.
    #[error("a link of this kind needs the key `{0}`")]
    Missing(&'static str),
    /// A key that means nothing to this kind of link is there.
    #[error("the key `{0}` means nothing to a link of this kind")]
    Pointless(&'static str),
    /// A value is out of range.
    #[error("`{key}` must be {range}")]
    Range {
        /// The key.
        key: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The address cannot be bound.
    #[error("address {address:?}: {source}")]
    Address {
        /// As written.
        address: String,
        /// Why it cannot be resolved.
        source: std::io::Error,
    },
    /// The link file cannot be read.
    #[error("link file {}: {source}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The link file, or the inline table, is wrong.
    #[error("{origin}: {source}")]
    Parameters {
        /// The path, or `parameters`.
        origin: String,
        /// The key and the line.
        source: LinkFileError,
    },
    /// The receive chain cannot be built from the parameters.
    #[error("{0}")]
    Receiver(String),
    /// The system refused a socket or file.
    #[error("cannot {what} {which}: {source}")]
    Refused {
        /// What was being done.
        what: &'static str,
        /// To which address or path.
        which: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// One link, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// As people should see it: for a listener the address that it is bound to.
    pub(crate) address: String,
    pub(crate) content: Content,
    /// There for frames.
    pub(crate) parameters: Option<LinkParameters>,
    pub(crate) idle_timeout: Duration,
    pub(crate) source: Source,
}

/// Where the octets come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    TcpClient { address: String, reconnect_max: Duration, receive_buffer: usize },
    TcpServer { address: SocketAddr, receive_buffer: usize },
    Udp { address: SocketAddr, receive_buffer: usize },
    File(Replay),
}

/// How a file is read.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) path: PathBuf,
    pub(crate) follow: bool,
    pub(crate) start: Start,
    /// Octets per second, speed factor included; `None` without a limit.
    pub(crate) octet_rate: Option<f64>,
}

impl Settings {
    /// Checks every table.
    pub(crate) fn check_all(config: Config) -> Result<Vec<Self>, SettingsError> {
        let mut all: Vec<Self> = Vec::with_capacity(config.0.len());
        for link in config.0 {
            let name = link.name.clone();
            let fail = |problem| SettingsError { link: name.clone(), problem };
            if all.iter().any(|other| other.name == name) {
                return Err(fail(Problem::NameTaken));
            }
            all.push(Self::check(link).map_err(fail)?);
        }
        Ok(all)
    }

    fn check(link: LinkConfig) -> Result<Self, Problem> {
        if link.name.is_empty() || link.name.len() > 64 {
            return Err(Problem::Range { key: "name", range: "1 to 64 octets long" });
        }
        if link.idle_timeout.is_zero() {
            return Err(Problem::Range { key: "idle_timeout", range: "longer than nothing" });
        }
        let mut source = source(&link)?;
        let address = match &source {
            Source::TcpClient { address, .. } => address.clone(),
            Source::TcpServer { address, .. } | Source::Udp { address, .. } => address.to_string(),
            Source::File(replay) => replay.path.display().to_string(),
        };
        let parameters = match (link.content, link.parameters) {
            (Content::Frames, Some(parameters)) => Some(read(parameters)?),
            (Content::Frames, None) => return Err(Problem::Missing("parameters")),
            (Content::Packets, None) => None,
            (Content::Packets, Some(_)) => return Err(Problem::Pointless("parameters")),
        };
        #[allow(clippy::cast_precision_loss)] // 1 or 4.
        if let (Source::File(replay), Some(parameters)) = (&mut source, &parameters) {
            // A bit rate counts symbols; where each takes an octet or more, there are more octets of them.
            let octets = match parameters.symbols {
                Symbols::Octets => 0.125,
                Symbols::Bits | Symbols::I8 | Symbols::F32 => parameters.symbols.octets_per_symbol() as f64,
            };
            replay.octet_rate = replay.octet_rate.map(|rate| rate * 8.0 * octets);
        }
        Ok(Self {
            name: link.name,
            kind: link.kind,
            address,
            content: link.content,
            parameters,
            idle_timeout: link.idle_timeout,
            source,
        })
    }

    /// The system refused this link's socket or file.
    pub(crate) fn refused(&self, what: &'static str, source: std::io::Error) -> SettingsError {
        SettingsError {
            link: self.name.clone(),
            problem: Problem::Refused { what, which: self.address.clone(), source },
        }
    }
}

fn source(link: &LinkConfig) -> Result<Source, Problem> {
    let LinkConfig { receive_buffer, reconnect_max, .. } = *link;
    let default = LinkConfig::new("", link.kind);
    let file = link.kind == Kind::File;
    let pointless = [
        ("address", file && link.address.is_some()),
        ("receive_buffer", file && receive_buffer != default.receive_buffer),
        ("path", !file && link.path.is_some()),
        ("follow", !file && link.follow),
        ("start", !file && link.start != Start::default()),
        ("bit_rate", !file && link.bit_rate.is_some()),
        ("speed", (!file || link.bit_rate.is_none()) && link.speed.to_bits() != default.speed.to_bits()),
        ("reconnect_max", link.kind != Kind::TcpClient && reconnect_max != default.reconnect_max),
    ];
    if let Some((key, _)) = pointless.into_iter().find(|(_, there)| *there) {
        return Err(Problem::Pointless(key));
    }
    if file {
        return replay(link).map(Source::File);
    }
    if reconnect_max < RECONNECT_LEAST {
        return Err(Problem::Range { key: "reconnect_max", range: "10 ms or longer" });
    }
    if !(4096..=RECEIVE_BUFFER_MAX).contains(&receive_buffer) {
        return Err(Problem::Range { key: "receive_buffer", range: "4,096 to 1,073,741,824" });
    }
    let address = link.address.clone().ok_or(Problem::Missing("address"))?;
    Ok(match link.kind {
        Kind::TcpClient => Source::TcpClient { address, reconnect_max, receive_buffer },
        Kind::TcpServer => Source::TcpServer { address: local(address)?, receive_buffer },
        Kind::Udp | Kind::File => Source::Udp { address: local(address)?, receive_buffer },
    })
}

fn replay(link: &LinkConfig) -> Result<Replay, Problem> {
    let path = link.path.clone().ok_or(Problem::Missing("path"))?;
    if !(link.speed.is_finite() && link.speed > 0.0) {
        return Err(Problem::Range { key: "speed", range: "more than 0" });
    }
    if link.bit_rate == Some(0) {
        return Err(Problem::Range { key: "bit_rate", range: "more than 0" });
    }
    #[allow(clippy::cast_precision_loss)] // A bit rate beyond 2^53 is none.
    let octet_rate = link.bit_rate.map(|bits| bits as f64 / 8.0 * link.speed);
    Ok(Replay { path, follow: link.follow, start: link.start, octet_rate })
}

fn local(address: String) -> Result<SocketAddr, Problem> {
    match address.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(first)) => Ok(first),
        Ok(None) => {
            Err(Problem::Address { address, source: std::io::Error::other("the name has no address") })
        }
        Err(source) => Err(Problem::Address { address, source }),
    }
}

fn read(parameters: Parameters) -> Result<LinkParameters, Problem> {
    let (origin, text) = match parameters {
        Parameters::Inline(table) => ("parameters".to_owned(), table.to_string()),
        Parameters::Path(path) => match std::fs::read_to_string(&path) {
            Ok(text) => (path.display().to_string(), text),
            Err(source) => return Err(Problem::Unreadable { path, source }),
        },
    };
    LinkParameters::from_toml(&text).map_err(|source| Problem::Parameters { origin, source })
}
