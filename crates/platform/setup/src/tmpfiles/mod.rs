//! Files and folders that a system wants to have, or to be rid of: tmpfiles.d(5), as systemd-tmpfiles(8) of systemd 252
//! carries it out.

mod acl;
mod age;
mod attributes;
mod clean;
mod create;
mod line;
mod run;

pub use age::Age;
pub use line::{Item, Kind, LineError, Mode, Owner, parse};
pub use run::{Report, Request, run};
