//! What supervisor and log process tell each other: a JSON object a packet, over a socket of whole packets, a stream
//! with its descriptor beside it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use perigee_journal::{Id, Priority, Rate, Source};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Octets of the longest packet.
pub(super) const MOST_PACKET: usize = 128 << 10;

/// Descriptors of units that are kept for the next supervisor, at most.
pub(super) const MOST_HELD: usize = 8192;

/// Where what comes out of a stream belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// The unit whose stream it is.
    pub unit: String,
    /// This run of the unit.
    pub invocation: Option<Id>,
    /// [`Source::Stdout`] or [`Source::Stderr`].
    pub source: Source,
    /// `SyslogIdentifier=`, or the name of the program.
    pub identifier: String,
    /// `SyslogFacility=`.
    pub facility: Option<u8>,
    /// Of a line that names none (`SyslogLevel=`).
    pub priority: Priority,
    /// Whether `<3>` at the beginning of a line is its priority (`SyslogLevelPrefix=`).
    pub level_prefix: bool,
    /// What is less urgent is left out (`LogLevelMax=`).
    pub max_level: Priority,
    /// How much the unit may say, over all its streams.
    pub rate: Rate,
    /// Values that every record has (`LogExtraFields=`).
    pub fields: Vec<(String, String)>,
    /// Whether the console shows it too (`journal+console`).
    pub console: bool,
}

impl StreamSpec {
    /// As systemd has it where a unit says nothing.
    pub fn new(unit: &str, source: Source) -> StreamSpec {
        StreamSpec {
            unit: unit.to_owned(),
            invocation: None,
            source,
            identifier: String::new(),
            facility: None,
            priority: Priority::INFO,
            level_prefix: true,
            max_level: Priority::DEBUG,
            rate: Rate::default(),
            fields: Vec::new(),
            console: false,
        }
    }
}

/// What the supervisor itself has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The unit that it is about; empty for the machine.
    pub unit: String,
    /// This run of the unit.
    pub invocation: Option<Id>,
    /// [`Source::Supervisor`], or [`Source::Notify`] for what a unit told.
    pub source: Source,
    /// How urgent it is.
    pub priority: Priority,
    /// Who says it.
    pub identifier: String,
    /// The process that it is about.
    pub pid: Option<u32>,
    /// What is said.
    pub message: String,
    /// Further values.
    pub fields: Vec<(String, String)>,
    /// Whether the console shows it too.
    pub console: bool,
}

impl Event {
    /// Something about a unit.
    pub fn new(unit: &str, priority: Priority, message: impl Into<String>) -> Event {
        Event {
            unit: unit.to_owned(),
            invocation: None,
            source: Source::Supervisor,
            priority,
            identifier: "perigee".to_owned(),
            pid: None,
            message: message.into(),
            fields: Vec::new(),
            console: false,
        }
    }
}

/// What a descriptor is that the log process keeps for the next supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// A socket that the unit listens at: its place among those of the unit, and whether connections come from it.
    Port {
        /// Its place.
        index: usize,
        /// Whether connections come from it.
        connects: bool,
    },
    /// What the unit has given to be stored, by this name.
    Stored {
        /// The name.
        name: String,
    },
}

/// To the log process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Request {
    /// Hand back the streams that are there.
    Hello,
    /// A stream; its receiving end comes beside it.
    Stream { key: u64, spec: Box<StreamSpec> },
    /// Write this.
    Record(Box<Event>),
    /// Keep this descriptor of a unit, which comes beside it.
    Hold { id: u64, unit: String, what: Held },
    /// Close it again.
    Release { id: u64 },
    /// Say when all that can be read now is written.
    Flush { id: u64 },
    /// Begin a new file.
    Rotate,
    /// Write everything and end.
    Stop,
}

/// To the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub(super) enum Answer {
    /// A stream that is there, with its receiving end beside it.
    Stream { key: u64, spec: Box<StreamSpec> },
    /// A descriptor that is kept, beside it.
    Held { id: u64, unit: String, what: Held },
    /// Those were all.
    Hello,
    /// Everything that could be read at that request is written.
    Flushed { id: u64 },
    /// The stream has ended: nobody has its other end any more.
    Ended { key: u64 },
    /// The stream is not taken.
    Refused { key: u64, reason: String },
    /// Nothing more will come.
    Stopped,
}

/// Sends a packet without waiting.
pub(super) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.as_slice();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(&text)], &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes a packet without waiting, with the descriptor beside it. `None` when the other side is gone.
///
/// # Errors
/// `WouldBlock` when there is none; `InvalidData` for one that is not understood, behind which others may come.
pub(super) fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<Option<(M, Option<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if received.bytes == 0 && fd.is_none() {
        return Ok(None);
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is too long"));
    }
    let message = serde_json::from_slice(&buffer[..received.bytes])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some((message, fd)))
}
