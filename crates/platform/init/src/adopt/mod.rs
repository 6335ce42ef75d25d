//! Services that outlive their supervisor: a new one finds them again, and starts none of them twice.
//!
//! The supervisor keeps a [`Record`] of each unit in a file below its run-time folder, replaced as a whole at every
//! change. A supervisor that comes after one which was killed reads them, looks which processes are in which
//! group, and [`decide`]s what belongs to what. A process is the one of the record only if its start time is the same
//! too, since its number may have been given to another one meanwhile.

mod decide;
mod record;

pub use decide::{Main, Taken, decide};
pub use record::{ProcessId, Record, Records};
