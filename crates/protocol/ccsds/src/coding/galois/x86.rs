//! Products of a vector with a scalar in AVX2: two look-ups of sixteen octets at once for each half of an octet. The
//! safe twin is [`multiply_add_portable`](super::multiply_add_portable).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::NIBBLES;

/// Whether this machine has what [`multiply_add`] needs.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// As [`multiply_add`](super::multiply_add).
///
/// # Panics
/// When the machine has no AVX2.
pub(super) fn multiply_add(sums: &mut [[u8; 32]], scalar: u8, row: &[[u8; 32]]) {
    assert!(available());
    // SAFETY: AVX2 was asserted.
    unsafe { multiply_add_avx2(sums, &NIBBLES[usize::from(scalar)], row) }
}

#[target_feature(enable = "avx2")]
fn multiply_add_avx2(sums: &mut [[u8; 32]], nibbles: &[u8; 32], row: &[[u8; 32]]) {
    let nibbles = load(nibbles);
    let lower = _mm256_permute2x128_si256::<0x00>(nibbles, nibbles);
    let upper = _mm256_permute2x128_si256::<0x11>(nibbles, nibbles);
    let mask = _mm256_set1_epi8(0xF);
    for (sum, row) in sums.iter_mut().zip(row) {
        let values = load(row);
        let low = _mm256_shuffle_epi8(lower, _mm256_and_si256(values, mask));
        let high = _mm256_shuffle_epi8(upper, _mm256_and_si256(_mm256_srli_epi16::<4>(values), mask));
        let total = _mm256_xor_si256(load(sum), _mm256_xor_si256(low, high));
        // SAFETY: a vector is 32 octets, and the store need not be aligned.
        unsafe { _mm256_storeu_si256(sum.as_mut_ptr().cast(), total) };
    }
}

#[target_feature(enable = "avx2")]
fn load(octets: &[u8; 32]) -> __m256i {
    // SAFETY: a vector is 32 octets, and the load need not be aligned.
    unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{multiply, multiply_add_portable};
    use super::*;

    proptest! {
        #[test]
        fn gives_the_same_as_its_safe_twin(sums: [[u8; 32]; 3], scalar: u8, row: [[u8; 32]; 3]) {
            let mut slow = sums;
            multiply_add_portable(&mut slow, scalar, &row);
            for ((got, sum), value) in slow.iter().flatten().zip(sums.iter().flatten()).zip(row.iter().flatten()) {
                prop_assert_eq!(*got, sum ^ multiply(scalar, *value));
            }
            if available() {
                let mut fast = sums;
                multiply_add(&mut fast, scalar, &row);
                prop_assert_eq!(fast, slow);
            }
        }
    }
}
