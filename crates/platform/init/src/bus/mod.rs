//! Who owns a name on the message bus: for services with `Type=dbus`, which are ready when they do.
//!
//! A connection of the supervisor to the system's bus that never waits: it is made when the first name is of interest,
//! and tried again as long as one is. It calls nobody but the bus itself.

mod message;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::geteuid;

pub use message::{LONGEST_MESSAGE, Message, MessageError, call, length, parse};

/// Where the bus listens.
const SOCKET: &str = "/run/dbus/system_bus_socket";

/// A name that has got an owner, or has lost it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The name.
    pub name: String,
    /// Whether somebody owns it now.
    pub owned: bool,
}

/// The connection, and the names of interest.
#[derive(Debug)]
pub struct Bus {
    path: PathBuf,
    /// How many are interested in a name.
    names: BTreeMap<String, usize>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The bus has said that we are who we are.
    authenticated: bool,
    serial: u32,
    /// Questions whether a name has an owner, by the number of the call.
    asked: BTreeMap<u32, String>,
}

impl Default for Bus {
    fn default() -> Bus {
        Bus { path: PathBuf::from(SOCKET), names: BTreeMap::new(), connection: None }
    }
}

impl Bus {
    /// A bus that listens somewhere else.
    pub fn at(path: PathBuf) -> Bus {
        Bus { path, ..Bus::default() }
    }

    /// This name is of interest from now on.
    pub fn watch(&mut self, name: &str) {
        let count = self.names.entry(name.to_owned()).or_default();
        *count += 1;
        if let Some(connection) = &mut self.connection
            && connection.authenticated
        {
            connection.ask(name);
            let _ = connection.write();
        }
    }

    /// It is of no interest any more.
    pub fn forget(&mut self, name: &str) {
        if let Some(count) = self.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(name);
            }
        }
        if self.names.is_empty() {
            self.connection = None;
        }
    }

    /// Whether a connection is wanted and not there.
    pub fn wants_connection(&self) -> bool {
        !self.names.is_empty() && self.connection.is_none()
    }

    /// Tries to connect; true if there is a new descriptor to wait for.
    pub fn connect(&mut self) -> bool {
        let Ok(stream) = open(&self.path) else { return false };
        // EXTERNAL: the kernel has told the bus who we are; the number of the user in hexadecimal digits of its text.
        let user: String = geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        let output = format!("\0AUTH EXTERNAL {user}\r\n").into_bytes();
        let mut connection = Connection {
            stream,
            input: Vec::new(),
            output,
            authenticated: false,
            serial: 0,
            asked: BTreeMap::new(),
        };
        let connected = connection.write().is_ok();
        self.connection = connected.then_some(connection);
        connected
    }

    /// The descriptor to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(|connection| connection.stream.as_fd())
    }

    /// Something has come. A connection that is lost is tried again by [`Bus::connect`]; names count as they were.
    pub fn ready(&mut self) -> Vec<Owned> {
        let Some(connection) = &mut self.connection else { return Vec::new() };
        let mut heard = Vec::new();
        let outcome = connection.read().and_then(|open| {
            connection.take(&self.names, &mut heard)?;
            connection.write()?;
            if open { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        });
        if outcome.is_err() {
            self.connection = None;
        }
        heard
    }
}

/// A connection that never waits, not even for a bus that takes no more of them.
fn open(path: &Path) -> nix::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream.into())
}

impl Connection {
    fn call(&mut self, member: &str, arguments: &[&str]) -> u32 {
        self.serial += 1;
        self.output.extend(call(self.serial, member, arguments));
        self.serial
    }

    /// Wants to hear of a name, and asks how it stands.
    fn ask(&mut self, name: &str) {
        let rule = format!(
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
             member='NameOwnerChanged',arg0='{name}'"
        );
        self.call("AddMatch", &[&rule]);
        let serial = self.call("NameHasOwner", &[name]);
        self.asked.insert(serial, name.to_owned());
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.input.len() > LONGEST_MESSAGE {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        // The bus takes a few hundred octets at once, or has gone.
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    fn take(&mut self, names: &BTreeMap<String, usize>, heard: &mut Vec<Owned>) -> io::Result<()> {
        if !self.authenticated {
            let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") else { return Ok(()) };
            if !self.input.starts_with(b"OK ") {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.input.drain(..end + 2);
            self.authenticated = true;
            self.output.extend(b"BEGIN\r\n");
            self.call("Hello", &[]);
            names.keys().for_each(|name| self.ask(name));
        }
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        while let Some(length) = length(&self.input).map_err(wrong)? {
            if self.input.len() < length {
                break;
            }
            let octets: Vec<u8> = self.input.drain(..length).collect();
            heard.extend(self.heard(&parse(&octets).map_err(wrong)?));
        }
        Ok(())
    }

    fn heard(&mut self, message: &Message) -> Option<Owned> {
        if let Some(name) = message.reply_to.and_then(|serial| self.asked.remove(&serial)) {
            return Some(Owned { name, owned: message.flag? });
        }
        // Only the bus itself may say so; it lets nobody send in its name.
        if message.member != "NameOwnerChanged" || message.sender != "org.freedesktop.DBus" {
            return None;
        }
        let [name, _, new] = message.strings.as_slice() else { return None };
        Some(Owned { name: name.clone(), owned: !new.is_empty() })
    }
}
