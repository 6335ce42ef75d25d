//! Mounts, swap space and paths at work.

use std::ffi::CString;
use std::os::fd::AsFd;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use perigee_journal::Priority;
use perigee_process::epoll::{EpollEvent, EpollFlags};
use perigee_process::{Launch, Step};
use perigee_units::machine::{Event, Outcome, State, UnitId, Verb};

use super::processes::ended;
use super::table::Work;
use super::{Source, Supervisor, now};
use perigee_files::FindError;
use perigee_mount::{Begun, Mount, MountError, Swap};
use perigee_trigger::path::Said;

/// Mounts that become units at once are no more than this.
const MOST_SEEN: usize = 1_000;

/// A mount or a swap space at work.
#[derive(Debug)]
pub(super) struct MountWork {
    what: Place,
    /// The helper that is at work, and what for.
    helper: Option<(u32, Wish)>,
}

#[derive(Debug)]
enum Place {
    Mount(Mount),
    Swap(Swap),
}

/// What is asked of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// It is declared anew, for the same place: what is done with it next is done so.
    pub(super) fn declared(&mut self, mount: Mount) {
        if self.helper.is_none() && self.place() == Some(mount.place.as_str()) {
            self.what = Place::Mount(mount);
        }
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
        if let Some((pid, at_work)) = work.helper {
            // It is told to end; what has come of it by then is undone.
            if at_work != Wish::Stop {
                signal_helper(pid, Signal::SIGTERM);
            }
            return;
        }
        let mounts = self.mounts.mounts();
        let begun = match (&work.what, wish) {
            (Place::Mount(mount), Wish::Start) => mount.start(mounts),
            // What others have mounted is theirs at the end.
            (Place::Mount(mount), Wish::Stop) if mount.is_found() && self.stopping.is_some() => {
                Ok(Begun::Done)
            }
            (Place::Mount(mount), Wish::Stop) => mount.stop(mounts),
            (Place::Mount(mount), Wish::Reload) => mount.reload(),
            (Place::Swap(swap), Wish::Start) => swap.start(),
            (Place::Swap(swap), Wish::Stop) => swap.stop(),
            (Place::Swap(_), Wish::Reload) => Ok(Begun::Done),
        };
        let begun = begun.map_err(|error: MountError| format!("{error}: {}", error.source));
        match begun.and_then(|begun| self.help(unit, begun, wish)) {
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
    fn help(&mut self, unit: UnitId, begun: Begun, wish: Wish) -> Result<bool, String> {
        let Begun::Command(command) = begun else { return Ok(false) };
        let text =
            |text: &String| CString::new(text.as_str()).map_err(|_| format!("{text:?} has a NUL in it"));
        let arguments = command.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let program = arguments.first().cloned().ok_or("the helper has no name")?;
        let mut launch = Launch::new(program, arguments);
        let null = self.null.as_ref().ok_or("this supervisor starts no processes")?;
        let output = std::io::stderr();
        launch.environment(vec![c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
        launch.descriptor(null.as_fd()).descriptor(output.as_fd()).descriptor(output.as_fd());
        launch.step(Step::Descriptors).step(Step::Session).step(Step::Signals { ignore_pipe: true });
        let spawned = launch.spawn().map_err(|error| format!("cannot run {}: {error}", command[0]))?;
        self.processes.add(spawned.pid as u32, unit);
        if let Work::Mount(work) = &mut self.table.get_mut(unit).work {
            work.helper = Some((spawned.pid as u32, wish));
        }
        Ok(true)
    }

    /// The helper of a mount has ended.
    pub(super) fn helped(&mut self, unit: UnitId, pid: u32, exit: perigee_process::wait::Exit) {
        let Work::Mount(work) = &mut self.table.get_mut(unit).work else { return };
        let Some((_, wish)) = work.helper.take_if(|(helper, _)| *helper == pid) else { return };
        let outcome = match ended(exit) {
            perigee_units::service::Ended::Exit(0) => Outcome::Success,
            perigee_units::service::Ended::Exit(code) => Outcome::ExitCode(code),
            perigee_units::service::Ended::Signal(signal) => Outcome::Signal(signal),
            perigee_units::service::Ended::Core(signal) => Outcome::Core(signal),
            perigee_units::service::Ended::Unknown => Outcome::Resources,
        };
        // What the kernel has by now counts for more than what it tells of later.
        let _ = self.mounts.ready();
        if wish != Wish::Stop && self.machine.state(unit) == State::Deactivating {
            // It was to stop before it was there.
            return self.mount(unit, Wish::Stop);
        }
        self.mounted(unit, outcome);
    }

    fn mounted(&mut self, unit: UnitId, outcome: Outcome) {
        let event = match (self.machine.state(unit), outcome) {
            (State::Activating, Outcome::Success) => Event::Ready,
            (State::Reloading, outcome) => Event::Reloaded(outcome == Outcome::Success),
            (_, outcome) => Event::Ended(outcome),
        };
        self.machine.event(unit, event, now());
    }

    /// The helper of a mount has had its time.
    pub(super) fn kill_helper(&mut self, unit: UnitId) {
        if let Work::Mount(work) = &self.table.get(unit).work
            && let Some((pid, _)) = work.helper
        {
            signal_helper(pid, Signal::SIGKILL);
        }
    }

    /// Mounts that are there already need no more than to be taken for it.
    pub(super) fn adopt_mounts(&mut self) {
        self.machine.units().for_each(|unit| self.adopt_mount(unit));
    }

    fn adopt_mount(&mut self, unit: UnitId) {
        let Work::Mount(work) = &self.table.get(unit).work else { return };
        let there = work.place().is_some_and(|place| self.mounts.mounts().contains_key(place));
        let idle = self.machine.state(unit).is_down() && self.machine.job(unit).is_none();
        if there && idle && self.stopping.is_none() {
            // A unit whose needs cannot be had is shown as it was.
            let _ = self.machine.request(Verb::Start, unit, now());
        }
    }

    /// What is mounted becomes known as units: all of it to the supervisor of a machine, to others what they have
    /// files for.
    pub(super) fn see_mounts(&mut self) {
        let all: Vec<_> = self.mounts.mounts().keys().cloned().collect();
        self.see(&all);
    }

    fn see(&mut self, places: &[String]) {
        let mounts = self.mounts.mounts();
        let names = places.iter().filter_map(|place| mounts.get(place)?.name());
        let search = &self.settings.search;
        let names: Vec<_> = names
            .filter(|name| self.table.find(name.as_str()).is_none())
            .filter(|name| match search.find(name) {
                Ok(_) => true,
                Err(error) => self.settings.is_first && matches!(error, FindError::Missing(_)),
            })
            .take(MOST_SEEN)
            .collect();
        if let Err(why) = self.load_anew(&names, false) {
            self.tell(&format!("mounts are not shown: {why}"));
        }
        self.adopt_mounts();
    }

    /// The table of mounts has changed: what somebody else has mounted is there, and what somebody else has
    /// unmounted is over.
    pub(super) fn take_in_mounts(&mut self) {
        let Ok(changes) = self.mounts.ready() else { return };
        self.see(&changes.came);
        let is_in = |places: &[String], work: &MountWork| {
            work.place().is_some_and(|place| places.iter().any(|other| other == place))
        };
        for unit in self.machine.units() {
            let Work::Mount(work) = &self.table.get(unit).work else { continue };
            if is_in(&changes.went, work) && self.machine.state(unit).is_active() {
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

/// A signal to a helper and whatever it has started; it leads a session of its own.
fn signal_helper(pid: u32, signal: Signal) {
    // What has ended meanwhile needs none.
    let _ = killpg(Pid::from_raw(pid as i32), signal);
}
