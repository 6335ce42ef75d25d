//! The streaming soft-decision decoder.
//!
//! Symbols are taken in blocks of [`BLOCK`] bits, on a grid that does not depend on how the input was cut. A block
//! is scaled to the trellis's few levels by its own mean magnitude, run through the trellis, and traced back from
//! [`depth`] bits later, when all survivors have merged.
//!
//! Where a symbol group begins is found by trying: the right beginning lets the best path's cost grow more slowly
//! than any other. The first block tries them all; later ones only when the cost looks like no signal or a slip,
//! and the others must be clearly better.

use std::ops::Range;

use super::trellis::{Branch, Costs, Metrics, Run, Trace, advance, trace_back};
use super::{Rate, Sent};

/// Bits of a block: whole octets, and whole puncturing periods at every rate.
const BLOCK: usize = 840;
/// A block is run through the trellis in two halves side by side. The second does not know the states' costs where the
/// first ends, and finds them out in so many bits before that.
const WARM_UP: usize = 112;
/// Bits of such a half.
const HALF: usize = (BLOCK + WARM_UP) / 2;
/// Bits between a decision and the end of the path it is read from, where all survivors have merged: 16 constraint
/// lengths, and more the more is punctured.
const fn depth(rate: Rate) -> usize {
    match rate {
        Rate::R1_2 => 112,
        Rate::R2_3 => 144,
        Rate::R3_4 => 176,
        Rate::R5_6 | Rate::R7_8 => 224,
    }
}
/// What the mean magnitude of a block becomes in the trellis.
const MEAN_SOFT: u32 = 5;
/// What of the present phase's cost another must undercut.
const CLEARLY_BETTER: f32 = 0.85;

/// A Viterbi decoder that finds its own symbol phase.
///
/// In go soft symbols, positive for 1 and negative for 0, 0 for an erasure, at any steady level; out come decoded
/// bits, packed eight to an octet, most significant first. The same symbols give the same octets however they are
/// cut into calls. Hard symbols are ±1.
///
/// The code is transparent: symbols of inverted polarity decode, equally well, to inverted bits. The frame
/// synchroniser sees that by the marker and puts it right.
#[derive(Clone, Debug)]
pub struct Viterbi {
    rate: Rate,
    /// Symbols not yet decoded; once the phase is known, a group begins at the front.
    symbols: Vec<i8>,
    /// At the level of the present block.
    factor: u32,
    costs: Costs,
    branches: Vec<Branch>,
    metrics: Metrics,
    /// Those of the bits that are not out yet.
    decisions: Vec<u64>,
    /// Room for the decisions of a block's second half.
    second_half: Vec<u64>,
    /// The best state where the first half of the last block ended.
    middle: Option<u8>,
    acquired: bool,
    locked: bool,
    phase_changes: u64,
}

impl Viterbi {
    /// A decoder that knows nothing of its stream yet.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            symbols: Vec::new(),
            factor: 0,
            costs: Costs::new(0, false),
            branches: Vec::new(),
            metrics: Metrics::UNKNOWN,
            decisions: Vec::new(),
            second_half: vec![0; HALF],
            middle: None,
            acquired: false,
            locked: false,
            phase_changes: 0,
        }
    }

    /// Whether the last block looked like the code and not like noise.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// How often the beginning of the symbol groups was found anew after the first time: symbol slips.
    pub fn phase_changes(&self) -> u64 {
        self.phase_changes
    }

    /// Takes symbols and appends the octets that they complete.
    pub fn decode(&mut self, symbols: &[i8], octets: &mut Vec<u8>) {
        self.symbols.extend_from_slice(symbols);
        let block = BLOCK / self.rate.bits() * self.rate.symbols();
        // Enough for a block from any beginning.
        let wanted = block + self.rate.bits();
        let mut at = 0;
        while self.symbols.len() - at >= wanted {
            at += self.block(at..at + wanted, block, octets);
        }
        self.symbols.drain(..at);
    }

    /// Ends the stream: appends what is left, its last octet filled up with zeros.
    pub fn finish(&mut self, octets: &mut Vec<u8>) {
        let mut at = 0;
        for _ in 0..2 {
            // At most once to find the phase, and once to decode.
            let left = self.symbols.len() - at;
            let phases = if self.acquired { 0 } else { self.rate.bits() };
            let groups = left.saturating_sub(phases) / self.rate.symbols();
            at += self.block(at..self.symbols.len(), groups * self.rate.symbols(), octets);
        }
        self.flush(octets);
        *self = Self { phase_changes: self.phase_changes, ..Self::new(self.rate) };
    }

    /// Decodes the first `block` symbols of the range, or finds that another phase fits better. Returns how many
    /// symbols are done with.
    fn block(&mut self, range: Range<usize>, block: usize, octets: &mut Vec<u8>) -> usize {
        let phases = range.len() - block + 1;
        let start = range.start;
        self.adjust(range);
        if !self.acquired {
            self.acquired = true;
            return self.best_phase(start, 0..phases, block).0;
        }
        let (before, done) = (self.metrics, self.decisions.len());
        let strain = self.run(start, block);
        self.locked = strain < suspicious(self.rate);
        if !self.locked {
            let after = (self.metrics, self.middle);
            let (phase, other) = self.best_phase(start, 1..phases, block);
            if other < strain * CLEARLY_BETTER {
                self.decisions.truncate(done);
                self.metrics = before;
                self.flush(octets);
                self.metrics = Metrics::UNKNOWN;
                self.phase_changes += 1;
                return phase;
            }
            (self.metrics, self.middle) = after;
        }
        self.emit(octets);
        block
    }

    /// Tries phases on the symbols from `start` on, each without any knowledge of the state.
    fn best_phase(&mut self, start: usize, phases: Range<usize>, block: usize) -> (usize, f32) {
        let mut best = (phases.start, f32::INFINITY);
        let done = self.decisions.len();
        for phase in phases {
            self.metrics = Metrics::UNKNOWN;
            let strain = self.run(start + phase, block);
            if strain < best.1 {
                best = (phase, strain);
            }
            self.decisions.truncate(done);
        }
        self.metrics = Metrics::UNKNOWN;
        best
    }

    /// Runs `block` symbols through the trellis, and says what share of their magnitude spoke against the best path.
    fn run(&mut self, start: usize, block: usize) -> f32 {
        depuncture(self.rate, &self.costs, &self.symbols[start..start + block], &mut self.branches);
        let done = self.decisions.len();
        self.decisions.resize(done + self.branches.len(), 0);
        let Self { metrics, branches, decisions, second_half, .. } = self;
        let (growth, steps);
        if branches.len() == BLOCK {
            let mut later = Metrics::UNKNOWN;
            let (before, after) = (&branches[..HALF], &branches[BLOCK - HALF..]);
            growth = advance([
                Run { metrics, branches: before, decisions: &mut decisions[done..done + HALF] },
                Run { metrics: &mut later, branches: after, decisions: second_half },
            ]);
            decisions[done + HALF..].copy_from_slice(&second_half[WARM_UP..]);
            steps = 2 * HALF;
            self.middle = Some(std::mem::replace(metrics, later).best());
        } else {
            steps = branches.len();
            growth = advance([Run { metrics, branches, decisions: &mut decisions[done..] }]);
            self.middle = None;
        }
        let symbols = steps * self.rate.symbols() / self.rate.bits();
        growth as f32 / (symbols.max(1) as u32 * MEAN_SOFT) as f32
    }

    /// Adjusts the costs to the level of these symbols.
    fn adjust(&mut self, range: Range<usize>) {
        let symbols = &self.symbols[range];
        let magnitude: u32 = symbols.iter().map(|soft| u32::from(soft.unsigned_abs())).sum();
        let factor = (symbols.len() as u32 * MEAN_SOFT * 512).checked_div(magnitude).unwrap_or(0);
        // A steady level keeps its costs: 1/8 up or down makes no difference.
        if factor.abs_diff(self.factor) > self.factor / 8 {
            self.factor = factor;
            self.costs = Costs::new(factor, self.rate.inverts_second());
        }
    }

    /// Gives out what is decided.
    fn emit(&mut self, octets: &mut Vec<u8>) {
        let depth = depth(self.rate);
        let count = self.decisions.len().saturating_sub(depth) / 8;
        let Some(middle) = self.middle.filter(|_| count > 0) else { return };
        let start = octets.len();
        octets.resize(start + count, 0);
        // Two traces side by side: from the end, and from where the first half of the block ended.
        let middle_at = self.decisions.len() - (BLOCK - HALF);
        let split = middle_at.saturating_sub(depth) / 8;
        let (before, after) = octets[start..].split_at_mut(split);
        trace_back([
            Trace::new(&self.decisions[..middle_at], middle, before),
            Trace::new(&self.decisions[8 * split..], self.metrics.best(), after),
        ]);
        self.decisions.drain(..8 * count);
    }

    /// Gives out everything, decided or not.
    fn flush(&mut self, octets: &mut Vec<u8>) {
        let start = octets.len();
        octets.resize(start + self.decisions.len().div_ceil(8), 0);
        trace_back([Trace::new(&self.decisions, self.metrics.best(), &mut octets[start..])]);
        self.decisions.clear();
    }
}

/// Above this share of contradicting magnitude other phases are tried.
fn suspicious(rate: Rate) -> f32 {
    match rate {
        Rate::R1_2 => 0.10,
        Rate::R2_3 => 0.06,
        Rate::R3_4 => 0.04,
        Rate::R5_6 => 0.025,
        Rate::R7_8 => 0.015,
    }
}

/// Pairs the symbols up again, with erasures where puncturing took one away.
fn depuncture(rate: Rate, costs: &Costs, symbols: &[i8], branches: &mut Vec<Branch>) {
    let first = |symbol: i8| costs.first[usize::from(symbol.cast_unsigned())];
    let second = |symbol: i8| costs.second[usize::from(symbol.cast_unsigned())];
    branches.clear();
    if rate == Rate::R1_2 {
        branches.extend(symbols.as_chunks().0.iter().map(|[one, two]| first(*one) + second(*two)));
        return;
    }
    for group in symbols.chunks_exact(rate.symbols()) {
        // Only the first bit of a period has both of its symbols.
        let singles = rate.pattern()[1..].iter().zip(&group[2..]);
        branches.push(first(group[0]) + second(group[1]));
        branches.extend(singles.map(|(sent, symbol)| match sent {
            Sent::First => first(*symbol),
            _ => second(*symbol),
        }));
    }
}
