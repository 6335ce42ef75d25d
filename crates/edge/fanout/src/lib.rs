//! The fan-out: the station as people and programs see it.
//!
//! One HTTP listener carries the operators' page, the API and the live streams. What is decoded is followed
//! here, encoded once for each format and shared by all who asked for it; each live client has a bounded
//! queue, and one that is slow loses its oldest values and is told how many, while the others notice
//! nothing. Reading may be open to everybody on the loopback interface; whoever changes something has shown
//! who they are, and it is recorded.
//!
//! Start reading at `http/routes.rs` for what can be asked, at `live/hub.rs` for how values reach clients, and
//! at `wire/mod.rs` for what they look like. Nothing is decoded, judged or archived here.

mod config;
mod dictionary;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod live;
mod metrics;
mod part;
mod station;
mod supervisors;
mod wire;

pub use config::{Anonymous, Config};
pub use http::assets::Asset;
pub use part::{Handle, NAME, build};
pub use supervisors::Supervisors;
