//! Signals for an event loop of one thread: all of them blocked, and read from a descriptor.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::raw;

/// Blocks every signal in this thread, real-time ones too, and gives a descriptor that they are read from. Threads made
/// afterwards have them blocked as well; children made by [`crate::Launch`] have not.
///
/// # Errors
/// Too many open files.
pub fn block_all() -> Result<SignalFd, Errno> {
    let all = u64::MAX;
    // SAFETY: the kernel reads a mask of eight octets, which lives longer than the call.
    unsafe {
        let arguments = [libc::SIG_BLOCK as usize, &raw const all as usize, 0, 8, 0, 0];
        raw::call(libc::SYS_rt_sigprocmask, arguments)
    }
    .map_err(Errno::from_raw)?;
    SignalFd::with_flags(&real_time_too(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Unblocks every signal in this thread.
///
/// # Errors
/// None that happen.
pub fn unblock_all() -> Result<(), Errno> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

fn real_time_too() -> SigSet {
    // SAFETY: all ones, within its size, are a set of signals; the C library's own are never sent to be read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        SigSet::from_sigset_t_unchecked(set)
    }
}
