//! Keeps what the station's parts say, beside standard error: as records of their units, in `run/log` of the state
//! directory, where the page and `perigee ctl logs --folder` read them.
//!
//! Whoever says something never waits: lines go to a thread through a bounded channel, and those for which there is no
//! room are counted and told of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use perigee_journal::{Journal, Now, Priority, Record, Settings, Source};
use perigee_part::logging::Said;

/// Lines that wait for the disk.
const MOST_WAITING: usize = 4096;
/// How long the last lines may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// The unit of what no part says.
const STATION: &str = "station.target";

/// A line, or the end.
enum Line {
    Said { unit: String, priority: Priority, text: String },
    End,
}

/// Takes lines from any thread.
#[derive(Clone)]
pub(crate) struct Keeper {
    sender: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

/// What is kept until there is somewhere to keep it.
pub(crate) struct Waiting(Receiver<Line>);

/// The thread that writes.
pub(crate) struct Keeping {
    keeper: Keeper,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn new() -> (Keeper, Waiting) {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        (Keeper { sender, lost: Arc::default() }, Waiting(receiver))
    }

    /// Takes what was said, by the part it is about, else by that which says it.
    pub(crate) fn take(&self, said: &Said<'_>) {
        let part = said.part.unwrap_or(said.target);
        let unit = if crate::up::is_part(part) { format!("{part}.task") } else { STATION.to_owned() };
        let line = Line::Said { unit, priority: Priority::new(said.priority), text: said.text.to_owned() };
        if self.sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes to this folder from now on.
    pub(crate) fn begin(&self, waiting: Waiting, folder: PathBuf) -> std::io::Result<Keeping> {
        let keeper = self.clone();
        let lost = Arc::clone(&self.lost);
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || write(&waiting.0, &lost, folder))?;
        Ok(Keeping { keeper, thread })
    }
}

impl Keeping {
    /// Waits for the last lines, not for long.
    pub(crate) fn end(self) {
        let deadline = Instant::now() + FAREWELL;
        while self.keeper.sender.try_send(Line::End).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write(lines: &Receiver<Line>, lost: &AtomicU64, folder: PathBuf) {
    // A station says little; what it says in a week of trouble has room.
    let settings = Settings { file_bytes: 4 << 20, total_bytes: 32 << 20, ..Settings::new(folder) };
    let mut journal = Journal::open(settings, Now::read());
    loop {
        let now = Now::read();
        let wait = journal.tick(now).map_or(Duration::from_secs(60), |at| {
            Duration::from_micros(at.saturating_sub(now.monotonic)).max(Duration::from_millis(1))
        });
        let first = match lines.recv_timeout(wait) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => Line::End,
        };
        let now = Now::read();
        let mut ends = false;
        for line in std::iter::once(first).chain(lines.try_iter()) {
            match line {
                Line::Said { unit, priority, text } => {
                    let record = Record::new(&unit, Source::Stderr, priority, text.as_bytes());
                    journal.write(stamped(record, now));
                }
                Line::End => ends = true,
            }
        }
        let missed = lost.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let text = format!("{missed} lines were lost: they came faster than they could be written");
            let record = Record::new(STATION, Source::Supervisor, Priority::WARNING, text.as_bytes());
            journal.write(stamped(record, now));
        }
        journal.flush(now);
        if ends {
            return journal.close(Now::read());
        }
    }
}

fn stamped(record: Record<'_>, now: Now) -> Record<'_> {
    Record { time: now.wall, monotonic: now.monotonic, pid: Some(std::process::id()), ..record }
}
