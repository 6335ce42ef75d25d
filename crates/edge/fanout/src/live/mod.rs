//! Live delivery: who follows what, what waits for whom, and the connections.

pub(crate) mod client;
pub(crate) mod deliver;
pub(crate) mod events;
pub(crate) mod hub;
pub(crate) mod latest;
pub(crate) mod outbox;
pub(crate) mod queue;
pub(crate) mod told;
pub(crate) mod unit_log;
pub(crate) mod units;
pub(crate) mod websocket;
