//! The supervisor at work, on real processes.

#![allow(clippy::unwrap_used)]

mod actions;
mod corpus;
mod devices;
mod groups;
mod handover;
mod health;
mod isolating;
mod leavings;
mod machine;
mod mounting;
mod runner;
mod sockets;
mod strict;
mod supervised;
