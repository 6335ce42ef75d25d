//! Metrics: counters and gauges by part, exposed in both text forms that Prometheus reads.
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

/// A text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text exposition 0.0.4: whatever reads metrics reads this.
    Prometheus,
    /// OpenMetrics 1.0, for those who ask for it.
    OpenMetrics,
}

impl Format {
    /// What to answer to an `Accept` header.
    pub fn for_accept(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The media type of the form.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

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
    pub fn encode(&self, format: Format) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        for set in self.lock().values() {
            let _ = encode_registry(&mut text, set);
        }
        let _ = encode_eof(&mut text);
        match format {
            Format::OpenMetrics => text,
            Format::Prometheus => as_prometheus(&text),
        }
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

/// OpenMetrics as Prometheus text: there a counter is declared under its full name, and nothing marks
/// the end.
fn as_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP stands before TYPE; it is held back until the type is known.
    let mut help = None;
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
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
        let text = node.encode(Format::OpenMetrics);
        assert_eq!(text.matches("perigee_link_frames_total").count(), 1, "{text}");
        assert!(text.contains("perigee_link_frames_total 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn both_text_forms_declare_a_counter_as_their_readers_expect() {
        let node = Registry::new();
        let link = node.scoped("link");
        link.counter("frames", "Frames received").inc();
        link.gauge("locked", "Whether it is locked").set(1);
        assert_eq!(
            node.encode(Format::Prometheus),
            "# HELP perigee_link_frames_total Frames received.\n\
             # TYPE perigee_link_frames_total counter\n\
             perigee_link_frames_total 1\n\
             # HELP perigee_link_locked Whether it is locked.\n\
             # TYPE perigee_link_locked gauge\n\
             perigee_link_locked 1\n"
        );
        let open = node.encode(Format::OpenMetrics);
        assert!(open.contains("# TYPE perigee_link_frames counter\nperigee_link_frames_total 1\n"), "{open}");
    }
}
