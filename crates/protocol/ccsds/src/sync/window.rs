//! The part of the input that is in sight, addressed by octets or by bits.

use std::ops::Range;

use super::marker::{Hit, Marker, OVERLAP, PIECE};

/// Places are counted from the beginning of the whole input, in the window's unit.
pub(super) trait Window {
    /// The first place beyond what is in sight.
    fn end(&self) -> u64;

    /// Whether a marker is at this place and wholly in sight.
    fn marker_at(&self, at: u64) -> Option<Hit>;

    /// The first marker that begins in the range and is wholly in sight.
    fn find(&self, range: Range<u64>) -> Option<(u64, Hit)>;

    /// The octets from `at` on, as many as the scratch has: lent when they need no change.
    fn octets<'a>(&'a self, at: u64, inverted: bool, scratch: &'a mut [u8]) -> &'a [u8];
}

/// Counted in octets.
pub(super) struct OctetWindow<'a> {
    pub(super) octets: &'a [u8],
    /// Octets of the input before these.
    pub(super) base: u64,
    pub(super) marker: &'a Marker,
}

impl Window for OctetWindow<'_> {
    fn end(&self) -> u64 {
        self.base + self.octets.len() as u64
    }

    fn marker_at(&self, at: u64) -> Option<Hit> {
        let start = usize::try_from(at.checked_sub(self.base)?).ok()?;
        let octets = self.octets.get(start..start.checked_add(self.marker.len())?)?;
        self.marker.hit(octets.iter().copied())
    }

    fn find(&self, range: Range<u64>) -> Option<(u64, Hit)> {
        let last = self.end().checked_sub(self.marker.len() as u64)?;
        let end = range.end.min(last + 1);
        let mut at = range.start;
        while at < end {
            let octets = self.octets.get((at - self.base) as usize..).unwrap_or_default();
            if octets.first_chunk().is_none_or(|piece| self.marker.may_begin(piece)) {
                let piece = at..end.min(at + PIECE as u64);
                if let Some(found) = piece.into_iter().find_map(|at| Some((at, self.marker_at(at)?))) {
                    return Some(found);
                }
            }
            at += PIECE as u64;
        }
        None
    }

    fn octets<'a>(&'a self, at: u64, inverted: bool, scratch: &'a mut [u8]) -> &'a [u8] {
        let octets = &self.octets[(at - self.base) as usize..][..scratch.len()];
        if !inverted {
            return octets;
        }
        for (to, octet) in scratch.iter_mut().zip(octets) {
            *to = !octet;
        }
        scratch
    }
}

/// Counted in bits.
pub(super) struct BitWindow<'a> {
    pub(super) octets: &'a [u8],
    /// Octets of the input before these.
    pub(super) base: u64,
    /// Bits of the input up to the end of these: the last octet may be filled up.
    pub(super) end: u64,
    pub(super) marker: &'a Marker,
}

impl BitWindow<'_> {
    /// The octet that begins at a bit of the window.
    fn octet(&self, bit: usize) -> u8 {
        let pair = |at: usize| u16::from(self.octets.get(at).copied().unwrap_or(0));
        ((pair(bit / 8) << 8 | pair(bit / 8 + 1)) >> (8 - bit % 8)) as u8
    }

    /// Whether a marker may begin at any bit of the first octets.
    fn may_begin(&self, octets: &[u8]) -> bool {
        let Some(octets) = octets.first_chunk::<{ PIECE + OVERLAP + 1 }>() else { return true };
        (0..8).any(|shift| {
            let shifted = std::array::from_fn(|at| {
                octets[at] << shift | (u16::from(octets[at + 1]) >> (8 - shift)) as u8
            });
            self.marker.may_begin(&shifted)
        })
    }
}

impl Window for BitWindow<'_> {
    fn end(&self) -> u64 {
        self.end
    }

    fn marker_at(&self, at: u64) -> Option<Hit> {
        let bit = usize::try_from(at.checked_sub(8 * self.base)?).ok()?;
        if at + 8 * self.marker.len() as u64 > self.end {
            return None;
        }
        self.marker.hit((0..self.marker.len()).map(|octet| self.octet(bit + 8 * octet)))
    }

    fn find(&self, range: Range<u64>) -> Option<(u64, Hit)> {
        let last = self.end.checked_sub(8 * self.marker.len() as u64)?;
        let range = range.start..range.end.min(last + 1);
        if range.is_empty() {
            return None;
        }
        let mut at = range.start - range.start % 8;
        while at < range.end {
            let beyond = at + 8 * PIECE as u64;
            if self.may_begin(&self.octets[(at / 8 - self.base) as usize..]) {
                let mut places = at.max(range.start)..beyond.min(range.end);
                if let Some(found) = places.find_map(|at| Some((at, self.marker_at(at)?))) {
                    return Some(found);
                }
            }
            at = beyond;
        }
        None
    }

    fn octets<'a>(&'a self, at: u64, inverted: bool, scratch: &'a mut [u8]) -> &'a [u8] {
        let bit = (at - 8 * self.base) as usize;
        let (shift, from) = (bit % 8, &self.octets[bit / 8..]);
        let flip = if inverted { 0xFF } else { 0 };
        if shift == 0 {
            if !inverted {
                return &from[..scratch.len()];
            }
            for (to, octet) in scratch.iter_mut().zip(from) {
                *to = octet ^ flip;
            }
        } else {
            for (to, pair) in scratch.iter_mut().zip(from.windows(2)) {
                *to = ((u16::from(pair[0]) << 8 | u16::from(pair[1])) >> (8 - shift)) as u8 ^ flip;
            }
        }
        scratch
    }
}
