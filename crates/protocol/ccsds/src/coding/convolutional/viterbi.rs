//! The streaming soft-decision decoder.
//!
//! Symbols are taken in blocks of 840 bits, on a grid that does not depend on how the input was cut. A block
//! is scaled to the trellis's few levels by its own mean magnitude, run through the trellis, and traced back from
//! 112 to 224 bits later, when all survivors have merged.
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
const MEAN_SOFT: u32 = 6;
/// What of the present phase's cost another must undercut.
const CLEARLY_BETTER: f32 = 0.85;

/// A Viterbi decoder that finds its own symbol phase.
///
/// In go soft symbols, positive for 1 and negative for 0, 0 for an erasure, at any steady level; out come decoded
/// bits, packed eight to an octet, most significant first. The same symbols give the same octets however they are
/// cut into calls. Hard symbols are ±1. Bits come out up to 1064 after their symbols went in; [`finish`](Self::finish)
/// gives the rest.
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
        // Finding a phase takes no group, so it may need more than one go.
        while !self.acquired || self.symbols.len() - at >= self.rate.symbols() {
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
        let phases = (range.len() - block + 1).min(self.rate.symbols());
        let start = range.start;
        self.adjust(range);
        if !self.acquired {
            self.acquired = true;
            return self.best_phase(start, 0..phases, block).0;
        }
        let (before, done) = (self.metrics, self.decisions.len());
        let strain = self.run(start, block);
        self.locked = strain < suspicious(self.rate) && self.factor > 0;
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

/// Above this share of contradicting magnitude other phases are tried. Between what the right phase shows where the
/// code begins to work, and what a wrong one shows there.
const fn suspicious(rate: Rate) -> f32 {
    match rate {
        Rate::R1_2 => 0.050,
        Rate::R2_3 => 0.024,
        Rate::R3_4 => 0.016,
        Rate::R5_6 => 0.010,
        Rate::R7_8 => 0.007,
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

#[cfg(test)]
mod tests {
    use super::super::Encoder;
    use super::*;

    const RATES: [Rate; 5] = [Rate::R1_2, Rate::R2_3, Rate::R3_4, Rate::R5_6, Rate::R7_8];

    /// A fixed sequence of random numbers.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        /// Nearly normal, variance 1.
        fn noise(&mut self) -> f32 {
            (0..12).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
        }
    }

    /// Bits with runs in them, and their noisy symbols.
    fn link(rate: Rate, octets: usize, noise: f32) -> (Vec<u8>, Vec<i8>) {
        let mut random = Random(0x1234_5678_9ABC_DEF1);
        let data: Vec<u8> = (0..octets).map(|_| random.next() as u8).collect();
        let mut symbols = Vec::new();
        Encoder::new(rate).encode(&data, &mut symbols);
        let soft = symbols.iter().map(|symbol| {
            let sent = f32::from(*symbol) * 2.0 - 1.0;
            ((sent + noise * random.noise()) * 30.0) as i8
        });
        let soft = soft.collect();
        (data, soft)
    }

    fn decode(rate: Rate, symbols: &[i8], piece: usize) -> (Vec<u8>, u64) {
        let mut viterbi = Viterbi::new(rate);
        let mut octets = Vec::new();
        for piece in symbols.chunks(piece) {
            viterbi.decode(piece, &mut octets);
        }
        viterbi.finish(&mut octets);
        (octets, viterbi.phase_changes())
    }

    fn bits(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:08b}")).collect()
    }

    /// The noise that a rate bears with hardly an error.
    fn noise(rate: Rate) -> f32 {
        match rate {
            Rate::R1_2 => 0.55,
            Rate::R2_3 => 0.42,
            Rate::R3_4 => 0.38,
            Rate::R5_6 => 0.32,
            Rate::R7_8 => 0.28,
        }
    }

    #[test]
    fn finds_every_phase_at_every_rate_in_noise_and_in_any_cut() {
        for rate in RATES {
            let (data, soft) = link(rate, 1000, noise(rate));
            for lost in 0..rate.symbols() {
                let (octets, changes) = decode(rate, &soft[lost..], usize::MAX);
                assert_eq!(changes, 0, "{rate:?}, {lost} symbols lost");
                // The first bits have no past, the last no future.
                let sent = bits(&data[50..950]);
                assert!(bits(&octets).contains(&sent), "{rate:?}, {lost} symbols lost");
                for piece in [1, 13, 1000, 1687] {
                    assert_eq!(decode(rate, &soft[lost..], piece).0, octets);
                }
            }
        }
    }

    /// The whole stream, even one shorter than a block, comes out.
    #[test]
    fn short_streams_come_out_whole() {
        for rate in RATES {
            for length in [35, 105, 140, 350] {
                let (data, soft) = link(rate, length, 0.0);
                assert_eq!(
                    decode(rate, &soft, usize::MAX).0[..length - 1],
                    data[..length - 1],
                    "{rate:?} {length}"
                );
            }
        }
    }

    #[test]
    fn symbol_slips_cost_little_and_polarity_inverts() {
        for rate in RATES {
            let (data, soft) = link(rate, 4000, noise(rate));
            let middle = soft.len() / 2 + 100;
            let lost = [&soft[..middle], &soft[middle + 1..]].concat();
            let gained = [&soft[..middle], &[0], &soft[middle..]].concat();
            for slipped in [lost, gained] {
                let inverted: Vec<i8> = slipped.iter().map(|symbol| -symbol).collect();
                let (octets, changes) = decode(rate, &inverted, usize::MAX);
                assert_eq!(changes, 1, "{rate:?}");
                let got = bits(&octets.iter().map(|octet| !octet).collect::<Vec<_>>());
                // Two blocks around the slip may be lost, of 105 octets each.
                assert!(got.contains(&bits(&data[50..1790])), "{rate:?} before the slip");
                assert!(got.contains(&bits(&data[2230..3950])), "{rate:?} after the slip");
            }
        }
    }

    /// The level of the symbols does not matter, nor that they are hard.
    #[test]
    fn any_level_and_hard_symbols() {
        let (data, soft) = link(Rate::R1_2, 500, 0.3);
        for scale in [
            |soft: i8| soft,
            |soft: i8| soft / 6,
            |soft: i8| soft.saturating_mul(3),
            |soft: i8| soft.signum(),
        ] {
            let scaled: Vec<i8> = soft.iter().map(|soft| scale(*soft)).collect();
            assert_eq!(decode(Rate::R1_2, &scaled, usize::MAX).0[..499], data[..499]);
        }
    }

    #[test]
    fn locked_on_the_code_and_not_on_noise() {
        let (_, soft) = link(Rate::R1_2, 1000, 0.5);
        let mut random = Random(99);
        let noise: Vec<i8> = (0..16_000).map(|_| (random.noise() * 30.0) as i8).collect();
        let (mut viterbi, mut octets) = (Viterbi::new(Rate::R1_2), Vec::new());
        assert!(!viterbi.locked());
        viterbi.decode(&noise, &mut octets);
        assert!(!viterbi.locked());
        viterbi.decode(&soft, &mut octets);
        assert!(viterbi.locked());
        viterbi.decode(&[0; 4000], &mut octets);
        assert!(!viterbi.locked(), "erasures alone are no signal");
    }
}
