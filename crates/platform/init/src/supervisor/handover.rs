//! `daemon-reexec`: this copy of the program hands everything to the next one, and no service notices.
//!
//! What is known goes as JSON in a file in memory; descriptors stay open over execve(2) and are named by their numbers.
//! Processes stay children of the same process. What is declared is read anew.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::execve;
use perigee_journal::Priority;
use perigee_process::pidfd;
use perigee_units::health::Health;
use perigee_units::machine::{Saved, UnitId};
use perigee_units::service::{Life, Phase, Type};
use perigee_units::tasks::Task;
use perigee_units::timer;
use perigee_units::unit::UnitName;
use serde::{Deserialize, Serialize};

use super::environment::ManagerEnvironment;
use super::legacy::Legacy;
use super::node::Node;
use super::service::ServiceWork;
use super::table::Work;
use super::triggers::Accepted;
use super::{Supervisor, now};
use perigee_trigger::socket::{self, Port};

/// Where the next copy finds the number of the file.
const VARIABLE: &str = "PERIGEE_HANDOVER";

/// A copy that falls over more often than this …
const MOST_FALLS: u32 = 5;

/// … with no more than this between two falls, does not come back.
const FALLS_WITHIN: Duration = Duration::from_secs(60);

/// What this program writes. One that writes what an earlier one would misunderstand counts up.
const VERSION: u32 = 1;

/// Everything that the next copy of the program must know.
#[derive(Serialize, Deserialize)]
pub(super) struct Handover {
    /// None in those that were written before there was a number.
    #[serde(default)]
    version: u32,
    began: Duration,
    booted: Option<Duration>,
    orphans: u64,
    /// How often a copy of the program has fallen over in a short while, and when the last one did.
    #[serde(default)]
    falls: (u32, Duration),
    #[serde(default)]
    environment: ManagerEnvironment,
    #[serde(default)]
    log_level: Option<Priority>,
    machine: Saved,
    units: Vec<Handed>,
    pub(super) notify: Option<i32>,
    pub(super) control: i32,
}

/// What a unit has.
#[derive(Serialize, Deserialize)]
struct Handed {
    unit: String,
    began: Option<Duration>,
    ready: Option<Duration>,
    notes: Vec<String>,
    #[serde(default)]
    passing: bool,
    service: Option<HandedService>,
    /// Sockets, and whether connections come from them.
    ports: Vec<(i32, bool)>,
    sockets: socket::Kept,
    timer: Option<timer::Kept>,
    #[serde(default)]
    node: Option<HandedNode>,
}

/// The socket of a service that brings tasks, and what it has brought.
#[derive(Serialize, Deserialize)]
struct HandedNode {
    socket: Option<i32>,
    brought: bool,
    tasks: Vec<HandedTask>,
}

#[derive(Serialize, Deserialize)]
struct HandedTask {
    task: Task,
    current: bool,
    logs: bool,
    status: String,
}

#[derive(Serialize, Deserialize)]
struct HandedService {
    life: Life,
    #[serde(default)]
    health: Health,
    invocation: String,
    group: Option<String>,
    stored: Vec<(String, i32)>,
    /// The descriptor of its main process, if that is another's child: nobody else tells how it ends.
    #[serde(default)]
    stranger: Option<i32>,
    connection: Option<HandedConnection>,
}

#[derive(Serialize, Deserialize)]
struct HandedConnection {
    fd: i32,
    remote: Option<(String, Option<u32>)>,
    socket: String,
    instance: String,
}

/// What the copy of the program before this one has left.
pub(super) enum Left {
    /// There was none.
    Nothing,
    /// Everything.
    Whole(Box<Handover>),
    /// What can be had although the handover cannot be read.
    Parts(Box<Legacy>),
}

/// No more than the version is read before anything else.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: u32,
}

impl Left {
    /// What there is. Call it once, before anything is opened.
    pub(super) fn take() -> Left {
        let Ok(number) = std::env::var(VARIABLE) else { return Left::Nothing };
        let read = || {
            let number: i32 = number.parse().map_err(|_| "there is no number of a file".to_owned())?;
            // By its path: if this is no file of ours, it is not ours to close either.
            let text = std::fs::read_to_string(format!("/proc/self/fd/{number}"));
            Handover::read(&text.map_err(|error| error.to_string())?).map(|handover| (handover, number))
        };
        match read() {
            Ok((handover, number)) => {
                drop(pidfd::received(number));
                drop(Legacy::file());
                Left::Whole(Box::new(handover))
            }
            Err(why) => Left::Parts(Box::new(Legacy::take(why))),
        }
    }

    /// The socket of notifications, if it has come with the parts or the whole.
    pub(super) fn notify(&mut self) -> Option<OwnedFd> {
        match self {
            Left::Nothing => None,
            Left::Whole(handover) => handover.notify.map(taken),
            Left::Parts(legacy) => legacy.notify.take(),
        }
    }

    /// The control socket likewise.
    pub(super) fn control(&mut self) -> Option<OwnedFd> {
        match self {
            Left::Nothing => None,
            Left::Whole(handover) => Some(taken(handover.control)),
            Left::Parts(legacy) => legacy.control.take(),
        }
    }

    /// Whether another copy of the program ran in this process.
    pub(super) fn is_any(&self) -> bool {
        !matches!(self, Left::Nothing)
    }
}

impl Handover {
    fn read(text: &str) -> Result<Handover, String> {
        let versioned: Versioned = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if versioned.version > VERSION {
            return Err(format!(
                "it is of version {}, and no later one than {VERSION} is known",
                versioned.version
            ));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// A descriptor that has come over execve(2); it does not go over the next one by itself.
pub(super) fn taken(number: i32) -> OwnedFd {
    let fd = pidfd::received(number);
    let _ = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    fd
}

/// Lets a descriptor go over execve(2).
pub(super) fn keep(fd: BorrowedFd<'_>) -> io::Result<i32> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(fd.as_raw_fd())
}

impl Supervisor {
    /// Becomes the program that lies where this one was started from. Comes back only if that fails, and then nothing
    /// has changed.
    pub(super) fn reexecute(&mut self) {
        self.reexec = false;
        // Their steps are taken in this copy's memory.
        self.finish_all_makings();
        self.connections.flush();
        let Err(error) = self.hand_over();
        self.watchdog.resume();
        self.say_of(None, Priority::ERROR, &format!("cannot become another copy of the program: {error}"));
    }

    /// This copy has fallen over: another one goes on. Comes back if that fails too, or has happened too often.
    pub fn recover(&mut self) {
        let (count, last) = self.falls;
        let count = if now().saturating_sub(last) > FALLS_WITHIN { 1 } else { count + 1 };
        self.falls = (count, now());
        if count <= MOST_FALLS {
            self.reexecute();
        }
    }

    fn hand_over(&mut self) -> io::Result<std::convert::Infallible> {
        let text = serde_json::to_string(&self.handover()?)?;
        let mut file = File::from(memfd_create("perigee", MFdFlags::empty())?);
        file.write_all(text.as_bytes())?;
        let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
        let program = text(self.log.program().as_os_str())?;
        let arguments = std::env::args_os().map(|word| text(&word)).collect::<io::Result<Vec<_>>>()?;
        let mut variables = Vec::new();
        let legacy = self.leave_legacy()?;
        let ours = [VARIABLE, super::legacy::VARIABLE];
        for (name, value) in std::env::vars_os().filter(|(name, _)| !ours.iter().any(|ours| name == ours)) {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            variables.push(text(&pair)?);
        }
        variables.push(text(format!("{VARIABLE}={}", file.as_raw_fd()).as_ref())?);
        variables.push(text(format!("{}={}", super::legacy::VARIABLE, legacy.as_raw_fd()).as_ref())?);
        // A copy that knows nothing of it would not set it back.
        self.watchdog.disarm();
        Ok(execve(&program, &arguments, &variables)?)
    }

    fn handover(&self) -> io::Result<Handover> {
        let mut units = Vec::new();
        for unit in self.machine.units() {
            let loaded = self.table.get(unit);
            let mut handed = Handed {
                unit: self.machine.name(unit).to_owned(),
                began: loaded.began,
                ready: loaded.ready,
                notes: loaded.notes.clone(),
                passing: loaded.passing,
                service: None,
                ports: Vec::new(),
                sockets: socket::Kept::default(),
                timer: None,
                node: self.nodes.get(&unit).map(|node| self.hand_over_node(node)).transpose()?,
            };
            handed.service = self
                .table
                .service_ref(unit)
                .map(|service| self.hand_over_service(unit, service))
                .transpose()?;
            match &loaded.work {
                Work::Socket(sockets) => {
                    let ports =
                        sockets.ports().iter().map(|port| Ok((keep(port.fd.as_fd())?, port.connects)));
                    handed.ports = ports.collect::<io::Result<_>>()?;
                    handed.sockets = sockets.kept();
                }
                Work::Timer => {
                    handed.timer = self.timers.get(&loaded.unit.name).map(|timer| timer.kept().clone());
                }
                Work::Mount(work) if work.is_busy() => {
                    return Err(io::Error::other(format!("{} is being mounted", handed.unit)));
                }
                _ => {}
            }
            units.push(handed);
        }
        Ok(Handover {
            version: VERSION,
            began: self.began,
            booted: self.booted,
            orphans: self.processes.orphans,
            falls: self.falls,
            environment: self.environment.clone(),
            log_level: Some(self.log_level),
            machine: self.machine.save(),
            units,
            notify: self.notify.as_ref().map(|notify| keep(notify.as_fd())).transpose()?,
            control: keep(self.connections.as_fd())?,
        })
    }

    fn hand_over_service(&self, unit: UnitId, service: &ServiceWork) -> io::Result<HandedService> {
        let stored = service.stored.iter().map(|(name, fd)| Ok((name.clone(), keep(fd.as_fd())?)));
        let connection = service.connection.as_ref().map(|connection| {
            io::Result::Ok(HandedConnection {
                fd: keep(connection.as_fd())?,
                remote: connection.remote.clone(),
                socket: self.machine.name(connection.socket).to_owned(),
                instance: connection.instance.clone(),
            })
        });
        Ok(HandedService {
            life: service.life.clone(),
            health: service.health.clone(),
            invocation: service.invocation.clone(),
            group: service.group.as_ref().map(|group| group.path().to_owned()),
            stored: stored.collect::<io::Result<_>>()?,
            stranger: match &service.main {
                Some((_, descriptor)) if self.is_taken_up(unit) => Some(keep(descriptor.as_fd())?),
                _ => None,
            },
            connection: connection.transpose()?,
        })
    }

    /// Goes on where the copy before this one has stopped.
    pub(super) fn resume(&mut self, handover: Handover) {
        (self.began, self.booted, self.processes.orphans) =
            (handover.began, handover.booted, handover.orphans);
        self.falls = handover.falls;
        self.environment = handover.environment;
        self.log_level = handover.log_level.unwrap_or(self.log_level);
        // Tasks have no files.
        let tasks = handover.units.iter().filter_map(|unit| unit.node.as_ref()).flat_map(|node| &node.tasks);
        let tasks: BTreeSet<_> = tasks.map(|handed| handed.task.unit()).collect();
        for name in handover.machine.names().filter(|name| !tasks.contains(*name)) {
            let loaded = UnitName::parse(name).map_err(|error| error.to_string());
            let loaded = loaded.and_then(|name| {
                self.load_anew(std::slice::from_ref(&name), false).map_err(|error| error.to_string())
            });
            if let Err(why) = loaded {
                self.say_of(None, Priority::WARNING, &format!("{name} is left to itself: {why}"));
            }
        }
        for unit in &handover.units {
            if let (Some(node), Some(service)) = (&unit.node, self.table.find(&unit.unit)) {
                self.take_up_node(service, node);
            }
        }
        self.machine.restore(handover.machine, now());
        for handed in handover.units {
            if let Some(unit) = self.table.find(&handed.unit) {
                self.take_up(unit, handed);
            }
        }
        for unit in self.machine.units() {
            self.go_on(unit);
        }
        self.see_mounts();
        self.load_devices();
        self.reap();
        self.say_of(None, Priority::NOTICE, "goes on as another copy of the program");
    }

    fn hand_over_node(&self, node: &Node) -> io::Result<HandedNode> {
        let tasks = node.tasks.iter().map(|known| HandedTask {
            task: known.task.clone(),
            current: known.current,
            logs: known.logs,
            status: self.status_of(known.unit).status,
        });
        let socket = node.socket.as_ref().map(|socket| keep(socket.as_fd())).transpose()?;
        Ok(HandedNode { socket, brought: node.brought, tasks: tasks.collect() })
    }

    /// Makes units of the tasks that a service had brought, before anything is said of them.
    fn take_up_node(&mut self, service: UnitId, node: &HandedNode) {
        let socket = node.socket.map(taken);
        let socket = socket.filter(|socket| self.listen_to_node(service, socket).is_ok());
        let tasks = node.tasks.iter().map(|handed| handed.task.clone()).collect();
        if let Err(why) = self.declare_tasks(service, tasks) {
            self.say_of(Some(service), Priority::ERROR, &format!("its tasks are left to themselves: {why}"));
        }
        self.resume_node(service, socket, node.brought, |task| {
            let handed = node.tasks.iter().find(|handed| handed.task.name == task)?;
            Some((handed.current, handed.logs, handed.status.clone()))
        });
    }

    fn take_up(&mut self, unit: UnitId, handed: Handed) {
        let loaded = self.table.get_mut(unit);
        (loaded.began, loaded.ready, loaded.notes) = (handed.began, handed.ready, handed.notes);
        loaded.passing = handed.passing;
        if let Work::Socket(sockets) = &mut loaded.work
            && !handed.ports.is_empty()
        {
            let ports = handed.ports.into_iter().map(|(fd, connects)| Port { fd: taken(fd), connects });
            sockets.resume(ports.collect(), handed.sockets);
        }
        if let Some(kept) = handed.timer {
            self.resume_timer(unit, kept);
        }
        let Some(handed) = handed.service else { return };
        let group = handed.group.and_then(|path| self.groups.group(&path).ok());
        let connection = handed.connection.and_then(|handed| {
            let socket = self.table.find(&handed.socket)?;
            Some(Accepted { fd: taken(handed.fd), remote: handed.remote, socket, instance: handed.instance })
        });
        let Some(service) = self.table.service(unit) else { return };
        let declared = service.life.service().clone();
        service.life = handed.life.restored(declared);
        service.invocation = handed.invocation;
        service.stored = handed.stored.into_iter().map(|(name, fd)| (name, taken(fd))).collect();
        (service.group, service.connection) = (group, connection);
        for pid in [service.life.main(), service.life.control()].into_iter().flatten() {
            self.processes.add(pid, unit);
        }
        self.resume_health(unit, handed.health);
        self.hold_processes(unit);
        if let Some(descriptor) = handed.stranger {
            self.take_up_again(unit, taken(descriptor));
        }
        self.watch_group(unit);
    }

    /// Waits for what a unit waits for, once all units are there.
    fn go_on(&mut self, unit: UnitId) {
        let state = self.machine.state(unit);
        match &self.table.get(unit).work {
            _ if state.is_down() => {}
            // What could not be taken up begins anew.
            Work::Timer if self.timers.get(&self.table.get(unit).unit.name).is_none() => {
                self.start_timer(unit);
            }
            Work::Timer => self.wait_for_timers(),
            Work::Path(_) => self.start_paths(unit),
            Work::Socket(sockets) => {
                let service = self.table.find(sockets.spec().service.as_str());
                let taken = service.is_some_and(|service| !self.machine.state(service).is_down());
                let life = self.table.service_ref(unit).map(|commands| &commands.life);
                let at_work = life.filter(|life| life.phase() != Phase::Running);
                let alone = at_work.is_some_and(|life| life.control().is_none());
                if at_work.is_some() {
                    // Its commands come first.
                    if alone {
                        self.await_empty(unit);
                    }
                    self.live(unit);
                } else if taken {
                    self.leave_sockets(unit);
                } else {
                    self.wait_for_sockets(unit);
                }
            }
            Work::Service(service) => {
                let life = &service.life;
                let alone = life.main().is_none() && life.control().is_none();
                let forks = life.service().kind == Type::Forking && life.phase() == Phase::Start;
                self.watch_name(unit);
                if alone && forks {
                    self.find_main(unit);
                } else if alone {
                    self.await_empty(unit);
                }
                self.live(unit);
            }
            _ => {}
        }
    }
}
