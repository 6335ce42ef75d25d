//! What a supervisor has of its process and of the machine: all of it as PID 1 and as a process of its own, nothing as
//! a thread of a program that does other things too.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use perigee_cgroup::{GroupError, Hierarchy, Watcher};
use perigee_process::signalfd::SignalFd;
use perigee_process::{signals, this};

use super::notify::NotifySocket;
use super::{Settings, Source, tell};
use crate::control::RUNTIME;
use perigee_mount::MountTable;

/// What is taken in, beside requests and timers.
pub(super) struct Surroundings {
    /// The signals of the process, the ends of its children among them; none if they belong to the program.
    pub(super) signals: Option<SignalFd>,
    pub(super) groups: Hierarchy,
    pub(super) watcher: Option<Watcher>,
    /// Where the processes of services speak; without signals there are none.
    pub(super) notify: Option<NotifySocket>,
    pub(super) mounts: MountTable,
    /// Standard input of processes, and the output of whatever nobody listens to.
    pub(super) null: Option<File>,
}

impl Surroundings {
    /// The whole process: its signals, its orphans, its control group; `again` where another copy of the program was
    /// in it before.
    pub(super) fn whole(
        settings: &Settings,
        notify: Option<OwnedFd>,
        again: bool,
    ) -> Result<Surroundings, (&'static str, std::io::Error)> {
        let signals = signals::block_all().map_err(|errno| ("take in signals", errno.into()))?;
        if !settings.is_first {
            this::become_subreaper().map_err(|errno| ("take in orphans", errno.into()))?;
        }
        raise_descriptors();
        let groups = Hierarchy::detect();
        for reason in groups.reasons() {
            tell(&format!("control groups: {reason}"));
        }
        // Another copy of the program is where the one before it was.
        let groups = if again { Ok(groups) } else { own_groups(groups, &settings.runtime) };
        let groups = match groups.and_then(|groups| groups.settle().map(|()| groups)) {
            Ok(groups) => groups,
            Err(error) => {
                let reason = format!("{error}; units are tracked by their processes alone");
                tell(&format!("control groups: {reason}"));
                Hierarchy::none(reason)
            }
        };
        let watcher = Watcher::new().ok();
        let notify = match notify {
            Some(socket) => NotifySocket::taken(&settings.runtime, socket),
            None => {
                NotifySocket::bind(&settings.runtime).map_err(|error| ("listen for notifications", error))?
            }
        };
        let mounts = MountTable::new().map_err(|error| ("watch mounts", error))?;
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| ("open /dev/null", error))?;
        let (signals, notify) = (Some(signals), Some(notify));
        Ok(Surroundings { signals, groups, watcher, notify, mounts, null: Some(null) })
    }

    /// Nothing: the process belongs to a program that has brought its own units.
    pub(super) fn none() -> Surroundings {
        let groups = Hierarchy::none("this supervisor is a part of a program, and starts no processes");
        let mounts = MountTable::unwatched();
        Surroundings { signals: None, groups, watcher: None, notify: None, mounts, null: None }
    }

    /// What the loop waits for.
    pub(super) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Source)> {
        let signals = self.signals.as_ref().map(|signals| (signals.as_fd(), Source::Signals));
        let notify = self.notify.as_ref().map(|notify| (notify.as_fd(), Source::Notify));
        let groups = self.watcher.as_ref().map(|watcher| (watcher.as_fd(), Source::Groups));
        [signals, notify, groups].into_iter().flatten()
    }
}

/// The groups of this supervisor. One that is not the machine's or the container's only one, as its folder of run-time
/// files says, keeps its units apart from those of the others that began in the same group.
fn own_groups(groups: Hierarchy, runtime: &Path) -> Result<Hierarchy, GroupError> {
    if runtime == Path::new(RUNTIME) {
        return Ok(groups);
    }
    let name = std::path::absolute(runtime).unwrap_or_else(|_| runtime.to_owned());
    let name = name.to_string_lossy().trim_matches('/').replace('/', "-");
    groups.below(&format!("perigee-{}", name.chars().take(200).collect::<String>()))
}

/// Takes as many descriptors as the kernel gives: units have some each, and a machine begins with 4096. Services have
/// their own limit. Where it cannot be raised fewer units can run.
fn raise_descriptors() {
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let raise = |to| setrlimit(Resource::RLIMIT_NOFILE, to, to).is_ok();
    if !most.is_some_and(raise)
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
    {
        raise(hard);
    }
}
