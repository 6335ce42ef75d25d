//! Parameter types and data encodings (XTCE 1.2, ParameterTypeSet; clause names are those of the schema).

use super::calibrator::Calibrator;
use super::criteria::{Criteria, IntegerValue, Reference};
use crate::alarm::Alarm;
use crate::limits;

/// Index into the database's types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TypeId(pub(crate) u32);

/// A parameter type.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    /// One value.
    Scalar(Box<Scalar>),
    /// AggregateParameterType: members one after the other.
    Aggregate(Vec<Member>),
    /// ArrayParameterType; the last dimension changes fastest.
    Array { element: TypeId, dimensions: Vec<Dimension> },
    /// Refused at load; kept so that a lenient load can leave out what uses it.
    Refused,
}

impl Type {
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Type::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) type_id: TypeId,
}

/// `Dimension`: zero-based, both ends included.
#[derive(Clone, Debug)]
pub(crate) struct Dimension {
    pub(crate) start: IntegerValue,
    pub(crate) end: IntegerValue,
}

impl Dimension {
    /// Number of elements, where it is fixed.
    pub(crate) fn fixed(&self) -> Option<u64> {
        match (&self.start, &self.end) {
            (IntegerValue::Fixed(start), IntegerValue::Fixed(end)) => {
                u64::try_from(end.checked_sub(*start)?.checked_add(1)?).ok()
            }
            _ => None,
        }
    }
}

impl Dimension {
    /// Whether a part of an array with these bounds lies in the array, as far as both are fixed.
    pub(crate) fn may_lie_in(&self, whole: &Dimension) -> bool {
        match (&self.end, &whole.end) {
            (IntegerValue::Fixed(end), IntegerValue::Fixed(last)) => end <= last,
            _ => true,
        }
    }
}

/// Size in bits of a type, where it is fixed.
pub(crate) fn fixed_bits(types: &[Type], id: TypeId, depth: usize) -> Option<i64> {
    if depth > limits::MAX_NESTING {
        return None;
    }
    match types.get(id.0 as usize)? {
        Type::Scalar(scalar) => i64::try_from(scalar.encoding.as_ref()?.fixed_bits()?).ok(),
        Type::Aggregate(members) => members
            .iter()
            .try_fold(0i64, |sum, member| sum.checked_add(fixed_bits(types, member.type_id, depth + 1)?)),
        Type::Array { element, dimensions } => {
            let count = dimensions.iter().try_fold(1i64, |product, dimension| {
                product.checked_mul(i64::try_from(dimension.fixed()?).ok()?)
            })?;
            count.checked_mul(fixed_bits(types, *element, depth + 1)?)
        }
        Type::Refused => None,
    }
}

/// A type of one value: what it is in engineering terms and how it is encoded.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) unit: String,
    pub(crate) engineering: Engineering,
    /// `None`: the type is never telemetered.
    pub(crate) encoding: Option<Encoding>,
    pub(crate) initial_value: Option<String>,
    pub(crate) alarm: Option<Alarm>,
}

/// What the engineering value is.
#[derive(Clone, Debug)]
pub(crate) enum Engineering {
    Integer { signed: bool },
    Float,
    Boolean { zero: String, one: String },
    Enumerated(Enumeration),
    String,
    Binary,
    AbsoluteTime(TimeCoding),
    RelativeTime(TimeCoding),
}

/// `EnumerationList`: ranges of raw values and their labels, sorted and without overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Enumeration {
    /// First raw value, last raw value, label.
    pub(crate) ranges: Vec<(i64, i64, u32)>,
    pub(crate) labels: Vec<String>,
}

impl Enumeration {
    /// The label of a raw value.
    #[inline]
    pub(crate) fn label(&self, raw: i64) -> Option<u32> {
        let at = self.ranges.partition_point(|range| range.0 <= raw);
        let range = self.ranges.get(at.checked_sub(1)?)?;
        (raw <= range.1).then_some(range.2)
    }
}

/// `Encoding` and `ReferenceTime` of a time type.
#[derive(Clone, Debug)]
pub(crate) struct TimeCoding {
    pub(crate) scale: f64,
    pub(crate) offset: f64,
    /// Nanoseconds in one unit of `Encoding/@units`.
    pub(crate) unit_nanoseconds: f64,
    pub(crate) origin: Origin,
}

/// `ReferenceTime`.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// `UNIX`: POSIX time, without leap seconds.
    Unix,
    /// Every other epoch counts SI seconds from an instant, given here in nanoseconds of TAI since 1970-01-01 TAI.
    Tai(i64),
    /// `OffsetFrom`: counts from the value of another time parameter.
    OffsetFrom(Reference),
}

/// A data encoding.
#[derive(Clone, Debug)]
pub(crate) enum Encoding {
    Integer { bits: u8, coding: IntegerCoding, order: Order, calibration: Calibration },
    Float { bits: u8, coding: FloatCoding, order: Order, calibration: Calibration },
    String(StringCoding),
    Binary { size: IntegerValue },
}

impl Encoding {
    /// Size in bits, where it is fixed.
    pub(crate) fn fixed_bits(&self) -> Option<u64> {
        match self {
            Encoding::Integer { bits, .. } | Encoding::Float { bits, .. } => Some(u64::from(*bits)),
            Encoding::String(StringCoding { buffer: Some(IntegerValue::Fixed(bits)), .. })
            | Encoding::Binary { size: IntegerValue::Fixed(bits) } => u64::try_from(*bits).ok(),
            _ => None,
        }
    }

    pub(crate) fn calibration(&self) -> Option<&Calibration> {
        match self {
            Encoding::Integer { calibration, .. } | Encoding::Float { calibration, .. } => Some(calibration),
            _ => None,
        }
    }
}

/// `DefaultCalibrator` and `ContextCalibratorList`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calibration {
    pub(crate) default: Option<Calibrator>,
    pub(crate) contexts: Vec<(Criteria, Calibrator)>,
}

/// `IntegerDataEncoding/@encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntegerCoding {
    Unsigned,
    TwosComplement,
    OnesComplement,
    SignMagnitude,
    /// One decimal digit in an octet.
    Bcd,
    /// One decimal digit in four bits.
    PackedBcd,
}

/// `FloatDataEncoding/@encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatCoding {
    Ieee754,
    /// MIL-STD-1750A, 32 or 48 bits.
    MilStd1750A,
}

/// Order of octets and bits in an encoded number. Octets are counted from the first bit of the field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Order {
    pub(crate) octets: OctetOrder,
    /// `bitOrder="leastSignificantBitFirst"`: bits are reversed inside each octet.
    pub(crate) bits_reversed: bool,
}

/// `DataEncoding/@byteOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum OctetOrder {
    #[default]
    MostSignificantFirst,
    LeastSignificantFirst,
    /// The significance of each octet in the order of transmission, zero the least.
    List([u8; 8]),
}

impl Order {
    pub(crate) fn is_plain(&self) -> bool {
        self.octets == OctetOrder::MostSignificantFirst && !self.bits_reversed
    }
}

/// `StringDataEncoding`.
#[derive(Clone, Debug)]
pub(crate) struct StringCoding {
    /// Size in bits of the space that the string takes in the packet; `None`: it ends where its
    /// leading size or termination character says.
    pub(crate) buffer: Option<IntegerValue>,
    /// Bits of the size tag in front of the string; the tag counts bits of what follows it.
    pub(crate) leading_size: Option<u8>,
    /// Octets of the character that ends the string.
    pub(crate) termination: Option<Vec<u8>>,
    /// `Variable/@maxSizeInBits`.
    pub(crate) max_bits: Option<u64>,
    pub(crate) charset: Charset,
}

/// `StringDataEncoding/@encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    UsAscii,
    Iso8859_1,
    Windows1252,
    Utf8,
    Utf16,
    Utf16Le,
    Utf16Be,
    Utf32,
    Utf32Le,
    Utf32Be,
}
