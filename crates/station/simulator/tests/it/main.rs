//! The simulator seen from the ground.

#![allow(clippy::unwrap_used)]

mod contract;
mod database;
mod part;
