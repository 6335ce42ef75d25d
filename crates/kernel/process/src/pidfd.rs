//! Descriptors of processes: they mean one process for ever, while its number may be given to another.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::raw;

/// Opens the process with this number: readable when it has ended, closed at exec. Of a child that is not reaped the
/// number is its own; of any other process it may have changed hands before the call.
///
/// # Errors
/// `ESRCH` where there is no such process.
pub fn open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers.
    let fd = unsafe { raw::call(libc::SYS_pidfd_open, [pid as usize, 0, 0, 0, 0, 0]) };
    // SAFETY: new, and nobody else's.
    fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }).map_err(Errno::from_raw)
}

/// Sends a signal, by number, real-time ones too; 0 sends none and tells whether one could be sent.
///
/// # Errors
/// `ESRCH` where the process has ended, `EPERM` where it may not be sent.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let arguments = [pidfd.as_raw_fd() as usize, signal as usize, 0, 0, 0, 0];
    // SAFETY: the only pointer is null.
    unsafe { raw::call(libc::SYS_pidfd_send_signal, arguments) }.map(drop).map_err(Errno::from_raw)
}

/// Sends a signal by the number of a process or, negative, of a group, real-time ones too; for those for which there
/// is no descriptor.
///
/// # Errors
/// `ESRCH` where there is none, `EPERM` where it may not be sent, `EINVAL` for 0 and -1, which mean many.
pub fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    if pid == 0 || pid == -1 {
        return Err(Errno::EINVAL);
    }
    // SAFETY: no pointers.
    unsafe { raw::call(libc::SYS_kill, [pid as usize, signal as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(Errno::from_raw)
}

/// A descriptor whose number has just come with a message of a socket: from now on it has an owner.
pub fn received(number: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has made it for this process, and nobody else was told of it.
    unsafe { OwnedFd::from_raw_fd(number) }
}
