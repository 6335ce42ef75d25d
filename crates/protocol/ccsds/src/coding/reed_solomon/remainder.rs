//! The parity that belongs to some data: the remainder of its polynomial by the generator, eight symbols of a
//! codeword in a step.
//!
//! For each of the eight places a table holds the remainder of every octet there, 2E octets to a row, so a step
//! is eight look-ups and exclusive-ors that do not wait for each other, and the interleaved codewords run side by
//! side. The tables are written in the basis of the link: both are linear, and no octet has to be converted.

use std::sync::LazyLock;

use super::{Basis, CODEWORD_LEN, Code, MAX_INTERLEAVE, basis};
use crate::coding::galois;

/// Symbols of one codeword taken in a step.
const STEP: usize = 8;

/// The tables of one code, `W` words of eight parity symbols to a row, the symbol sent first in the lowest octet.
#[repr(align(64))]
pub(super) struct Tables<const W: usize>([[[u64; W]; 256]; STEP]);

/// The remainder by one generator polynomial.
#[derive(Clone, Copy)]
pub(super) enum Remainder {
    E16(&'static Tables<4>),
    E8(&'static Tables<2>),
}

impl std::fmt::Debug for Remainder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Remainder::E16(_) => "E16",
            Remainder::E8(_) => "E8",
        })
    }
}

/// The tables of this code in this basis: 64 KiB for E = 16, made at the first call.
pub(super) fn remainder_of(code: Code, basis: Basis) -> Remainder {
    static E16_CONVENTIONAL: LazyLock<Box<Tables<4>>> = LazyLock::new(|| Tables::new(Basis::Conventional));
    static E16_DUAL: LazyLock<Box<Tables<4>>> = LazyLock::new(|| Tables::new(Basis::Dual));
    static E8_CONVENTIONAL: LazyLock<Box<Tables<2>>> = LazyLock::new(|| Tables::new(Basis::Conventional));
    static E8_DUAL: LazyLock<Box<Tables<2>>> = LazyLock::new(|| Tables::new(Basis::Dual));
    match (code, basis) {
        (Code::Rs255_223, Basis::Conventional) => Remainder::E16(&E16_CONVENTIONAL),
        (Code::Rs255_223, Basis::Dual) => Remainder::E16(&E16_DUAL),
        (Code::Rs255_239, Basis::Conventional) => Remainder::E8(&E8_CONVENTIONAL),
        (Code::Rs255_239, Basis::Dual) => Remainder::E8(&E8_DUAL),
    }
}

/// The remainders of a block's codewords; for E = 8 the first half of each.
pub(super) type Remainders = [[u8; 32]; MAX_INTERLEAVE];

impl Remainder {
    /// The remainder of each codeword of `data`, which holds `interleave` of them woven together.
    pub(super) fn of(self, data: &[u8], interleave: usize) -> Remainders {
        match self {
            Remainder::E16(tables) => tables.remainders(data, interleave),
            Remainder::E8(tables) => tables.remainders(data, interleave),
        }
    }
}

impl<const W: usize> Tables<W> {
    fn new(basis: Basis) -> Box<Self> {
        let generator = generator(STEP * W);
        let mut tables = Box::new(Self([[[0; W]; 256]; STEP]));
        for octet in 0..=255u8 {
            let (factor, written): (u8, fn(u8) -> u8) = match basis {
                Basis::Conventional => (octet, |symbol| symbol),
                Basis::Dual => (basis::to_conventional(octet), basis::to_dual),
            };
            let row = std::array::from_fn(|word| {
                u64::from_le_bytes(std::array::from_fn(|at| {
                    written(galois::multiply(factor, generator[word * 8 + at]))
                }))
            });
            tables.0[0][usize::from(octet)] = row;
        }
        // One place further from the end is one more step of the shift register.
        for place in 1..STEP {
            for octet in 0..256 {
                let before = tables.0[place - 1][octet];
                let mut row: [u64; W] = std::array::from_fn(|word| {
                    before[word] >> 8 | before.get(word + 1).map_or(0, |next| next << 56)
                });
                for (word, feedback) in row.iter_mut().zip(tables.0[0][usize::from(before[0] as u8)]) {
                    *word ^= feedback;
                }
                tables.0[place][octet] = row;
            }
        }
        tables
    }

    fn remainders(&self, data: &[u8], interleave: usize) -> Remainders {
        match interleave {
            1 => self.interleaved::<1>(data),
            2 => self.interleaved::<2>(data),
            3 => self.interleaved::<3>(data),
            4 => self.interleaved::<4>(data),
            5 => self.interleaved::<5>(data),
            _ => self.interleaved::<8>(data),
        }
    }

    fn interleaved<const I: usize>(&self, data: &[u8]) -> Remainders {
        let mut state = [[0; W]; I];
        let (rows, _) = data.as_chunks::<I>();
        let (head, steps) = rows.split_at(rows.len() % STEP);
        // What is short of a step is filled up with zeros in front: virtual fill changes nothing.
        let mut first = [[0; I]; STEP];
        first[STEP - head.len()..].copy_from_slice(head);
        self.step(&mut state, &first);
        for step in steps.as_chunks::<STEP>().0 {
            self.step(&mut state, step);
        }
        let mut remainders = [[0; 32]; MAX_INTERLEAVE];
        for (remainder, state) in remainders.iter_mut().zip(state) {
            for (octets, word) in remainder.as_chunks_mut::<8>().0.iter_mut().zip(state) {
                *octets = word.to_le_bytes();
            }
        }
        remainders
    }

    /// Takes eight symbols of each codeword into its state.
    #[inline(always)]
    fn step<const I: usize>(&self, state: &mut [[u64; W]; I], symbols: &[[u8; I]; STEP]) {
        for (codeword, state) in state.iter_mut().enumerate() {
            let leaving = state[0];
            let mut next: [u64; W] = std::array::from_fn(|word| state.get(word + 1).copied().unwrap_or(0));
            for (at, symbols) in symbols.iter().enumerate() {
                let octet = (leaving >> (8 * at)) as u8 ^ symbols[codeword];
                let row = &self.0[STEP - 1 - at][usize::from(octet)];
                for (next, row) in next.iter_mut().zip(row) {
                    *next ^= row;
                }
            }
            *state = next;
        }
    }
}

/// The generator's coefficients below the leading 1, from the highest power down (131.0-B §5.3.3): the product of
/// (x - α^(11j)), j from 128-E to 127+E.
fn generator(parity: usize) -> Vec<u8> {
    let mut generator = vec![1];
    for j in 0..parity {
        let root = galois::power(11 * (128 - parity / 2 + j));
        generator.push(0);
        for at in (1..generator.len()).rev() {
            generator[at] ^= galois::multiply(generator[at - 1], root);
        }
    }
    debug_assert!(generator.len() == parity + 1 && parity < CODEWORD_LEN);
    generator.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 131.0-B §5.3.3: the generator is palindromic, and this is its second coefficient for E = 16.
    #[test]
    fn the_generator_is_the_one_of_the_standard() {
        for parity in [16, 32] {
            let generator = generator(parity);
            let reversed: Vec<u8> = generator[..parity - 1].iter().rev().copied().collect();
            assert_eq!(generator[..parity - 1], reversed);
            assert_eq!(generator[parity - 1], 1);
        }
        assert_eq!(generator(32)[0], 0x5B);
    }
}
