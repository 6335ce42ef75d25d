//! Waits for new records, through rotation, compression, and folders that come and go.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::file::forwards;
use super::{Query, Reader, is_absent, show};
use crate::names::CURRENT;
use crate::record::{Record, head};

/// How often it is looked even if nothing was told: a folder may come where none was.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for records behind a number.
#[derive(Debug)]
pub struct Follower {
    reader: Reader,
    behind: u64,
    inotify: Option<Inotify>,
    watched: HashMap<PathBuf, WatchDescriptor>,
    /// The open file of each folder, and how far it is read.
    open: HashMap<PathBuf, (u64, u64)>,
}

impl Follower {
    pub(super) fn new(reader: Reader, behind: u64) -> Follower {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        // Without it the folders are looked at every second.
        let inotify = Inotify::init(flags).ok();
        Follower { reader, behind, inotify, watched: HashMap::new(), open: HashMap::new() }
    }

    /// Number of the last record that was looked at.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// Shows what is new and fits. Returns at once.
    ///
    /// # Errors
    /// When a folder or a file is there and cannot be read.
    pub fn read(
        &mut self,
        query: &Query,
        each: &mut impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        // The open files first: one that is closed from here on is still the one that is held.
        let mut held = Vec::new();
        for folder in &self.reader.folders {
            match File::open(folder.join(CURRENT)) {
                Ok(file) => held.push((folder.clone(), file.metadata()?, file)),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(super::named(&error, folder)),
            }
        }
        let same = held
            .iter()
            .all(|(folder, now, _)| self.open.get(folder).is_some_and(|(inode, _)| *inode == now.ino()));
        if !same || held.len() != self.open.len() {
            // Some were closed, perhaps several: what is behind is in those whose names say so.
            for part in self.reader.parts()? {
                let closed = part.span.is_some_and(|span| span.last > self.behind);
                if closed && self.part(|each| forwards(&part, each), query, each)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        self.open.retain(|known, _| held.iter().any(|(folder, _, _)| folder == known));
        for (folder, metadata, file) in held {
            if self.current(folder, &metadata, file, query, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits until something may be new, at most so long.
    ///
    /// # Errors
    /// When it cannot wait.
    pub fn wait(&mut self, most: Duration) -> io::Result<()> {
        let most = most.min(LOOK_EVERY);
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(most);
            return Ok(());
        };
        let mut news = false;
        for folder in &self.reader.folders {
            if !self.watched.contains_key(folder) {
                let flags = AddWatchFlags::IN_MODIFY
                    | AddWatchFlags::IN_CREATE
                    | AddWatchFlags::IN_MOVED_FROM
                    | AddWatchFlags::IN_DELETE_SELF
                    | AddWatchFlags::IN_MOVE_SELF;
                if let Ok(watch) = inotify.add_watch(folder, flags) {
                    self.watched.insert(folder.clone(), watch);
                    // Something may have come between the last look and now.
                    news = true;
                }
            }
        }
        if news {
            return Ok(());
        }
        let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(io::Error::from_raw_os_error(error as i32)),
        }
        let gone = AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        while let Ok(events) = inotify.read_events() {
            for event in events.iter().filter(|event| event.mask.intersects(gone)) {
                self.watched.retain(|_, watch| *watch != event.wd);
            }
        }
        Ok(())
    }

    fn current(
        &mut self,
        folder: PathBuf,
        metadata: &Metadata,
        mut file: File,
        query: &Query,
        each: &mut impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let mut at = match self.open.get(&folder) {
            // One that became shorter was cut after a write that failed; numbers tell what was shown.
            Some((inode, at)) if *inode == metadata.ino() && *at <= metadata.len() => *at,
            _ => 0,
        };
        file.seek(SeekFrom::Start(at))?;
        let mut source = BufReader::with_capacity(64 << 10, file);
        let flow = self.part(
            |each| {
                let mut line = Vec::new();
                loop {
                    line.clear();
                    source.read_until(b'\n', &mut line)?;
                    if !line.ends_with(b"\n") {
                        return Ok(ControlFlow::Continue(()));
                    }
                    at += line.len() as u64;
                    if each(&line).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            },
            query,
            each,
        );
        self.open.insert(folder, (metadata.ino(), at));
        flow
    }

    /// Shows the lines of a file that are behind what was seen.
    fn part(
        &mut self,
        lines: impl FnOnce(&mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<ControlFlow<()>>,
        query: &Query,
        each: &mut impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let behind = &mut self.behind;
        lines(&mut |line| {
            let Some((sequence, _)) = head(line).filter(|(sequence, _)| *sequence > *behind) else {
                return ControlFlow::Continue(());
            };
            *behind = sequence;
            show(line, query, each)
        })
    }
}
