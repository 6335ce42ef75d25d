//! Gap detection: what a frame count says about the frames between this one and the last.

/// A frame count and the width of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCount {
    /// The value.
    pub value: u64,
    /// Bits of the field, 1 to 56; it wraps there.
    pub bits: u32,
}

/// How a count follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Nothing came before.
    First,
    /// The next in order.
    Next,
    /// Frames are missing. How many is known modulo the field only. A count that goes backwards was restarted,
    /// replayed or overtaken, and then nothing can be said: 0. In a field of 16 bits or more any step of less than
    /// half the field counts as backwards, in a shorter one a step of up to a thirty-second, or none at all.
    Gap {
        /// Frames missing.
        missing: u64,
    },
}

impl FrameCount {
    const fn mask(self) -> u64 {
        (1 << self.bits) - 1
    }

    /// How this count follows `last`. A field that changes its width starts anew, as a gap of unknown size.
    #[must_use]
    pub const fn after(self, last: Option<Self>) -> Continuity {
        let Some(last) = last else { return Continuity::First };
        if self.bits != last.bits {
            return Continuity::Gap { missing: 0 };
        }
        let missing = self.value.wrapping_sub(last.value).wrapping_sub(1) & self.mask();
        if missing == 0 {
            return Continuity::Next;
        }
        let back = self.mask() - missing;
        let backwards = back <= self.mask() / 32 || self.bits >= 16 && missing > self.mask() / 2;
        Continuity::Gap { missing: if backwards { 0 } else { missing } }
    }

    /// The count that should come next.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { value: (self.value + 1) & self.mask(), bits: self.bits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: u64, last: u64, bits: u32) -> Continuity {
        FrameCount { value, bits }.after(Some(FrameCount { value: last, bits }))
    }

    #[test]
    fn wraps_counts_gaps_and_knows_a_restart() {
        assert_eq!(FrameCount { value: 9, bits: 8 }.after(None), Continuity::First);
        assert_eq!(after(0, 255, 8), Continuity::Next);
        assert_eq!(after(0, 0xFFF_FFFF, 28), Continuity::Next);
        assert_eq!(after(2, 254, 8), Continuity::Gap { missing: 3 });
        assert_eq!(after(7, 7, 8), Continuity::Gap { missing: 0 });
        assert_eq!(after(254, 5, 8), Continuity::Gap { missing: 0 }, "seven back");
        assert_eq!(after(253, 5, 8), Continuity::Gap { missing: 247 }, "eight back, or 247 missing");
        assert_eq!(after(5, 1000, 24), Continuity::Gap { missing: 0 });
        assert_eq!(after(1, 1, 56), Continuity::Gap { missing: 0 });
        assert_eq!(FrameCount { value: (1 << 56) - 1, bits: 56 }.next().value, 0);
    }
}
