//! The log process: takes what units print and writes it, apart from the supervisor, so that neither a storm of lines
//! nor a slow disk touches PID 1.
//!
//! [`run`] is that process: one thread with a loop of its own (and one beside it that syncs and compresses). Each
//! stream of a unit is a socket of which the unit has one end and the log process the other; who wrote is known from
//! the credentials that come with the octets. [`Client`] is the supervisor's side, which never waits.
//!
//! **Nothing is lost by a kill.** Octets are looked at in the socket, written to the file, and only then taken out of
//! the socket. The supervisor keeps a second descriptor of each receiving end, so a log process that was killed finds
//! everything again when it is started anew; what it wrote and had not yet taken out is then written twice. A
//! supervisor that was killed finds the log process at a socket with a name and gets all streams handed back. The
//! exception are lines without an end: after a while they are taken out, so that the unit is not held up, and until
//! their end comes they are in memory only.
//!
//! **It keeps what a killed supervisor would take with it**: the sockets at which units listen, and the descriptors that
//! they have stored, are handed to the next supervisor with the streams.
//!
//! **A storm holds up nobody else.** Each stream has its turn, and a turn takes a bounded piece.

mod client;
mod console;
mod datagrams;
mod message;
mod origin;
mod process;
mod spec;
mod stream;

pub use client::{Client, Told};
pub use message::{Event, Held, StreamSpec};
pub use process::{Config, run};
