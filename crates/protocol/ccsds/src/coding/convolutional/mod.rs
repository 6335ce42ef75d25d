//! The convolutional code of CCSDS 131.0-B §4 (§3 before issue 6): constraint length 7, G1 = 1111001, G2 = 1011011,
//! rate 1/2 with G2 inverted, or punctured without inversion.
//!
//! [`Encoder`] makes symbols, [`Viterbi`] takes soft ones and finds where the symbol groups begin.

mod encoder;
mod trellis;
mod viterbi;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use encoder::Encoder;
pub use viterbi::Viterbi;

/// Information bits to channel symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// The basic code; its second symbol is inverted.
    R1_2,
    /// Punctured: C1 = 10, C2 = 11.
    R2_3,
    /// Punctured: C1 = 101, C2 = 110.
    R3_4,
    /// Punctured: C1 = 10101, C2 = 11010.
    R5_6,
    /// Punctured: C1 = 1000101, C2 = 1111010.
    R7_8,
}

impl Rate {
    /// Information bits in a puncturing period.
    pub const fn bits(self) -> usize {
        self.pattern().len()
    }

    /// Channel symbols in a puncturing period: one more than bits.
    pub const fn symbols(self) -> usize {
        self.bits() + 1
    }

    /// Which of the two symbols of each bit of the period are sent, C1 before C2 (131.0-B table 4-2).
    const fn pattern(self) -> &'static [Sent] {
        use Sent::{Both, First, Second};
        match self {
            Rate::R1_2 => &[Both],
            Rate::R2_3 => &[Both, Second],
            Rate::R3_4 => &[Both, Second, First],
            Rate::R5_6 => &[Both, Second, First, Second, First],
            Rate::R7_8 => &[Both, Second, Second, Second, First, Second, First],
        }
    }

    /// Only the unpunctured code has the symbol inverter (131.0-B §4.3.2, §4.4.2).
    const fn inverts_second(self) -> bool {
        matches!(self, Rate::R1_2)
    }
}

/// What puncturing leaves of a bit's two symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Both,
    First,
    Second,
}

/// G1 and G2 over a register that holds the newest bit in bit 0 and the oldest of seven in bit 6.
const G1: u8 = 0b100_1111;
const G2: u8 = 0b110_1101;

/// C1 and C2 (not inverted) of the seven bits in the register.
const fn outputs(register: u8) -> [bool; 2] {
    [(register & G1).count_ones() & 1 != 0, (register & G2).count_ones() & 1 != 0]
}
