//! Telemetry as the other rooms use it: a part that is built and run, packets in by its doorways, values,
//! alarms and history out by its handle.

#![allow(clippy::unwrap_used)]

mod alarms;
mod contract;
mod corpus;
mod failing;
mod full;
mod history;
mod kill;
mod reprocess;
mod satellite;
mod station;
