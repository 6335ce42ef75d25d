//! Soft symbols as receivers write them: floating point to the signed octets that [`Viterbi`] takes.
//!
//! [`Viterbi`]: super::convolutional::Viterbi

/// Symbols scaled together.
const BLOCK: usize = 1024;
/// What the mean magnitude of a block becomes.
const MEAN: f32 = 32.0;

/// Turns floating-point soft symbols of any level into signed octets.
///
/// The level is taken from blocks of 1024 symbols, so that it does not depend on how the input was cut.
#[derive(Clone, Debug, Default)]
pub struct Quantizer {
    waiting: Vec<f32>,
}

impl Quantizer {
    /// A quantiser at the start of its stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes symbols and appends those whose block is complete. What is not a number counts as an erasure.
    pub fn quantize(&mut self, symbols: &[f32], quantized: &mut Vec<i8>) {
        let mut symbols = symbols;
        if !self.waiting.is_empty() {
            let (fill, rest) = symbols.split_at(symbols.len().min(BLOCK - self.waiting.len()));
            self.waiting.extend_from_slice(fill);
            symbols = rest;
            if self.waiting.len() < BLOCK {
                return;
            }
            scale(&self.waiting, quantized);
            self.waiting.clear();
        }
        let mut blocks = symbols.chunks_exact(BLOCK);
        for block in blocks.by_ref() {
            scale(block, quantized);
        }
        self.waiting.extend_from_slice(blocks.remainder());
    }

    /// Ends the stream: appends what is left.
    pub fn finish(&mut self, quantized: &mut Vec<i8>) {
        scale(&self.waiting, quantized);
        self.waiting.clear();
    }
}

fn scale(block: &[f32], quantized: &mut Vec<i8>) {
    let finite = |symbol: f32| if symbol.is_finite() { symbol } else { 0.0 };
    let magnitude: f32 = block.iter().map(|symbol| finite(*symbol).abs()).sum();
    let factor = if magnitude > 0.0 { MEAN * block.len() as f32 / magnitude } else { 0.0 };
    // The conversion saturates.
    quantized.extend(block.iter().map(|symbol| (finite(*symbol) * factor).round() as i8));
}
