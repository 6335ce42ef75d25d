//! Messages from clients: the parser of outside bytes of this crate.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::Format;

/// What a client asks for.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum ClientMessage {
    /// More parameters or topics; the latest state of what was added comes first.
    Subscribe(Subscribe),
    /// Fewer of them.
    Unsubscribe(Unsubscribe),
    /// Answered by a pong with the same number.
    Ping(Ping),
}

/// What to follow.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Subscribe {
    /// Whose values.
    pub(crate) parameters: Selection,
    /// What else.
    pub(crate) topics: Vec<Topic>,
    /// Milliseconds between two values of the same parameter, the latest winning; 0 sends every value.
    pub(crate) every: u32,
}

/// What to follow no longer.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Unsubscribe {
    /// Whose values.
    pub(crate) parameters: Selection,
    /// What else.
    pub(crate) topics: Vec<Topic>,
}

/// A sign of life.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ping {
    /// Comes back in the pong.
    pub(crate) n: u64,
}

/// What a client can follow besides values.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Topic {
    /// Every change of an alarm.
    Alarms,
    /// The state of the links, at most twice a second.
    Links,
    /// What was not decoded and why, at most twice a second.
    Rejections,
}

/// Some parameters, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Selection {
    /// None; the same as leaving the key out.
    #[default]
    Nothing,
    /// `"*"`.
    All,
    /// A list of ids.
    Ids(Vec<u32>),
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Selection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\" or a list of parameter ids")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Selection, E> {
                match text {
                    "*" => Ok(Selection::All),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Selection, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = list.next_element()? {
                    ids.push(id);
                }
                Ok(Selection::Ids(ids))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

impl Selection {
    /// The form of the query string: `*` or ids with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::Nothing),
            "*" => Ok(Self::All),
            _ => text
                .split(',')
                .map(|id| id.trim().parse().map_err(|_| format!("{id:?} is not a parameter id")))
                .collect::<Result<_, _>>()
                .map(Self::Ids),
        }
    }
}

impl Topic {
    /// The form of the query string: names with commas between them.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let known = |name: &str| match name {
            "alarms" => Ok(Self::Alarms),
            "links" => Ok(Self::Links),
            "rejections" => Ok(Self::Rejections),
            _ => Err(format!("{name:?} is not a topic: alarms, links or rejections")),
        };
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(known).collect()
    }
}

/// Reads one message. The error says what was wrong with it and is fit to be sent back.
pub(crate) fn decode(format: Format, octets: &[u8]) -> Result<ClientMessage, String> {
    match format {
        Format::Json => serde_json::from_slice(octets).map_err(|e| e.to_string()),
        Format::MessagePack => {
            // `from_slice` would pass over octets after the message.
            let mut rest = octets;
            let message = rmp_serde::from_read(&mut rest).map_err(|e| e.to_string())?;
            if rest.is_empty() {
                Ok(message)
            } else {
                Err(format!("{} octets after the message", rest.len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(json: &str) -> Result<ClientMessage, String> {
        let from_json = decode(Format::Json, json.as_bytes());
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(json) {
            let packed = rmp_serde::to_vec_named(&value).expect("encodes");
            let from_pack = decode(Format::MessagePack, &packed);
            assert_eq!(from_json.as_ref().ok(), from_pack.as_ref().ok(), "{json}");
        }
        from_json
    }

    #[test]
    fn well_formed_messages_are_read_alike_in_both_formats() {
        let cases = [
            (
                r#"{"op":"subscribe","parameters":[1,2],"topics":["alarms","links"],"every":100}"#,
                ClientMessage::Subscribe(Subscribe {
                    parameters: Selection::Ids(vec![1, 2]),
                    topics: vec![Topic::Alarms, Topic::Links],
                    every: 100,
                }),
            ),
            (
                r#"{"parameters":"*","op":"subscribe"}"#,
                ClientMessage::Subscribe(Subscribe { parameters: Selection::All, ..Subscribe::default() }),
            ),
            (
                r#"{"op":"unsubscribe","topics":["rejections"]}"#,
                ClientMessage::Unsubscribe(Unsubscribe {
                    topics: vec![Topic::Rejections],
                    ..Unsubscribe::default()
                }),
            ),
            (r#"{"op":"ping","n":7}"#, ClientMessage::Ping(Ping { n: 7 })),
        ];
        for (json, message) in cases {
            assert_eq!(both(json).as_ref(), Ok(&message), "{json}");
        }
    }

    #[test]
    fn malformed_messages_are_refused_with_a_reason() {
        let cases = [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "op"),
            ("{}", "op"),
            (r#"{"op":"shout"}"#, "unknown variant `shout`"),
            (r#"{"op":"subscribe","parameters":"all"}"#, "\"*\" or a list of parameter ids"),
            (r#"{"op":"subscribe","parameters":[-1]}"#, "u32"),
            (r#"{"op":"subscribe","parameters":{"a":1}}"#, "\"*\" or a list of parameter ids"),
            (r#"{"op":"subscribe","topics":["weather"]}"#, "unknown variant `weather`"),
            (r#"{"op":"subscribe","evry":5}"#, "unknown field `evry`"),
            (r#"{"op":"unsubscribe","every":5}"#, "unknown field `every`"),
            (r#"{"op":"ping"}"#, "missing field `n`"),
            (r#"{"op":"ping","n":1} x"#, "trailing"),
        ];
        for (json, reason) in cases {
            let error = both(json).expect_err(json);
            assert!(error.contains(reason), "{json}: {error}");
        }
        assert!(decode(Format::MessagePack, &[]).is_err());
        assert!(decode(Format::MessagePack, &[0xc1]).is_err());
        let mut packed = rmp_serde::to_vec_named(&serde_json::json!({"op":"ping","n":1})).expect("encodes");
        packed.push(0);
        assert!(decode(Format::MessagePack, &packed).expect_err("trailing").contains("1 octets after"));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let json = format!(r#"{{"op":"subscribe","parameters":{}"#, "[".repeat(200_000));
        assert!(decode(Format::Json, json.as_bytes()).is_err());
        assert!(decode(Format::MessagePack, &vec![0x91; 200_000]).is_err());
        // An array that claims 2^32 - 1 elements must not make room for them.
        assert!(decode(Format::MessagePack, &[0xdd, 0xff, 0xff, 0xff, 0xff, 0x01]).is_err());
    }

    #[test]
    fn query_strings_select_like_messages() {
        assert_eq!(Selection::parse("*"), Ok(Selection::All));
        assert_eq!(Selection::parse("1, 2"), Ok(Selection::Ids(vec![1, 2])));
        assert_eq!(Selection::parse(""), Ok(Selection::Nothing));
        assert!(Selection::parse("1,x").is_err());
        assert_eq!(Topic::parse_list("alarms,links"), Ok(vec![Topic::Alarms, Topic::Links]));
        assert!(Topic::parse_list("alarms,weather").is_err());
    }
}
