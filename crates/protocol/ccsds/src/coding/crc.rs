//! Frame error control: the CRC-16 of TM, TC, AOS and USLP frames (132.0-B §4.1.6, 732.0-B §4.1.6) and the CRC-32
//! that USLP allows (732.1-B §4.1.6, annex B). Both run over the whole frame before the field, never over the
//! sync marker. A frame with its own field appended gives 0.

/// Octets taken in one step: each has a table of its own, so that no look-up waits for another.
const SLICES: usize = 16;

/// A CRC, most significant bit first, and its tables.
macro_rules! crc {
    ($(#[$doc:meta])* $name:ident, $tables:ident: $word:ty, $polynomial:literal, $preset:expr) => {
        $(#[$doc])*
        pub fn $name(octets: &[u8]) -> $word {
            let (groups, rest) = octets.as_chunks::<SLICES>();
            let crc = groups.iter().fold($preset, |crc: $word, group| {
                let mut group = *group;
                for (octet, crc) in group.iter_mut().zip(crc.to_be_bytes()) {
                    *octet ^= crc;
                }
                let tables = group.iter().zip($tables.iter().rev());
                tables.fold(0, |sum, (octet, table)| sum ^ table[usize::from(*octet)])
            });
            rest.iter().fold(crc, |crc, octet| crc << 8 ^ $tables[0][usize::from(crc.to_be_bytes()[0] ^ octet)])
        }

        /// `[k][octet]` is the remainder of `octet` with k octets of zeros after it.
        static $tables: [[$word; 256]; SLICES] = {
            const TOP: u32 = <$word>::BITS - 8;
            let mut tables = [[0; 256]; SLICES];
            let mut octet = 0;
            while octet < 256 {
                let mut crc = (octet as $word) << TOP;
                let mut bit = 0;
                while bit < 8 {
                    crc = if crc >> (TOP + 7) != 0 { crc << 1 ^ $polynomial } else { crc << 1 };
                    bit += 1;
                }
                tables[0][octet] = crc;
                octet += 1;
            }
            let mut slice = 1;
            while slice < SLICES {
                let mut octet = 0;
                while octet < 256 {
                    let before = tables[slice - 1][octet];
                    tables[slice][octet] = before << 8 ^ tables[0][(before >> TOP) as usize];
                    octet += 1;
                }
                slice += 1;
            }
            tables
        };
    };
}

crc! {
    /// x¹⁶ + x¹² + x⁵ + 1, preset to all ones, most significant bit first.
    crc16, CRC16: u16, 0x1021, u16::MAX
}

crc! {
    /// x³² + x²³ + x²¹ + x¹¹ + x² + 1, preset to zeros, most significant bit first.
    crc32, CRC32: u32, 0x00A0_0805, 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(crc16(b""), 0xFFFF);
        assert_eq!(crc16(b"123456789"), 0x29B1);
        assert_eq!(crc16(&[1, 2, 3, 4]), 0x89C3);
        assert_eq!(crc32(b"123456789"), 0x5169_3C0C);
    }

    /// Bit by bit, as the standards draw the shift register.
    fn by_register(octets: &[u8], width: u32, polynomial: u32, preset: u32) -> u32 {
        let top = 1 << (width - 1);
        let mask = (u64::from(top) * 2 - 1) as u32;
        let mut register = preset;
        for octet in octets {
            for bit in (0..8).rev() {
                let feedback = (register & top != 0) ^ (octet >> bit & 1 != 0);
                register = register << 1 & mask;
                if feedback {
                    register ^= polynomial;
                }
            }
        }
        register
    }

    proptest! {
        #[test]
        fn agree_with_the_shift_register(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(u32::from(crc16(&octets)), by_register(&octets, 16, 0x1021, 0xFFFF));
            prop_assert_eq!(crc32(&octets), by_register(&octets, 32, 0x00A0_0805, 0));
        }

        #[test]
        fn a_frame_with_its_field_gives_zero(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with = |field: &[u8]| [&octets, field].concat();
            prop_assert_eq!(crc16(&with(&crc16(&octets).to_be_bytes())), 0);
            prop_assert_eq!(crc32(&with(&crc32(&octets).to_be_bytes())), 0);
        }
    }
}
