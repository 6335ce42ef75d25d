//! How the archive is: what it wrote, what it had to drop, and what is wrong with it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::haul::Haul;

/// How the archive is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ArchiveStatus {
    /// Why nothing can be written at the moment; `None` while all is well.
    pub failing: Option<String>,
    /// Octets in use in the file.
    pub octets: u64,
    /// Values made durable.
    pub values: u64,
    /// Transactions.
    pub commits: u64,
    /// How long the last transaction took, in microseconds.
    pub last_commit_us: u64,
    /// Values that were dropped: the queue was full, or the disk.
    pub dropped_values: u64,
    /// Frames and packets that were dropped for the same reasons.
    pub dropped_records: u64,
    /// Rows removed by age or size.
    pub removed_rows: u64,
}

/// The counters behind [`ArchiveStatus`].
#[derive(Debug, Default)]
pub(crate) struct Status {
    is_failing: AtomicBool,
    reason: Mutex<String>,
    octets: AtomicU64,
    values: AtomicU64,
    commits: AtomicU64,
    last_commit_us: AtomicU64,
    dropped_values: AtomicU64,
    dropped_records: AtomicU64,
    removed_rows: AtomicU64,
}

impl Status {
    pub(crate) fn read(&self) -> ArchiveStatus {
        let reason =
            self.is_failing().then(|| self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone());
        ArchiveStatus {
            failing: reason,
            octets: self.octets.load(Relaxed),
            values: self.values.load(Relaxed),
            commits: self.commits.load(Relaxed),
            last_commit_us: self.last_commit_us.load(Relaxed),
            dropped_values: self.dropped_values.load(Relaxed),
            dropped_records: self.dropped_records.load(Relaxed),
            removed_rows: self.removed_rows.load(Relaxed),
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    /// Something cannot be written. Said once in the log, not once a second.
    pub(crate) fn failing(&self, reason: &str) {
        let mut known = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_failing.swap(true, Relaxed) || *known != reason {
            tracing::error!(target: "telemetry", reason, "the archive cannot be written; live telemetry goes on");
            reason.clone_into(&mut known);
        }
    }

    pub(crate) fn working(&self) {
        if self.is_failing.swap(false, Relaxed) {
            tracing::info!(target: "telemetry", "the archive can be written again");
        }
    }

    pub(crate) fn committed(&self, values: u64, took: Duration) {
        self.values.fetch_add(values, Relaxed);
        self.commits.fetch_add(1, Relaxed);
        self.last_commit_us.store(took.as_micros() as u64, Relaxed);
        self.working();
    }

    pub(crate) fn dropped(&self, haul: &Haul) {
        self.dropped_values(haul.values() as u64);
        self.dropped_octets(haul);
    }

    pub(crate) fn dropped_octets(&self, haul: &Haul) {
        self.dropped_records.fetch_add((haul.frames.len() + haul.packets.len()) as u64, Relaxed);
    }

    pub(crate) fn dropped_values(&self, values: u64) {
        if values > 0 {
            self.dropped_values.fetch_add(values, Relaxed);
        }
    }

    pub(crate) fn removed(&self, rows: u64) {
        self.removed_rows.fetch_add(rows, Relaxed);
    }

    pub(crate) fn set_octets(&self, octets: u64) {
        self.octets.store(octets, Relaxed);
    }
}
