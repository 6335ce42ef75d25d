//! The page of memory that the units of the bench and the observer share: see `bench/init/unit.c`, which writes it.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const PATH: &str = "/run/bench/page";
const LENGTH: usize = 4096;

/// A word of the page.
#[derive(Clone, Copy)]
pub enum Word {
    /// How many units were started.
    Arrived = 0,
    /// When the last of them was, in nanoseconds of the monotonic clock.
    Last = 1,
    /// When the unit that comes after all others was.
    Done = 2,
    /// How often a unit was started again after a crash.
    Restarts = 3,
    /// From each crash to the next start, nanoseconds, all together.
    LatencySum = 4,
    /// The longest of them.
    LatencyMax = 5,
}

pub struct Page(*const AtomicU64);

impl Page {
    /// Makes an empty page where the units look for it.
    pub fn create() -> io::Result<Self> {
        std::fs::create_dir_all("/run/bench")?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(PATH)?;
        file.set_len(LENGTH as u64)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file that is as long as the mapping; it is never unmapped.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), LENGTH, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(at.cast()))
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        // SAFETY: the page lives as long as the process, and every word is inside it and aligned.
        unsafe { &*self.0.add(word as usize) }
    }

    pub fn get(&self, word: Word) -> u64 {
        self.word(word).load(SeqCst)
    }

    pub fn clear(&self, word: Word) {
        self.word(word).store(0, SeqCst);
    }
}

/// Nanoseconds of the clock that the units stamp the page with.
pub fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
