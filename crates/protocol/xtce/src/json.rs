//! Values as JSON, written straight into octets: the one rendering that `tm decode`, the archive and
//! structured values share. Numbers keep their precision; NaN and infinities become `null`.

use std::io::Write;

use crate::database::types::Type;
use crate::database::{ContainerId, Database, Parameter, ParameterId};
use crate::time;
use crate::value::{Entry, Value, Values};

/// Appends one packet as a JSON object, without a line end:
/// `{"container":…,"time":…,"values":{NAME:{"raw":…,"eng":…}}}`.
///
/// `entries` is the packet's range in `values.entries`; `time` is nanoseconds of the Unix epoch. Names
/// are short where only one parameter has them. Aggregates and arrays of fixed size are nested again.
pub struct PacketWriter<'d> {
    database: &'d Database,
    /// The key of each parameter, quoted, with its colon.
    keys: Vec<Box<[u8]>>,
    containers: Vec<Box<[u8]>>,
    /// How often a parameter was met in the packet at hand.
    seen: Vec<u32>,
}

impl<'d> PacketWriter<'d> {
    /// Prepares the names of a database.
    pub fn new(database: &'d Database) -> PacketWriter<'d> {
        let mut uses = std::collections::HashMap::new();
        for parameter in database.parameters() {
            *uses.entry(parameter.short_name.as_str()).or_insert(0u32) += 1;
        }
        let keys = database.parameters().iter().map(|parameter| {
            let unique = uses.get(parameter.short_name.as_str()) == Some(&1);
            let mut key = Vec::new();
            string(if unique { &parameter.short_name } else { &parameter.name }, &mut key);
            key.push(b':');
            key.into_boxed_slice()
        });
        let mut names = std::collections::HashMap::new();
        for container in database.containers() {
            *names.entry(container.short_name.as_str()).or_insert(0u32) += 1;
        }
        let containers = database.containers().iter().map(|container| {
            let unique = names.get(container.short_name.as_str()) == Some(&1);
            let mut key = Vec::new();
            string(if unique { &container.short_name } else { &container.name }, &mut key);
            key.into_boxed_slice()
        });
        PacketWriter {
            database,
            keys: keys.collect(),
            containers: containers.collect(),
            seen: vec![0; database.parameters().len()],
        }
    }

    /// Appends one packet.
    pub fn write(
        &mut self,
        container: ContainerId,
        time: Option<i64>,
        values: &Values,
        entries: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"container\":");
        match self.containers.get(container.0 as usize) {
            Some(name) => out.extend_from_slice(name),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"time\":");
        match time {
            Some(time) => {
                out.push(b'"');
                time::write(time, out);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"values\":{");
        let entries = values.entries.get(entries).unwrap_or_default();
        let mut at = 0;
        let mut first = true;
        while at < entries.len() {
            let root = self.root(entries[at].parameter);
            let len = self.run(root, &entries[at..]);
            let run = &entries[at..at + len];
            at += len;
            let seen = &mut self.seen[root.0 as usize];
            *seen += 1;
            if *seen > 1 {
                // Told with its first instance.
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(&self.keys[root.0 as usize]);
            self.instances(root, run, &entries[at..], values, out);
        }
        for entry in entries {
            let root = self.root(entry.parameter);
            self.seen[root.0 as usize] = 0;
        }
        out.extend_from_slice(b"}}");
    }

    /// `{"raw":…,"eng":…}`: the last instance in the packet, as it is the one that counts from then on;
    /// the ones before it, if there are any, as `"earlier":[…]`.
    fn instances(
        &self,
        root: ParameterId,
        run: &[Entry],
        rest: &[Entry],
        values: &Values,
        out: &mut Vec<u8>,
    ) {
        let mut earlier: Option<&[Entry]> = None;
        let mut last = run;
        let again = || Instances { writer: self, root, rest };
        if let Some(newest) = again().last() {
            earlier = Some(run);
            last = newest;
        }
        self.pair(root, last, values, out);
        if let Some(first) = earlier {
            out.extend_from_slice(b",\"earlier\":[");
            self.pair(root, first, values, out);
            out.push(b'}');
            let mut between = again().peekable();
            while let Some(instance) = between.next() {
                if between.peek().is_some() {
                    out.push(b',');
                    self.pair(root, instance, values, out);
                    out.push(b'}');
                }
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    /// `{"raw":…,"eng":…`, left open.
    fn pair(&self, root: ParameterId, run: &[Entry], values: &Values, out: &mut Vec<u8>) {
        for (name, engineering) in [(&b"{\"raw\":"[..], false), (&b",\"eng\":"[..], true)] {
            out.extend_from_slice(name);
            let mut entries = run.iter();
            self.nested(root, &mut entries, engineering, values, out);
        }
    }

    fn nested(
        &self,
        id: ParameterId,
        entries: &mut std::slice::Iter<'_, Entry>,
        engineering: bool,
        values: &Values,
        out: &mut Vec<u8>,
    ) {
        let parameter = &self.database.parameters[id.0 as usize];
        if parameter.members.is_empty() {
            // A part of an array leaves its other elements out.
            match entries.as_slice().first() {
                Some(entry) if entry.parameter == id => {
                    entries.next();
                    scalar(
                        if engineering { entry.eng } else { entry.raw },
                        &parameter.labels,
                        &values.arena,
                        out,
                    );
                }
                _ => out.extend_from_slice(b"null"),
            }
            return;
        }
        match self.database.type_of(id) {
            Some(Type::Array { dimensions, .. }) => {
                let sizes: Vec<u64> = dimensions.iter().filter_map(|dimension| dimension.fixed()).collect();
                self.array(parameter, &sizes, &mut 0, entries, engineering, values, out);
            }
            _ => {
                out.push(b'{');
                for (index, member) in parameter.members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    string(&self.database.parameters[member.0 as usize].member_name, out);
                    out.push(b':');
                    self.nested(*member, entries, engineering, values, out);
                }
                out.push(b'}');
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one recursion")]
    fn array(
        &self,
        parameter: &Parameter,
        sizes: &[u64],
        member: &mut usize,
        entries: &mut std::slice::Iter<'_, Entry>,
        engineering: bool,
        values: &Values,
        out: &mut Vec<u8>,
    ) {
        let Some((size, inner)) = sizes.split_first() else {
            if let Some(id) = parameter.members.get(*member) {
                *member += 1;
                self.nested(*id, entries, engineering, values, out);
            }
            return;
        };
        out.push(b'[');
        for at in 0..*size {
            if at > 0 {
                out.push(b',');
            }
            self.array(parameter, inner, member, entries, engineering, values, out);
        }
        out.push(b']');
    }

    /// The declared parameter that a leaf belongs to.
    fn root(&self, mut id: ParameterId) -> ParameterId {
        while let Some(parent) =
            self.database.parameters.get(id.0 as usize).and_then(|parameter| parameter.parent)
        {
            id = parent;
        }
        id
    }

    /// How many of the first entries are one instance of the declared parameter `root`: its leaves come
    /// in rising order.
    fn run(&self, root: ParameterId, entries: &[Entry]) -> usize {
        let mut len = 1;
        while len < entries.len()
            && entries[len].parameter > entries[len - 1].parameter
            && self.root(entries[len].parameter) == root
        {
            len += 1;
        }
        len
    }
}

/// The further instances of a declared parameter.
struct Instances<'w, 'd, 'e> {
    writer: &'w PacketWriter<'d>,
    root: ParameterId,
    rest: &'e [Entry],
}

impl<'e> Iterator for Instances<'_, '_, 'e> {
    type Item = &'e [Entry];

    fn next(&mut self) -> Option<&'e [Entry]> {
        while let Some(first) = self.rest.first() {
            let root = self.writer.root(first.parameter);
            let (instance, rest) = self.rest.split_at(self.writer.run(root, self.rest));
            self.rest = rest;
            if root == self.root {
                return Some(instance);
            }
        }
        None
    }
}

/// Writes one value.
pub(crate) fn scalar(value: Value, labels: &[String], arena: &[u8], out: &mut Vec<u8>) {
    // Writing into a Vec does not fail.
    match value {
        Value::Absent => out.extend_from_slice(b"null"),
        Value::Unsigned(value) => unsigned(value, out),
        Value::Signed(value) => {
            if value < 0 {
                out.push(b'-');
            }
            unsigned(value.unsigned_abs(), out);
        }
        Value::Float(value) if value.is_finite() => {
            let _ = write!(out, "{value:?}");
        }
        Value::Float(_) => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Label(label) => match labels.get(label as usize) {
            Some(label) => string(label, out),
            None => out.extend_from_slice(b"null"),
        },
        Value::Text(span) => string(std::str::from_utf8(span.of(arena)).unwrap_or_default(), out),
        Value::Binary(span) => hexadecimal(span.of(arena), out),
        Value::Time(time) => {
            out.push(b'"');
            time::write(time, out);
            out.push(b'"');
        }
        Value::Structured(span) => out.extend_from_slice(span.of(arena)),
    }
}

fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hexadecimal(octets: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.extend(
        octets.iter().flat_map(|octet| [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]),
    );
    out.push(b'"');
}

/// Writes a string with the escapes of RFC 8259.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|octet| *octet < 0x20 || *octet == b'"' || *octet == b'\\') {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            octet @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', octet]),
            octet => {
                let _ = write!(out, "\\u{octet:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value) -> String {
        let mut out = Vec::new();
        scalar(value, &["ON".into()], b"a\"\n\x01z", &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_are_json() {
        use crate::value::Span;
        assert_eq!(text(Value::Unsigned(u64::MAX)), "18446744073709551615");
        assert_eq!(text(Value::Signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(Value::Float(1e300)), "1e300");
        assert_eq!(text(Value::Float(f64::NAN)), "null");
        assert_eq!(text(Value::Label(0)), "\"ON\"");
        assert_eq!(text(Value::Text(Span { start: 0, len: 5 })), "\"a\\\"\\n\\u0001z\"");
        assert_eq!(text(Value::Binary(Span { start: 1, len: 2 })), "\"220a\"");
        assert_eq!(text(Value::Time(0)), "\"1970-01-01T00:00:00Z\"");
    }
}
