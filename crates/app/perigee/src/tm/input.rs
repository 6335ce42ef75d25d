//! What the offline verbs read: a file or standard input, piece by piece, with a progress bar on a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

/// Octets read at once: enough that system calls do not count, little enough to stay in the cache.
const PIECE: usize = 1 << 18;

/// An open recording.
pub(crate) struct Input {
    source: Box<dyn Read>,
    name: String,
    bar: ProgressBar,
    piece: Vec<u8>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let (source, name, length): (Box<dyn Read>, _, _) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), "standard input".to_owned(), None)
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
            let metadata = file.metadata().with_context(|| format!("cannot read {name}"))?;
            anyhow::ensure!(!metadata.is_dir(), "{name} is a directory, not a recording");
            (Box::new(file), name, metadata.is_file().then_some(metadata.len()))
        };
        Ok(Self { source, name, bar: bar(length), piece: vec![0; PIECE] })
    }

    /// The next octets; none at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<&[u8]> {
        loop {
            match self.source.read(&mut self.piece) {
                Ok(count) => {
                    self.bar.inc(count as u64);
                    return Ok(&self.piece[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.name)),
            }
        }
    }

    /// What the input is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    // Rows that go to the terminal would fight with a bar.
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {binary_bytes_per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
