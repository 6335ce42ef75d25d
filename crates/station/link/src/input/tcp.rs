//! TCP: a client that comes back when it loses its server, a server that reads its newest client.
//!
//! A lost connection is an event, never the end of the link. Keep-alive probes find a peer that vanished
//! without a word.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{Event, Input, TICK, Taker};

/// A read takes at most this much: enough to make the cost of the call vanish, little enough to stay in a
/// second-level cache while it is decoded.
const READ_OCTETS: usize = 256 << 10;

/// The longest wait for a server to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The wait before the second attempt to connect; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// One connection and the buffer it is read into.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Connection {
    fn new(stream: TcpStream, receive_buffer: usize) -> std::io::Result<Self> {
        let socket = SockRef::from(&stream);
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5)),
        )?;
        stream.set_read_timeout(Some(TICK))?;
        Ok(Self { peer: stream.peer_addr()?, stream })
    }

    fn read(&mut self, buffer: &mut [u8], taker: &mut dyn Taker) -> Event {
        match self.stream.read(buffer) {
            Ok(0) => Event::Lost(format!("{} closed the connection", self.peer)),
            Ok(n) => {
                taker.octets(&buffer[..n]);
                Event::Octets
            }
            Err(e) => match e.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Event::Idle,
                _ => Event::Lost(format!("{}: {e}", self.peer)),
            },
        }
    }
}

/// Resolves and connects on a thread of its own: a resolver may take half a minute to say no, and a link that is told
/// to stop must not wait for it. One attempt at a time; one that is no longer wanted ends by its time-outs.
fn ask(address: String, receive_buffer: usize) -> std::io::Result<Receiver<std::io::Result<Connection>>> {
    let (answer, waiting) = mpsc::sync_channel(1);
    let attempt = move || {
        // Nobody listens when the link has ended meanwhile.
        let _ = answer.send(connect(&address, receive_buffer));
    };
    std::thread::Builder::new().name("link connect".to_owned()).spawn(attempt)?;
    Ok(waiting)
}

fn connect(address: &str, receive_buffer: usize) -> std::io::Result<Connection> {
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return Connection::new(stream, receive_buffer),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("the name has no address")))
}

/// Connects to a server.
pub(super) struct Client {
    address: String,
    wait_max: Duration,
    receive_buffer: usize,
    buffer: Box<[u8]>,
    connection: Option<Connection>,
    /// Where the attempt that is under way will say how it ended.
    answer: Option<Receiver<std::io::Result<Connection>>>,
    /// When to try next, and how long to wait after that.
    next_attempt: Instant,
    wait: Duration,
}

impl Client {
    pub(super) fn new(address: String, wait_max: Duration, receive_buffer: usize) -> Self {
        Self {
            address,
            wait_max,
            receive_buffer,
            buffer: vec![0; READ_OCTETS].into(),
            connection: None,
            answer: None,
            next_attempt: Instant::now(),
            wait: FIRST_WAIT.min(wait_max),
        }
    }

    fn attempt(&mut self) -> Event {
        let now = Instant::now();
        let Some(answer) = &self.answer else {
            if now < self.next_attempt {
                std::thread::sleep((self.next_attempt - now).min(TICK));
                return Event::Idle;
            }
            return match ask(self.address.clone(), self.receive_buffer) {
                Ok(answer) => {
                    self.answer = Some(answer);
                    Event::Idle
                }
                Err(e) => self.failed(&e),
            };
        };
        let answer = match answer.recv_timeout(TICK) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => return Event::Idle,
            Err(RecvTimeoutError::Disconnected) => Err(std::io::Error::other("the attempt broke off")),
        };
        self.answer = None;
        match answer {
            Ok(connection) => {
                self.connection = Some(connection);
                Event::Connected
            }
            Err(e) => self.failed(&e),
        }
    }

    fn failed(&mut self, error: &std::io::Error) -> Event {
        self.back_off();
        Event::Lost(format!("connecting to {}: {error}", self.address))
    }

    fn back_off(&mut self) {
        self.next_attempt = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(self.wait_max);
    }
}

impl Input for Client {
    fn read(&mut self, taker: &mut dyn Taker) -> Event {
        let Some(connection) = &mut self.connection else { return self.attempt() };
        let event = connection.read(&mut self.buffer, taker);
        match event {
            // A server earns a quick return by having sent something.
            Event::Octets => self.wait = FIRST_WAIT.min(self.wait_max),
            Event::Lost(_) => {
                self.connection = None;
                self.back_off();
            }
            _ => {}
        }
        event
    }

    fn connected(&self) -> bool {
        self.connection.is_some()
    }
}

/// Listens, and reads the client that connected last.
pub(super) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    receive_buffer: usize,
    buffer: Box<[u8]>,
    client: Option<Connection>,
}

impl Server {
    pub(super) fn bind(address: SocketAddr, receive_buffer: usize) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        // Inherited by what is accepted, in time for the window scale of the handshake.
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.bind(&address.into())?;
        socket.listen(8)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok(Self { listener, address, receive_buffer, buffer: vec![0; READ_OCTETS].into(), client: None })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until someone connects or the client has something to say: (a connection, octets).
    fn wait(&self) -> (bool, bool) {
        let client = self.client.as_ref().map(|client| client.stream.as_fd());
        // With nobody connected the listener stands in both places.
        let watched = [self.listener.as_fd(), client.unwrap_or(self.listener.as_fd())];
        let mut watched = watched.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        let timeout = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
        if poll(&mut watched, timeout).is_err() {
            return (false, false);
        }
        let [connecting, readable] = watched.map(|one| one.any().unwrap_or(false));
        (connecting, readable && client.is_some())
    }

    fn accept(&mut self) -> Event {
        let accepted = self.listener.accept().and_then(|(stream, _)| {
            stream.set_nonblocking(false)?;
            Connection::new(stream, self.receive_buffer)
        });
        match accepted {
            Ok(connection) => {
                self.client = Some(connection);
                Event::Connected
            }
            // The client left before it was accepted, or descriptors ran out: wait, and do not spin.
            Err(e) if e.kind() == ErrorKind::WouldBlock => Event::Idle,
            Err(e) => {
                std::thread::sleep(TICK);
                Event::Trouble(format!("accepting on {}: {e}", self.address))
            }
        }
    }
}

impl Input for Server {
    fn read(&mut self, taker: &mut dyn Taker) -> Event {
        let (connecting, readable) = self.wait();
        // What the present client has sent is read before a new one takes its place.
        if readable && let Some(client) = &mut self.client {
            let event = client.read(&mut self.buffer, taker);
            if matches!(event, Event::Lost(_)) {
                self.client = None;
            }
            return event;
        }
        if connecting { self.accept() } else { Event::Idle }
    }

    fn connected(&self) -> bool {
        self.client.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::input::tests::Octets;

    #[test]
    fn a_client_that_fails_to_arrive_takes_no_place() {
        let mut server = Server::bind("127.0.0.1:0".parse().unwrap(), 1 << 16).unwrap();
        let mut taker = Octets(Vec::new());
        let mut healthy = TcpStream::connect(server.address()).unwrap();
        assert!(matches!(server.read(&mut taker), Event::Connected));
        // It resets its connection before it is accepted.
        let hasty = TcpStream::connect(server.address()).unwrap();
        SockRef::from(&hasty).set_linger(Some(Duration::ZERO)).unwrap();
        drop(hasty);
        let event = server.read(&mut taker);
        assert!(matches!(event, Event::Trouble(_)), "{event:?}");
        healthy.write_all(b"frame").unwrap();
        assert!(matches!(server.read(&mut taker), Event::Octets));
        assert_eq!(taker.0, b"frame");
    }
}
