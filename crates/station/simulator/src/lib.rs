//! PerigeeSat, a small satellite that was never launched: what a station listens to before it has a mission of
//! its own.
//!
//! A [`model`] of the satellite lives through its days and nights; its [`flight`] software writes what it
//! measures into packets; a [`transmitter`] makes coded frames of them and a channel spoils some of the bits. All
//! of it is pure and follows from a seed. The part sends it over a real socket, in real time, to whoever
//! connects. It takes no commands.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod config;
pub mod flight;
pub mod model;
pub mod simulation;
pub mod transmitter;

mod part;

pub use config::{Config, DATABASE, LINK_FILE, Output};
pub use part::{Handle, NAME, build};
pub use simulation::Simulation;
