//! The way back: raw values into packets, for simulators and round-trip tests. The plan that decodes a
//! container also lays it out; what its restrictions demand with `==` is filled in, and what is not
//! given is zero. Structures whose size only the packet tells, and entries placed from the end of the
//! packet, are refused: their place is not known before the packet is whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::database::calibrator::Calibrator;
use crate::database::criteria::{Criteria, Literal, Operand, Operator, Reading};
use crate::database::types::{Encoding, Engineering, Origin, StringCoding, Type};
use crate::database::{ContainerId, Database, ParameterId};
use crate::decode::slots::Slots;
use crate::decode::{bits, number};
use crate::limits;
use crate::plan::{Coding, Move, Plan, RawCoding, Slot, Step, Store};
use crate::time;
use crate::value::{Span, Value};

/// Why values were not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The container is not below the root of the plan.
    #[error("the container is not below the root of the plan")]
    NotInPlan(ContainerId),
    /// The value is not of the kind or size that the parameter is encoded in.
    #[error("a value does not fit the encoding of its parameter")]
    DoesNotFit(ParameterId),
    /// A size, count or place makes no sense with the values given.
    #[error("a size, count or place that a parameter decides makes no sense")]
    BadSize,
    /// A layout that cannot be written: a structure of dynamic size, or an entry placed from the end.
    #[error("the container has a layout that cannot be encoded")]
    Unsupported(ContainerId),
    /// The packet would pass [`limits::MAX_PACKET_OCTETS`] or [`limits::MAX_ENTRIES_PER_PACKET`].
    #[error("the packet would be too large")]
    TooLarge,
}

/// Encodes packets.
#[derive(Clone, Debug)]
pub struct Encoder {
    plan: Arc<Plan>,
    /// For each container the nodes from the root to it, and the values that its restrictions demand.
    paths: HashMap<ContainerId, Path>,
}

#[derive(Clone, Debug)]
struct Path {
    nodes: Vec<u32>,
    demanded: Vec<(ParameterId, Value)>,
}

impl Encoder {
    /// An encoder for the containers of a plan compiled from `database`.
    pub fn new(database: &Database, plan: Arc<Plan>) -> Encoder {
        let mut paths = HashMap::new();
        let mut open = vec![vec![plan.root]];
        while let Some(nodes) = open.pop() {
            let Some(node) = nodes.last().and_then(|last| plan.nodes.get(*last as usize)) else { continue };
            for heir in node.heirs.nodes() {
                let mut below = nodes.clone();
                below.push(heir);
                open.push(below);
            }
            let mut demanded = Vec::new();
            for node in &nodes {
                let container = plan.nodes[*node as usize].container;
                let layout = database.layouts.get(container.0 as usize).and_then(|layout| layout.as_ref());
                if let Some((_, Some(criteria))) = layout.and_then(|layout| layout.base.as_ref()) {
                    demands(database, criteria, &mut demanded);
                }
            }
            paths.insert(node.container, Path { nodes, demanded });
        }
        Encoder { plan, paths }
    }

    /// Encodes a packet of `container` from raw values; texts and octets are spans of `arena`. A
    /// parameter that comes several times takes its values in turn.
    ///
    /// # Errors
    /// What does not fit.
    pub fn encode(
        &self,
        container: ContainerId,
        values: &[(ParameterId, Value)],
        arena: &[u8],
    ) -> Result<Vec<u8>, EncodeError> {
        self.write(container, values, arena, None).map(|writer| writer.packet)
    }

    /// The same; says also whether an entry changed bits that another one had written.
    pub(crate) fn encode_watched(
        &self,
        container: ContainerId,
        values: &[(ParameterId, Value)],
        arena: &[u8],
    ) -> Result<(Vec<u8>, bool), EncodeError> {
        let writer = self.write(container, values, arena, Some(Watch::default()))?;
        Ok((writer.packet, writer.watch.is_some_and(|watch| watch.changed)))
    }

    fn write<'w>(
        &'w self,
        container: ContainerId,
        values: &[(ParameterId, Value)],
        arena: &'w [u8],
        watch: Option<Watch>,
    ) -> Result<Writer<'w>, EncodeError> {
        let path = self.paths.get(&container).ok_or(EncodeError::NotInPlan(container))?;
        let mut given: HashMap<ParameterId, (usize, Vec<Value>)> = HashMap::new();
        for (parameter, value) in &path.demanded {
            given.insert(*parameter, (0, vec![*value]));
        }
        let mut own: HashMap<ParameterId, (usize, Vec<Value>)> = HashMap::new();
        for (parameter, value) in values {
            own.entry(*parameter).or_default().1.push(*value);
        }
        given.extend(own);
        let mut writer = Writer {
            plan: &self.plan,
            slots: Slots::new(&self.plan.initial),
            given,
            arena,
            packet: Vec::new(),
            at: 0,
            frames: vec![0],
            container,
            room: limits::MAX_ENTRIES_PER_PACKET,
            watch,
        };
        for node in &path.nodes {
            let node = &self.plan.nodes[*node as usize];
            writer.steps(node.first_step, node.end_step)?;
        }
        Ok(writer)
    }
}

/// Collects what `==` conditions that must all hold demand, as raw values.
fn demands(database: &Database, criteria: &Criteria, out: &mut Vec<(ParameterId, Value)>) {
    match criteria {
        Criteria::All(parts) => parts.iter().for_each(|part| demands(database, part, out)),
        Criteria::Compare { left, operator: Operator::Equal, right: Operand::Literal(literal) } => {
            let value = match literal {
                Literal::Integer(value) => match u64::try_from(*value) {
                    Ok(value) => Value::Unsigned(value),
                    Err(_) => i64::try_from(*value).map_or(Value::Absent, Value::Signed),
                },
                Literal::Float(value) => Value::Float(*value),
                Literal::Boolean(value) => Value::Boolean(*value),
                Literal::Label(label) => Value::Label(*label),
                _ => Value::Absent,
            };
            let raw = if left.calibrated { database.to_raw(left.parameter, value) } else { Some(value) };
            if let Some(raw) = raw.filter(|raw| *raw != Value::Absent) {
                out.push((left.parameter, raw));
            }
        }
        _ => {}
    }
}

impl Database {
    /// The raw value whose engineering value is `eng`: labels, booleans, times, and calibrators that can be
    /// inverted (a linear polynomial, a rising or falling spline). `None` where there is none.
    pub fn to_raw(&self, parameter: ParameterId, eng: Value) -> Option<Value> {
        let scalar = self.type_of(parameter).and_then(Type::scalar)?;
        let encoding = scalar.encoding.as_ref()?;
        let number = match (&scalar.engineering, eng) {
            (Engineering::String, Value::Text(_)) | (Engineering::Binary, Value::Binary(_)) => {
                return Some(eng);
            }
            (Engineering::Enumerated(enumeration), Value::Label(label)) => {
                enumeration.ranges.iter().find(|range| range.2 == label)?.0 as f64
            }
            (Engineering::AbsoluteTime(coding), Value::Time(unix)) => {
                let elapsed = match coding.origin {
                    Origin::Unix => i128::from(unix),
                    Origin::Tai(epoch) => i128::from(time::unix_to_tai(unix)) - i128::from(epoch),
                    Origin::OffsetFrom(_) => return None,
                };
                (elapsed as f64 / coding.unit_nanoseconds - coding.offset) / coding.scale
            }
            (Engineering::RelativeTime(coding), eng) => {
                (eng.as_f64()? * 1e9 / coding.unit_nanoseconds - coding.offset) / coding.scale
            }
            (_, eng) => eng.as_f64()?,
        };
        let calibration = encoding.calibration()?;
        if !calibration.contexts.is_empty() {
            return None;
        }
        let raw = match &calibration.default {
            None => match eng {
                Value::Unsigned(_) | Value::Signed(_) => return Some(eng),
                _ => number,
            },
            Some(calibrator) => invert(calibrator, number)?,
        };
        match encoding {
            Encoding::Float { .. } => Some(Value::Float(raw)),
            Encoding::Integer { .. } if raw.is_finite() => {
                let raw = raw.round();
                Some(if raw < 0.0 { Value::Signed(raw as i64) } else { Value::Unsigned(raw as u64) })
            }
            _ => None,
        }
    }
}

fn invert(calibrator: &Calibrator, eng: f64) -> Option<f64> {
    match calibrator {
        Calibrator::Polynomial(coefficients) => match coefficients[..] {
            [constant, slope] if slope != 0.0 => Some((eng - constant) / slope),
            _ => None,
        },
        Calibrator::Spline(spline) => spline.points.windows(2).find_map(|pair| {
            let (a, b) = (pair[0], pair[1]);
            let inside = (a.calibrated.min(b.calibrated)..=a.calibrated.max(b.calibrated)).contains(&eng);
            if a.flat {
                return (a.calibrated == eng).then_some(a.raw);
            }
            (inside && a.calibrated != b.calibrated)
                .then(|| a.raw + (eng - a.calibrated) * (b.raw - a.raw) / (b.calibrated - a.calibrated))
        }),
        Calibrator::Math(_) => None,
    }
}

/// What overlapping entries do to each other.
#[derive(Debug, Default)]
struct Watch {
    /// The bits that were written.
    written: Vec<u8>,
    changed: bool,
}

/// A packet being written.
struct Writer<'w> {
    plan: &'w Plan,
    slots: Slots,
    given: HashMap<ParameterId, (usize, Vec<Value>)>,
    arena: &'w [u8],
    packet: Vec<u8>,
    at: u64,
    /// Where the open containers start.
    frames: Vec<u64>,
    container: ContainerId,
    room: usize,
    watch: Option<Watch>,
}

impl Writer<'_> {
    fn steps(&mut self, first: u32, end: u32) -> Result<(), EncodeError> {
        let plan = self.plan;
        let mut at = first;
        while at < end {
            let step = &plan.steps[at as usize];
            at += 1;
            match step {
                Step::Run(run) => {
                    let base = if run.absolute { 0 } else { self.at };
                    for (index, field) in plan.fields[run.first as usize..run.end as usize].iter().enumerate()
                    {
                        self.at = base + u64::from(field.bit);
                        let stores = &plan.stores[run.first_store as usize..run.end_store as usize];
                        let store = stores.iter().find(|store| store.entry as usize == index);
                        self.value(field.parameter, field.coding, store.copied(), None)?;
                    }
                    self.at = base + run.cursor;
                }
                Step::Value { parameter, coding, store, validity } => {
                    self.value(*parameter, *coding, *store, *validity)?;
                }
                Step::Structured { .. } | Step::Move(Move::FromEnd { .. }) => {
                    return Err(EncodeError::Unsupported(self.container));
                }
                Step::Move(Move::By(by)) => {
                    let by = self.integer(*by)?;
                    self.at = self.at.checked_add_signed(by).ok_or(EncodeError::BadSize)?;
                }
                Step::Move(Move::FromStart(by)) => {
                    let start = self.frames.last().copied().unwrap_or(0);
                    self.at = start.checked_add_signed(self.integer(*by)?).ok_or(EncodeError::BadSize)?;
                }
                Step::Unless { criteria, to } => {
                    if !self.holds(Some(*criteria)) {
                        at = *to;
                    }
                }
                Step::Jump { to } => at = *to,
                Step::Repeat { count, gap, end } => {
                    for round in 0..self.integer(*count)? {
                        self.room = self.room.checked_sub(1).ok_or(EncodeError::TooLarge)?;
                        if let (1.., Some(gap)) = (round, gap) {
                            let gap = self.integer(*gap)?;
                            self.at = self.at.checked_add_signed(gap).ok_or(EncodeError::BadSize)?;
                        }
                        self.steps(at, *end)?;
                    }
                    at = *end;
                }
                Step::Enter { .. } => self.frames.push(self.at),
                Step::Leave { sized } => {
                    self.frames.pop();
                    if *sized {
                        return Err(EncodeError::Unsupported(self.container));
                    }
                }
                Step::Include { node } => self.heir(*node)?,
            }
        }
        Ok(())
    }

    /// The heir of an included container that the values so far ask for.
    fn heir(&mut self, node: u32) -> Result<(), EncodeError> {
        let plan = self.plan;
        let mut index = node;
        loop {
            let node = &plan.nodes[index as usize];
            self.steps(node.first_step, node.end_step)?;
            let slots = &self.slots;
            let heir = node.heirs.candidates(|slot| slots.read(slot).value).iter().find(|heir| {
                heir.criteria.as_ref().is_none_or(|criteria| criteria.holds(&|slot| slots.read(slot)))
            });
            match heir {
                Some(heir) => index = heir.node,
                None => return Ok(()),
            }
        }
    }

    fn integer(&self, index: u32) -> Result<i64, EncodeError> {
        let slots = &self.slots;
        self.plan.integers[index as usize].get(&|slot| slots.read(slot)).ok_or(EncodeError::BadSize)
    }

    /// The next value given for a parameter; the last one again when there are no more.
    fn next(&mut self, parameter: ParameterId) -> Value {
        let Some((used, values)) = self.given.get_mut(&parameter) else { return Value::Absent };
        let value = values.get(*used).or(values.last()).copied().unwrap_or_default();
        *used += 1;
        value
    }

    fn value(
        &mut self,
        parameter: ParameterId,
        coding: u32,
        store: Option<Store>,
        validity: Option<u32>,
    ) -> Result<(), EncodeError> {
        self.room = self.room.checked_sub(1).ok_or(EncodeError::TooLarge)?;
        let plan = self.plan;
        let coding = &plan.codings[coding as usize];
        let given = self.next(parameter);
        let bad = EncodeError::DoesNotFit(parameter);
        let slots = &self.slots;
        let lookup = |slot: Slot| slots.read(slot);
        match &coding.raw {
            RawCoding::Integer { .. } | RawCoding::Float { .. } => {
                let (coded, width) = coded(coding, given).ok_or(bad)?;
                let raw = coding.raw_number(coded);
                let eng = coding.engineering_value(raw, &lookup, &[]);
                self.write(width, coded)?;
                if let Some(store) = store {
                    let eng = if self.holds(validity) { eng } else { Value::Absent };
                    self.slots.keep(store, raw, eng, &[]);
                }
            }
            RawCoding::Octets { size } => {
                let size = size
                    .get(&lookup)
                    .and_then(|bits| u64::try_from(bits).ok())
                    .ok_or(EncodeError::BadSize)?;
                let octets = given.span().map_or(&[][..], |span| span.of(self.arena));
                if octets.len() as u64 > size.div_ceil(8) {
                    return Err(bad);
                }
                self.octets(octets, size)?;
                self.keep_text(coding, given, store, validity);
            }
            RawCoding::Text { coding: string, buffer } => {
                let buffer = match buffer {
                    Some(size) => {
                        let size = size.get(&lookup).and_then(|bits| u64::try_from(bits).ok());
                        Some(size.ok_or(EncodeError::BadSize)?)
                    }
                    None => None,
                };
                self.text(string, buffer, given).ok_or(bad)??;
                self.keep_text(coding, given, store, validity);
            }
        }
        Ok(())
    }

    /// Whether a condition holds, if there is one.
    fn holds(&self, criteria: Option<u32>) -> bool {
        let slots = &self.slots;
        criteria.is_none_or(|at| self.plan.criteria[at as usize].holds(&|slot| slots.read(slot)))
    }

    fn keep_text(&mut self, coding: &Coding, given: Value, store: Option<Store>, validity: Option<u32>) {
        let Some(store) = store else { return };
        let octets = given.span().map_or(&[][..], |span| span.of(self.arena));
        let slots = &self.slots;
        let span = Span { start: 0, len: octets.len() as u32 };
        let raw = if matches!(coding.raw, RawCoding::Octets { .. }) {
            Value::Binary(span)
        } else {
            Value::Text(span)
        };
        let eng = coding.engineering_value(raw, &|slot: Slot| -> Reading<'_> { slots.read(slot) }, octets);
        let eng = if self.holds(validity) { eng } else { Value::Absent };
        self.slots.keep(store, raw, eng, octets);
    }

    /// A string: `None` if it does not fit its buffer.
    fn text(
        &mut self,
        string: &StringCoding,
        buffer: Option<u64>,
        given: Value,
    ) -> Option<Result<(), EncodeError>> {
        let written = match given {
            Value::Text(span) => std::str::from_utf8(span.of(self.arena)).ok()?,
            Value::Absent => "",
            _ => return None,
        };
        let mut octets = Vec::new();
        string.charset.encode(written, &mut octets);
        let mut bits = octets.len() as u64 * 8;
        if let Some(tag) = string.leading_size {
            if octets.len() as u64 > number::ones(tag) {
                return None;
            }
            if let Err(error) = self.write(tag, octets.len() as u64) {
                return Some(Err(error));
            }
            bits += u64::from(tag);
        }
        let full = buffer == Some(bits);
        if let Some(termination) = string.termination.as_ref().filter(|_| !full) {
            octets.extend_from_slice(termination);
            bits += termination.len() as u64 * 8;
        }
        let size = buffer.unwrap_or(bits);
        let tag = string.leading_size.map_or(0, u64::from);
        if bits > size || string.max_bits.is_some_and(|max| buffer.is_none() && bits > max) {
            return None;
        }
        Some(self.octets(&octets, size - tag))
    }

    /// Octets at the cursor, filled up with zeros to `size` bits.
    fn octets(&mut self, octets: &[u8], size: u64) -> Result<(), EncodeError> {
        let start = self.at;
        for (index, octet) in octets.iter().enumerate() {
            let width = size.saturating_sub(index as u64 * 8).min(8) as u8;
            if width > 0 {
                self.write(width, u64::from(octet >> (8 - width)))?;
            }
        }
        self.at = start + size;
        self.reach(self.at)
    }

    fn write(&mut self, width: u8, coded: u64) -> Result<(), EncodeError> {
        let end = self.at + u64::from(width);
        self.reach(end)?;
        if let Some(watch) = &mut self.watch {
            watch.written.resize(self.packet.len(), 0);
            let before = bits::extract(&self.packet, self.at, width);
            watch.changed |= (before ^ coded) & bits::extract(&watch.written, self.at, width) != 0;
            bits::insert(&mut watch.written, self.at, width, u64::MAX);
        }
        bits::insert(&mut self.packet, self.at, width, coded);
        self.at = end;
        Ok(())
    }

    /// Makes the packet reach to a bit.
    fn reach(&mut self, end: u64) -> Result<(), EncodeError> {
        if end > limits::MAX_PACKET_OCTETS as u64 * 8 {
            return Err(EncodeError::TooLarge);
        }
        let octets = end.div_ceil(8) as usize;
        if octets > self.packet.len() {
            self.packet.resize(octets, 0);
        }
        Ok(())
    }
}

/// A number as it is transmitted, and its width. An absent value is all zero bits.
fn coded(coding: &Coding, value: Value) -> Option<(u64, u8)> {
    match &coding.raw {
        RawCoding::Integer { bits, coding, order } => {
            let value = match value {
                Value::Absent => 0,
                Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => value as i128,
                value => value.as_i128()?,
            };
            Some((bits::disorder(number::encode_integer(value, *bits, *coding)?, *bits, order), *bits))
        }
        RawCoding::Float { bits, coding, order } => {
            let value = if value == Value::Absent { 0.0 } else { value.as_f64()? };
            Some((bits::disorder(number::encode_float(value, *bits, *coding)?, *bits, order), *bits))
        }
        _ => None,
    }
}
