//! Low descriptors from which children get theirs: a child that shares the parent's table takes a copy of its lowest part
//! only, so that what it costs to make one does not grow with how many descriptors the parent has open.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::raw;

/// Descriptors of all children in the making that find a place; a child for whose there is no room takes a copy of the
/// whole table.
const PLACES: usize = 64;

/// Places that are reserved when the first process is made, early and so with low numbers.
#[derive(Debug)]
struct Pad {
    null: OwnedFd,
    places: Vec<OwnedFd>,
    /// Which places are in use, a bit for each.
    used: u64,
}

/// Descriptors in their places, for as long as it takes to make one process.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The numbers of the places in the order of the descriptors.
    places: Vec<usize>,
    numbers: Vec<i32>,
    above: i32,
}

static PAD: OnceLock<Option<Mutex<Pad>>> = OnceLock::new();

fn pad() -> Option<MutexGuard<'static, Pad>> {
    let pad = PAD.get_or_init(|| Pad::new().ok().map(Mutex::new)).as_ref()?;
    Some(pad.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Puts copies of these descriptors into places. None where there is no room.
pub(crate) fn place(descriptors: &[BorrowedFd<'_>]) -> Option<Placed> {
    let mut pad = pad()?;
    if (pad.used.count_zeros() as usize) < descriptors.len() {
        return None;
    }
    let above = pad.places.last().map_or(2, AsRawFd::as_raw_fd) + 1;
    let mut placed = Placed { places: Vec::new(), numbers: Vec::new(), above };
    for descriptor in descriptors {
        let free = pad.used.trailing_ones() as usize;
        let copied = copy(descriptor.as_fd(), &pad.places[free]);
        pad.used |= 1 << free;
        placed.places.push(free);
        placed.numbers.push(pad.places[free].as_raw_fd());
        if copied.is_err() {
            // What was placed so far is given back by its drop, which takes the pad itself.
            drop(pad);
            return None;
        }
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
        let mut places = places.collect::<Result<Vec<_>, Errno>>()?;
        places.sort_by_key(AsRawFd::as_raw_fd);
        Ok(Pad { places, null, used: 0 })
    }
}

impl Placed {
    /// The descriptors, by their low numbers.
    pub(crate) fn numbers(&self) -> &[i32] {
        &self.numbers
    }

    /// Above all places: what a child need not have of the parent's table.
    pub(crate) fn above(&self) -> i32 {
        self.above
    }
}

impl Drop for Placed {
    /// Nothing is held open by a place that is not in use.
    fn drop(&mut self) {
        let Some(mut pad) = pad() else { return };
        for place in &self.places {
            let _ = copy(pad.null.as_fd(), &pad.places[*place]);
            pad.used &= !(1 << place);
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
