//! Sequence containers as loaded: entries, locations, inheritance, names resolved.

use super::criteria::{Criteria, IntegerValue};
use super::types::{Dimension, Type, fixed_bits};
use super::{ContainerId, Parameter, ParameterId};

/// `SequenceContainer`.
#[derive(Clone, Debug)]
pub(crate) struct SequenceContainer {
    pub(crate) line: u32,
    pub(crate) entries: Vec<ContainerEntry>,
    /// The base and the `RestrictionCriteria`; no criteria always match.
    pub(crate) base: Option<(ContainerId, Option<Criteria>)>,
    /// `BinaryEncoding/SizeInBits`.
    pub(crate) size: Option<IntegerValue>,
}

/// One entry of an `EntryList`.
#[derive(Clone, Debug)]
pub(crate) struct ContainerEntry {
    pub(crate) what: What,
    pub(crate) location: Option<Location>,
    pub(crate) repeat: Option<Repeat>,
    pub(crate) include: Option<Criteria>,
}

impl ContainerEntry {
    /// Size in bits of the entry with its repetitions, where it is fixed.
    pub(crate) fn fixed_bits(&self, types: &[Type], parameters: &[Parameter]) -> Option<i64> {
        let one = match &self.what {
            What::Parameter(id) => fixed_bits(types, parameters.get(id.0 as usize)?.type_id, 0)?,
            _ => return None,
        };
        let Some(repeat) = &self.repeat else { return Some(one) };
        let IntegerValue::Fixed(count) = repeat.count else { return None };
        let gap = match repeat.offset {
            None => 0,
            Some(IntegerValue::Fixed(gap)) => gap,
            _ => return None,
        };
        one.checked_mul(count)?.checked_add(gap.checked_mul(count.checked_sub(1)?)?)
    }
}

/// What an entry refers to.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Parameter(ParameterId),
    /// `ArrayParameterRefEntry`; with dimensions, a part of the array.
    Array(ParameterId, Vec<Dimension>),
    Container(ContainerId),
}

/// `LocationInContainerInBits`.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) from: Anchor,
    pub(crate) bits: IntegerValue,
}

/// `LocationInContainerInBits/@referenceLocation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    PreviousEntry,
    ContainerStart,
    ContainerEnd,
    NextEntry,
}

/// `RepeatEntry`.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    pub(crate) count: IntegerValue,
    /// Bits between the end of one repetition and the start of the next.
    pub(crate) offset: Option<IntegerValue>,
}
