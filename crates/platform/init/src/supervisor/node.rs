//! Task units of services: a service whose unit says `Tasks=yes` brings them over a socket, and hears there what is to
//! become of them ([`perigee_units::tasks`]).
//!
//! What comes from a service is no more than its word about its own tasks: each is bound to it and comes after it, a name
//! that is another unit's is refused, and who says too much is not listened to for a while. When the service ends its
//! tasks have ended too; they stay known, and are brought anew by its next run.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, recv, sendmsg, socketpair,
};
use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Event, Outcome, Relation, Restart, Spec, UnitId, Verb};
use perigee_units::service::{Ended, Type};
use perigee_units::tasks::{LONGEST_PACKET, MOST_TASKS, Order, Said, Task};

use super::allowance::Allowance;
use super::report::words;
use super::runner::{Call, RunnerWork, Whose, declared};
use super::table::{Loaded, Work};
use super::{Source, Supervisor, now};

/// Packets that are taken in before others have their turn.
const MOST_AT_ONCE: usize = 64;

/// Packets that mean nothing; with the next one the connection ends.
const MOST_WRONG: u32 = 16;

/// Tasks that are known of one service, those of its former runs among them.
const MOST_KNOWN: usize = 2 * MOST_TASKS;

/// How long a service is not listened to that has said too much.
const SILENCE: Duration = Duration::from_millis(500);

/// A process closes its socket a moment before its end is known; after this it has only closed the socket.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// A service that brings tasks.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Our end of its socket, while there is one.
    pub(super) socket: Option<OwnedFd>,
    /// It has said in this run which tasks there are.
    pub(super) brought: bool,
    pub(super) tasks: Vec<Known>,
    wrong: u32,
    allowance: Allowance,
    /// It is listened to again then.
    silent_until: Option<Duration>,
    /// Its socket has ended, and its process is to end until then.
    ends: Option<Duration>,
}

/// A task of a service.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) unit: UnitId,
    pub(super) task: Task,
    /// The service has brought it in its last run.
    pub(super) current: bool,
    /// The service has been given the way to the task's log.
    pub(super) logs: bool,
}

impl Node {
    /// When there is something to do for it by itself.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.silent_until.into_iter().chain(self.ends).min()
    }

    fn current(&self, unit: UnitId) -> Option<&Known> {
        self.tasks.iter().find(|known| known.unit == unit && known.current && self.brought)
    }
}

/// Sends a packet without waiting, with a descriptor beside it.
fn send(socket: &OwnedFd, packet: &[u8], beside: Option<BorrowedFd<'_>>) -> nix::Result<()> {
    let fds: Vec<_> = beside.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(packet)], rights, flags, None).map(drop)
}

impl Supervisor {
    /// The end of a service's socket that its process gets, if it is to have one.
    pub(super) fn open_node(&mut self, unit: UnitId) -> Option<OwnedFd> {
        let settings = self.table.service_ref(unit)?.life.service();
        if !settings.tasks {
            return None;
        }
        if self.table.get(unit).passing || matches!(settings.kind, Type::Oneshot | Type::Forking) {
            let text = "Tasks= is for services that stay, and have one main process".to_owned();
            self.table.get_mut(unit).note(text);
            return None;
        }
        self.node_is_over(unit, Outcome::Resources, "its service has been started anew");
        let made = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let opened =
            made.and_then(|(ours, theirs)| self.listen_to_node(unit, &ours).map(|()| (ours, theirs)));
        match opened {
            Ok((ours, theirs)) => {
                let tasks = self.nodes.remove(&unit).map(|node| node.tasks).unwrap_or_default();
                self.nodes.insert(unit, Node { socket: Some(ours), tasks, ..Node::default() });
                Some(theirs)
            }
            Err(errno) => {
                self.table.get_mut(unit).note(format!("it can bring no tasks: {}", errno.desc()));
                None
            }
        }
    }

    pub(super) fn listen_to_node(&self, unit: UnitId, socket: &OwnedFd) -> nix::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Node(unit.index() as u32).token());
        self.epoll.add(socket, event)
    }

    pub(super) fn take_in_node(&mut self, unit: u32) {
        if let Some(unit) = self.machine.units().nth(unit as usize) {
            self.hear_node(unit);
        }
    }

    /// When there is something to do for a service that brings tasks.
    pub(super) fn nodes_timeout(&self) -> Option<Duration> {
        self.nodes.values().filter_map(Node::timeout).min()
    }

    /// Listens again to those who were silenced, and gives up those whose socket has ended.
    pub(super) fn tend_nodes(&mut self) {
        let at = now();
        let due = self.nodes.iter().filter(|(_, node)| node.timeout().is_some_and(|timeout| timeout <= at));
        for unit in due.map(|(unit, _)| *unit).collect::<Vec<_>>() {
            let Some(node) = self.nodes.get_mut(&unit) else { continue };
            if node.ends.is_some_and(|ends| ends <= at) {
                let why = "its service has closed the socket by which it brings tasks";
                self.say_of(Some(unit), Priority::WARNING, "has closed the socket by which it brings tasks");
                self.node_is_over(unit, Outcome::Protocol, why);
                continue;
            }
            node.silent_until = None;
            let Some(socket) = node.socket.take() else { continue };
            // What cannot be waited for has ended.
            let listens = self.listen_to_node(unit, &socket).is_ok();
            if let Some(node) = self.nodes.get_mut(&unit) {
                (node.socket, node.ends) =
                    if listens { (Some(socket), None) } else { (None, Some(at + LAST_BREATH)) };
            }
        }
    }

    /// Takes in what waits at the socket of a service.
    fn hear_node(&mut self, unit: UnitId) {
        let mut buffer = vec![0; LONGEST_PACKET + 1];
        for _ in 0..MOST_AT_ONCE {
            let Some(node) = self.nodes.get_mut(&unit) else { return };
            let Some(socket) = node.socket.as_ref().filter(|_| node.silent_until.is_none()) else { return };
            if !node.allowance.is_left(now()) {
                let _ = self.epoll.delete(socket);
                node.silent_until = Some(now() + SILENCE);
                let text = "says more about its tasks than is listened to";
                self.table.get_mut(unit).note(text.to_owned());
                return;
            }
            // Descriptors that came along are closed by the kernel: there is no room for them.
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(count @ 1..) => {
                    node.allowance.spend();
                    self.heard(unit, &buffer[..count]);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Ok(0) | Err(_) => {
                    let _ = self.epoll.delete(socket);
                    (node.socket, node.ends) = (None, Some(now() + LAST_BREATH));
                    return;
                }
            }
        }
    }

    fn heard(&mut self, unit: UnitId, packet: &[u8]) {
        let said = match Said::parse(packet) {
            Ok(said) => said,
            Err(fault) => return self.heard_wrong(unit, &fault.to_string()),
        };
        let (task, event, status) = match said {
            Said::Tasks(tasks) => {
                if let Err(why) = self.bring_tasks(unit, tasks) {
                    self.say_of(Some(unit), Priority::ERROR, &format!("its tasks are not taken: {why}"));
                    self.send_order(unit, &Order::Refused(why), None);
                    self.node_is_over(unit, Outcome::Protocol, "the tasks of its service are not taken");
                }
                return;
            }
            Said::End => return self.stop_tasks(unit),
            Said::Ready(task) => (task, Some(Event::Ready), Some(String::new())),
            Said::Ended(task, end, why) => (task, Some(Event::Ended(end.outcome())), Some(why)),
            Said::Patience(task, length) => (task, Some(Event::Extend(length)), None),
            Said::Status(task, text) => (task, None, Some(text)),
        };
        let known = self.nodes.get(&unit).filter(|node| node.brought);
        let known =
            known.and_then(|node| node.tasks.iter().find(|known| known.current && known.task.name == task));
        let Some(task) = known.map(|known| known.unit) else {
            return self.heard_wrong(unit, &format!("it has brought no {task}"));
        };
        if let Some(status) = status {
            self.set_status(task, status);
        }
        if let Some(event) = event {
            self.machine.event(task, event, now());
        }
    }

    fn heard_wrong(&mut self, unit: UnitId, why: &str) {
        let text = format!("what it says about its tasks counts for nothing: {why}");
        let Some(node) = self.nodes.get_mut(&unit) else { return };
        node.wrong += 1;
        let (first, last) = (node.wrong == 1, node.wrong > MOST_WRONG);
        self.table.get_mut(unit).note(text.clone());
        if first {
            self.say_of(Some(unit), Priority::WARNING, &text);
        }
        if last {
            self.say_of(Some(unit), Priority::ERROR, "nothing more is heard about its tasks");
            self.node_is_over(unit, Outcome::Protocol, "its service has said too much that means nothing");
        }
    }

    /// Makes units of the tasks that a service has, and starts them.
    fn bring_tasks(&mut self, unit: UnitId, tasks: Vec<Task>) -> Result<(), String> {
        if self.nodes.get(&unit).is_none_or(|node| node.brought) {
            return Err("it has said already which there are".to_owned());
        }
        let ends = matches!(self.machine.job(unit), Some((_, Verb::Stop | Verb::Restart)));
        if ends || self.stopping.is_some() || self.machine.state(unit).is_down() {
            // It is being stopped, and hears of that in another way.
            return Ok(());
        }
        for name in tasks.iter().map(Task::unit) {
            let other = self.table.find(&name).filter(|other| !self.is_task_of(*other, unit));
            if other.is_some() {
                return Err(format!("{name} is another unit already"));
            }
        }
        let brought = self.declare_tasks(unit, tasks)?;
        if let Some(node) = self.nodes.get_mut(&unit) {
            node.brought = true;
        }
        for task in brought {
            self.set_status(task, String::new());
            if let Err(why) = self.machine.request(Verb::Start, task, now()) {
                self.say_of(Some(task), Priority::WARNING, &format!("is not started: {why}"));
            }
        }
        Ok(())
    }

    fn is_task_of(&self, task: UnitId, service: UnitId) -> bool {
        matches!(&self.table.get(task).work, Work::Runner(work) if work.whose == Whose::Node(service))
    }

    /// Takes in the tasks of a service. Those of its former runs that are there no more give their places up, so that as
    /// many are kept as there were at a time.
    pub(super) fn declare_tasks(&mut self, service: UnitId, tasks: Vec<Task>) -> Result<Vec<UnitId>, String> {
        let declared_units = tasks.iter().map(|task| declared(&task.unit(), &task.description, &self.host));
        let declared_units: Vec<_> =
            declared_units.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let of = &self.nodes.entry(service).or_default().tasks;
        let before: BTreeMap<String, UnitId> =
            of.iter().map(|known| (known.task.unit(), known.unit)).collect();
        let new = |name: &str| tasks.iter().any(|task| task.unit() == name);
        let mut free: Vec<_> = before
            .iter()
            .filter(|(name, _)| !new(name))
            .map(|(_, unit)| *unit)
            .filter(|unit| self.machine.state(*unit).is_down() && self.machine.job(*unit).is_none())
            .collect();
        let added = tasks.iter().filter(|task| !before.contains_key(&task.unit())).count();
        if before.len() + added.saturating_sub(free.len()) > MOST_KNOWN {
            return Err("tasks of its former runs have not gone yet".to_owned());
        }
        for task in tasks.iter().filter(|task| !before.contains_key(&task.unit())) {
            let Some(place) = free.pop() else { break };
            let old = self.machine.name(place).to_owned();
            if self.machine.rename(place, &task.unit()) {
                self.table.forget(place);
                self.unpublish(&old);
            }
        }
        let of = self.nodes.get_mut(&service).map(|node| std::mem::take(&mut node.tasks));
        let mut known = of.unwrap_or_default();
        known.retain(|known| self.machine.name(known.unit) == known.task.unit() && !new(&known.task.unit()));
        for known in &mut known {
            (known.current, known.logs) = (false, false);
        }
        let away: Vec<_> = known.iter().map(|known| self.spec_of(service, &known.task, false)).collect();
        let specs: Vec<_> = tasks.iter().map(|task| self.spec_of(service, task, true)).collect();
        self.machine.load(away.into_iter().chain(specs).collect());
        let mut units = Vec::with_capacity(tasks.len());
        for (task, declared) in tasks.into_iter().zip(declared_units) {
            let Some(unit) = self.machine.unit(&task.unit()) else { continue };
            let work = Work::Runner(RunnerWork { whose: Whose::Node(service), status: String::new() });
            self.table.put(unit, Loaded::new(declared, work));
            known.push(Known { unit, task, current: true, logs: false });
            units.push(unit);
        }
        // Only now the machine knows no more units than the table.
        units.iter().for_each(|unit| self.publish_anew(*unit));
        self.nodes.entry(service).or_default().tasks = known;
        Ok(units)
    }

    /// A task, as the machine sees it: nothing without its service. One that is not there is not started again by itself.
    fn spec_of(&self, service: UnitId, task: &Task, there: bool) -> Spec {
        let name = self.machine.name(service);
        let spec = task.spec().with(Relation::BindsTo, name).with(Relation::After, name);
        if there { spec } else { Spec { restart: Restart::default(), comes_back: false, ..spec } }
    }

    /// Goes on with a service whose tasks are declared already, from another copy of the program; `of` says of a task
    /// whether it is brought, has its log, and how it is.
    pub(super) fn resume_node(
        &mut self,
        service: UnitId,
        socket: Option<OwnedFd>,
        brought: bool,
        of: impl Fn(&str) -> Option<(bool, bool, String)>,
    ) {
        let Some(mut node) = self.nodes.remove(&service) else { return };
        // It may have been about to end.
        node.ends = (socket.is_none() && brought).then(|| now() + LAST_BREATH);
        (node.socket, node.brought) = (socket, brought);
        let mut away = Vec::new();
        for known in &mut node.tasks {
            let Some((current, logs, status)) = of(&known.task.name) else { continue };
            (known.current, known.logs) = (current, logs);
            if !(current && brought) {
                away.push(self.spec_of(service, &known.task, false));
            }
            if let Work::Runner(work) = &mut self.table.get_mut(known.unit).work {
                work.status = status;
            }
        }
        self.machine.load(away);
        self.nodes.insert(service, node);
    }

    fn set_status(&mut self, task: UnitId, text: String) {
        if let Work::Runner(work) = &mut self.table.get_mut(task).work {
            work.status = text;
        }
        self.publish_details(task);
    }

    /// Asks for all tasks of a service to be stopped.
    fn stop_tasks(&mut self, service: UnitId) {
        let tasks = self.nodes.get(&service).into_iter().flat_map(|node| &node.tasks);
        for task in tasks.map(|known| known.unit).collect::<Vec<_>>() {
            if !self.machine.state(task).is_down() || self.machine.job(task).is_some() {
                // Stopping is never refused.
                let _ = self.machine.request(Verb::Stop, task, now());
            }
        }
    }

    /// Something is to become of a task of a service.
    pub(super) fn call_node(&mut self, service: UnitId, task: UnitId, call: Call) {
        // What it has said before it was ready counts before that.
        if self.nodes.get(&service).is_some_and(|node| !node.brought) {
            self.hear_node(service);
        }
        let known = self.nodes.get(&service).filter(|node| node.socket.is_some());
        let name = known.and_then(|node| node.current(task)).map(|known| known.task.name.clone());
        let Some(name) = name else {
            let (outcome, status) = match call {
                Call::Start => (Outcome::Resources, "its service has not brought it"),
                _ => (Outcome::Success, ""),
            };
            self.set_status(task, status.to_owned());
            self.machine.event(task, Event::Ended(outcome), now());
            return;
        };
        match call {
            Call::Start => {
                let log = self.log_of(service, task);
                self.send_order(service, &Order::Start(name), log.as_ref().map(AsFd::as_fd));
            }
            Call::Stop => self.send_order(service, &Order::Drain(name), None),
            Call::Kill => self.send_order(service, &Order::Kill(name), None),
            Call::Reload => {
                self.machine.event(task, Event::Reloaded(false), now());
            }
        }
    }

    /// The way to the log of a task, if its service has not been given it yet.
    fn log_of(&mut self, service: UnitId, task: UnitId) -> Option<OwnedFd> {
        let invocation = self.table.service_ref(service)?.invocation.clone();
        let known = self.nodes.get_mut(&service)?.tasks.iter_mut().find(|known| known.unit == task)?;
        if std::mem::replace(&mut known.logs, true) {
            return None;
        }
        let name = self.machine.name(task).to_owned();
        self.log.stream_of_task(&name, &invocation, self.settings.console)
    }

    /// Says something to a service; one that takes nothing any more is not waited for.
    fn send_order(&mut self, service: UnitId, order: &Order, beside: Option<BorrowedFd<'_>>) {
        let Some(socket) = self.nodes.get(&service).and_then(|node| node.socket.as_ref()) else { return };
        match send(socket, &order.packet(), beside) {
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => {}
            Err(errno) => {
                let text = format!("takes no orders about its tasks: {}", errno.desc());
                self.say_of(Some(service), Priority::ERROR, &text);
                self.node_is_over(service, Outcome::Protocol, "its service takes no orders");
            }
        }
    }

    /// The main process of a service has ended.
    pub(super) fn node_has_ended(&mut self, unit: UnitId, ended: Ended, short_of_memory: bool) {
        if !self.nodes.contains_key(&unit) {
            return;
        }
        // Its last words count.
        self.hear_node(unit);
        let outcome = match ended {
            _ if short_of_memory => Outcome::OomKill,
            Ended::Exit(0) => Outcome::Success,
            Ended::Exit(code) => Outcome::ExitCode(code),
            Ended::Signal(signal) => Outcome::Signal(signal),
            Ended::Core(signal) => Outcome::Core(signal),
            Ended::Unknown => Outcome::Resources,
        };
        let why = format!("{}: {}", self.machine.name(unit), words(ended));
        self.node_is_over(unit, outcome, &why);
    }

    /// A service brings no tasks any more: those that it has brought have ended.
    pub(super) fn node_is_over(&mut self, unit: UnitId, outcome: Outcome, why: &str) {
        let Some(node) = self.nodes.get_mut(&unit) else { return };
        if let Some(socket) = node.socket.take() {
            let _ = self.epoll.delete(&socket);
        }
        (node.brought, node.silent_until, node.ends) = (false, None, None);
        let tasks: Vec<_> = node.tasks.iter().map(|known| (known.unit, known.task.clone())).collect();
        let specs = tasks.iter().map(|(_, task)| self.spec_of(unit, task, false)).collect();
        self.machine.load(specs);
        // Those that need others first, so that none of them is asked to stop.
        for (task, _) in
            tasks.iter().rev().filter(|(task, _)| !self.machine.state(*task).is_down()).collect::<Vec<_>>()
        {
            self.set_status(*task, why.to_owned());
            // One that waits to be started again has ended already.
            if !self.machine.event(*task, Event::Ended(outcome), now()) {
                let _ = self.machine.request(Verb::Stop, *task, now());
            }
        }
    }
}
