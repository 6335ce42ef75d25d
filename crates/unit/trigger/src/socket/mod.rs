//! Sockets that start services, systemd.socket(5).
//!
//! The sockets of a unit are opened when it starts and stay open when the service comes and goes. Whoever runs the
//! loop waits for [`Sockets::fds`] to be readable and carries out what [`Sockets::ready`] says: start the service with
//! all of them, or an instance for one connection.

mod address;
mod instance;
mod open;
mod options;
mod spec;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::{Deserialize, Serialize};
use socket2::{SockAddr, SockRef};

pub use address::{Address, Netlink};
pub use open::{OpenError, Port};
pub use spec::{Listen, Options, SocketSpec, SpecError, Timestamping};

use perigee_process::accounts::Accounts;

/// Connections that are taken at once from a socket that is ready, so that the others have their turn.
const MOST_AT_ONCE: usize = 64;

/// Datagrams and connections that are thrown away at once.
const MOST_FLUSHED: usize = 1024;

/// The sockets of one unit.
#[derive(Debug)]
pub struct Sockets {
    spec: SocketSpec,
    ports: Vec<Port>,
    phase: Phase,
    accepted: u64,
    refused: u64,
    /// Connections that are open, with their source, by the instance that has them.
    open: BTreeMap<String, Option<String>>,
}

/// What sockets that go on in another program have to know of the time before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    accepted: u64,
    refused: u64,
    open: BTreeMap<String, Option<String>>,
}

/// What the sockets of a unit do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are closed.
    Closed,
    /// They are open, and wait for somebody.
    Listening,
    /// The service has them.
    Running,
}

/// What is to be done since something came.
#[derive(Debug)]
pub enum Incoming {
    /// The service is to be started with all sockets; say [`Sockets::service_up`] then.
    Start,
    /// An instance of the service is to be started with this connection; say [`Sockets::ended`] with its instance
    /// when it is down, or if it cannot be started.
    Connection(Connection),
    /// A connection was closed at once; how many there were up to now, and why.
    Refused(u64, &'static str),
    /// The service was triggered too often: the unit has failed, and its sockets are closed.
    TooOften,
    /// A connection could not be taken.
    Failed(io::Error),
}

/// A connection for an instance of its own.
#[derive(Debug)]
pub struct Connection {
    /// What stands behind the `@` of the instance's name.
    pub instance: String,
    /// The connection; it blocks.
    pub fd: OwnedFd,
    /// `REMOTE_ADDR` and `REMOTE_PORT` for the instance, where there is such a thing.
    pub remote: Option<(String, Option<u32>)>,
}

impl Sockets {
    /// The sockets of a unit, closed.
    pub fn new(spec: SocketSpec) -> Sockets {
        let phase = Phase::Closed;
        Sockets { spec, ports: Vec::new(), phase, accepted: 0, refused: 0, open: BTreeMap::new() }
    }

    /// What the unit says.
    pub fn spec(&self) -> &SocketSpec {
        &self.spec
    }

    /// What they do.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Opens them. Settings that the kernel has refused, and that can be done without, are told in words.
    ///
    /// # Errors
    /// A place that cannot be listened at, or an account that does not exist; nothing is open then.
    pub fn start(&mut self, accounts: &Accounts) -> Result<Vec<String>, OpenError> {
        let (ports, notes) = open::open(&self.spec, accounts)?;
        self.adopt(ports);
        Ok(notes)
    }

    /// Takes sockets that are open already, in the order of the unit, from a program that ran before.
    pub fn adopt(&mut self, ports: Vec<Port>) {
        (self.ports, self.phase) = (ports, Phase::Listening);
        self.spec.limit.reset();
    }

    /// Those that are open.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// What goes on in another program, beside the sockets themselves.
    pub fn kept(&self) -> Kept {
        Kept { accepted: self.accepted, refused: self.refused, open: self.open.clone() }
    }

    /// Goes on where another program has stopped: no instance gets a name that was given before.
    pub fn resume(&mut self, ports: Vec<Port>, kept: Kept) {
        self.adopt(ports);
        (self.accepted, self.refused, self.open) = (kept.accepted, kept.refused, kept.open);
    }

    /// The same, where nobody has kept how many connections there were: there were fewer than this.
    pub fn go_on(&mut self, ports: Vec<Port>, accepted: u64) {
        self.adopt(ports);
        self.accepted = accepted;
    }

    /// Closes them, and removes their nodes where the unit says so.
    pub fn stop(&mut self) {
        self.ports.clear();
        self.phase = Phase::Closed;
        if self.spec.remove_on_stop {
            open::remove_all(&self.spec);
        }
    }

    /// What to wait for: readable, with the index that [`Sockets::ready`] takes. Nothing while the service has them.
    pub fn fds(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        let waits = self.phase == Phase::Listening;
        self.ports.iter().enumerate().filter(move |_| waits).map(|(index, port)| (index, port.fd.as_fd()))
    }

    /// Whether reading from them waits, for the service that is about to get them; until [`Sockets::service_down`].
    pub fn lend(&self, blocking: bool) {
        self.ports.iter().for_each(|port| set_blocking(port.fd.as_fd(), blocking));
    }

    /// What the service gets from descriptor 3 on, each with its name in `LISTEN_FDNAMES`; see [`Sockets::lend`].
    pub fn passed(&self) -> impl Iterator<Item = (BorrowedFd<'_>, &str)> {
        self.ports.iter().map(|port| (port.fd.as_fd(), self.spec.fd_name.as_str()))
    }

    /// Something has come at the descriptor of this index.
    pub fn ready(&mut self, index: usize, now: Duration) -> Vec<Incoming> {
        if self.phase != Phase::Listening || index >= self.ports.len() {
            return Vec::new();
        }
        if !self.spec.accept {
            return vec![if self.spec.limit.take(now) { Incoming::Start } else { self.too_often() }];
        }
        let mut found = Vec::new();
        for _ in 0..MOST_AT_ONCE {
            let Some(port) = self.ports.get(index) else { break };
            let (socket, peer) = match SockRef::from(&port.fd).accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Whoever was there has gone, accept(2).
                Err(error) if is_gone(&error) => continue,
                Err(error) => {
                    found.push(Incoming::Failed(error));
                    break;
                }
            };
            if !self.spec.limit.take(now) {
                found.push(self.too_often());
                break;
            }
            match self.connection(socket, &peer) {
                Ok(Ok(connection)) => found.push(Incoming::Connection(connection)),
                Ok(Err(why)) => {
                    self.refused += 1;
                    found.push(Incoming::Refused(self.refused, why));
                }
                Err(error) => found.push(Incoming::Failed(error)),
            }
        }
        found
    }

    fn too_often(&mut self) -> Incoming {
        self.stop();
        Incoming::TooOften
    }

    /// An instance for this connection, unless there are too many.
    fn connection(
        &mut self,
        socket: socket2::Socket,
        peer: &SockAddr,
    ) -> io::Result<Result<Connection, &'static str>> {
        if self.open.len() >= self.spec.max_connections as usize {
            return Ok(Err("there are as many connections as MaxConnections= allows"));
        }
        let source = instance::source(peer);
        let of_same = self.open.values().filter(|other| source.is_some() && **other == source).count();
        if self.spec.max_per_source > 0 && of_same >= self.spec.max_per_source as usize {
            return Ok(Err("its source has as many connections as MaxConnectionsPerSource= allows"));
        }
        let number = self.accepted;
        self.accepted += 1;
        let name = instance::name(number, &socket, peer)?;
        let remote = match peer.as_socket() {
            Some(address) => Some((plain(address), Some(u32::from(address.port())))),
            None => peer.as_vsock_address().map(|(cid, port)| (cid.to_string(), Some(port))),
        };
        socket.set_nonblocking(false)?;
        self.open.insert(name.clone(), source);
        Ok(Ok(Connection { instance: name, fd: socket.into(), remote }))
    }

    /// The service runs, and has the sockets.
    pub fn service_up(&mut self) {
        if self.phase == Phase::Listening && !self.spec.accept {
            self.phase = Phase::Running;
        }
    }

    /// The service is down: the sockets are waited for again.
    pub fn service_down(&mut self) {
        if self.phase == Phase::Running {
            self.lend(false);
            if self.spec.flush_pending {
                self.flush();
            }
            self.phase = Phase::Listening;
        }
    }

    /// An instance is down, and its connection is closed.
    pub fn ended(&mut self, instance: &str) {
        self.open.remove(instance);
    }

    /// Connections accepted, connections open, and connections refused.
    pub fn counts(&self) -> (u64, usize, u64) {
        (self.accepted, self.open.len(), self.refused)
    }

    /// Throws away what nobody has read.
    fn flush(&self) {
        for port in &self.ports {
            let socket = SockRef::from(&port.fd);
            for _ in 0..MOST_FLUSHED {
                let more = match port.connects {
                    true => socket.accept().is_ok(),
                    false => nix::unistd::read(&port.fd, &mut [0; 4096]).is_ok(),
                };
                if !more {
                    break;
                }
            }
        }
    }
}

/// Lets reading from a descriptor wait, or not, for all who have it.
pub fn set_blocking(fd: BorrowedFd<'_>, blocking: bool) {
    let flags = fcntl(fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    if let Ok(mut flags) = flags {
        flags.set(OFlag::O_NONBLOCK, !blocking);
        // What is open takes flags.
        let _ = fcntl(fd, FcntlArg::F_SETFL(flags));
    }
}

/// The address without its port, an IPv4 one as such.
fn plain(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// Errors of a connection that has ended before it was taken, accept(2).
fn is_gone(error: &io::Error) -> bool {
    use nix::libc as c;
    let codes = [
        c::ECONNABORTED,
        c::EINTR,
        c::ENETDOWN,
        c::EPROTO,
        c::ENOPROTOOPT,
        c::EHOSTDOWN,
        c::ENONET,
        c::EHOSTUNREACH,
        c::EOPNOTSUPP,
        c::ENETUNREACH,
        c::ETIMEDOUT,
    ];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
