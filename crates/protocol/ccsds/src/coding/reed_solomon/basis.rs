//! From the conventional basis to Berlekamp's dual basis and back (131.0-B annex F): two 8 × 8 matrices over
//! GF(2), unrolled into tables.

/// The octet that the dual basis writes for what the conventional basis writes as `octet`.
pub(super) fn to_dual(octet: u8) -> u8 {
    TO_DUAL[usize::from(octet)]
}

/// The way back from [`to_dual`].
pub(super) fn to_conventional(octet: u8) -> u8 {
    TO_CONVENTIONAL[usize::from(octet)]
}

/// What each bit of an octet, the most significant first, contributes.
static TO_DUAL: [u8; 256] = table([0x8D, 0xEF, 0xEC, 0x86, 0xFA, 0x99, 0xAF, 0x7B]);
static TO_CONVENTIONAL: [u8; 256] = table([0xC5, 0x42, 0x2E, 0xFD, 0xF0, 0x79, 0xAC, 0xCC]);

const fn table(rows: [u8; 8]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut bit = 0;
        while bit < 8 {
            if octet >> (7 - bit) & 1 != 0 {
                table[octet] ^= rows[bit];
            }
            bit += 1;
        }
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ways_are_inverse() {
        for octet in 0..=255 {
            assert_eq!(to_conventional(to_dual(octet)), octet);
        }
    }

    /// Libraries without the dual basis are right about these only by accident.
    #[test]
    fn one_and_all_ones_are_told_apart() {
        assert_eq!(to_dual(0x01), 0x7B);
        assert_eq!(to_dual(0x80), 0x8D);
        assert_eq!(to_conventional(0xFF), 0xC5 ^ 0x42 ^ 0x2E ^ 0xFD ^ 0xF0 ^ 0x79 ^ 0xAC ^ 0xCC);
    }
}
