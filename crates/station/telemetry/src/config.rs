//! The `[telemetry]` table of `perigee.toml`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use perigee_part::PartError;
use serde::{Deserialize, Serialize};

use crate::archive::{Retention, Settings};

/// The `[telemetry]` table: the mission database, time, limits of memory, and the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Mission database, an XTCE file. Left out: the database of the built-in simulator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<PathBuf>,
    /// Name of the container that every packet is one of. Left out: the database has only one such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Load what can be loaded of a database with parts that are not supported, and name what was left out.
    pub lenient: bool,
    /// Where a packet's generation time comes from.
    pub time: TimeConfig,
    /// Batches that a follower of the live values may be behind before it loses the oldest.
    pub stream_batches: usize,
    /// Rejected frames and packets that are kept to be looked at.
    pub rejections: usize,
    /// The `[telemetry.archive]` table.
    pub archive: ArchiveConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: None,
            root: None,
            lenient: false,
            time: TimeConfig::default(),
            stream_batches: 1024,
            rejections: 256,
            archive: ArchiveConfig::default(),
        }
    }
}

/// Where a packet's generation time comes from. A packet that does not have it, or not as a valid time,
/// has its time of reception instead.
///
/// The variants without keys are written as empty structs: serde lets a unit variant take any key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum TimeConfig {
    /// The first absolute time among the packet's parameters.
    Database {},
    /// Always the time of reception.
    Reception {},
    /// A parameter of the database, whose value is an absolute time.
    Parameter {
        /// Qualified name, or short name where only one parameter has it.
        name: String,
    },
    /// A CCSDS unsegmented time code (CCSDS 301.0-B-4, 3.2) without its P-field, in packets with a secondary header.
    Cuc {
        /// Octets from the start of the packet; the secondary header begins at 6.
        #[serde(default = "after_primary_header")]
        offset: usize,
        /// Octets of whole seconds.
        coarse: u8,
        /// Octets of fractions of a second.
        fine: u8,
        /// UTC at which the count begins, such as `2000-01-01T12:00:00`. Left out: 1958-01-01 TAI.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
    },
    /// A CCSDS day segmented time code (CCSDS 301.0-B-4, 3.3) without its P-field, in packets with a secondary header.
    Cds {
        /// Octets from the start of the packet; the secondary header begins at 6.
        #[serde(default = "after_primary_header")]
        offset: usize,
        /// Octets of the day: 2 or 3.
        #[serde(default = "short_day")]
        day: u8,
        /// Octets behind the milliseconds: 0, 2 (microseconds) or 4 (picoseconds).
        #[serde(default)]
        submillisecond: u8,
        /// Day zero, such as `2000-01-01T00:00:00`. Left out: 1958-01-01.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
    },
    /// A CUC, CDS or CCS time code with its P-field in front, in packets with a secondary header.
    PField {
        /// Octets from the start of the packet to the P-field; the secondary header begins at 6.
        #[serde(default = "after_primary_header")]
        offset: usize,
        /// UTC at which an agency's own epoch begins. Left out: 1958-01-01 TAI.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
    },
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self::Database {}
    }
}

fn after_primary_header() -> usize {
    6
}

fn short_day() -> u8 {
    2
}

/// The `[telemetry.archive]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Keep an archive. Without one there is no history, and alarms are forgotten at the end.
    pub enabled: bool,
    /// The file; a relative path starts in the state directory.
    pub path: PathBuf,
    /// Keep transfer frames.
    pub frames: bool,
    /// Keep packets: what can be processed again under a new database.
    pub packets: bool,
    /// Keep parameter values: what history is drawn from.
    pub values: bool,
    /// From one transaction to the next: as much as a kill may lose. 20 ms to 10 s.
    #[serde(with = "humantime_serde")]
    pub commit: Duration,
    /// A transaction is made earlier when so many values wait for it.
    pub commit_values: u64,
    /// MiB that may wait between the links and the archive.
    pub queue_mib: usize,
    /// For so long a link waits, once, for room in a full queue; after that the archive's share is
    /// dropped and counted until half the queue is free. Live values are published before.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// MiB of values that are gathered before they are written as finished segments.
    pub segments_mib: usize,
    /// Packets of one container that make a finished segment.
    pub segment_rows: usize,
    /// A segment is finished after so long, however small. 1 minute to 1 day.
    #[serde(with = "humantime_serde")]
    pub segment_age: Duration,
    /// Anything is kept for so long after its reception; `0s`: for ever.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// MiB that the file may take before the oldest is removed; 0: as many as there are.
    pub keep_mib: u64,
    /// History queries that may be answered at once.
    pub readers: usize,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "archive.db".into(),
            frames: true,
            packets: true,
            values: true,
            commit: Duration::from_millis(200),
            commit_values: 100_000,
            queue_mib: 32,
            wait: Duration::from_millis(100),
            segments_mib: 16,
            segment_rows: 4096,
            segment_age: Duration::from_secs(600),
            keep: Duration::ZERO,
            keep_mib: 10_240,
            readers: 4,
        }
    }
}

impl ArchiveConfig {
    /// Where the archive is, when relative paths start in `state`.
    pub fn file(&self, state: &Path) -> PathBuf {
        state.join(&self.path)
    }

    /// Checks the table; relative paths start in `state`.
    pub(crate) fn check(&self, state: &Path) -> Result<Settings, PartError> {
        let bounds = [
            ("commit_values", self.commit_values, 1, 10_000_000),
            ("queue_mib", self.queue_mib as u64, 1, 65_536),
            ("segments_mib", self.segments_mib as u64, 1, 65_536),
            ("segment_rows", self.segment_rows as u64, 16, 1_000_000),
            ("readers", self.readers as u64, 1, 64),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(PartError::Configuration(format!(
                    "telemetry.archive.{key} is {value}; it must be {least} to {most}"
                )));
            }
        }
        let seconds = Duration::from_secs;
        let spans = [
            ("commit", self.commit, Duration::from_millis(20), seconds(10)),
            ("wait", self.wait, Duration::ZERO, seconds(60)),
            ("segment_age", self.segment_age, seconds(60), seconds(86_400)),
        ];
        for (key, value, least, most) in spans {
            if !(least..=most).contains(&value) {
                return Err(PartError::Configuration(format!(
                    "telemetry.archive.{key} is {value:?}; it must be {least:?} to {most:?}"
                )));
            }
        }
        Ok(Settings {
            path: self.file(state),
            frames: self.frames,
            packets: self.packets,
            values: self.values,
            commit_every: self.commit,
            commit_values: self.commit_values,
            queue_octets: self.queue_mib << 20,
            patience: self.wait,
            segment_rows: self.segment_rows,
            segment_age: self.segment_age,
            tail_octets: self.segments_mib << 20,
            retention: Retention {
                age_ns: (!self.keep.is_zero())
                    .then(|| i64::try_from(self.keep.as_nanos()).unwrap_or(i64::MAX)),
                octets: (self.keep_mib > 0).then(|| self.keep_mib.saturating_mul(1 << 20)),
            },
            readers: self.readers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_source_takes_its_own_keys_and_no_others() {
        let read = |text: &str| toml::from_str::<TimeConfig>(text);
        assert_eq!(read("kind = 'database'").unwrap(), TimeConfig::default());
        assert_eq!(read("kind = 'reception'").unwrap(), TimeConfig::Reception {});
        for kind in
            ["kind = 'database'", "kind = 'reception'", "kind = 'parameter'\nname = 'A'", "kind = 'cds'"]
        {
            let error = read(&format!("{kind}\nofset = 8")).unwrap_err().to_string();
            assert!(error.contains("ofset"), "{kind}: {error}");
        }
        assert_eq!(toml::to_string(&TimeConfig::default()).unwrap(), "kind = \"database\"\n");
    }
}
