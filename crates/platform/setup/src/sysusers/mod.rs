//! Users and groups of the system itself: sysusers.d(5), as systemd-sysusers(8) of systemd 252 carries it out.

mod line;
mod numbers;
mod run;
mod tables;

pub use line::{Id, Line, LineError, parse};
pub use run::{Made, Report, Request, run};
