//! A line of JSON becomes a record again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base64;
use crate::id::Id;
use crate::record::{Priority, Record, Source};
use crate::time::{Time, WIDTH};

/// A line that is no record: torn by a crash, or written by somebody else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not JSON, or not with the keys of a record.
    #[error("it is not a record: {0}")]
    Json(#[from] serde_json::Error),
    /// A key whose value cannot be.
    #[error("the value of `{0}` is wrong")]
    Value(&'static str),
}

#[derive(Deserialize)]
struct Raw<'a> {
    seq: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    mono: u64,
    #[serde(borrow)]
    boot: Cow<'a, str>,
    #[serde(borrow, default)]
    unit: Cow<'a, str>,
    run: Option<String>,
    pid: Option<u32>,
    uid: Option<u32>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    prio: u8,
    facility: Option<u8>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    msg_base64: Option<String>,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    fields_base64: BTreeMap<String, String>,
}

impl<'a> Record<'a> {
    /// Reads a line, with or without its newline.
    ///
    /// # Errors
    /// When it is not a record; see [`RecordError`].
    pub fn decode(line: &'a [u8]) -> Result<Record<'a>, RecordError> {
        let raw: Raw<'a> = serde_json::from_slice(line)?;
        let id = |text: &str, key| text.parse::<Id>().map_err(|_| RecordError::Value(key));
        let octets = |text: &str, key| base64::decode(text.as_bytes()).ok_or(RecordError::Value(key));
        let mut fields: BTreeMap<String, Vec<u8>> =
            raw.fields.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        for (name, value) in raw.fields_base64 {
            fields.insert(name, octets(&value, "fields_base64")?);
        }
        if raw.prio > 7 {
            return Err(RecordError::Value("prio"));
        }
        Ok(Record {
            sequence: raw.seq,
            time: Time::from_digits(raw.time.as_bytes()).ok_or(RecordError::Value("time"))?,
            monotonic: raw.mono,
            boot: id(&raw.boot, "boot")?,
            unit: raw.unit,
            invocation: raw.run.map(|run| id(&run, "run")).transpose()?,
            pid: raw.pid,
            uid: raw.uid,
            source: Source::from_name(&raw.from).ok_or(RecordError::Value("from"))?,
            priority: Priority::new(raw.prio),
            facility: raw.facility,
            identifier: raw.id,
            message: match raw.msg_base64 {
                Some(text) => Cow::Owned(octets(&text, "msg_base64")?),
                None => match raw.msg {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                },
            },
            cut: raw.cut,
            fields: Cow::Owned(fields.into_iter().collect()),
        })
    }
}

/// Number and time of a line, from where every record has them; `None` for what is no record.
pub(crate) fn head(line: &[u8]) -> Option<(u64, Time)> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().take(20).take_while(|octet| octet.is_ascii_digit()).count();
    let sequence = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(b",\"time\":\"")?;
    Some((sequence, Time::from_digits(rest.get(..WIDTH)?)?))
}
