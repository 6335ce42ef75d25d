//! Keeps what the station's parts say as records of their units: beside standard error, in `run/log` of the state
//! directory, where the page and `perigee ctl logs --folder` read them. A supervisor that takes the parts of the station
//! gives each a way to its own log; what they say goes there and nowhere else.
//!
//! Whoever says something never waits: lines go to a thread through a bounded channel, and those for which there is no
//! room are counted and told of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use perigee_journal::{Journal, Now, Priority, Record, Settings, Source};
use perigee_part::logging::Said;
use perigee_units::tasks::ENDING;

/// Lines that wait for the disk.
const MOST_WAITING: usize = 4096;
/// How long the last lines may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// The unit of what no part says.
const STATION: &str = "station.target";

/// A line, or the end.
enum Line {
    Said { part: Option<String>, priority: Priority, text: String },
    End,
}

/// Takes lines from any thread.
#[derive(Clone)]
pub(crate) struct Keeper {
    sender: SyncSender<Line>,
    lost: Arc<AtomicU64>,
    logs: Logs,
}

/// The logs of parts that the supervisor keeps, by the names of the parts.
type Logs = Arc<Mutex<BTreeMap<String, File>>>;

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
        (Keeper { sender, lost: Arc::default(), logs: Logs::default() }, Waiting(receiver))
    }

    /// Takes what was said, by the part it is about, else by that which says it.
    pub(crate) fn take(&self, said: &Said<'_>) {
        let part = said.part.unwrap_or(said.target);
        let part = Some(part.to_owned()).filter(|part| crate::up::is_part(part));
        let line = Line::Said { part, priority: Priority::new(said.priority), text: said.text.to_owned() };
        if self.sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes the lines of this part there from now on.
    pub(crate) fn write_to(&self, part: &str, log: OwnedFd) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).insert(part.to_owned(), log.into());
    }

    /// Whether what `target` says goes to a log of its own.
    pub(crate) fn has_log(&self, target: &str) -> bool {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(target)
    }

    /// Writes from now on: to this folder, or where there is none to the logs of the parts alone.
    pub(crate) fn begin(&self, waiting: Waiting, folder: Option<PathBuf>) -> std::io::Result<Keeping> {
        let keeper = self.clone();
        let (lost, logs) = (Arc::clone(&self.lost), Arc::clone(&self.logs));
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || match folder {
            Some(folder) => write(&waiting.0, &lost, folder),
            None => pass_on(&waiting.0, &lost, &logs),
        })?;
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
                Line::Said { part, priority, text } => {
                    let unit = part.map_or_else(|| STATION.to_owned(), |part| format!("{part}{ENDING}"));
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

/// Passes lines on to the logs of their parts. What has none is on standard error already.
fn pass_on(lines: &Receiver<Line>, lost: &AtomicU64, logs: &Mutex<BTreeMap<String, File>>) {
    for line in lines {
        let Line::Said { part, priority, text } = line else { return };
        let missed = lost.swap(0, Ordering::Relaxed);
        if missed > 0 {
            eprintln!("<4>{missed} lines were lost: they came faster than they could be written");
        }
        let Some(part) = part else { continue };
        let log = logs.lock().unwrap_or_else(PoisonError::into_inner).get(&part).map(File::try_clone);
        let Some(Ok(mut log)) = log else { continue };
        let lines: String = text.lines().map(|line| format!("<{}>{line}\n", u8::from(priority))).collect();
        // A log that takes nothing any more is one that its supervisor has lost.
        if log.write_all(lines.as_bytes()).is_err() {
            logs.lock().unwrap_or_else(PoisonError::into_inner).remove(&part);
        }
    }
}

fn stamped(record: Record<'_>, now: Now) -> Record<'_> {
    Record { time: now.wall, monotonic: now.monotonic, pid: Some(std::process::id()), ..record }
}
