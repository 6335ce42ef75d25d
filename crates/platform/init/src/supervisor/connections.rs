//! The control socket: connections, requests that arrive in pieces, answers that nobody may be reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::JobId;

use super::{Source, Supervisor};
use crate::control::{Reply, Request, reachable};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 1024;

/// Connections at a time of those who may change nothing: anybody on the machine.
const MOST_STRANGERS: usize = 64;

/// Octets of one request.
const LONGEST_REQUEST: usize = 64 << 10;

/// Octets of answers that wait for one reader; who is slower is cut off, or misses changes.
const MOST_WAITING: usize = 8 << 20;

/// Changes of state that wait for one watcher.
const MOST_CHANGES: usize = 64 << 10;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Connections {
    listener: UnixListener,
    open: BTreeMap<u32, Connection>,
    last: u32,
}

/// One who is connected.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Whether it may change anything.
    pub(super) may_change: bool,
    /// Jobs whose end it waits for.
    pub(super) awaits: Vec<JobId>,
    /// It wants every change from this number on.
    pub(super) watches: Option<u64>,
    /// Changes that it has missed since this number.
    pub(super) missed: Option<u64>,
    /// The epoll is to tell when it can be written to.
    asks_for_room: bool,
}

impl Connections {
    pub(super) fn bind(runtime: &Path) -> io::Result<Connections> {
        let (_folder, path) = reachable(runtime)?;
        // Whoever listened here before has gone, or this one would not be the supervisor.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        // Everybody may ask; who may change something is decided by who they are.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        Ok(Connections { listener, open: BTreeMap::new(), last: 0 })
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Connection> {
        self.open.get_mut(&number)
    }

    /// Those who wait for the end of a job.
    pub(super) fn awaiting(&self, job: JobId) -> Vec<u32> {
        self.open.iter().filter(|(_, one)| one.awaits.contains(&job)).map(|(number, _)| *number).collect()
    }

    /// Those who watch changes.
    pub(super) fn watching(&self) -> Vec<u32> {
        self.open.iter().filter(|(_, one)| one.watches.is_some()).map(|(number, _)| *number).collect()
    }

    /// Writes what can be written at once to everybody; for the end.
    pub(super) fn flush(&mut self) {
        for connection in self.open.values_mut() {
            let _ = connection.write();
        }
    }
}

impl From<OwnedFd> for Connections {
    /// A socket that listens already.
    fn from(listener: OwnedFd) -> Connections {
        Connections { listener: listener.into(), open: BTreeMap::new(), last: 0 }
    }
}

impl AsFd for Connections {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Connection {
    /// A line of an answer; false if too many wait already.
    pub(super) fn say(&mut self, reply: &Reply) -> bool {
        if self.output.len() > MOST_WAITING {
            return false;
        }
        // Replies are made of strings and numbers: they always have a text.
        if serde_json::to_writer(&mut self.output, reply).is_ok() {
            self.output.push(b'\n');
        }
        true
    }

    /// Whether another change may wait.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < MOST_CHANGES
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.input.len() > LONGEST_REQUEST {
                return Ok(true);
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.output.len() {
            match self.stream.write(&self.output[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..written);
        Ok(())
    }

    /// The next whole request.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let end = self.input.iter().position(|octet| *octet == b'\n')?;
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}

/// What a line asks for.
///
/// # Errors
/// It is no request, in words.
pub fn parse(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| format!("this is no request: {error}"))
}

impl Supervisor {
    pub(super) fn accept(&mut self) {
        while let Ok((stream, _)) = self.connections.listener.accept() {
            if self.connections.open.len() >= MOST_CONNECTIONS || stream.set_nonblocking(true).is_err() {
                // Closed at once: whoever it is tries again or gives up.
                continue;
            }
            let peer = getsockopt(&stream, sockopt::PeerCredentials).map(|peer| peer.uid());
            let may_change = peer.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw());
            let strangers = self.connections.open.values().filter(|connection| !connection.may_change);
            if !may_change && strangers.count() >= MOST_STRANGERS {
                continue;
            }
            self.connections.last += 1;
            let number = self.connections.last;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Connection(number).token());
            if self.epoll.add(&stream, event).is_err() {
                continue;
            }
            let connection = Connection {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                may_change,
                awaits: Vec::new(),
                watches: None,
                missed: None,
                asks_for_room: false,
            };
            self.connections.open.insert(number, connection);
        }
    }

    /// Takes in what a connection has sent, and writes what waits for it.
    pub(super) fn serve(&mut self, number: u32, flags: EpollFlags) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        let mut open = true;
        if flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            open = connection.read().unwrap_or(false);
        }
        while let Some(line) = self.connections.get_mut(number).and_then(Connection::next_line) {
            match parse(&line) {
                Ok(request) => self.answer(number, request),
                Err(why) => self.say(number, &Reply::Refused { why }),
            }
            self.settle();
        }
        let Some(connection) = self.connections.get_mut(number) else { return };
        if connection.input.len() > LONGEST_REQUEST {
            connection.say(&Reply::Refused { why: "the request is too long".to_owned() });
            open = false;
        }
        self.write_to(number);
        if !open {
            self.close(number);
        }
    }

    /// A line of an answer to a connection that may have gone.
    pub(super) fn say(&mut self, number: u32, reply: &Reply) {
        let kept = self.connections.get_mut(number).is_none_or(|connection| connection.say(reply));
        if !kept {
            self.close(number);
        }
    }

    /// Writes what waits, and asks to be told when there is room for the rest.
    pub(super) fn write_to(&mut self, number: u32) {
        let Some(connection) = self.connections.open.get_mut(&number) else { return };
        if connection.write().is_err() {
            return self.close(number);
        }
        let waits = !connection.output.is_empty();
        if waits != connection.asks_for_room {
            connection.asks_for_room = waits;
            let room = if waits { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let token = Source::Connection(number).token();
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, token);
            let _ = self.epoll.modify(&connection.stream, &mut event);
        }
    }

    fn close(&mut self, number: u32) {
        if let Some(connection) = self.connections.open.remove(&number) {
            let _ = self.epoll.delete(&connection.stream);
        }
    }
}
