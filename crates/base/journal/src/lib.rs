//! Records of what units print: cut out of streams, written as lines of JSON, rotated, bounded, read again.
//!
//! [`Splitter`] makes lines of a stream and [`syslog`] reads the datagrams of daemons that speak it; [`Limiter`] holds
//! a unit that says too much. [`Journal`] writes [`Record`]s into a folder and never fails its caller: what it cannot
//! write it keeps elsewhere, and says so. [`Reader`] finds them again, [`text`] shows them to people.
//!
//! Files are touched, sockets are not: those are the log process's, in `unit/log`. Time is handed in.

mod base64;
pub mod fuzzing;
mod id;
mod limiter;
mod names;
pub mod native;
mod read;
mod record;
mod splitter;
pub mod syslog;
pub mod text;
mod time;
mod write;

pub use id::Id;
pub use limiter::{Limiter, Rate};
pub use read::{Boot, Follower, Query, QueryError, Reader};
pub use record::{Priority, PriorityError, Record, RecordError, Source};
pub use splitter::{Line, MOST_LINE, Splitter, prefix};
pub use time::{Now, Time};
pub use write::{Journal, Place, Settings};
