//! One value of one parameter, as it goes over the wire.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

/// The largest integer that every double, and so every browser, holds exactly.
const SAFE: u64 = (1 << 53) - 1;

/// SAMPLE of the API: `{"id","t","r","v","raw","s"}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    /// Id of the parameter.
    pub(crate) id: u32,
    /// Generation time, milliseconds.
    pub(crate) t: i64,
    /// Reception time, milliseconds.
    pub(crate) r: i64,
    /// Engineering value.
    pub(crate) v: Value<'a>,
    /// Raw value.
    pub(crate) raw: Value<'a>,
    /// Severity in the words of XTCE.
    pub(crate) s: &'static str,
}

/// A value by reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// There is none.
    Absent,
    /// Not negative.
    Unsigned(u64),
    /// Of either sign.
    Signed(i64),
    /// Of double precision.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Text, or the label of an enumeration.
    Text(&'a str),
    /// Octets.
    Binary(&'a [u8]),
    /// JSON text of an array or aggregate.
    Structured(&'a str),
}

impl Serialize for Sample<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Sample", 6)?;
        map.serialize_field("id", &self.id)?;
        map.serialize_field("t", &self.t)?;
        map.serialize_field("r", &self.r)?;
        map.serialize_field("v", &self.v)?;
        map.serialize_field("raw", &self.raw)?;
        map.serialize_field("s", self.s)?;
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Absent => serializer.serialize_unit(),
            Self::Unsigned(n) if n <= SAFE => serializer.serialize_u64(n),
            Self::Unsigned(n) => serializer.collect_str(&n),
            Self::Signed(n) if n.unsigned_abs() <= SAFE => serializer.serialize_i64(n),
            Self::Signed(n) => serializer.collect_str(&n),
            Self::Float(x) if x.is_finite() => serializer.serialize_f64(x),
            Self::Float(x) if x.is_nan() => serializer.serialize_str("NaN"),
            Self::Float(x) => serializer.serialize_str(if x > 0.0 { "Infinity" } else { "-Infinity" }),
            Self::Boolean(b) => serializer.serialize_bool(b),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(octets) => serializer.collect_str(&Hex(octets)),
            Self::Structured(json) => match serde_json::from_str(json) {
                Ok(value) => Structured(&value).serialize(serializer),
                Err(_) => serializer.serialize_str(json),
            },
        }
    }
}

/// Parsed JSON under the same rule for wide integers as everything else.
#[derive(Debug)]
pub(crate) struct Structured<'a>(pub(crate) &'a serde_json::Value);

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde_json::Value as Json;
        match self.0 {
            Json::Number(n) => match (n.as_u64(), n.as_i64()) {
                (Some(n), _) => Value::Unsigned(n).serialize(serializer),
                (None, Some(n)) => Value::Signed(n).serialize(serializer),
                _ => n.serialize(serializer),
            },
            Json::Array(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|element| seq.serialize_element(&Structured(element)))?;
                seq.end()
            }
            Json::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, &Structured(value)))?;
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

/// Octets shown as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Value<'_>) -> String {
        serde_json::to_string(&value).expect("encodes")
    }

    #[test]
    fn values_are_what_a_browser_can_read_back() {
        assert_eq!(json(Value::Absent), "null");
        assert_eq!(json(Value::Unsigned(SAFE)), "9007199254740991");
        assert_eq!(json(Value::Unsigned(SAFE + 1)), "\"9007199254740992\"");
        assert_eq!(json(Value::Unsigned(u64::MAX)), "\"18446744073709551615\"");
        assert_eq!(json(Value::Signed(-(SAFE as i64))), "-9007199254740991");
        assert_eq!(json(Value::Signed(i64::MIN)), "\"-9223372036854775808\"");
        assert_eq!(json(Value::Float(0.1)), "0.1");
        assert_eq!(json(Value::Float(f64::NAN)), "\"NaN\"");
        assert_eq!(json(Value::Float(f64::INFINITY)), "\"Infinity\"");
        assert_eq!(json(Value::Float(f64::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(json(Value::Boolean(true)), "true");
        assert_eq!(json(Value::Text("a\"b")), r#""a\"b""#);
        assert_eq!(json(Value::Binary(&[0, 0xab])), "\"00ab\"");
        assert_eq!(
            json(Value::Structured(r#"[1,{"a":18446744073709551615}]"#)),
            r#"[1,{"a":"18446744073709551615"}]"#
        );
        assert_eq!(json(Value::Structured("[1,")), "\"[1,\"");
    }
}
