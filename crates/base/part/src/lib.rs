//! What every part of a node shares.
//!
//! A *part* is one capability of the station: a link, the telemetry processor, the fan-out. This crate
//! holds the contract they all meet ([`Part`]), what they hand to each other ([`Downlink`], [`Stream`]),
//! what the node lends them ([`Services`]) and the clockwork around them. It knows nothing of space: no
//! frame, no packet, no parameter is interpreted here.

pub mod config;
pub mod downlink;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod part;
pub mod services;
pub mod stream;
pub mod time;

pub use downlink::{Downlink, FrameReport, PacketReport, Rejection};
pub use node::Node;
pub use part::{Context, Part, PartError, Running};
pub use services::Services;
pub use stream::{Stream, Subscriber};
pub use time::Timestamp;
