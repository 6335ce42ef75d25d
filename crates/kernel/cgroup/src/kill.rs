//! Ends, signals and freezes everything in a group at once.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use perigee_units::value::Signal;

use crate::detect::Controller;
use crate::group::nested;
use crate::hierarchy::write;
use crate::{Group, GroupError, PATIENCE, sys};

/// How everything in a group was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// By the kernel, all at one moment.
    Together,
    /// Frozen first, then so many processes one by one.
    Frozen(usize),
    /// So many processes one by one, again and again until no new one was seen, or [`PATIENCE`] was over.
    OneByOne(usize),
}

impl Group {
    /// Kills every process in the group and below it. They end soon after; [`Group::is_populated`] says when.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn kill_all(&self) -> Result<Killed, GroupError> {
        if self.hierarchy.tracker()?.unified && write(&self.dir().join("cgroup.kill"), "1").is_ok() {
            self.killed.store(true, std::sync::atomic::Ordering::Relaxed);
            return Ok(Killed::Together);
        }
        let frozen = self.freeze().is_ok_and(|frozen| frozen);
        let counted = self.signal(Signal::KILL);
        // A process that is frozen ends in version 1 only once it thaws.
        let thawed = self.thaw();
        let counted = counted?;
        thawed.or_else(|error| if frozen { Err(error) } else { Ok(()) })?;
        Ok(if frozen { Killed::Frozen(counted) } else { Killed::OneByOne(counted) })
    }

    /// Sends a signal to every process in the group and below it, to each once, and says to how many. Those that
    /// are made meanwhile get it too, until [`PATIENCE`] is over.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn signal(&self, signal: Signal) -> Result<usize, GroupError> {
        self.signal_except(signal, &[])
    }

    /// As [`Group::signal`], but not to these.
    ///
    /// # Errors
    /// As [`Group::signal`].
    pub fn signal_except(&self, signal: Signal, spared: &[i32]) -> Result<usize, GroupError> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = BTreeSet::new();
        let mut reached = 0;
        loop {
            let new: Vec<_> = self
                .processes()?
                .into_iter()
                .filter(|pid| !spared.contains(pid) && seen.insert(*pid))
                .collect();
            if new.is_empty() {
                return Ok(reached);
            }
            reached += new.into_iter().filter(|pid| sys::kill(*pid, signal.number()).is_ok()).count();
            if Instant::now() >= deadline {
                return Ok(reached);
            }
        }
    }

    /// Stops every process in the group until [`Group::thaw`], and says whether all stood still before [`PATIENCE`] was
    /// over.
    ///
    /// # Errors
    /// There is no freezer, or it cannot be used.
    pub fn freeze(&self) -> Result<bool, GroupError> {
        self.set_frozen(true)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.is_frozen()? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the processes go on.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn thaw(&self) -> Result<(), GroupError> {
        self.set_frozen(false)
    }

    /// Whether all processes stand still.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn is_frozen(&self) -> Result<bool, GroupError> {
        let (path, word) = match self.freezer() {
            Ok(dir) => (dir.join("freezer.state"), "FROZEN"),
            Err(_) => (self.dir().join("cgroup.events"), "frozen 1"),
        };
        let text = fs::read_to_string(&path).map_err(GroupError::file("read", &path))?;
        Ok(text.lines().any(|line| line == word))
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), GroupError> {
        match self.freezer() {
            // Groups below may have been frozen by those who are in them; thawing reaches them too.
            Ok(dir) => {
                let word = if frozen { "FROZEN" } else { "THAWED" };
                let all = if frozen { vec![dir] } else { nested(dir)? };
                all.iter().try_for_each(|dir| write(&dir.join("freezer.state"), word))
            }
            Err(_) => write(&self.dir().join("cgroup.freeze"), if frozen { "1" } else { "0" }),
        }
    }

    /// The folder of version 1's freezer, where version 2 does not track.
    fn freezer(&self) -> Result<std::path::PathBuf, GroupError> {
        let tracker = self.hierarchy.tracker()?;
        let tree = self.hierarchy.tree_of(Controller::Freezer).filter(|_| !tracker.unified);
        tree.map(|tree| self.in_tree(tree)).ok_or_else(|| GroupError::Unavailable("no freezer".to_owned()))
    }
}
