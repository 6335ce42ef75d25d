//! Walks a plan over a packet.

pub(crate) mod bits;
mod engineering;
pub(crate) mod number;
pub(crate) mod slots;
pub(crate) mod text;

use std::sync::Arc;

use crate::database::calibrator::{Calibrator, polynomial};
use crate::database::criteria::{IntegerValue, Reading};
use crate::database::types::Engineering;
use crate::database::{ContainerId, ParameterId};
use crate::limits;
use crate::plan::{Field, Move, Op, Plan, RawCoding, Run, Shape, Slot, Step, Store};
use crate::value::{Entry, Span, Value, Values};
use number::sign_extend;
use slots::Slots;

/// Why a packet was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The packet ends before an entry does.
    #[error("the packet ends after {available} bits, {needed} are needed")]
    TooShort {
        /// The container whose entries were being read.
        container: ContainerId,
        /// Bits that the entry reaches to.
        needed: u64,
        /// Bits of the packet.
        available: u64,
    },
    /// No container matches: the last one that did is abstract and none of its heirs does.
    #[error("no container matches the packet")]
    NoContainer {
        /// The abstract container.
        reached: ContainerId,
    },
    /// A size, count or location that another parameter decides is negative, or that parameter has no value.
    #[error("a size, count or place that a parameter decides makes no sense")]
    BadSize {
        /// The container whose entries were being read.
        container: ContainerId,
    },
    /// The packet asks for more values than [`limits::MAX_ENTRIES_PER_PACKET`], or is longer than
    /// [`limits::MAX_PACKET_OCTETS`].
    #[error("the packet is too large or asks for too many values")]
    TooLarge,
}

/// Decodes packets. Keeps the values that conditions and sizes look at, also from packet to packet.
#[derive(Clone, Debug)]
pub struct Decoder {
    plan: Arc<Plan>,
    state: State,
}

/// What decoding keeps and reuses.
#[derive(Clone, Debug, Default)]
struct State {
    slots: Slots,
    /// Containers that are open: start and end in bits.
    frames: Vec<(u64, u64)>,
    /// An unaligned string, shifted into place.
    scratch: Vec<u8>,
    raw_json: Vec<u8>,
    eng_json: Vec<u8>,
}

/// A packet being read.
struct Packet<'p> {
    octets: &'p [u8],
    bits: u64,
    /// The cursor.
    at: u64,
    container: ContainerId,
    /// Entries that may still come.
    room: usize,
}

impl Packet<'_> {
    #[inline]
    fn need(&self, end: u64) -> Result<(), DecodeError> {
        if end > self.bits {
            let (container, available) = (self.container, self.bits);
            return Err(DecodeError::TooShort { container, needed: end, available });
        }
        Ok(())
    }

    /// Counts octets that are copied: overlapping entries could otherwise copy the packet again and again.
    fn charge(&mut self, octets: u64) -> Result<(), DecodeError> {
        let entries = (octets / limits::OCTETS_PER_ENTRY) as usize;
        self.room = self.room.checked_sub(entries).ok_or(DecodeError::TooLarge)?;
        Ok(())
    }

    fn bad_size(&self) -> DecodeError {
        DecodeError::BadSize { container: self.container }
    }
}

impl Decoder {
    /// A decoder for a plan.
    pub fn new(plan: Arc<Plan>) -> Decoder {
        let slots = Slots::new(&plan.initial);
        Decoder { plan, state: State { slots, ..State::default() } }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Decodes one packet, appends its values to `out` and says which container it is.
    ///
    /// # Errors
    /// Why it was not decoded; `out` is then as it was.
    pub fn decode(&mut self, packet: &[u8], out: &mut Values) -> Result<ContainerId, DecodeError> {
        if packet.len() > limits::MAX_PACKET_OCTETS {
            return Err(DecodeError::TooLarge);
        }
        let mark = (out.entries.len(), out.arena.len());
        let bits = packet.len() as u64 * 8;
        // Runs load eight octets at a time: a shorter packet is padded, its length stays.
        let mut padded = [0u8; 8];
        let octets = if packet.len() < 8 {
            padded[..packet.len()].copy_from_slice(packet);
            &padded[..]
        } else {
            packet
        };
        let plan = &*self.plan;
        let container = plan.root();
        let mut packet = Packet { octets, bits, at: 0, container, room: limits::MAX_ENTRIES_PER_PACKET };
        self.state.frames.clear();
        self.state.frames.push((0, bits));
        let result = self.state.node(plan, plan.root, &mut packet, out);
        if result.is_err() {
            out.entries.truncate(mark.0);
            out.arena.truncate(mark.1);
        }
        result
    }
}

impl State {
    /// Reads a container, then the heir that matches.
    fn node(
        &mut self,
        plan: &Plan,
        mut index: u32,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<ContainerId, DecodeError> {
        loop {
            let node = &plan.nodes[index as usize];
            packet.container = node.container;
            self.steps(plan, node.first_step, node.end_step, packet, out)?;
            if node.heirs.is_empty() {
                // A container without heirs is what it is, abstract or not: nothing says more.
                return if node.is_abstract {
                    Err(DecodeError::NoContainer { reached: node.container })
                } else {
                    Ok(node.container)
                };
            }
            let slots = &self.slots;
            let candidates = node.heirs.candidates(|slot| slots.read(slot).value);
            let heir = candidates.iter().find(|candidate| {
                candidate.criteria.as_ref().is_none_or(|criteria| criteria.holds(&|slot| slots.read(slot)))
            });
            match heir {
                Some(heir) => index = heir.node,
                None if node.is_abstract => return Err(DecodeError::NoContainer { reached: node.container }),
                None => return Ok(node.container),
            }
        }
    }

    fn steps(
        &mut self,
        plan: &Plan,
        first: u32,
        end: u32,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<(), DecodeError> {
        let mut at = first;
        while at < end {
            let step = &plan.steps[at as usize];
            at += 1;
            match step {
                Step::Run(run) => self.run(plan, run, packet, out)?,
                Step::Value { parameter, coding, store, validity } => {
                    self.value(plan, *parameter, *coding, *store, *validity, packet, out)?;
                }
                Step::Structured { parameter, shape, validity } => {
                    self.structured(plan, *parameter, *shape, packet, out)?;
                    if let (false, Some(entry)) = (self.holds(plan, *validity), out.entries.last_mut()) {
                        entry.eng = Value::Absent;
                    }
                }
                Step::Move(to) => self.travel(plan, *to, packet)?,
                Step::Unless { criteria, to } => {
                    if !self.holds(plan, Some(*criteria)) {
                        at = *to;
                    }
                }
                Step::Jump { to } => at = *to,
                Step::Repeat { count, gap, end } => {
                    let count = self.integer(plan, *count).ok_or(packet.bad_size())?;
                    let body = (at, *end);
                    for round in 0..count {
                        // Bodies that yield nothing end all the same.
                        packet.room = packet.room.checked_sub(1).ok_or(DecodeError::TooLarge)?;
                        if let (1.., Some(gap)) = (round, gap) {
                            let gap = self.integer(plan, *gap).ok_or(packet.bad_size())?;
                            packet.at = packet.at.checked_add_signed(gap).ok_or(packet.bad_size())?;
                        }
                        self.steps(plan, body.0, body.1, packet, out)?;
                    }
                    at = body.1;
                }
                Step::Enter { size } => {
                    let (_, enclosing) = self.frames.last().copied().unwrap_or_default();
                    let end = match size {
                        Some(size) => {
                            let size = self.integer(plan, *size).and_then(|size| u64::try_from(size).ok());
                            let end = packet.at.checked_add(size.ok_or(packet.bad_size())?);
                            let end = end.ok_or(packet.bad_size())?;
                            packet.need(end)?;
                            end
                        }
                        None => enclosing,
                    };
                    self.frames.push((packet.at, end));
                }
                Step::Leave { sized } => {
                    let frame = self.frames.pop().unwrap_or_default();
                    if *sized {
                        packet.at = frame.1;
                    }
                }
                Step::Include { node } => {
                    let container = packet.container;
                    self.node(plan, *node, packet, out)?;
                    packet.container = container;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn run(
        &mut self,
        plan: &Plan,
        run: &Run,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<(), DecodeError> {
        let base = if run.absolute { 0 } else { packet.at };
        // A run without fields only moves the cursor: nothing is asked of the place it goes to.
        if run.extent > 0 {
            packet.need(base.saturating_add(run.extent))?;
        }
        let count = (run.end - run.first) as usize;
        packet.room = packet.room.checked_sub(count).ok_or(DecodeError::TooLarge)?;
        let mark = out.entries.len();
        let octets = packet.octets;
        for span in &plan.spans[run.first_span as usize..run.end_span as usize] {
            let fields = &plan.fields[span.first as usize..span.end as usize];
            if run.absolute && span.op != Op::General {
                append(plan, span.op, fields, out, |field| match octets.get(field.load as usize..) {
                    Some([a, b, c, d, e, f, g, h, ..]) => {
                        let window = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                        (window >> field.shift) & (u64::MAX >> (64 - u32::from(field.bits)))
                    }
                    _ => 0,
                });
            } else {
                append(plan, span.op, fields, out, |field| {
                    bits::extract(octets, base + u64::from(field.bit), field.bits)
                });
            }
        }
        packet.at = base + run.cursor;
        for store in &plan.stores[run.first_store as usize..run.end_store as usize] {
            let entry = out.entries[mark + store.entry as usize];
            self.slots.keep(*store, entry.raw, entry.eng, &[]);
        }
        Ok(())
    }

    fn integer(&self, plan: &Plan, index: u32) -> Option<i64> {
        let slots = &self.slots;
        plan.integers[index as usize].get(&|slot| slots.read(slot))
    }

    /// Whether a condition holds, if there is one.
    fn holds(&self, plan: &Plan, criteria: Option<u32>) -> bool {
        let slots = &self.slots;
        criteria.is_none_or(|at| plan.criteria[at as usize].holds(&|slot| slots.read(slot)))
    }

    fn travel(&mut self, plan: &Plan, to: Move, packet: &mut Packet<'_>) -> Result<(), DecodeError> {
        let (start, end) = self.frames.last().copied().unwrap_or_default();
        let bits = |index| self.integer(plan, index);
        let target = match to {
            Move::By(by) => bits(by).and_then(|by| packet.at.checked_add_signed(by)),
            Move::FromStart(by) => bits(by).and_then(|by| start.checked_add_signed(by)),
            Move::FromEnd { offset, size } => bits(offset).zip(bits(size)).and_then(|(offset, size)| {
                let back = u64::try_from(offset).ok()?.checked_add(u64::try_from(size).ok()?)?;
                end.checked_sub(back)
            }),
        };
        packet.at = target.ok_or(packet.bad_size())?;
        Ok(())
    }

    /// One value at the cursor.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step")]
    fn value(
        &mut self,
        plan: &Plan,
        parameter: ParameterId,
        coding: u32,
        store: Option<Store>,
        validity: Option<u32>,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<(), DecodeError> {
        packet.room = packet.room.checked_sub(1).ok_or(DecodeError::TooLarge)?;
        let (raw, mut eng) = self.scalar(plan, coding, packet, out)?;
        if !self.holds(plan, validity) {
            eng = Value::Absent;
        }
        let entry = Entry { parameter, raw, eng };
        if let Some(store) = store {
            let octets = raw.span().or(eng.span()).map_or(Span::default(), |span| span);
            let start = octets.start as usize;
            let octets = out.arena.get(start..start + octets.len as usize).unwrap_or_default();
            self.slots.keep(store, raw, eng, octets);
        }
        out.entries.push(entry);
        Ok(())
    }

    /// Reads a value and moves the cursor behind it.
    fn scalar(
        &mut self,
        plan: &Plan,
        coding: u32,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<(Value, Value), DecodeError> {
        let coding = &plan.codings[coding as usize];
        let slots = &self.slots;
        let lookup = |slot: Slot| slots.read(slot);
        let raw = match &coding.raw {
            RawCoding::Integer { bits, .. } | RawCoding::Float { bits, .. } => {
                packet.need(packet.at.saturating_add(u64::from(*bits)))?;
                let coded = bits::extract(packet.octets, packet.at, *bits);
                packet.at += u64::from(*bits);
                coding.raw_number(coded)
            }
            RawCoding::Octets { size } => {
                let bits =
                    size.get(&lookup).and_then(|bits| u64::try_from(bits).ok()).ok_or(packet.bad_size())?;
                packet.need(packet.at.saturating_add(bits))?;
                packet.charge(bits / 8)?;
                let start = out.arena.len();
                bits::copy(packet.octets, packet.at, bits, &mut out.arena);
                packet.at += bits;
                Value::Binary(span_from(start, out)?)
            }
            RawCoding::Text { coding, buffer } => {
                let buffer = match buffer {
                    Some(buffer) => Some(size_of(buffer, &lookup).ok_or(packet.bad_size())?),
                    None => None,
                };
                engineering::text(coding, buffer, packet, &mut self.scratch, out)?
            }
        };
        let eng = coding.engineering_value(raw, &lookup, &out.arena);
        Ok((raw, eng))
    }

    /// An array or aggregate as JSON text.
    fn structured(
        &mut self,
        plan: &Plan,
        parameter: ParameterId,
        shape: u32,
        packet: &mut Packet<'_>,
        out: &mut Values,
    ) -> Result<(), DecodeError> {
        // Without elements it still has a place.
        packet.need(packet.at)?;
        let mark = out.arena.len();
        let (mut raw, mut eng) = (std::mem::take(&mut self.raw_json), std::mem::take(&mut self.eng_json));
        raw.clear();
        eng.clear();
        let result = self.shape(plan, shape, packet, out, &mut raw, &mut eng);
        out.arena.truncate(mark);
        let entry = match (result, out.store(&raw), out.store(&eng)) {
            (Ok(()), Some(raw), Some(eng)) => {
                Ok(Entry { parameter, raw: Value::Structured(raw), eng: Value::Structured(eng) })
            }
            (Err(error), ..) => Err(error),
            _ => Err(DecodeError::TooLarge),
        };
        self.raw_json = raw;
        self.eng_json = eng;
        out.entries.push(entry?);
        Ok(())
    }

    fn shape(
        &mut self,
        plan: &Plan,
        shape: u32,
        packet: &mut Packet<'_>,
        out: &mut Values,
        raw: &mut Vec<u8>,
        eng: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        packet.room = packet.room.checked_sub(1).ok_or(DecodeError::TooLarge)?;
        match &plan.shapes[shape as usize] {
            Shape::Scalar(coding) => {
                let (raw_value, eng_value) = self.scalar(plan, *coding, packet, out)?;
                let labels: &[String] = match &plan.codings[*coding as usize].engineering {
                    Engineering::Enumerated(enumeration) => &enumeration.labels,
                    _ => &[],
                };
                crate::json::scalar(raw_value, labels, &out.arena, raw);
                crate::json::scalar(eng_value, labels, &out.arena, eng);
                Ok(())
            }
            Shape::Aggregate(members) => {
                for (index, (name, member)) in members.iter().enumerate() {
                    packet.charge(name.len() as u64)?;
                    for json in [&mut *raw, &mut *eng] {
                        json.push(if index == 0 { b'{' } else { b',' });
                        crate::json::string(name, json);
                        json.push(b':');
                    }
                    self.shape(plan, *member, packet, out, raw, eng)?;
                }
                let close: &[u8] = if members.is_empty() { b"{}" } else { b"}" };
                raw.extend_from_slice(close);
                eng.extend_from_slice(close);
                Ok(())
            }
            Shape::Array { element, dimensions } => {
                self.array(plan, *element, dimensions, packet, out, raw, eng)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one recursion")]
    fn array(
        &mut self,
        plan: &Plan,
        element: u32,
        dimensions: &[(u32, u32)],
        packet: &mut Packet<'_>,
        out: &mut Values,
        raw: &mut Vec<u8>,
        eng: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let Some(((first, last), inner)) = dimensions.split_first() else {
            return self.shape(plan, element, packet, out, raw, eng);
        };
        let first = self.integer(plan, *first).filter(|first| *first >= 0).ok_or(packet.bad_size())?;
        let last = self.integer(plan, *last).filter(|last| *last >= first - 1).ok_or(packet.bad_size())?;
        raw.push(b'[');
        eng.push(b'[');
        for index in first..=last {
            packet.room = packet.room.checked_sub(1).ok_or(DecodeError::TooLarge)?;
            if index > first {
                raw.push(b',');
                eng.push(b',');
            }
            self.array(plan, element, inner, packet, out, raw, eng)?;
        }
        raw.push(b']');
        eng.push(b']');
        Ok(())
    }
}

fn size_of<'a>(value: &IntegerValue<Slot>, lookup: &impl Fn(Slot) -> Reading<'a>) -> Option<u64> {
    u64::try_from(value.get(lookup)?).ok()
}

/// What was appended to the arena since `start`.
fn span_from(start: usize, out: &Values) -> Result<Span, DecodeError> {
    let len = out.arena.len() - start;
    match (u32::try_from(start), u32::try_from(len)) {
        (Ok(start), Ok(len)) if start.checked_add(len).is_some() => Ok(Span { start, len }),
        _ => Err(DecodeError::TooLarge),
    }
}

/// Appends the values of fields that become values in the same way.
#[inline(always)]
fn append(plan: &Plan, op: Op, fields: &[Field], out: &mut Values, load: impl Fn(&Field) -> u64) {
    macro_rules! each {
        (|$field:ident, $coded:ident| $values:expr) => {
            out.entries.extend(fields.iter().map(|$field| {
                let $coded = load($field);
                let (raw, eng) = $values;
                Entry { parameter: $field.parameter, raw, eng }
            }))
        };
    }
    match op {
        Op::Unsigned => each!(|field, coded| (Value::Unsigned(coded), Value::Unsigned(coded))),
        Op::UnsignedSigned => each!(|field, coded| (Value::Unsigned(coded), Value::Signed(coded as i64))),
        Op::UnsignedFloat => each!(|field, coded| (Value::Unsigned(coded), Value::Float(coded as f64))),
        Op::UnsignedPolynomial => {
            each!(|field, coded| (Value::Unsigned(coded), Value::Float(curve(plan, field, coded as f64))));
        }
        Op::UnsignedLabel => each!(|field, coded| (Value::Unsigned(coded), label(plan, field, coded))),
        Op::UnsignedBoolean => each!(|field, coded| (Value::Unsigned(coded), Value::Boolean(coded != 0))),
        Op::Signed => each!(|field, coded| {
            let value = Value::Signed(sign_extend(coded, field.bits));
            (value, value)
        }),
        Op::SignedFloat => each!(|field, coded| {
            let value = sign_extend(coded, field.bits);
            (Value::Signed(value), Value::Float(value as f64))
        }),
        Op::SignedPolynomial => each!(|field, coded| {
            let value = sign_extend(coded, field.bits);
            (Value::Signed(value), Value::Float(curve(plan, field, value as f64)))
        }),
        Op::Float32 => each!(|field, coded| {
            let value = Value::Float(f64::from(f32::from_bits(coded as u32)));
            (value, value)
        }),
        Op::Float64 => {
            each!(|field, coded| (Value::Float(f64::from_bits(coded)), Value::Float(f64::from_bits(coded))));
        }
        Op::Float32Polynomial => each!(|field, coded| {
            let value = f64::from(f32::from_bits(coded as u32));
            (Value::Float(value), Value::Float(curve(plan, field, value)))
        }),
        Op::General => each!(|field, coded| general(plan, field.coding, coded)),
    }
}

#[inline]
fn curve(plan: &Plan, field: &Field, raw: f64) -> f64 {
    match plan.codings.get(field.coding as usize).and_then(|coding| coding.calibrator.as_ref()) {
        Some(Calibrator::Polynomial(coefficients)) => polynomial(coefficients, raw),
        _ => raw,
    }
}

#[inline]
fn label(plan: &Plan, field: &Field, coded: u64) -> Value {
    let Some(Engineering::Enumerated(enumeration)) =
        plan.codings.get(field.coding as usize).map(|c| &c.engineering)
    else {
        return Value::Absent;
    };
    i64::try_from(coded).ok().and_then(|coded| enumeration.label(coded)).map_or(Value::Absent, Value::Label)
}

/// Any number that looks at nothing but itself.
fn general(plan: &Plan, coding: u32, coded: u64) -> (Value, Value) {
    let coding = &plan.codings[coding as usize];
    let raw = coding.raw_number(coded);
    (raw, coding.engineering_value(raw, &|_| Reading::default(), &[]))
}
