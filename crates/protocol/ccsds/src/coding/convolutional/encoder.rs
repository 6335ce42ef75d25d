//! The encoder: 131.0-B figures 4-1 and 4-2.

use super::{Rate, Sent, outputs};

/// A convolutional encoder; the register starts with zeros and runs on from call to call.
#[derive(Clone, Debug)]
pub struct Encoder {
    rate: Rate,
    register: u8,
    /// Place in the puncturing period.
    at: usize,
}

impl Encoder {
    /// An encoder at the start of its stream.
    pub fn new(rate: Rate) -> Self {
        Self { rate, register: 0, at: 0 }
    }

    /// Appends the channel symbols of `octets`, most significant bit first, one symbol (0 or 1) to an octet.
    pub fn encode(&mut self, octets: &[u8], symbols: &mut Vec<u8>) {
        for octet in octets {
            for bit in (0..8).rev() {
                self.encode_bit(octet >> bit & 1 != 0, symbols);
            }
        }
    }

    /// Appends the one or two channel symbols of one bit.
    pub fn encode_bit(&mut self, bit: bool, symbols: &mut Vec<u8>) {
        self.register = (self.register << 1 | u8::from(bit)) & 0x7F;
        let [first, second] = outputs(self.register);
        let second = second ^ self.rate.inverts_second();
        let pattern = self.rate.pattern();
        match pattern[self.at] {
            Sent::Both => symbols.extend([u8::from(first), u8::from(second)]),
            Sent::First => symbols.push(u8::from(first)),
            Sent::Second => symbols.push(u8::from(second)),
        }
        self.at = (self.at + 1) % pattern.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(rate: Rate, octets: &[u8]) -> String {
        let mut symbols = Vec::new();
        Encoder::new(rate).encode(octets, &mut symbols);
        symbols.iter().map(|symbol| char::from(b'0' + symbol)).collect()
    }

    #[test]
    fn an_impulse_reads_out_the_generators() {
        // G1 = 1111001, G2 = 1011011 inverted, G1 first.
        assert_eq!(encode(Rate::R1_2, &[0x80]), "1011101001001001");
    }

    #[test]
    fn puncturing_drops_what_the_pattern_says() {
        // The impulse without inversion, C1 and C2: 11 10 11 11 00 01 11 | 00
        assert_eq!(encode(Rate::R2_3, &[0x80]), "110111001110");
    }

    #[test]
    fn the_length_follows_the_rate() {
        for rate in [Rate::R1_2, Rate::R2_3, Rate::R3_4, Rate::R5_6, Rate::R7_8] {
            let octets = vec![0xA5; 105];
            assert_eq!(encode(rate, &octets).len(), 840 / rate.bits() * rate.symbols());
        }
    }
}
