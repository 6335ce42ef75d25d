//! Files: read once or as they grow, as fast as can be or at the pace of a bit rate.
//!
//! A followed file that becomes shorter was written anew: it is read again from its beginning. One in whose place
//! another was put is read to its end, and then the other from its beginning. A file that is not there yet is waited
//! for when it is followed. After an error the same file goes on where it was.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::{Event, Input, TICK, Taker};
use crate::config::{Edge, Start};
use crate::settings::Replay;

/// A read takes at most this much.
const READ_OCTETS: usize = 256 << 10;

/// A paced read waits until it may take at least what this time brings.
const PACE: Duration = Duration::from_millis(10);

/// The longest wait after an error; the first waits are shorter.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A file and how far it has been read.
pub(super) struct Reader {
    replay: Replay,
    file: Option<File>,
    /// Device and inode of the file read last.
    identity: Option<(u64, u64)>,
    position: u64,
    /// Another file stands at the path; it is its turn if the present one has not grown by the next read.
    replaced: bool,
    buffer: Box<[u8]>,
    pacer: Option<Pacer>,
    /// When to try again after an error, and how long to wait after the next one.
    next_attempt: Instant,
    wait: Duration,
}

impl Reader {
    pub(super) fn open(replay: Replay) -> std::io::Result<Self> {
        let pacer = replay.octet_rate.map(Pacer::new);
        let mut reader = Self {
            replay,
            file: None,
            identity: None,
            position: 0,
            replaced: false,
            buffer: vec![0; READ_OCTETS].into(),
            pacer,
            next_attempt: Instant::now(),
            wait: TICK,
        };
        match reader.reopen() {
            Err(e) if reader.replay.follow && e.kind() == ErrorKind::NotFound => {
                // What appears later is read from its beginning.
                reader.replay.start = Start::default();
                Ok(reader)
            }
            Err(e) => Err(e),
            Ok(()) => Ok(reader),
        }
    }

    /// Opens the path: the file that was read before goes on where it was, another one begins at its start.
    fn reopen(&mut self) -> std::io::Result<()> {
        let mut file = File::open(&self.replay.path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let identity = identity(&metadata);
        self.position = file.seek(match (self.identity, self.replay.start) {
            (Some(known), _) if known == identity && metadata.len() >= self.position => {
                SeekFrom::Start(self.position)
            }
            (Some(_), _) | (None, Start::Edge(Edge::Begin)) => SeekFrom::Start(0),
            (None, Start::Edge(Edge::End)) => SeekFrom::End(0),
            (None, Start::Offset(octets)) => SeekFrom::Start(octets),
        })?;
        (self.file, self.identity, self.replaced) = (Some(file), Some(identity), false);
        Ok(())
    }

    /// Nothing more at the end: over, or wait and see whether the file was written anew or replaced.
    fn at_end(&mut self, length: std::io::Result<u64>) -> Event {
        if !self.replay.follow {
            self.file = None;
            return Event::End;
        }
        if let Some(pacer) = &mut self.pacer {
            pacer.restart();
        }
        std::thread::sleep(TICK);
        if length.is_ok_and(|length| length < self.position) {
            (self.file, self.position) = (None, 0);
            return Event::Lost("the file became shorter and is read from its beginning".to_owned());
        }
        let before = self.replaced;
        self.replaced = self.is_replaced();
        if before && self.replaced {
            (self.file, self.position) = (None, 0);
            return Event::Lost("another file took its place and is read from its beginning".to_owned());
        }
        Event::Idle
    }

    /// Whether another file stands at the path.
    fn is_replaced(&self) -> bool {
        std::fs::metadata(&self.replay.path).is_ok_and(|there| Some(identity(&there)) != self.identity)
    }

    /// Reads no more for a while.
    fn back_off(&mut self) {
        self.next_attempt = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }

    /// A read failed.
    fn failed(&mut self, error: &std::io::Error) -> Event {
        self.file = None;
        self.back_off();
        Event::Lost(error.to_string())
    }

    /// Waits for a file that is followed.
    fn await_file(&mut self) -> Event {
        if !self.replay.follow {
            return Event::End;
        }
        let now = Instant::now();
        if now < self.next_attempt {
            std::thread::sleep((self.next_attempt - now).min(TICK));
            return Event::Idle;
        }
        match self.reopen() {
            Ok(()) => Event::Connected,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                std::thread::sleep(TICK);
                Event::Idle
            }
            Err(e) => {
                self.back_off();
                Event::Trouble(format!("{}: {e}", self.replay.path.display()))
            }
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Input for Reader {
    fn read(&mut self, taker: &mut dyn Taker) -> Event {
        let Some(file) = &mut self.file else { return self.await_file() };
        let allowed = match &mut self.pacer {
            None => READ_OCTETS,
            Some(pacer) => match pacer.allowed(Instant::now()) {
                Ok(octets) => octets.min(READ_OCTETS),
                Err(wait) => {
                    std::thread::sleep(wait.min(TICK));
                    return Event::Idle;
                }
            },
        };
        match file.read(&mut self.buffer[..allowed]) {
            Ok(0) => {
                let length = file.metadata().map(|m| m.len());
                self.at_end(length)
            }
            Ok(n) => {
                self.position += n as u64;
                (self.wait, self.replaced) = (TICK, false);
                if let Some(pacer) = &mut self.pacer {
                    pacer.took(n);
                }
                taker.octets(&self.buffer[..n]);
                Event::Octets
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Event::Idle,
            Err(e) => self.failed(&e),
        }
    }

    fn connected(&self) -> bool {
        self.file.is_some()
    }
}

/// Holds reads to a rate. Late reads catch up, since what is due follows from the time since the start.
struct Pacer {
    octets_per_second: f64,
    begun: Option<Instant>,
    taken: f64,
}

impl Pacer {
    fn new(octets_per_second: f64) -> Self {
        Self { octets_per_second, begun: None, taken: 0.0 }
    }

    /// Forgets the past: what was not there to be taken is not owed.
    fn restart(&mut self) {
        self.begun = None;
        self.taken = 0.0;
    }

    /// How many octets may be taken now, or how long to wait for some.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn allowed(&mut self, now: Instant) -> Result<usize, Duration> {
        let begun = *self.begun.get_or_insert(now);
        let due = (now - begun).as_secs_f64() * self.octets_per_second - self.taken;
        let least = (self.octets_per_second * PACE.as_secs_f64()).clamp(1.0, READ_OCTETS as f64);
        if due >= least {
            Ok(due as usize)
        } else {
            Err(Duration::from_secs_f64(((least - due) / self.octets_per_second).clamp(0.0005, 1.0)))
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn took(&mut self, octets: usize) {
        self.taken += octets as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tests::Octets;

    fn follow(path: &std::path::Path) -> Replay {
        Replay { path: path.to_owned(), follow: true, start: Start::default(), octet_rate: None }
    }

    #[test]
    fn after_an_error_it_goes_on_where_it_was_and_waits_longer_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        std::fs::write(&path, b"one").unwrap();
        let (mut reader, mut taker) = (Reader::open(follow(&path)).unwrap(), Octets(Vec::new()));
        assert!(matches!(reader.read(&mut taker), Event::Octets));
        std::fs::write(&path, b"onetwo").unwrap();
        let error = std::io::Error::other("the disk is away");
        assert!(matches!(reader.failed(&error), Event::Lost(_)));
        let first = reader.wait;
        reader.failed(&error);
        assert!(reader.wait == first * 2 && !reader.connected());
        while taker.0.len() < 6 {
            reader.read(&mut taker);
        }
        assert_eq!((taker.0.as_slice(), reader.wait), (&b"onetwo"[..], TICK));
    }

    #[test]
    fn a_directory_is_no_recording() {
        let directory = tempfile::tempdir().unwrap();
        let refused = Reader::open(follow(directory.path())).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_pacer_gives_the_rate_and_catches_up() {
        let mut pacer = Pacer::new(1000.0);
        let begun = Instant::now();
        assert!(pacer.allowed(begun).is_err());
        let later = begun + Duration::from_millis(500);
        assert_eq!(pacer.allowed(later), Ok(500));
        pacer.took(500);
        assert!(pacer.allowed(later).is_err());
        assert_eq!(pacer.allowed(begun + Duration::from_secs(3)), Ok(2500));
        pacer.restart();
        assert!(pacer.allowed(begun + Duration::from_secs(9)).is_err());
    }
}
