//! Sockets, timers and paths, with a real kernel.

#![allow(clippy::unwrap_used)]

mod corpus;
mod paths;
mod sockets;
mod timers;
