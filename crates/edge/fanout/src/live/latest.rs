//! The last value of every parameter: what a new subscriber is shown first, and what a subscriber who wants
//! a value only every so often is shown when its time has come.

use crate::wire::sample::{Sample, Value};

/// Indexed by parameter id. Allocates only when a text or binary value outgrows all before it.
#[derive(Debug)]
pub(crate) struct Latest {
    slots: Vec<Option<Slot>>,
}

#[derive(Debug)]
struct Slot {
    t: i64,
    r: i64,
    s: &'static str,
    v: Held,
    raw: Held,
    octets: Vec<u8>,
}

/// A value whose octets, if it has any, lie in its slot.
#[derive(Clone, Copy, Debug)]
enum Held {
    Plain(Value<'static>),
    Text { start: usize, end: usize },
    Binary { start: usize, end: usize },
    Structured { start: usize, end: usize },
}

impl Latest {
    /// No value yet for any of `parameters`.
    pub(crate) fn new(parameters: usize) -> Self {
        Self { slots: std::iter::repeat_with(|| None).take(parameters).collect() }
    }

    /// How many parameters there are.
    pub(crate) fn parameters(&self) -> usize {
        self.slots.len()
    }

    /// Replaces the last value. Samples of unknown parameters are passed over.
    pub(crate) fn store(&mut self, sample: &Sample<'_>) {
        let Some(slot) = self.slots.get_mut(sample.id as usize) else { return };
        let mut octets = slot.take().map(|old| old.octets).unwrap_or_default();
        octets.clear();
        let v = hold(sample.v, &mut octets);
        let raw = hold(sample.raw, &mut octets);
        *slot = Some(Slot { t: sample.t, r: sample.r, s: sample.s, v, raw, octets });
    }

    /// The last value of one parameter.
    pub(crate) fn get(&self, id: usize) -> Option<Sample<'_>> {
        let slot = self.slots.get(id)?.as_ref()?;
        let show = |held| show(held, &slot.octets);
        Some(Sample { id: id as u32, t: slot.t, r: slot.r, v: show(slot.v), raw: show(slot.raw), s: slot.s })
    }
}

fn hold(value: Value<'_>, octets: &mut Vec<u8>) -> Held {
    let start = octets.len();
    let mut copy = |bytes: &[u8]| {
        octets.extend_from_slice(bytes);
        octets.len()
    };
    match value {
        Value::Absent => Held::Plain(Value::Absent),
        Value::Unsigned(n) => Held::Plain(Value::Unsigned(n)),
        Value::Signed(n) => Held::Plain(Value::Signed(n)),
        Value::Float(x) => Held::Plain(Value::Float(x)),
        Value::Boolean(b) => Held::Plain(Value::Boolean(b)),
        Value::Text(text) => Held::Text { start, end: copy(text.as_bytes()) },
        Value::Binary(binary) => Held::Binary { start, end: copy(binary) },
        Value::Structured(json) => Held::Structured { start, end: copy(json.as_bytes()) },
    }
}

fn show(held: Held, octets: &[u8]) -> Value<'_> {
    // What lies there was copied from a `str`.
    let text = |start, end| std::str::from_utf8(&octets[start..end]).unwrap_or_default();
    match held {
        Held::Plain(value) => value,
        Held::Text { start, end } => Value::Text(text(start, end)),
        Held::Binary { start, end } => Value::Binary(&octets[start..end]),
        Held::Structured { start, end } => Value::Structured(text(start, end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_last_comes_back() {
        let mut latest = Latest::new(2);
        assert_eq!(latest.get(0), None);
        let values = [
            (Value::Text("ON"), Value::Unsigned(1)),
            (Value::Text("a longer text"), Value::Binary(&[1, 2, 3])),
            (Value::Structured("[1,2]"), Value::Text("")),
            (Value::Float(1.5), Value::Absent),
        ];
        for (t, (v, raw)) in (0..).zip(values) {
            let sample = Sample { id: 1, t, r: t + 1, v, raw, s: "watch" };
            latest.store(&sample);
            assert_eq!(latest.get(1), Some(sample));
        }
        latest.store(&Sample { id: 2, t: 0, r: 0, v: Value::Absent, raw: Value::Absent, s: "nominal" });
        assert_eq!(latest.get(2), None);
        assert_eq!(latest.get(0), None);
    }
}
