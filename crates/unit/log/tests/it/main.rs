//! The log process, with streams and sockets of its own.

#![allow(clippy::unwrap_used)]

mod logging;
