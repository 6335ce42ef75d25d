//! The trellis step in AVX2: the 64 costs are two registers. The safe twin is
//! [`advance_portable`](super::trellis::advance_portable).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::trellis::{Branch, LABELS, READING, Run, reading};

/// Whether this machine has what [`advance`] needs.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// As [`advance`](super::trellis::advance).
///
/// # Panics
/// When the machine has no AVX2, or the lengths differ.
pub(super) fn advance<const N: usize>(runs: &mut [Run<'_>; N]) -> i32 {
    assert!(available());
    // SAFETY: AVX2 was asserted.
    unsafe { advance_avx2(runs) }
}

#[target_feature(enable = "avx2")]
fn advance_avx2<const N: usize>(runs: &mut [Run<'_>; N]) -> i32 {
    let steps = runs.first().map_or(0, |run| run.branches.len());
    assert!(runs.iter().all(|run| run.branches.len() == steps && run.decisions.len() == steps));
    // The label of each state's 0 branch from below, as an index into the four costs, and its complement.
    let same = load(&LABELS);
    let labels = [same, _mm256_sub_epi8(_mm256_set1_epi8(3), same)];
    let mut low = [_mm256_setzero_si256(); N];
    let mut high = low;
    for (n, run) in runs.iter().enumerate() {
        (low[n], high[n]) = (load(&run.metrics.0[..32]), load(&run.metrics.0[32..]));
    }

    let first = |costs: __m256i| _mm256_extract_epi8::<0>(costs) as u8;
    let mut growth = 0;
    for start in (0..steps).step_by(READING) {
        let before = low;
        for at in start..(start + READING).min(steps) {
            for (n, run) in runs.iter_mut().enumerate() {
                (low[n], high[n], run.decisions[at]) = step(low[n], high[n], run.branches[at], labels);
            }
        }
        for (before, after) in before.iter().zip(low) {
            growth += reading(first(*before), first(after));
        }
    }
    for (n, run) in runs.iter_mut().enumerate() {
        store(&mut run.metrics.0[..32], low[n]);
        store(&mut run.metrics.0[32..], high[n]);
    }
    growth
}

#[inline]
#[target_feature(enable = "avx2")]
fn step(low: __m256i, high: __m256i, branch: Branch, labels: [__m256i; 2]) -> (__m256i, __m256i, u64) {
    let costs = _mm256_set1_epi32(branch.cast_signed());
    let [same, other] = [_mm256_shuffle_epi8(costs, labels[0]), _mm256_shuffle_epi8(costs, labels[1])];
    // Into states 2j from j and j+32, and into states 2j+1.
    let (even_low, even_high) = (_mm256_add_epi8(low, same), _mm256_add_epi8(high, other));
    let (odd_low, odd_high) = (_mm256_add_epi8(low, other), _mm256_add_epi8(high, same));
    let (even_less, odd_less) = (_mm256_sub_epi8(even_high, even_low), _mm256_sub_epi8(odd_high, odd_low));
    let even = _mm256_blendv_epi8(even_low, even_high, even_less);
    let odd = _mm256_blendv_epi8(odd_low, odd_high, odd_less);
    let [low, high] = weave(even, odd);
    let [less_low, less_high] = weave(even_less, odd_less);
    let mask = |less: __m256i| u64::from(_mm256_movemask_epi8(less).cast_unsigned());
    (low, high, mask(less_low) | mask(less_high) << 32)
}

/// Octet by octet even and odd in turn.
#[inline]
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

    use super::super::trellis::{Costs, Metrics, advance_portable};
    use super::*;

    proptest! {
        #[test]
        fn gives_the_same_as_its_safe_twin(
            soft in prop::collection::vec(any::<(u8, u8)>(), 0..300), factor in 1u32..100
        ) {
            if !available() {
                return Ok(());
            }
            let costs = Costs::new(factor, true);
            let branch = |(first, second): &(u8, u8)| costs.first[usize::from(*first)] + costs.second[usize::from(*second)];
            let upright: Vec<Branch> = soft.iter().map(branch).collect();
            let reversed: Vec<Branch> = soft.iter().rev().map(branch).collect();
            let run = |advance: fn(&mut [Run<'_>; 2]) -> i32| {
                let mut metrics = [Metrics::UNKNOWN; 2];
                let mut decisions = [vec![0; soft.len()], vec![0; soft.len()]];
                let [one, two] = &mut metrics;
                let [by_one, by_two] = &mut decisions;
                let growth = advance(&mut [
                    Run { metrics: one, branches: &upright, decisions: by_one },
                    Run { metrics: two, branches: &reversed, decisions: by_two },
                ]);
                (metrics, decisions, growth)
            };
            prop_assert_eq!(run(advance), run(advance_portable));
        }
    }
}
