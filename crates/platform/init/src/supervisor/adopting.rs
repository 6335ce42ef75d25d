//! What an earlier supervisor, which was killed, has left: its services are taken up as they are, none is started
//! twice; and this one leaves the same for the next.
//!
//! Only a process that is not PID 1 has successors: when PID 1 ends, so does everything.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_process::{pidfd, stranger};
use perigee_units::machine::{Event, State, UnitId, Verb};
use perigee_units::service::{Ended, Phase, Type};
use perigee_units::unit::UnitName;

use super::processes::ended;
use super::table::Work;
use super::{Source, Supervisor, now};
use perigee_log::{Held, Told};
use perigee_trigger::socket::Port;

use crate::adopt::{Main, ProcessId, Record, Records, Taken, decide};

/// How long the log process has to hand back what it has kept.
const KEPT: Duration = Duration::from_secs(2);

/// How long it has to let go of a socket.
const RELEASED: Duration = Duration::from_millis(300);

/// What there was before this supervisor, and what it leaves itself.
#[derive(Debug, Default)]
pub(super) struct Estate {
    records: Option<Records>,
    boot: String,
    /// Units of an earlier supervisor that were not taken up yet.
    found: BTreeMap<UnitId, Taken>,
    /// Those that were taken up, as long as they are not started anew.
    taken: BTreeSet<UnitId>,
    /// What a copy of the program before this one has left open for units.
    kept: Vec<(String, Held, OwnedFd)>,
    /// When the log process was last asked to let go of sockets.
    released: Option<Duration>,
}

impl Supervisor {
    /// Opens the records, and reads what an earlier supervisor has left in them.
    pub(super) fn open_estate(&mut self) -> Vec<Record> {
        if self.settings.is_first || self.signals.is_none() {
            return Vec::new();
        }
        self.estate.boot = self.host.boot_id.clone().unwrap_or_default();
        let mut records = match Records::below(&self.settings.runtime) {
            Ok(records) => records,
            Err(error) => {
                let text = format!("units could not be found again after a kill of this process: {error}");
                self.say_of(None, Priority::WARNING, &text);
                return Vec::new();
            }
        };
        let (read, problems) = records.read_all(&self.estate.boot);
        self.estate.records = Some(records);
        problems.iter().for_each(|problem| self.say_of(None, Priority::WARNING, problem));
        read
    }

    /// Waits for what the log process has kept from an earlier supervisor, if that one has left anything.
    pub(super) fn await_kept(&mut self, read: &[Record]) {
        let deadline = now() + KEPT;
        while !read.is_empty() && self.log.client.socket().is_some() && now() < deadline {
            if self.log.client.ready().iter().any(|told| matches!(told, Told::Ready | Told::Lost)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the log process keep the sockets of a unit for the next supervisor.
    pub(super) fn keep_ports(&mut self, unit: UnitId) {
        let Work::Socket(sockets) = &self.table.get(unit).work else { return };
        if self.estate.records.is_none() {
            return;
        }
        for (index, port) in sockets.ports().iter().enumerate() {
            let what = Held::Port { index, connects: port.connects };
            // Without it the next supervisor opens another one, if it can.
            let _ = self.log.client.hold(self.machine.name(unit), what, port.fd.as_fd());
        }
    }

    /// Sockets are closed.
    pub(super) fn release_ports(&mut self, unit: UnitId) {
        let name = self.machine.name(unit);
        self.estate.released = self.log.client.held().any(|(whose, ..)| whose == name).then(now);
        self.log.client.release(name, |what| matches!(what, Held::Port { .. }));
    }

    /// Until when a socket that was closed last may still be with the log process.
    pub(super) fn ports_released(&self) -> Option<Duration> {
        self.estate.released.map(|released| released + RELEASED)
    }

    /// Takes up the sockets that an earlier supervisor has opened, if there are any; false where they are to be opened.
    pub(super) fn adopt_sockets(&mut self, unit: UnitId) -> bool {
        let Some(found) = self.estate.found.remove(&unit) else { return false };
        let name = self.machine.name(unit).to_owned();
        if self.table.service_ref(unit).is_some() {
            // A command that was at work has nobody who waits for it any more: its list begins anew, or is over.
            self.kill_leftovers(unit, &found);
        }
        let mut ports: Vec<_> = self
            .held_for(&name)
            .filter_map(|(what, fd)| match what {
                Held::Port { index, connects } => {
                    Some((*index, Port { fd: fd.try_clone_to_owned().ok()?, connects: *connects }))
                }
                Held::Stored { .. } => None,
            })
            .collect();
        self.estate.kept.retain(|(whose, ..)| *whose != name);
        let Work::Socket(sockets) = &mut self.table.get_mut(unit).work else { return false };
        if ports.is_empty() {
            return false;
        }
        ports.sort_by_key(|(index, _)| *index);
        let service = sockets.spec().service.clone();
        let accepts = sockets.spec().accept;
        // Earlier ones gave less than a name a millisecond.
        sockets.go_on(ports.into_iter().map(|(_, port)| port).collect(), now().as_millis() as u64);
        let runs = self.table.find(service.as_str());
        let runs =
            runs.is_some_and(|service| !self.machine.state(service).is_down() || self.is_found(service));
        match runs && !accepts {
            true => self.leave_sockets(unit),
            false => self.wait_for_sockets(unit),
        }
        if self.table.service_ref(unit).is_some() {
            let group = self.make_group(unit, &name);
            if let Some(commands) = self.table.service(unit) {
                commands.group = group;
                commands.life.adopt(Phase::Running, None, now());
            }
            self.live(unit);
        }
        if found.record.is_some_and(|record| record.state == State::Deactivating) {
            // It was being stopped: so it goes on to be.
            let _ = self.machine.request(Verb::Stop, unit, now());
        }
        self.say_of(Some(unit), Priority::NOTICE, "is taken up from an earlier supervisor");
        true
    }

    /// Keeps a descriptor that a service has stored for the next supervisor too.
    pub(super) fn keep_stored(&mut self, unit: UnitId, name: &str, fd: BorrowedFd<'_>) {
        if self.estate.records.is_some() {
            let what = Held::Stored { name: name.to_owned() };
            let _ = self.log.client.hold(self.machine.name(unit), what, fd);
        }
    }

    /// What a service has stored, by one name or all of it, is closed.
    pub(super) fn release_stored(&mut self, unit: UnitId, name: Option<&str>) {
        let meant = |what: &Held| match what {
            Held::Stored { name: known } => name.is_none_or(|name| name == known),
            Held::Port { .. } => false,
        };
        self.log.client.release(self.machine.name(unit), meant);
    }

    /// Descriptors that came with a copy of the program are the units' again when these are taken up.
    pub(super) fn keep_for_units(&mut self, kept: Vec<(String, Held, OwnedFd)>) {
        self.estate.kept = kept;
    }

    /// What was kept for a unit: by the copy of the program before this one, else by the log process.
    fn held_for<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Held, BorrowedFd<'a>)> {
        let own = self.estate.kept.iter().filter(move |(whose, ..)| whose == name);
        let own: Vec<_> = own.map(|(_, what, fd)| (what, fd.as_fd())).collect();
        let with_log = self.log.client.held().filter(move |(whose, ..)| *whose == name);
        let none = own.is_empty();
        own.into_iter().chain(with_log.filter(move |_| none).map(|(_, what, fd)| (what, fd)))
    }

    /// What was kept for this service.
    fn stored_of(&mut self, name: &str) -> Vec<(String, OwnedFd)> {
        let stored = self.held_for(name).filter_map(|(what, fd)| match what {
            Held::Stored { name: known } => Some((known.clone(), fd.try_clone_to_owned().ok()?)),
            Held::Port { .. } => None,
        });
        let stored = stored.collect();
        self.estate.kept.retain(|(whose, ..)| whose != name);
        stored
    }

    /// What was kept for units that are not taken up is closed.
    fn release_others(&mut self) {
        let holders: BTreeSet<String> = self.log.client.held().map(|(unit, ..)| unit.to_owned()).collect();
        let found = self.estate.found.keys().map(|unit| self.machine.name(*unit).to_owned());
        let found: BTreeSet<String> = found.collect();
        self.estate.kept.retain(|(whose, ..)| found.contains(whose));
        for name in holders.difference(&found) {
            self.log.client.release(name, |_| true);
        }
    }

    /// Asks for the units of an earlier supervisor to be taken up; with `by_groups` those that nobody has kept a record of
    /// too. Call it once, before the first unit is asked for.
    pub(super) fn take_heritage(&mut self, read: Vec<Record>, by_groups: bool) {
        // Groups of which nobody has kept a record may belong to another supervisor: they are left alone.
        if read.is_empty() && !by_groups {
            return;
        }
        let groups = self.populated();
        for mut taken in decide(read, &groups, stranger::look) {
            if by_groups && taken.record.is_none() {
                taken.record = self.record_of_found(&taken);
            }
            let Some(record) = taken.record.clone() else { continue };
            let unit = UnitName::parse(&taken.unit).ok().and_then(|name| self.load(&name).ok());
            let Some(unit) = unit else {
                let text = format!(
                    "{} ran under an earlier supervisor, and has no unit file any more; its {} processes are left alone",
                    taken.unit,
                    taken.processes.len()
                );
                self.say_of(None, Priority::WARNING, &text);
                continue;
            };
            if !record.state.is_down() {
                self.estate.found.insert(unit, taken);
                if let Err(why) = self.machine.request(Verb::Start, unit, now()) {
                    self.say_of(Some(unit), Priority::WARNING, &format!("is not taken up: {why}"));
                }
            }
        }
        self.release_others();
    }

    /// Every group with the processes in it.
    fn populated(&self) -> Vec<(String, Vec<stranger::Seen>)> {
        let found = self.groups.list().unwrap_or_default();
        let populated = found.into_iter().filter(|found| found.populated);
        let with_processes = populated.filter_map(|found| {
            let pids = self.groups.group(&found.path).and_then(|group| group.own_processes()).ok()?;
            Some((found.path, pids.into_iter().filter_map(stranger::look).collect()))
        });
        with_processes.collect()
    }

    /// Whether a unit runs already, and waits to be taken up.
    pub(super) fn is_found(&self, unit: UnitId) -> bool {
        self.estate.found.contains_key(&unit)
    }

    /// A unit that has nothing to be taken up is started as others are.
    pub(super) fn is_taken(&mut self, unit: UnitId) {
        self.estate.found.remove(&unit);
    }

    /// Takes up a service that an earlier supervisor has started, if there is one; false where it is to be started.
    pub(super) fn adopt_service(&mut self, unit: UnitId) -> bool {
        self.estate.taken.remove(&unit);
        let Some(taken) = self.estate.found.remove(&unit) else { return false };
        let Some(record) = taken.record.clone() else { return false };
        let name = self.machine.name(unit).to_owned();
        let group = self.make_group(unit, &name);
        // Where it was when its own supervisor was killed, if that can be gone on from.
        let phase = self.phase_of(unit, &record, &taken);
        let stored = self.stored_of(&name);
        let Some(service) = self.table.service(unit) else { return false };
        service.group = group;
        service.memory_was_over();
        let Some(phase) = phase else {
            self.kill_leftovers(unit, &taken);
            return false;
        };
        service.stored = stored;
        service.invocation = record.invocation.clone();
        service.output = self.log.streams(&service.log, &record.invocation, self.settings.console);
        let main = match taken.main {
            Main::Same(id) | Main::Guessed(id) | Main::Ended(id, _) => Some(id),
            Main::None => None,
        };
        service.life.adopt(phase, main.map(|id| id.pid as u32), now());
        let text =
            format!("is taken up from an earlier supervisor, with {} processes", taken.processes.len());
        self.say_of(Some(unit), Priority::NOTICE, &text);
        self.estate.taken.insert(unit);
        let held = main.and_then(|id| self.hold(unit, id));
        let lives = held.is_some();
        if let Some(service) = self.table.service(unit) {
            service.main = held;
        }
        self.live(unit);
        if phase != Phase::Start {
            self.machine.event(unit, Event::Ready, now());
        }
        if let Some(id) = main.filter(|_| !lives) {
            let exit = match taken.main {
                Main::Ended(_, exit) => exit,
                _ => None,
            };
            self.stranger_ended(unit, id.pid as u32, exit.map_or(Ended::Unknown, ended));
        }
        if record.state == State::Deactivating {
            // It was being stopped: so it goes on to be.
            let _ = self.machine.request(Verb::Stop, unit, now());
        }
        self.remember(unit);
        true
    }

    /// The phase from which a service can go on; none where what was at work cannot be told, or has no one who waits
    /// for it any more.
    fn phase_of(&self, unit: UnitId, record: &Record, taken: &Taken) -> Option<Phase> {
        let service = self.table.service_ref(unit)?.life.service();
        let lives = matches!(taken.main, Main::Same(_));
        match record.phase {
            Phase::Exited => Some(Phase::Exited),
            Phase::Start if !lives => None,
            // A list of commands goes on at a place that nobody has kept.
            Phase::Start if service.kind == Type::Oneshot => {
                (service.commands(perigee_units::service::Exec::Start).len() == 1).then_some(Phase::Start)
            }
            Phase::Start if service.kind == Type::Forking => None,
            Phase::Start => Some(Phase::Start),
            Phase::Running | Phase::Reload => Some(Phase::Running),
            Phase::StartPost if lives => Some(Phase::Running),
            Phase::Condition | Phase::StartPre | Phase::StartPost => None,
            // It was being stopped.
            _ if lives || !taken.processes.is_empty() => Some(Phase::Running),
            _ => None,
        }
    }

    /// Kills what is left of a start that cannot be gone on with, so that the service is never there twice.
    fn kill_leftovers(&mut self, unit: UnitId, taken: &Taken) {
        if taken.processes.is_empty() {
            return;
        }
        let text = format!("its start was interrupted; {} processes of it are killed", taken.processes.len());
        self.say_of(Some(unit), Priority::NOTICE, &text);
        for id in &taken.processes {
            if let Some((_, descriptor)) = open(*id) {
                let _ = pidfd::signal(descriptor.as_fd(), 9);
            }
        }
        let Some(group) = self.table.service_ref(unit).and_then(|service| service.group.clone()) else {
            return;
        };
        let _ = group.kill_all();
        // They are gone in a moment; a process that cannot be killed is not waited for.
        let deadline = std::time::Instant::now() + perigee_cgroup::PATIENCE;
        while group.is_populated().unwrap_or(false) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Keeps hold of a process that is not our child, and hears when it ends; none where it has ended.
    fn hold(&mut self, unit: UnitId, id: ProcessId) -> Option<(u32, OwnedFd)> {
        let held = open(id)?;
        self.processes.add(held.0, unit);
        self.hear_of_stranger(unit, &held.1);
        Some(held)
    }

    /// Whether a service was taken up from an earlier supervisor, and not started anew since then.
    pub(super) fn is_taken_up(&self, unit: UnitId) -> bool {
        self.estate.taken.contains(&unit)
    }

    /// The same service, in the next copy of the program: its main process is still another's child.
    pub(super) fn take_up_again(&mut self, unit: UnitId, descriptor: OwnedFd) {
        self.estate.taken.insert(unit);
        self.hear_of_stranger(unit, &descriptor);
        if let Some(service) = self.table.service(unit) {
            service.main = service.life.main().map(|pid| (pid, descriptor));
        }
    }

    /// Hears when the main process of a service ends, if it has been taken up: its processes are nobody's children here.
    pub(super) fn hear_of_stranger(&mut self, unit: UnitId, descriptor: &OwnedFd) {
        if self.is_taken_up(unit) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Adopted(unit.index() as u32).token());
            // Without it the group becomes empty one day, and tells.
            let _ = self.epoll.add(descriptor, event);
        }
    }

    /// The main process of a service that was taken up has ended.
    pub(super) fn take_in_adopted(&mut self, unit: u32) {
        let Some(unit) = self.machine.units().nth(unit as usize) else { return };
        let Some(service) = self.table.service(unit) else { return };
        let Some((pid, descriptor)) = service.main.take() else { return };
        let _ = self.epoll.delete(&descriptor);
        // As long as nobody has reaped it, /proc tells; then whoever has held it.
        let told = || stranger::look(pid as i32).and_then(|seen| seen.exit);
        let exit = stranger::exit_of(descriptor.as_fd()).or_else(told);
        let exit = exit.or_else(|| stranger::exit_of(descriptor.as_fd()));
        self.stranger_ended(unit, pid, exit.map_or(Ended::Unknown, ended));
    }

    fn stranger_ended(&mut self, unit: UnitId, pid: u32, ended: Ended) {
        self.processes.remove(pid);
        self.node_has_ended(unit, ended, false);
        if let Some(service) = self.table.service(unit) {
            service.life.ended(pid, ended, now());
            service.forget(pid);
        }
        self.live(unit);
    }

    /// Tells what has changed in a unit, and keeps what the next supervisor must know of it.
    pub(super) fn remember(&mut self, unit: UnitId) {
        self.publish_details(unit);
        if self.is_found(unit) {
            // What the supervisor before this one has kept says more, as long as this one has not taken it up.
            return;
        }
        if self.estate.records.is_none() || matches!(self.table.get(unit).work, Work::Runner(_)) {
            return;
        }
        let record = self.record_for_next(unit);
        let Some(records) = &mut self.estate.records else { return };
        let Some(record) = record else { return records.remove(self.machine.name(unit)) };
        if let Err(error) = records.save(record) {
            self.table.get_mut(unit).note(format!("it could not be found again after a kill: {error}"));
        }
    }

    /// What another supervisor must know of a unit to take it up; none of one that is down, or is part of another one,
    /// which is found again and brings it anew.
    pub(super) fn record_for_next(&self, unit: UnitId) -> Option<Record> {
        let state = self.machine.state(unit);
        if state.is_down() || matches!(self.table.get(unit).work, Work::Runner(_)) {
            return None;
        }
        let service = self.table.service_ref(unit);
        let life = service.map(|service| &service.life);
        let process = |pid: Option<u32>| pid.and_then(|pid| ProcessId::of(pid as i32));
        Some(Record {
            boot: self.estate.boot.clone(),
            unit: self.machine.name(unit).to_owned(),
            state,
            phase: life.map(|life| life.phase()).unwrap_or_default(),
            main: process(life.and_then(|life| life.main())),
            control: process(life.and_then(|life| life.control())),
            invocation: service.map(|service| service.invocation.clone()).unwrap_or_default(),
        })
    }
}

/// Opens a process, if it is still this one.
fn open(id: ProcessId) -> Option<(u32, OwnedFd)> {
    let descriptor = pidfd::open(id.pid).ok()?;
    // The descriptor was there first: whoever has the number now is whom it means.
    let seen = stranger::look(id.pid)?;
    (ProcessId::from(seen.identity) == id && !seen.zombie).then_some((id.pid as u32, descriptor))
}
