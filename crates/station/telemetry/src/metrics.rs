//! Counters for Prometheus, and for [`Handle::counters`](crate::Handle::counters).

use perigee_part::metrics::{Counter, Gauge, Registry};

use crate::archive::ArchiveStatus;

/// The metrics of the part. They are counted once a batch.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) packets: Counter,
    pub(crate) undecoded: Counter,
    pub(crate) values: Counter,
    pub(crate) batches: Counter,
    pub(crate) alarms: Gauge,
    archive_failing: Gauge,
    archive_octets: Gauge,
    archive_values: Counter,
    archive_commits: Counter,
    archive_commit_us: Gauge,
    archive_dropped_values: Counter,
    archive_dropped_records: Counter,
    archive_removed_rows: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            packets: registry.counter("packets", "Packets decoded"),
            undecoded: registry.counter("undecoded", "Packets that could not be decoded"),
            values: registry.counter("values", "Parameter values published"),
            batches: registry.counter("batches", "Batches published"),
            alarms: registry.gauge("alarms", "Alarms on the list"),
            archive_failing: registry.gauge("archive_failing", "The archive cannot be written"),
            archive_octets: registry.gauge("archive_octets", "Octets in use in the archive"),
            archive_values: registry.counter("archive_values", "Parameter values made durable"),
            archive_commits: registry.counter("archive_commits", "Transactions of the archive"),
            archive_commit_us: registry.gauge("archive_commit_us", "Microseconds of the last transaction"),
            archive_dropped_values: registry
                .counter("archive_dropped_values", "Values that the archive had to drop"),
            archive_dropped_records: registry
                .counter("archive_dropped_records", "Frames and packets that the archive had to drop"),
            archive_removed_rows: registry.counter("archive_removed_rows", "Rows removed by age or size"),
        }
    }

    /// Brings the metrics of the archive up to its status.
    pub(crate) fn follow(&self, status: &ArchiveStatus) {
        let raise = |counter: &Counter, to: u64| {
            counter.inc_by(to.saturating_sub(counter.get()));
        };
        self.archive_failing.set(i64::from(status.failing.is_some()));
        self.archive_octets.set(status.octets as i64);
        raise(&self.archive_values, status.values);
        raise(&self.archive_commits, status.commits);
        self.archive_commit_us.set(status.last_commit_us as i64);
        raise(&self.archive_dropped_values, status.dropped_values);
        raise(&self.archive_dropped_records, status.dropped_records);
        raise(&self.archive_removed_rows, status.removed_rows);
    }
}
