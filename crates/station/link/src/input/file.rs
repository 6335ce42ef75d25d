//! Files: read once or as they grow, as fast as can be or at the pace of a bit rate.
//!
//! A followed file that becomes shorter was written anew: it is read again from its beginning. A file that
//! is not there yet is waited for when it is followed.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use super::{Event, Input, TICK, Taker};
use crate::config::{Edge, Start};
use crate::settings::Replay;

/// A read takes at most this much.
const READ_OCTETS: usize = 256 << 10;

/// A paced read waits until it may take at least what this time brings.
const PACE: Duration = Duration::from_millis(10);

/// A file and how far it has been read.
pub(super) struct Reader {
    replay: Replay,
    file: Option<File>,
    position: u64,
    buffer: Box<[u8]>,
    pacer: Option<Pacer>,
}

impl Reader {
    pub(super) fn open(replay: Replay) -> std::io::Result<Self> {
        let pacer = replay.octet_rate.map(Pacer::new);
        let mut reader = Self { replay, file: None, position: 0, buffer: vec![0; READ_OCTETS].into(), pacer };
        match reader.open_at_start() {
            Err(e) if reader.replay.follow && e.kind() == ErrorKind::NotFound => {
                // What appears later is read from its beginning.
                reader.replay.start = Start::default();
                Ok(reader)
            }
            Err(e) => Err(e),
            Ok(()) => Ok(reader),
        }
    }

    fn open_at_start(&mut self) -> std::io::Result<()> {
        let mut file = File::open(&self.replay.path)?;
        self.position = file.seek(match self.replay.start {
            Start::Edge(Edge::Begin) => SeekFrom::Start(0),
            Start::Edge(Edge::End) => SeekFrom::End(0),
            Start::Offset(octets) => SeekFrom::Start(octets),
        })?;
        self.file = Some(file);
        Ok(())
    }

    /// Nothing more at the end: over, or wait and see whether the file was replaced.
    fn at_end(&mut self, length: std::io::Result<u64>) -> Event {
        if !self.replay.follow {
            self.file = None;
            return Event::End;
        }
        if let Some(pacer) = &mut self.pacer {
            pacer.restart();
        }
        std::thread::sleep(TICK);
        match length {
            Ok(length) if length < self.position => {
                self.file = None;
                self.replay.start = Start::default();
                Event::Lost("the file became shorter and is read from its beginning".to_owned())
            }
            _ => Event::Idle,
        }
    }
}

impl Input for Reader {
    fn read(&mut self, taker: &mut dyn Taker) -> Event {
        let Some(file) = &mut self.file else {
            if !self.replay.follow {
                return Event::End;
            }
            return match self.open_at_start() {
                Ok(()) => Event::Connected,
                Err(_) => {
                    std::thread::sleep(TICK);
                    Event::Idle
                }
            };
        };
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
                if let Some(pacer) = &mut self.pacer {
                    pacer.took(n);
                }
                taker.octets(&self.buffer[..n]);
                Event::Octets
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Event::Idle,
            Err(e) => {
                self.file = None;
                std::thread::sleep(TICK);
                Event::Lost(e.to_string())
            }
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
