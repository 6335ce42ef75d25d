//! Encoded numbers (XTCE 1.2 IntegerEncodingType, FloatEncodingType), there and back.

use crate::database::types::{FloatCoding, IntegerCoding};
use crate::value::Value;

/// The value of an encoded integer of `bits` bits; absent for octets that are no BCD digits.
pub(crate) fn integer(coded: u64, bits: u8, coding: IntegerCoding) -> Value {
    match coding {
        IntegerCoding::Unsigned => Value::Unsigned(coded),
        IntegerCoding::TwosComplement => Value::Signed(sign_extend(coded, bits)),
        IntegerCoding::OnesComplement => {
            let negative = coded >> (bits - 1) & 1 == 1;
            Value::Signed(if negative { -((!coded & ones(bits)) as i64) } else { coded as i64 })
        }
        IntegerCoding::SignMagnitude => {
            let magnitude = (coded & ones(bits - 1)) as i64;
            Value::Signed(if coded >> (bits - 1) & 1 == 1 { -magnitude } else { magnitude })
        }
        IntegerCoding::Bcd => digits(coded, bits, 8),
        IntegerCoding::PackedBcd => digits(coded, bits, 4),
    }
}

fn digits(coded: u64, bits: u8, width: u8) -> Value {
    let mut value = 0u64;
    for at in (0..bits / width).rev() {
        let digit = coded >> (at * width) & ones(width);
        if digit > 9 {
            return Value::Absent;
        }
        value = value * 10 + digit;
    }
    Value::Unsigned(value)
}

/// Encodes an integer; `None` if it does not fit.
pub(crate) fn encode_integer(value: i128, bits: u8, coding: IntegerCoding) -> Option<u64> {
    let magnitude = u64::try_from(value.unsigned_abs()).ok()?;
    match coding {
        IntegerCoding::Unsigned => (value >= 0 && magnitude <= ones(bits)).then_some(magnitude),
        IntegerCoding::TwosComplement => {
            let half = 1i128 << (bits - 1);
            (-half..half).contains(&value).then_some(value as u64 & ones(bits))
        }
        IntegerCoding::OnesComplement => (magnitude <= ones(bits - 1)).then_some(if value < 0 {
            !magnitude & ones(bits)
        } else {
            magnitude
        }),
        IntegerCoding::SignMagnitude => {
            (magnitude <= ones(bits - 1)).then_some(u64::from(value < 0) << (bits - 1) | magnitude)
        }
        IntegerCoding::Bcd => encode_digits(value, bits, 8),
        IntegerCoding::PackedBcd => encode_digits(value, bits, 4),
    }
}

fn encode_digits(value: i128, bits: u8, width: u8) -> Option<u64> {
    let mut rest = u64::try_from(value).ok()?;
    let mut coded = 0;
    for at in 0..bits / width {
        coded |= (rest % 10) << (at * width);
        rest /= 10;
    }
    (rest == 0).then_some(coded)
}

/// The value of an encoded floating-point number.
pub(crate) fn float(coded: u64, bits: u8, coding: FloatCoding) -> f64 {
    match (coding, bits) {
        (FloatCoding::Ieee754, 16) => half(coded as u16),
        (FloatCoding::Ieee754, 32) => f64::from(f32::from_bits(coded as u32)),
        (FloatCoding::Ieee754, _) => f64::from_bits(coded),
        (FloatCoding::MilStd1750A, 32) => {
            // Mantissa of 24 bits, exponent of 8, both two's complement; the mantissa is a fraction.
            let mantissa = sign_extend(coded >> 8 & ones(24), 24) as f64;
            scale(mantissa, i32::from(coded as u8 as i8) - 23)
        }
        (FloatCoding::MilStd1750A, _) => {
            // The exponent lies between the 24 upper and the 16 lower bits of the mantissa.
            let mantissa = sign_extend((coded >> 24 & ones(24)) << 16 | coded & ones(16), 40) as f64;
            scale(mantissa, i32::from((coded >> 16) as u8 as i8) - 39)
        }
    }
}

/// Encodes a floating-point number, rounded to the nearest; `None` if it does not fit.
pub(crate) fn encode_float(value: f64, bits: u8, coding: FloatCoding) -> Option<u64> {
    match (coding, bits) {
        (FloatCoding::Ieee754, 16) => Some(u64::from(encode_half(value))),
        (FloatCoding::Ieee754, 32) => Some(u64::from((value as f32).to_bits())),
        (FloatCoding::Ieee754, _) => Some(value.to_bits()),
        (FloatCoding::MilStd1750A, bits) => {
            let fraction = if bits == 32 { 23 } else { 39 };
            if !value.is_finite() {
                return None;
            }
            // The smallest exponent whose mantissa holds the value.
            let limit = (1i64 << fraction) as f64;
            for exponent in -128..=127 {
                let mantissa = scale(value, fraction - exponent).round();
                if (-limit..limit).contains(&mantissa) {
                    let mantissa = mantissa as i64 as u64;
                    let exponent = u64::from(exponent as i8 as u8);
                    return Some(if bits == 32 {
                        (mantissa & ones(24)) << 8 | exponent
                    } else {
                        (mantissa >> 16 & ones(24)) << 24 | exponent << 16 | mantissa & ones(16)
                    });
                }
            }
            None
        }
    }
}

/// IEEE 754 binary16.
fn half(coded: u16) -> f64 {
    let sign = if coded >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(coded & 0x3FF);
    match coded >> 10 & 0x1F {
        0 => sign * scale(fraction, -24),
        0x1F if fraction == 0.0 => sign * f64::INFINITY,
        0x1F => f64::NAN,
        exponent => sign * scale(1024.0 + fraction, i32::from(exponent) - 25),
    }
}

fn encode_half(value: f64) -> u16 {
    let sign = u16::from(value.is_sign_negative()) << 15;
    let magnitude = value.abs();
    if value.is_nan() {
        return 0x7E00;
    }
    if magnitude >= 65_520.0 {
        return sign | 0x7C00;
    }
    if magnitude < scale(1.0, -14) {
        return sign | scale(magnitude, 24).round_ties_even() as u16;
    }
    let mut exponent = 15;
    while magnitude < scale(1.0, exponent) {
        exponent -= 1;
    }
    // A carry of the rounding goes into the exponent, as it should.
    let fraction = scale(magnitude, 10 - exponent).round_ties_even() as u16 - 1024;
    (sign | (((exponent + 15) as u16) << 10)) + fraction
}

fn scale(value: f64, exponent: i32) -> f64 {
    // Two steps, as a single power of two may lie outside the range.
    let half = exponent / 2;
    value * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// The value of `bits` bits in two's complement.
#[inline(always)]
pub(crate) fn sign_extend(coded: u64, bits: u8) -> i64 {
    let unused = 64 - u32::from(bits);
    ((coded << unused) as i64) >> unused
}

/// The lowest `bits` bits set.
#[inline(always)]
pub(crate) fn ones(bits: u8) -> u64 {
    if bits == 0 { 0 } else { u64::MAX >> (64 - u32::from(bits)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_in_every_coding() {
        use IntegerCoding as Coding;
        for (coded, bits, coding, expected) in [
            (0xFF, 8, Coding::TwosComplement, Value::Signed(-1)),
            (0xFE, 8, Coding::OnesComplement, Value::Signed(-1)),
            (0x81, 8, Coding::SignMagnitude, Value::Signed(-1)),
            (1, 1, Coding::TwosComplement, Value::Signed(-1)),
            (1, 1, Coding::SignMagnitude, Value::Signed(0)),
            (0x010203, 24, Coding::Bcd, Value::Unsigned(123)),
            (0x123, 12, Coding::PackedBcd, Value::Unsigned(123)),
            (0x12A, 12, Coding::PackedBcd, Value::Absent),
            (u64::MAX, 64, Coding::Unsigned, Value::Unsigned(u64::MAX)),
        ] {
            assert_eq!(integer(coded, bits, coding), expected, "{coding:?}");
        }
    }

    /// MIL-STD-1750A, table of examples in section 4.1.3.4.
    #[test]
    fn floats_of_mil_std_1750a() {
        for (coded, expected) in [
            (0x7FFF_FF7F, 0.999_999_88 * 2f64.powi(127)),
            (0x4000_007F, 0.5 * 2f64.powi(127)),
            (0x5000_0004, 10.0),
            (0x4000_0001, 1.0),
            (0x4000_0000, 0.5),
            (0x4000_00FF, 0.25),
            (0x4000_0080, 0.5 * 2f64.powi(-128)),
            (0x0000_0000, 0.0),
            (0x8000_0000, -1.0),
            (0xBFFF_FF80, -0.500_000_1 * 2f64.powi(-128)),
            (0x9FFF_FF04, -12.000_001),
        ] {
            let value = float(coded, 32, FloatCoding::MilStd1750A);
            assert!((value - expected).abs() <= expected.abs() * 1e-6, "{coded:08X}: {value}");
        }
        for (coded, expected) in [
            (0x4000_007F_0000, 0.5 * 2f64.powi(127)),
            (0x4000_0000_0000, 0.5),
            (0x8000_0000_0000, -1.0),
            (0xA000_00FF_0000, -0.75 * 0.5),
        ] {
            assert_eq!(float(coded, 48, FloatCoding::MilStd1750A), expected, "{coded:012X}");
        }
    }

    #[test]
    fn floats_of_sixteen_bits() {
        for (coded, expected) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 2f64.powi(-24)),
            (0x7C00, f64::INFINITY),
        ] {
            assert_eq!(half(coded), expected);
            assert_eq!(encode_half(expected), coded);
        }
        assert!(half(0x7C01).is_nan());
    }

    proptest! {
        #[test]
        fn integers_go_there_and_back(coded: u64, bits in 1u8..=64, which in 0..4u8) {
            let coding = [IntegerCoding::Unsigned, IntegerCoding::TwosComplement, IntegerCoding::OnesComplement, IntegerCoding::SignMagnitude][usize::from(which)];
            let coded = coded >> (64 - bits);
            let value = integer(coded, bits, coding).as_i128().expect("a number");
            let again = encode_integer(value, bits, coding).expect("fits");
            prop_assert_eq!(integer(again, bits, coding).as_i128(), Some(value));
        }

        #[test]
        fn half_floats_go_there_and_back(coded: u16) {
            let value = half(coded);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(encode_half(value), coded);
        }

        #[test]
        fn mil_floats_go_there_and_back(coded: u64, long: bool) {
            let bits = if long { 48 } else { 32 };
            let value = float(coded & ones(bits), bits, FloatCoding::MilStd1750A);
            let again = encode_float(value, bits, FloatCoding::MilStd1750A).expect("fits");
            prop_assert_eq!(float(again, bits, FloatCoding::MilStd1750A), value);
        }
    }
}
