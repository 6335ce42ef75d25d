//! Tells when groups become empty, and when memory is over in them: one descriptor for all of them, by inotify(7) on
//! `cgroup.events` and `memory.events` of version 2.
//!
//! Version 1 has nothing like it that works in a container: there whoever waits asks [`Group::is_populated`]
//! now and then, say after each child that has ended.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::{Group, GroupError};

/// One group that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch(u64);

/// Watches groups.
#[derive(Debug)]
pub struct Watcher {
    inotify: Inotify,
    watched: BTreeMap<Watch, (WatchDescriptor, Group)>,
    /// Where memory is counted in version 2.
    memory: BTreeMap<Watch, WatchDescriptor>,
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
        Ok(Watcher { inotify, watched: BTreeMap::new(), memory: BTreeMap::new(), short: Vec::new(), last: 0 })
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
        let descriptor = self.inotify.add_watch(&path, AddWatchFlags::IN_MODIFY);
        let descriptor = descriptor.map_err(|errno| GroupError::file("watch", &path)(errno.into()))?;
        self.last += 1;
        let watch = Watch(self.last);
        self.watched.insert(watch, (descriptor, group.clone()));
        let memory = group.dir().join("memory.events");
        if let Ok(descriptor) = self.inotify.add_watch(&memory, AddWatchFlags::IN_MODIFY) {
            self.memory.insert(watch, descriptor);
        }
        Ok(Some(watch))
    }

    /// Watches a group no more.
    pub fn remove(&mut self, watch: Watch) {
        if let Some(descriptor) = self.memory.remove(&watch) {
            let _ = self.inotify.rm_watch(descriptor);
        }
        if let Some((descriptor, _)) = self.watched.remove(&watch)
            && !self.watched.values().any(|(other, _)| *other == descriptor)
        {
            // The group may have gone already, and its watch with it.
            let _ = self.inotify.rm_watch(descriptor);
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
        let mut changed = Vec::new();
        let mut all = false;
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    all |= events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
                    changed.extend(events.iter().map(|event| event.wd));
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        let changed = |descriptor: &WatchDescriptor| all || changed.contains(descriptor);
        self.short.extend(
            self.memory.iter().filter(|(_, descriptor)| changed(descriptor)).map(|(watch, _)| *watch),
        );
        let empty = |group: &Group| !group.is_populated().unwrap_or(false);
        let watched = self.watched.iter().filter(|(_, (descriptor, _))| changed(descriptor));
        watched.filter(|(_, (_, group))| empty(group)).map(|(watch, _)| *watch).collect()
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
