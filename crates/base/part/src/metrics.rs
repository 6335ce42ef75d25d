//! Metrics: counters and gauges by part, exposed in the OpenMetrics text form that Prometheus reads.
//!
//! Every name begins with `perigee_` and the part's name. A part that is built again starts from an
//! empty set, so that no metric appears twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::{Metric, Registry as Set};

pub use prometheus_client;
pub use prometheus_client::encoding::EncodeLabelSet;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

/// The content type of what [`Registry::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the node, seen through one part's name. Clones share the same metrics.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    sets: Arc<Mutex<BTreeMap<String, Set>>>,
    part: String,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry as `part` sees it, with whatever that part had registered before forgotten.
    #[must_use]
    pub fn scoped(&self, part: &str) -> Self {
        self.lock().insert(part.to_owned(), Self::set(part));
        Self { sets: Arc::clone(&self.sets), part: part.to_owned() }
    }

    /// A counter named `perigee_<part>_<name>_total`.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// A gauge named `perigee_<part>_<name>`.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// Registers any metric, such as a [`Family`] with labels or a [`Histogram`], and gives it back.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let mut sets = self.lock();
        let set = sets.entry(self.part.clone()).or_insert_with(|| Self::set(&self.part));
        set.register(name, help, metric.clone());
        metric
    }

    /// Every metric of every part.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        for set in self.lock().values() {
            let _ = encode_registry(&mut text, set);
        }
        let _ = encode_eof(&mut text);
        text
    }

    fn set(part: &str) -> Set {
        if part.is_empty() {
            Set::with_prefix("perigee")
        } else {
            Set::with_prefix(format!("perigee_{part}"))
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Set>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_built_again_counts_from_zero_and_only_once() {
        let node = Registry::new();
        node.scoped("link").counter("frames", "Frames received").inc_by(3);
        let again = node.scoped("link").counter("frames", "Frames received");
        again.inc();
        let text = node.encode();
        assert_eq!(text.matches("perigee_link_frames_total").count(), 1, "{text}");
        assert!(text.contains("perigee_link_frames_total 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
