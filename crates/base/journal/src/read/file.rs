//! The lines of one file, from either end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use memchr::memrchr;

use super::{Query, is_absent, named};
use crate::names::{COMPRESSED, PLAIN, Span};

/// Octets that are read at once.
const BLOCK: usize = 256 << 10;
/// Octets of the longest line; what is longer is no record.
const MOST_LINE: u64 = 4 << 20;

/// A file of a log.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// What is in it; `None` for the one that is open.
    pub(super) span: Option<Span>,
    pub(super) compressed: bool,
}

impl Part {
    pub(super) fn may_fit(&self, query: &Query) -> bool {
        self.span.is_none_or(|span| query.span_fits(span.from, span.to))
    }

    /// Number of the last record, where the name tells it.
    pub(super) fn last(&self) -> u64 {
        self.span.map_or(0, |span| span.last)
    }

    /// Opens it, under its other name if it has been compressed meanwhile. `None` where it has been removed.
    fn open(&self) -> io::Result<Option<(File, bool)>> {
        let name = self.path.to_string_lossy();
        let compressed = name.strip_suffix(PLAIN).map(|stem| PathBuf::from(format!("{stem}{COMPRESSED}")));
        let other = compressed.filter(|_| self.span.is_some()).map(|path| (path, true));
        for (path, compressed) in [(self.path.clone(), self.compressed)].into_iter().chain(other) {
            match File::open(&path) {
                Ok(file) => return Ok(Some((file, compressed))),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(named(&error, &path)),
            }
        }
        Ok(None)
    }
}

type Each<'a> = &'a mut dyn FnMut(&[u8]) -> ControlFlow<()>;

/// Shows every whole line.
pub(super) fn forwards(part: &Part, each: Each<'_>) -> io::Result<ControlFlow<()>> {
    let Some((file, compressed)) = part.open()? else { return Ok(ControlFlow::Continue(())) };
    if compressed {
        lines(&mut BufReader::with_capacity(BLOCK, MultiGzDecoder::new(BufReader::new(file))), each)
    } else {
        lines(&mut BufReader::with_capacity(BLOCK, file), each)
    }
    .map_err(|error| named(&error, &part.path))
}

/// The first line, if it is whole.
pub(super) fn first_line(part: &Part) -> io::Result<Option<Vec<u8>>> {
    let mut first = None;
    let _ = forwards(part, &mut |line| {
        first = Some(line.to_vec());
        ControlFlow::Break(())
    })?;
    Ok(first)
}

fn lines(source: &mut dyn BufRead, each: Each<'_>) -> io::Result<ControlFlow<()>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        match source.take(MOST_LINE).read_until(b'\n', &mut line) {
            // A compressed file that was torn by a crash ends early; what is there counts.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(ControlFlow::Continue(()));
            }
            other => other?,
        };
        if line.is_empty() || !line.ends_with(b"\n") && (line.len() as u64) < MOST_LINE {
            return Ok(ControlFlow::Continue(()));
        }
        if line.ends_with(b"\n") && each(&line).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Shows every whole line, the last one first.
pub(super) fn backwards(part: &Part, each: Each<'_>) -> io::Result<()> {
    let Some((mut file, compressed)) = part.open()? else { return Ok(()) };
    if compressed {
        // A file is closed at a size that fits into memory.
        let mut octets = Vec::new();
        match MultiGzDecoder::new(BufReader::new(file)).read_to_end(&mut octets) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(named(&error, &part.path));
            }
            _ => {}
        }
        let end = memrchr(b'\n', &octets).map_or(0, |at| at + 1);
        let _ = from_the_end(&octets[..end], each);
        return Ok(());
    }
    blocks(&mut file, each).map_err(|error| named(&error, &part.path))
}

fn blocks(file: &mut File, each: Each<'_>) -> io::Result<()> {
    let mut at = file.seek(SeekFrom::End(0))?;
    // What is known from `at` on and not shown: the end of a line whose beginning is not read yet.
    let mut known: Vec<u8> = Vec::new();
    let mut torn = true;
    while at > 0 {
        let size = at.min(BLOCK as u64);
        at -= size;
        let mut block = vec![0; size as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut block)?;
        block.extend_from_slice(&known);
        known = block;
        if torn {
            // What is behind the last newline is being written.
            let Some(end) = memrchr(b'\n', &known) else { continue };
            known.truncate(end + 1);
            torn = false;
        }
        let begin = match at {
            0 => 0,
            _ => match known[..known.len() - 1].iter().position(|octet| *octet == b'\n') {
                Some(first) => first + 1,
                None if known.len() as u64 > MOST_LINE => known.len(),
                None => continue,
            },
        };
        if from_the_end(&known[begin..], each).is_break() {
            return Ok(());
        }
        known.truncate(begin);
    }
    Ok(())
}

/// Lines of which every one is whole.
fn from_the_end(octets: &[u8], each: Each<'_>) -> ControlFlow<()> {
    let mut end = octets.len();
    while end > 0 {
        let begin = memrchr(b'\n', &octets[..end - 1]).map_or(0, |at| at + 1);
        each(&octets[begin..end])?;
        end = begin;
    }
    ControlFlow::Continue(())
}
