//! The AOS frame header error control (732.0-B §4.1.2.6): a shortened Reed-Solomon (10,6) code over GF(16) that
//! protects the master channel and virtual channel identifiers (header octets 0 and 1) and the signalling field
//! (octet 5). It corrects two 4-bit symbols; the frame count is left to Reed-Solomon and the FECF.

/// What the decoder made of a protected header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// Octets 0 and 1: version, spacecraft and virtual channel.
    pub identifiers: u16,
    /// Octet 5, the signalling field.
    pub signalling: u8,
    /// 4-bit symbols that were put right, those of the control field included: 0, 1 or 2.
    pub corrected: u8,
}

/// The two octets of the frame header error control.
pub fn encode(identifiers: u16, signalling: u8) -> u16 {
    let data = symbols(identifiers, signalling, 0);
    let mut parity = [0u8; PARITY];
    for symbol in &data[..SYMBOLS - PARITY] {
        let feedback = symbol ^ parity[0];
        parity.rotate_left(1);
        parity[PARITY - 1] = 0;
        for (parity, coefficient) in parity.iter_mut().zip(GENERATOR) {
            *parity ^= multiply(feedback, coefficient);
        }
    }
    parity.iter().fold(0, |word, symbol| word << 4 | u16::from(*symbol))
}

/// The header as it was sent, or `None` when more than two symbols are wrong.
pub fn decode(identifiers: u16, signalling: u8, control: u16) -> Option<ProtectedHeader> {
    let mut symbols = symbols(identifiers, signalling, control);
    let corrected = correct(&mut symbols)?;
    let word = |symbols: &[u8]| symbols.iter().fold(0, |word, symbol| word << 4 | u16::from(*symbol));
    Some(ProtectedHeader {
        identifiers: word(&symbols[..4]),
        signalling: word(&symbols[4..6]) as u8,
        corrected,
    })
}

/// Peterson's solution for two errors: short enough to be written out.
fn correct(symbols: &mut [u8; SYMBOLS]) -> Option<u8> {
    let s: [u8; PARITY] = std::array::from_fn(|j| {
        symbols.iter().fold(0, |sum, symbol| multiply(sum, power(FIRST_ROOT + j)) ^ symbol)
    });
    if s == [0; PARITY] {
        return Some(0);
    }
    let degree = |at: usize| SYMBOLS - 1 - at;
    // One error of value e at degree d gives s[j] = e·a^(d(6+j)): a geometric row.
    if let Some(at) = (0..SYMBOLS)
        .find(|&at| s[0] != 0 && (1..PARITY).all(|j| s[j] == multiply(s[j - 1], power(degree(at)))))
    {
        symbols[at] ^= divide(s[0], power(degree(at) * FIRST_ROOT));
        return Some(1);
    }
    for one in 0..SYMBOLS {
        for other in one + 1..SYMBOLS {
            let (x, y) = (power(degree(one)), power(degree(other)));
            let (sum, product) = (x ^ y, multiply(x, y));
            let fits = |j: usize| s[j + 2] == multiply(sum, s[j + 1]) ^ multiply(product, s[j]);
            if fits(0) && fits(1) {
                let at_one = divide(s[1] ^ multiply(y, s[0]), sum);
                let at_other = s[0] ^ at_one;
                symbols[one] ^= divide(at_one, power(degree(one) * FIRST_ROOT));
                symbols[other] ^= divide(at_other, power(degree(other) * FIRST_ROOT));
                return Some(2);
            }
        }
    }
    None
}

const SYMBOLS: usize = 10;
const PARITY: usize = 4;
/// The generator's roots are a⁶, a⁷, a⁸, a⁹.
const FIRST_ROOT: usize = 6;

/// The product of (x - a^j) without its leading 1: x⁴ + a³x³ + ax² + a³x + 1.
const GENERATOR: [u8; PARITY] = [8, 2, 8, 1];

/// Powers of a in GF(16) with x⁴ + x + 1.
const POWERS: [u8; 15] = [1, 2, 4, 8, 3, 6, 12, 11, 5, 10, 7, 14, 15, 13, 9];

fn power(exponent: usize) -> u8 {
    POWERS[exponent % 15]
}

fn logarithm(value: u8) -> Option<usize> {
    POWERS.iter().position(|power| *power == value)
}

fn multiply(a: u8, b: u8) -> u8 {
    logarithm(a).zip(logarithm(b)).map_or(0, |(a, b)| power(a + b))
}

fn divide(a: u8, b: u8) -> u8 {
    logarithm(a).zip(logarithm(b)).map_or(0, |(a, b)| power(a + 15 - b))
}

fn symbols(identifiers: u16, signalling: u8, control: u16) -> [u8; SYMBOLS] {
    let word = u64::from(identifiers) << 24 | u64::from(signalling) << 16 | u64::from(control);
    std::array::from_fn(|at| (word >> (4 * (SYMBOLS - 1 - at)) & 0xF) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(encode(0x1234, 0x56), 0x94DC);
        assert_eq!(encode(0x369C, 0xFA), 0x457C);
    }

    #[test]
    fn two_wrong_symbols_anywhere_are_put_right() {
        let (identifiers, signalling) = (0x4845, 0x3C);
        let sent = symbols(identifiers, signalling, encode(identifiers, signalling));
        for one in 0..SYMBOLS {
            for other in 0..SYMBOLS {
                for (e, f) in (1..16).flat_map(|e| (0..16).map(move |f| (e, f))) {
                    let mut got = sent;
                    got[one] ^= e;
                    if other != one {
                        got[other] ^= f;
                    }
                    let wrong = u8::from(got[one] != sent[one]) + u8::from(other != one && f != 0);
                    assert_eq!(correct(&mut got), Some(wrong));
                    assert_eq!(got, sent);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(identifiers: u16, signalling: u8) {
            prop_assert_eq!(
                decode(identifiers, signalling, encode(identifiers, signalling)),
                Some(ProtectedHeader { identifiers, signalling, corrected: 0 })
            );
        }

        /// The code has distance 5: three errors are refused or mistaken for two others, never for the sent word.
        #[test]
        fn three_wrong_symbols_never_pass_as_clean(identifiers: u16, signalling: u8, e in 1u8..16, f in 1u8..16, g in 1u8..16) {
            let mut got = symbols(identifiers, signalling, encode(identifiers, signalling));
            got[0] ^= e;
            got[3] ^= f;
            got[7] ^= g;
            prop_assert_ne!(correct(&mut got), Some(0));
        }
    }
}
