//! The control socket: one JSON object a line, each request answered by lines of which the last says that it is.
//!
//! Reading is for every local user. What changes state is for root and for the user whose supervisor it is; the
//! kernel says who is at the other end (`SO_PEERCRED`).

mod client;
mod words;

pub use client::{Client, ClientError};
pub use words::{Change, Job, ListedUnit, Manager, Process, Reply, Request, Signalled, UnitStatus, Whom};

/// Where the socket is, below the folder of run-time files.
pub const SOCKET: &str = "control.sock";

/// The longest request, and the longest line of an answer.
pub const LONGEST_LINE: usize = 1 << 20;

/// The folder of run-time files of a supervisor of the whole machine.
pub const RUNTIME: &str = "/run/perigee";
