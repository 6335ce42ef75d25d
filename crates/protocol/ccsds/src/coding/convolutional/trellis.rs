//! The 64-state trellis: add-compare-select and trace-back.
//!
//! A state is the last six bits, the newest in bit 0; bit b leads from state s to (2s + b) mod 64. States j and j+32
//! therefore lead to the same two states 2j and 2j+1, and because both generators tap the newest and the oldest
//! bit, the four branches between them bear only two labels, one the complement of the other.
//!
//! Metrics are costs, 8 bits wide, and wrap round: no two survivors are further apart than seven steps can cost
//! (each is six steps from the best), and as long as that is below 128 a difference read as signed tells which is
//! less. So nothing is ever normalised.

use super::outputs;

/// The largest magnitude of a soft symbol in the trellis: 2 symbols · 7 steps · 9 = 126 < 128.
pub(super) const MAX_SOFT: i8 = 9;

/// The costs of a step's four possible labels C1 C2 = 00, 01, 10, 11, from the lowest octet up.
pub(super) type Branch = u32;

/// What a positive (1) or negative (0) soft symbol costs each label; 0 is an erasure and costs nothing.
pub(super) const fn branch(first: i8, second: i8) -> Branch {
    FIRST[(first + MAX_SOFT) as usize] + SECOND[(second + MAX_SOFT) as usize]
}

const SOFT_LEVELS: usize = 2 * MAX_SOFT as usize + 1;
static FIRST: [Branch; SOFT_LEVELS] = costs(0x0000_0101, 0x0101_0000);
static SECOND: [Branch; SOFT_LEVELS] = costs(0x0001_0001, 0x0100_0100);

const fn costs(zero: u32, one: u32) -> [Branch; SOFT_LEVELS] {
    let mut costs = [0; SOFT_LEVELS];
    let mut level = 0;
    while level < SOFT_LEVELS {
        let soft = level as i32 - MAX_SOFT as i32;
        // A positive symbol is a disagreement for the labels that have a 0 here.
        costs[level] = if soft > 0 { zero * soft as u32 } else { one * soft.unsigned_abs() };
        level += 1;
    }
    costs
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

    /// Takes a step for each branch, writes which predecessor each state's survivor came from (bit s set: from the
    /// upper one, s/2 + 32), and returns by how much the cost grew.
    pub(super) fn advance(&mut self, branches: &[Branch], decisions: &mut [u64]) -> i32 {
        #[cfg(target_arch = "x86_64")]
        if super::x86::available() {
            return super::x86::advance(self, branches, decisions);
        }
        self.advance_portable(branches, decisions)
    }

    /// The safe twin.
    pub(super) fn advance_portable(&mut self, branches: &[Branch], decisions: &mut [u64]) -> i32 {
        let mut growth = 0;
        for (branches, decisions) in branches.chunks(READING).zip(decisions.chunks_mut(READING)) {
            let before = self.0[0];
            for (branch, decisions) in branches.iter().zip(decisions) {
                *decisions = self.step(*branch);
            }
            growth += reading(before, self.0[0]);
        }
        growth
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

/// The growth between two readings of one state's cost. That state may have been far from the best before and be the
/// best now, so the growth may well be negative; over a block that evens out.
pub(super) fn reading(before: u8, after: u8) -> i32 {
    i32::from(after.wrapping_sub(before).wrapping_add(MAX_SPREAD)) - i32::from(MAX_SPREAD)
}

/// Six steps of two symbols: how far any state can be behind the best.
const MAX_SPREAD: u8 = 6 * 2 * MAX_SOFT as u8;

/// Follows the survivor that ends in `state` back through all decisions, and writes the first `8 · octets.len()` bits
/// of its path.
pub(super) fn trace_back(decisions: &[u64], state: u8, octets: &mut [u8]) {
    // The path's bits, the earliest in the highest; the highest six are the state.
    let mut path = u64::from(state) << 58;
    let back = |path: u64, decisions: u64| path >> 1 | decisions >> (path >> 58) << 63;
    // A decision is the bit that leaves the state: the one of six steps before.
    let kept = (8 * octets.len() + 6).min(decisions.len());
    for step in decisions[kept..].iter().rev() {
        path = back(path, *step);
    }
    for (at, octet) in octets.iter_mut().enumerate().rev() {
        let steps = (8 * at + 6).min(kept)..(8 * at + 14).min(kept);
        for step in decisions[steps].iter().rev() {
            path = back(path, *step);
        }
        *octet = (path >> 56) as u8;
    }
}
