//! The marker itself: how far some bits are from it, in either polarity.

/// An attached sync marker and how many bit errors it may have.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    octets: Vec<u8>,
    max_errors: u32,
}

/// How a marker was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) errors: u32,
    pub(super) inverted: bool,
}

impl Marker {
    pub(super) fn new(octets: Vec<u8>, max_errors: u32) -> Self {
        Self { octets, max_errors }
    }

    /// Octets of the marker.
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether these octets, as many as the marker has, are one.
    pub(super) fn hit(&self, octets: impl Iterator<Item = u8>) -> Option<Hit> {
        let distance = octets.zip(&self.octets).map(|(octet, marker)| (octet ^ marker).count_ones()).sum();
        self.judge(distance)
    }

    /// What a distance of so many bits means.
    fn judge(&self, distance: u32) -> Option<Hit> {
        let opposite = 8 * self.octets.len() as u32 - distance;
        if distance <= self.max_errors {
            Some(Hit { errors: distance, inverted: false })
        } else if opposite <= self.max_errors {
            Some(Hit { errors: opposite, inverted: true })
        } else {
            None
        }
    }

    /// Whether a marker may begin at one of the first [`PIECE`] octets: judged by its first octets, for all places at
    /// once, and seldom wrong.
    pub(super) fn may_begin(&self, octets: &[u8; PIECE + OVERLAP]) -> bool {
        let prefix = &self.octets[..self.octets.len().min(OVERLAP + 1)];
        let mut distances = [0; PIECE];
        for (offset, marker) in prefix.iter().enumerate() {
            for (distance, octet) in distances.iter_mut().zip(&octets[offset..]) {
                *distance += (octet ^ marker).count_ones() as u8;
            }
        }
        // All of its errors may be in the first octets.
        let bits = 8 * prefix.len() as u8;
        let few = self.max_errors.min(u32::from(bits)) as u8;
        let many = bits - few;
        distances.iter().fold(false, |any, distance| any | (*distance <= few) | (*distance >= many))
    }
}

/// Places judged at once.
pub(super) const PIECE: usize = 64;
/// Octets beyond them that are needed for it.
pub(super) const OVERLAP: usize = 3;
