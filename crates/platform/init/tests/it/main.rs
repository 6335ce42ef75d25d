//! The supervisor at work, on real processes.

#![allow(clippy::unwrap_used)]

mod actions;
mod corpus;
mod devices;
mod groups;
mod handover;
mod health;
mod isolating;

mod machine;
mod mounting;
mod runner;
mod sharing;
mod sockets;
mod strict;
mod supervised;
