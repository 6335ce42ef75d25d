//! Mounts, swap space and paths at work.

use std::ffi::CString;
use std::os::fd::AsFd;

use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_process::{Launch, Step};
use perigee_units::machine::{Event, Outcome, UnitId};

use super::processes::ended;
use super::table::Work;
use super::{Source, Supervisor, now};
use crate::trigger::mount::{Begun, Mount, MountError, Swap};
use crate::trigger::path::Said;

/// A mount or a swap space at work.
#[derive(Debug)]
pub(super) struct MountWork {
    what: Place,
    /// The helper that is at work.
    helper: Option<u32>,
}

#[derive(Debug)]
enum Place {
    Mount(Mount),
    Swap(Swap),
}

/// What is asked of a mount.
#[derive(Clone, Copy)]
pub(super) enum Wish {
    Start,
    Stop,
    Reload,
}

impl MountWork {
    pub(super) fn mount(mount: Mount) -> MountWork {
        MountWork { what: Place::Mount(mount), helper: None }
    }

    pub(super) fn swap(swap: Swap) -> MountWork {
        MountWork { what: Place::Swap(swap), helper: None }
    }

    /// A helper is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.helper.is_some()
    }

    /// Where it is mounted.
    fn place(&self) -> Option<&str> {
        match &self.what {
            Place::Mount(mount) => Some(&mount.place),
            Place::Swap(_) => None,
        }
    }
}

impl Supervisor {
    pub(super) fn mount(&mut self, unit: UnitId, wish: Wish) {
        let Work::Mount(work) = &self.table.get(unit).work else { return };
        let mounts = self.mounts.mounts();
        let begun = match (&work.what, wish) {
            (Place::Mount(mount), Wish::Start) => mount.start(mounts),
            (Place::Mount(mount), Wish::Stop) => mount.stop(mounts),
            (Place::Mount(mount), Wish::Reload) => mount.reload(),
            (Place::Swap(swap), Wish::Start) => swap.start(),
            (Place::Swap(swap), Wish::Stop) => swap.stop(),
            (Place::Swap(_), Wish::Reload) => Ok(Begun::Done),
        };
        let begun = begun.map_err(|error: MountError| format!("{error}: {}", error.source));
        match begun.and_then(|begun| self.help(unit, begun)) {
            Ok(true) => {}
            Ok(false) => self.mounted(unit, Outcome::Success),
            Err(why) => {
                self.say_of(Some(unit), Priority::ERROR, &why);
                self.table.get_mut(unit).note(why);
                self.mounted(unit, Outcome::Resources);
            }
        }
    }

    /// Runs the helper that is needed; false if none is.
    fn help(&mut self, unit: UnitId, begun: Begun) -> Result<bool, String> {
        let Begun::Command(command) = begun else { return Ok(false) };
        let text =
            |text: &String| CString::new(text.as_str()).map_err(|_| format!("{text:?} has a NUL in it"));
        let arguments = command.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let program = arguments.first().cloned().ok_or("the helper has no name")?;
        let mut launch = Launch::new(program, arguments);
        let output = std::io::stderr();
        launch.environment(vec![c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
        launch.descriptor(self.null.as_fd()).descriptor(output.as_fd()).descriptor(output.as_fd());
        launch.step(Step::Descriptors).step(Step::Session).step(Step::Signals { ignore_pipe: true });
        let spawned = launch.spawn().map_err(|error| format!("cannot run {}: {error}", command[0]))?;
        self.processes.add(spawned.pid as u32, unit);
        if let Work::Mount(work) = &mut self.table.get_mut(unit).work {
            work.helper = Some(spawned.pid as u32);
        }
        Ok(true)
    }

    /// The helper of a mount has ended.
    pub(super) fn helped(&mut self, unit: UnitId, pid: u32, exit: perigee_process::wait::Exit) {
        let Work::Mount(work) = &mut self.table.get_mut(unit).work else { return };
        if work.helper.take_if(|helper| *helper == pid).is_none() {
            return;
        }
        let outcome = match ended(exit) {
            perigee_units::service::Ended::Exit(0) => Outcome::Success,
            perigee_units::service::Ended::Exit(code) => Outcome::ExitCode(code),
            perigee_units::service::Ended::Signal(signal) => Outcome::Signal(signal),
            perigee_units::service::Ended::Core(signal) => Outcome::Core(signal),
            perigee_units::service::Ended::Unknown => Outcome::Resources,
        };
        // What the kernel has by now counts for more than what it tells of later.
        let _ = self.mounts.ready();
        self.mounted(unit, outcome);
    }

    fn mounted(&mut self, unit: UnitId, outcome: Outcome) {
        use perigee_units::machine::State;
        let event = match (self.machine.state(unit), outcome) {
            (State::Activating, Outcome::Success) => Event::Ready,
            (State::Reloading, outcome) => Event::Reloaded(outcome == Outcome::Success),
            (_, outcome) => Event::Ended(outcome),
        };
        self.machine.event(unit, event, now());
    }

    /// The table of mounts has changed: what somebody else has unmounted is over.
    pub(super) fn take_in_mounts(&mut self) {
        let Ok(changes) = self.mounts.ready() else { return };
        for unit in self.machine.units() {
            let Work::Mount(work) = &self.table.get(unit).work else { continue };
            let went = work.place().is_some_and(|place| changes.went.iter().any(|went| went == place));
            if went && self.machine.state(unit).is_active() {
                self.machine.event(unit, Event::Ended(Outcome::Success), now());
            }
        }
    }

    // Paths.

    pub(super) fn start_paths(&mut self, unit: UnitId) {
        let Work::Path(paths) = &self.table.get(unit).work else { return };
        let up =
            self.table.find(paths.unit().as_str()).is_some_and(|unit| !self.machine.state(unit).is_down());
        let Work::Path(paths) = &mut self.table.get_mut(unit).work else { return };
        match paths.start(up, now()) {
            Ok((said, notes)) => {
                notes.into_iter().for_each(|note| self.table.get_mut(unit).note(note));
                self.machine.event(unit, Event::Ready, now());
                self.path_said(unit, said);
            }
            Err(error) => {
                self.say_of(Some(unit), Priority::ERROR, &error.to_string());
                self.machine.event(unit, Event::Ended(Outcome::Resources), now());
            }
        }
    }

    pub(super) fn stop_paths(&mut self, unit: UnitId, outcome: Outcome) {
        if let Work::Path(paths) = &mut self.table.get_mut(unit).work {
            paths.stop();
        }
        self.machine.event(unit, Event::Ended(outcome), now());
    }

    pub(super) fn take_in_path(&mut self, unit: u32) {
        let Some(unit) = self.machine.units().nth(unit as usize) else { return };
        let Work::Path(paths) = &mut self.table.get_mut(unit).work else { return };
        let said = paths.ready(now());
        self.path_told(unit, said);
    }

    /// The unit of a path has come up or has gone.
    pub(super) fn tell_path(&mut self, unit: UnitId, down: bool) {
        let Work::Path(paths) = &mut self.table.get_mut(unit).work else { return };
        let said = if down {
            paths.unit_down(now())
        } else {
            paths.unit_up();
            Ok(Said::Nothing)
        };
        self.path_told(unit, said);
    }

    fn path_told(&mut self, unit: UnitId, said: std::io::Result<Said>) {
        match said {
            Ok(said) => self.path_said(unit, said),
            Err(error) => {
                self.say_of(Some(unit), Priority::ERROR, &error.to_string());
                self.stop_paths(unit, Outcome::Resources);
            }
        }
    }

    fn path_said(&mut self, unit: UnitId, said: Said) {
        match said {
            Said::Nothing => {}
            Said::Start(_) => {
                let Work::Path(paths) = &self.table.get(unit).work else { return };
                let name = paths.unit().clone();
                if let Err(why) = self.start_triggered(&name) {
                    self.say_of(Some(unit), Priority::ERROR, &format!("cannot start {name}: {why}"));
                    return self.stop_paths(unit, Outcome::Resources);
                }
            }
            Said::TooOften => {
                self.say_of(Some(unit), Priority::ERROR, "has started its unit too often");
                return self.stop_paths(unit, Outcome::TriggerLimit);
            }
        }
        // What is watched may be another descriptor each time.
        let Work::Path(paths) = &self.table.get(unit).work else { return };
        if let Some(fd) = paths.fd() {
            let token = Source::Path(unit.index() as u32).token();
            let _ = self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token));
        }
    }
}
