//! GF(256) with x⁸ + x⁷ + x² + x + 1, the field of the Reed-Solomon code (131.0-B §5.3).

#[cfg(target_arch = "x86_64")]
mod x86;

/// Powers of α; long enough for a sum of two logarithms, and zeros wherever [`ZERO`] took part.
static POWERS: [u8; 2 * ZERO as usize + 1] = {
    let mut powers = [0; 2 * ZERO as usize + 1];
    let mut value = 1u16;
    let mut exponent = 0;
    while exponent < ZERO as usize {
        powers[exponent] = value as u8;
        value <<= 1;
        if value & 0x100 != 0 {
            value ^= 0x187;
        }
        exponent += 1;
    }
    powers
};

/// Stands for the logarithm of 0: too large for any sum with it to be a true exponent.
const ZERO: u16 = 510;

static LOGARITHMS: [u16; 256] = {
    let mut logarithms = [ZERO; 256];
    let mut exponent = 0;
    while exponent < 255 {
        logarithms[POWERS[exponent] as usize] = exponent as u16;
        exponent += 1;
    }
    logarithms
};

/// α to any power.
pub(super) const fn power(exponent: usize) -> u8 {
    POWERS[exponent % 255]
}

/// a · b
#[inline]
pub(super) const fn multiply(a: u8, b: u8) -> u8 {
    POWERS[(LOGARITHMS[a as usize] + LOGARITHMS[b as usize]) as usize]
}

/// a / b
///
/// # Panics
/// When `b` is 0.
#[inline]
pub(super) fn divide(a: u8, b: u8) -> u8 {
    assert!(b != 0, "division by zero in GF(256)");
    POWERS[usize::from(LOGARITHMS[usize::from(a)] + 255 - LOGARITHMS[usize::from(b)])]
}

/// `NIBBLES[scalar]`: its product with each value of the lower half of an octet, then of the upper.
static NIBBLES: [[u8; 32]; 256] = {
    let mut nibbles = [[0; 32]; 256];
    let mut scalar = 0;
    while scalar < 256 {
        let mut value = 0;
        while value < 16 {
            nibbles[scalar][value] = multiply(scalar as u8, value as u8);
            nibbles[scalar][16 + value] = multiply(scalar as u8, (value as u8) << 4);
            value += 1;
        }
        scalar += 1;
    }
    nibbles
};

/// `sums[i] ^= scalar · row[i]`, the rows in vectors of 32 octets.
pub(super) fn multiply_add(sums: &mut [[u8; 32]], scalar: u8, row: &[[u8; 32]]) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        return x86::multiply_add(sums, scalar, row);
    }
    multiply_add_portable(sums, scalar, row);
}

/// The safe twin.
fn multiply_add_portable(sums: &mut [[u8; 32]], scalar: u8, row: &[[u8; 32]]) {
    let nibbles = &NIBBLES[usize::from(scalar)];
    for (sum, value) in sums.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
        *sum ^= nibbles[usize::from(value & 0xF)] ^ nibbles[16 + usize::from(value >> 4)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_field() {
        let slow = |a: u8, b: u8| {
            let mut product = 0u16;
            for bit in (0..8).rev() {
                product <<= 1;
                if product & 0x100 != 0 {
                    product ^= 0x187;
                }
                if b >> bit & 1 != 0 {
                    product ^= u16::from(a);
                }
            }
            product as u8
        };
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), slow(a, b));
                if b != 0 {
                    assert_eq!(multiply(divide(a, b), b), a);
                }
            }
        }
    }
}
