//! The pseudo-randomiser (CCSDS 131.0-B §10): the same exclusive-or on both sides of the link.
//!
//! The sequence starts anew at each frame, codeblock or codeword, after the attached sync marker, which is
//! never randomised. When receiving it is taken off before Reed-Solomon decoding.

use std::sync::LazyLock;

/// Which pseudo-random sequence the link uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomizer {
    /// h(x) = x⁸ + x⁷ + x⁵ + x³ + 1, preset to all ones; 255 bits. The legacy sequence.
    Period255,
    /// h(x) = x¹⁷ + x¹⁴ + 1, preset to 11000111000111000; 131071 bits. The default since 131.0-B-5.
    Period131071,
}

impl Randomizer {
    /// Randomises `octets` in place, or takes the randomisation off: the two are the same.
    pub fn apply(self, octets: &mut [u8]) {
        let sequence = self.sequence();
        for piece in octets.chunks_mut(sequence.len()) {
            for (octet, random) in piece.iter_mut().zip(sequence) {
                *octet ^= random;
            }
        }
    }

    /// As [`apply`](Self::apply), from `input` into `output`: one pass instead of a copy and a pass.
    ///
    /// # Panics
    /// When the two differ in length.
    pub fn apply_to(self, input: &[u8], output: &mut [u8]) {
        assert_eq!(input.len(), output.len(), "randomiser input and output differ in length");
        let sequence = self.sequence();
        for (from, to) in input.chunks(sequence.len()).zip(output.chunks_mut(sequence.len())) {
            for ((octet, random), to) in from.iter().zip(sequence).zip(to) {
                *to = octet ^ random;
            }
        }
    }

    /// Whole periods of the sequence, in octets: what is longer wraps round.
    fn sequence(self) -> &'static [u8] {
        match self {
            Randomizer::Period255 => &PERIOD_255,
            Randomizer::Period131071 => &PERIOD_131071,
        }
    }
}

/// Eight periods, so that the longest Reed-Solomon codeblock (I = 8) is one piece.
static PERIOD_255: [u8; 8 * 255] = {
    let mut sequence = [0; 8 * 255];
    let mut register = 0xFFu8; // the next bit out is bit 7
    let mut at = 0;
    while at < 8 * sequence.len() {
        sequence[at / 8] = sequence[at / 8] << 1 | register >> 7;
        // a[n+8] = a[n] ^ a[n+3] ^ a[n+5] ^ a[n+7]
        let next = (register >> 7) ^ (register >> 4) ^ (register >> 2) ^ register;
        register = register << 1 | (next & 1);
        at += 1;
    }
    sequence
};

/// 131071 octets hold eight periods of 131071 bits.
static PERIOD_131071: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut register = 0b1_1000_1110_0011_1000u32; // the next bit out is bit 0: the last one printed
    (0..131_071)
        .map(|_| {
            let mut octet = 0;
            for _ in 0..8 {
                octet = octet << 1 | (register & 1) as u8;
                // a[n+17] = a[n] ^ a[n+14]
                register = register >> 1 | ((register ^ register >> 14) & 1) << 16;
            }
            octet
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(randomizer: Randomizer, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        randomizer.apply(&mut octets);
        octets
    }

    #[test]
    fn starts_as_the_standard_prints_it() {
        assert_eq!(sequence(Randomizer::Period255, 8), [0xFF, 0x48, 0x0E, 0xC0, 0x9A, 0x0D, 0x70, 0xBC]);
        assert_eq!(sequence(Randomizer::Period131071, 5), [0x1C, 0x71, 0xB9, 0x1B, 0xA9]);
    }

    #[test]
    fn repeats_after_its_period_and_wraps_round() {
        let short = sequence(Randomizer::Period255, 5000);
        assert!(short.iter().zip(&short[255..]).all(|(a, b)| a == b));
        let long = sequence(Randomizer::Period131071, 131_071 + 40);
        assert_eq!(long[..40], long[131_071..]);
        let ones: u32 = long[..131_071].iter().map(|octet| octet.count_ones()).sum();
        assert_eq!(ones, 8 * 65_536, "a maximal-length sequence has one more 1 than 0 in a period");
    }

    #[test]
    fn is_its_own_inverse_and_copies_alike() {
        let data: Vec<u8> = (0..3000u32).map(|i| (i * 7) as u8).collect();
        for randomizer in [Randomizer::Period255, Randomizer::Period131071] {
            let mut copied = vec![0; data.len()];
            randomizer.apply_to(&data, &mut copied);
            assert_ne!(copied, data);
            randomizer.apply(&mut copied);
            assert_eq!(copied, data);
        }
    }
}
