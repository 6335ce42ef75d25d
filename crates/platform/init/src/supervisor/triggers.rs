//! Sockets and timers at work: what they wait for, and the units that they start.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Change, Event, Outcome, UnitId, Verb};
use perigee_units::timer::{Around, Moment, Timer};
use perigee_units::unit::{Unit, UnitKind, UnitName, Value};

use super::table::Work;
use super::{Source, Supervisor, now};
use perigee_process::accounts::Accounts;
use perigee_trigger::socket::{Connection, Incoming, Phase, SocketSpec, Sockets};
use perigee_trigger::timer;

/// What a socket unit is at work.
pub(super) fn socket_work(unit: &Unit) -> Work {
    match SocketSpec::read(unit) {
        Ok(spec) => Work::Socket(Box::new(Sockets::new(spec))),
        Err(error) => Work::Broken(error.to_string()),
    }
}

/// What the timers must know of this machine.
pub(super) fn around(is_first: bool) -> Around {
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digits = machine_id.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Around {
        container: is_first && !crate::pid1::is_machine(),
        startup: timer::now().unwrap_or(Moment { monotonic: now(), wall: 0 }),
        zone: timer::zone(Path::new("/")),
        spread: digits.unwrap_or(0) % 60_000_000,
    }
}

impl Supervisor {
    // Sockets.

    pub(super) fn start_sockets(&mut self, unit: UnitId) {
        if self.adopt_sockets(unit) {
            self.machine.event(unit, Event::Ready, now());
        } else if self.table.service_ref(unit).is_some() {
            // They are opened between its commands.
            self.begin_service(unit);
        } else {
            let event = match self.open_sockets(unit) {
                Outcome::Success => {
                    self.wait_for_sockets(unit);
                    Event::Ready
                }
                outcome => Event::Ended(outcome),
            };
            self.machine.event(unit, event, now());
        }
    }

    /// Opens the sockets of a unit; nobody waits for them yet.
    pub(super) fn open_sockets(&mut self, unit: UnitId) -> Outcome {
        let accounts = Accounts::read(Path::new("/")).unwrap_or_default();
        let released = self.ports_released();
        let Work::Socket(sockets) = &mut self.table.get_mut(unit).work else { return Outcome::Resources };
        let mut started = sockets.start(&accounts);
        // The log process may still have the socket that was here before: it lets go of it in a moment.
        while matches!(&started, Err(error) if error.is_taken()) && released.is_some_and(|end| now() < end) {
            std::thread::sleep(Duration::from_millis(2));
            started = sockets.start(&accounts);
        }
        match started {
            Ok(notes) => {
                notes.into_iter().for_each(|note| self.table.get_mut(unit).note(note));
                self.keep_ports(unit);
                Outcome::Success
            }
            Err(error) => {
                self.say_of(Some(unit), Priority::ERROR, &error.to_string());
                self.table.get_mut(unit).note(error.to_string());
                Outcome::Resources
            }
        }
    }

    /// The sockets of a unit cannot go on, or are to go.
    pub(super) fn stop_sockets(&mut self, unit: UnitId, outcome: Outcome) {
        if let Some(commands) = self.table.service(unit) {
            commands.life.broken(outcome, now());
            return self.live(unit);
        }
        self.close_sockets(unit);
        self.machine.event(unit, Event::Ended(outcome), now());
    }

    /// Closes the sockets of a unit, if they are open.
    pub(super) fn close_sockets(&mut self, unit: UnitId) {
        if let Work::Socket(sockets) = &mut self.table.get_mut(unit).work {
            // A closed descriptor leaves the epoll by itself, unless a service has it too.
            for (fd, _) in sockets.passed() {
                let _ = self.epoll.delete(fd);
            }
            if sockets.phase() != Phase::Closed {
                sockets.stop();
            }
        }
        self.release_ports(unit);
    }

    /// The epoll waits for the sockets of a unit as long as no service has them.
    pub(super) fn wait_for_sockets(&mut self, unit: UnitId) {
        let loaded = self.table.get(unit);
        let Work::Socket(sockets) = &loaded.work else { return };
        if !loaded.is_open() {
            return;
        }
        for (index, fd) in sockets.fds() {
            let token = Source::Port(unit.index() as u32, index as u16).token();
            // It may be there already.
            let _ = self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token));
        }
    }

    /// The commands of a socket unit go on: nobody is let in before those that start it have ended, nor after those
    /// that stop it have begun.
    pub(super) fn sockets_follow(&mut self, unit: UnitId) {
        let loaded = self.table.get(unit);
        let Work::Socket(sockets) = &loaded.work else { return };
        if loaded.is_open() {
            return self.wait_for_sockets(unit);
        }
        for (_, fd) in sockets.fds() {
            // It may not be waited for.
            let _ = self.epoll.delete(fd);
        }
    }

    pub(super) fn leave_sockets(&mut self, unit: UnitId) {
        let Work::Socket(sockets) = &mut self.table.get_mut(unit).work else { return };
        sockets.service_up();
        if sockets.phase() == Phase::Running {
            for (fd, _) in sockets.passed() {
                let _ = self.epoll.delete(fd);
            }
        }
    }

    /// Something has come at a socket.
    pub(super) fn take_in_port(&mut self, unit: u32, index: u16) {
        let Some(unit) = self.machine.units().nth(unit as usize) else { return };
        if !self.table.get(unit).is_open() {
            return;
        }
        let Work::Socket(sockets) = &mut self.table.get_mut(unit).work else { return };
        let service = sockets.spec().service.clone();
        for incoming in sockets.ready(usize::from(index), now()) {
            match incoming {
                Incoming::Start => self.trigger_service(unit, &service),
                Incoming::Connection(connection) => self.start_instance(unit, &service, connection),
                Incoming::Refused(count, why) => {
                    self.table.get_mut(unit).note(format!("{count} connections were refused: {why}"));
                }
                Incoming::TooOften => {
                    self.say_of(Some(unit), Priority::ERROR, "has started its service too often");
                    self.stop_sockets(unit, Outcome::TriggerLimit);
                }
                Incoming::Failed(error) => {
                    self.table.get_mut(unit).note(format!("a connection could not be taken: {error}"));
                }
            }
        }
    }

    fn trigger_service(&mut self, socket: UnitId, service: &UnitName) {
        match self.start_triggered(service) {
            Ok(_) => self.leave_sockets(socket),
            Err(why) => {
                // Nobody will ever take what has come.
                self.say_of(Some(socket), Priority::ERROR, &format!("cannot start {service}: {why}"));
                self.stop_sockets(socket, Outcome::Resources);
            }
        }
    }

    /// Starts a unit since something has happened that it was to be started for.
    pub(super) fn start_triggered(&mut self, name: &UnitName) -> Result<UnitId, String> {
        if self.stopping.is_some() {
            return Err("everything is being stopped".to_owned());
        }
        let unit = self.load(name).map_err(|error| error.to_string())?;
        self.machine.request(Verb::Start, unit, now()).map_err(|why| why.to_string())?;
        Ok(unit)
    }

    fn start_instance(&mut self, socket: UnitId, service: &UnitName, connection: Connection) {
        let Connection { instance, fd, remote } = connection;
        let template = service.template().unwrap_or_else(|| service.clone());
        let started = template.with_instance(&instance).map_err(|error| error.to_string()).and_then(|name| {
            let unit = self.load_passing(&name).map_err(|error| error.to_string())?;
            let work = self.table.service(unit).ok_or_else(|| format!("{name} is no service"))?;
            work.connection = Some(Accepted { fd, remote, socket, instance: instance.clone() });
            self.start_triggered(&name)
        });
        if let Err(why) = started {
            self.table.get_mut(socket).note(format!("a connection was closed: {why}"));
            if let Work::Socket(sockets) = &mut self.table.get_mut(socket).work {
                sockets.ended(&instance);
            }
        }
    }

    /// The units whose sockets a service gets, in the order in which they were loaded.
    pub(super) fn sockets_of(&self, service: UnitId) -> Vec<UnitId> {
        let name = self.machine.name(service);
        let named: Vec<_> = self
            .table
            .get(service)
            .unit
            .all("Service", "Sockets")
            .filter_map(|value| match value {
                Value::Units(names) => Some(names),
                _ => None,
            })
            .flatten()
            .collect();
        let of_service = self.table.sockets().filter(|socket| match &self.table.get(*socket).work {
            Work::Socket(sockets) => {
                let spec = sockets.spec();
                !spec.accept && (spec.service.as_str() == name || named.contains(&&spec.name))
            }
            _ => false,
        });
        of_service.collect()
    }

    // Timers.

    pub(super) fn start_timer(&mut self, unit: UnitId) {
        let loaded = self.table.get(unit);
        let name = loaded.unit.name.clone();
        let seed =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
        let timer = Timer::read(&loaded.unit, self.host.machine_id.as_deref(), seed);
        let up =
            self.table.find(timer.unit().as_str()).is_some_and(|unit| !self.machine.state(unit).is_down());
        let started = timer::now().and_then(|at| self.timers.start(name.clone(), timer, up, at));
        for note in self.timers.notes() {
            self.table.get_mut(unit).note(note);
        }
        let event = match started {
            Ok(()) => Event::Ready,
            Err(error) => {
                self.say_of(Some(unit), Priority::ERROR, &error.to_string());
                Event::Ended(Outcome::Resources)
            }
        };
        self.machine.event(unit, event, now());
        self.wait_for_timers();
    }

    /// A timer goes on that ran in another copy of the program.
    pub(super) fn resume_timer(&mut self, unit: UnitId, kept: perigee_units::timer::Kept) {
        let declared = &self.table.get(unit).unit;
        let name = declared.name.clone();
        let seed = super::wall(now());
        let timer = Timer::read(declared, self.host.machine_id.as_deref(), seed);
        // If it cannot, it is started anew.
        let _ = timer::now().and_then(|at| self.timers.resume(name, timer, kept, at));
    }

    pub(super) fn stop_timer(&mut self, unit: UnitId) {
        let name = self.table.get(unit).unit.name.clone();
        // What is stopped sets no clock.
        let _ = self.timers.stop(&name);
        self.machine.event(unit, Event::Ended(Outcome::Success), now());
    }

    /// The clocks that wake a sleeping machine come later than the others.
    pub(super) fn wait_for_timers(&mut self) {
        for (index, fd) in self.timers.fds() {
            let token = Source::Clock(index as u16).token();
            // It may be there already.
            let _ = self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token));
        }
    }

    pub(super) fn take_in_clock(&mut self, index: u16) {
        let due = timer::now().and_then(|at| self.timers.ready(usize::from(index), at));
        for due in due.unwrap_or_default() {
            if let Err(why) = self.start_triggered(&due.unit) {
                let timer = self.table.find(due.timer.as_str());
                self.say_of(timer, Priority::ERROR, &format!("cannot start {}: {why}", due.unit));
                let _ = timer::now().and_then(|at| self.timers.unit_down(&due.unit, at));
            }
        }
        for name in self.timers.over() {
            if let Some(unit) = self.table.find(name.as_str()) {
                self.stop_timer(unit);
            }
        }
    }

    /// A unit has changed its state: whatever starts it is told.
    pub(super) fn tell_triggers(&mut self, change: &Change) {
        let down = change.to.is_down();
        if down == change.from.is_down() {
            return;
        }
        let name = self.table.get(change.unit).unit.name.clone();
        let _ = timer::now().and_then(|at| match down {
            true => self.timers.unit_down(&name, at),
            false => self.timers.unit_up(&name, at),
        });
        for path in self.table.paths_of(name.as_str()) {
            self.tell_path(path, down);
        }
        if name.kind() != UnitKind::Service {
            return;
        }
        for socket in self.sockets_of(change.unit) {
            if !down {
                self.leave_sockets(socket);
                continue;
            }
            if change.outcome == Outcome::StartLimit {
                self.stop_sockets(socket, Outcome::StartLimit);
                continue;
            }
            if let Work::Socket(sockets) = &mut self.table.get_mut(socket).work {
                sockets.service_down();
            }
            self.wait_for_sockets(socket);
        }
        let Some(work) = self.table.service(change.unit).filter(|_| down) else { return };
        // Descriptors are kept for a service that comes back by itself, and only for that.
        let stored = std::mem::take(&mut work.stored);
        let connection = work.connection.take();
        if !stored.is_empty() {
            self.release_stored(change.unit, None);
        }
        if let Some(Accepted { socket, instance, .. }) = connection
            && let Work::Socket(sockets) = &mut self.table.get_mut(socket).work
        {
            sockets.ended(&instance);
        }
    }
}

/// A connection that a service was started for.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) fd: OwnedFd,
    /// Its other end, where it has an address.
    pub(super) remote: Option<(String, Option<u32>)>,
    pub(super) socket: UnitId,
    pub(super) instance: String,
}

impl Accepted {
    pub(super) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
