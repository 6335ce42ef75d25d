//! The Reed-Solomon codes of CCSDS 131.0-B §5 (§4 before issue 6): (255,223) and (255,239), encode and decode.
//!
//! A codeblock is `interleave` codewords woven together symbol by symbol: octet i belongs to codeword
//! i mod I, data first, then the parity woven in the same way. Virtual fill, zeros in front of each codeword
//! that are never sent, shortens it.
//!
//! How it gets fast: almost every codeword that arrives is right, so the decoder first only computes what
//! parity the received data would have been sent with, from tables in the basis of the link
//! (`remainder`). Only a codeword whose parity differs goes on to syndromes, Berlekamp-Massey, Chien and
//! Forney (`correct`).
//!
//! Erasures are not taken.

mod basis;
mod correct;
mod remainder;

use correct::Corrector;
use remainder::{Remainder, remainder_of};

/// Symbols of a whole codeword, of 8 bits each.
pub const CODEWORD_LEN: usize = 255;
/// The deepest interleaving of the standard.
pub const MAX_INTERLEAVE: usize = 8;

/// Which of the two codes: E, the symbol errors it corrects in a codeword, is 16 or 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// (255,223), E = 16.
    Rs255_223,
    /// (255,239), E = 8.
    Rs255_239,
}

impl Code {
    /// E: how many wrong symbols of a codeword can be put right.
    pub const fn correctable(self) -> usize {
        match self {
            Code::Rs255_223 => 16,
            Code::Rs255_239 => 8,
        }
    }

    /// 2E: the parity symbols of a codeword.
    pub const fn parity_len(self) -> usize {
        2 * self.correctable()
    }
}

/// How an octet stands for an element of GF(256).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// Powers of α, as most software outside CCSDS has it.
    Conventional,
    /// Berlekamp's dual basis (131.0-B annex F), which the standard sends.
    Dual,
}

/// Why these parameters make no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReedSolomonError {
    /// 131.0-B §5.3.5 allows 1, 2, 3, 4, 5 and 8.
    #[error("interleaving depth {0} is not one of 1, 2, 3, 4, 5, 8")]
    Interleave(usize),
    /// The fill leaves no symbol for data.
    #[error("virtual fill of {fill} symbols leaves no data in codewords of {data} data symbols")]
    VirtualFill {
        /// Symbols of fill asked for, in each codeword.
        fill: usize,
        /// Data symbols of the code without fill.
        data: usize,
    },
}

/// What became of one codeword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codeword {
    /// As many symbols as this were wrong and have been put right: 0 to E.
    Corrected(u8),
    /// More than E symbols are wrong. The codeword was left as it came.
    Uncorrectable,
}

/// What became of a codeblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    codewords: [Codeword; MAX_INTERLEAVE],
    interleave: u8,
}

impl Correction {
    /// Each codeword's outcome, in the order of interleaving.
    pub fn codewords(&self) -> &[Codeword] {
        &self.codewords[..usize::from(self.interleave)]
    }

    /// Symbols put right in the codeblock; `None` when a codeword of it was beyond correction.
    pub fn corrected(&self) -> Option<u32> {
        self.codewords().iter().try_fold(0, |sum, codeword| match codeword {
            Codeword::Corrected(symbols) => Some(sum + u32::from(*symbols)),
            Codeword::Uncorrectable => None,
        })
    }
}

/// A Reed-Solomon encoder and decoder for one set of managed parameters.
///
/// A block holds [`data_len`](Self::data_len) octets of data and then the parity,
/// [`block_len`](Self::block_len) octets together:
///
/// ```
/// use perigee_ccsds::coding::reed_solomon::{Basis, Code, ReedSolomon};
/// let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0)?;
/// assert_eq!((code.data_len(), code.block_len()), (1115, 1275));
/// let mut block = vec![0x55; code.block_len()];
/// code.encode(&mut block); // writes the last 160 octets
/// block[700] ^= 0xFF;
/// assert_eq!(code.decode(&mut block).corrected(), Some(1));
/// assert_eq!(block[700], 0x55);
/// # Ok::<(), perigee_ccsds::coding::reed_solomon::ReedSolomonError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReedSolomon {
    code: Code,
    basis: Basis,
    interleave: usize,
    virtual_fill: usize,
    remainder: Remainder,
    corrector: Corrector,
}

impl ReedSolomon {
    /// `virtual_fill` counts the symbols by which *each codeword* is shortened: the block is
    /// `interleave` times as many octets shorter.
    ///
    /// # Errors
    /// For an interleaving depth that the standard does not have, or a fill that leaves no data.
    pub fn new(
        code: Code,
        basis: Basis,
        interleave: usize,
        virtual_fill: usize,
    ) -> Result<Self, ReedSolomonError> {
        if !matches!(interleave, 1..=5 | 8) {
            return Err(ReedSolomonError::Interleave(interleave));
        }
        let data = CODEWORD_LEN - code.parity_len();
        if virtual_fill >= data {
            return Err(ReedSolomonError::VirtualFill { fill: virtual_fill, data });
        }
        let remainder = remainder_of(code, basis);
        Ok(Self { code, basis, interleave, virtual_fill, remainder, corrector: Corrector::new(code) })
    }

    /// The code of this codec.
    pub fn code(&self) -> Code {
        self.code
    }

    /// I: codewords in a block.
    pub fn interleave(&self) -> usize {
        self.interleave
    }

    /// Data octets of a block: the length of the transfer frame.
    pub fn data_len(&self) -> usize {
        self.block_len() - self.parity_len()
    }

    /// Octets of a block as sent: data and parity, without the virtual fill.
    pub fn block_len(&self) -> usize {
        self.interleave * (CODEWORD_LEN - self.virtual_fill)
    }

    /// Parity octets of a block.
    pub fn parity_len(&self) -> usize {
        self.interleave * self.code.parity_len()
    }

    /// Writes the parity of the block's data behind it.
    ///
    /// # Panics
    /// When `block` is not [`block_len`](Self::block_len) octets.
    pub fn encode(&self, block: &mut [u8]) {
        let (data, parity) = self.split(block);
        let remainders = self.remainder.of(data, self.interleave);
        for (codeword, remainder) in remainders[..self.interleave].iter().enumerate() {
            let places = parity[codeword..].iter_mut().step_by(self.interleave);
            for (place, symbol) in places.zip(remainder) {
                *place = *symbol;
            }
        }
    }

    /// Puts right what can be put right, data and parity, and says how many symbols that were.
    ///
    /// A codeword with more than E wrong symbols is left as it came. (Rarely, about once in E! such codewords, it
    /// is mistaken for a near one: the FECF is there to notice.)
    ///
    /// # Panics
    /// When `block` is not [`block_len`](Self::block_len) octets.
    pub fn decode(&self, block: &mut [u8]) -> Correction {
        let (data, parity) = self.split(block);
        let mut remainders = self.remainder.of(data, self.interleave);
        let mut codewords = [Codeword::Corrected(0); MAX_INTERLEAVE];
        for codeword in 0..self.interleave {
            let remainder = &mut remainders[codeword];
            let received = parity[codeword..].iter().step_by(self.interleave);
            let mut differs = 0;
            for (symbol, received) in remainder.iter_mut().zip(received) {
                *symbol ^= received;
                differs |= *symbol;
            }
            if differs != 0 {
                codewords[codeword] = Codeword::Uncorrectable;
            }
        }
        for (codeword, outcome) in codewords[..self.interleave].iter_mut().enumerate() {
            if *outcome == Codeword::Uncorrectable {
                let remainder = &remainders[codeword][..self.code.parity_len()];
                *outcome = self.correct(block, codeword, remainder);
            }
        }
        Correction { codewords, interleave: self.interleave as u8 }
    }

    /// Finds the error pattern with this remainder and takes it off the block.
    fn correct(&self, block: &mut [u8], codeword: usize, remainder: &[u8]) -> Codeword {
        let mut conventional = [0; 32];
        for (to, symbol) in conventional.iter_mut().zip(remainder) {
            *to = match self.basis {
                Basis::Conventional => *symbol,
                Basis::Dual => basis::to_conventional(*symbol),
            };
        }
        let Some(errors) = self.corrector.locate(&conventional[..remainder.len()]) else {
            return Codeword::Uncorrectable;
        };
        // An error in the virtual fill, which is known to be zeros, is no error that happened.
        if errors.iter().any(|error| usize::from(error.position) < self.virtual_fill) {
            return Codeword::Uncorrectable;
        }
        for error in errors.iter() {
            let symbol = usize::from(error.position) - self.virtual_fill;
            block[symbol * self.interleave + codeword] ^= match self.basis {
                Basis::Conventional => error.value,
                Basis::Dual => basis::to_dual(error.value),
            };
        }
        Codeword::Corrected(errors.len() as u8)
    }

    fn split<'a>(&self, block: &'a mut [u8]) -> (&'a mut [u8], &'a mut [u8]) {
        assert_eq!(block.len(), self.block_len(), "a Reed-Solomon block of the wrong length");
        block.split_at_mut(self.data_len())
    }
}

#[cfg(test)]
mod tests;
