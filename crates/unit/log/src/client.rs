//! The supervisor's side of the log process: never waits, forgets nothing that it can keep, and counts the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, send as send_octets, setsockopt, shutdown,
    socketpair, sockopt,
};
use perigee_journal::Id;

use crate::message::{Answer, Event, Held, MOST_HELD, MOST_PACKET, Request, StreamSpec, receive, send};
use crate::stream::RENEWAL;

/// Requests that wait for a log process that is busy or not there.
const MOST_WAITING: usize = 4096;
/// Octets that a unit may be ahead of the log process, counted as the kernel does: short writes count much more.
const ROOM: usize = 256 << 10;
/// Octets of what an event says; what is longer is cut, as a line would be.
const MOST_MESSAGE: usize = 48 << 10;

/// What the log process told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// What could be read at [`Client::flush`], which returned this number, is written.
    Flushed(u64),
    /// A stream has ended.
    Ended {
        /// The number of the stream.
        key: u64,
        /// Whose it was.
        unit: String,
    },
    /// A stream was not taken.
    Refused {
        /// The number of the stream.
        key: u64,
        /// Whose it is.
        unit: String,
        /// Why.
        reason: String,
    },
    /// A stream was there already: of a supervisor before this one.
    Adopted {
        /// The number of the stream.
        key: u64,
        /// Whose it is.
        unit: String,
    },
    /// All streams that were there have been told.
    Ready,
    /// The log process has written everything and ends.
    Stopped,
    /// The log process is gone: start another one and hand its socket to [`Client::connect`].
    Lost,
}

/// The supervisor's side.
#[derive(Debug, Default)]
pub struct Client {
    /// `None` while there is no log process.
    socket: Option<OwnedFd>,
    /// Every stream that has not ended, with its receiving end.
    streams: BTreeMap<u64, (StreamSpec, OwnedFd)>,
    /// Descriptors of units that the log process keeps too.
    held: BTreeMap<u64, (String, Held, OwnedFd)>,
    /// Requests that have not been sent; a stream by its number.
    waiting: VecDeque<Request>,
    /// Flushes that have not been answered.
    flushes: BTreeSet<u64>,
    /// The last number of a stream or of a flush.
    last: u64,
    /// Events that were dropped and not yet told.
    dropped: u64,
    buffer: Vec<u8>,
}

impl Client {
    /// Without a log process yet: events wait, streams are kept.
    pub fn new() -> Client {
        // No number is one that a supervisor before this one has given, whose streams may still be there.
        Client { last: perigee_journal::Now::read().monotonic, ..Client::default() }
    }

    /// Takes the socket of a log process and tells it everything.
    pub fn connect(&mut self, socket: OwnedFd) {
        self.socket = Some(socket);
        let streams = self.streams.iter().map(|(key, (spec, _))| request_of(*key, spec));
        let held = self.held.iter().map(|(id, (unit, what, _))| hold(*id, unit, what));
        let others = std::mem::take(&mut self.waiting);
        // Streams go first: what is said about a unit comes behind what it was.
        self.waiting = [Request::Hello].into_iter().chain(streams).chain(held).collect();
        let again = |request: &Request| {
            matches!(
                request,
                Request::Stream { .. } | Request::Hold { .. } | Request::Hello | Request::Flush { .. }
            )
        };
        self.waiting.extend(others.into_iter().filter(|request| !again(request)));
        self.waiting.extend(self.flushes.iter().map(|id| Request::Flush { id: *id }));
        self.pump();
    }

    /// The socket, to wait for: readable always, writable while [`Client::wants_write`].
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Whether something waits to be sent.
    pub fn wants_write(&self) -> bool {
        self.socket.is_some() && !self.waiting.is_empty()
    }

    /// Opens a stream for a unit. Returns its number and the end that the unit gets as its standard output or error.
    ///
    /// # Errors
    /// When no pair of sockets can be made.
    pub fn stream(&mut self, spec: StreamSpec) -> io::Result<(u64, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        setsockopt(&ours, sockopt::PassCred, &true)?;
        // Room for a burst, where that may be asked for; the usual room holds a few hundred short lines.
        let _ = setsockopt(&theirs, sockopt::SndBufForce, &ROOM);
        // Whoever reads its standard output finds that nothing comes.
        shutdown(ours.as_raw_fd(), Shutdown::Write)?;
        self.last += 1;
        let key = self.last;
        self.push(request_of(key, &spec));
        self.streams.insert(key, (spec, ours));
        self.pump();
        Ok((key, theirs))
    }

    /// A stream goes on with another run of its unit; `theirs` is the end that the unit has. Nobody prints to it meanwhile.
    /// False where there is no room for that to be said: a new stream is needed then.
    pub fn renew(&mut self, key: u64, theirs: BorrowedFd<'_>, invocation: Id) -> bool {
        let Some((spec, _)) = self.streams.get_mut(&key) else { return false };
        // It is said between what the one run has printed and what the other will.
        let said = format!("{RENEWAL}{invocation}\n");
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let sent = send_octets(theirs.as_raw_fd(), said.as_bytes(), flags);
        if sent == Ok(said.len()) {
            spec.invocation = Some(invocation);
        }
        sent == Ok(said.len())
    }

    /// Lets the log process keep a descriptor of a unit, for a supervisor that comes after this one is killed.
    ///
    /// # Errors
    /// There is no second descriptor to be had, or too many are kept.
    pub fn hold(&mut self, unit: &str, what: Held, fd: BorrowedFd<'_>) -> io::Result<()> {
        if self.held.len() >= MOST_HELD {
            return Err(io::Error::other("too many descriptors are kept"));
        }
        let fd = fd.try_clone_to_owned()?;
        self.last += 1;
        self.push(hold(self.last, unit, &what));
        self.held.insert(self.last, (unit.to_owned(), what, fd));
        self.pump();
        Ok(())
    }

    /// Lets go of those descriptors of a unit that are meant.
    pub fn release(&mut self, unit: &str, which: impl Fn(&Held) -> bool) {
        let meant = self.held.iter().filter(|(_, (whose, what, _))| whose == unit && which(what));
        for id in meant.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.held.remove(&id);
            self.push(Request::Release { id });
        }
        self.pump();
    }

    /// The descriptors that are kept: whose, what, and the descriptor itself; in the order in which they came.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Held, BorrowedFd<'_>)> {
        self.held.values().map(|(unit, what, fd)| (unit.as_str(), what, fd.as_fd()))
    }

    /// Writes a record, of 48 KiB at most. When too many wait the oldest are dropped, and counted.
    pub fn record(&mut self, mut event: Event) {
        if event.message.len() > MOST_MESSAGE {
            let end = (0..=MOST_MESSAGE).rev().find(|end| event.message.is_char_boundary(*end));
            event.message.truncate(end.unwrap_or(0));
        }
        self.push(Request::Record(Box::new(event)));
        self.pump();
    }

    /// Asks to be told, by [`Told::Flushed`] with the number that this returns, once everything that units have printed
    /// until now is written.
    pub fn flush(&mut self) -> u64 {
        self.last += 1;
        self.flushes.insert(self.last);
        self.push(Request::Flush { id: self.last });
        self.pump();
        self.last
    }

    /// Begins a new file.
    pub fn rotate(&mut self) {
        self.push(Request::Rotate);
        self.pump();
    }

    /// Lets the log process write everything and end.
    pub fn stop(&mut self) {
        self.push(Request::Stop);
        self.pump();
    }

    /// Sends what waits and takes what the log process tells. Call it when the socket is readable, or writable.
    pub fn ready(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(MOST_PACKET, 0);
        while let Some(socket) = &self.socket {
            match receive::<Answer>(socket, &mut buffer) {
                Ok(Some((answer, fd))) => told.extend(self.answer(answer, fd)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(None) | Err(_) => {
                    self.socket = None;
                    told.push(Told::Lost);
                }
            }
        }
        self.buffer = buffer;
        self.pump();
        told
    }

    /// The streams that have not ended: number, unit.
    pub fn streams(&self) -> impl Iterator<Item = (u64, &str)> {
        self.streams.iter().map(|(key, (spec, _))| (*key, spec.unit.as_str()))
    }

    fn answer(&mut self, answer: Answer, fd: Option<OwnedFd>) -> Option<Told> {
        Some(match answer {
            Answer::Stream { key, spec } => {
                let (true, Some(fd)) = (!self.streams.contains_key(&key), fd) else { return None };
                self.last = self.last.max(key);
                let unit = spec.unit.clone();
                self.streams.insert(key, (*spec, fd));
                Told::Adopted { key, unit }
            }
            Answer::Held { id, unit, what } => {
                self.last = self.last.max(id);
                self.held.entry(id).or_insert((unit, what, fd?));
                return None;
            }
            Answer::Hello => Told::Ready,
            Answer::Flushed { id } => {
                self.flushes.remove(&id);
                Told::Flushed(id)
            }
            Answer::Ended { key } => Told::Ended { key, unit: self.streams.remove(&key)?.0.unit },
            Answer::Refused { key, reason } => {
                Told::Refused { key, unit: self.streams.remove(&key)?.0.unit, reason }
            }
            Answer::Stopped => Told::Stopped,
        })
    }

    fn push(&mut self, request: Request) {
        if self.waiting.len() >= MOST_WAITING {
            let oldest = self.waiting.iter().position(|request| matches!(request, Request::Record(_)));
            if let Some(oldest) = oldest {
                self.waiting.remove(oldest);
                self.dropped += 1;
            }
        }
        self.waiting.push_back(request);
    }

    /// Sends what can be sent.
    fn pump(&mut self) {
        let Some(socket) = &self.socket else { return };
        loop {
            if self.dropped > 0 && self.waiting.len() < MOST_WAITING {
                let message =
                    format!("{} events were dropped: the log process did not take them", self.dropped);
                let event = Event::new("", perigee_journal::Priority::WARNING, message);
                self.waiting.push_front(Request::Record(Box::new(event)));
                self.dropped = 0;
            }
            let Some(request) = self.waiting.front() else { return };
            let fd = match request {
                Request::Stream { key, .. } => match self.streams.get(key) {
                    Some((_, fd)) => Some(fd.as_fd()),
                    // It has ended meanwhile.
                    None => {
                        self.waiting.pop_front();
                        continue;
                    }
                },
                Request::Hold { id, .. } => match self.held.get(id) {
                    Some((_, _, fd)) => Some(fd.as_fd()),
                    // It was let go of meanwhile.
                    None => {
                        self.waiting.pop_front();
                        continue;
                    }
                },
                _ => None,
            };
            match send(socket, request, fd) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                    // Longer than a packet can be: it can never be sent.
                    self.dropped += 1;
                }
                // Gone; `ready` will tell, and all is sent again.
                Err(_) => return,
            }
            self.waiting.pop_front();
        }
    }
}

fn hold(id: u64, unit: &str, what: &Held) -> Request {
    Request::Hold { id, unit: unit.to_owned(), what: what.clone() }
}

fn request_of(key: u64, spec: &StreamSpec) -> Request {
    Request::Stream { key, spec: Box::new(spec.clone()) }
}
