//! A lane: the values of one parameter, one after the other, as they stand in a segment.
//!
//! In memory a lane keeps eight octets a value while all are of one kind, which nearly all are; a lane
//! that has seen two kinds keeps the kind beside each value. On disk it takes the smallest of a few
//! plain forms, or pcodec's where there are enough numbers to learn from. What was stored comes back
//! bit for bit, NaN payloads included.

use std::collections::{HashMap, HashSet};

use perigee_xtce::{Span, Value};

use super::wire::{Corrupt, Reader, put_octets, put_varint, zigzag};
use crate::value::append;

/// From so many numbers on, a lane is worth pcodec's fixed costs.
const PCODEC_FROM: usize = 32;
/// Level 4 of 12 compresses telemetry within a few percent of the highest, at a third of its time.
const PCODEC_LEVEL: usize = 4;

/// What kind of value a word stands for. The discriminants are on disk: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Absent = 0,
    Unsigned = 1,
    Signed = 2,
    Float = 3,
    Boolean = 4,
    Label = 5,
    Text = 6,
    Binary = 7,
    Time = 8,
    Structured = 9,
}

impl Kind {
    fn read(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        const KINDS: [Kind; 10] = [
            Kind::Absent,
            Kind::Unsigned,
            Kind::Signed,
            Kind::Float,
            Kind::Boolean,
            Kind::Label,
            Kind::Text,
            Kind::Binary,
            Kind::Time,
            Kind::Structured,
        ];
        KINDS.get(from.octet()? as usize).copied().ok_or(Corrupt("a value of unknown kind"))
    }

    /// Whether the word is a place among the octets of the lane instead of the value itself.
    fn is_octets(self) -> bool {
        matches!(self, Self::Text | Self::Binary | Self::Structured)
    }
}

/// The forms a lane takes on disk.
mod form {
    pub(super) const CONSTANT: u8 = 1;
    pub(super) const FIXED: u8 = 2;
    pub(super) const NUMBERS: u8 = 3;
    pub(super) const WORDS: u8 = 4;
    pub(super) const MIXED: u8 = 5;
}

/// Values in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// The kind of every value, until two differ.
    kind: Option<Kind>,
    /// The kind of each value, once two have differed.
    kinds: Vec<Kind>,
    /// The value, or for octets their place: offset in the upper half, count in the lower.
    words: Vec<u64>,
    octets: Vec<u8>,
}

impl Lane {
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Memory that the values take, roughly.
    pub(crate) fn footprint(&self) -> usize {
        self.words.len() * 8 + self.kinds.len() + self.octets.len()
    }

    /// Appends a value; spans are looked up in `arena`.
    #[inline]
    pub(crate) fn push(&mut self, value: Value, arena: &[u8]) {
        let (kind, word) = match value {
            Value::Float(number) => (Kind::Float, number.to_bits()),
            Value::Unsigned(number) => (Kind::Unsigned, number),
            Value::Signed(number) => (Kind::Signed, number as u64),
            Value::Boolean(truth) => (Kind::Boolean, u64::from(truth)),
            Value::Label(index) => (Kind::Label, u64::from(index)),
            Value::Time(time) => (Kind::Time, time as u64),
            Value::Absent => (Kind::Absent, 0),
            Value::Text(span) => (Kind::Text, self.keep(span, arena)),
            Value::Binary(span) => (Kind::Binary, self.keep(span, arena)),
            Value::Structured(span) => (Kind::Structured, self.keep(span, arena)),
        };
        self.push_word(kind, word);
    }

    #[inline]
    fn push_word(&mut self, kind: Kind, word: u64) {
        if self.kind != Some(kind) || !self.kinds.is_empty() {
            self.note_kind(kind);
        }
        self.words.push(word);
    }

    #[cold]
    fn note_kind(&mut self, kind: Kind) {
        match self.kind {
            _ if !self.kinds.is_empty() => self.kinds.push(kind),
            None => self.kind = Some(kind),
            Some(first) => {
                self.kinds.resize(self.words.len(), first);
                self.kinds.push(kind);
            }
        }
    }

    fn keep(&mut self, span: Span, arena: &[u8]) -> u64 {
        let octets = span.of(arena);
        let word = (self.octets.len() as u64) << 32 | octets.len() as u64;
        self.octets.extend_from_slice(octets);
        word
    }

    fn kind_of(&self, index: usize) -> Kind {
        self.kinds.get(index).copied().or(self.kind).unwrap_or(Kind::Absent)
    }

    fn octets_of(&self, word: u64) -> &[u8] {
        &self.octets[(word >> 32) as usize..][..word as u32 as usize]
    }

    /// The value at `index`; octets are appended to `arena`.
    pub(crate) fn value(&self, index: usize, arena: &mut Vec<u8>) -> Value {
        let word = self.words[index];
        let mut lend = || append(arena, self.octets_of(word));
        match self.kind_of(index) {
            Kind::Absent => Value::Absent,
            Kind::Unsigned => Value::Unsigned(word),
            Kind::Signed => Value::Signed(word as i64),
            Kind::Float => Value::Float(f64::from_bits(word)),
            Kind::Boolean => Value::Boolean(word != 0),
            Kind::Label => Value::Label(word as u32),
            Kind::Time => Value::Time(word as i64),
            Kind::Text => Value::Text(lend()),
            Kind::Binary => Value::Binary(lend()),
            Kind::Structured => Value::Structured(lend()),
        }
    }

    /// Whether the two lanes hold the same values from `start` on. Octets are compared by content.
    pub(crate) fn same(&self, other: &Self, start: usize) -> bool {
        self.len() == other.len()
            && (start..self.len()).all(|at| {
                let (kind, word) = (self.kind_of(at), self.words[at]);
                kind == other.kind_of(at)
                    && if kind.is_octets() {
                        self.octets_of(word) == other.octets_of(other.words[at])
                    } else {
                        word == other.words[at]
                    }
            })
    }

    /// Writes the values from `start` on. With `small`, pcodec may look for a smaller form.
    pub(crate) fn encode(&self, start: usize, small: bool, out: &mut Vec<u8>) {
        let words = &self.words[start..];
        let Some(&first) = words.first() else { return };
        if !self.kinds.is_empty() {
            out.push(form::MIXED);
            for (at, &word) in words.iter().enumerate() {
                let kind = self.kinds[start + at];
                out.push(kind as u8);
                self.put_word(kind, word, out);
            }
            return;
        }
        let kind = self.kind.unwrap_or(Kind::Absent);
        if kind.is_octets() {
            return self.encode_octets(kind, words, out);
        }
        if words.iter().all(|&word| word == first) {
            out.extend([form::CONSTANT, kind as u8]);
            return self.put_word(kind, first, out);
        }
        let fixed = Fixed::fitting(kind, words);
        if small && words.len() >= PCODEC_FROM && encode_numbers(kind, words, fixed.width, out) {
            return;
        }
        out.extend([form::FIXED, kind as u8]);
        fixed.encode(kind, words, out);
    }

    fn encode_octets(&self, kind: Kind, words: &[u64], out: &mut Vec<u8>) {
        let mut numbers = HashMap::new();
        let mut distinct = Vec::new();
        let mut indices = Vec::with_capacity(words.len());
        for &word in words {
            let octets = self.octets_of(word);
            indices.push(*numbers.entry(octets).or_insert_with(|| {
                distinct.push(octets);
                distinct.len() as u64 - 1
            }));
        }
        out.extend([form::WORDS, kind as u8]);
        put_varint(out, distinct.len() as u64);
        for octets in &distinct {
            put_octets(out, octets);
        }
        if distinct.len() > 1 {
            Fixed::fitting(Kind::Unsigned, &indices).encode(Kind::Unsigned, &indices, out);
        }
    }

    fn put_word(&self, kind: Kind, word: u64, out: &mut Vec<u8>) {
        match kind {
            Kind::Absent => {}
            Kind::Float => out.extend(word.to_le_bytes()),
            Kind::Signed | Kind::Time => put_varint(out, zigzag(word as i64)),
            Kind::Text | Kind::Binary | Kind::Structured => put_octets(out, self.octets_of(word)),
            Kind::Unsigned | Kind::Boolean | Kind::Label => put_varint(out, word),
        }
    }

    fn read_word(&mut self, kind: Kind, from: &mut Reader<'_>) -> Result<u64, Corrupt> {
        Ok(match kind {
            Kind::Absent => 0,
            Kind::Float => word_of(from.take(8)?),
            Kind::Signed | Kind::Time => from.signed()? as u64,
            Kind::Text | Kind::Binary | Kind::Structured => self.read_octets(from)?,
            Kind::Unsigned | Kind::Boolean | Kind::Label => from.varint()?,
        })
    }

    fn read_octets(&mut self, from: &mut Reader<'_>) -> Result<u64, Corrupt> {
        let octets = from.octets()?;
        let word = (self.octets.len() as u64) << 32 | octets.len() as u64;
        self.octets.extend_from_slice(octets);
        Ok(word)
    }

    /// Reads `count` values behind those that are there.
    pub(crate) fn decode(&mut self, count: usize, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        if count == 0 {
            return Ok(());
        }
        match from.octet()? {
            form::CONSTANT => {
                let kind = Kind::read(from)?;
                let word = self.read_word(kind, from)?;
                for _ in 0..count {
                    self.push_word(kind, word);
                }
            }
            form::FIXED => {
                let kind = Kind::read(from)?;
                if kind.is_octets() || kind == Kind::Absent {
                    return Err(Corrupt("numbers that are none"));
                }
                for word in Fixed::decode(kind, count, from)? {
                    self.push_word(kind, word);
                }
            }
            form::NUMBERS => {
                let kind = Kind::read(from)?;
                for word in decode_numbers(kind, count, from)? {
                    self.push_word(kind, word);
                }
            }
            form::WORDS => {
                let kind = Kind::read(from)?;
                if !kind.is_octets() {
                    return Err(Corrupt("words that are no octets"));
                }
                let distinct = from.count()?;
                let words: Vec<u64> =
                    (0..distinct).map(|_| self.read_octets(from)).collect::<Result<_, _>>()?;
                let indices =
                    if distinct > 1 { Fixed::decode(Kind::Unsigned, count, from)? } else { vec![0; count] };
                for index in indices {
                    let word = *words.get(index as usize).ok_or(Corrupt("a word that is not there"))?;
                    self.push_word(kind, word);
                }
            }
            form::MIXED => {
                for _ in 0..count {
                    let kind = Kind::read(from)?;
                    let word = self.read_word(kind, from)?;
                    self.push_word(kind, word);
                }
            }
            _ => return Err(Corrupt("a lane of unknown form")),
        }
        Ok(())
    }
}

/// How a run of words is written when all take the same room.
#[derive(Clone, Copy)]
struct Fixed {
    /// Subtracted from each: the least of them. Zero for floats.
    base: u64,
    /// Octets of each: 1, 2, 4 or 8.
    width: u8,
}

impl Fixed {
    fn fitting(kind: Kind, words: &[u64]) -> Self {
        if kind == Kind::Float {
            let width = if words.iter().all(|&word| single(word).is_some()) { 4 } else { 8 };
            return Self { base: 0, width };
        }
        let (least, most) = words.iter().fold((u64::MAX, 0), |(least, most), &word| {
            (least.min(ordered(kind, word)), most.max(ordered(kind, word)))
        });
        let width = match most - least {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        Self { base: least, width }
    }

    fn encode(self, kind: Kind, words: &[u64], out: &mut Vec<u8>) {
        out.push(self.width);
        if kind != Kind::Float {
            // Undone first, so that a base near zero is short whatever its sign.
            put_varint(
                out,
                if is_signed(kind) { zigzag(ordered(kind, self.base) as i64) } else { self.base },
            );
        }
        for &word in words {
            let word = match kind {
                Kind::Float if self.width == 4 => u64::from(single(word).unwrap_or_default()),
                Kind::Float => word,
                _ => ordered(kind, word) - self.base,
            };
            out.extend_from_slice(&word.to_le_bytes()[..usize::from(self.width)]);
        }
    }

    fn decode(kind: Kind, count: usize, from: &mut Reader<'_>) -> Result<Vec<u64>, Corrupt> {
        let width = usize::from(from.octet()?);
        if !matches!(width, 1 | 2 | 4 | 8) {
            return Err(Corrupt("a width that is not 1, 2, 4 or 8"));
        }
        let base = match kind {
            Kind::Float => 0,
            _ if is_signed(kind) => ordered(kind, from.signed()? as u64),
            _ => from.varint()?,
        };
        let octets = from.take(count.checked_mul(width).ok_or(Corrupt("a count larger than the block"))?)?;
        Ok(octets
            .chunks_exact(width)
            .map(|octets| match (kind, word_of(octets)) {
                (Kind::Float, word) if width == 4 => f64::from(f32::from_bits(word as u32)).to_bits(),
                (Kind::Float, word) => word,
                (_, word) => ordered(kind, word.wrapping_add(base)),
            })
            .collect())
    }
}

fn is_signed(kind: Kind) -> bool {
    matches!(kind, Kind::Signed | Kind::Time)
}

/// Maps signed words to unsigned ones of the same order, and back: it is its own inverse.
fn ordered(kind: Kind, word: u64) -> u64 {
    if is_signed(kind) { word ^ 1 << 63 } else { word }
}

/// The single-precision bits of a float that loses nothing by it, as most do: they came from 32 bits.
fn single(word: u64) -> Option<u32> {
    let single = f64::from_bits(word) as f32;
    (f64::from(single).to_bits() == word).then_some(single.to_bits())
}

fn word_of(octets: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..octets.len()].copy_from_slice(octets);
    u64::from_le_bytes(word)
}

/// How pcodec sees the numbers of a lane.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Precision {
    Unsigned = 0,
    Signed = 1,
    Double = 2,
    Single = 3,
}

/// Writes the pcodec form if it is smaller than the fixed one; says whether it did.
fn encode_numbers(kind: Kind, words: &[u64], width: u8, out: &mut Vec<u8>) -> bool {
    let config = pco::ChunkConfig::default().with_compression_level(PCODEC_LEVEL);
    let (precision, packed) = match kind {
        Kind::Float => {
            let config = config.with_mode_spec(float_mode(words));
            if width == 4 {
                let numbers: Vec<f32> = words.iter().map(|&word| f64::from_bits(word) as f32).collect();
                (Precision::Single, pco::standalone::simple_compress(&numbers, &config))
            } else {
                let numbers: Vec<f64> = words.iter().map(|&word| f64::from_bits(word)).collect();
                (Precision::Double, pco::standalone::simple_compress(&numbers, &config))
            }
        }
        Kind::Signed | Kind::Time => {
            let numbers: Vec<i64> = words.iter().map(|&word| word as i64).collect();
            (Precision::Signed, pco::standalone::simple_compress(&numbers, &config))
        }
        _ => (Precision::Unsigned, pco::standalone::simple_compress(words, &config)),
    };
    match packed {
        Ok(packed) if packed.len() < words.len() * usize::from(width) => {
            out.extend([form::NUMBERS, kind as u8, precision as u8]);
            put_octets(out, &packed);
            true
        }
        // Compression only saves room: whatever it has to say, the fixed form is always there.
        _ => false,
    }
}

/// A calibrated reading takes few values, each with all its bits in use: a dictionary fits it best.
fn float_mode(words: &[u64]) -> pco::ModeSpec {
    let few = words.len() / 4;
    let mut distinct = HashSet::with_capacity(few);
    for word in words {
        if distinct.insert(word) && distinct.len() > few {
            return pco::ModeSpec::Auto;
        }
    }
    pco::ModeSpec::TryDict
}

fn decode_numbers(kind: Kind, count: usize, from: &mut Reader<'_>) -> Result<Vec<u64>, Corrupt> {
    fn unpack<T: pco::data_types::Number + Default>(
        packed: &[u8],
        count: usize,
        word: impl Fn(T) -> u64,
    ) -> Result<Vec<u64>, Corrupt> {
        let mut numbers = vec![T::default(); count];
        let progress = pco::standalone::simple_decompress_into(packed, &mut numbers);
        match progress {
            Ok(progress) if progress.n_processed == count && progress.finished => {
                Ok(numbers.into_iter().map(word).collect())
            }
            _ => Err(Corrupt("numbers that do not unpack")),
        }
    }
    let precision = from.octet()?;
    let packed = from.octets()?;
    match (kind, precision) {
        (Kind::Float, p) if p == Precision::Single as u8 => {
            unpack(packed, count, |number: f32| f64::from(number).to_bits())
        }
        (Kind::Float, p) if p == Precision::Double as u8 => unpack(packed, count, f64::to_bits),
        (Kind::Signed | Kind::Time, p) if p == Precision::Signed as u8 => {
            unpack(packed, count, |number: i64| number as u64)
        }
        (Kind::Unsigned | Kind::Boolean | Kind::Label, p) if p == Precision::Unsigned as u8 => {
            unpack(packed, count, |number: u64| number)
        }
        _ => Err(Corrupt("numbers of unknown precision")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any value, its octets in an arena of its own.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Owned {
        Plain(Value),
        Octets(Kind, Vec<u8>),
    }

    impl Owned {
        pub(crate) fn lend(&self, arena: &mut Vec<u8>) -> Value {
            match self {
                Self::Plain(value) => *value,
                Self::Octets(Kind::Text, octets) => Value::Text(append(arena, octets)),
                Self::Octets(Kind::Binary, octets) => Value::Binary(append(arena, octets)),
                Self::Octets(_, octets) => Value::Structured(append(arena, octets)),
            }
        }
    }

    /// Whether two values are the same to the bit, octets by content.
    pub(crate) fn same(one: (Value, &[u8]), other: (Value, &[u8])) -> bool {
        let octets = |(value, arena): (Value, &[u8])| value.span().map(|span| span.of(arena).to_vec());
        match (one.0, other.0) {
            (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
            (Value::Text(_), Value::Text(_))
            | (Value::Binary(_), Value::Binary(_))
            | (Value::Structured(_), Value::Structured(_)) => octets(one) == octets(other),
            (one, other) => one == other,
        }
    }

    fn number() -> impl Strategy<Value = Owned> {
        prop_oneof![
            Just(Value::Absent),
            any::<u64>().prop_map(Value::Unsigned),
            any::<i64>().prop_map(Value::Signed),
            any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
            any::<f32>().prop_map(|single| Value::Float(single.into())),
            any::<bool>().prop_map(Value::Boolean),
            any::<u32>().prop_map(Value::Label),
            any::<i64>().prop_map(Value::Time),
        ]
        .prop_map(Owned::Plain)
    }

    fn octets() -> impl Strategy<Value = Owned> {
        let kind = prop_oneof![Just(Kind::Text), Just(Kind::Binary), Just(Kind::Structured)];
        (kind, prop::collection::vec(any::<u8>(), 0..6))
            .prop_map(|(kind, octets)| Owned::Octets(kind, octets))
    }

    /// Lanes as they occur: one kind in a narrow or a wide range, or all kinds mixed.
    pub(crate) fn lanes() -> impl Strategy<Value = Vec<Owned>> {
        let narrow = (any::<i64>(), 0..200i64, 1..300usize).prop_flat_map(|(base, range, count)| {
            prop::collection::vec(
                (0..=range).prop_map(move |step| Owned::Plain(Value::Signed(base.wrapping_add(step)))),
                count,
            )
        });
        let floats = prop::collection::vec(
            any::<u64>().prop_map(|bits| Owned::Plain(Value::Float(f64::from_bits(bits)))),
            1..200,
        );
        let singles = prop::collection::vec(
            any::<f32>().prop_map(|single| Owned::Plain(Value::Float(single.into()))),
            1..200,
        );
        let calibrated = prop::collection::vec(
            (0..20u8).prop_map(|raw| Owned::Plain(Value::Float(f64::from(raw) * 0.1 + 0.007))),
            1..300,
        );
        let unsigned =
            prop::collection::vec(any::<u64>().prop_map(|n| Owned::Plain(Value::Unsigned(n))), 1..100);
        let times = prop::collection::vec(any::<i64>().prop_map(|n| Owned::Plain(Value::Time(n))), 1..100);
        let mixed = prop::collection::vec(prop_oneof![number(), octets()], 1..50);
        prop_oneof![
            narrow,
            floats,
            singles,
            calibrated,
            unsigned,
            times,
            mixed,
            prop::collection::vec(octets(), 1..50)
        ]
    }

    proptest! {
        #[test]
        fn every_value_comes_back(values in lanes(), start in 0usize..8, small: bool) {
            let mut lane = Lane::default();
            let mut arena = Vec::new();
            for value in &values {
                let value = value.lend(&mut arena);
                lane.push(value, &arena);
            }
            let start = start.min(values.len() - 1);
            let mut block = Vec::new();
            lane.encode(start, small, &mut block);
            let mut read = Lane::default();
            read.decode(values.len() - start, &mut Reader::new(&block)).expect("what was just written");
            for (at, value) in values[start..].iter().enumerate() {
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let value = value.lend(&mut one);
                let found = read.value(at, &mut other);
                prop_assert!(same((value, &one), (found, &other)), "{value:?} became {found:?}");
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(block: Vec<u8>, count in 0usize..1000) {
            let mut lane = Lane::default();
            let _ = lane.decode(count, &mut Reader::new(&block));
        }

        #[test]
        fn damage_to_a_good_block_is_no_panic(values in lanes(), at: prop::sample::Index, octet: u8) {
            let mut lane = Lane::default();
            let mut arena = Vec::new();
            for value in &values {
                let value = value.lend(&mut arena);
                lane.push(value, &arena);
            }
            let mut block = Vec::new();
            lane.encode(0, true, &mut block);
            let place = at.index(block.len());
            block[place] = octet;
            let _ = Lane::default().decode(values.len(), &mut Reader::new(&block));
        }
    }
}
