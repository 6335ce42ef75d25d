//! A service is asked over the network whether it does its work: one connection that never waits, of which no more is
//! read than is needed. Who is slow, or sends without end, costs one descriptor and a few octets until the time is over.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt,
};
use perigee_process::epoll::EpollFlags;
use perigee_units::health::http::{Address, LONGEST_HEAD, status};

/// Statuses that are well: success, and what leads elsewhere.
const WELL: std::ops::Range<u16> = 200..400;

/// What a question has come to.
pub type Answer = Result<String, String>;

/// A connection to a service that is asked.
#[derive(Debug)]
pub struct Asking {
    stream: TcpStream,
    connected: bool,
    /// What is still to be said; none where a connection is all that is wanted.
    request: Option<Vec<u8>>,
    input: Vec<u8>,
}

impl Asking {
    /// Begins to connect.
    ///
    /// # Errors
    /// Nobody is there, in words.
    pub fn begin(address: &Address) -> Result<Asking, String> {
        let told = |errno: Errno| errno.desc().to_owned();
        let family = if address.socket.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket: OwnedFd = socket(family, SockType::Stream, flags, None).map_err(told)?;
        use std::os::fd::AsRawFd;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(address.socket)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(errno) => return Err(told(errno)),
        }
        let request = (!address.path.is_empty()).then(|| address.request().into_bytes());
        Ok(Asking { stream: TcpStream::from(socket), connected: false, request, input: Vec::new() })
    }

    /// What the epoll is to tell.
    pub fn interest(&self) -> EpollFlags {
        let speaks = !self.connected || self.request.as_ref().is_some_and(|request| !request.is_empty());
        if speaks { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN }
    }

    /// Goes on as far as that is possible without waiting; gives the answer once it is known.
    pub fn step(&mut self) -> Option<Answer> {
        match self.try_step() {
            Ok(answer) => answer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(told(&error))),
        }
    }

    fn try_step(&mut self) -> io::Result<Option<Answer>> {
        if !self.connected {
            match getsockopt(&self.stream, sockopt::SocketError)? {
                0 => {}
                number => return Err(Errno::from_raw(number).into()),
            }
            // Without an error it is connected, or still on its way there.
            if let Err(error) = self.stream.peer_addr() {
                return if error.kind() == io::ErrorKind::NotConnected { Ok(None) } else { Err(error) };
            }
            self.connected = true;
        }
        let Some(request) = &mut self.request else {
            return Ok(Some(Ok("the connection was taken".to_owned())));
        };
        while !request.is_empty() {
            match self.stream.write(request) {
                Ok(count) => drop(request.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; 1024];
        loop {
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Some(Err("the connection was closed without an answer".to_owned()))),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let room = LONGEST_HEAD - self.input.len();
            self.input.extend_from_slice(&buffer[..count.min(room)]);
            match status(&self.input) {
                Ok(None) => {}
                Ok(Some(code)) if WELL.contains(&code) => return Ok(Some(Ok(format!("status {code}")))),
                Ok(Some(code)) => return Ok(Some(Err(format!("status {code}")))),
                Err(error) => return Ok(Some(Err(error.to_string()))),
            }
        }
    }
}

impl AsFd for Asking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// An error without its number.
fn told(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    /// What asking comes to when whoever listens does this with the connection; none if it comes to nothing.
    fn ask(http: bool, serve: impl FnOnce(TcpStream) + Send + 'static) -> Option<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let address = match http {
            true => Address::http(&format!("http://{at}/health")),
            false => Address::tcp(&at.to_string()),
        };
        let mut asking = Asking::begin(&address.unwrap()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(700);
        loop {
            let began = Instant::now();
            let answer = asking.step();
            assert!(began.elapsed() < Duration::from_millis(300), "it has waited");
            assert!(asking.input.len() <= LONGEST_HEAD);
            if answer.is_some() || Instant::now() > deadline {
                drop(asking);
                thread.join().unwrap();
                return answer;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes a request in up to its end, and answers this.
    fn answers(text: &'static [u8]) -> impl FnOnce(TcpStream) + Send + 'static {
        move |mut stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet).unwrap();
                request.push(octet[0]);
            }
            assert!(request.starts_with(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:"));
            // In pieces, as a network may have it.
            for piece in text.chunks(5) {
                let _ = stream.write_all(piece);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn answers_of_every_kind() {
        assert_eq!(ask(true, answers(b"HTTP/1.1 200 OK\r\n\r\n")), Some(Ok("status 200".to_owned())));
        assert_eq!(ask(true, answers(b"HTTP/1.1 302 Found\r\n\r\n")), Some(Ok("status 302".to_owned())));
        assert_eq!(ask(true, answers(b"HTTP/1.1 500 Oh\r\n\r\n")), Some(Err("status 500".to_owned())));
        assert_eq!(ask(true, answers(b"hello\r\n")), Some(Err("the answer is not HTTP/1".to_owned())));
        let closed = Some(Err("the connection was closed without an answer".to_owned()));
        assert_eq!(ask(true, answers(b"HTTP/1.1 200")), closed);
        assert_eq!(ask(false, drop), Some(Ok("the connection was taken".to_owned())));
    }

    #[test]
    fn who_sends_without_end_or_nothing_at_all_keeps_nobody() {
        let endless = |mut stream: TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n");
            while stream.write_all(b"X: y\r\n").is_ok() {}
        };
        assert_eq!(ask(true, endless), Some(Err("no status within 4096 octets".to_owned())));
        assert_eq!(ask(true, |_stream| std::thread::sleep(Duration::from_millis(900))), None);
    }

    #[test]
    fn where_nobody_listens_is_known_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
        drop(listener);
        let refused = match Asking::begin(&address) {
            Err(why) => why,
            Ok(mut asking) => asking.step().unwrap().unwrap_err(),
        };
        assert_eq!(refused, "Connection refused");
    }
}
