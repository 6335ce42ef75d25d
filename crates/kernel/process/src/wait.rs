//! Reaping: what ended, and how.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By a signal, real-time ones among them.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether the kernel made a core dump.
        core: bool,
    },
}

impl Exit {
    /// Whether it ended by itself with status 0.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "status {code}"),
            Exit::Signal { signal, core: false } => write!(f, "signal {signal}"),
            Exit::Signal { signal, core: true } => write!(f, "signal {signal}, with a core dump"),
        }
    }
}

/// Reaps a child that has ended, any of them; `None` where there is none at the moment.
///
/// # Errors
/// None but of a kernel that is broken: having no children is no error.
pub fn reap() -> Result<Option<(i32, Exit)>, Errno> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::__WALL)
}

/// Tells of a child that has ended, any of them, and leaves it a zombie: its `/proc` and its control group can still
/// be read, and its number is its own until [`reap_child`].
///
/// # Errors
/// As [`reap`].
pub fn peek() -> Result<Option<(i32, Exit)>, Errno> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL)
}

/// Reaps this child if it has ended.
///
/// # Errors
/// `ECHILD` where it is no child, or reaped already.
pub fn reap_child(pidfd: BorrowedFd<'_>) -> Result<Option<Exit>, Errno> {
    let fd = pidfd.as_raw_fd() as libc::id_t;
    let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    checked(wait(libc::P_PIDFD, fd, flags), || still_a_child(fd)).map(|reaped| reaped.map(|(_, exit)| exit))
}

/// Waits until this child has ended, and reaps it.
///
/// # Errors
/// `ECHILD` where it is no child, or reaped already.
pub fn wait_for(pidfd: BorrowedFd<'_>) -> Result<Exit, Errno> {
    let fd = pidfd.as_raw_fd() as libc::id_t;
    match wait(libc::P_PIDFD, fd, libc::WEXITED | libc::__WALL)? {
        Some((_, exit)) => Ok(exit),
        None => Err(Errno::ECHILD),
    }
}

/// [`wait`] takes having no children for nothing to reap; for one child the difference counts.
fn checked<T>(result: Result<Option<T>, Errno>, child: impl Fn() -> bool) -> Result<Option<T>, Errno> {
    match result {
        Ok(None) if !child() => Err(Errno::ECHILD),
        result => result,
    }
}

fn still_a_child(pidfd: libc::id_t) -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    raw_wait(libc::P_PIDFD, pidfd, flags) != Err(Errno::ECHILD)
}

fn wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> Result<Option<(i32, Exit)>, Errno> {
    match raw_wait(kind, id, flags) {
        Err(Errno::ECHILD) => Ok(None),
        result => result,
    }
}

/// waitid(2). nix's would fail, after reaping, for a process killed by a real-time signal.
fn raw_wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> Result<Option<(i32, Exit)>, Errno> {
    loop {
        // SAFETY: all zeroes are a siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes into `info`, which lives longer than the call.
        match Errno::result(unsafe { libc::waitid(kind, id, &raw mut info, flags) }) {
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // SAFETY: waitid(2) fills in these, or leaves them zero where nothing has ended.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let exit = match info.si_code {
            _ if pid == 0 => return Ok(None),
            libc::CLD_EXITED => Exit::Code(status),
            code => Exit::Signal { signal: status, core: code == libc::CLD_DUMPED },
        };
        return Ok(Some((pid, exit)));
    }
}
