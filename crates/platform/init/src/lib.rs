//! PID 1 and supervisor: runs units.
//!
//! [`files`] finds unit files and loads them; what stands in them, and the state machines, are in `protocol/units`.

pub mod files;
