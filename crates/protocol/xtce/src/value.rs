//! Decoded values: 16 octets each, without pointers, so that a batch of packets is two flat vectors
//! that are cleared and filled again without allocating. Texts and octet strings lie in the arena.

use crate::database::ParameterId;

/// A stretch of [`Values::arena`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index of the first octet.
    pub start: u32,
    /// Number of octets.
    pub len: u32,
}

impl Span {
    /// The octets of this span, empty if it does not lie in `arena`.
    pub fn of(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize;
        arena.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// A raw or engineering value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value {
    /// There is no value: no label for the raw value, outside a spline, no valid BCD digit.
    #[default]
    Absent,
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A floating-point number; a relative time in seconds.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// Index into [`Parameter::labels`](crate::Parameter::labels).
    Label(u32),
    /// UTF-8 text in the arena.
    Text(Span),
    /// Octets in the arena. The last octet of a bit string is filled up with zero bits.
    Binary(Span),
    /// An absolute time in nanoseconds of the Unix epoch.
    Time(i64),
    /// JSON text in the arena: an array whose size only the packet tells.
    Structured(Span),
}

impl Value {
    /// The value as a number; `None` for texts, octets and absent values.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Value::Unsigned(v) => Some(v as f64),
            Value::Signed(v) => Some(v as f64),
            Value::Float(v) => Some(v),
            Value::Boolean(v) => Some(f64::from(u8::from(v))),
            _ => None,
        }
    }

    /// The value as an integer, if it is one.
    #[inline]
    pub fn as_i128(self) -> Option<i128> {
        match self {
            Value::Unsigned(v) => Some(i128::from(v)),
            Value::Signed(v) | Value::Time(v) => Some(i128::from(v)),
            Value::Boolean(v) => Some(i128::from(v)),
            Value::Label(v) => Some(i128::from(v)),
            _ => None,
        }
    }

    /// Where the octets of the value lie, if it has any.
    #[inline]
    pub fn span(self) -> Option<Span> {
        match self {
            Value::Text(span) | Value::Binary(span) | Value::Structured(span) => Some(span),
            _ => None,
        }
    }
}

/// One decoded parameter instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Which parameter; a leaf where the parameter is an aggregate or an array of fixed size.
    pub parameter: ParameterId,
    /// The value as transmitted.
    pub raw: Value,
    /// The engineering value: calibrated, labelled, of the parameter's type.
    pub eng: Value,
}

/// The values of one packet or of many, in the order of decoding. Reuse it: `clear` keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The parameter instances.
    pub entries: Vec<Entry>,
    /// What the spans of the entries point into.
    pub arena: Vec<u8>,
}

impl Values {
    /// Forgets the values, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.arena.clear();
    }

    /// The octets of a value that has a [`Span`]; empty for any other.
    pub fn octets(&self, value: Value) -> &[u8] {
        value.span().map_or(&[], |span| span.of(&self.arena))
    }

    /// The text of a [`Value::Text`] or [`Value::Structured`]; empty for any other.
    pub fn text(&self, value: Value) -> &str {
        match value {
            Value::Text(span) | Value::Structured(span) => {
                std::str::from_utf8(span.of(&self.arena)).unwrap_or_default()
            }
            _ => "",
        }
    }

    /// The first absolute time among the entries from `first` on: the generation time of a packet
    /// whose database says nothing more precise.
    pub fn first_time(&self, first: usize) -> Option<i64> {
        self.entries.get(first..)?.iter().find_map(|entry| match entry.eng {
            Value::Time(time) => Some(time),
            _ => None,
        })
    }

    /// Copies `octets` into the arena; `None` when the arena is at its limit of 4 GiB.
    pub(crate) fn store(&mut self, octets: &[u8]) -> Option<Span> {
        let span =
            Span { start: u32::try_from(self.arena.len()).ok()?, len: u32::try_from(octets.len()).ok()? };
        span.start.checked_add(span.len)?;
        self.arena.extend_from_slice(octets);
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_sixteen_octets() {
        assert_eq!(size_of::<Value>(), 16);
        assert_eq!(size_of::<Entry>(), 40);
    }

    #[test]
    fn a_span_outside_the_arena_is_empty() {
        let mut values = Values::default();
        let span = values.store(b"abc").expect("room");
        assert_eq!(values.text(Value::Text(span)), "abc");
        assert_eq!(values.octets(Value::Binary(Span { start: 2, len: 9 })), b"");
    }
}
