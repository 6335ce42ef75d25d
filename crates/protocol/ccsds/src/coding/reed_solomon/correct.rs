//! From the remainder of a codeword to its errors: syndromes, the locator polynomial by Berlekamp-Massey, its roots
//! by Chien's search, the values by Forney. Everything in the conventional basis.

use std::sync::LazyLock;

use super::{CODEWORD_LEN, Code};
use crate::coding::galois;
use crate::coding::galois::{divide, multiply, power};

/// One wrong symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorSymbol {
    /// Place in the whole codeword of 255 symbols, virtual fill included.
    pub(super) position: u8,
    /// What to exclusive-or with it.
    pub(super) value: u8,
}

/// At most E errors.
pub(super) struct Errors {
    symbols: [ErrorSymbol; MAX_ERRORS],
    len: usize,
}

impl std::ops::Deref for Errors {
    type Target = [ErrorSymbol];

    fn deref(&self) -> &[ErrorSymbol] {
        &self.symbols[..self.len]
    }
}

const MAX_ERRORS: usize = 16;
/// The code is over powers of α¹¹ (131.0-B §5.3.3).
const ROOT: usize = 11;

/// Finds the errors of one codeword at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corrector {
    correctable: usize,
    rows: &'static Rows,
}

/// Constant rows that are multiplied by a scalar and added up.
#[derive(Debug)]
struct Rows {
    /// `syndromes[k][j]`: root j to the power of the k-th remainder symbol.
    syndromes: Vec<[u8; 32]>,
    /// `locations[k]`, flattened, `[i]`: the inverse locator of symbol i, to the power k + 1.
    locations: [[[u8; 32]; 8]; MAX_ERRORS],
}

impl Rows {
    fn new(code: Code) -> Self {
        let parity = code.parity_len();
        let syndromes = (0..parity)
            .map(|k| std::array::from_fn(|j| power(ROOT * (128 - parity / 2 + j) * (parity - 1 - k))))
            .collect();
        let locations = std::array::from_fn(|k| {
            std::array::from_fn(|vector| {
                std::array::from_fn(|at| {
                    power((255 - locator_log((32 * vector + at) % CODEWORD_LEN)) * (k + 1))
                })
            })
        });
        Self { syndromes, locations }
    }
}

/// The logarithm of symbol i's locator: the first symbol sent is the highest power.
fn locator_log(position: usize) -> usize {
    ROOT * (CODEWORD_LEN - 1 - position) % 255
}

impl Corrector {
    pub(super) fn new(code: Code) -> Self {
        static E16: LazyLock<Rows> = LazyLock::new(|| Rows::new(Code::Rs255_223));
        static E8: LazyLock<Rows> = LazyLock::new(|| Rows::new(Code::Rs255_239));
        let rows = match code {
            Code::Rs255_223 => &*E16,
            Code::Rs255_239 => &*E8,
        };
        Self { correctable: code.correctable(), rows }
    }

    /// The at most E errors that leave this remainder, or `None` when there is no such pattern.
    pub(super) fn locate(&self, remainder: &[u8]) -> Option<Errors> {
        let parity = 2 * self.correctable;
        let mut syndromes = [[0; 32]];
        for (symbol, row) in remainder.iter().zip(&self.rows.syndromes) {
            galois::multiply_add(&mut syndromes, *symbol, std::slice::from_ref(row));
        }
        let syndromes = &syndromes[0][..parity];
        let (locator, degree) = locator(syndromes, self.correctable)?;
        let mut errors = self.roots(&locator, degree)?;

        // Forney: the evaluator is the product of syndromes and locator below x^2E.
        let mut evaluator = [0; MAX_ERRORS];
        for (at, coefficient) in evaluator[..degree].iter_mut().enumerate() {
            *coefficient = (0..=at).fold(0, |sum, i| sum ^ multiply(locator[i], syndromes[at - i]));
        }
        for error in &mut errors.symbols[..errors.len] {
            let log = locator_log(usize::from(error.position));
            let inverse = power(255 - log);
            let above = evaluator[..degree].iter().rev().fold(0, |sum, c| multiply(sum, inverse) ^ c);
            // The derivative keeps the odd coefficients only.
            let square = multiply(inverse, inverse);
            let below = (1..degree + 1).step_by(2).rev().fold(0, |sum, i| multiply(sum, square) ^ locator[i]);
            // X^(1-b) with b the first root's power.
            let first = 128 - self.correctable;
            let scale = power((255 - log) * (first - 1));
            error.value = multiply(scale, divide(above, below));
        }
        Some(errors)
    }

    /// The places where the locator is zero, if it has as many as its degree.
    fn roots(&self, locator: &[u8], degree: usize) -> Option<Errors> {
        let mut values = [[locator[0]; 32]; 8];
        for (coefficient, row) in locator[1..=degree].iter().zip(&self.rows.locations) {
            galois::multiply_add(&mut values, *coefficient, row);
        }
        let mut errors = Errors { symbols: [ErrorSymbol::default(); MAX_ERRORS], len: 0 };
        for (position, value) in values.as_flattened()[..CODEWORD_LEN].iter().enumerate() {
            if *value == 0 {
                *errors.symbols.get_mut(errors.len)? = ErrorSymbol { position: position as u8, value: 0 };
                errors.len += 1;
            }
        }
        (errors.len == degree).then_some(errors)
    }
}

/// The shortest recurrence that makes the syndromes, and its length; `None` when that is longer than E.
fn locator(syndromes: &[u8], correctable: usize) -> Option<([u8; 33], usize)> {
    let mut locator = [0; 33];
    let mut before = [0; 33];
    (locator[0], before[0]) = (1, 1);
    let (mut length, mut shift, mut last) = (0, 1, 1);
    for n in 0..syndromes.len() {
        let discrepancy = (0..=length).fold(0, |sum, i| sum ^ multiply(locator[i], syndromes[n - i]));
        if discrepancy == 0 {
            shift += 1;
            continue;
        }
        let factor = divide(discrepancy, last);
        let kept = locator;
        for at in shift..locator.len() {
            locator[at] ^= multiply(factor, before[at - shift]);
        }
        if 2 * length <= n {
            length = n + 1 - length;
            (before, last, shift) = (kept, discrepancy, 1);
            if length > correctable {
                return None;
            }
        } else {
            shift += 1;
        }
    }
    // A locator of a lower degree than its length has a root at infinity: no place in the codeword.
    (locator[length] != 0).then_some((locator, length))
}
