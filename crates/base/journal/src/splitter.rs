//! Octets of a stream become lines.
//!
//! A line ends at a newline. One that is longer than [`MOST_LINE`] is cut, between characters where it is UTF-8, and
//! marked; the rest is the next line. The same octets give the same lines, whatever pieces they come in.

use memchr::memchr;

use crate::record::Priority;

/// Octets of the longest line, as journald's `LineMax=`.
pub const MOST_LINE: usize = 48 << 10;

/// A line without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What stands in it.
    pub octets: &'a [u8],
    /// It was too long; the next line goes on where it ends.
    pub cut: bool,
}

/// Holds the beginning of a line whose end has not come.
#[derive(Debug, Default)]
pub struct Splitter {
    held: Vec<u8>,
}

impl Splitter {
    /// Shows every line that ends in `octets`, and keeps what is left.
    pub fn feed(&mut self, octets: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = octets;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            if self.held.is_empty() {
                let line = cut_whole(line, &mut each);
                each(Line { octets: line, cut: false });
            } else {
                self.hold(line, &mut each);
                each(Line { octets: &self.held, cut: false });
                self.held.clear();
            }
            rest = behind;
        }
        self.hold(rest, &mut each);
    }

    /// The stream has ended: shows the last line if its newline never came.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.held.is_empty() {
            each(Line { octets: &self.held, cut: false });
            self.held.clear();
        }
    }

    /// Octets of a line whose end has not come.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Adds to what is held, never more than a line.
    fn hold(&mut self, mut octets: &[u8], each: &mut impl FnMut(Line<'_>)) {
        while self.held.len() + octets.len() > MOST_LINE {
            // One octet more than a line tells that the line must be cut, and between which characters.
            let take = MOST_LINE + 1 - self.held.len();
            self.held.extend_from_slice(&octets[..take]);
            octets = &octets[take..];
            let at = boundary(&self.held);
            each(Line { octets: &self.held[..at], cut: true });
            self.held.drain(..at);
        }
        self.held.extend_from_slice(octets);
    }
}

/// Cuts a line that came in one piece; what is left is not too long.
fn cut_whole<'a>(mut line: &'a [u8], each: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
    while line.len() > MOST_LINE {
        let at = boundary(line);
        each(Line { octets: &line[..at], cut: true });
        line = &line[at..];
    }
    line
}

/// Where to cut a line that has more than [`MOST_LINE`] octets: before a character, where that is near.
fn boundary(line: &[u8]) -> usize {
    let continues = |at: &usize| line[*at] & 0xC0 == 0x80;
    (MOST_LINE - 3..=MOST_LINE).rev().find(|at| !continues(at)).unwrap_or(MOST_LINE)
}

/// The priority that a line names at its beginning, `<0>` to `<7>` (sd-daemon(3)), and the line behind it.
pub fn prefix(line: &[u8]) -> Option<(Priority, &[u8])> {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', rest @ ..] => Some((Priority::new(digit - b'0'), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.feed(piece, |line| lines.push((line.octets.to_vec(), line.cut)));
            assert!(splitter.held() <= MOST_LINE);
        }
        splitter.finish(|line| lines.push((line.octets.to_vec(), line.cut)));
        lines
    }

    fn joined(lines: &[(Vec<u8>, bool)]) -> Vec<u8> {
        lines.iter().fold(Vec::new(), |mut all, (line, cut)| {
            all.extend_from_slice(line);
            if !cut {
                all.push(b'\n');
            }
            all
        })
    }

    #[test]
    fn lines_and_the_last_one() {
        let whole = |text: &str| (text.as_bytes().to_vec(), false);
        assert_eq!(lines(&[b"one\n\ntw", b"o\nlast"]), ["one", "", "two", "last"].map(whole));
        assert_eq!(lines(&[b"", b"\n"]), [whole("")]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "\u{e9}".repeat(MOST_LINE);
        let cut = lines(&[b"x", long.as_bytes(), b"\n"]);
        assert_eq!(cut.len(), 3);
        assert!(cut[0].1 && cut[1].1 && !cut[2].1);
        assert_eq!(cut[0].0.len(), MOST_LINE - 1);
        assert!(cut.iter().all(|(line, _)| std::str::from_utf8(line).is_ok()));
        // Exactly as long as may be, it is whole.
        assert_eq!(lines(&[&[b'a'; MOST_LINE], b"\n"]), [(vec![b'a'; MOST_LINE], false)]);
    }

    #[test]
    fn prefixes() {
        assert_eq!(prefix(b"<3>no carrier"), Some((Priority::ERROR, &b"no carrier"[..])));
        for none in [&b"<8>x"[..], b"<13>x", b"<3", b"3>x", b""] {
            assert_eq!(prefix(none), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_change_nothing_and_nothing_is_lost(
            runs in vec((prop::sample::select(b"a\n\xc3\xa9\xf0".to_vec()), 1..60_000usize), 0..12),
            cuts in vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let octets: Vec<u8> = runs.iter().flat_map(|(octet, times)| {
                // Newlines in a row stay few.
                std::iter::repeat_n(*octet, if *octet == b'\n' { times % 3 } else { *times })
            }).collect();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            at.extend([0, octets.len()]);
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|ends| &octets[ends[0]..ends[1]]).collect();
            let whole = lines(&[&octets]);
            prop_assert_eq!(&lines(&pieces), &whole);
            prop_assert!(whole.iter().all(|(line, _)| line.len() <= MOST_LINE));
            let mut expected = octets.clone();
            if expected.last().is_some_and(|last| *last != b'\n') {
                expected.push(b'\n');
            }
            prop_assert_eq!(joined(&whole), expected);
        }
    }
}
