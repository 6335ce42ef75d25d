//! How the flight software lays out its packets: each field, its coding, and the value it takes from the
//! satellite. Written apart from the mission database, as flight software is: a test holds both together.

use crate::model::Satellite;

/// A packet of the flight software.
pub(super) struct Packet {
    /// The container in the mission database.
    pub(super) name: &'static str,
    pub(super) apid: u16,
    pub(super) fields: &'static [Field],
}

/// What stands in a packet, one behind the other without a gap.
pub(super) enum Field {
    Value {
        name: &'static str,
        coding: Coding,
        value: fn(&Satellite) -> f64,
    },
    Array {
        name: &'static str,
        count: usize,
        coding: Coding,
        value: fn(&Satellite, usize) -> f64,
    },
    /// An array of structures.
    Group {
        name: &'static str,
        count: usize,
        members: &'static [Member],
    },
    /// A text in a field of so many octets, filled up with zeros.
    Text {
        name: &'static str,
        length: usize,
        value: fn(&Satellite) -> &'static str,
    },
    Flag {
        name: &'static str,
        value: fn(&Satellite) -> bool,
    },
    /// So many bits without a meaning.
    Spare(u32),
}

pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) coding: Coding,
    pub(super) value: fn(&Satellite, usize) -> f64,
}

/// How a number is written.
#[derive(Clone, Copy)]
pub(super) enum Coding {
    /// `offset + raw * scale`, saturating at the ends of the field.
    Linear {
        bits: u32,
        signed: bool,
        scale: f64,
        offset: f64,
    },
    Float32,
    Float64,
    /// Counts of a 12-bit converter behind a thermistor.
    Thermistor,
}

pub(super) const fn value(name: &'static str, coding: Coding, value: fn(&Satellite) -> f64) -> Field {
    Field::Value { name, coding, value }
}

/// One bit.
pub(super) const fn flag(name: &'static str, value: fn(&Satellite) -> bool) -> Field {
    Field::Flag { name, value }
}

pub(super) const fn unsigned(bits: u32, scale: f64, offset: f64) -> Coding {
    Coding::Linear { bits, signed: false, scale, offset }
}

pub(super) const fn signed(bits: u32, scale: f64, offset: f64) -> Coding {
    Coding::Linear { bits, signed: true, scale, offset }
}

pub(super) const fn integer(bits: u32) -> Coding {
    unsigned(bits, 1.0, 0.0)
}

/// Counts and degrees Celsius of the thermistors; between them the line is straight.
const THERMISTOR: [(f64, f64); 12] = [
    (120.0, 125.0),
    (300.0, 95.0),
    (600.0, 72.0),
    (1000.0, 54.0),
    (1500.0, 38.0),
    (2000.0, 25.0),
    (2500.0, 12.0),
    (3000.0, -3.0),
    (3500.0, -23.0),
    (3800.0, -42.0),
    (4000.0, -68.0),
    (4095.0, -100.0),
];

/// The counts at a temperature.
fn thermistor_counts(celsius: f64) -> f64 {
    let celsius = celsius.clamp(-100.0, 125.0);
    let behind = THERMISTOR.partition_point(|&(_, point)| point > celsius).clamp(1, THERMISTOR.len() - 1);
    let ((counts0, celsius0), (counts1, celsius1)) = (THERMISTOR[behind - 1], THERMISTOR[behind]);
    counts0 + (counts1 - counts0) * (celsius - celsius0) / (celsius1 - celsius0)
}

impl Coding {
    pub(super) fn write(self, value: f64, out: &mut BitWriter<'_>) {
        match self {
            Self::Linear { bits, signed, scale, offset } => {
                let raw = ((value - offset) / scale).round();
                if signed {
                    let end = (1i64 << (bits - 1)) as f64;
                    out.write((raw.clamp(-end, end - 1.0) as i64).cast_unsigned(), bits);
                } else {
                    let end = ((1u128 << bits) - 1) as f64;
                    out.write(raw.clamp(0.0, end) as u64, bits);
                }
            }
            Self::Float32 => out.write(u64::from((value as f32).to_bits()), 32),
            Self::Float64 => out.write(value.to_bits(), 64),
            Self::Thermistor => out.write(thermistor_counts(value).round() as u64, 12),
        }
    }
}

impl Coding {
    /// How far a value may lie from what is read back: half a count, or the precision of the floating point.
    pub(super) fn resolution(self, value: f64) -> f64 {
        match self {
            Self::Linear { scale, .. } => scale * 0.500_001,
            Self::Float32 => value.abs() * f64::from(f32::EPSILON),
            Self::Float64 => 0.0,
            // Half a count where the curve is steepest.
            Self::Thermistor => 0.18,
        }
    }
}

impl Field {
    pub(super) fn write(&self, satellite: &Satellite, out: &mut BitWriter<'_>) {
        match self {
            Self::Value { coding, value, .. } => coding.write(value(satellite), out),
            Self::Array { count, coding, value, .. } => {
                (0..*count).for_each(|index| coding.write(value(satellite, index), out));
            }
            Self::Group { count, members, .. } => {
                for index in 0..*count {
                    members
                        .iter()
                        .for_each(|member| member.coding.write((member.value)(satellite, index), out));
                }
            }
            Self::Text { length, value, .. } => {
                let text = value(satellite).as_bytes();
                (0..*length).for_each(|at| out.write(text.get(at).copied().unwrap_or(0).into(), 8));
            }
            Self::Flag { value, .. } => out.write(value(satellite).into(), 1),
            Self::Spare(bits) => out.write(0, *bits),
        }
    }
}

/// Appends bits, the most significant first.
pub(super) struct BitWriter<'a> {
    octets: &'a mut Vec<u8>,
    /// Bits of the last octet that are still free.
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(octets: &'a mut Vec<u8>) -> Self {
        Self { octets, free: 0 }
    }

    /// Appends the lowest `bits` bits.
    pub(super) fn write(&mut self, value: u64, bits: u32) {
        let mut left = bits;
        while left > 0 {
            if self.free == 0 {
                self.octets.push(0);
                self.free = 8;
            }
            let now = left.min(self.free);
            let part = (value >> (left - now)) as u8 & (0xFFu16 >> (8 - now)) as u8;
            if let Some(last) = self.octets.last_mut() {
                *last |= part << (self.free - now);
            }
            self.free -= now;
            left -= now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_one_behind_the_other() {
        let mut octets = Vec::new();
        let mut out = BitWriter::new(&mut octets);
        for (value, bits) in [(1, 1), (0, 2), (0x5A5, 12), (1, 1), (0x1234, 16)] {
            out.write(value, bits);
        }
        assert_eq!(octets, [0x8B, 0x4B, 0x12, 0x34]);
    }

    #[test]
    fn numbers_saturate() {
        let write = |coding: Coding, value| {
            let mut octets = Vec::new();
            coding.write(value, &mut BitWriter::new(&mut octets));
            octets
        };
        assert_eq!(write(signed(16, 0.01, 0.0), -1e9), [0x80, 0]);
        assert_eq!(write(signed(16, 0.01, 0.0), -0.01), [0xFF, 0xFF]);
        assert_eq!(write(unsigned(8, 0.5, 0.0), 1e9), [0xFF]);
        assert_eq!(write(unsigned(8, 0.5, 0.0), f64::NAN), [0]);
    }
}
