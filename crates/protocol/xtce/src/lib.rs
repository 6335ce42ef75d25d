//! Mission databases in XTCE 1.2 (OMG; CCSDS 660.0-B-2), also 1.1 and 1.3 where they say the same:
//! loaded, compiled once into a flat decode plan, and used to turn packets into values.
//!
//! [`Database::load`] reads the XML and refuses by name and line what it does not support;
//! [`Plan::compile`] lays the containers out; [`Decoder::decode`] walks the plan over a packet.
//! Pure: octets in, values out; no I/O, no clock. Commands are not read yet.

pub mod alarm;
mod column;
mod database;
mod decode;
mod encode;
pub mod fuzzing;
mod json;
pub mod limits;
mod load;
mod plan;
mod time;
mod value;

pub use alarm::{Alarm, AlarmRange, Assessment, Earlier, Lookup, NoLookup, Severity, evaluate};
pub use column::{Column, ColumnError, Columns};
pub use database::criteria::Reading;
pub use database::{Container, ContainerId, Database, Kind, Parameter, ParameterId};
pub use decode::{DecodeError, Decoder};
pub use encode::{EncodeError, Encoder};
pub use json::PacketWriter;
pub use load::{LoadError, LoadOptions, Loaded, Notice, Problem};
pub use plan::{CompileError, Plan};
pub use value::{Entry, Span, Value, Values};
