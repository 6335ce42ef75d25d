//! Metrics of the process and its parts, read when they are asked for.

use std::fs;

use crate::metrics::{Counter, EncodeLabelSet, Family, Gauge, Registry};

use super::{Phase, Readiness};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPart {
    part: String,
}

/// `perigee_node_…`.
#[derive(Clone)]
pub(super) struct ProcessMetrics {
    resident: Gauge,
    open_files: Gauge,
    threads: Gauge,
    ready: Family<OfPart, Gauge>,
    restarts: Family<OfPart, Counter>,
}

impl ProcessMetrics {
    pub(super) fn register(metrics: &Registry) -> Self {
        Self {
            resident: metrics.gauge("resident_memory_bytes", "Memory that the process holds"),
            open_files: metrics.gauge("open_files", "File descriptors that are open"),
            threads: metrics.gauge("threads", "Threads of the process"),
            ready: metrics.register("part_ready", "Whether a part is at work", Family::default()),
            restarts: metrics.register(
                "part_restarts",
                "How often a part was started again",
                Family::default(),
            ),
        }
    }

    pub(super) fn update(&self, readiness: &Readiness) {
        // Where there is no /proc the gauges stay at zero.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.resident.set(field(&status, "VmRSS:") * 1024);
        self.threads.set(field(&status, "Threads:"));
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open_files).unwrap_or(i64::MAX));
        for part in readiness.parts() {
            let label = OfPart { part: part.name };
            self.ready.get_or_create(&label).set(i64::from(part.state == Phase::Ready));
            let restarts = self.restarts.get_or_create(&label);
            restarts.inc_by(part.restarts.saturating_sub(restarts.get()));
        }
    }
}

/// The number behind a name in /proc/self/status.
fn field(status: &str, name: &str) -> i64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
