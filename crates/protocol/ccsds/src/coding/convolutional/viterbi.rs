//! The streaming soft-decision decoder.
//!
//! Symbols are taken in blocks of [`BLOCK`] bits, on a grid that does not depend on how the input was cut. A block
//! is scaled to the trellis's few levels by its own mean magnitude, run through the trellis, and traced back from
//! [`DEPTH`] bits later, when all survivors have merged.
//!
//! Where a symbol group begins is found by trying: the right beginning lets the best path's cost grow more slowly
//! than any other. The first block tries them all; later ones only when the cost looks like no signal or a slip,
//! and the others must be clearly better.

use super::trellis::{Branch, MAX_SOFT, Metrics, branch, trace_back};
use super::{Rate, Sent};

/// Bits of a block: whole octets, and whole puncturing periods at every rate.
const BLOCK: usize = 840;
/// Bits between a decision and the end of the path it is read from: 32 constraint lengths, for the weakest rate.
const DEPTH: usize = 224;
/// What the mean magnitude of a block becomes in the trellis.
const MEAN_SOFT: u32 = 5;

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
    scaled: Vec<i8>,
    branches: Vec<Branch>,
    metrics: Metrics,
    /// Those of the bits that are not out yet.
    decisions: Vec<u64>,
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
            scaled: Vec::new(),
            branches: Vec::new(),
            metrics: Metrics::UNKNOWN,
            decisions: Vec::new(),
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

    /// Decodes one block, or finds that another phase fits better. Returns how many symbols are done with.
    fn block(&mut self, range: std::ops::Range<usize>, block: usize, octets: &mut Vec<u8>) -> usize {
        self.scale(range);
        if !self.acquired {
            let phases = self.scaled.len() - block;
            let (phase, _) = self.best_phase(0..phases + 1, block);
            self.acquired = true;
            return phase;
        }
        let before = self.metrics;
        let done = self.decisions.len();
        let strain = self.run(0, block, done);
        self.locked = strain < suspicious(self.rate);
        if !self.locked && block + self.rate.bits() <= self.scaled.len() {
            let metrics = self.metrics;
            let (phase, other) = self.best_phase(1..self.rate.symbols(), block);
            if other < strain * 0.85 {
                self.decisions.truncate(done);
                self.metrics = before;
                self.flush(octets);
                self.phase_changes += 1;
                return phase;
            }
            self.metrics = metrics;
        }
        let ready = self.decisions.len().saturating_sub(DEPTH) / 8;
        self.emit(ready, octets);
        block
    }

    /// Tries phases on the scaled symbols from a fresh start.
    fn best_phase(&mut self, phases: std::ops::Range<usize>, block: usize) -> (usize, f32) {
        let mut best = (phases.start, f32::INFINITY);
        let done = self.decisions.len();
        for phase in phases {
            self.metrics = Metrics::UNKNOWN;
            let strain = self.run(phase, block, done);
            if strain < best.1 {
                best = (phase, strain);
            }
            self.decisions.truncate(done);
        }
        self.metrics = Metrics::UNKNOWN;
        best
    }

    /// Runs `block` scaled symbols from `phase` on through the trellis, and says what share of their magnitude spoke
    /// against the best path.
    fn run(&mut self, phase: usize, block: usize, done: usize) -> f32 {
        let symbols = &self.scaled[phase..phase + block];
        depuncture(self.rate, symbols, &mut self.branches);
        self.decisions.resize(done + self.branches.len(), 0);
        let growth = self.metrics.advance(&self.branches, &mut self.decisions[done..]);
        let magnitude: u32 = symbols.iter().map(|soft| u32::from(soft.unsigned_abs())).sum();
        growth as f32 / magnitude.max(1) as f32
    }

    /// Brings the symbols to the trellis's levels.
    fn scale(&mut self, range: std::ops::Range<usize>) {
        let symbols = &self.symbols[range];
        let magnitude: u32 = symbols.iter().map(|soft| u32::from(soft.unsigned_abs())).sum();
        let factor = (symbols.len() as u32 * MEAN_SOFT * 512).checked_div(magnitude).unwrap_or(0);
        let factor = factor.min(i16::MAX as u32) as i32;
        let limit = i16::from(MAX_SOFT);
        self.scaled.clear();
        self.scaled.extend(symbols.iter().map(|soft| {
            let twice = ((i32::from(i16::from(*soft) << 8) * factor) >> 16) as i16;
            ((twice + 1) >> 1).clamp(-limit, limit) as i8
        }));
    }

    fn emit(&mut self, count: usize, octets: &mut Vec<u8>) {
        if count == 0 {
            return;
        }
        let start = octets.len();
        octets.resize(start + count, 0);
        trace_back(&self.decisions, self.metrics.best(), &mut octets[start..]);
        self.decisions.drain(..8 * count);
    }

    /// Gives out everything decided so far.
    fn flush(&mut self, octets: &mut Vec<u8>) {
        let start = octets.len();
        octets.resize(start + self.decisions.len().div_ceil(8), 0);
        trace_back(&self.decisions, self.metrics.best(), &mut octets[start..]);
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
fn depuncture(rate: Rate, symbols: &[i8], branches: &mut Vec<Branch>) {
    branches.clear();
    if rate.inverts_second() {
        branches.extend(symbols.as_chunks::<2>().0.iter().map(|[first, second]| branch(*first, -second)));
        return;
    }
    for group in symbols.chunks_exact(rate.symbols()) {
        let mut symbols = group.iter().copied();
        let mut next = || symbols.next().unwrap_or(0);
        branches.extend(rate.pattern().iter().map(|sent| match sent {
            Sent::Both => {
                let first = next();
                branch(first, next())
            }
            Sent::First => branch(next(), 0),
            Sent::Second => branch(0, next()),
        }));
    }
}
