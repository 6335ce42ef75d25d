//! What a `.socket` unit says, read once.

use std::time::Duration;

use perigee_units::unit::{Unit, UnitKind, UnitName, Value};
use perigee_units::value::{Amount, Span};

use super::address::{Address, Netlink};
use crate::limit::Limit;

/// A `.socket` unit.
#[derive(Clone, Debug)]
pub struct SocketSpec {
    /// The name of the unit.
    pub name: UnitName,
    /// Where it listens, in the order of the file.
    pub listens: Vec<Listen>,
    /// The service that is started; a template with `Accept=yes`.
    pub service: UnitName,
    /// Each connection has an instance of the service of its own.
    pub accept: bool,
    /// What the service finds in `LISTEN_FDNAMES`.
    pub fd_name: String,
    /// Who owns the nodes in the file system.
    pub user: Option<String>,
    /// The group of the nodes in the file system.
    pub group: Option<String>,
    /// The mode of these nodes.
    pub mode: u32,
    /// The mode of folders that are made for them.
    pub directory_mode: u32,
    /// The nodes go when the unit stops.
    pub remove_on_stop: bool,
    /// Further names of the one node there is.
    pub symlinks: Vec<String>,
    /// Connections at once, with `Accept=yes`.
    pub max_connections: u32,
    /// Connections at once from one address; 0 for no bound.
    pub max_per_source: u32,
    /// What came while the service ran, and was not read by it, is thrown away.
    pub flush_pending: bool,
    /// How often the service may be triggered.
    pub limit: Limit,
    /// How the sockets are set up.
    pub options: Options,
}

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `ListenStream=`
    Stream(Address),
    /// `ListenDatagram=`
    Datagram(Address),
    /// `ListenSequentialPacket=`
    Packet(Address),
    /// `ListenFIFO=`
    Fifo(String),
    /// `ListenSpecial=`
    Special(String),
    /// `ListenNetlink=`
    Netlink(Netlink),
    /// `ListenMessageQueue=`
    Queue(String),
}

/// How sockets are set up; what is not said is as the kernel has it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "each is the directive of its name in systemd.socket(5)")]
pub struct Options {
    pub protocol: Option<i32>,
    pub ipv6_only: Option<bool>,
    pub backlog: Option<i32>,
    pub device: Option<String>,
    pub keep_alive: bool,
    pub keep_alive_time: Option<Duration>,
    pub keep_alive_interval: Option<Duration>,
    pub keep_alive_probes: Option<u32>,
    pub defer_accept: Option<Duration>,
    pub no_delay: bool,
    pub priority: Option<i32>,
    pub receive_buffer: Option<usize>,
    pub send_buffer: Option<usize>,
    pub tos: Option<i32>,
    pub ttl: Option<i32>,
    pub mark: Option<u32>,
    pub pipe_size: Option<i32>,
    pub free_bind: bool,
    pub transparent: bool,
    pub broadcast: bool,
    pub pass_credentials: bool,
    pub pass_security: bool,
    pub pass_packet_info: bool,
    pub timestamping: Timestamping,
    pub congestion: Option<String>,
    pub reuse_port: bool,
    pub writable: bool,
    pub queue_messages: Option<i64>,
    pub queue_message_size: Option<i64>,
}

/// Which time stamps datagrams carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Timestamping {
    #[default]
    Off,
    Microseconds,
    Nanoseconds,
}

/// What is wrong with a `.socket` unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{directive}={value}: {reason}")]
pub struct SpecError {
    /// The directive.
    pub directive: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl SocketSpec {
    /// Reads a `.socket` unit.
    ///
    /// # Errors
    /// An address that is none, or settings that exclude each other.
    pub fn read(unit: &Unit) -> Result<SocketSpec, SpecError> {
        let reader = Reader(unit);
        let mut listens = Vec::new();
        for setting in unit.settings.iter().filter(|setting| setting.section == "Socket") {
            let Value::Text(value) = &setting.value else { continue };
            let wrong = |reason| SpecError { directive: setting.directive, value: value.clone(), reason };
            let address = || Address::parse(value).map_err(wrong);
            listens.push(match setting.directive {
                "ListenStream" => Listen::Stream(address()?),
                "ListenDatagram" => Listen::Datagram(address()?),
                "ListenSequentialPacket" => match address()? {
                    address @ (Address::Path(_) | Address::Abstract(_)) => Listen::Packet(address),
                    address if unit.last("Socket", "SocketProtocol").is_some() => Listen::Packet(address),
                    _ => return Err(wrong("only local sockets and SCTP have sequential packets")),
                },
                "ListenFIFO" => Listen::Fifo(value.clone()),
                "ListenSpecial" => Listen::Special(value.clone()),
                "ListenNetlink" => Listen::Netlink(Netlink::parse(value).map_err(wrong)?),
                "ListenMessageQueue" => match value.strip_prefix('/') {
                    Some(name) if !name.is_empty() && !name.contains('/') => Listen::Queue(value.clone()),
                    _ => return Err(wrong("the name of a message queue is a slash and what has none")),
                },
                "ListenUSBFunction" => return Err(wrong("USB functions are not supported")),
                _ => continue,
            });
        }
        let accept = reader.flag("Accept");
        let wrong = |directive, reason| Err(SpecError { directive, value: "yes".to_owned(), reason });
        if accept && !listens.iter().all(|listen| matches!(listen, Listen::Stream(_) | Listen::Packet(_))) {
            return wrong("Accept", "only streams and sequential packets have connections");
        }
        let named = match unit.last("Socket", "Service") {
            Some(Value::Units(names)) => names.first().cloned(),
            _ => None,
        };
        if named.as_ref().is_some_and(|named| accept || named.kind() != UnitKind::Service) {
            return wrong("Service", "it names one service, and excludes Accept=yes");
        }
        let of_same_name = || match accept {
            true => UnitName::parse(&format!("{}@.service", unit.name.prefix())),
            false => Ok(unit.name.of_kind(UnitKind::Service)),
        };
        let service = match named {
            Some(named) => named,
            None => of_same_name().map_err(|_| SpecError {
                directive: "Accept",
                value: unit.name.to_string(),
                reason: "the name is too long for a template",
            })?,
        };
        let symlinks = unit.all("Socket", "Symlinks").filter_map(|value| match value {
            Value::Words(words) => Some(words.clone()),
            _ => None,
        });
        let symlinks: Vec<String> = symlinks.flatten().collect();
        if !symlinks.is_empty() && listens.iter().filter(|listen| listen.path().is_some()).count() != 1 {
            return Err(SpecError {
                directive: "Symlinks",
                value: symlinks.join(" "),
                reason: "there must be one node in the file system for it to lead to",
            });
        }
        let default_name = if accept { "connection".to_owned() } else { unit.name.to_string() };
        Ok(SocketSpec {
            name: unit.name.clone(),
            listens,
            service,
            accept,
            fd_name: reader.text("FileDescriptorName").unwrap_or(default_name),
            user: reader.text("SocketUser"),
            group: reader.text("SocketGroup"),
            mode: reader.mode("SocketMode").unwrap_or(0o666),
            directory_mode: reader.mode("DirectoryMode").unwrap_or(0o755),
            remove_on_stop: reader.flag("RemoveOnStop"),
            symlinks,
            max_connections: reader.number("MaxConnections").map_or(64, clamped),
            max_per_source: reader.number("MaxConnectionsPerSource").map_or(0, clamped),
            flush_pending: reader.flag("FlushPending"),
            limit: Limit::read(unit, "Socket", if accept { 200 } else { 20 }),
            options: reader.options()?,
        })
    }
}

fn clamped(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Listen {
    /// The node in the file system that it makes, if it makes one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Listen::Stream(address) | Listen::Datagram(address) | Listen::Packet(address) => address.path(),
            Listen::Fifo(path) => Some(path),
            Listen::Special(_) | Listen::Netlink(_) | Listen::Queue(_) => None,
        }
    }
}

/// Typed values of `[Socket]`.
struct Reader<'a>(&'a Unit);

impl Reader<'_> {
    fn flag(&self, name: &str) -> bool {
        self.0.last("Socket", name) == Some(&Value::Bool(true))
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.0.last("Socket", name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.0.last("Socket", name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn mode(&self, name: &str) -> Option<u32> {
        match self.0.last("Socket", name) {
            Some(Value::Mode(mode)) => Some(*mode),
            _ => None,
        }
    }

    fn span(&self, name: &str) -> Option<Duration> {
        match self.0.last("Socket", name) {
            Some(Value::Span(span)) => Span::finite(*span).filter(|span| !span.is_zero()),
            _ => None,
        }
    }

    fn size(&self, name: &str) -> Option<usize> {
        match self.0.last("Socket", name) {
            Some(Value::Amount(Amount::Absolute(size))) => usize::try_from(*size).ok(),
            _ => None,
        }
    }

    fn options(&self) -> Result<Options, SpecError> {
        let tos = match self.text("IPTOS").as_deref() {
            None => None,
            Some("low-delay") => Some(0x10),
            Some("throughput") => Some(0x08),
            Some("reliability") => Some(0x04),
            Some("low-cost") => Some(0x02),
            Some(other) => match other.parse::<u8>() {
                Ok(tos) => Some(i32::from(tos)),
                Err(_) => {
                    let reason = "it is no type of service and no number up to 255";
                    return Err(SpecError { directive: "IPTOS", value: other.to_owned(), reason });
                }
            },
        };
        let number = |name| self.number(name).and_then(|number| i32::try_from(number).ok());
        let ipv6_only = match self.text("BindIPv6Only").as_deref() {
            Some("both") => Some(false),
            Some("ipv6-only") => Some(true),
            _ => match self.0.last("Socket", "BindIPv6Only") {
                Some(Value::Bool(only)) => Some(*only),
                _ => None,
            },
        };
        Ok(Options {
            protocol: match self.text("SocketProtocol").as_deref() {
                Some("udplite") => Some(136),
                Some("sctp") => Some(132),
                Some("mptcp") => Some(262),
                _ => None,
            },
            ipv6_only,
            backlog: self.number("Backlog").map(|backlog| i32::try_from(backlog).unwrap_or(i32::MAX)),
            device: self.text("BindToDevice"),
            keep_alive: self.flag("KeepAlive"),
            keep_alive_time: self.span("KeepAliveTimeSec"),
            keep_alive_interval: self.span("KeepAliveIntervalSec"),
            keep_alive_probes: self.number("KeepAliveProbes").map(clamped).filter(|probes| *probes > 0),
            defer_accept: self.span("DeferAcceptSec"),
            no_delay: self.flag("NoDelay"),
            priority: number("Priority").filter(|priority| *priority >= 0),
            receive_buffer: self.size("ReceiveBuffer"),
            send_buffer: self.size("SendBuffer"),
            tos,
            ttl: number("IPTTL").filter(|ttl| *ttl > 0),
            // A negative mark is none, as in systemd.
            mark: self.number("Mark").and_then(|mark| u32::try_from(mark).ok()),
            pipe_size: self.size("PipeSize").map(|size| i32::try_from(size).unwrap_or(i32::MAX)),
            free_bind: self.flag("FreeBind"),
            transparent: self.flag("Transparent"),
            broadcast: self.flag("Broadcast"),
            pass_credentials: self.flag("PassCredentials"),
            pass_security: self.flag("PassSecurity"),
            pass_packet_info: self.flag("PassPacketInfo"),
            timestamping: match self.text("Timestamping").as_deref() {
                Some("us" | "usec") => Timestamping::Microseconds,
                Some("ns" | "nsec") => Timestamping::Nanoseconds,
                _ => Timestamping::Off,
            },
            congestion: self.text("TCPCongestion"),
            reuse_port: self.flag("ReusePort"),
            writable: self.flag("Writable"),
            queue_messages: self.number("MessageQueueMaxMessages").filter(|number| *number > 0),
            queue_message_size: self.number("MessageQueueMessageSize").filter(|size| *size > 0),
        })
    }
}
