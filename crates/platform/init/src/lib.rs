//! PID 1 and supervisor: runs units.
//!
//! [`supervisor`] is the loop that carries out what the state machines of `protocol/units` decide, with the rooms of the
//! storey below: unit files, processes, triggers, the log process. [`control`] is how it is asked, [`center`] shows what
//! the units are doing to whoever wants to know, [`bus`] knows names on the message bus, [`health`] asks services
//! over the network whether they do their work. [`adopt`] finds what an earlier
//! supervisor has left behind, [`system`] what is set for all of it, [`pid1`] is what only PID 1 does, and [`watchdog`]
//! the machine's.

pub mod adopt;
pub mod bus;
pub mod center;
pub mod control;
pub mod fuzzing;
pub mod health;
mod loopback;
pub mod pid1;
pub mod supervisor;
pub mod system;
pub mod watchdog;
