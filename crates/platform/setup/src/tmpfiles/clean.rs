//! `--clean`: removes what has lain in folders for too long.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, StatxFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::age::{Age, Times};
use super::create::DEEPEST;
use crate::Root;
use crate::root::names;

/// What decides on what goes.
pub(super) struct Cleaner<'a> {
    /// Microseconds since 1970.
    pub(super) now: i128,
    /// Whether a path has a line of its own.
    pub(super) spared: &'a dyn Fn(&str) -> bool,
    /// Sockets that someone listens at.
    pub(super) sockets: BTreeSet<String>,
    /// What was removed.
    pub(super) removed: u64,
}

/// The four times of a node, in microseconds since 1970.
struct Seen {
    access: i128,
    birth: Option<i128>,
    change: i128,
    modify: i128,
}

impl Cleaner<'_> {
    /// Cleans a folder.
    pub(super) fn folder(&mut self, root: &Root, path: &str, age: &Age) -> Result<(), String> {
        let Some(micros) = age.micros else { return Ok(()) };
        let node = root.look(path).map_err(|error| error.to_string())?;
        let Some(node) = node.filter(|node| node.kind() == FileType::Directory) else { return Ok(()) };
        let told = |errno: Errno| format!("{path}: {errno}");
        let fd = open_folder(node.parent.as_fd(), &node.name).map_err(told)?;
        let cutoff = self.now - i128::from(micros);
        self.inside(&fd, path, age, cutoff, age.keep_first, DEEPEST).map_err(told)
    }

    fn inside(
        &mut self,
        folder: &OwnedFd,
        path: &str,
        age: &Age,
        cutoff: i128,
        keep: bool,
        depth: usize,
    ) -> Result<(), Errno> {
        let own = rustix::fs::fstat(folder)?;
        let mut changed = false;
        for name in names(folder.as_fd())? {
            let stat = match rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            let inner = format!("{}/{name}", path.trim_end_matches('/'));
            if stat.st_dev != own.st_dev || (self.spared)(&inner) {
                continue;
            }
            changed |= match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.sub(folder, &name, &inner, age, cutoff, keep, depth)?,
                kind => self.file(folder, &name, &inner, (kind, &stat), age, cutoff, keep)?,
            };
        }
        // Cleaning is no use of the folder.
        if changed {
            let time = |seconds: i64, nanos: u64| Timespec { tv_sec: seconds, tv_nsec: nanos as _ };
            let times = Timestamps {
                last_access: time(own.st_atime, own.st_atime_nsec),
                last_modification: time(own.st_mtime, own.st_mtime_nsec),
            };
            let _ = rustix::fs::futimens(folder, &times);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one walk, whose state is this")]
    fn sub(
        &mut self,
        folder: &OwnedFd,
        name: &str,
        path: &str,
        age: &Age,
        cutoff: i128,
        keep: bool,
        depth: usize,
    ) -> Result<bool, Errno> {
        let seen = seen(folder.as_fd(), name)?;
        if depth > 0 {
            match open_folder(folder.as_fd(), name) {
                // Someone has locked it, to keep it.
                Ok(fd) if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_err() => {
                    return Ok(false);
                }
                Ok(fd) => self.inside(&fd, path, age, cutoff, false, depth - 1)?,
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        if keep || !old(&seen, &age.folders, cutoff) {
            return Ok(false);
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                self.removed += 1;
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::BUSY) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one walk, whose state is this")]
    fn file(
        &mut self,
        folder: &OwnedFd,
        name: &str,
        path: &str,
        (kind, stat): (FileType, &Stat),
        age: &Age,
        cutoff: i128,
        keep: bool,
    ) -> Result<bool, Errno> {
        // The sticky bit on a file says that it stays; devices do anyway.
        let stays = stat.st_mode & 0o1000 != 0
            || matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
            || kind == FileType::Socket && self.sockets.contains(path);
        if keep || stays || !old(&seen(folder.as_fd(), name)?, &age.files, cutoff) {
            return Ok(false);
        }
        if kind == FileType::RegularFile {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let fd = rustix::fs::openat(folder, name, flags, Mode::empty());
            if fd.is_ok_and(|fd| rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_err()) {
                return Ok(false);
            }
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) => {
                self.removed += 1;
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Reading a folder leaves its time of access, where one may ask for that.
    match rustix::fs::openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

fn seen(folder: BorrowedFd<'_>, name: &str) -> Result<Seen, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let statx = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, mask)?;
    let micros = |seconds: i64, nanos: u32| i128::from(seconds) * 1_000_000 + i128::from(nanos / 1000);
    let birth = StatxFlags::from_bits_retain(statx.stx_mask).contains(StatxFlags::BTIME);
    Ok(Seen {
        access: micros(statx.stx_atime.tv_sec, statx.stx_atime.tv_nsec),
        birth: birth.then(|| micros(statx.stx_btime.tv_sec, statx.stx_btime.tv_nsec)),
        change: micros(statx.stx_ctime.tv_sec, statx.stx_ctime.tv_nsec),
        modify: micros(statx.stx_mtime.tv_sec, statx.stx_mtime.tv_nsec),
    })
}

/// Whether all times that count are before the cutoff.
fn old(seen: &Seen, by: &Times, cutoff: i128) -> bool {
    let young = |counts: bool, time: i128| counts && time >= cutoff;
    !(young(by.access, seen.access)
        || seen.birth.is_some_and(|birth| young(by.birth, birth))
        || young(by.change, seen.change)
        || young(by.modify, seen.modify))
}
