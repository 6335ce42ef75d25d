//! The archive: frames, packets, parameter values, alarms and completeness in one SQLite file.
//!
//! Links hand over through a bounded queue ([`intake`]); one thread ([`writer`]) takes it into the
//! [`tail`] and commits several times a second. Values lie in column segments ([`segment`]); until a
//! segment is finished, each transaction adds a block to its journal, so that a kill loses at most the
//! transaction that was open. [`history`] reads finished segments and the tail as one.

pub(crate) mod blocks;
mod completeness;
mod haul;
mod history;
mod intake;
pub(crate) mod lane;
mod offline;
mod readers;
mod reprocess;
mod retention;
mod schema;
pub(crate) mod segment;
mod status;
pub(crate) mod summary;
pub(crate) mod tail;
pub(crate) mod wire;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use perigee_part::Timestamp;
use perigee_xtce::Database;

pub use completeness::{Channel, Gap, Span};
pub(crate) use haul::{Haul, space_packet_header};
pub use history::{History, HistoryQuery, HistorySample, MAX_POINTS, MAX_SAMPLES};
pub use offline::{ChannelStats, Check, Stats, check, stats};
pub use reprocess::{Progress, ReprocessError, Reprocessed, reprocess};
pub(crate) use retention::Retention;
pub use status::ArchiveStatus;
pub use wire::Corrupt;

use crate::alarms::AlarmRecord;
use crate::links::Links;
use intake::Intake;
use readers::Readers;
use status::Status;
use writer::{SharedTail, Writer, lock};

/// How long history waits for what is in the queue; then it answers without.
const SETTLE: Duration = Duration::from_millis(300);
/// How long an acknowledgement waits to be durable.
const DURABLE: Duration = Duration::from_secs(2);

/// Why the archive could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or directory was refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The file belongs to another program.
    #[error("{} is a database, but not an archive of Perigee", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program.
    #[error("{} has layout {found}; this program knows up to {known}: run a newer Perigee", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i32,
        /// The newest that this program reads.
        known: i32,
    },
    /// There is no archive in the file.
    #[error("{} holds no archive", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("{} is in use: stop the station that writes to it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// What it holds makes no sense.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A block makes no sense.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Every connection is at work.
    #[error("too many queries at once")]
    Busy,
    /// The archive is switched off, or could not be opened so far.
    #[error("there is no archive at the moment")]
    NotOpen,
}

impl ArchiveError {
    /// Whether a later try may go better without anybody doing anything but making room.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Busy => true,
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
            ),
            _ => false,
        }
    }
}

/// What the archive keeps, and its bounds.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) frames: bool,
    pub(crate) packets: bool,
    pub(crate) values: bool,
    pub(crate) commit_every: Duration,
    pub(crate) commit_values: u64,
    pub(crate) queue_octets: usize,
    pub(crate) patience: Duration,
    pub(crate) segment_rows: usize,
    pub(crate) segment_age: Duration,
    pub(crate) tail_octets: usize,
    pub(crate) retention: Retention,
    pub(crate) readers: usize,
}

impl Settings {
    fn bounds(&self) -> tail::Bounds {
        tail::Bounds { rows: self.segment_rows, age: self.segment_age, octets: self.tail_octets }
    }
}

/// The archive as links, queries and the part see it.
pub(crate) struct Archive {
    pub(crate) settings: Settings,
    database: Arc<Database>,
    intake: Arc<Intake>,
    tail: SharedTail,
    readers: Readers,
    status: Arc<Status>,
    /// Built, and not running yet.
    writer: Mutex<Option<Writer>>,
}

impl Archive {
    /// Opens the archive. One that cannot be opened now, but perhaps later, is tried again while running.
    pub(crate) fn open(
        settings: Settings,
        database: Arc<Database>,
        links: Arc<Links>,
    ) -> Result<Self, ArchiveError> {
        let intake = Arc::new(Intake::new(settings.queue_octets));
        let tail = SharedTail::default();
        let status = Arc::new(Status::default());
        let mut writer = Writer::new(
            settings.clone(),
            Arc::clone(&database),
            links,
            Arc::clone(&intake),
            Arc::clone(&tail),
            Arc::clone(&status),
        );
        match writer.open() {
            Err(error) if error.may_pass() => status.failing(&error.to_string()),
            opened => opened?,
        }
        let readers = Readers::new(&settings.path, settings.readers);
        Ok(Self { settings, database, intake, tail, readers, status, writer: Mutex::new(Some(writer)) })
    }

    /// Alarms that had not ended when the archive was last written, and the number of the next. What an archive
    /// holds that is not open yet comes later, by [`Archive::start`].
    pub(crate) fn open_alarms(&self) -> Result<(Vec<AlarmRecord>, i64), ArchiveError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.as_ref().and_then(Writer::connection) {
            Some(connection) => offline::open_alarms(connection),
            // Which numbers it has taken cannot be seen. They begin at 1; no one has counted to the
            // milliseconds of today.
            None => Ok((Vec::new(), Timestamp::now().0 / 1_000_000)),
        }
    }

    /// Starts the writer, once. An archive that is opened late shows `opened` what [`Archive::open_alarms`] could
    /// not see, from the writer's thread.
    pub(crate) fn start(
        &self,
        opened: impl FnMut(Vec<AlarmRecord>, i64) + Send + 'static,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer
            .map(|writer| std::thread::Builder::new().name("archive".into()).spawn(|| writer.run(opened)))
            .transpose()
    }

    /// Takes no more; the writer commits what it has and ends.
    pub(crate) fn close(&self) {
        self.intake.close();
    }

    /// An empty haul.
    pub(crate) fn spare(&self) -> Haul {
        self.intake.spare()
    }

    /// Hands a haul over; what does not fit is dropped and counted.
    pub(crate) fn offer(&self, haul: Haul) {
        if let Err(haul) = self.intake.offer(haul, self.settings.patience) {
            self.status.dropped(&haul);
        }
    }

    /// Hands a change of an alarm over.
    pub(crate) fn offer_alarm(&self, alarm: AlarmRecord) {
        if !self.intake.offer_alarm(alarm) {
            tracing::warn!(target: "telemetry", "an alarm change was not archived: the queue is full or closed");
        }
    }

    /// Waits until what was handed over is durable; says whether it is.
    pub(crate) fn settle_durably(&self) -> bool {
        self.intake.settle_durably(DURABLE)
    }

    pub(crate) fn status(&self) -> ArchiveStatus {
        self.status.read()
    }

    pub(crate) fn history(&self, query: &HistoryQuery) -> Result<History, ArchiveError> {
        self.intake.settle(SETTLE);
        let from_tail = {
            let tail = lock(&self.tail);
            let tail = tail.as_ref().ok_or(ArchiveError::NotOpen)?;
            history::FromTail::take(tail, &self.database, query)
        };
        self.readers.read(|connection| history::read(connection, &from_tail, query))
    }

    pub(crate) fn completeness(
        &self,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(Vec<Channel>, bool), ArchiveError> {
        if lock(&self.tail).is_none() {
            return Err(ArchiveError::NotOpen);
        }
        self.readers.read(|connection| Ok(completeness::read(connection, start.0, end.0)?))
    }
}
