//! CCSDS telemetry as pure values: octets in, frames and packets out, and the way back.
//!
//! Downlink order (131.0-B): symbols → [`sync`] and [`coding`] → transfer frames → packets.
//! Nothing here reads a clock, a socket or a file.

pub mod coding;
pub mod sync;
