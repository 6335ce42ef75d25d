//! Datagrams in journald's own protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>), which many daemons speak:
//! `NAME=value` lines, or a name, eight octets of length and the value where that has newlines; an empty line between
//! records.
//!
//! Names that begin with `_` are journald's own words and are not believed when a daemon says them. What is no field
//! ends the datagram; what came before it counts.

use std::borrow::Cow;

use memchr::memchr;

use crate::record::{Priority, Record};

/// Octets of a datagram, or of the memory that is passed in its place, that are taken.
pub const MOST_OCTETS: usize = 2 << 20;
/// Fields of one record.
const MOST_FIELDS: usize = 256;
/// Octets of a name.
const MOST_NAME: usize = 64;

/// What a daemon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `PRIORITY`; info where it is not given.
    pub priority: Priority,
    /// `SYSLOG_FACILITY`.
    pub facility: Option<u8>,
    /// `SYSLOG_IDENTIFIER`.
    pub identifier: Cow<'a, str>,
    /// `MESSAGE`.
    pub message: &'a [u8],
    /// All others.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl<'a> Message<'a> {
    /// Puts what is said into a record.
    pub fn fill(self, record: &mut Record<'a>) {
        record.priority = self.priority;
        record.facility = self.facility;
        record.identifier = self.identifier;
        record.message = Cow::Borrowed(self.message);
        record.fields = Cow::Owned(self.fields);
    }
}

/// Shows every record of a datagram. Returns whether all of it was understood.
pub fn parse<'a>(datagram: &'a [u8], mut each: impl FnMut(Message<'a>)) -> bool {
    let mut rest = datagram;
    let mut message = empty();
    let mut fields = 0;
    let whole = loop {
        if rest.is_empty() {
            break true;
        }
        if let Some(behind) = rest.strip_prefix(b"\n") {
            if std::mem::take(&mut fields) > 0 {
                each(std::mem::replace(&mut message, empty()));
            }
            rest = behind;
            continue;
        }
        let Some((name, value, behind)) = field(rest) else { break false };
        rest = behind;
        fields += 1;
        take(&mut message, name, value);
    };
    if fields > 0 {
        each(message);
    }
    whole
}

fn empty<'a>() -> Message<'a> {
    Message { priority: Priority::INFO, facility: None, identifier: "".into(), message: b"", fields: vec![] }
}

/// A field and what is behind it.
fn field(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = memchr(b'\n', rest).unwrap_or(rest.len());
    let behind = rest.get(end + 1..).unwrap_or_default();
    if let Some(equals) = memchr(b'=', &rest[..end]) {
        return Some((&rest[..equals], &rest[equals + 1..end], behind));
    }
    let (length, value) = behind.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (value, behind) = value.split_at_checked(length)?;
    Some((&rest[..end], value, behind.strip_prefix(b"\n")?))
}

fn take<'a>(message: &mut Message<'a>, name: &[u8], value: &'a [u8]) {
    let number = |most: u8| {
        let number: u8 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (number <= most).then_some(number)
    };
    match name {
        b"MESSAGE" => message.message = value,
        b"PRIORITY" => message.priority = number(7).map_or(message.priority, Priority::new),
        b"SYSLOG_FACILITY" => message.facility = number(23),
        b"SYSLOG_IDENTIFIER" => message.identifier = String::from_utf8_lossy(value),
        _ => {
            if let Some(name) = good_name(name).filter(|_| message.fields.len() < MOST_FIELDS) {
                message.fields.push((name.to_owned(), value.to_vec()));
            }
        }
    }
}

/// Upper-case letters, digits and `_`, which do not begin with `_` or a digit.
fn good_name(name: &[u8]) -> Option<&str> {
    let good = |octet: &u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || *octet == b'_';
    let begins = name.first().is_some_and(u8::is_ascii_uppercase);
    let name = std::str::from_utf8(name).ok().filter(|name| name.bytes().all(|octet| good(&octet)))?;
    (begins && name.len() <= MOST_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(datagram: &[u8]) -> (Vec<Message<'_>>, bool) {
        let mut all = Vec::new();
        let whole = parse(datagram, |message| all.push(message));
        (all, whole)
    }

    #[test]
    fn lines_binary_fields_and_several_records() {
        let datagram =
            b"MESSAGE=hello\nPRIORITY=3\nSYSLOG_FACILITY=4\nSYSLOG_IDENTIFIER=app\nCODE_LINE=7\n_PID=1\n\n\
            MESSAGE\n\x05\0\0\0\0\0\0\0a\nb\n=\nlower=no\n";
        let (all, whole) = all(datagram);
        assert!(whole);
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[0].priority, all[0].facility, &*all[0].identifier),
            (Priority::ERROR, Some(4), "app")
        );
        assert_eq!(all[0].message, b"hello");
        assert_eq!(all[0].fields, [("CODE_LINE".to_owned(), b"7".to_vec())]);
        assert_eq!((all[1].message, all[1].priority), (&b"a\nb\n="[..], Priority::INFO));
        assert!(all[1].fields.is_empty());
    }

    #[test]
    fn what_is_torn_ends_the_datagram() {
        for torn in [&b"A=1\nMESSAGE\n\xff\0\0\0\0\0\0\0a"[..], b"A=1\nMESSAGE\n\x01\0", b"A=1\nMESSAGE"] {
            let (all, whole) = all(torn);
            assert!(!whole);
            assert_eq!(all[0].fields, [("A".to_owned(), b"1".to_vec())]);
        }
        assert_eq!(all(b""), (vec![], true));
        assert_eq!(all(b"\n\n"), (vec![], true));
        assert_eq!(all(b"PRIORITY=9\nMESSAGE=last without newline").0[0].message, b"last without newline");
    }
}
