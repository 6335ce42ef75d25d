//! The 64-state trellis: add-compare-select and trace-back.
//!
//! A state is the last six bits, the newest in bit 0; bit b leads from state s to (2s + b) mod 64. States j and j+32
//! therefore lead to the same two states 2j and 2j+1, and because both generators tap the newest and the oldest
//! bit, the four branches between them bear only two labels, one the complement of the other.
//!
//! Metrics are costs, 8 bits wide, and wrap round. Two survivors that meet in a state left a common one, or could
//! have, along labels that differ in [`FREE_DISTANCE`] symbols, so they are at most as far apart as those can cost;
//! as long as that is below 128, a difference read as signed tells which is less. So nothing is ever normalised.

use super::outputs;

/// The largest magnitude of a soft symbol in the trellis.
pub(super) const MAX_SOFT: u32 = 12;
const _: () = assert!(FREE_DISTANCE * MAX_SOFT < 128);

/// Symbols in which the nearest two code sequences differ.
const FREE_DISTANCE: u32 = 10;

/// The costs of a step's four possible labels C1 C2 = 00, 01, 10, 11, from the lowest octet up.
pub(super) type Branch = u32;

/// What each soft symbol, read as an octet, costs the labels: at the front of a bit's pair and at its end.
#[derive(Clone, Debug)]
pub(super) struct Costs {
    pub(super) first: [Branch; 256],
    pub(super) second: [Branch; 256],
}

impl Costs {
    /// For symbols that `factor` / 512 brings to the trellis's levels; the second inverted where the code has it so.
    ///
    /// A positive symbol (1) speaks against the labels that have a 0 in its place, a negative one (0) against those
    /// that have a 1; an erasure against none.
    pub(super) fn new(factor: u32, invert_second: bool) -> Self {
        let costs = |zero: Branch, one: Branch| {
            std::array::from_fn(|octet| {
                let soft = (octet as u8).cast_signed();
                let level = ((u32::from(soft.unsigned_abs()) * factor + 256) / 512).min(MAX_SOFT);
                level * if soft > 0 { zero } else { one }
            })
        };
        let (zero, one) = (0x0001_0001, 0x0100_0100);
        let (zero, one) = if invert_second { (one, zero) } else { (zero, one) };
        Self { first: costs(0x0000_0101, 0x0101_0000), second: costs(zero, one) }
    }
}

/// Which label leads from state j by a 0: an index into a [`Branch`].
pub(super) const LABELS: [u8; 32] = {
    let mut labels = [0; 32];
    let mut state = 0;
    while state < 32 {
        let [first, second] = outputs(2 * state as u8);
        labels[state] = (first as u8) << 1 | second as u8;
        state += 1;
    }
    labels
};

/// Steps between two readings of the growing cost: short enough that the reading does not wrap.
pub(super) const READING: usize = 8;

/// The survivors' costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Metrics(pub(super) [u8; 64]);

impl Metrics {
    /// Every state is as likely.
    pub(super) const UNKNOWN: Metrics = Metrics([0; 64]);

    /// The state with the least cost.
    pub(super) fn best(&self) -> u8 {
        let cost = |state: u8| self.0[usize::from(state)].wrapping_sub(self.0[0]).cast_signed();
        (0..64).min_by_key(|state| cost(*state)).unwrap_or(0)
    }

    fn step(&mut self, branch: Branch) -> u64 {
        let costs = branch.to_le_bytes();
        let mut next = [0; 64];
        let mut decisions = 0;
        for (state, label) in LABELS.iter().enumerate() {
            let (same, other) = (costs[usize::from(*label)], costs[usize::from(3 - label)]);
            let (lower, upper) = (self.0[state], self.0[state + 32]);
            for (bit, (from_lower, from_upper)) in [
                (lower.wrapping_add(same), upper.wrapping_add(other)),
                (lower.wrapping_add(other), upper.wrapping_add(same)),
            ]
            .into_iter()
            .enumerate()
            {
                let upper_is_less = from_upper.wrapping_sub(from_lower) >= 128;
                next[2 * state + bit] = if upper_is_less { from_upper } else { from_lower };
                decisions |= u64::from(upper_is_less) << (2 * state + bit);
            }
        }
        self.0 = next;
        decisions
    }
}

/// A stretch of trellis to run through: a decision is written for each branch.
pub(super) struct Run<'a> {
    pub(super) metrics: &'a mut Metrics,
    pub(super) branches: &'a [Branch],
    /// Which predecessor each state's survivor came from: bit s is set for the upper one, s/2 + 32.
    pub(super) decisions: &'a mut [u64],
}

/// Takes runs of equal length through the trellis and returns by how much their costs grew together. Runs side by
/// side do not wait for each other.
///
/// # Panics
/// When the lengths differ.
pub(super) fn advance<const N: usize>(mut runs: [Run<'_>; N]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if super::x86::available() {
        return super::x86::advance(&mut runs);
    }
    advance_portable(&mut runs)
}

/// The safe twin.
pub(super) fn advance_portable<const N: usize>(runs: &mut [Run<'_>; N]) -> i32 {
    let mut growth = 0;
    for Run { metrics, branches, decisions } in runs {
        assert_eq!(branches.len(), decisions.len());
        for (branches, decisions) in branches.chunks(READING).zip(decisions.chunks_mut(READING)) {
            let before = metrics.0[0];
            for (branch, decisions) in branches.iter().zip(decisions) {
                *decisions = metrics.step(*branch);
            }
            growth += reading(before, metrics.0[0]);
        }
    }
    growth
}

/// The growth between two readings of one state's cost. That state may have been far from the best before and be the
/// best now, so the growth may well be negative; over a block that evens out.
pub(super) fn reading(before: u8, after: u8) -> i32 {
    i32::from(after.wrapping_sub(before).wrapping_add(MAX_SPREAD)) - i32::from(MAX_SPREAD)
}

/// How far any state can be behind the best: what the last branch of meeting paths adds is not in it.
const MAX_SPREAD: u8 = ((FREE_DISTANCE - 2) * MAX_SOFT) as u8;

/// The survivor that ends in a state, followed back through all decisions.
pub(super) struct Trace<'a> {
    decisions: &'a [u64],
    /// The first bits of the path.
    octets: &'a mut [u8],
    /// The path's bits, complemented, the earliest in the highest; the highest six are the state.
    path: u64,
    /// Groups of eight decisions still to follow.
    groups: usize,
}

impl<'a> Trace<'a> {
    /// From the state at the end of the decisions.
    pub(super) fn new(decisions: &'a [u64], state: u8, octets: &'a mut [u8]) -> Self {
        let groups = octets.len().max(decisions.len().saturating_sub(DELAY).div_ceil(8));
        Self { decisions, octets, path: !(u64::from(state) << 58), groups }
    }

    /// Follows eight decisions. `false` when none are left.
    fn group(&mut self) -> bool {
        let Some(group) = self.groups.checked_sub(1) else { return false };
        self.groups = group;
        let later = self.decisions.get(8 * group + DELAY..).unwrap_or_default();
        match later.first_chunk::<8>() {
            Some(eight) => eight.iter().rev().for_each(|decisions| self.back(*decisions)),
            None => later.iter().rev().for_each(|decisions| self.back(*decisions)),
        }
        if let Some(octet) = self.octets.get_mut(group) {
            *octet = !(self.path >> 56) as u8;
        }
        true
    }

    #[inline(always)]
    fn back(&mut self, decisions: u64) {
        const TOP: u64 = 1 << 63;
        self.path = self.path >> 1 | (!decisions << (self.path >> 58)) & TOP;
    }
}

/// A decision is the bit that leaves the state, the one of six steps before.
const DELAY: usize = 6;

/// Follows all traces to their beginning and writes their octets. Each step waits for the one before, so traces
/// side by side cost little more than one.
pub(super) fn trace_back<const N: usize>(mut traces: [Trace<'_>; N]) {
    while traces.iter_mut().fold(false, |any, trace| trace.group() | any) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fewest symbols, at one cost each, that lead from state 0 to each other state.
    fn distances() -> [u32; 64] {
        let mut distances = [u32::MAX / 2; 64];
        distances[1] = 2; // the first 1 sets both symbols
        for _ in 0..64 {
            for state in 1..64u8 {
                for bit in 0..2 {
                    let weight: u32 = outputs(state << 1 | bit).into_iter().map(u32::from).sum();
                    let next = usize::from((state << 1 | bit) & 63);
                    distances[next] = distances[next].min(distances[usize::from(state)] + weight);
                }
            }
        }
        distances
    }

    #[test]
    fn costs_cannot_wrap_past_each_other() {
        let distances = distances();
        assert_eq!(distances[0], FREE_DISTANCE);
        assert_eq!(distances[1..].iter().max(), Some(&(FREE_DISTANCE - 2)));
    }
}
