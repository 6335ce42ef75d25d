//! Units as they lie on disk.

#![allow(clippy::unwrap_used)]

mod conditions;
mod corpus;
mod exec;
mod finding;
mod groups;
mod installing;
mod loading;
mod logging;
mod mounting;
mod mounts;
mod paths;
mod runner;
mod sockets;
mod supervised;
mod timers;
