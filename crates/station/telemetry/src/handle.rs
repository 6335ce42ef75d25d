//! How other parts see telemetry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use perigee_part::{Downlink, Stream, Timestamp};
use perigee_xtce::{Database, ParameterId, Plan};

use crate::alarms::{AcknowledgeError, Acknowledgement, AlarmChange, AlarmState};
use crate::archive::{Archive, ArchiveError, ArchiveStatus, Channel, History, HistoryQuery};
use crate::batch::Batch;
use crate::downlink::TelemetryDownlink;
use crate::generation::GenerationTime;
use crate::latest::{Latest, Sample};
use crate::limits::Limits;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::rejections::{Rejections, Ring};

/// What links, followers and queries share.
pub(crate) struct Shared {
    pub(crate) database: Arc<Database>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) time: GenerationTime,
    pub(crate) links: Arc<Links>,
    pub(crate) stream: Stream<Batch>,
    pub(crate) latest: Latest,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) alarm_changes: Stream<AlarmChange>,
    pub(crate) rejections: Ring,
    pub(crate) archive: Option<Archive>,
    pub(crate) metrics: Metrics,
}

impl Shared {
    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Telemetry as other parts see it. Clones see the same.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// What went through since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Packets decoded.
    pub packets: u64,
    /// Packets that could not be decoded.
    pub undecoded: u64,
    /// Values published.
    pub values: u64,
    /// Batches published.
    pub batches: u64,
    /// Frames and packets dropped, for whatever reason.
    pub rejected: u64,
}

/// The answer of [`Handle::completeness`].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Completeness {
    /// By link, virtual channel and APID.
    pub channels: Vec<Channel>,
    /// There are more spans than the answer may hold.
    pub truncated: bool,
}

impl Handle {
    /// The mission database.
    pub fn database(&self) -> Arc<Database> {
        Arc::clone(&self.shared.database)
    }

    /// A doorway for the link of this name. Each link has its own.
    pub fn downlink(&self, link: &str) -> Box<dyn Downlink> {
        Box::new(TelemetryDownlink::new(Arc::clone(&self.shared), link))
    }

    /// The decoded values as they come in.
    pub fn stream(&self) -> &Stream<Batch> {
        &self.shared.stream
    }

    /// The latest value of each parameter; `None` where there has been none.
    pub fn latest(&self, parameters: &[ParameterId]) -> Vec<Option<Sample>> {
        parameters.iter().map(|&parameter| self.shared.latest.get(parameter)).collect()
    }

    /// What a parameter was. Blocks on the disk, for seconds at worst: call it where that is allowed.
    ///
    /// # Errors
    /// There is no archive at the moment, it is damaged, or too many queries wait.
    pub fn history(&self, query: HistoryQuery) -> Result<History, ArchiveError> {
        self.archive()?.history(&query)
    }

    /// What was received when, by virtual channel and APID, with the gaps. Blocks like [`Handle::history`].
    ///
    /// # Errors
    /// As [`Handle::history`].
    pub fn completeness(&self, start: Timestamp, end: Timestamp) -> Result<Completeness, ArchiveError> {
        let (channels, truncated) = self.archive()?.completeness(start, end)?;
        Ok(Completeness { channels, truncated })
    }

    /// The alarms on the list, by parameter.
    pub fn alarms(&self) -> Vec<AlarmState> {
        self.shared.limits().alarms()
    }

    /// Changes of alarms as they happen.
    pub fn alarm_changes(&self) -> &Stream<AlarmChange> {
        &self.shared.alarm_changes
    }

    /// Takes note of the alarm of a parameter, and waits (blocking, at most two seconds) until that is durable.
    ///
    /// # Errors
    /// There is no such alarm, or somebody was faster.
    pub fn acknowledge(
        &self,
        parameter: ParameterId,
        by: &str,
        comment: &str,
    ) -> Result<AlarmState, AcknowledgeError> {
        let acknowledgement =
            Acknowledgement { by: by.to_owned(), at: Timestamp::now().0, comment: comment.to_owned() };
        let mut limits = self.shared.limits();
        let change = limits.acknowledge(parameter, acknowledgement)?;
        let alarm = change.alarm.clone();
        self.shared.tell(change);
        self.shared.metrics.alarms.set(limits.raised());
        drop(limits);
        if let Some(archive) = &self.shared.archive
            && !archive.settle_durably()
        {
            tracing::warn!(target: "telemetry", alarm = alarm.id, "an acknowledgement is not in the archive yet");
        }
        Ok(alarm)
    }

    /// Why frames and packets were not decoded.
    pub fn rejections(&self) -> Rejections {
        self.shared.rejections.read()
    }

    /// What went through since the start.
    pub fn counters(&self) -> Counters {
        let metrics = &self.shared.metrics;
        Counters {
            packets: metrics.packets.get(),
            undecoded: metrics.undecoded.get(),
            values: metrics.values.get(),
            batches: metrics.batches.get(),
            rejected: self.shared.rejections.total(),
        }
    }

    /// How the archive is; `None` where there is none.
    pub fn archive_status(&self) -> Option<ArchiveStatus> {
        self.shared.archive.as_ref().map(Archive::status)
    }

    fn archive(&self) -> Result<&Archive, ArchiveError> {
        self.shared.archive.as_ref().ok_or(ArchiveError::NotOpen)
    }
}
