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

    /// The first eight octets of the marker, or as many as it has, at the upper end of a word, and their mask.
    pub(super) fn word(&self) -> (u64, u64) {
        let mut octets = [0; 8];
        let mut mask = [0; 8];
        for ((to, mask), octet) in octets.iter_mut().zip(&mut mask).zip(&self.octets) {
            (*to, *mask) = (*octet, 0xFF);
        }
        (u64::from_be_bytes(octets), u64::from_be_bytes(mask))
    }

    /// Whether a word that begins with `errors` wrong bits out of `bits` may still be a marker.
    #[inline]
    pub(super) fn possible(&self, errors: u32, bits: u32) -> bool {
        errors <= self.max_errors || bits - errors <= self.max_errors
    }
}
