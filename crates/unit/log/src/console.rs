//! The console, for records that it shows too. It is never waited for: what it does not take is dropped, and counted.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use perigee_journal::Record;
use perigee_journal::text::{Style, show};

/// Octets that wait for a slow console.
const MOST_WAITING: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Console {
    path: Option<PathBuf>,
    waiting: Vec<u8>,
    dropped: u64,
}

impl Console {
    pub(super) fn new(path: Option<PathBuf>) -> Console {
        Console { path, waiting: Vec::new(), dropped: 0 }
    }

    pub(super) fn show(&mut self, record: &Record<'_>) {
        if self.path.is_none() {
        } else if self.waiting.len() > MOST_WAITING {
            self.dropped += 1;
        } else {
            show(record, &Style { colours: true, ..Style::default() }, &mut self.waiting);
        }
    }

    pub(super) fn flush(&mut self) {
        let Some(path) = self.path.as_ref().filter(|_| !self.waiting.is_empty()) else { return };
        // Opened for each burst: a console that was hung up is another one.
        let flags = O_NOCTTY | O_NONBLOCK;
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(path);
        let written = opened.and_then(|mut console: File| console.write(&self.waiting));
        match written {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.dropped += 1;
                self.waiting.clear();
            }
        }
        if self.waiting.is_empty() && self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            self.waiting.extend_from_slice(format!("… {dropped} lines were not shown\n").as_bytes());
        }
    }
}
