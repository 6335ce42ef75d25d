//! What starts units: sockets, timers, paths.
//!
//! Each is a value without a thread of its own. It is started and stopped with its unit, has descriptors to wait for,
//! and says what is to be done when one of them is ready; whoever runs the supervisor's loop does it.

pub mod fuzzing;
pub mod limit;
pub mod path;
pub mod socket;
pub mod timer;
