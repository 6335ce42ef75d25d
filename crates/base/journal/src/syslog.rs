//! Datagrams as they come to /dev/log: RFC 3164 in the form that C libraries send, and RFC 5424.
//!
//! Nothing is refused: a datagram that is neither is a message as it stands. The time that stands in it is kept as a
//! field (`SYSLOG_TIMESTAMP`), since the clock of the log is the one that orders records.

use std::borrow::Cow;

use crate::record::{Priority, Record};

/// Octets of a datagram that are looked at.
pub const MOST_DATAGRAM: usize = 64 << 10;
/// Structured values that are taken of one message.
const MOST_FIELDS: usize = 64;

/// What stands in a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How urgent; info where it says nothing.
    pub priority: Priority,
    /// Which part of a system, 0 to 23; user-level where it says nothing.
    pub facility: u8,
    /// The program.
    pub identifier: Cow<'a, str>,
    /// The process as it calls itself; the kernel's word counts more.
    pub pid: Option<u32>,
    /// The text.
    pub message: &'a [u8],
    /// The time as it stands there, `MSGID` and structured data.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl<'a> Message<'a> {
    /// Puts what the datagram says into a record.
    pub fn fill(self, record: &mut Record<'a>) {
        record.priority = self.priority;
        record.facility = Some(self.facility);
        record.identifier = self.identifier;
        record.pid = record.pid.or(self.pid);
        record.message = Cow::Borrowed(self.message);
        record.fields = Cow::Owned(self.fields);
    }
}

/// Facility of programs that name none.
const USER: u8 = 1;

/// Reads a datagram.
pub fn parse(datagram: &[u8]) -> Message<'_> {
    let datagram = &datagram[..datagram.len().min(MOST_DATAGRAM)];
    let end = datagram.iter().rposition(|octet| !matches!(octet, b'\n' | 0)).map_or(0, |at| at + 1);
    let (code, rest) =
        code(&datagram[..end]).unwrap_or((USER << 3 | Priority::INFO.number(), &datagram[..end]));
    let (priority, facility) = (Priority::new(code & 7), code >> 3);
    let whole =
        Message { priority, facility, identifier: "".into(), pid: None, message: rest, fields: vec![] };
    new_form(rest, &whole).unwrap_or_else(|| old_form(rest, whole))
}

/// `<N>` with N up to 191.
fn code(datagram: &[u8]) -> Option<(u8, &[u8])> {
    let rest = datagram.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|octet| *octet == b'>')?;
    let number = number(&rest[..end])?;
    u8::try_from(number).ok().filter(|number| *number <= 191).map(|number| (number, &rest[end + 1..]))
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// RFC 3164 §4.1 without the host, as syslog(3) writes it: `Nov  5 15:51:02 tag[pid]: text`.
fn old_form<'a>(rest: &'a [u8], mut message: Message<'a>) -> Message<'a> {
    let mut rest = rest;
    if let Some((stamp, behind)) = old_time(rest) {
        message.fields.push(("SYSLOG_TIMESTAMP".to_owned(), stamp.to_vec()));
        rest = behind;
    }
    message.message = rest;
    let word = &rest[..rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())];
    let Some(tag) = word.strip_suffix(b":") else { return message };
    let (tag, pid) = match tag.strip_suffix(b"]").map(|tag| tag.iter().rposition(|octet| *octet == b'[')) {
        Some(Some(at)) => (&tag[..at], number(&tag[at + 1..tag.len() - 1])),
        _ => (tag, None),
    };
    if tag.is_empty() {
        return message;
    }
    message.identifier = String::from_utf8_lossy(tag);
    message.pid = pid;
    let behind = &rest[word.len()..];
    message.message = behind.strip_prefix(b" ").unwrap_or(behind);
    message
}

/// `Mmm dd hh:mm:ss ` and what is behind it.
fn old_time(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (stamp, behind) = text.split_at_checked(16)?;
    let is = |form: &[u8]| {
        stamp.iter().zip(form).all(|(octet, form)| match form {
            b'0' => octet.is_ascii_digit(),
            b'_' => octet.is_ascii_digit() || *octet == b' ',
            b'a' => octet.is_ascii_alphabetic(),
            other => octet == other,
        })
    };
    let month = MONTHS.chunks(3).any(|month| stamp.starts_with(month));
    (month && is(b"aaa _0 00:00:00 ")).then_some((&stamp[..15], behind))
}

/// RFC 5424 §6: `1 TIME HOST APP PROCID MSGID [id name="value"…] text`.
fn new_form<'a>(rest: &'a [u8], whole: &Message<'a>) -> Option<Message<'a>> {
    let mut message = whole.clone();
    let mut rest = rest.strip_prefix(b"1 ")?;
    let mut header = [&b""[..]; 5];
    for part in &mut header {
        let end = rest.iter().position(|octet| *octet == b' ')?;
        *part = &rest[..end];
        rest = &rest[end + 1..];
        if part.is_empty() || !part.iter().all(u8::is_ascii_graphic) {
            return None;
        }
    }
    let [time, host, app, process, kind] = header;
    let plain = time == b"-" || time.len() >= 20 && time[4] == b'-' && time[10] == b'T';
    if !plain {
        return None;
    }
    for (name, value) in [("SYSLOG_TIMESTAMP", time), ("SYSLOG_HOST", host), ("MSGID", kind)] {
        if value != b"-" {
            message.fields.push((name.to_owned(), value.to_vec()));
        }
    }
    if app != b"-" {
        message.identifier = String::from_utf8_lossy(app);
    }
    message.pid = number(process);
    rest = match rest.strip_prefix(b"-") {
        Some(behind) => behind,
        None => structured(rest, &mut message.fields)?,
    };
    rest = match rest {
        [] => rest,
        [b' ', text @ ..] => text,
        _ => return None,
    };
    message.message = rest.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(rest);
    Some(message)
}

/// RFC 5424 §6.3: elements `[id name="value" …]`, one behind the other; a value is called `id.name`.
fn structured<'a>(mut rest: &'a [u8], fields: &mut Vec<(String, Vec<u8>)>) -> Option<&'a [u8]> {
    let mut elements = 0;
    while let Some(element) = rest.strip_prefix(b"[") {
        elements += 1;
        let end = element.iter().position(|octet| matches!(octet, b' ' | b']'))?;
        let id = name(&element[..end])?;
        rest = &element[end..];
        loop {
            match rest {
                [b']', behind @ ..] => {
                    rest = behind;
                    break;
                }
                [b' ', behind @ ..] => {
                    let end = behind.iter().position(|octet| *octet == b'=')?;
                    let parameter = name(&behind[..end])?;
                    let (value, behind) = quoted(&behind[end + 1..])?;
                    if fields.len() < MOST_FIELDS {
                        fields.push((format!("{id}.{parameter}"), value));
                    }
                    rest = behind;
                }
                _ => return None,
            }
        }
    }
    (elements > 0).then_some(rest)
}

/// An SD-NAME: one to 32 printable characters other than `=`, `]`, `"` and space.
fn name(octets: &[u8]) -> Option<&str> {
    let good = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'=' | b']' | b'"');
    let name = std::str::from_utf8(octets).ok()?;
    ((1..=32).contains(&octets.len()) && octets.iter().all(good)).then_some(name)
}

/// `"value"`, in which `"`, `\` and `]` stand behind a backslash.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut value = Vec::new();
    loop {
        match rest {
            [b'"', behind @ ..] => return Some((value, behind)),
            [b'\\', octet @ (b'"' | b'\\' | b']'), behind @ ..] => {
                value.push(*octet);
                rest = behind;
            }
            [octet, behind @ ..] => {
                value.push(*octet);
                rest = behind;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        datagram: &str,
        code: u8,
        identifier: &str,
        pid: Option<u32>,
        text: &str,
        fields: &[(&str, &str)],
    ) {
        let message = parse(datagram.as_bytes());
        let found: Vec<_> =
            message.fields.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value))).collect();
        let expected: Vec<_> = fields.iter().map(|(name, value)| (*name, Ok(*value))).collect();
        assert_eq!(message.facility << 3 | message.priority.number(), code, "{datagram}");
        assert_eq!((&*message.identifier, message.pid), (identifier, pid), "{datagram}");
        assert_eq!(String::from_utf8_lossy(message.message), text, "{datagram}");
        assert_eq!(found, expected, "{datagram}");
    }

    #[test]
    fn what_c_libraries_send() {
        let time = [("SYSLOG_TIMESTAMP", "Nov 25 15:51:02")];
        check(
            "<30>Nov 25 15:51:02 sshd[812]: Server listening",
            30,
            "sshd",
            Some(812),
            "Server listening",
            &time,
        );
        check("<13>Nov 25 15:51:02 me: hello world\n", 13, "me", None, "hello world", &time);
        check("<86>Nov 25 15:51:02 su: (to root)\0", 86, "su", None, "(to root)", &time);
        check("<14>tag: no time", 14, "tag", None, "no time", &[]);
        check("<14>a[b]: pid is no number", 14, "a", None, "pid is no number", &[]);
        let early = [("SYSLOG_TIMESTAMP", "Nov  5 15:51:02")];
        check("<13>Nov  5 15:51:02 cron[1]:x y", 13, "", None, "cron[1]:x y", &early);
    }

    #[test]
    fn what_is_no_syslog_is_a_message() {
        for text in ["", "just words", "<300>x y", "<a>x y", "<14", "[1]: x", ": x y"] {
            let expected = if text == "<14" { "<14" } else { text };
            check(text, 14, "", None, expected, &[]);
        }
        check("<192>x y", 14, "", None, "<192>x y", &[]);
        check("<0>Nov 32", 0, "", None, "Nov 32", &[]);
    }

    /// The examples of RFC 5424 §6.5.
    #[test]
    fn examples_of_rfc_5424() {
        check(
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8",
            34,
            "su",
            None,
            "'su root' failed for lonvick on /dev/pts/8",
            &[
                ("SYSLOG_TIMESTAMP", "2003-10-11T22:14:15.003Z"),
                ("SYSLOG_HOST", "mymachine.example.com"),
                ("MSGID", "ID47"),
            ],
        );
        check(
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
            165,
            "myproc",
            Some(8710),
            "%% It's time to make the do-nuts.",
            &[("SYSLOG_TIMESTAMP", "2003-08-24T05:14:15.000003-07:00"), ("SYSLOG_HOST", "192.0.2.1")],
        );
        check(
            r#"<165>1 - - evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="a\"b\]"][examplePriority@32473 class="high"]"#,
            165,
            "evntslog",
            None,
            "",
            &[
                ("MSGID", "ID47"),
                ("exampleSDID@32473.iut", "3"),
                ("exampleSDID@32473.eventSource", "a\"b]"),
                ("examplePriority@32473.class", "high"),
            ],
        );
        // Structured data that does not end is text.
        check("<14>1 - - app - - [x y=\"z]", 14, "", None, "1 - - app - - [x y=\"z]", &[]);
    }
}
