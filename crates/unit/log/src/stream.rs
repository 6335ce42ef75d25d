//! One stream of a unit: a socket is looked at, cut into lines, and emptied once the lines are written.

use std::borrow::Cow;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use memchr::memrchr;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recv, recvmsg};
use perigee_journal::{Limiter, Line, Now, Rate, Record, Source, Splitter, prefix};
use perigee_process::pidfd;

use crate::message::StreamSpec;

/// Octets of a stream in one turn.
pub(super) const PIECE: usize = 64 << 10;

/// How long a line without its end is left in the socket, in microseconds.
const PATIENCE: u64 = 50_000;
/// How often it is looked at before it is taken nevertheless: a unit that writes octet by octet fills the socket's
/// buffer with very few of them.
const MOST_LOOKS: u32 = 16;

/// By this the supervisor says, in a stream, of which run of the unit is what comes from here on.
pub(super) const RENEWAL: &str = "\0invocation=";

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more.
    More,
    /// Nothing more for now.
    Empty,
    /// A line without its end is left; look again then, in microseconds since boot.
    Until(u64),
    /// Nobody has the other end, and all is read.
    Ended,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// The supervisor's number; `None` for a stream that a unit opened itself.
    pub(super) key: Option<u64>,
    pub(super) spec: StreamSpec,
    pub(super) socket: OwnedFd,
    /// Nobody has the other end.
    pub(super) hung_up: bool,
    /// Waits for its turn.
    pub(super) queued: bool,
    /// Octets that were taken out.
    pub(super) taken: u64,
    splitter: Splitter,
    /// Who wrote what the splitter holds.
    writer: Option<UnixCredentials>,
    /// Octets that were looked at and are written: take them out.
    seen: usize,
    looks: u32,
    /// When the line that is left in the socket is taken nevertheless.
    patience: Option<u64>,
    /// The line before was cut; its priority holds on.
    going_on: Option<perigee_journal::Priority>,
    fields: Vec<(String, Vec<u8>)>,
    /// Lines of the head that are still to come, of a stream that a process has opened itself.
    head: usize,
    /// Who has opened it, where the octets do not say: process and user.
    opener: Option<(u32, u32)>,
}

/// Lines before the first one that is said: identifier, unit, priority, whether lines have a prefix, and three that say
/// where else they should go.
const HEAD: usize = 7;

impl Stream {
    /// Of a process that has connected to the socket for output, as systemd-cat(1) does. `unit` is whose process it is; what
    /// it says of that itself is not believed.
    pub(super) fn opened(unit: &str, opener: Option<(u32, u32)>, rate: Rate, socket: OwnedFd) -> Stream {
        let spec = StreamSpec { rate, ..StreamSpec::new(unit, Source::Stdout) };
        Stream { head: HEAD, opener, ..Stream::new(None, spec, socket) }
    }

    fn take_head(&mut self, line: &[u8]) {
        let flag = line == b"1";
        match self.head {
            7 => self.spec.identifier = String::from_utf8_lossy(line).into_owned(),
            5 => {
                let priority = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
                self.spec.priority = priority.unwrap_or(self.spec.priority);
            }
            4 => self.spec.level_prefix = flag,
            1 => self.spec.console = flag,
            _ => {}
        }
        self.head -= 1;
    }

    pub(super) fn new(key: Option<u64>, spec: StreamSpec, socket: OwnedFd) -> Stream {
        let fields =
            spec.fields.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
        Stream {
            key,
            spec,
            socket,
            hung_up: false,
            queued: false,
            taken: 0,
            splitter: Splitter::default(),
            writer: None,
            seen: 0,
            looks: 0,
            patience: None,
            going_on: None,
            fields,
            head: 0,
            opener: None,
        }
    }

    /// Looks at a piece and shows its lines. What was shown stays in the socket until [`Stream::take`]. `supervisors`
    /// are those whose word counts on whose lines they are.
    pub(super) fn look(
        &mut self,
        buffers: &mut Buffers,
        now: Now,
        limiter: &mut Limiter,
        supervisors: [Option<i32>; 2],
        mut each: impl FnMut(Record<'_>, bool),
    ) -> Turn {
        debug_assert_eq!(self.seen, 0, "what was shown is taken first");
        let (mut count, mut writer, mut before) = (0, None, None);
        // A line without its end and more behind it: looked at once more, its end may be there by now. If it is not,
        // what is behind comes from another process.
        while before != Some(count) {
            before = (count > 0).then_some(count);
            (count, writer) = match buffers.receive(&self.socket, MsgFlags::MSG_PEEK) {
                Ok(received) => (received.octets, received.writer),
                Err(nix::Error::EAGAIN) => return Turn::Empty,
                Err(nix::Error::EINTR) => return Turn::More,
                Err(_) => (0, None),
            };
            let piece = &buffers.piece[..count];
            if count == 0 || count == PIECE || piece.contains(&b'\n') || !self.more_behind(count) {
                break;
            }
        }
        if count == 0 {
            self.finish(now, limiter, each);
            return Turn::Ended;
        }
        let other_behind = before == Some(count);
        let piece = &buffers.piece[..count];
        let of_supervisor =
            self.key.is_some() && writer.is_some_and(|writer| supervisors.contains(&Some(writer.pid())));
        if of_supervisor && piece.starts_with(RENEWAL.as_bytes()) {
            self.show_held(now, limiter, false, &mut each);
            self.renew(piece);
            self.seen = count;
            return Turn::More;
        }
        if self.splitter.held() > 0 && self.writer != writer {
            // What two processes write does not become one line.
            self.show_held(now, limiter, true, &mut each);
        }
        self.writer = writer;
        let whole = memrchr(b'\n', piece).map_or(0, |at| at + 1);
        let last = self.hung_up && count < PIECE && !self.more_behind(count);
        let (end, turn) = if whole == count && count < PIECE && !self.hung_up && !self.more_behind(count) {
            // What comes from here on is told.
            (count, Turn::Empty)
        } else if whole == count || last {
            (count, Turn::More)
        } else if whole > 0 {
            // What is left is another turn's.
            (whole, Turn::More)
        } else if other_behind || count == PIECE || self.splitter.held() > 0 {
            (count, Turn::More)
        } else {
            self.patiently(count, now)
        };
        if !matches!(turn, Turn::Until(_)) {
            (self.patience, self.looks) = (None, 0);
        }
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.feed(&piece[..end], |line| self.show(line, now, limiter, &mut each));
        self.splitter = splitter;
        if last || end > whole && other_behind {
            // No end will come.
            self.show_held(now, limiter, !last, &mut each);
        }
        self.seen = end;
        turn
    }

    /// The supervisor, and nobody else can write as it, has said whose the rest is; the last word counts.
    fn renew(&mut self, said: &[u8]) {
        let lines = std::str::from_utf8(said).unwrap_or_default().lines();
        let last = lines.filter_map(|line| line.strip_prefix(RENEWAL)?.parse().ok()).next_back();
        self.spec.invocation = last.or(self.spec.invocation);
    }

    /// A line without its end is left where it is for a while.
    fn patiently(&mut self, count: usize, now: Now) -> (usize, Turn) {
        let until = *self.patience.get_or_insert(now.monotonic.saturating_add(PATIENCE));
        self.looks += 1;
        if self.looks > MOST_LOOKS || until <= now.monotonic {
            (count, Turn::More)
        } else {
            (0, Turn::Until(until))
        }
    }

    /// Whether there is more in the socket than these octets.
    fn more_behind(&self, count: usize) -> bool {
        rustix::io::ioctl_fionread(&self.socket).is_ok_and(|all| all > count as u64)
    }

    /// Octets that have come by now, those included that were taken out.
    pub(super) fn printed(&self) -> u64 {
        self.taken + rustix::io::ioctl_fionread(&self.socket).unwrap_or(0)
    }

    /// Takes out of the socket what was shown.
    pub(super) fn take(&mut self, buffers: &mut Buffers) {
        self.taken += self.seen as u64;
        while self.seen > 0 {
            let most = self.seen.min(PIECE);
            match recv(self.socket.as_raw_fd(), &mut buffers.piece[..most], MsgFlags::MSG_DONTWAIT) {
                Ok(count) if count > 0 => self.seen -= count,
                Err(nix::Error::EINTR) => {}
                // It was there; nothing else can be done.
                _ => self.seen = 0,
            }
        }
    }

    /// Shows what has no end and will get none.
    pub(super) fn finish(&mut self, now: Now, limiter: &mut Limiter, mut each: impl FnMut(Record<'_>, bool)) {
        self.show_held(now, limiter, false, &mut each);
    }

    fn show_held(
        &mut self,
        now: Now,
        limiter: &mut Limiter,
        cut: bool,
        each: &mut impl FnMut(Record<'_>, bool),
    ) {
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.finish(|line| self.show(Line { cut, ..line }, now, limiter, each));
        self.splitter = splitter;
        self.going_on = None;
    }

    fn show(
        &mut self,
        line: Line<'_>,
        now: Now,
        limiter: &mut Limiter,
        each: &mut impl FnMut(Record<'_>, bool),
    ) {
        if self.head > 0 {
            return self.take_head(line.octets);
        }
        let (mut priority, mut text) = (self.going_on.unwrap_or(self.spec.priority), line.octets);
        if let Some((own, rest)) = prefix(text).filter(|_| self.spec.level_prefix && self.going_on.is_none())
        {
            (priority, text) = (own, rest);
        }
        self.going_on = line.cut.then_some(priority);
        if priority > self.spec.max_level || !limiter.admit(now.monotonic) {
            return;
        }
        let mut record = Record::new(&self.spec.unit, self.spec.source, priority, text);
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        record.invocation = self.spec.invocation;
        record.facility = self.spec.facility;
        record.identifier = Cow::Borrowed(&self.spec.identifier);
        let writer = self.writer.filter(|writer| writer.pid() > 0);
        let writer = writer.and_then(|writer| Some((u32::try_from(writer.pid()).ok()?, writer.uid())));
        (record.pid, record.uid) = writer.or(self.opener).unzip();
        record.cut = line.cut;
        record.fields = Cow::Borrowed(&self.fields);
        each(record, self.spec.console);
    }
}

/// What every turn uses again.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) piece: Vec<u8>,
    control: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        // Room for all that can come: where there is too little the credentials are not told either.
        Buffers { piece: vec![0; PIECE], control: nix::cmsg_space!(UnixCredentials, [RawFd; 253]) }
    }

    /// Octets of one process, and which.
    pub(super) fn receive(&mut self, socket: impl AsFd, flags: MsgFlags) -> nix::Result<Received> {
        let mut pieces = [IoSliceMut::new(&mut self.piece)];
        let flags = flags | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut pieces, Some(&mut self.control), flags)?;
        let mut received = Received { octets: message.bytes, writer: None, passed: None };
        for part in message.cmsgs().into_iter().flatten() {
            match part {
                ControlMessageOwned::ScmCredentials(credentials) => received.writer = Some(credentials),
                // The first one; the others are closed.
                ControlMessageOwned::ScmRights(numbers) => {
                    let mut passed = numbers.into_iter().map(pidfd::received);
                    received.passed = passed.next();
                    passed.for_each(drop);
                }
                _ => {}
            }
        }
        Ok(received)
    }
}

/// What came out of a socket.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) octets: usize,
    pub(super) writer: Option<UnixCredentials>,
    /// A descriptor that was sent along.
    pub(super) passed: Option<OwnedFd>,
}

/// Errors of the system as those of the standard library.
pub(super) fn io_error(error: nix::Error) -> io::Error {
    io::Error::from_raw_os_error(error as i32)
}
