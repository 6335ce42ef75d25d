//! The mission database and what was decoded by it, as the wire shows them.

use perigee_part::Timestamp;
use perigee_telemetry::Batch;
use perigee_xtce::{Database, Entry, Kind, Parameter, Severity};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::wire::sample::{Sample, Value};

/// One parameter of `GET /api/parameters`.
#[derive(Serialize)]
pub(crate) struct Description<'a> {
    id: u32,
    name: &'a str,
    description: &'a str,
    unit: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    labels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits<'a>>,
}

/// The static limits of a parameter: by severity the lowest and the highest value that is still allowed.
struct Limits<'a>(&'a [perigee_xtce::AlarmRange]);

impl Serialize for Limits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for severity in Severity::ALL {
            if let Some(range) = self.0.iter().find(|range| range.severity == severity && !range.inside) {
                map.serialize_entry(severity.name(), &(range.min, range.max))?;
            }
        }
        map.end()
    }
}

/// Every parameter that can have values. An aggregate or array of fixed size cannot: its leaves do.
pub(crate) fn describe(database: &Database) -> impl Iterator<Item = Description<'_>> {
    let parameters = (0..).zip(database.parameters()).filter(|(_, parameter)| parameter.members.is_empty());
    parameters.map(|(id, parameter)| {
        let ranges = database.alarm(perigee_xtce::ParameterId(id)).map_or(&[][..], |alarm| alarm.limits());
        Description {
            id,
            name: &parameter.name,
            description: &parameter.description,
            unit: &parameter.unit,
            kind: parameter.kind.name(),
            labels: if matches!(parameter.kind, Kind::Enumerated | Kind::Boolean) {
                &parameter.labels
            } else {
                &[]
            },
            limits: ranges.iter().any(|range| !range.inside).then_some(Limits(ranges)),
        }
    })
}

/// A decoded value as the wire shows it; `arena` is what its span points into.
pub(crate) fn view<'a>(value: perigee_xtce::Value, arena: &'a [u8], parameter: &'a Parameter) -> Value<'a> {
    use perigee_xtce::Value as Decoded;
    match value {
        Decoded::Absent => Value::Absent,
        Decoded::Unsigned(n) => Value::Unsigned(n),
        Decoded::Signed(n) => Value::Signed(n),
        Decoded::Float(x) => Value::Float(x),
        Decoded::Boolean(b) => Value::Boolean(b),
        Decoded::Label(index) => {
            parameter.labels.get(index as usize).map_or(Value::Absent, |l| Value::Text(l))
        }
        Decoded::Text(span) => Value::Text(std::str::from_utf8(span.of(arena)).unwrap_or_default()),
        Decoded::Binary(span) => Value::Binary(span.of(arena)),
        Decoded::Time(nanoseconds) => Value::Signed(Timestamp(nanoseconds).as_millis()),
        Decoded::Structured(span) => {
            Value::Structured(std::str::from_utf8(span.of(arena)).unwrap_or_default())
        }
    }
}

/// The latest value of a parameter as the wire shows it.
pub(crate) fn latest_of<'a>(
    database: &'a Database,
    held: &'a perigee_telemetry::Sample,
) -> Option<Sample<'a>> {
    let parameter = database.parameter(held.parameter)?;
    Some(Sample {
        id: held.parameter.0,
        t: held.generated.as_millis(),
        r: held.received.as_millis(),
        v: view(held.eng, &held.arena, parameter),
        raw: view(held.raw, &held.arena, parameter),
        s: held.severity.name(),
    })
}

/// The values of a batch, in order.
#[derive(Clone, Debug)]
pub(crate) struct Samples<'a> {
    database: &'a Database,
    batch: &'a Batch,
    entries:
        std::iter::Enumerate<std::iter::Zip<std::slice::Iter<'a, Entry>, std::slice::Iter<'a, Severity>>>,
    /// The packet that the entries at hand belong to.
    packet: usize,
}

/// All values of `batch`, which was decoded by `database`.
pub(crate) fn samples<'a>(database: &'a Database, batch: &'a Batch) -> Samples<'a> {
    let entries = batch.values.entries.iter().zip(&batch.severities).enumerate();
    Samples { database, batch, entries, packet: 0 }
}

impl<'a> Iterator for Samples<'a> {
    type Item = Sample<'a>;

    fn next(&mut self) -> Option<Sample<'a>> {
        loop {
            let (index, (entry, severity)) = self.entries.next()?;
            let packets = &self.batch.packets;
            while packets.get(self.packet + 1).is_some_and(|next| next.first as usize <= index) {
                self.packet += 1;
            }
            // Ids come from the same database, so neither of these is ever missing.
            let Some(parameter) = self.database.parameter(entry.parameter) else { continue };
            let Some(stamp) = packets.get(self.packet) else { continue };
            let show = |value| view(value, &self.batch.values.arena, parameter);
            return Some(Sample {
                id: entry.parameter.0,
                t: stamp.generated.as_millis(),
                r: stamp.received.as_millis(),
                v: show(entry.eng),
                raw: show(entry.raw),
                s: severity.name(),
            });
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}
