//! What units print, and what there is to say of them, goes to the log process.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket, socketpair};
use perigee_journal::{Id, Priority, Source};
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_process::{Launch, Step};
use perigee_units::machine::UnitId;
use perigee_units::tasks::ENDING;

use super::{Source as Waits, Supervisor, now};
use perigee_log::{Client, Config, Event, StreamSpec, Told};

/// Where the log process finds what it is told.
pub const LOG_CONFIG: &str = "PERIGEE_LOG";

/// The word by which this program becomes the log process.
pub const LOG_VERB: &str = "log-process";

/// How long to wait before a log process that has ended is started again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long the log process has for its last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The log, as the supervisor sees it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) client: Client,
    config: Option<Config>,
    program: PathBuf,
    /// When it is started again.
    again: Option<Duration>,
    asks_for_room: bool,
}

/// The way to the log that a unit has as its standard output or standard error.
#[derive(Debug)]
pub(super) struct Output {
    /// The number of the stream.
    key: u64,
    pub(super) fd: OwnedFd,
}

impl Log {
    /// A log that is written by nobody yet; without a configuration it never will.
    pub(super) fn new(config: Option<Config>) -> Log {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        Log { client: Client::new(), config, program, again: None, asks_for_room: false }
    }

    /// The program that this is.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.again
    }

    /// Standard output and standard error for the processes of a unit.
    pub(super) fn streams(
        &mut self,
        specs: &[StreamSpec; 2],
        invocation: &str,
        console: bool,
    ) -> Option<[Output; 2]> {
        self.config.as_ref()?;
        let mut open = |spec: &StreamSpec| {
            let mut spec = spec.clone();
            spec.invocation = invocation.parse().ok();
            spec.console |= console;
            self.client.stream(spec).ok().map(|(key, fd)| Output { key, fd })
        };
        let [output, error] = specs;
        Some([open(output)?, open(error)?])
    }

    /// Those of the run before go on with this one; none where they cannot.
    pub(super) fn renew(&mut self, outputs: [Output; 2], invocation: &str) -> Option<[Output; 2]> {
        let invocation = invocation.parse().ok()?;
        let renewed =
            outputs.each_ref().map(|output| self.client.renew(output.key, output.fd.as_fd(), invocation));
        (renewed == [true; 2]).then_some(outputs)
    }

    /// The way to the log of a task, which the service gets that carries it out.
    pub(super) fn stream_of_task(&mut self, unit: &str, invocation: &str, console: bool) -> Option<OwnedFd> {
        self.config.as_ref()?;
        let mut spec = StreamSpec::new(unit, Source::Stderr);
        spec.identifier = unit.trim_end_matches(ENDING).to_owned();
        (spec.invocation, spec.console) = (invocation.parse().ok(), console);
        self.client.stream(spec).ok().map(|(_, fd)| fd)
    }

    /// A log process: one that an earlier supervisor has left, or a new one.
    fn socket(&self) -> Option<OwnedFd> {
        let config = self.config.as_ref()?;
        config.socket.as_deref().and_then(join).or_else(|| self.start(config))
    }

    fn start(&self, config: &Config) -> Option<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).ok()?;
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").ok()?;
        let error = std::io::stderr();
        let text = |text: String| CString::new(text).ok();
        let program = text(self.program.display().to_string())?;
        let mut launch = Launch::new(program, vec![text("perigee".to_owned())?, text(LOG_VERB.to_owned())?]);
        let config = serde_json::to_string(config).ok()?;
        launch.environment(vec![text(format!("{LOG_CONFIG}={config}"))?]);
        launch.descriptor(null.as_fd()).descriptor(null.as_fd()).descriptor(error.as_fd());
        launch.descriptor(theirs.as_fd());
        launch.step(Step::Descriptors).step(Step::Session).step(Step::Signals { ignore_pipe: true });
        // The last to be killed for want of memory, as far as that is allowed.
        launch.lenient(Step::OomScore(-500));
        launch.spawn().ok()?;
        Some(ours)
    }
}

/// The socket of a log process that is there already.
fn join(path: &Path) -> Option<OwnedFd> {
    // One that takes nobody is as good as none.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
    use std::os::fd::AsRawFd;
    connect(socket.as_raw_fd(), &UnixAddr::new(path).ok()?).ok()?;
    Some(socket)
}

impl Supervisor {
    /// Joins or starts the log process.
    pub(super) fn open_log(&mut self) {
        self.log.again = None;
        let Some(socket) = self.log.socket() else {
            self.log.again = self.log.config.as_ref().map(|_| now() + AGAIN);
            return;
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Waits::Log.token());
        if self.epoll.add(&socket, event).is_ok() {
            self.log.client.connect(socket);
        }
        self.log.asks_for_room = false;
    }

    pub(super) fn take_in_log(&mut self) {
        for told in self.log.client.ready() {
            if told == Told::Lost {
                self.log.again = Some(now() + AGAIN);
            }
        }
    }

    /// Starts the log process again when it is time, and asks for room where something waits for it.
    pub(super) fn tend_log(&mut self) {
        if self.log.again.is_some_and(|again| again <= now()) {
            self.open_log();
        }
        let wants = self.log.client.wants_write();
        if wants == self.log.asks_for_room {
            return;
        }
        self.log.asks_for_room = wants;
        let room = if wants { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
        let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, Waits::Log.token());
        if let Some(socket) = self.log.client.socket() {
            let _ = self.epoll.modify(socket, &mut event);
        }
    }

    /// Says something about a unit, or about the machine where there is none.
    pub(super) fn say_of(&mut self, unit: Option<UnitId>, priority: Priority, text: &str) {
        if priority <= Priority::WARNING {
            let kind = if priority <= Priority::ERROR { "error" } else { "warning" };
            self.publish_note(unit, kind, text);
        }
        self.say_only(unit, priority, text);
    }

    /// The same, as an event of this kind whatever its priority.
    pub(super) fn say_as(
        &mut self,
        unit: Option<UnitId>,
        priority: Priority,
        kind: &'static str,
        text: &str,
    ) {
        self.publish_note(unit, kind, text);
        self.say_only(unit, priority, text);
    }

    fn say_only(&mut self, unit: Option<UnitId>, priority: Priority, text: &str) {
        if priority > self.log_level {
            return;
        }
        let name = unit.map_or("", |unit| self.machine.name(unit)).to_owned();
        if self.log.config.is_some() {
            self.record_of(unit, &name, priority, text);
        }
        if priority <= Priority::WARNING || unit.is_none() {
            let about = if name.is_empty() { String::new() } else { format!("{name}: ") };
            self.tell(&format!("{about}{text}"));
        }
    }

    fn record_of(&mut self, unit: Option<UnitId>, name: &str, priority: Priority, text: &str) {
        let mut event = Event::new(name, priority, text);
        let run = unit.and_then(|unit| self.table.service_ref(unit)).map(|service| &service.invocation);
        event.invocation = run.and_then(|run| run.parse::<Id>().ok());
        self.log.client.record(event);
    }

    /// Waits until the last lines are written.
    pub(super) fn close_log(&mut self) {
        self.log.client.stop();
        let deadline = now() + LAST_LINES;
        while self.log.client.socket().is_some() && now() < deadline {
            if self.log.client.ready().iter().any(|told| matches!(told, Told::Stopped | Told::Lost)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
