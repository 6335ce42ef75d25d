//! The processes of services are made: several at a time, since a new one has to wait for a processor, and is slow to
//! become its program where files are.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use perigee_cgroup::{Entry, Group};
use perigee_journal::Priority;
use perigee_units::machine::{State, UnitId};
use perigee_units::service::{Ended, Exec, Phase, Role, Type};
use perigee_units::unit::{Command, Value};

use super::service::told;
use super::table::Work;
use super::{POLL, Supervisor, now};
use perigee_exec::{Attach, ExecError, Input, Making, Spawned};
use perigee_trigger::socket::set_blocking;

/// How long a service of `Type=idle` waits for others at most.
const IDLE: Duration = Duration::from_secs(5);

/// Processes in the making at a time.
const MOST_AT_ONCE: usize = 16;

/// How long is waited at a time for a process to become its program, and until what age of it.
const MOMENT: Duration = Duration::from_millis(1);
const PROMPT: Duration = Duration::from_millis(20);

/// A process of a service which may not run its program yet.
#[derive(Debug)]
pub(super) struct InTheMaking {
    unit: UnitId,
    role: Role,
    process: Making,
    began: Duration,
}

impl InTheMaking {
    fn is_prompt(&self) -> bool {
        now() < self.began + PROMPT
    }
}

impl Supervisor {
    /// Whether a service that is to start when nothing else is to be done has to wait.
    fn is_to_wait(&mut self, unit: UnitId, exec: Exec) -> bool {
        let idle =
            self.table.service_ref(unit).is_some_and(|service| service.life.service().kind == Type::Idle);
        if !idle || exec != Exec::Start {
            return false;
        }
        let deadline = *self.idle.entry(unit).or_insert_with(|| now() + IDLE);
        let at_work =
            |unit: UnitId| !self.machine.state(unit).is_down() && self.machine.state(unit) != State::Active;
        let busy = self.machine.jobs().any(|(_, other, _)| at_work(other) && !self.idle.contains_key(&other));
        if busy && now() < deadline {
            return true;
        }
        self.idle.remove(&unit);
        false
    }

    /// Starts the services that wait for others, once there are none.
    pub(super) fn start_idle(&mut self) {
        for unit in self.idle.keys().copied().collect::<Vec<_>>() {
            let starts =
                self.table.service_ref(unit).is_some_and(|service| service.life.phase() == Phase::Start);
            if !starts {
                self.idle.remove(&unit);
            } else if !self.is_to_wait(unit, Exec::Start) {
                self.make_process(unit, Role::Main, Exec::Start, 0);
                self.live(unit);
            }
        }
    }

    /// Makes the process of a command.
    pub(super) fn spawn(&mut self, unit: UnitId, role: Role, exec: Exec, place: usize) {
        if self.is_to_wait(unit, exec) {
            return;
        }
        if self.makings.len() >= MOST_AT_ONCE {
            self.look_at_makings();
        }
        // None is done: the oldest one has had the longest time.
        while self.makings.len() >= MOST_AT_ONCE
            && let Some(making) = self.makings.pop_front()
        {
            self.finish(making);
        }
        self.make_process(unit, role, exec, place);
    }

    fn make_process(&mut self, unit: UnitId, role: Role, exec: Exec, place: usize) {
        let tasks = (exec == Exec::Start).then(|| self.open_node(unit)).flatten();
        if let Some(service) = self.table.service(unit) {
            // A service that another copy of the program has started says the rest to the same log.
            if service.output.is_none() {
                service.output = self.log.streams(&service.log, &service.invocation, self.settings.console);
            }
        }
        let service = self.table.service_ref(unit).map(|service| service.life.service().clone());
        // The unit may have been read anew since its list was begun.
        let command = service.as_ref().and_then(|service| service.commands(exec).get(place));
        let begun = match command {
            Some(command) => self.begin(unit, Some(exec), command, tasks.as_ref().map(AsFd::as_fd)),
            None => Err(ExecError::Gone),
        };
        match begun {
            Ok(process) => {
                self.processes.add(process.pid(), unit);
                self.makings.push_back(InTheMaking { unit, role, process, began: now() });
            }
            Err(error) => self.is_not_made(unit, role, &error),
        }
    }

    fn is_made(&mut self, unit: UnitId, role: Role, spawned: Spawned) {
        let pid = spawned.pid as u32;
        spawned.notes.into_iter().for_each(|note| self.table.get_mut(unit).note(note));
        let Some(service) = self.table.service(unit) else { return };
        let slot = if role == Role::Main { &mut service.main } else { &mut service.control };
        *slot = Some((pid, spawned.pidfd));
        service.life.spawned(role, pid, now());
    }

    fn is_not_made(&mut self, unit: UnitId, role: Role, error: &ExecError) {
        self.say_of(Some(unit), Priority::ERROR, &told(error));
        let status = error.status();
        self.node_has_ended(unit, Ended::Exit(status), false);
        self.table.get_mut(unit).note(told(error));
        if let Some(service) = self.table.service(unit) {
            service.life.not_spawned(role, status, now());
        }
    }

    /// Waits for a process that is in the making, and goes on with its service; whether it was made.
    fn finish(&mut self, making: InTheMaking) -> bool {
        let InTheMaking { unit, role, process, .. } = making;
        let pid = process.pid();
        let result = process.finish();
        let made = result.is_ok();
        match result {
            Ok(spawned) => self.is_made(unit, role, spawned),
            Err(error) => {
                self.processes.remove(pid);
                self.is_not_made(unit, role, &error);
            }
        }
        self.remember(unit);
        self.live(unit);
        made
    }

    /// What is asked of a service is asked of one whose process is there.
    pub(super) fn finish_makings_of(&mut self, unit: UnitId) {
        while let Some(index) = self.makings.iter().position(|making| making.unit == unit) {
            self.makings.remove(index).map(|making| self.finish(making));
        }
    }

    /// A process has ended; false if it never ran its program, which its service knows by now.
    pub(super) fn finish_making_of(&mut self, pid: u32) -> bool {
        let index = self.makings.iter().position(|making| making.process.pid() == pid);
        let making = index.and_then(|index| self.makings.remove(index));
        making.is_none_or(|making| self.finish(making))
    }

    pub(super) fn finish_all_makings(&mut self) {
        while let Some(making) = self.makings.pop_front() {
            self.finish(making);
        }
    }

    /// Goes on with the services whose processes run their programs by now; whether there were any.
    pub(super) fn look_at_makings(&mut self) -> bool {
        let mut any = false;
        while let Some(index) = self.makings.iter().position(|making| making.process.is_over())
            && let Some(making) = self.makings.remove(index)
        {
            self.finish(making);
            any = true;
        }
        any
    }

    /// Whether a process of a unit is in the making.
    pub(super) fn is_in_the_making(&self, unit: UnitId) -> bool {
        self.makings.iter().any(|making| making.unit == unit)
    }

    /// Nothing tells when a process becomes its program, but nearly always it does so at once: a moment is waited for it,
    /// unless it has had many of them already. Whether there is more to do for a service.
    pub(super) fn await_makings(&mut self) -> bool {
        if let Some(making) = self.makings.front().filter(|making| making.is_prompt()) {
            making.process.wait(MOMENT);
        }
        self.look_at_makings()
    }

    /// When they are to be looked at again.
    pub(super) fn makings_timeout(&self) -> Option<Duration> {
        self.makings.front().map(|making| now() + if making.is_prompt() { MOMENT } else { POLL })
    }

    /// The way into the group of a service. One that somebody has taken away is made anew; without one its processes are
    /// neither known nor limited, which is told.
    fn entry_of_group(&mut self, unit: UnitId) -> Option<Entry> {
        let group = self.table.service_ref(unit)?.group.clone()?;
        if let Ok(entry) = group.entry() {
            return Some(entry);
        }
        let name = self.machine.name(unit).to_owned();
        self.watch_no_more(unit);
        let group = self.make_group(unit, &name);
        let entry = group.as_ref().map(Group::entry)?;
        if let Some(service) = self.table.service(unit) {
            service.group = group;
        }
        let told = |error| format!("is not in its control group: {error}");
        entry.map_err(told).inspect_err(|text| self.say_of(Some(unit), Priority::WARNING, text)).ok()
    }

    /// Begins to make a process of a command of a list, or of one that asks whether the service does its work.
    pub(super) fn begin(
        &mut self,
        unit: UnitId,
        exec: Option<Exec>,
        command: &Command,
        tasks: Option<BorrowedFd<'_>>,
    ) -> Result<Making, ExecError> {
        if let Some(service) = self.table.service(unit) {
            service.deserted = false;
        }
        let group = self.entry_of_group(unit);
        let exec = exec.filter(|exec| *exec == Exec::Start);
        let sockets = self.sockets_of(unit);
        // A supervisor that starts no processes has loaded no service.
        let (Some(notify), Some(null)) = (&self.notify, &self.null) else { return Err(ExecError::Gone) };
        let (socket, null) = (notify.path().display().to_string(), null.as_fd());
        let console = std::io::stderr();
        let console = if self.settings.console { console.as_fd() } else { null };
        // Only services have commands.
        let Some(service) = self.table.service_ref(unit) else { return Err(ExecError::Gone) };
        let [stdout, stderr] = match &service.output {
            Some(outputs) => outputs.each_ref().map(|output| output.fd.as_fd()),
            None => [console; 2],
        };
        let settings = service.life.service();
        let mut variables = vec![("INVOCATION_ID", service.invocation.clone())];
        if settings.notify_access != perigee_units::service::NotifyAccess::None {
            variables.push(("NOTIFY_SOCKET", socket));
        }
        if let Some(interval) = settings.watchdog.filter(|_| exec.is_some()) {
            variables.push(("WATCHDOG_USEC", interval.as_micros().to_string()));
        }
        variables.extend(service.life.main().map(|pid| ("MAINPID", pid.to_string())));
        let mut listen: Vec<(BorrowedFd<'_>, &str)> = Vec::new();
        if exec.is_some() {
            let declared = &self.table.get(unit).unit;
            let blocking = declared.last("Service", "NonBlocking") != Some(&Value::Bool(true));
            for socket in &sockets {
                if let Work::Socket(sockets) = &self.table.get(*socket).work {
                    sockets.lend(blocking);
                    listen.extend(sockets.passed());
                }
            }
            if let Some(connection) = &service.connection {
                set_blocking(connection.as_fd(), blocking);
                listen.push((connection.as_fd(), "connection"));
                let (address, port) = connection.remote.clone().unwrap_or_default();
                variables.extend((!address.is_empty()).then_some(("REMOTE_ADDR", address)));
                variables.extend(port.map(|port| ("REMOTE_PORT", port.to_string())));
            }
            listen.extend(service.stored.iter().map(|(name, fd)| (fd.as_fd(), name.as_str())));
        }
        // Where input comes from a socket, it is the connection, or the only socket that there is.
        let input = (service.context.streams().input == Input::Socket).then(|| listen.first()).flatten();
        let attach = Attach {
            stdin: input.map_or(null, |(fd, _)| *fd),
            stdout,
            stderr,
            listen: &listen,
            tasks,
            variables: &variables,
            group: group.as_ref(),
        };
        let anew;
        let prepared = match &service.prepared {
            Some(prepared) => prepared,
            None => {
                anew = service.context.prepare_with(self.environment.variables(), &self.joined(unit))?;
                &anew
            }
        };
        match exec {
            Some(_) => prepared.begin(command, &attach),
            None => prepared.begin_beside(command, &attach),
        }
    }
}
