//! Bit fields: octets in network order, the first bit the most significant (XTCE bit 0).

use crate::database::types::{OctetOrder, Order};

/// `bits` (at most 64) from bit `at` on, right-aligned; zero where the packet has ended. Callers check the bounds.
#[inline]
pub(crate) fn extract(packet: &[u8], at: u64, bits: u8) -> u64 {
    let first = (at / 8) as usize;
    let shift = (at % 8) as u32;
    let bits = u32::from(bits);
    if bits == 0 {
        return 0;
    }
    let mut window = [0u8; 8];
    let rest = packet.get(first..).unwrap_or_default();
    let high = match rest.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            window[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(window)
        }
    };
    let value = (high << shift) >> (64 - bits);
    match (bits + shift).checked_sub(64) {
        // The field reaches into a ninth octet.
        Some(over @ 1..) => value | u64::from(rest.get(8).copied().unwrap_or(0)) >> (8 - over),
        _ => value,
    }
}

/// Undoes the order of octets and bits; octets are counted from the first bit of the field, so a last
/// one may be partial.
pub(crate) fn reorder(value: u64, bits: u8, order: &Order) -> u64 {
    if order.is_plain() {
        return value;
    }
    let count = usize::from(bits.div_ceil(8));
    let partial = u32::from(bits % 8);
    let mut octets = [0u8; 8];
    let mut width = [8u32; 8];
    if partial != 0 {
        width[count - 1] = partial;
    }
    let mut rest = u32::from(bits);
    for at in 0..count {
        rest -= width[at];
        let octet = (value >> rest) as u8 & (0xFF >> (8 - width[at]));
        octets[at] = if order.bits_reversed { octet.reverse_bits() >> (8 - width[at]) } else { octet };
    }
    let parts = octets.iter().zip(&width).take(count).enumerate();
    parts.fold(0, |result, (at, (octet, width))| match order.octets {
        OctetOrder::MostSignificantFirst => result << width | u64::from(*octet),
        OctetOrder::LeastSignificantFirst => result | u64::from(*octet) << (8 * at),
        OctetOrder::List(significance) => result | u64::from(*octet) << (8 * u32::from(significance[at])),
    })
}

/// The way back of [`reorder`].
pub(crate) fn disorder(value: u64, bits: u8, order: &Order) -> u64 {
    if order.is_plain() {
        return value;
    }
    let count = usize::from(bits.div_ceil(8));
    let partial = u32::from(bits % 8);
    let mut result = 0u64;
    let mut taken = 0u32;
    for at in 0..count {
        let width = if at + 1 == count && partial != 0 { partial } else { 8 };
        let low = match order.octets {
            OctetOrder::MostSignificantFirst => u32::from(bits) - taken - width,
            OctetOrder::LeastSignificantFirst => 8 * at as u32,
            OctetOrder::List(significance) => 8 * u32::from(significance[at]),
        };
        taken += width;
        let octet = (value >> low) as u8 & (0xFF >> (8 - width));
        let octet = if order.bits_reversed { octet.reverse_bits() >> (8 - width) } else { octet };
        result = result << width | u64::from(octet);
    }
    result
}

/// Copies `bits` from bit `at` on; the last octet is filled up with zero bits.
pub(crate) fn copy(packet: &[u8], at: u64, bits: u64, out: &mut Vec<u8>) {
    let first = (at / 8) as usize;
    let shift = (at % 8) as u32;
    let whole = bits.div_ceil(8) as usize;
    let rest = packet.get(first..).unwrap_or_default();
    let start = out.len();
    if shift == 0 {
        out.extend_from_slice(rest.get(..whole).unwrap_or(rest));
    } else {
        let next = rest.get(1..).unwrap_or_default().iter().copied().chain(std::iter::once(0));
        out.extend(
            rest.iter().zip(next).take(whole).map(|(octet, next)| octet << shift | next >> (8 - shift)),
        );
    }
    if !bits.is_multiple_of(8)
        && out.len() > start
        && let Some(last) = out.last_mut()
    {
        *last &= 0xFFu8 << (8 - bits % 8);
    }
}

/// Writes the lowest `bits` (at most 64) of `value` at bit `at`; what lies outside `packet` is dropped.
pub(crate) fn insert(packet: &mut [u8], at: u64, bits: u8, value: u64) {
    let (mut at, mut left) = (at, u32::from(bits));
    while left > 0 {
        let room = 8 - (at % 8) as u32;
        let width = room.min(left);
        left -= width;
        let mask = 0xFFu8 >> (8 - width);
        let part = (value >> left) as u8 & mask;
        if let Some(octet) = packet.get_mut((at / 8) as usize) {
            let shift = room - width;
            *octet = *octet & !(mask << shift) | part << shift;
        }
        at += u64::from(width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(octets: OctetOrder, bits_reversed: bool) -> Order {
        Order { octets, bits_reversed }
    }

    #[test]
    fn orders_follow_the_schema() {
        let value = 0x0A0B_0C0D;
        assert_eq!(reorder(value, 32, &order(OctetOrder::LeastSignificantFirst, false)), 0x0D0C_0B0A);
        let swapped = OctetOrder::List([2, 3, 0, 1, 0, 0, 0, 0]);
        assert_eq!(reorder(value, 32, &order(swapped, false)), 0x0B0A_0D0C);
        assert_eq!(reorder(0b0000_0001, 8, &order(OctetOrder::MostSignificantFirst, true)), 0x80);
        assert_eq!(reorder(0b001, 3, &order(OctetOrder::MostSignificantFirst, true)), 0b100);
        // Twelve bits, least significant octet first: eight low bits, then four high ones.
        assert_eq!(reorder(0xABC, 12, &order(OctetOrder::LeastSignificantFirst, false)), 0xCAB);
    }

    proptest! {
        #[test]
        fn fields_read_as_bits_do(octets in proptest::collection::vec(any::<u8>(), 1..20), at in 0u64..100, bits in 1u8..=64) {
            let mut expected = 0u64;
            for bit in at..at + u64::from(bits) {
                let octet = octets.get((bit / 8) as usize).copied().unwrap_or(0);
                expected = expected << 1 | u64::from(octet >> (7 - bit % 8) & 1);
            }
            prop_assert_eq!(extract(&octets, at, bits), expected);
        }

        #[test]
        fn what_is_written_is_read(value: u64, at in 0u64..70, bits in 1u8..=64) {
            let mut octets = [0u8; 20];
            let value = value >> (64 - bits);
            insert(&mut octets, at, bits, value);
            prop_assert_eq!(extract(&octets, at, bits), value);
            prop_assert_eq!(octets.iter().map(|octet| octet.count_ones()).sum::<u32>(), value.count_ones());
            let mut copied = Vec::new();
            copy(&octets, at, u64::from(bits), &mut copied);
            prop_assert_eq!(extract(&copied, 0, bits), value);
        }

        #[test]
        fn orders_go_there_and_back(value: u64, bits in 1u8..=64, reversed: bool, which in 0..3u8) {
            let value = value >> (64 - bits);
            let octets = match which {
                0 => OctetOrder::MostSignificantFirst,
                1 => OctetOrder::LeastSignificantFirst,
                _ if bits == 64 => OctetOrder::List([3, 1, 4, 0, 5, 7, 2, 6]),
                _ => OctetOrder::LeastSignificantFirst,
            };
            let order = order(octets, reversed);
            prop_assert_eq!(reorder(disorder(value, bits, &order), bits, &order), value);
            prop_assert_eq!(disorder(reorder(value, bits, &order), bits, &order), value);
        }
    }
}
