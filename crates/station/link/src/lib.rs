//! Links: where a station's octets come from.
//!
//! Each link reads a socket or a file on a thread of its own, walks the receive chain of `perigee-ccsds` over
//! its read buffer, and shows every frame, packet and rejection by reference to the
//! [`Downlink`](perigee_part::Downlink) behind it. Nothing is copied or allocated for a frame on the way. What
//! a link knows about itself is its [`LinkStatus`].
//!
//! A link only receives: telecommands, modem control and SLE are not here.

pub mod config;
#[doc(hidden)]
pub mod fuzzing;
pub mod packets;
pub mod settings;
pub mod status;

mod chain;
mod input;
mod metrics;
mod part;
mod rates;
mod tally;
mod worker;

pub use config::{Config, Content, Kind, LinkConfig, Parameters};
pub use part::{Handle, NAME, build};
pub use settings::SettingsError;
pub use status::{Clcw, LinkStatus, SyncStatus};
