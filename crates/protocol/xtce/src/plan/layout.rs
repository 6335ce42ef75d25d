//! Lays entries out: while the place in the packet is known, numbers gather in runs of fixed fields;
//! what only the packet tells ends the run.

use super::{Coding, Field, FieldSpan, Move, Op, RawCoding, Run, Step, Store};
use crate::database::ParameterId;
use crate::database::calibrator::Calibrator;
use crate::database::types::{Engineering, FloatCoding, IntegerCoding};

/// Steps under construction, and where the cursor stands.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) steps: Vec<Step>,
    pub(super) fields: Vec<Field>,
    pub(super) spans: Vec<FieldSpan>,
    pub(super) stores: Vec<Store>,
    /// Bits from the start of the packet, where known.
    pub(super) position: Option<u64>,
    open: Option<Run>,
}

impl Layout {
    /// Ends the run under way.
    pub(super) fn flush(&mut self) {
        if let Some(mut run) = self.open.take() {
            run.end = self.fields.len() as u32;
            run.end_store = self.stores.len() as u32;
            let fields = &self.fields[run.first as usize..run.end as usize];
            let mut first = run.first;
            for same in fields.chunk_by(|a, b| a.op == b.op) {
                let end = first + same.len() as u32;
                self.spans.push(FieldSpan { first, end, op: same[0].op });
                first = end;
            }
            run.end_span = self.spans.len() as u32;
            self.steps.push(Step::Run(run));
        }
    }

    /// Adds a step that is no run.
    pub(super) fn push(&mut self, step: Step) -> usize {
        self.flush();
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// The step after which the cursor's place is only known to the packet.
    pub(super) fn unknown(&mut self) {
        self.flush();
        self.position = None;
    }

    fn run(&mut self) -> &mut Run {
        let (first, first_store) = (self.fields.len() as u32, self.stores.len() as u32);
        let first_span = self.spans.len() as u32;
        let absolute = self.position.is_some();
        let cursor = self.position.unwrap_or(0);
        self.open.get_or_insert(Run {
            first,
            end: first,
            first_span,
            end_span: first_span,
            absolute,
            extent: 0,
            cursor,
            first_store,
            end_store: first_store,
        })
    }

    /// Adds a number at the cursor.
    pub(super) fn field(
        &mut self,
        parameter: ParameterId,
        index: u32,
        coding: &Coding,
        store: Option<Store>,
    ) {
        let bits = match &coding.raw {
            RawCoding::Integer { bits, .. } | RawCoding::Float { bits, .. } => *bits,
            _ => return,
        };
        let run = self.run();
        let (absolute, first, bit) = (run.absolute, run.first, run.cursor);
        let end = bit + u64::from(bits);
        run.cursor = end;
        run.extent = run.extent.max(end);
        // The eight octets that end with the field's last octet: in bounds once the extent is checked.
        let load = end.div_ceil(8).saturating_sub(8);
        let right = (load + 8) * 8 - end;
        let fits = u64::from(bits) + right <= 64;
        let op = if absolute && !fits { Op::General } else { operation(coding) };
        let entry = self.fields.len() as u32 - first;
        self.fields.push(Field {
            parameter,
            bit: bit as u32,
            load: load as u32,
            coding: index,
            op,
            bits,
            shift: if fits { right as u8 } else { 0 },
        });
        self.stores.extend(store.map(|store| Store { entry, ..store }));
        if absolute {
            self.position = Some(end);
        }
    }

    /// Moves the cursor by a fixed number of bits. `false`: it would leave the packet at its start.
    pub(super) fn skip(&mut self, bits: i64) -> bool {
        if bits == 0 {
            return true;
        }
        if let Some(position) = self.position {
            let Some(target) = position.checked_add_signed(bits) else { return false };
            return self.go(target);
        }
        let run = self.run();
        // Backwards past the start of the run only the packet can tell.
        match run.cursor.checked_add_signed(bits) {
            Some(cursor) => {
                run.cursor = cursor;
                true
            }
            None => false,
        }
    }

    /// Sets the cursor to a fixed place in the packet.
    pub(super) fn go(&mut self, target: u64) -> bool {
        if self.position.is_none() {
            self.flush();
        }
        self.position = Some(target);
        self.run().cursor = target;
        true
    }

    /// Sets the cursor in a way that only the packet tells.
    pub(super) fn travel(&mut self, to: Move) {
        self.push(Step::Move(to));
        self.position = None;
    }
}

/// The way that a number becomes a value.
fn operation(coding: &Coding) -> Op {
    let polynomial = match (&coding.calibrator, coding.contexts.is_empty()) {
        (None, true) => false,
        (Some(Calibrator::Polynomial(_)), true) => true,
        _ => return Op::General,
    };
    match &coding.raw {
        RawCoding::Integer { bits, coding: integer, order } if order.is_plain() => {
            match (integer, &coding.engineering, polynomial) {
                (IntegerCoding::Unsigned, Engineering::Integer { signed: false }, false) => Op::Unsigned,
                (IntegerCoding::Unsigned, Engineering::Integer { signed: true }, false) if *bits < 64 => {
                    Op::UnsignedSigned
                }
                (IntegerCoding::Unsigned, Engineering::Float, false) => Op::UnsignedFloat,
                (IntegerCoding::Unsigned, Engineering::Float, true) => Op::UnsignedPolynomial,
                (IntegerCoding::Unsigned, Engineering::Enumerated(_), false) => Op::UnsignedLabel,
                (IntegerCoding::Unsigned, Engineering::Boolean { .. }, false) => Op::UnsignedBoolean,
                (IntegerCoding::TwosComplement, Engineering::Integer { signed: true }, false) => Op::Signed,
                (IntegerCoding::TwosComplement, Engineering::Float, false) => Op::SignedFloat,
                (IntegerCoding::TwosComplement, Engineering::Float, true) => Op::SignedPolynomial,
                _ => Op::General,
            }
        }
        RawCoding::Float { bits, coding: FloatCoding::Ieee754, order } if order.is_plain() => {
            match (bits, &coding.engineering, polynomial) {
                (32, Engineering::Float, false) => Op::Float32,
                (32, Engineering::Float, true) => Op::Float32Polynomial,
                (64, Engineering::Float, false) => Op::Float64,
                _ => Op::General,
            }
        }
        _ => Op::General,
    }
}
