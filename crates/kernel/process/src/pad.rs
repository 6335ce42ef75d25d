//! Low descriptors from which children get theirs: a child that shares the parent's table takes a copy of its lowest part
//! only, so that what it costs to make one does not grow with how many descriptors the parent has open.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::raw;

/// Descriptors of one child that find a place; one with more takes a copy of the whole table.
const PLACES: usize = 16;

/// Places that are reserved when the first process is made, early and so with low numbers.
#[derive(Debug)]
struct Pad {
    null: OwnedFd,
    places: Vec<OwnedFd>,
}

/// Descriptors in their places, for as long as it takes to make one process.
pub(crate) struct Placed {
    pad: MutexGuard<'static, Pad>,
    count: usize,
}

/// Puts copies of these descriptors into the places. None where there are too many, or the places are taken.
pub(crate) fn place(descriptors: &[BorrowedFd<'_>]) -> Option<Placed> {
    static PAD: OnceLock<Option<Mutex<Pad>>> = OnceLock::new();
    let pad = PAD.get_or_init(|| Pad::new().ok().map(Mutex::new)).as_ref()?;
    if descriptors.len() > PLACES {
        return None;
    }
    // Whoever comes while another thread makes a process does not wait for it.
    let pad = match pad.try_lock() {
        Ok(pad) => pad,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    let placed = Placed { pad, count: descriptors.len() };
    for (descriptor, place) in descriptors.iter().zip(&placed.pad.places) {
        copy(descriptor.as_fd(), place).ok()?;
    }
    Some(placed)
}

impl Pad {
    fn new() -> Result<Pad, Errno> {
        let null =
            File::open("/dev/null").map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let null = OwnedFd::from(null);
        let places = (0..PLACES).map(|_| {
            let place = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(3))?;
            // SAFETY: new, and nobody else's.
            Ok(unsafe { OwnedFd::from_raw_fd(place) })
        });
        Ok(Pad { places: places.collect::<Result<_, Errno>>()?, null })
    }
}

impl Placed {
    /// The descriptors, by their low numbers.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.pad.places[..self.count].iter().map(AsFd::as_fd).collect()
    }

    /// Above all places: what a child need not have of the parent's table.
    pub(crate) fn above(&self) -> i32 {
        self.pad.places.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(2) + 1
    }
}

impl Drop for Placed {
    /// Nothing is held open by a place that is not in use.
    fn drop(&mut self) {
        for place in &self.pad.places[..self.count] {
            let _ = copy(self.pad.null.as_fd(), place);
        }
    }
}

/// Makes `place` a copy of a descriptor, closed at exec.
fn copy(descriptor: BorrowedFd<'_>, place: &OwnedFd) -> Result<(), i32> {
    let numbers =
        [descriptor.as_raw_fd() as usize, place.as_raw_fd() as usize, libc::O_CLOEXEC as usize, 0, 0, 0];
    // SAFETY: no pointers; what was open in the place is a copy that only this module has.
    unsafe { raw::call(libc::SYS_dup3, numbers) }.map(drop)
}
