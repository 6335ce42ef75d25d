//! Finds records again.
//!
//! A log may lie in several folders: the usual one, and the one in memory where records go while the usual one cannot be
//! written. Their files are read in the order of the numbers in them. What is no record is passed over: the torn end of a
//! file that is being written, or what a crash left.

mod file;
mod follow;
mod query;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::id::Id;
use crate::names::{self, CURRENT};
use crate::record::{Record, head};
use crate::time::Time;

use file::{Part, backwards, first_line, forwards};
pub use follow::Follower;
pub use query::{Query, QueryError};

/// Reads a log.
#[derive(Clone, Debug)]
pub struct Reader {
    folders: Vec<PathBuf>,
}

/// A boot of which there are records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Its identity.
    pub id: Id,
    /// When its first record was taken.
    pub first: Time,
}

impl Reader {
    /// Of these folders; one that is not there is empty.
    pub fn new(folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Reader {
        Reader { folders: folders.into_iter().map(Into::into).collect() }
    }

    /// Shows what fits, the oldest first, until it is told to stop. Returns the number of the last record that was looked
    /// at.
    ///
    /// # Errors
    /// When a folder or a file is there and cannot be read.
    pub fn forward(
        &self,
        query: &Query,
        mut each: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> io::Result<u64> {
        let mut last = 0;
        for part in self.parts()? {
            if !part.may_fit(query) {
                last = last.max(part.last());
                continue;
            }
            let flow = forwards(&part, &mut |line| {
                if let Some((sequence, _)) = head(line) {
                    last = last.max(sequence);
                }
                show(line, query, &mut each)
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(last)
    }

    /// The last records that fit, at most so many, the oldest first, and the number of the last one in the log. Reads
    /// from the end, and no further than it must.
    ///
    /// # Errors
    /// As [`Reader::forward`].
    pub fn last(&self, most: usize, query: &Query) -> io::Result<(Vec<Record<'static>>, u64)> {
        let mut found = Vec::new();
        let mut newest = 0;
        for part in self.parts()?.iter().rev() {
            newest = newest.max(part.last());
            if found.len() >= most && newest > 0 {
                break;
            }
            if !part.may_fit(query) {
                continue;
            }
            backwards(part, &mut |line| {
                if let Some((sequence, _)) = head(line) {
                    newest = newest.max(sequence);
                }
                if found.len() < most {
                    // It goes on in any case.
                    let _ = show(line, query, &mut |record| {
                        found.push(record.clone().into_owned());
                        ControlFlow::Continue(())
                    });
                }
                if found.len() >= most && newest > 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        found.reverse();
        Ok((found, newest))
    }

    /// The boots of which there are records, the oldest first. Every boot begins a file.
    ///
    /// # Errors
    /// As [`Reader::forward`].
    pub fn boots(&self) -> io::Result<Vec<Boot>> {
        let mut boots: Vec<Boot> = Vec::new();
        for part in self.parts()? {
            let Some(line) = first_line(&part)? else { continue };
            let Ok(record) = Record::decode(&line) else { continue };
            if !boots.iter().any(|boot| boot.id == record.boot) {
                boots.push(Boot { id: record.boot, first: record.time });
            }
        }
        Ok(boots)
    }

    /// Waits for records behind this number.
    pub fn follow(&self, behind: u64) -> Follower {
        Follower::new(self.clone(), behind)
    }

    /// Every file, in the order of what is in it.
    fn parts(&self) -> io::Result<Vec<Part>> {
        let mut parts: Vec<(u64, bool, Part)> = Vec::new();
        for folder in &self.folders {
            // First the open file, then the list: one that is closed between the two is in the list.
            let open = Part { path: folder.join(CURRENT), span: None, compressed: false };
            let first = first_line(&open)?.and_then(|line| head(&line)).map(|(sequence, _)| sequence);
            let closed = match names::closed(folder) {
                Ok(closed) => closed,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(named(&error, folder)),
            };
            for file in closed {
                let part = Part { path: file.path, span: Some(file.span), compressed: file.compressed };
                // The plain twin of a compressed file comes behind it.
                if parts.last().is_none_or(|(_, _, before)| before.span != part.span) {
                    parts.push((file.span.first, false, part));
                }
            }
            parts.extend(first.map(|first| (first, true, open)));
        }
        parts.sort_by_key(|(first, open, _)| (*first, *open));
        Ok(parts.into_iter().map(|(_, _, part)| part).collect())
    }
}

/// Shows a line if it is a record that fits.
fn show(
    line: &[u8],
    query: &Query,
    each: &mut impl FnMut(&Record<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if !query.may_fit(line) {
        return ControlFlow::Continue(());
    }
    match Record::decode(line) {
        Ok(record) if query.fits(&record) => each(&record),
        _ => ControlFlow::Continue(()),
    }
}

/// Not there, or something else is where the folder would be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn named(error: &io::Error, path: &std::path::Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
