//! What the fan-out counts.

use perigee_part::metrics::{Counter, Gauge, Registry};

/// Metrics of the part, named `perigee_fanout_…`.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Live clients at this moment.
    pub(crate) clients: Gauge,
    /// Values sent to live clients, each client counted.
    pub(crate) values: Counter,
    /// Values that slow clients lost.
    pub(crate) missed: Counter,
    /// Octets of messages sent to live clients.
    pub(crate) octets: Counter,
    /// Messages of live clients that were not understood.
    pub(crate) malformed: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            clients: registry.gauge("clients", "Live clients (WebSocket and server-sent events)"),
            values: registry.counter("values", "Values sent to live clients"),
            missed: registry.counter("missed", "Values that live clients lost because they were slow"),
            octets: registry.counter("octets", "Octets of messages sent to live clients"),
            malformed: registry.counter("malformed", "Messages of live clients that were not understood"),
        }
    }
}
