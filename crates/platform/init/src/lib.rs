//! PID 1 and supervisor: runs units.
//!
//! [`files`] finds unit files and loads them; what stands in them, and the state machines, are in `protocol/units`.
//! [`trigger`] has what starts units: sockets, timers, paths and mounts. [`accounts`] are the users and groups.

pub mod accounts;
pub mod files;
pub mod trigger;
