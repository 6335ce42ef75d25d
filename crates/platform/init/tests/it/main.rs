//! Units as they lie on disk.

#![allow(clippy::unwrap_used)]

mod finding;
mod installing;
mod loading;
mod paths;
mod sockets;
mod timers;
