//! A record becomes a line of JSON.

use crate::base64;
use crate::record::Record;

impl Record<'_> {
    /// Appends the record as a line of JSON, with the newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        decimal(self.sequence, out);
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(&self.time.digits());
        out.extend_from_slice(b"\",\"mono\":");
        decimal(self.monotonic, out);
        out.extend_from_slice(b",\"boot\":\"");
        hexadecimal(self.boot.0, out);
        out.push(b'"');
        if !self.unit.is_empty() {
            out.extend_from_slice(b",\"unit\":");
            string(&self.unit, out);
        }
        if let Some(invocation) = self.invocation {
            out.extend_from_slice(b",\"run\":\"");
            hexadecimal(invocation.0, out);
            out.push(b'"');
        }
        for (key, value) in
            [(&b",\"pid\":"[..], self.pid.map(u64::from)), (b",\"uid\":", self.uid.map(u64::from))]
        {
            if let Some(value) = value {
                out.extend_from_slice(key);
                decimal(value, out);
            }
        }
        out.extend_from_slice(b",\"from\":\"");
        out.extend_from_slice(self.source.name().as_bytes());
        out.extend_from_slice(b"\",\"prio\":");
        out.push(b'0' + self.priority.number());
        if let Some(facility) = self.facility {
            out.extend_from_slice(b",\"facility\":");
            decimal(u64::from(facility), out);
        }
        if !self.identifier.is_empty() {
            out.extend_from_slice(b",\"id\":");
            string(&self.identifier, out);
        }
        out.extend_from_slice(b",\"msg\":");
        match std::str::from_utf8(&self.message) {
            Ok(text) => string(text, out),
            Err(_) => {
                string(&String::from_utf8_lossy(&self.message), out);
                out.extend_from_slice(b",\"msg_base64\":\"");
                base64::encode(&self.message, out);
                out.push(b'"');
            }
        }
        if self.cut {
            out.extend_from_slice(b",\"cut\":true");
        }
        if !self.fields.is_empty() {
            fields(&self.fields, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

fn fields(fields: &[(String, Vec<u8>)], out: &mut Vec<u8>) {
    let clean = |value: &[u8]| std::str::from_utf8(value).is_ok();
    for (key, of_utf8) in [("fields", true), ("fields_base64", false)] {
        let mut chosen = fields.iter().filter(|(_, value)| clean(value) == of_utf8).peekable();
        if chosen.peek().is_none() {
            continue;
        }
        out.push(b',');
        string(key, out);
        out.push(b':');
        let mut before = b'{';
        for (name, value) in chosen {
            out.push(before);
            before = b',';
            string(name, out);
            out.push(b':');
            match std::str::from_utf8(value) {
                Ok(text) => string(text, out),
                Err(_) => {
                    out.push(b'"');
                    base64::encode(value, out);
                    out.push(b'"');
                }
            }
        }
        out.push(b'}');
    }
}

pub(crate) fn decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hexadecimal(value: u128, out: &mut Vec<u8>) {
    for octet in value.to_be_bytes() {
        for half in [octet >> 4, octet & 15] {
            out.push(b"0123456789abcdef"[usize::from(half)]);
        }
    }
}

/// Which octets JSON has escaped in a string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut octet = 0;
    while octet < 0x20 {
        escaped[octet] = true;
        octet += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|octet| ESCAPED[usize::from(*octet)]) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                for half in [other >> 4, other & 15] {
                    out.push(b"0123456789abcdef"[usize::from(half)]);
                }
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
