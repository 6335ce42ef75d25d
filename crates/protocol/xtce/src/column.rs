//! Columns: many packets of one container with a fixed layout, decoded parameter by parameter into
//! typed vectors of raw values, for bulk analysis and columnar files. The work of a value is one load,
//! one shift and one store; packets are taken in blocks that stay in the cache.

use crate::database::{ContainerId, ParameterId};
use crate::decode::{bits, number};
use crate::plan::{Coding, Field, Plan, RawCoding, Step};
use crate::value::Value;

/// Packets decoded column by column before the next ones: their octets stay in the first-level cache.
const BLOCK: usize = 256;

/// A column of raw values, as narrow as the encoding allows.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Unsigned integers of up to 8 bits.
    U8(Vec<u8>),
    /// Unsigned integers of up to 16 bits.
    U16(Vec<u16>),
    /// Unsigned integers of up to 32 bits.
    U32(Vec<u32>),
    /// Unsigned integers of up to 64 bits.
    U64(Vec<u64>),
    /// Signed integers of up to 8 bits.
    I8(Vec<i8>),
    /// Signed integers of up to 16 bits.
    I16(Vec<i16>),
    /// Signed integers of up to 32 bits.
    I32(Vec<i32>),
    /// Signed integers of up to 64 bits.
    I64(Vec<i64>),
    /// IEEE 754 numbers of 32 bits.
    F32(Vec<f32>),
    /// Every other floating-point number.
    F64(Vec<f64>),
}

impl Column {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Column::U8(values) => values.len(),
            Column::U16(values) => values.len(),
            Column::U32(values) => values.len(),
            Column::U64(values) => values.len(),
            Column::I8(values) => values.len(),
            Column::I16(values) => values.len(),
            Column::I32(values) => values.len(),
            Column::I64(values) => values.len(),
            Column::F32(values) => values.len(),
            Column::F64(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One value.
    pub fn get(&self, index: usize) -> Value {
        let value = match self {
            Column::U8(values) => values.get(index).map(|value| Value::Unsigned(u64::from(*value))),
            Column::U16(values) => values.get(index).map(|value| Value::Unsigned(u64::from(*value))),
            Column::U32(values) => values.get(index).map(|value| Value::Unsigned(u64::from(*value))),
            Column::U64(values) => values.get(index).map(|value| Value::Unsigned(*value)),
            Column::I8(values) => values.get(index).map(|value| Value::Signed(i64::from(*value))),
            Column::I16(values) => values.get(index).map(|value| Value::Signed(i64::from(*value))),
            Column::I32(values) => values.get(index).map(|value| Value::Signed(i64::from(*value))),
            Column::I64(values) => values.get(index).map(|value| Value::Signed(*value)),
            Column::F32(values) => values.get(index).map(|value| Value::Float(f64::from(*value))),
            Column::F64(values) => values.get(index).map(|value| Value::Float(*value)),
        };
        value.unwrap_or_default()
    }

    fn clear(&mut self) {
        match self {
            Column::U8(values) => values.clear(),
            Column::U16(values) => values.clear(),
            Column::U32(values) => values.clear(),
            Column::U64(values) => values.clear(),
            Column::I8(values) => values.clear(),
            Column::I16(values) => values.clear(),
            Column::I32(values) => values.clear(),
            Column::I64(values) => values.clear(),
            Column::F32(values) => values.clear(),
            Column::F64(values) => values.clear(),
        }
    }
}

/// Why a container has no columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// The container is not below the root of the plan.
    #[error("the container is not below the root of the plan")]
    NotInPlan(ContainerId),
    /// The container has an entry whose place or size only the packet tells, or that is no number.
    #[error("the container has no fixed layout of numbers")]
    NotFixed(ContainerId),
}

/// The bulk decoder of one container.
#[derive(Clone, Debug)]
pub struct Columns {
    fields: Vec<(Field, Coding)>,
    columns: Vec<(ParameterId, Column)>,
    /// Octets that a packet must have.
    extent: usize,
}

impl Columns {
    /// Columns for the numbers of `container`, its bases' included.
    ///
    /// # Errors
    /// If the layout is not fixed.
    pub fn new(plan: &Plan, container: ContainerId) -> Result<Columns, ColumnError> {
        let path = plan.path(container).ok_or(ColumnError::NotInPlan(container))?;
        let mut columns = Columns { fields: Vec::new(), columns: Vec::new(), extent: 0 };
        for node in path {
            let node = &plan.nodes[node as usize];
            for step in &plan.steps[node.first_step as usize..node.end_step as usize] {
                let Step::Run(run) = step else { return Err(ColumnError::NotFixed(container)) };
                if !run.absolute {
                    return Err(ColumnError::NotFixed(container));
                }
                columns.extent = columns.extent.max(run.extent.div_ceil(8) as usize);
                for field in &plan.fields[run.first as usize..run.end as usize] {
                    let coding = plan.codings[field.coding as usize].clone();
                    columns.columns.push((field.parameter, empty(&coding)));
                    columns.fields.push((*field, coding));
                }
            }
        }
        Ok(columns)
    }

    /// The columns, in the order of the container's entries.
    pub fn columns(&self) -> &[(ParameterId, Column)] {
        &self.columns
    }

    /// Forgets the values, keeps the memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(|(_, column)| column.clear());
    }

    /// Appends a row for each packet. A packet too short for the layout gives no row; returns how many did not.
    pub fn decode<'p>(&mut self, packets: impl IntoIterator<Item = &'p [u8]>) -> usize {
        let mut short = 0;
        let mut block: [&[u8]; BLOCK] = [&[]; BLOCK];
        let mut filled = 0;
        for packet in packets {
            if packet.len() < self.extent.max(8) {
                short += 1;
                continue;
            }
            block[filled] = packet;
            filled += 1;
            if filled == BLOCK {
                self.block(&block);
                filled = 0;
            }
        }
        self.block(&block[..filled]);
        short
    }

    /// Appends a row for each packet of a file in which they stand back to back with one length; a rest
    /// shorter than that is left over.
    pub fn decode_strided(&mut self, octets: &[u8], packet_octets: usize) -> usize {
        self.decode(octets.chunks_exact(packet_octets.max(1)))
    }

    fn block(&mut self, packets: &[&[u8]]) {
        for ((field, coding), (_, column)) in self.fields.iter().zip(&mut self.columns) {
            fill(field, coding, packets, column);
        }
    }
}

/// The narrowest column for a coding.
fn empty(coding: &Coding) -> Column {
    use crate::database::types::{FloatCoding, IntegerCoding};
    match &coding.raw {
        RawCoding::Integer { bits, coding: IntegerCoding::Unsigned, .. } => match bits {
            0..=8 => Column::U8(Vec::new()),
            9..=16 => Column::U16(Vec::new()),
            17..=32 => Column::U32(Vec::new()),
            _ => Column::U64(Vec::new()),
        },
        RawCoding::Integer { bits, coding: IntegerCoding::TwosComplement, .. } => match bits {
            0..=8 => Column::I8(Vec::new()),
            9..=16 => Column::I16(Vec::new()),
            17..=32 => Column::I32(Vec::new()),
            _ => Column::I64(Vec::new()),
        },
        RawCoding::Integer { coding: IntegerCoding::Bcd | IntegerCoding::PackedBcd, .. } => {
            Column::U64(Vec::new())
        }
        RawCoding::Integer { .. } => Column::I64(Vec::new()),
        RawCoding::Float { bits: 32, coding: FloatCoding::Ieee754, .. } => Column::F32(Vec::new()),
        _ => Column::F64(Vec::new()),
    }
}

fn fill(field: &Field, coding: &Coding, packets: &[&[u8]], column: &mut Column) {
    let order = match &coding.raw {
        RawCoding::Integer { order, .. } | RawCoding::Float { order, .. } => order,
        _ => return,
    };
    let bits = field.bits;
    // Fields in whole octets of their own need no shift; the rest of the plain ones one load and one shift.
    let aligned = field.bit.is_multiple_of(8) && order.is_plain();
    let windowed = order.is_plain() && fits(field);
    let at = (field.bit / 8) as usize;
    let window = |packet: &[u8]| -> u64 {
        match packet.get(field.load as usize..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(window) => (u64::from_be_bytes(*window) >> field.shift) & number::ones(bits),
            None => 0,
        }
    };
    let slow = |packet: &[u8]| bits::reorder(bits::extract(packet, u64::from(field.bit), bits), bits, order);
    macro_rules! collect {
        ($values:expr, $convert:expr) => {
            if windowed {
                $values.extend(packets.iter().map(|packet| $convert(window(packet))));
            } else {
                $values.extend(packets.iter().map(|packet| $convert(slow(packet))));
            }
        };
    }
    macro_rules! octets {
        ($values:expr, $type:ty, $convert:expr) => {
            $values.extend(packets.iter().map(|packet| {
                let own = packet.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
                $convert(<$type>::from_be_bytes(own))
            }))
        };
    }
    let signed = |coded: u64| number::sign_extend(coded, bits);
    match column {
        Column::U8(values) if aligned && bits == 8 => octets!(values, u8, |value| value),
        Column::U16(values) if aligned && bits == 16 => octets!(values, u16, |value| value),
        Column::U32(values) if aligned && bits == 32 => octets!(values, u32, |value| value),
        Column::F32(values) if aligned => octets!(values, u32, f32::from_bits),
        Column::U8(values) => collect!(values, |coded| coded as u8),
        Column::U16(values) => collect!(values, |coded| coded as u16),
        Column::U32(values) => collect!(values, |coded| coded as u32),
        Column::F32(values) => collect!(values, |coded| f32::from_bits(coded as u32)),
        Column::I8(values) => collect!(values, |coded| signed(coded) as i8),
        Column::I16(values) => collect!(values, |coded| signed(coded) as i16),
        Column::I32(values) => collect!(values, |coded| signed(coded) as i32),
        // The codings with a rule of their own undo the order themselves.
        Column::U64(values) if plain_integer(coding) => collect!(values, |coded| coded),
        Column::I64(values) if plain_integer(coding) => collect!(values, signed),
        Column::U64(values) => values.extend(packets.iter().map(|packet| {
            let coded = bits::extract(packet, u64::from(field.bit), bits);
            coding.raw_number(coded).as_i128().map_or(u64::MAX, |value| value as u64)
        })),
        Column::I64(values) => values.extend(packets.iter().map(|packet| {
            let coded = bits::extract(packet, u64::from(field.bit), bits);
            coding.raw_number(coded).as_i128().map_or(i64::MIN, |value| value as i64)
        })),
        Column::F64(values) => values.extend(packets.iter().map(|packet| {
            let coded = bits::extract(packet, u64::from(field.bit), bits);
            coding.raw_number(coded).as_f64().unwrap_or(f64::NAN)
        })),
    }
}

/// Whether the field lies in the eight octets from `load` on.
fn fits(field: &Field) -> bool {
    let right = (u64::from(field.load) + 8) * 8 - (u64::from(field.bit) + u64::from(field.bits));
    u64::from(field.bits) + right <= 64
}

fn plain_integer(coding: &Coding) -> bool {
    use crate::database::types::IntegerCoding;
    matches!(
        coding.raw,
        RawCoding::Integer { coding: IntegerCoding::Unsigned | IntegerCoding::TwosComplement, .. }
    )
}
