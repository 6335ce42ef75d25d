//! Packets to engineering values: decode, check limits, archive, publish.
//!
//! Each link gets a [`Downlink`](perigee_part::Downlink) of its own ([`Handle::downlink`]) and drives it
//! from its own thread: a packet is decoded once, by the plan compiled from the mission database; at
//! every flush the batch is checked against the limits, shown to whoever follows ([`Handle::stream`]),
//! and only then handed to the archive through a bounded queue. Live values never wait for the disk for
//! longer than configured; what the archive has to drop is counted and said.
//!
//! What is not done here: frames and packet assembly (`perigee-ccsds`), the meaning of a database
//! (`perigee-xtce`), serving anybody outside (`perigee-fanout`).

mod alarms;
mod archive;
mod batch;
mod config;
mod downlink;
pub mod fuzzing;
mod generation;
mod handle;
mod latest;
mod limits;
mod links;
mod metrics;
mod part;
mod processor;
mod rejections;
mod value;

pub use alarms::{AcknowledgeError, Acknowledgement, AlarmChange, AlarmEvent, AlarmState};
pub use archive::{
    ArchiveError, ArchiveStatus, Channel, ChannelStats, Check, Corrupt, Gap, History, HistoryQuery,
    HistorySample, MAX_POINTS, MAX_SAMPLES, Progress, ReprocessError, Reprocessed, Span, Stats, check,
    reprocess, stats,
};
pub use batch::{Batch, PacketStamp};
pub use config::{ArchiveConfig, Config, TimeConfig};
pub use handle::{Completeness, Counters, Handle};
pub use latest::Sample;
pub use part::{NAME, build};
pub use processor::Processor;
pub use rejections::{RejectionRecord, Rejections};
pub use value::to_json;
