//! The supervisor at work: one thread, one epoll, no async runtime. The pure machines of `protocol/units` decide;
//! what is here makes processes, waits for them, hears what they say, and answers the control socket.
//!
//! A turn of the loop takes in what has happened, lets the machine and the lives of the services decide, and carries
//! out what they ask for, until nothing is left to do; then it sleeps until the next event or the next time-out.

mod actions;
mod adopting;
mod allowance;
mod brought;
mod bus;
mod carry_out;
mod clock;
mod connections;
mod devices;
mod doing;
mod environment;
mod groups;
mod handover;
mod health;
mod isolating;

mod legacy;
mod logging;
mod making;
mod mounts;
mod node;
mod notify;
mod processes;
mod publish;
mod report;
mod requests;
mod runner;
mod service;
mod setting;
mod sharing;
mod shutdown;
mod surroundings;
mod table;
mod triggers;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perigee_cgroup::{Hierarchy, Watch, Watcher};
use perigee_journal::Priority;
use perigee_process::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use perigee_process::memory;
use perigee_process::signalfd::SignalFd;
use perigee_units::machine::{Machine, UnitId};
use perigee_units::system::System;
use perigee_units::unit::{Host, UnitName};

use crate::bus::Bus;
use crate::system::SystemFiles;
use crate::watchdog::Watchdog;
use perigee_device::Devices;
use perigee_files::SearchPath;
use perigee_files::condition::World;
use perigee_mount::MountTable;
use perigee_trigger::timer::Timers;

use adopting::Estate;
use connections::Connections;
use environment::ManagerEnvironment;
use groups::Slices;
use handover::Left;
use logging::Log;
use making::InTheMaking;
use node::Node;
use notify::NotifySocket;
use processes::Processes;
use publish::Publishing;
use requests::History;
use runner::Brigade;
use sharing::Account;
use shutdown::Stopping;
use surroundings::Surroundings;
use table::Table;

pub use clock::{now, wall};
pub use connections::parse;
pub use logging::{LOG_CONFIG, LOG_VERB};
pub use runner::{Brought, Reports, Runner};
pub use shutdown::Ending;

/// The table of what is to be mounted, as units.
#[derive(Clone, Debug)]
pub struct Fstab {
    /// The file.
    pub file: PathBuf,
    /// The folder of its units, which is in the search path.
    pub folder: PathBuf,
}

/// What a supervisor is told when it begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where units are looked for.
    pub search: SearchPath,
    /// The folder of run-time files, with the control socket.
    pub runtime: PathBuf,
    /// The unit that is started first.
    pub target: UnitName,
    /// Whether this process is PID 1, of the machine or of a container.
    pub is_first: bool,
    /// Whether what units print comes to this process's own output too.
    pub console: bool,
    /// Where it is set how this supervisor as a whole works.
    pub system: SystemFiles,
    /// Where fstab(5) is and its units are to be; none where nothing is mounted for it.
    pub fstab: Option<Fstab>,
    /// The log process; none keeps nothing of what units print.
    pub log: Option<perigee_log::Config>,
}

/// Why a supervisor cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// Something of the system is not to be had.
    #[error("cannot {doing}")]
    System {
        /// What for.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The first unit cannot be had.
    #[error("cannot load {unit}")]
    Target {
        /// The unit.
        unit: UnitName,
        /// Why.
        source: perigee_files::FindError,
    },
}

/// What a descriptor in the epoll is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    Notify,
    Groups,
    Control,
    Connection(u32),
    Log,
    Bus,
    Mounts,
    /// What the kernel tells of devices.
    Devices,
    /// Folders below `/dev`.
    Nodes,
    /// A path unit, by its place in the table.
    Path(u32),
    Clock(u16),
    Runner(u16),
    /// A connection by which a service is asked whether it does its work, by the place of the unit in the table.
    Health(u32),
    /// The socket of a service that brings tasks, by the place of the unit in the table.
    Node(u32),
    /// The main process of a service that was taken up, by the place of the unit in the table.
    Adopted(u32),
    /// A socket of a unit: its place in the table, and among the sockets of the unit.
    Port(u32, u16),
}

/// The supervisor.
pub struct Supervisor {
    settings: Settings,
    /// What its files say.
    system: System,
    watchdog: Watchdog,
    host: Host,
    /// What conditions are tested against.
    world: World,
    epoll: Epoll,
    signals: Option<SignalFd>,
    machine: Machine,
    table: Table,
    processes: Processes,
    makings: VecDeque<InTheMaking>,
    groups: Hierarchy,
    watcher: Option<Watcher>,
    watches: BTreeMap<Watch, UnitId>,
    slices: Slices,
    /// Services that wait for their last process where nothing tells of it.
    emptying: BTreeSet<UnitId>,
    /// Forking services whose main process is looked for, since when.
    seeking: BTreeMap<UnitId, Duration>,
    /// Services that wait until nothing else is to be done, and until when at most.
    idle: BTreeMap<UnitId, Duration>,
    /// Whose leavings go when the last unit that runs so has ended.
    leavings: BTreeSet<Account>,
    notify: Option<NotifySocket>,
    connections: Connections,
    /// Who carries out units that are no processes.
    brigades: Vec<Brigade>,
    /// Services that bring tasks.
    nodes: BTreeMap<UnitId, Node>,
    timers: Timers,
    log: Log,
    bus: Bus,
    mounts: MountTable,
    devices: Devices,
    /// Variables that all services get.
    environment: ManagerEnvironment,
    /// What is less urgent is not said.
    log_level: Priority,
    history: History,
    estate: Estate,
    publishing: Publishing,
    /// Standard input, and the output of whatever nobody listens to.
    null: Option<std::fs::File>,
    stopping: Option<Stopping>,
    began: Duration,
    /// The next turn is one of another copy of the program.
    reexec: bool,
    falls: (u32, Duration),
    /// When there will be quiet enough, after a burst of work, to give back memory.
    lull: Option<Duration>,
    /// What the copy before this one has left.
    left: Left,
    /// Said once, at the end of the boot.
    booted: Option<Duration>,
}

/// How long between looks at what nothing tells of.
const POLL: Duration = Duration::from_millis(20);

/// How long nothing must have been started before memory is given back.
const LULL: Duration = Duration::from_secs(3);

impl Supervisor {
    /// Prepares everything; nothing is started yet.
    ///
    /// # Errors
    /// What the system does not give, in words.
    pub fn new(settings: Settings) -> Result<Supervisor, BeginError> {
        let mut left = Left::take();
        let (notify, again) = (left.notify(), left.is_any());
        Supervisor::prepare(settings, left, |settings| Surroundings::whole(settings, notify, again))
    }

    /// A supervisor for a thread of a program that does other things too: its units are those that are brought
    /// ([`Supervisor::bring`]). It takes no signals and starts no processes.
    ///
    /// # Errors
    /// What the system does not give, in words.
    pub fn within(settings: Settings) -> Result<Supervisor, BeginError> {
        Supervisor::prepare(settings, Left::Nothing, |_| Ok(Surroundings::none()))
    }

    fn prepare(
        mut settings: Settings,
        mut left: Left,
        surroundings: impl FnOnce(&Settings) -> Result<Surroundings, (&'static str, std::io::Error)>,
    ) -> Result<Supervisor, BeginError> {
        let system = |doing: &str| {
            let doing = doing.to_owned();
            move |source: std::io::Error| BeginError::System { doing, source }
        };
        std::fs::create_dir_all(&settings.runtime)
            .map_err(system(&format!("make {}", settings.runtime.display())))?;
        let transient = settings.runtime.join("transient");
        settings.search = settings.search.and(transient);
        let surroundings = surroundings(&settings).map_err(|(doing, error)| system(doing)(error))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| system("wait for events")(errno.into()))?;
        let connections = match left.control() {
            Some(control) => Connections::from(control),
            None => Connections::bind(&settings.runtime).map_err(system("listen for control"))?,
        };
        let timers = Timers::new(Path::new("/"), triggers::around(settings.is_first))
            .map_err(system("wait for timers"))?;
        listen(&epoll, &surroundings, &connections).map_err(system("wait for events"))?;
        let Surroundings { signals, groups, watcher, notify, mounts, null } = surroundings;
        let (system, notes) = settings.system.read();
        let mut supervisor = Supervisor {
            watchdog: Watchdog::new(&watching::of_machine(&settings, &system)),
            system,
            timers,
            mounts,
            devices: Devices::default(),
            bus: Bus::default(),
            log: Log::new(settings.log.clone()),
            brigades: Vec::new(),
            nodes: BTreeMap::new(),
            host: perigee_files::host(),
            world: World::here(),
            machine: Machine::new(Vec::new()),
            table: Table::default(),
            processes: Processes::default(),
            makings: VecDeque::new(),
            watches: BTreeMap::new(),
            slices: Slices::read(),
            emptying: BTreeSet::new(),
            seeking: BTreeMap::new(),
            idle: BTreeMap::new(),
            leavings: BTreeSet::new(),
            environment: ManagerEnvironment::default(),
            log_level: Priority::INFO,
            history: History::default(),
            estate: Estate::default(),
            publishing: Publishing::new(),
            null,
            stopping: None,
            began: now(),
            reexec: false,
            falls: (0, Duration::ZERO),
            lull: None,
            left,
            booted: None,
            settings,
            epoll,
            signals,
            groups,
            watcher,
            notify,
            connections,
        };
        supervisor.wait_for_timers();
        supervisor.open_log();
        supervisor.tell_of_system(notes);
        Ok(supervisor)
    }

    /// Starts the first unit, and works until it has been told to end.
    ///
    /// # Errors
    /// The first unit cannot be loaded.
    pub fn run(&mut self) -> Result<Ending, BeginError> {
        let target = self.settings.target.clone();
        let heritage = self.open_estate();
        self.take_fstab();
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Whole(handover) => self.resume(*handover),
            left => {
                self.await_kept(&heritage);
                match left {
                    Left::Parts(legacy) => self.inherit(*legacy, heritage),
                    _ => self.take_heritage(heritage, false),
                }
                self.boot(&target)?;
            }
        }
        loop {
            self.settle();
            if self.booted.is_none() && self.machine.jobs().next().is_none() {
                let took = now().saturating_sub(self.began);
                self.booted = Some(now());
                self.say_of(None, Priority::NOTICE, &format!("{target} and all of it after {took:.1?}"));
            }
            if let Some(ending) = self.ended() {
                self.close_log();
                return Ok(ending);
            }
            if self.reexec {
                self.reexecute();
            }
            if self.await_makings() {
                continue;
            }
            let mut events = [EpollEvent::empty(); 256];
            let count = self.epoll.wait(&mut events, self.patience()).unwrap_or(0);
            // What a process says it says after it has become its program.
            self.look_at_makings();
            for event in &events[..count] {
                if let Some(source) = Source::of(event.data()) {
                    self.take_in(source, event.events());
                }
            }
            self.elapse();
        }
    }

    fn take_in(&mut self, source: Source, flags: EpollFlags) {
        match source {
            Source::Signals => self.take_in_signals(),
            Source::Notify => self.take_in_notifications(),
            Source::Groups => self.take_in_groups(),
            Source::Control => self.accept(),
            Source::Connection(number) => self.serve(number, flags),
            Source::Log => self.take_in_log(),
            Source::Bus => self.take_in_bus(),
            Source::Mounts => self.take_in_mounts(),
            Source::Devices => self.take_in_devices(),
            Source::Nodes => self.take_in_nodes(),
            Source::Path(unit) => self.take_in_path(unit),
            Source::Clock(index) => self.take_in_clock(index),
            Source::Runner(index) => self.take_in_reports(index),
            Source::Health(unit) => self.take_in_health(unit),
            Source::Node(unit) => self.take_in_node(unit),
            Source::Adopted(unit) => self.take_in_adopted(unit),
            Source::Port(unit, index) => self.take_in_port(unit, index),
        }
    }

    fn take_in_groups(&mut self) {
        let emptied = self.watcher.as_mut().map(Watcher::emptied).unwrap_or_default();
        // What was killed for want of memory is so before it counts as ended.
        let short = self.watcher.as_mut().map(Watcher::short_of_memory).unwrap_or_default();
        for watch in short {
            if let Some(unit) = self.watches.get(&watch).copied() {
                self.look_at_memory(unit);
            }
        }
        for watch in emptied {
            if let Some(unit) = self.watches.get(&watch).copied() {
                self.is_empty(unit);
            }
        }
    }

    /// What is due now.
    fn elapse(&mut self) {
        let at = now();
        if self.machine.timeout().is_some_and(|timeout| timeout <= at) {
            self.machine.tick(at);
        }
        for unit in self.table.lives_due(at) {
            // It has a time-out of its own.
            if self.is_in_the_making(unit) {
                continue;
            }
            if let Some(service) = self.table.service(unit) {
                service.life.tick(at);
            }
            self.live(unit);
        }
        self.tend_health(at);
        if self.processes.more {
            self.reap();
        }
        self.look_at_emptying();
        self.tend_log();
        self.tend_nodes();
        self.open_bus();
        self.seek();
        self.start_idle();
        self.tend_watchdog(at);
        if self.lull.is_some_and(|lull| lull <= at) {
            self.lull = None;
            memory::give_back();
        }
    }

    /// Until when nothing needs to be done.
    fn patience(&self) -> EpollTimeout {
        if self.processes.more {
            return EpollTimeout::ZERO;
        }
        let polls = !self.emptying.is_empty() || !self.seeking.is_empty() || self.bus.wants_connection();
        let at = now();
        let next = [
            self.machine.timeout(),
            self.table.timeout(),
            self.log.timeout(),
            self.nodes_timeout(),
            self.makings_timeout(),
            self.idle.values().min().copied(),
            polls.then(|| at + POLL),
            self.stopping.as_ref().and_then(Stopping::timeout),
            self.watchdog.due(),
            self.lull,
        ];
        let Some(next) = next.into_iter().flatten().min() else { return EpollTimeout::NONE };
        // A millisecond too late rather than a turn of the loop for nothing.
        let wait = next.saturating_sub(at).as_nanos().div_ceil(1_000_000).min(60_000);
        EpollTimeout::try_from(wait as i32).unwrap_or(EpollTimeout::ZERO)
    }
}

impl Source {
    fn token(self) -> u64 {
        match self {
            Source::Signals => 0,
            Source::Notify => 1,
            Source::Groups => 2,
            Source::Control => 3,
            Source::Log => 4,
            Source::Bus => 6,
            Source::Mounts => 5,
            Source::Devices => 7,
            Source::Nodes => 8,
            Source::Connection(number) => 1 << 48 | u64::from(number),
            Source::Path(unit) => 4 << 48 | u64::from(unit),
            Source::Clock(index) => 2 << 48 | u64::from(index),
            Source::Runner(index) => 5 << 48 | u64::from(index),
            Source::Adopted(unit) => 6 << 48 | u64::from(unit),
            Source::Health(unit) => 7 << 48 | u64::from(unit),
            Source::Node(unit) => 8 << 48 | u64::from(unit),
            Source::Port(unit, index) => 3 << 48 | u64::from(index) << 32 | u64::from(unit),
        }
    }

    fn of(token: u64) -> Option<Source> {
        Some(match (token >> 48, token as u32) {
            (0, 0) => Source::Signals,
            (0, 1) => Source::Notify,
            (0, 2) => Source::Groups,
            (0, 3) => Source::Control,
            (0, 4) => Source::Log,
            (0, 6) => Source::Bus,
            (0, 5) => Source::Mounts,
            (0, 7) => Source::Devices,
            (0, 8) => Source::Nodes,
            (4, unit) => Source::Path(unit),
            (1, number) => Source::Connection(number),
            (2, index) => Source::Clock(index as u16),
            (5, index) => Source::Runner(index as u16),
            (6, unit) => Source::Adopted(unit),
            (7, unit) => Source::Health(unit),
            (8, unit) => Source::Node(unit),
            (3, unit) => Source::Port(unit, (token >> 32) as u16),
            _ => return None,
        })
    }
}

/// Waits for whatever there is from the beginning on.
fn listen(epoll: &Epoll, surroundings: &Surroundings, connections: &Connections) -> std::io::Result<()> {
    if let Some(mounts) = surroundings.mounts.fd() {
        // The kernel tells of mounts as of something urgent.
        epoll.add(mounts, EpollEvent::new(EpollFlags::EPOLLPRI, Source::Mounts.token()))?;
    }
    for (fd, source) in surroundings.sources().chain([(connections.as_fd(), Source::Control)]) {
        epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, source.token()))?;
    }
    Ok(())
}

/// Tells whoever reads this process's output; nobody may.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "perigee: {line}");
}
