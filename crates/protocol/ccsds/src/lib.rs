//! CCSDS telemetry as pure values: octets in, frames and packets out, and the way back.
//!
//! Downlink order (131.0-B): symbols → [`sync`] and [`coding`] → transfer frames → packets.
//! [`receive`] walks it, [`send`] walks it backwards, and [`link`] holds what no frame tells.
//! Nothing here reads a clock, a socket or a file.

pub mod coding;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod link;
pub mod packet;
pub mod reason;
pub mod receive;
pub mod send;
pub mod sync;
pub mod time;

pub use reason::Reason;
