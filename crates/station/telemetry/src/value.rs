//! Values outside a batch: moved from one arena to another, and written as JSON.

use perigee_xtce::{Span, Value};

/// Appends octets to an arena and says where they lie; those beyond its 4 GiB are left out.
pub(crate) fn append(arena: &mut Vec<u8>, octets: &[u8]) -> Span {
    let (Ok(start), Ok(len)) = (u32::try_from(arena.len()), u32::try_from(octets.len())) else {
        return Span::default();
    };
    if start.checked_add(len).is_none() {
        return Span::default();
    }
    arena.extend_from_slice(octets);
    Span { start, len }
}

/// The same value with its octets, if it has any, in another arena.
pub(crate) fn move_to(value: Value, from: &[u8], to: &mut Vec<u8>) -> Value {
    match value {
        Value::Text(span) => Value::Text(append(to, span.of(from))),
        Value::Binary(span) => Value::Binary(append(to, span.of(from))),
        Value::Structured(span) => Value::Structured(append(to, span.of(from))),
        value => value,
    }
}

/// The value as the interfaces write it: labels and texts as strings, octets as hexadecimal digits, times
/// as nanoseconds of the Unix epoch, NaN and infinities as strings, an absent value as null.
pub fn to_json(value: Value, arena: &[u8], labels: &[String]) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Absent => Json::Null,
        Value::Unsigned(number) => number.into(),
        Value::Signed(number) => number.into(),
        Value::Float(number) if number.is_finite() => number.into(),
        Value::Float(number) => number.to_string().into(),
        Value::Boolean(truth) => match labels {
            [zero, one] => if truth { one } else { zero }.as_str().into(),
            _ => truth.into(),
        },
        Value::Label(index) => labels.get(index as usize).map_or(Json::Null, |label| label.as_str().into()),
        Value::Text(span) => String::from_utf8_lossy(span.of(arena)).into(),
        Value::Binary(span) => hex(span.of(arena)).into(),
        Value::Time(time) => time.into(),
        Value::Structured(span) => serde_json::from_slice(span.of(arena)).unwrap_or(Json::Null),
    }
}

/// Octets as hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
        text
    })
}
