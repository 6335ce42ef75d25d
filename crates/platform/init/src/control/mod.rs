//! The control socket: one JSON object a line, each request answered by lines of which the last says that it is.
//!
//! Reading is for every local user. What changes state is for root and for the user whose supervisor it is; the
//! kernel says who is at the other end (`SO_PEERCRED`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

mod client;
mod words;

pub use client::{Client, ClientError};
pub use words::{
    Change, HealthStatus, Job, ListedUnit, MachineWatchdog, Manager, Process, Reason, Reply, Request,
    Signalled, UnitStatus, Whom,
};

/// Where the socket is, below the folder of run-time files.
pub const SOCKET: &str = "control.sock";

/// What may stand for a path in the address of a socket, in octets.
const LONGEST_ADDRESS: usize = 107;

/// A name for the socket that fits into an address, good as long as the folder is held: folders lie deeper than
/// addresses are long.
///
/// # Errors
/// The folder cannot be opened.
pub fn reachable(runtime: &Path) -> io::Result<(Option<File>, PathBuf)> {
    let path = runtime.join(SOCKET);
    if path.as_os_str().len() <= LONGEST_ADDRESS {
        return Ok((None, path));
    }
    let folder = File::open(runtime)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET);
    Ok((Some(folder), path))
}

/// The longest line of an answer.
pub const LONGEST_LINE: usize = 1 << 20;

/// The folder of run-time files of a supervisor of the whole machine.
pub const RUNTIME: &str = "/run/perigee";
