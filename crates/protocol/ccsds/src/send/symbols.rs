//! From octets to channel symbols as the link writes them.

use crate::coding::convolutional::{Encoder, Rate};
use crate::link::Symbols;

/// Magnitude of a soft symbol of eight bits without noise.
const STRONG: i8 = 64;

/// Encodes and writes symbols.
#[derive(Clone, Debug)]
pub(super) struct Modulator {
    symbols: Symbols,
    encoder: Option<Encoder>,
    bits: Vec<u8>,
    /// Encoded symbols that do not fill an octet yet, and how many.
    loose: (u8, u32),
}

impl Modulator {
    pub(super) fn new(symbols: Symbols, rate: Option<Rate>) -> Self {
        Self { symbols, encoder: rate.map(Encoder::new), bits: Vec::new(), loose: (0, 0) }
    }

    /// Appends the symbols of these octets.
    pub(super) fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.symbols == Symbols::Octets && self.encoder.is_none() {
            return out.extend_from_slice(octets);
        }
        self.bits.clear();
        match &mut self.encoder {
            Some(encoder) => encoder.encode(octets, &mut self.bits),
            None => {
                let bits = octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
                self.bits.extend(bits);
            }
        }
        let soft = |bit: &u8| if *bit == 0 { -STRONG } else { STRONG };
        match self.symbols {
            Symbols::Bits => out.extend_from_slice(&self.bits),
            Symbols::I8 => out.extend(self.bits.iter().map(|bit| soft(bit).cast_unsigned())),
            Symbols::F32 => {
                out.extend(self.bits.iter().flat_map(|bit| f32::from(soft(bit).signum()).to_le_bytes()));
            }
            Symbols::Octets => {
                let (mut octet, mut filled) = self.loose;
                for bit in &self.bits {
                    octet = octet << 1 | bit;
                    filled += 1;
                    if filled == 8 {
                        out.push(octet);
                        (octet, filled) = (0, 0);
                    }
                }
                self.loose = (octet, filled);
            }
        }
    }

    /// Fills the last octet up with zeros.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        let (octet, filled) = core::mem::take(&mut self.loose);
        if filled > 0 {
            out.push(octet << (8 - filled));
        }
    }
}
