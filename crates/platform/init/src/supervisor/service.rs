//! Services: their processes are signalled and looked for as their lives ask for it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use perigee_cgroup::{Group, Watch};
use perigee_journal::Priority;
use perigee_process::wait::Exit;
use perigee_process::{file, pidfd, this};
use perigee_units::health::Health;
use perigee_units::machine::{Event, Outcome, UnitId, Verb};
use perigee_units::service::{Life, Phase, Role, Service, Type};
use perigee_units::unit::Unit;
use perigee_units::value::Signal;

use super::groups::Wants;
use super::health::Open;
use super::logging::Output;
use super::triggers::Accepted;
use super::{Supervisor, now};
use perigee_exec::{Context, ExecError, Prepared};
use perigee_log::StreamSpec;

/// Octets of a file with the number of a process that are looked at.
const LONGEST_PID_FILE: u64 = 64;

/// A service at work.
#[derive(Debug)]
pub(super) struct ServiceWork {
    pub(super) life: Life,
    pub(super) context: Context,
    /// What its unit says of the lines of standard output and of standard error.
    pub(super) log: [StreamSpec; 2],
    pub(super) wants: Wants,
    pub(super) prepared: Option<Prepared>,
    pub(super) group: Option<Group>,
    pub(super) watch: Option<Watch>,
    /// How often memory was over for its group.
    oom_kills: u64,
    pub(super) main: Option<(u32, OwnedFd)>,
    pub(super) control: Option<(u32, OwnedFd)>,
    /// Descriptors that the service has given to be kept, with their names.
    pub(super) stored: Vec<(String, OwnedFd)>,
    /// Standard output and standard error of its processes.
    pub(super) output: Option<[Output; 2]>,
    /// It starts again by itself: group and output stay for that.
    pub(super) stays: bool,
    /// Its group was seen empty, and no process was made since.
    pub(super) deserted: bool,
    /// What it was started for, by a socket with `Accept=yes`.
    pub(super) connection: Option<Accepted>,
    /// The identity of this run: 32 hexadecimal digits.
    pub(super) invocation: String,
    /// Whether it does its work, and what it was asked and has not answered.
    pub(super) health: Health,
    pub(super) asking: Option<Open>,
}

impl ServiceWork {
    pub(super) fn new(unit: &Unit, service: Arc<Service>) -> ServiceWork {
        ServiceWork {
            life: Life::new(service),
            context: Context::read(unit),
            log: StreamSpec::both(unit),
            wants: Wants::read(unit),
            prepared: None,
            group: None,
            watch: None,
            oom_kills: 0,
            main: None,
            control: None,
            stored: Vec::new(),
            output: None,
            stays: false,
            deserted: false,
            connection: None,
            invocation: String::new(),
            health: Health::default(),
            asking: None,
        }
    }

    /// What its unit says has changed.
    pub(super) fn declared(&mut self, unit: &Unit, service: Arc<Service>) {
        self.life.declared(service);
        self.health_declared();
        self.context = self.context.read_anew(unit);
        self.log = StreamSpec::both(unit);
        self.wants.declared(unit);
    }

    /// What its unit says of its processes.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the kernel has killed a process for want of memory since this was asked last.
    pub(super) fn was_out_of_memory(&mut self, exit: Exit) -> bool {
        let killed = matches!(exit, Exit::Signal { signal, .. } if signal == Signal::KILL.number());
        killed && self.memory_was_over()
    }

    /// The same, of any process of it.
    pub(super) fn memory_was_over(&mut self) -> bool {
        let kills = self.group.as_ref().and_then(Group::oom_kills).unwrap_or(0);
        std::mem::replace(&mut self.oom_kills, kills) < kills
    }

    /// A process has been reaped: its number may be another's from now on.
    pub(super) fn forget(&mut self, pid: u32) {
        for slot in [&mut self.main, &mut self.control] {
            slot.take_if(|(known, _)| *known == pid);
        }
    }
}

impl Supervisor {
    pub(super) fn start_service(&mut self, unit: UnitId) {
        if !self.adopt_service(unit) {
            self.begin_service(unit);
        }
    }

    /// The first command of a service, or of a socket unit, is run.
    pub(super) fn begin_service(&mut self, unit: UnitId) {
        let name = self.machine.name(unit).to_owned();
        let group = self.make_group(unit, &name);
        let joined = self.joined(unit);
        let Some(service) = self.table.service(unit) else { return };
        service.group = group;
        // A group that was there before has counted already.
        service.memory_was_over();
        service.invocation = invocation();
        service.stays = false;
        service.output =
            service.output.take().and_then(|outputs| self.log.renew(outputs, &service.invocation));
        match service.context.prepare_with(self.environment.variables(), &joined) {
            Ok(prepared) => {
                let notes = prepared.notes.clone();
                service.prepared = Some(prepared);
                service.life.start(now());
                notes.into_iter().for_each(|note| self.table.get_mut(unit).note(note));
                self.live(unit);
            }
            Err(error) => {
                self.say_of(Some(unit), Priority::ERROR, &told(&error));
                self.table.get_mut(unit).note(told(&error));
                self.machine.event(unit, Event::Ended(Outcome::ExitCode(error.status())), now());
            }
        }
    }

    pub(super) fn signal(&mut self, unit: UnitId, role: Role, signal: Signal) {
        let Some(service) = self.table.service_ref(unit) else { return };
        let (slot, pid) = match role {
            Role::Main => (&service.main, service.life.main()),
            Role::Control => (&service.control, service.life.control()),
        };
        // What has ended meanwhile needs no signal.
        let _ = match (slot, pid) {
            (Some((known, descriptor)), Some(pid)) if *known == pid => {
                pidfd::signal(descriptor.as_fd(), signal.number())
            }
            (Some((_, descriptor)), None) => pidfd::signal(descriptor.as_fd(), signal.number()),
            (_, Some(pid)) => pidfd::kill(pid as i32, signal.number()),
            (None, None) => Ok(()),
        };
    }

    /// Signals every process of a service but the two that are known.
    pub(super) fn signal_rest(&mut self, unit: UnitId, signal: Signal) {
        if !self.has_processes(unit) {
            return;
        }
        let Some(service) = self.table.service_ref(unit) else { return };
        let Some(group) = &service.group else { return };
        let spared: Vec<i32> = [service.life.main(), service.life.control()]
            .into_iter()
            .flatten()
            .map(|pid| pid as i32)
            .collect();
        if signal == Signal::KILL {
            let _ = group.kill_all();
        } else {
            let _ = group.signal_except(signal, &spared);
        }
    }

    /// Whether processes of a service are left.
    fn has_processes(&mut self, unit: UnitId) -> bool {
        let Some(service) = self.table.service(unit) else { return false };
        match &service.group {
            Some(group) => {
                service.deserted = service.deserted || !group.is_populated().unwrap_or(false);
                !service.deserted
            }
            None => service.life.main().is_some() || service.life.control().is_some(),
        }
    }

    pub(super) fn await_empty(&mut self, unit: UnitId) {
        let left = self.has_processes(unit);
        let Some(service) = self.table.service(unit) else { return };
        if left {
            service.life.not_empty(now());
            if service.watch.is_none() {
                self.emptying.insert(unit);
            }
        } else {
            service.life.empty(now());
        }
    }

    /// The group of a unit has become empty.
    pub(super) fn is_empty(&mut self, unit: UnitId) {
        if let Some(service) = self.table.service(unit) {
            service.life.empty(now());
            self.live(unit);
        }
    }

    /// Looks at groups that nothing tells of.
    pub(super) fn look_at_emptying(&mut self) {
        for unit in self.emptying.clone() {
            if !self.has_processes(unit) {
                self.emptying.remove(&unit);
                self.is_empty(unit);
            }
        }
    }

    /// Looks for the main process of a forking service.
    pub(super) fn find_main(&mut self, unit: UnitId) {
        self.seeking.insert(unit, now());
        self.seek();
    }

    pub(super) fn seek(&mut self) {
        for unit in self.seeking.keys().copied().collect::<Vec<_>>() {
            let Some(service) = self.table.service(unit) else { continue };
            let settings = service.life.service().clone();
            let found = match &settings.pid_file {
                Some(path) => match pid_in(path).filter(|pid| self.belongs(*pid, unit)) {
                    Some(pid) => Some(pid),
                    // It may still be written, as long as somebody is there who could.
                    None if self.has_processes(unit) => continue,
                    None => None,
                },
                None if settings.guess_main_pid => self.only_process(unit),
                None => None,
            };
            self.seeking.remove(&unit);
            self.take_main(unit, found);
            let Some(service) = self.table.service(unit) else { continue };
            service.life.found_main(found, now());
            self.live(unit);
        }
    }

    /// Whether a forking service has left another process in the place of its main one, which has just ended: an upgrade of
    /// its program does so, and its file names the new one by then.
    pub(super) fn has_moved(&mut self, unit: UnitId, ended: u32) -> bool {
        let Some(service) = self.table.service_ref(unit) else { return false };
        let settings = service.life.service().clone();
        let runs = matches!(service.life.phase(), Phase::Running | Phase::Reload);
        if settings.kind != Type::Forking || !runs {
            return false;
        }
        let named = settings.pid_file.as_deref().and_then(pid_in);
        let Some(pid) = named.filter(|pid| *pid != ended && self.belongs(*pid, unit)) else { return false };
        self.take_main(unit, Some(pid));
        if let Some(service) = self.table.service(unit) {
            service.life.main_has_moved(pid);
        }
        true
    }

    /// Keeps hold of a main process that this one has not started.
    pub(super) fn take_main(&mut self, unit: UnitId, pid: Option<u32>) {
        let held = pid.and_then(|pid| Some((pid, pidfd::open(pid as i32).ok()?)));
        if let Some(pid) = pid {
            self.processes.add(pid, unit);
        }
        if let Some((_, descriptor)) = &held {
            self.hear_of_stranger(unit, descriptor);
        }
        if let Some(service) = self.table.service(unit) {
            service.main = held;
        }
    }

    /// Keeps hold of the processes of a service that was started by a copy of the program before this one.
    pub(super) fn hold_processes(&mut self, unit: UnitId) {
        let joined = self.joined(unit);
        let Some(service) = self.table.service(unit) else { return };
        let held = |pid: Option<u32>| pid.and_then(|pid| Some((pid, pidfd::open(pid as i32).ok()?)));
        (service.main, service.control) = (held(service.life.main()), held(service.life.control()));
        if let Some((main, _)) = service.main {
            service.context.resume(main as i32, &joined);
        }
    }

    /// Whether a process is one of the unit's.
    pub(super) fn belongs(&self, pid: u32, unit: UnitId) -> bool {
        let Some(service) = self.table.service_ref(unit) else { return false };
        match &service.group {
            Some(group) => self.groups.group_of(pid as i32).is_some_and(|path| {
                path == group.path()
                    || path.strip_prefix(group.path()).is_some_and(|rest| rest.starts_with('/'))
            }),
            None => {
                self.processes.of(pid) == Some(unit) || fs::exists(format!("/proc/{pid}")).unwrap_or(false)
            }
        }
    }

    /// The process of a unit that was started by none of its own, if there is only one.
    fn only_process(&self, unit: UnitId) -> Option<u32> {
        let group = self.table.service_ref(unit)?.group.as_ref()?;
        let pids = group.processes().ok()?;
        let own = std::process::id();
        let mut heads = pids.iter().copied().filter(|pid| {
            let parent = parent_of(*pid);
            parent == Some(own as i32) || parent.is_some_and(|parent| !pids.contains(&parent))
        });
        let head = heads.next()?;
        heads.next().is_none().then_some(head as u32)
    }

    /// A service is over: what was only for its run goes.
    pub(super) fn clean(&mut self, unit: UnitId) {
        self.emptying.remove(&unit);
        self.seeking.remove(&unit);
        self.remove_leavings(unit);
        let comes_back = self.comes_back(unit);
        let comes_back_by_itself = self.machine.restart_at(unit).is_some();
        let Some(service) = self.table.service(unit) else { return };
        (service.main, service.control, service.prepared) = (None, None, None);
        match comes_back {
            true => service.context.clean_for_restart(),
            false => service.context.clean(),
        }
        // What is handed to the unit may be full of what it has made there.
        let usable = |group: &Group| !group.was_killed() && !service.wants.is_delegated();
        service.stays = comes_back_by_itself && service.group.as_ref().is_some_and(usable);
        if !service.stays {
            service.output = None;
            self.leave_group(unit);
        }
    }

    /// A service that was to start again by itself may not do so after all.
    pub(super) fn let_go(&mut self, unit: UnitId) {
        let stays = self.table.service_ref(unit).is_some_and(|service| service.stays);
        if stays
            && self.machine.state(unit).is_down()
            && !self.comes_back(unit)
            && let Some(service) = self.table.service(unit)
        {
            (service.stays, service.output) = (false, None);
            self.leave_group(unit);
        }
    }

    /// Whether a service that is down is to start again.
    fn comes_back(&self, unit: UnitId) -> bool {
        let asked = |(_, verb)| matches!(verb, Verb::Start | Verb::Restart);
        self.machine.job(unit).is_some_and(asked) || self.machine.restart_at(unit).is_some()
    }
}

pub(super) fn told(error: &ExecError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.ends_with(&error.to_string()) {
            text = format!("{text}: {error}");
        }
        cause = error.source();
    }
    text
}

/// 128 random bits, as hexadecimal digits.
fn invocation() -> String {
    format!("{:032x}", u128::from_ne_bytes(this::random().unwrap_or_default()))
}

fn pid_in(path: &str) -> Option<u32> {
    // Whoever may write the file may put something else in its place; nothing there keeps PID 1 waiting.
    let text = String::from_utf8(file::read(path.as_ref(), LONGEST_PID_FILE).ok()?).ok()?;
    text.split_whitespace().next()?.parse().ok().filter(|pid| *pid > 1)
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
