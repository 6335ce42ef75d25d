//! Packets of the model, written bit by bit; what is written is what must be decoded.

use std::collections::HashMap;

use super::containers::{Condition, Container, Entry, Model, Place, Times, What};
use super::types::{Coding, End, Form, Octets, Order, Scalar, Size, Type, ZERO_AND_ONE};
use super::{Is, Random};

/// Raw and engineering values of each parameter, the latest last, over all packets.
pub(super) type History = HashMap<String, Vec<(Is, Is)>>;

/// A value that must be decoded.
pub(super) struct Expected {
    pub(super) name: String,
    pub(super) raw: Is,
    pub(super) eng: Is,
}

/// A packet and what is in it.
pub(super) struct Written {
    pub(super) octets: Vec<u8>,
    /// Octets without what nothing asks for at the end.
    pub(super) needed: usize,
    pub(super) expected: Vec<Expected>,
    /// `None`: no container fits.
    pub(super) container: Option<String>,
    /// All that is between the values is zero, and the encoder can write it.
    pub(super) encodable: bool,
}

pub(super) fn write(model: &Model, history: &mut History, random: &mut Random) -> Written {
    let zeros = random.one_in(2);
    let (bits, expected) = (Vec::new(), Vec::new());
    let mut writer = Writer { model, history, random, bits, needed: 0, expected, zeros, encodable: zeros };
    let container = writer.container(&model.root, 0, false);
    let needed = writer.needed.div_ceil(8);
    let extra = if writer.random.one_in(4) { writer.random.below(6) as usize } else { 0 };
    writer.bits.truncate(writer.needed);
    writer.fill((needed + extra) * 8);
    let octets =
        writer.bits.chunks(8).map(|bits| bits.iter().fold(0, |octet, bit| octet << 1 | u8::from(*bit)));
    Written {
        octets: octets.collect(),
        needed,
        encodable: writer.encodable && container.is_some(),
        expected: writer.expected,
        container,
    }
}

struct Writer<'w> {
    model: &'w Model,
    history: &'w mut History,
    random: &'w mut Random,
    bits: Vec<bool>,
    /// Where the last value ends.
    needed: usize,
    expected: Vec<Expected>,
    zeros: bool,
    encodable: bool,
}

impl Writer<'_> {
    /// Writes a container that starts at bit `start` and the heir that matches; says which one it was.
    fn container(&mut self, container: &Container, start: usize, included: bool) -> Option<String> {
        for entry in &container.entries {
            self.entry(entry, start)?;
        }
        let matches = |(condition, _): &&(Option<Condition>, Container)| {
            condition.as_ref().is_none_or(|condition| self.holds(condition))
        };
        match container.heirs.iter().find(matches) {
            Some((_, heir)) => self.container(heir, start, false),
            // An included container without heirs is what it is.
            None if container.is_abstract && !(included && container.heirs.is_empty()) => None,
            None => Some(container.name.clone()),
        }
    }

    fn entry(&mut self, entry: &Entry, start: usize) -> Option<()> {
        if entry.include.as_ref().is_some_and(|condition| !self.holds(condition)) {
            return Some(());
        }
        match entry.place {
            Place::Next => {}
            Place::After(bits) => self.fill(self.bits.len() + bits),
            Place::At(bits) => self.fill(start + bits),
        }
        let (times, gap) = match entry.repeat {
            None => (1, 0),
            Some((Times::Fixed(times), gap)) => (times, gap),
            Some((Times::Count, gap)) => (self.count(), gap),
        };
        for round in 0..times {
            if round > 0 {
                self.fill(self.bits.len() + gap);
            }
            match &entry.what {
                What::Parameter(at) => {
                    let parameter = &self.model.parameters[*at];
                    self.value(&parameter.name, &parameter.own, parameter.validity.as_ref());
                }
                What::Container(container) => {
                    self.container(container, self.bits.len(), true)?;
                }
            }
        }
        Some(())
    }

    /// Bits that nothing reads.
    fn fill(&mut self, to: usize) {
        while self.bits.len() < to {
            let bit = !self.zeros && self.random.one_in(2);
            self.bits.push(bit);
        }
    }

    fn put(&mut self, value: u64, bits: usize) {
        self.bits.extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn count(&self) -> usize {
        match self.history["Count"].last() {
            Some((Is::Integer(count), _)) => *count as usize,
            other => panic!("Count is {other:?}"),
        }
    }

    fn value(&mut self, name: &str, own: &Type, validity: Option<&Condition>) {
        match own {
            Type::Scalar(own) => {
                let raw = self.scalar(own);
                let valid = validity.is_none_or(|condition| self.holds(condition));
                let eng = if valid { own.engineering(&raw) } else { Is::Absent };
                self.history.entry(name.to_owned()).or_default().push((raw.clone(), eng.clone()));
                self.expected.push(Expected { name: name.to_owned(), raw, eng });
            }
            Type::Aggregate(members) => {
                for (member, letter) in members.iter().zip('a'..) {
                    self.value(&format!("{name}.{letter}"), member, validity);
                }
            }
            Type::Array(sizes, element) => {
                let count: usize = sizes.iter().product();
                for flat in 0..count {
                    let index = match sizes[..] {
                        [_, inner] => format!("[{}][{}]", flat / inner, flat % inner),
                        _ => format!("[{flat}]"),
                    };
                    self.value(&format!("{name}{index}"), element, validity);
                }
            }
            Type::List(element) => {
                let (mut raw, mut eng) = (Vec::new(), Vec::new());
                for _ in 0..self.count() {
                    let value = self.scalar(element);
                    let json = |value: &Is| match value {
                        Is::Integer(value) => match i64::try_from(*value) {
                            Ok(value) => serde_json::Value::from(value),
                            Err(_) => serde_json::Value::from(*value as u64),
                        },
                        other => panic!("a list of {other:?}"),
                    };
                    eng.push(json(&element.engineering(&value)));
                    raw.push(json(&value));
                }
                let valid = validity.is_none_or(|condition| self.holds(condition));
                let eng = if valid { Is::Json(eng.into()) } else { Is::Absent };
                self.expected.push(Expected { name: name.to_owned(), raw: Is::Json(raw.into()), eng });
                self.encodable = false;
                // Without elements it has a place all the same.
                self.needed = self.bits.len();
            }
        }
    }

    /// Writes a random value.
    fn scalar(&mut self, own: &Scalar) -> Is {
        let raw = match &own.coding {
            Coding::Integer { bits, order, .. } | Coding::Float { bits, order, .. } => {
                let (raw, coded) = number(own, self.random);
                self.bits.extend(arranged(coded, *bits, order));
                // The encoder writes normalised mantissas, the model any.
                self.encodable &= !matches!(own.coding, Coding::Float { mil: true, .. });
                raw
            }
            Coding::Octets(size) => {
                let size = match *size {
                    Size::Fixed(bits) => bits,
                    Size::Count { slope, intercept } => slope * self.count() + intercept,
                    Size::Lookup(sizes) => sizes[self.count()],
                };
                let bits: Vec<bool> = (0..size).map(|_| self.random.one_in(2)).collect();
                let octet = |bits: &[bool]| {
                    (0..8).fold(0, |octet, at| octet << 1 | u8::from(bits.get(at).is_some_and(|bit| *bit)))
                };
                let octets = bits.chunks(8).map(octet).collect();
                self.bits.extend(bits);
                Is::Octets(octets)
            }
            Coding::Text { charset, end } => Is::Text(self.text(charset, *end)),
        };
        self.needed = self.bits.len();
        raw
    }

    fn text(&mut self, charset: &str, end: End) -> String {
        let unit = if charset.starts_with("UTF-16") { 2 } else { 1 };
        let room = match end {
            End::Fixed { units, terminated: false } => units,
            End::Fixed { units, terminated: true } => self.random.below(units as u64 + 1) as usize,
            End::Leading(_) | End::Terminated => self.random.below(8) as usize,
            End::Count => self.count() * 4 / unit,
        };
        // As many units as there is room for, whatever the characters take.
        let (mut text, mut octets) = (String::new(), Vec::new());
        while octets.len() < room * unit {
            let more = match charset {
                "US-ASCII" => self.random.of(&['a', 'Z', '~', ' ', '"']),
                "ISO-8859-1" => self.random.of(&['a', '0', 'ö', 'ÿ']),
                _ => self.random.of(&['a', '\\', 'é', '€', '🚀']),
            };
            let left = room * unit - octets.len();
            let more = if encoded(more, charset).len() <= left { more } else { 'x' };
            text.push(more);
            octets.extend(encoded(more, charset));
        }
        if let End::Leading(bits) = end {
            self.put(octets.len() as u64, bits);
        }
        for octet in &octets {
            self.put(u64::from(*octet), 8);
        }
        let short = matches!(end, End::Fixed { units, .. } if room < units);
        if short || matches!(end, End::Terminated) {
            self.put(0, 8 * unit);
        }
        if let End::Fixed { units, .. } = end {
            self.fill(self.bits.len() + (units.saturating_sub(room + 1)) * unit * 8);
        }
        text
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Compare { parameter, instance, calibrated, operator, value } => {
                let kept = self.history.get(parameter).map_or(&[][..], |kept| &kept[..]);
                let found = kept.iter().rev().nth(*instance);
                let own = found.map_or(&Is::Absent, |(raw, eng)| if *calibrated { eng } else { raw });
                let order = match own {
                    Is::Integer(own) => value.parse().ok().map(|value| own.cmp(&value)),
                    Is::Float(own) => value.parse().ok().and_then(|value: f64| own.partial_cmp(&value)),
                    Is::Boolean(own) => Some(ZERO_AND_ONE[usize::from(*own)].cmp(value)),
                    Is::Label(own) => Some(own.cmp(value)),
                    _ => None,
                };
                match *operator {
                    // What cannot be compared is unequal.
                    "!=" => order.is_none_or(|order| order.is_ne()),
                    operator => order.is_some_and(|order| match operator {
                        "==" => order.is_eq(),
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        ">" => order.is_gt(),
                        _ => order.is_ge(),
                    }),
                }
            }
        }
    }
}

/// A raw number that the type may have.
pub(super) fn draw(own: &Scalar, random: &mut Random) -> Is {
    number(own, random).0
}

/// A raw number and its bits, before any order of octets.
fn number(own: &Scalar, random: &mut Random) -> (Is, u64) {
    match &own.coding {
        Coding::Integer { bits, form, .. } => {
            let (low, high) = own.limit.map(|limit| (0, limit)).or(own.coding.range()).unwrap_or((0, 0));
            let value = if random.one_in(4) {
                random.of(&[low, high, 0, 1.min(high)])
            } else {
                low + i128::from(random.next()) % (high - low + 1)
            };
            (Is::Integer(value), integer(value, *bits, *form))
        }
        Coding::Float { bits, mil, .. } if own.in_quarters() => {
            let value = (random.below(1023) as f64 - 511.0) / 4.0;
            (Is::Float(value), quarter(value, *bits, *mil))
        }
        Coding::Float { bits, mil, .. } => float(*bits, *mil, random),
        Coding::Text { .. } | Coding::Octets(_) => (Is::Absent, 0),
    }
}

/// An integer as the standard describes its encoding.
fn integer(value: i128, bits: usize, form: Form) -> u64 {
    let all = (1i128 << bits) - 1;
    let coded = match form {
        Form::Unsigned => value,
        Form::Twos if value < 0 => all + 1 + value,
        Form::Ones if value < 0 => all + value,
        Form::Magnitude if value < 0 => (all + 1) / 2 - value,
        Form::Twos | Form::Ones | Form::Magnitude => value,
        Form::Bcd | Form::Packed => {
            let width = if form == Form::Bcd { 8 } else { 4 };
            let digits = value.to_string();
            digits.bytes().fold(0, |coded, digit| coded << width | i128::from(digit - b'0'))
        }
    };
    coded as u64
}

/// A float from random bits; no NaN, whose bits may change on the way.
fn float(bits: usize, mil: bool, random: &mut Random) -> (Is, u64) {
    let coded = random.next() >> (64 - bits);
    let value = match (bits, mil) {
        (16, _) => {
            let (sign, exponent, fraction) = (coded >> 15, (coded >> 10 & 31) as i32, (coded & 1023) as f64);
            let magnitude = match exponent {
                0 => fraction / 1024.0 * 2f64.powi(-14),
                31 => return (Is::Float(f64::INFINITY), 0x7C00),
                _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            if sign == 1 { -magnitude } else { magnitude }
        }
        (32, false) => f64::from(f32::from_bits(coded as u32)),
        (64, _) => f64::from_bits(coded),
        (32, true) => {
            f64::from((coded as i32) >> 8) / 2f64.powi(23) * 2f64.powi(i32::from(coded as u8 as i8))
        }
        _ => {
            // Upper mantissa, exponent, lower mantissa: 24, 8 and 16 bits.
            let upper = f64::from(((coded >> 16) as i32) >> 8);
            let mantissa = upper * 65_536.0 + (coded & 0xFFFF) as f64;
            mantissa / 2f64.powi(39) * 2f64.powi(i32::from((coded >> 16) as u8 as i8))
        }
    };
    if value.is_nan() { (Is::Float(0.0), 0) } else { (Is::Float(value), coded) }
}

/// A few quarters as a float of each kind.
fn quarter(value: f64, bits: usize, mil: bool) -> u64 {
    match (bits, mil) {
        (16, _) if value == 0.0 => 0,
        (16, _) => {
            let exponent = value.abs().log2().floor();
            let fraction = (value.abs() / exponent.exp2() - 1.0) * 1024.0;
            (u64::from(value < 0.0) * 32 + (exponent as i64 + 15) as u64) * 1024 + fraction as u64
        }
        (32, false) => u64::from((value as f32).to_bits()),
        (64, _) => value.to_bits(),
        // 2^7 times a fraction.
        (32, true) => ((value * 65_536.0) as i64 as u64 & 0xFF_FFFF) << 8 | 7,
        _ => {
            let mantissa = (value * 4_294_967_296.0) as i64 as u64;
            (mantissa >> 16 & 0xFF_FFFF) << 24 | 7 << 16 | mantissa & 0xFFFF
        }
    }
}

/// The bits of a number in the order of transmission.
fn arranged(coded: u64, bits: usize, order: &Order) -> Vec<bool> {
    let bit = |at: usize| coded >> at & 1 == 1;
    // Each octet as the places of its bits, the most significant first.
    let plain: Vec<usize> = (0..bits).rev().collect();
    let octets: Vec<Vec<usize>> = match &order.octets {
        Octets::LeastFirst if bits > 8 => {
            (0..bits).step_by(8).map(|low| (low..bits.min(low + 8)).rev().collect()).collect()
        }
        Octets::List(list) => list.iter().map(|at| (8 * at..8 * at + 8).rev().collect()).collect(),
        _ => plain.chunks(8).map(<[usize]>::to_vec).collect(),
    };
    let turned = |octet: Vec<usize>| -> Vec<usize> {
        if order.reversed { octet.into_iter().rev().collect() } else { octet }
    };
    octets.into_iter().flat_map(turned).map(bit).collect()
}

fn encoded(character: char, charset: &str) -> Vec<u8> {
    let wide = |octets: fn(u16) -> [u8; 2]| {
        character.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| octets(*unit)).collect()
    };
    match charset {
        "UTF-16BE" => wide(u16::to_be_bytes),
        "UTF-16LE" => wide(u16::to_le_bytes),
        "ISO-8859-1" => vec![character as u32 as u8],
        _ => character.to_string().into_bytes(),
    }
}
