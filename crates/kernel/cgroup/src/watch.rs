//! Tells when groups become empty, and when memory is over in them: one descriptor for all of them, by inotify(7) on
//! `cgroup.events` and `memory.events` of version 2.
//!
//! Version 1 has nothing like it that works in a container: there whoever waits asks [`Group::is_populated`]
//! now and then, say after each child that has ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::{Group, GroupError};

/// One group that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch(u64);

/// What is known of one of them.
#[derive(Debug)]
struct Watched {
    group: Group,
    events: WatchDescriptor,
    /// Where memory is counted in version 2.
    memory: Option<WatchDescriptor>,
}

/// Watches groups.
#[derive(Debug)]
pub struct Watcher {
    inotify: Inotify,
    watched: BTreeMap<Watch, Watched>,
    /// Who watches a file; of a group that is watched twice, twice.
    by_descriptor: HashMap<WatchDescriptor, Vec<Watch>>,
    /// Those in which something has happened to memory.
    short: Vec<Watch>,
    last: u64,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// No more inotify instances.
    pub fn new() -> std::io::Result<Watcher> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let (watched, by_descriptor) = (BTreeMap::new(), HashMap::new());
        Ok(Watcher { inotify, watched, by_descriptor, short: Vec::new(), last: 0 })
    }

    /// Watches a group; none where it is tracked in version 1, which tells nothing.
    ///
    /// # Errors
    /// The group is not there, or too much is watched.
    pub fn add(&mut self, group: &Group) -> Result<Option<Watch>, GroupError> {
        if !group.hierarchy.tracker()?.unified {
            return Ok(None);
        }
        let path = group.dir().join("cgroup.events");
        let events = self.inotify.add_watch(&path, AddWatchFlags::IN_MODIFY);
        let events = events.map_err(|errno| GroupError::file("watch", &path)(errno.into()))?;
        let memory =
            self.inotify.add_watch(&group.dir().join("memory.events"), AddWatchFlags::IN_MODIFY).ok();
        self.last += 1;
        let watch = Watch(self.last);
        for descriptor in [Some(events), memory].into_iter().flatten() {
            self.by_descriptor.entry(descriptor).or_default().push(watch);
        }
        self.watched.insert(watch, Watched { group: group.clone(), events, memory });
        Ok(Some(watch))
    }

    /// Watches a group no more.
    pub fn remove(&mut self, watch: Watch) {
        let Some(watched) = self.watched.remove(&watch) else { return };
        for descriptor in [Some(watched.events), watched.memory].into_iter().flatten() {
            let Some(watches) = self.by_descriptor.get_mut(&descriptor) else { continue };
            watches.retain(|other| *other != watch);
            if watches.is_empty() {
                self.by_descriptor.remove(&descriptor);
                // The group may have gone already, and its watch with it.
                let _ = self.inotify.rm_watch(descriptor);
            }
        }
    }

    /// The groups in which something has happened to memory before the last call of [`Watcher::emptied`]: what, says
    /// [`Group::oom_kills`], for instance. In version 1 nothing tells of it.
    pub fn short_of_memory(&mut self) -> Vec<Watch> {
        std::mem::take(&mut self.short)
    }

    /// The groups that are empty now, of those that have changed since the last call; one may be told more than
    /// once. Call it when the descriptor can be read; it never blocks.
    pub fn emptied(&mut self) -> Vec<Watch> {
        let mut changed = BTreeSet::new();
        let mut all = false;
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        all |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                        let watches = self.by_descriptor.get(&event.wd).into_iter().flatten();
                        changed.extend(watches.map(|watch| (*watch, event.wd)));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        if all {
            let each = |(watch, watched): (&Watch, &Watched)| {
                [Some(watched.events), watched.memory]
                    .into_iter()
                    .flatten()
                    .map(|wd| (*watch, wd))
                    .collect::<Vec<_>>()
            };
            changed = self.watched.iter().flat_map(each).collect();
        }
        let mut emptied = Vec::new();
        for (watch, descriptor) in changed {
            let Some(watched) = self.watched.get(&watch) else { continue };
            if watched.memory == Some(descriptor) {
                self.short.push(watch);
            } else if !watched.group.is_populated().unwrap_or(false) {
                emptied.push(watch);
            }
        }
        emptied
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
