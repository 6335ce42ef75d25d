//! Units that are no processes of the supervisor's: whoever brings them carries them out, and reports what came of it.
//!
//! The supervisor decides about such units as about all others: order, jobs, restarts, time-outs. A [`Runner`] starts
//! and stops them: tasks of a program, later containers and WebAssembly modules. It says by [`Reports`], from any
//! thread, what became of them.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_units::machine::{Event, Outcome, Spec, State, UnitId};
use perigee_units::unit::{Host, Source as Text, Unit, UnitKind, UnitName};
use perigee_units::value::ValueError;

use super::table::{Loaded, Work};
use super::{BeginError, Ending, Source, Supervisor, now};

/// Carries out units of one kind. Its functions are called by the supervisor's thread and must not wait for anything.
pub trait Runner: Send {
    /// Starts a unit: [`Event::Ready`] or [`Event::Ended`] is to follow.
    fn start(&mut self, unit: &str);

    /// Asks it to end: [`Event::Ended`] is to follow.
    fn stop(&mut self, unit: &str);

    /// Ends it by force; it was asked to already.
    fn kill(&mut self, unit: &str);

    /// Lets it read its configuration again: [`Event::Reloaded`] is to follow. Called only for units that can.
    fn reload(&mut self, unit: &str);

    /// Something that the supervisor has to say.
    fn told(&mut self, line: &str);

    /// What it is doing, in a word of its kind.
    fn word(&self, state: State) -> &'static str {
        word(state)
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Inactive => "dead",
        State::Activating => "starting",
        State::Active => "running",
        State::Reloading => "reloading",
        State::Deactivating => "draining",
        State::Failed => "failed",
    }
}

/// A unit that is brought, not read from a file.
#[derive(Clone, Debug)]
pub struct Brought {
    /// What the machine must know of it; its name has the ending of a kind of unit.
    pub spec: Spec,
    /// What it is.
    pub description: String,
}

/// Reports that wait to be taken in; who reports more than this waits.
const MOST_WAITING: usize = 1024;

/// What is reported.
#[derive(Debug)]
enum Report {
    Event(String, Event),
    Status(String, String),
    End,
}

/// The way on which is said what became of units; clones say it to the same supervisor.
#[derive(Clone, Debug)]
pub struct Reports {
    sender: SyncSender<Report>,
    wake: Arc<EventFd>,
}

impl Reports {
    /// Something has happened to a unit. A report that does not fit what the unit is doing counts for nothing.
    pub fn event(&self, unit: &str, event: Event) {
        self.send(Report::Event(unit.to_owned(), event));
    }

    /// A unit says in words how it is.
    pub fn status(&self, unit: &str, text: &str) {
        self.send(Report::Status(unit.to_owned(), text.to_owned()));
    }

    /// Asks the supervisor to stop every unit, and to end.
    pub fn end(&self) {
        self.send(Report::End);
    }

    fn send(&self, report: Report) {
        // When the supervisor has ended there is nobody to tell.
        if self.sender.send(report).is_ok() {
            let _ = self.wake.write(1);
        }
    }
}

/// A runner and the reports about its units.
pub(super) struct Brigade {
    runner: Box<dyn Runner>,
    reports: Receiver<Report>,
    wake: Arc<EventFd>,
}

/// Who carries a unit out that is no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// A runner in this program.
    Brigade(u16),
    /// A service that has brought it.
    Node(UnitId),
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Start,
    Stop,
    Kill,
    Reload,
}

/// A unit that is no process of the supervisor's.
#[derive(Debug)]
pub(super) struct RunnerWork {
    /// Whose it is.
    pub(super) whose: Whose,
    /// How it is, in its own words.
    pub(super) status: String,
}

impl AsFd for Brigade {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Supervisor {
    /// Takes in units that no file declares, and who carries them out. Targets among them are points in the order, as
    /// everywhere.
    ///
    /// # Errors
    /// A name that is none, or descriptors are not to be had.
    pub fn bring(
        &mut self,
        units: Vec<Brought>,
        runner: impl FnOnce(Reports) -> Box<dyn Runner>,
    ) -> Result<Reports, BeginError> {
        let system = |source| BeginError::System { doing: "take in units".to_owned(), source };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_flags(flags).map_err(|errno| system(errno.into()))?;
        let (sender, reports) = sync_channel(MOST_WAITING);
        let (wake, brigade) = (Arc::new(wake), self.brigades.len() as u16);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Runner(brigade).token());
        self.epoll.add(wake.as_ref(), event).map_err(|errno| system(errno.into()))?;
        let mut loaded = Vec::with_capacity(units.len());
        for Brought { spec, description } in units {
            let wrong = |error| system(std::io::Error::new(std::io::ErrorKind::InvalidInput, error));
            let unit = declared(&spec.name, &description, &self.host).map_err(wrong)?;
            loaded.push((spec, unit));
        }
        self.take_in_brought(loaded, brigade);
        let reports_of = Reports { sender, wake: Arc::clone(&wake) };
        self.brigades.push(Brigade { runner: runner(reports_of.clone()), reports, wake });
        Ok(reports_of)
    }

    fn take_in_brought(&mut self, units: Vec<(Spec, Unit)>, brigade: u16) {
        // What is known already stays what it is.
        let new = units.into_iter().filter(|(_, unit)| self.table.find(unit.name.as_str()).is_none());
        for (spec, unit) in new.collect::<Vec<_>>() {
            let work = match unit.name.kind() {
                UnitKind::Target => Work::Plain,
                _ => Work::Runner(RunnerWork { whose: Whose::Brigade(brigade), status: String::new() }),
            };
            let loaded = Loaded::new(unit, work);
            self.machine.load(vec![spec]);
            // Of two with the same name the first one counts.
            let id = self.machine.units().last().filter(|id| id.index() == self.table.len());
            if let Some(id) = id {
                self.table.add(id, loaded);
            }
        }
    }

    /// Something is to become of a unit that is no process; of others nothing does here.
    pub(super) fn call(&mut self, unit: UnitId, call: Call) {
        let Work::Runner(work) = &self.table.get(unit).work else { return };
        let brigade = match work.whose {
            Whose::Brigade(brigade) => brigade,
            Whose::Node(service) => return self.call_node(service, unit, call),
        };
        let Some(brigade) = self.brigades.get_mut(usize::from(brigade)) else { return };
        let (runner, name) = (&mut brigade.runner, self.machine.name(unit));
        match call {
            Call::Start => runner.start(name),
            Call::Stop => runner.stop(name),
            Call::Kill => runner.kill(name),
            Call::Reload => runner.reload(name),
        }
    }

    /// What such a unit is doing, in the word of who carries it out.
    pub(super) fn word_of(&self, work: &RunnerWork, state: State) -> &'static str {
        match work.whose {
            Whose::Brigade(brigade) => {
                self.brigades.get(usize::from(brigade)).map_or("dead", |of| of.runner.word(state))
            }
            Whose::Node(_) => word(state),
        }
    }

    /// Takes in what a runner has reported.
    pub(super) fn take_in_reports(&mut self, brigade: u16) {
        let Some(of) = self.brigades.get(usize::from(brigade)) else { return };
        let _ = of.wake.read();
        for _ in 0..MOST_WAITING {
            let Some(of) = self.brigades.get(usize::from(brigade)) else { return };
            match of.reports.try_recv() {
                Ok(Report::End) => self.end(Ending::Exit(0)),
                Ok(Report::Event(name, event)) => {
                    if let Some(unit) = self.unit_of(&name, brigade) {
                        self.machine.event(unit, event, now());
                        self.settle();
                    }
                }
                Ok(Report::Status(name, text)) => {
                    let Some(unit) = self.unit_of(&name, brigade) else { continue };
                    if let Work::Runner(work) = &mut self.table.get_mut(unit).work {
                        work.status = text;
                    }
                    self.publish_details(unit);
                }
                Err(TryRecvError::Empty) => return,
                // Nobody is left who could say what became of its units.
                Err(TryRecvError::Disconnected) => return self.runner_has_gone(brigade),
            }
        }
        // The others have their turn first.
        let _ = self.brigades.get(usize::from(brigade)).map(|of| of.wake.write(1));
    }

    /// A unit by name, if this runner brought it.
    fn unit_of(&self, name: &str, brigade: u16) -> Option<UnitId> {
        let unit = self.table.find(name)?;
        self.is_of_brigade(unit, brigade).then_some(unit)
    }

    fn is_of_brigade(&self, unit: UnitId, brigade: u16) -> bool {
        matches!(&self.table.get(unit).work, Work::Runner(work) if work.whose == Whose::Brigade(brigade))
    }

    fn runner_has_gone(&mut self, brigade: u16) {
        for unit in self.machine.units() {
            if self.is_of_brigade(unit, brigade) {
                self.machine.event(unit, Event::Ended(Outcome::Resources), now());
            }
        }
    }

    /// Tells whoever looks after this supervisor.
    pub(super) fn tell(&mut self, line: &str) {
        match self.brigades.first_mut() {
            Some(brigade) if self.signals.is_none() => brigade.runner.told(line),
            _ => super::tell(line),
        }
    }
}

/// A unit without a file.
pub(super) fn declared(name: &str, description: &str, host: &Host) -> Result<Unit, ValueError> {
    let name = UnitName::parse(name)?;
    let text = format!("[Unit]\nDescription={}\n", description.replace(['\n', '%', '\\'], " "));
    let text = Text { path: "(part of the program)".into(), text: text.into_bytes() };
    let mut unit = Unit::read(name, &[text], host);
    unit.files.clear();
    Ok(unit)
}
