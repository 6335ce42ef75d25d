//! System calls that have no safe wrapper.

#![allow(unsafe_code)]

use std::io;

/// Sends a signal by its number; those of real time too, which nix(3) cannot name.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill(2) takes two numbers and touches no memory of ours.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
