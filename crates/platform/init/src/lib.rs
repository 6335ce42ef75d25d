//! PID 1 and supervisor: runs units.
//!
//! [`center`] shows what the units are doing to whoever wants to know.
//! [`files`] finds unit files and loads them, and enables them; what stands in them, and the state machines, are in
//! `protocol/units`. [`condition`] tests whether a unit may start.
//! [`supervisor`] is the loop that runs them, [`exec`] makes their processes, [`trigger`] is what starts them,
//! [`control`] is how the supervisor is asked, [`pid1`] what only PID 1 does. [`log`] is the process that writes what units
//! print.

pub mod accounts;
pub mod adopt;
pub mod bus;
pub mod center;
pub mod condition;
pub mod control;
pub mod exec;
pub mod files;
pub mod fuzzing;
pub mod log;
mod loopback;
pub mod pid1;
pub mod supervisor;
pub mod trigger;
