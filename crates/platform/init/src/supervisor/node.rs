//! Task units of services: a service whose unit says `Tasks=yes` brings them over a socket, and hears there what is to
//! become of them ([`perigee_units::tasks`]).
//!
//! What comes from a service is no more than its word about its own tasks: each is bound to it and comes after it, a name
//! that is another unit's is refused, and who says too much is not listened to for a while. When the service ends its
//! tasks have ended too; they stay known, and are brought anew by its next run.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, recv, sendmsg, socketpair,
};
use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Event, Outcome, UnitId, Verb};
use perigee_units::service::{Ended, Type};
use perigee_units::tasks::{LONGEST_PACKET, Order, Said, Task};

use super::allowance::Allowance;
use super::report::words;
use super::{Source, Supervisor, now};

/// Packets that are taken in before others have their turn.
const MOST_AT_ONCE: usize = 64;

/// Packets that mean nothing; with the next one the connection ends.
const MOST_WRONG: u32 = 16;

/// How long a service is not listened to that has said too much.
const SILENCE: Duration = Duration::from_millis(500);

/// A process closes its socket a moment before its end is known; after this it has only closed the socket.
pub(super) const LAST_BREATH: Duration = Duration::from_millis(200);

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
    pub(super) ends: Option<Duration>,
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

    pub(super) fn current(&self, unit: UnitId) -> Option<&Known> {
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
    pub(super) fn hear_node(&mut self, unit: UnitId) {
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

    /// Says something to a service; one that takes nothing any more is not waited for.
    pub(super) fn send_order(&mut self, service: UnitId, order: &Order, beside: Option<BorrowedFd<'_>>) {
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
