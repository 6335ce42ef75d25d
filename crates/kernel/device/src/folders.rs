//! The folders on the way to files of devices.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::inotify::{AddWatchFlags as Flags, InitFlags, Inotify, WatchDescriptor};

/// Folders that are watched are no more than this.
const MOST_FOLDERS: usize = 1024;

/// Times that events are read in one go, so that a busy folder cannot keep the loop.
const MOST_READS: usize = 64;

/// What tells that an entry has come, has gone or is another one; a file that is only written to does not matter.
const CHANGES: Flags = Flags::IN_CREATE
    .union(Flags::IN_DELETE)
    .union(Flags::IN_MOVED_FROM)
    .union(Flags::IN_MOVED_TO)
    .union(Flags::IN_DELETE_SELF)
    .union(Flags::IN_ONLYDIR);

/// The folders that are watched.
#[derive(Debug)]
pub(super) struct Folders {
    inotify: Inotify,
    places: BTreeSet<String>,
    watched: BTreeMap<String, WatchDescriptor>,
}

impl Folders {
    pub(super) fn new() -> io::Result<Folders> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Folders { inotify, places: BTreeSet::new(), watched: BTreeMap::new() })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches what leads to these places, and nothing else.
    pub(super) fn set(&mut self, places: impl Iterator<Item = String>) {
        self.places = places.take(MOST_FOLDERS).collect();
        self.renew();
    }

    /// Whether something has changed; folders that have come are watched too then.
    pub(super) fn read(&mut self) -> bool {
        let mut any = false;
        for _ in 0..MOST_READS {
            let Ok(events) = self.inotify.read_events() else { break };
            any |= !events.is_empty();
        }
        if any {
            self.renew();
        }
        any
    }

    fn renew(&mut self) {
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for place in &self.places {
            wanted.extend(place.match_indices('/').map(|(at, _)| &place[..at]).filter(|at| !at.is_empty()));
        }
        let before = std::mem::take(&mut self.watched);
        for folder in wanted.into_iter().take(MOST_FOLDERS) {
            // One that is not there comes into one that is watched.
            if let Ok(watch) = self.inotify.add_watch(folder, CHANGES) {
                self.watched.insert(folder.to_owned(), watch);
            }
        }
        for watch in before.into_values().filter(|watch| !self.watched.values().any(|other| other == watch)) {
            // It may have gone by itself.
            let _ = self.inotify.rm_watch(watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_into_a_folder_that_came_is_seen() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path).display().to_string();
        let mut folders = Folders::new().expect("inotify");
        folders.set([at("disk/by-id/x")].into_iter());
        assert!(!folders.read());
        std::fs::create_dir_all(at("disk/by-id")).expect("made");
        assert!(folders.read());
        std::os::unix::fs::symlink("/dev/null", at("disk/by-id/x")).expect("a link");
        assert!(folders.read() && !folders.read());
        std::fs::remove_file(at("disk/by-id/x")).expect("removed");
        assert!(folders.read());
        folders.set(std::iter::empty());
        folders.read();
        std::fs::create_dir_all(at("disk/other")).expect("made");
        assert!(!folders.read(), "nobody waits for anything");
    }
}
