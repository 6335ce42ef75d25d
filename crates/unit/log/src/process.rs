//! The loop of the log process.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{SockType, getsockopt, setsockopt, sockopt};
use perigee_journal::{Journal, Limiter, Now, Priority, Rate, Record, Settings, Source};
use perigee_process::memory;
use rustix::net::{SocketFlags, accept_with};
use serde::{Deserialize, Serialize};

use crate::console::Console;
use crate::datagrams;
use crate::message::{Answer, Event, Held, MOST_HELD, MOST_PACKET, Request, receive, send};
use crate::origin::Origins;
use crate::stream::{Buffers, Stream, Turn, io_error};

/// What the log process is told when it is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where records go.
    pub journal: Settings,
    /// The socket at which another supervisor finds this process: /run/perigee/log.sock.
    pub socket: Option<PathBuf>,
    /// The socket for syslog datagrams: /run/systemd/journal/dev-log.
    pub syslog: Option<PathBuf>,
    /// Links that lead there: /dev/log.
    pub syslog_links: Vec<PathBuf>,
    /// The socket for datagrams in journald's own protocol: /run/systemd/journal/socket.
    #[serde(default)]
    pub native: Option<PathBuf>,
    /// The socket that processes connect their output to: /run/systemd/journal/stdout.
    #[serde(default)]
    pub stdout: Option<PathBuf>,
    /// Where records go that the console shows too: /dev/console.
    pub console: Option<PathBuf>,
    /// How much a unit may say by syslog, if none of its streams says otherwise.
    pub rate: Rate,
    /// Streams at most; more are refused.
    pub most_streams: usize,
}

impl Config {
    /// Streams only, into these files.
    pub fn new(journal: Settings) -> Config {
        Config {
            journal,
            socket: None,
            syslog: None,
            syslog_links: Vec::new(),
            native: None,
            stdout: None,
            console: None,
            rate: Rate::default(),
            most_streams: 16_384,
        }
    }
}

const SUPERVISOR: u64 = 0;
const LISTENER: u64 = 1;
const SIGNALS: u64 = 2;
const SYSLOG: u64 = 3;
const NATIVE: u64 = 4;
const STDOUT: u64 = 5;
/// Streams have numbers from here on.
const FIRST_STREAM: u64 = 16;

/// Streams that have their turn before what they said is written.
const TURNS: usize = 64;
/// Requests of the supervisor in one turn.
const REQUESTS: usize = 64;
/// How long streams are left alone after they had their turn, in microseconds: many short writes are then read at once.
const PAUSE: u64 = 300;
/// How long no stream must have come before memory is given back, in microseconds.
const LULL: u64 = 3_000_000;
/// Rounds of a flush.
const FLUSH_ROUNDS: usize = 8192;
/// Answers that wait for a supervisor; one that takes none is cut off.
const MOST_ANSWERS: usize = 65_536;
/// Units whose records are counted.
const MOST_UNITS: usize = 16_384;

/// The log process. Returns when the supervisor, or SIGTERM, asked it to; the end of the supervisor alone is no
/// reason.
///
/// # Errors
/// When the loop cannot be set up. Whatever fails later is told in the log.
pub fn run(supervisor: Option<OwnedFd>, config: Config) -> io::Result<()> {
    let mut process = Process::new(supervisor, config)?;
    while !process.stopping {
        process.turn()?;
    }
    process.end();
    Ok(())
}

struct Process {
    config: Config,
    epoll: Epoll,
    signals: SignalFd,
    supervisor: Option<OwnedFd>,
    /// The process at the other end, and the one before it: what that has said in streams may be read only now.
    supervisors: [Option<i32>; 2],
    answers: VecDeque<(Answer, Option<OwnedFd>)>,
    listener: Option<OwnedFd>,
    syslog: Option<OwnedFd>,
    native: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    streams: BTreeMap<u64, Stream>,
    /// The supervisor's numbers of streams lead to ours.
    keys: HashMap<u64, u64>,
    /// How many streams a unit has.
    of_unit: HashMap<String, usize>,
    next: u64,
    /// Descriptors of units that are kept for the next supervisor.
    kept: BTreeMap<u64, (String, Held, OwnedFd)>,
    /// Streams that wait for their turn.
    ready: VecDeque<u64>,
    /// Lines without an end that are taken then: by time in microseconds since boot, number of the stream.
    patience: BTreeMap<(u64, u64), ()>,
    limiters: HashMap<String, Limiter>,
    /// Units of which records are held.
    held: BTreeSet<String>,
    journal: Journal,
    console: Console,
    origins: Origins,
    buffers: Buffers,
    packet: Vec<u8>,
    stopping: bool,
    /// When streams had their turn, in microseconds since boot.
    last_round: u64,
    /// When it is quiet enough, after new streams, to give back memory; likewise.
    lull: Option<u64>,
}

impl Process {
    fn new(supervisor: Option<OwnedFd>, config: Config) -> io::Result<Process> {
        let now = Now::read();
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGHUP);
        set.add(Signal::SIGINT);
        set.thread_block().map_err(io_error)?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // Two streams a unit; where it cannot be raised fewer are taken.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        let journal = Journal::open(config.journal.clone(), now);
        let mut process = Process {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            signals,
            supervisor: None,
            supervisors: [None; 2],
            answers: VecDeque::new(),
            listener: None,
            syslog: None,
            native: None,
            stdout: None,
            streams: BTreeMap::new(),
            keys: HashMap::new(),
            of_unit: HashMap::new(),
            next: FIRST_STREAM,
            kept: BTreeMap::new(),
            ready: VecDeque::new(),
            patience: BTreeMap::new(),
            limiters: HashMap::new(),
            held: BTreeSet::new(),
            journal,
            console: Console::new(config.console.clone()),
            origins: Origins::default(),
            buffers: Buffers::new(),
            packet: vec![0; MOST_PACKET],
            stopping: false,
            last_round: 0,
            lull: None,
            config,
        };
        process.epoll.add(&process.signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        process.open_sockets(now);
        if let Some(supervisor) = supervisor {
            process.accept(supervisor)?;
        }
        Ok(process)
    }

    fn open_sockets(&mut self, now: Now) {
        let listener = self
            .config
            .socket
            .as_ref()
            .map(|path| (path, datagrams::named(path, SockType::SeqPacket, 0o600)));
        let syslog = self.config.syslog.as_ref().map(|path| (path, datagrams::open(path)));
        let native = self.config.native.as_ref().map(|path| (path, datagrams::open(path)));
        let stdout = self.config.stdout.as_ref().map(|path| {
            let opened = datagrams::named(path, SockType::Stream, 0o666);
            (
                path,
                opened.and_then(|socket| Ok(setsockopt(&socket, sockopt::PassCred, &true).map(|()| socket)?)),
            )
        });
        let mut problems = Vec::new();
        let mut take = |opened: Option<(&PathBuf, io::Result<OwnedFd>)>, token| {
            let (path, outcome) = opened?;
            let watched = outcome.and_then(|socket| {
                self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                Ok(socket)
            });
            watched.map_err(|error| problems.push(format!("{}: {error}", path.display()))).ok()
        };
        let listener = take(listener, LISTENER);
        let syslog = take(syslog, SYSLOG);
        let native = take(native, NATIVE);
        let stdout = take(stdout, STDOUT);
        if let (Some(_), Some(path)) = (&syslog, &self.config.syslog) {
            for link in &self.config.syslog_links {
                if let Err(error) = datagrams::link(link, path) {
                    problems.push(format!("{}: {error}", link.display()));
                }
            }
        }
        (self.listener, self.syslog, self.native, self.stdout) = (listener, syslog, native, stdout);
        for problem in problems {
            self.say("", Priority::ERROR, &problem, now);
        }
    }

    /// Waits, does what can be done, and writes it.
    fn turn(&mut self) -> io::Result<()> {
        let now = Now::read();
        let due = self.journal.tick(now);
        let patience = self.patience.keys().next().map(|(at, _)| *at);
        let held = self.held.iter().filter_map(|unit| self.limiters.get(unit)?.due()).min();
        let wait = if self.ready.is_empty() {
            let next = [due, patience, held, self.lull].into_iter().flatten().min();
            next.map(|at| (at.saturating_sub(now.monotonic)).div_ceil(1000))
        } else {
            Some(0)
        };
        let since = now.monotonic.saturating_sub(self.last_round);
        if self.ready.is_empty() && since < PAUSE && !self.stopping {
            std::thread::sleep(Duration::from_micros(PAUSE - since));
        }
        self.collect(wait)?;
        let now = Now::read();
        self.patient_streams(now);
        self.say_held(now, false);
        self.round(now);
        self.send_answers();
        self.give_back(now);
        Ok(())
    }

    /// Takes what has happened; waits so many milliseconds for something.
    fn collect(&mut self, wait: Option<u64>) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        let mut timeout = match wait {
            None => EpollTimeout::NONE,
            Some(wait) => EpollTimeout::try_from(wait.min(60_000)).unwrap_or(EpollTimeout::ZERO),
        };
        loop {
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => return Ok(()),
                Err(error) => return Err(io_error(error)),
            };
            let mut requests = false;
            for event in &events[..count] {
                match event.data() {
                    SUPERVISOR => requests = true,
                    LISTENER => self.listen(),
                    STDOUT => self.open_output(),
                    SIGNALS => self.signal(),
                    SYSLOG | NATIVE => self.read_datagrams(Now::read()),
                    token => {
                        let gone = EpollFlags::EPOLLHUP | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLERR;
                        self.enqueue(token, event.events().intersects(gone));
                    }
                }
            }
            if requests {
                // Behind the streams: what is flushed has been seen.
                self.requests()?;
            }
            if count < events.len() || requests {
                return Ok(());
            }
            timeout = EpollTimeout::ZERO;
        }
    }

    fn enqueue(&mut self, token: u64, hung_up: bool) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        stream.hung_up |= hung_up;
        if !std::mem::replace(&mut stream.queued, true) {
            self.ready.push_back(token);
        }
    }

    /// Each stream that is ready has a turn; then all is written, and only then taken out of the sockets.
    fn round(&mut self, now: Now) {
        let mut looked = Vec::with_capacity(TURNS);
        while let Some(token) = self.ready.pop_front() {
            let Some(stream) = self.streams.get_mut(&token) else { continue };
            stream.queued = false;
            if !self.limiters.contains_key(&stream.spec.unit) {
                self.limiters.insert(stream.spec.unit.clone(), Limiter::new(stream.spec.rate));
            }
            let Some(limiter) = self.limiters.get_mut(&stream.spec.unit) else { continue };
            let (journal, console) = (&mut self.journal, &mut self.console);
            let turn =
                stream.look(&mut self.buffers, now, limiter, self.supervisors, |record, to_console| {
                    if to_console {
                        console.show(&record);
                    }
                    journal.write(record);
                });
            if limiter.due().is_some() && !self.held.contains(&stream.spec.unit) {
                self.held.insert(stream.spec.unit.clone());
            }
            looked.push((token, turn));
            if looked.len() >= TURNS {
                break;
            }
        }
        if !looked.is_empty() {
            self.last_round = now.monotonic;
        }
        self.journal.flush(now);
        self.console.flush();
        for (token, turn) in looked {
            let Some(stream) = self.streams.get_mut(&token) else { continue };
            stream.take(&mut self.buffers);
            match turn {
                Turn::More => {
                    stream.queued = true;
                    self.ready.push_back(token);
                }
                Turn::Empty => {}
                Turn::Until(at) => {
                    self.patience.insert((at, token), ());
                }
                Turn::Ended => self.ended(token, now),
            }
        }
    }

    /// Gives back what a burst of new streams has left.
    fn give_back(&mut self, now: Now) {
        if self.lull.is_some_and(|lull| lull <= now.monotonic) {
            self.lull = None;
            memory::give_back();
        }
    }

    fn patient_streams(&mut self, now: Now) {
        while let Some(((at, token), ())) = self.patience.first_key_value().map(|(key, value)| (*key, *value))
        {
            if at > now.monotonic {
                break;
            }
            self.patience.remove(&(at, token));
            self.enqueue(token, false);
        }
    }

    fn ended(&mut self, token: u64, now: Now) {
        let Some(stream) = self.streams.remove(&token) else { return };
        let _ = self.epoll.delete(&stream.socket);
        if let Some(key) = stream.key {
            self.keys.remove(&key);
            self.answer(Answer::Ended { key }, None);
        }
        let unit = stream.spec.unit;
        let left = self.of_unit.get_mut(&unit).map(|count| {
            *count -= 1;
            *count
        });
        if left.is_none_or(|left| left == 0) {
            self.of_unit.remove(&unit);
            self.forget(&unit, now);
        }
    }

    /// The last stream of a unit has ended: says what was held of it. The count goes on while the interval lasts.
    fn forget(&mut self, unit: &str, now: Now) {
        let Some(held) = self.limiters.get_mut(unit).map(Limiter::held_at_end) else { return };
        if let Some(held) = held {
            self.say_suppressed(unit, held, now);
            self.journal.flush(now);
        }
        if self.limiters.len() > MOST_UNITS {
            self.limiters.clear();
        }
    }

    fn say_held(&mut self, now: Now, at_end: bool) {
        for unit in std::mem::take(&mut self.held) {
            let Some(limiter) = self.limiters.get_mut(&unit) else { continue };
            let held = if at_end { limiter.held_at_end() } else { limiter.held(now.monotonic) };
            let later = limiter.due().is_some();
            if let Some(held) = held {
                self.say_suppressed(&unit, held, now);
            }
            if later {
                self.held.insert(unit);
            }
        }
    }

    fn say_suppressed(&mut self, unit: &str, held: u64, now: Now) {
        self.say(
            unit,
            Priority::WARNING,
            &format!("{held} records were suppressed: too many in so short a time"),
            now,
        );
    }

    fn say(&mut self, unit: &str, priority: Priority, message: &str, now: Now) {
        let mut record = Record::new(unit, Source::Supervisor, priority, message.as_bytes());
        record.identifier = "perigee-log".into();
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        record.pid = Some(std::process::id());
        self.journal.write(record);
    }

    fn read_datagrams(&mut self, now: Now) {
        if self.limiters.len() > MOST_UNITS {
            self.limiters.clear();
        }
        let (journal, limiters, rate) = (&mut self.journal, &mut self.limiters, self.config.rate);
        let held = &mut self.held;
        let mut each = |record: Record<'_>| {
            if !limiters.contains_key(&*record.unit) {
                limiters.insert(record.unit.clone().into_owned(), Limiter::new(rate));
            }
            let Some(limiter) = limiters.get_mut(&*record.unit) else { return };
            if limiter.admit(now.monotonic) {
                journal.write(record);
            } else if !held.contains(&*record.unit) {
                held.insert(record.unit.into_owned());
            }
        };
        if let Some(socket) = &self.syslog {
            datagrams::read_syslog(socket, &mut self.buffers, &mut self.origins, now, &mut each);
        }
        let mut wrong = 0;
        if let Some(socket) = &self.native {
            wrong = datagrams::read_native(socket, &mut self.buffers, &mut self.origins, now, &mut each);
        }
        if wrong > 0 {
            let message = format!("{wrong} datagrams in journald's protocol were not understood");
            self.say("", Priority::WARNING, &message, now);
        }
        self.journal.flush(now);
    }

    fn signal(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let stops =
                signal.ssi_signo == Signal::SIGTERM as u32 || signal.ssi_signo == Signal::SIGINT as u32;
            self.stopping |= stops;
            if !stops {
                self.journal.rotate(Now::read());
            }
        }
    }

    /// Another supervisor: of this user, and only when the one before it is gone.
    fn listen(&mut self) {
        let Some(listener) = &self.listener else { return };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(socket) = accept_with(listener, flags) else { return };
        let ours = nix::unistd::geteuid().as_raw();
        let theirs = getsockopt(&socket, sockopt::PeerCredentials).map(|peer| peer.uid());
        if !theirs.is_ok_and(|uid| uid == 0 || uid == ours) {
            self.say(
                "",
                Priority::WARNING,
                "a stranger asked for the streams and was turned away",
                Now::read(),
            );
            return;
        }
        if self.supervisor.is_some() {
            // Perhaps its end has not been seen yet.
            let _ = self.requests();
        }
        if self.supervisor.is_none() {
            let _ = self.accept(socket);
        }
    }

    /// A process that connects its output.
    fn open_output(&mut self) {
        let Some(listener) = &self.stdout else { return };
        let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else { return };
        // Half of the room is the units' own.
        let opened = self.streams.values().filter(|stream| stream.key.is_none()).count();
        if opened >= self.config.most_streams / 2 || setsockopt(&socket, sockopt::PassCred, &true).is_err() {
            return;
        }
        let peer = getsockopt(&socket, sockopt::PeerCredentials).ok().filter(|peer| peer.pid() > 0);
        let opener = peer.and_then(|peer| Some((u32::try_from(peer.pid()).ok()?, peer.uid())));
        let unit = opener.map_or("", |(pid, _)| self.origins.unit(pid, Now::read().monotonic));
        let stream = Stream::opened(unit, opener, self.config.rate, socket);
        // One that cannot be watched is closed.
        let _ = self.watch(stream);
    }

    fn accept(&mut self, socket: OwnedFd) -> io::Result<()> {
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SUPERVISOR))?;
        let pid = getsockopt(&socket, sockopt::PeerCredentials).ok().map(|peer| peer.pid());
        self.supervisors = [pid, self.supervisors[0]];
        self.supervisor = Some(socket);
        self.answers.clear();
        Ok(())
    }

    fn requests(&mut self) -> io::Result<()> {
        for _ in 0..REQUESTS {
            let Some(socket) = &self.supervisor else { return Ok(()) };
            match receive::<Request>(socket, &mut self.packet) {
                Ok(Some((request, fd))) => self.request(request, fd)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let message = format!("a request of the supervisor is not understood: {error}");
                    self.say("", Priority::ERROR, &message, Now::read());
                }
                Ok(None) | Err(_) => {
                    let _ = self.epoll.delete(socket);
                    self.supervisor = None;
                    self.answers.clear();
                    self.say("", Priority::WARNING, "the supervisor is gone; streams are kept", Now::read());
                }
            }
        }
        Ok(())
    }

    fn request(&mut self, request: Request, fd: Option<OwnedFd>) -> io::Result<()> {
        let now = Now::read();
        match request {
            Request::Hello => {
                let streams: Vec<_> = self
                    .streams
                    .values()
                    .filter_map(|stream| {
                        let answer = Answer::Stream { key: stream.key?, spec: Box::new(stream.spec.clone()) };
                        Some((answer, stream.socket.try_clone().ok()))
                    })
                    .collect();
                self.answers.extend(streams);
                let kept = self.kept.iter().map(|(id, (unit, what, fd))| {
                    (Answer::Held { id: *id, unit: unit.clone(), what: what.clone() }, fd.try_clone().ok())
                });
                self.answers.extend(kept);
                self.answer(Answer::Hello, None);
            }
            Request::Stream { key, spec } => {
                if let Err(reason) = self.add(key, *spec, fd) {
                    self.answer(Answer::Refused { key, reason }, None);
                }
            }
            Request::Record(event) => self.event(*event, now),
            Request::Hold { id, unit, what } => {
                if let Some(fd) = fd.filter(|_| self.kept.len() < MOST_HELD) {
                    self.kept.insert(id, (unit, what, fd));
                }
            }
            Request::Release { id } => drop(self.kept.remove(&id)),
            Request::Flush { id } => {
                self.flush_all()?;
                self.answer(Answer::Flushed { id }, None);
            }
            Request::Rotate => self.journal.rotate(now),
            Request::Stop => self.stopping = true,
        }
        Ok(())
    }

    fn add(&mut self, key: u64, spec: crate::StreamSpec, fd: Option<OwnedFd>) -> Result<(), String> {
        let socket = fd.ok_or("no descriptor came with it")?;
        if self.keys.contains_key(&key) {
            // Told again, after Hello.
            return Ok(());
        }
        if self.streams.len() >= self.config.most_streams {
            return Err(format!("there are {} streams already", self.streams.len()));
        }
        self.limiters.entry(spec.unit.clone()).or_default().set(spec.rate);
        self.watch(Stream::new(Some(key), spec, socket)).map_err(|error| error.to_string())
    }

    fn watch(&mut self, stream: Stream) -> io::Result<()> {
        let token = self.next;
        self.next += 1;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(&stream.socket, EpollEvent::new(flags, token))?;
        *self.of_unit.entry(stream.spec.unit.clone()).or_default() += 1;
        self.keys.extend(stream.key.map(|key| (key, token)));
        self.streams.insert(token, stream);
        self.lull = Some(Now::read().monotonic + LULL);
        self.enqueue(token, false);
        Ok(())
    }

    fn event(&mut self, event: Event, now: Now) {
        let fields: Vec<_> =
            event.fields.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let mut record = Record::new(&event.unit, event.source, event.priority, event.message.as_bytes());
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        record.invocation = event.invocation;
        record.identifier = event.identifier.as_str().into();
        record.pid = event.pid;
        record.fields = fields.into();
        if event.console {
            self.console.show(&record);
        }
        self.journal.write(record);
    }

    /// Reads what can be read now, of every stream, and writes it.
    fn flush_all(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            for event in events[..count].iter().filter(|event| event.data() >= FIRST_STREAM) {
                let gone = EpollFlags::EPOLLHUP | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLERR;
                self.enqueue(event.data(), event.events().intersects(gone));
            }
            if count < events.len() {
                break;
            }
        }
        self.read_datagrams(Now::read());
        // A stream that goes on printing is not waited for longer than what it had printed by now.
        let mut behind: Vec<_> = self
            .ready
            .iter()
            .filter_map(|token| Some((*token, self.streams.get(token)?.printed())))
            .collect();
        for _ in 0..FLUSH_ROUNDS {
            behind.retain(|(token, printed)| {
                let unfinished =
                    |stream: &Stream| stream.queued && (stream.taken < *printed || stream.hung_up);
                self.streams.get(token).is_some_and(unfinished)
            });
            if behind.is_empty() {
                break;
            }
            self.round(Now::read());
        }
        self.journal.flush(Now::read());
        Ok(())
    }

    fn answer(&mut self, answer: Answer, fd: Option<OwnedFd>) {
        if self.supervisor.is_some() {
            self.answers.push_back((answer, fd));
        }
    }

    fn send_answers(&mut self) {
        let Some(socket) = &self.supervisor else { return };
        let waited = !self.answers.is_empty();
        let mut broken = self.answers.len() > MOST_ANSWERS;
        while let Some((answer, fd)) = self.answers.front() {
            match send(socket, answer, fd.as_ref().map(AsFd::as_fd)) {
                Ok(()) => drop(self.answers.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        if broken {
            let _ = self.epoll.delete(socket);
            self.supervisor = None;
            self.answers.clear();
        } else if waited {
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, !self.answers.is_empty());
            let _ = self.epoll.modify(socket, &mut EpollEvent::new(flags, SUPERVISOR));
        }
    }

    /// Writes everything, the lines that have no end too.
    fn end(mut self) {
        let _ = self.flush_all();
        let now = Now::read();
        for stream in self.streams.values_mut() {
            let Some(limiter) = self.limiters.get_mut(&stream.spec.unit) else { continue };
            let journal = &mut self.journal;
            stream.finish(now, limiter, |record, _| {
                journal.write(record);
            });
        }
        self.say_held(now, true);
        self.answer(Answer::Stopped, None);
        self.journal.flush(now);
        self.send_answers();
        self.journal.close(now);
    }
}
