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
    /// The declared parameter that each leaf belongs to.
    roots: Vec<u32>,
    /// The instances in the packet at hand.
    instances: Vec<Instance>,
    /// The first and last instance of each declared parameter, plus one; zero: none yet.
    ends: Vec<(u32, u32)>,
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
        let mut roots: Vec<u32> = Vec::with_capacity(database.parameters().len());
        for (index, parameter) in database.parameters().iter().enumerate() {
            // A leaf comes after its parent.
            let root = parameter.parent.and_then(|parent| roots.get(parent.0 as usize)).copied();
            roots.push(root.unwrap_or(index as u32));
        }
        PacketWriter {
            database,
            keys: keys.collect(),
            containers: containers.collect(),
            ends: vec![(0, 0); roots.len()],
            roots,
            instances: Vec::new(),
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
        self.find_instances(entries);
        for index in 0..self.instances.len() {
            let instance = self.instances[index];
            let (first, last) = self.ends[instance.root as usize];
            // Told with the first instance of its parameter.
            if first as usize != index + 1 {
                continue;
            }
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.keys[instance.root as usize]);
            self.parameter(index, last as usize - 1, entries, values, out);
        }
        for instance in &self.instances {
            self.ends[instance.root as usize] = (0, 0);
        }
        out.extend_from_slice(b"}}");
    }

    /// Splits the entries into instances of declared parameters: the leaves of one come in rising order.
    fn find_instances(&mut self, entries: &[Entry]) {
        self.instances.clear();
        let root_of =
            |roots: &[u32], entry: &Entry| roots.get(entry.parameter.0 as usize).copied().unwrap_or(0);
        let mut at = 0;
        while at < entries.len() {
            let root = root_of(&self.roots, &entries[at]);
            let mut end = at + 1;
            while end < entries.len()
                && entries[end].parameter > entries[end - 1].parameter
                && root_of(&self.roots, &entries[end]) == root
            {
                end += 1;
            }
            let number = self.instances.len() as u32 + 1;
            let ends = &mut self.ends[root as usize];
            match ends.1 {
                0 => ends.0 = number,
                last => self.instances[last as usize - 1].next = number,
            }
            ends.1 = number;
            self.instances.push(Instance { root, start: at as u32, end: end as u32, next: 0 });
            at = end;
        }
    }

    /// `{"raw":…,"eng":…}`: the last instance in the packet, as it is the one that counts from then on;
    /// the ones before it, if there are any, as `"earlier":[…]`.
    fn parameter(&self, first: usize, last: usize, entries: &[Entry], values: &Values, out: &mut Vec<u8>) {
        let run = |instance: Instance| &entries[instance.start as usize..instance.end as usize];
        let root = ParameterId(self.instances[first].root);
        self.pair(root, run(self.instances[last]), values, out);
        if first != last {
            let mut at = first;
            while at != last {
                out.extend_from_slice(if at == first { &b",\"earlier\":["[..] } else { b"," });
                self.pair(root, run(self.instances[at]), values, out);
                out.push(b'}');
                at = self.instances[at].next as usize - 1;
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    /// `{"raw":…,"eng":…`, left open.
    fn pair(&self, root: ParameterId, run: &[Entry], values: &Values, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"raw\":");
        let start = out.len();
        self.nested(root, &mut run.iter(), false, values, out);
        let end = out.len();
        out.extend_from_slice(b",\"eng\":");
        // Most values are not calibrated: what is written once need not be worked out again.
        if run.iter().all(|entry| entry.raw == entry.eng) {
            out.extend_from_within(start..end);
        } else {
            self.nested(root, &mut run.iter(), true, values, out);
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
}

/// One instance of a declared parameter: its range of entries, and the number of the next one.
#[derive(Clone, Copy)]
struct Instance {
    root: u32,
    start: u32,
    end: u32,
    next: u32,
}

/// Writes one value.
pub(crate) fn scalar(value: Value, labels: &[String], arena: &[u8], out: &mut Vec<u8>) {
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
            out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
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
                // Writing into a Vec does not fail.
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
        assert_eq!(text(Value::Float(1e300)), "1e+300");
        assert_eq!(text(Value::Float(f64::NAN)), "null");
        assert_eq!(text(Value::Label(0)), "\"ON\"");
        assert_eq!(text(Value::Text(Span { start: 0, len: 5 })), "\"a\\\"\\n\\u0001z\"");
        assert_eq!(text(Value::Binary(Span { start: 1, len: 2 })), "\"220a\"");
        assert_eq!(text(Value::Time(0)), "\"1970-01-01T00:00:00Z\"");
    }
}
