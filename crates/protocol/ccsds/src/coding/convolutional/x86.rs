//! The trellis step in AVX2: the 64 costs are two registers. The safe twin is
//! [`Metrics::advance_portable`](super::trellis::Metrics::advance_portable).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::trellis::{Branch, LABELS, Metrics, READING, reading};

/// Whether this machine has what [`advance`] needs.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// As [`Metrics::advance`].
///
/// # Panics
/// When the machine has no AVX2.
pub(super) fn advance(metrics: &mut Metrics, branches: &[Branch], decisions: &mut [u64]) -> i32 {
    assert!(available());
    // SAFETY: AVX2 was asserted.
    unsafe { advance_avx2(metrics, branches, decisions) }
}

#[target_feature(enable = "avx2")]
fn advance_avx2(metrics: &mut Metrics, branches: &[Branch], decisions: &mut [u64]) -> i32 {
    let (lower, upper) = metrics.0.split_at_mut(32);
    let mut low = load(lower);
    let mut high = load(upper);
    // The label of each state's 0 branch from below, as an index into the four costs, and its complement.
    let same = load(&LABELS);
    let other = _mm256_sub_epi8(_mm256_set1_epi8(3), same);
    let first = |costs: __m256i| _mm256_extract_epi8::<0>(costs) as u8;

    let mut growth = 0;
    for (branches, decisions) in branches.chunks(READING).zip(decisions.chunks_mut(READING)) {
        let before = first(low);
        for (branch, decisions) in branches.iter().zip(decisions) {
            let costs = _mm256_set1_epi32(branch.cast_signed());
            let (same, other) = (_mm256_shuffle_epi8(costs, same), _mm256_shuffle_epi8(costs, other));
            // Into states 2j from j and j+32, and into states 2j+1.
            let (even_low, even_high) = (_mm256_add_epi8(low, same), _mm256_add_epi8(high, other));
            let (odd_low, odd_high) = (_mm256_add_epi8(low, other), _mm256_add_epi8(high, same));
            let (even_less, odd_less) =
                (_mm256_sub_epi8(even_high, even_low), _mm256_sub_epi8(odd_high, odd_low));
            let even = _mm256_blendv_epi8(even_low, even_high, even_less);
            let odd = _mm256_blendv_epi8(odd_low, odd_high, odd_less);
            [low, high] = weave(even, odd);
            let [less_low, less_high] = weave(even_less, odd_less);
            let mask = |less: __m256i| u64::from(_mm256_movemask_epi8(less).cast_unsigned());
            *decisions = mask(less_low) | mask(less_high) << 32;
        }
        growth += reading(before, first(low));
    }
    store(lower, low);
    store(upper, high);
    growth
}

/// Octet by octet even and odd in turn.
#[target_feature(enable = "avx2")]
fn weave(even: __m256i, odd: __m256i) -> [__m256i; 2] {
    let (low, high) = (_mm256_unpacklo_epi8(even, odd), _mm256_unpackhi_epi8(even, odd));
    [_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high)]
}

#[target_feature(enable = "avx2")]
fn load(octets: &[u8]) -> __m256i {
    assert!(octets.len() == 32);
    // SAFETY: 32 octets are there, and the load need not be aligned.
    unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store(octets: &mut [u8], value: __m256i) {
    assert!(octets.len() == 32);
    // SAFETY: there is room for 32 octets, and the store need not be aligned.
    unsafe { _mm256_storeu_si256(octets.as_mut_ptr().cast(), value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trellis::{MAX_SOFT, branch};
    use super::*;

    proptest! {
        #[test]
        fn gives_the_same_as_its_safe_twin(
            soft in prop::collection::vec((-MAX_SOFT..=MAX_SOFT, -MAX_SOFT..=MAX_SOFT), 0..300)
        ) {
            if !available() {
                return Ok(());
            }
            let branches: Vec<Branch> = soft.iter().map(|(first, second)| branch(*first, *second)).collect();
            let run = |advance: fn(&mut Metrics, &[Branch], &mut [u64]) -> i32| {
                let mut metrics = Metrics::UNKNOWN;
                let mut decisions = vec![0; branches.len()];
                let growth = advance(&mut metrics, &branches, &mut decisions);
                (metrics, decisions, growth)
            };
            prop_assert_eq!(run(advance), run(Metrics::advance_portable));
        }
    }
}
