//! The fan-out on a real socket, asked by real clients.

#![allow(clippy::unwrap_used)]

mod alarms;
mod api;
mod client;
mod contract;
mod events;
mod people;
mod rig;
mod source;
mod stream;
mod units;
