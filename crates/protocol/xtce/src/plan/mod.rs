//! The flat decode plan. Containers become steps over one array; while the layout is fixed, numbers
//! become fields with their place, shift and width worked out; inheritance becomes a switch on the
//! value that tells the heirs apart.

mod compile;
mod layout;
mod lookups;
mod switch;

use crate::database::calibrator::Calibrator;
use crate::database::criteria::{Criteria, IntegerValue};
use crate::database::types::{Engineering, FloatCoding, IntegerCoding, Order, StringCoding};
use crate::database::{ContainerId, ParameterId};
use crate::value::Value;
pub(crate) use switch::Switch;

/// Why a database cannot be compiled from a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The named root container is not there, or was left out in a lenient load.
    #[error("there is no container `{0}`")]
    NoRoot(String),
    /// The database has no container that packets could start with.
    #[error("the database has no container")]
    Empty,
    /// Several containers could be the root.
    #[error("name the root container, one of: {}", .0.join(", "))]
    AmbiguousRoot(Vec<String>),
    /// The plan would pass [`limits::MAX_STEPS`](crate::limits::MAX_STEPS).
    #[error("the containers are too large: more than {} steps", crate::limits::MAX_STEPS)]
    TooLarge,
}

/// A value before any packet, with its octets if it has any.
pub(crate) type Initial = (Value, Vec<u8>);

/// A compiled database. Share it between decoders.
#[derive(Debug)]
pub struct Plan {
    pub(crate) nodes: Vec<Node>,
    /// What decoding starts with.
    pub(crate) root: u32,
    pub(crate) steps: Vec<Step>,
    pub(crate) spans: Vec<FieldSpan>,
    pub(crate) fields: Vec<Field>,
    pub(crate) stores: Vec<Store>,
    pub(crate) codings: Vec<Coding>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) criteria: Vec<Criteria<Slot>>,
    pub(crate) integers: Vec<IntegerValue<Slot>>,
    /// Values that slots start with: `initialValue`, with the octets of a text or octet string.
    pub(crate) initial: Vec<Initial>,
}

impl Plan {
    /// The container that packets start with.
    pub fn root(&self) -> ContainerId {
        self.nodes.get(self.root as usize).map_or(ContainerId(0), |node| node.container)
    }

    /// The nodes from the root to a container.
    pub(crate) fn path(&self, container: ContainerId) -> Option<Vec<u32>> {
        let mut open = vec![vec![self.root]];
        while let Some(path) = open.pop() {
            let node = self.nodes.get(*path.last()? as usize)?;
            if node.container == container {
                return Some(path);
            }
            open.extend(node.heirs.nodes().into_iter().map(|heir| {
                let mut below = path.clone();
                below.push(heir);
                below
            }));
        }
        None
    }
}

/// A value that conditions, sizes or calibrators look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) calibrated: bool,
}

/// One container in its place of the inheritance tree.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) container: ContainerId,
    pub(crate) is_abstract: bool,
    pub(crate) first_step: u32,
    pub(crate) end_step: u32,
    pub(crate) heirs: Switch,
}

/// One step of decoding. `at` is the cursor: the bit after the last entry.
#[derive(Debug)]
pub(crate) enum Step {
    Run(Run),
    /// One value of a size or meaning that only the packet tells.
    Value {
        parameter: ParameterId,
        coding: u32,
        store: Option<Store>,
        validity: Option<u32>,
    },
    /// An array or aggregate of a size that only the packet tells, as JSON text.
    Structured {
        parameter: ParameterId,
        shape: u32,
        validity: Option<u32>,
    },
    /// Sets the cursor.
    Move(Move),
    /// Goes on at `to` unless the condition holds.
    Unless {
        criteria: u32,
        to: u32,
    },
    /// Goes on at `to`.
    Jump {
        to: u32,
    },
    /// Repeats the steps up to `end`.
    Repeat {
        count: u32,
        gap: Option<u32>,
        end: u32,
    },
    /// Begins an included container, whose size may be given.
    Enter {
        size: Option<u32>,
    },
    /// Ends it; the cursor goes to its end if that is given.
    Leave {
        sized: bool,
    },
    /// An included container that has heirs.
    Include {
        node: u32,
    },
}

/// Where the cursor goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// By so many bits.
    By(u32),
    /// So many bits after the start of the container.
    FromStart(u32),
    /// The entry, of `size` bits, ends so many bits before the end of the container.
    FromEnd { offset: u32, size: u32 },
}

/// Numbers at fixed places, read in one go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) end: u32,
    pub(crate) first_span: u32,
    pub(crate) end_span: u32,
    /// Places count from the start of the packet, else from the cursor.
    pub(crate) absolute: bool,
    /// Bits that must be there, from where places count.
    pub(crate) extent: u64,
    /// Where the cursor stands afterwards, from where places count.
    pub(crate) cursor: u64,
    pub(crate) first_store: u32,
    pub(crate) end_store: u32,
}

/// Fields of a run that become values in the same way: one loop without a decision in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSpan {
    pub(crate) first: u32,
    pub(crate) end: u32,
    pub(crate) op: Op,
}

/// A number at a fixed place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) parameter: ParameterId,
    /// First bit, from where the run counts.
    pub(crate) bit: u32,
    /// In an absolute run, the octet from which the eight octets that hold the field are loaded.
    pub(crate) load: u32,
    /// Index into polynomials and enumerations (`codings`).
    pub(crate) coding: u32,
    pub(crate) op: Op,
    pub(crate) bits: u8,
    /// In an absolute run, bits to the right of the field in what was loaded.
    pub(crate) shift: u8,
}

/// How a field becomes a value: the frequent ways; the rest is `General`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Unsigned integer, engineering value the same.
    Unsigned,
    /// Unsigned integer, engineering value a float.
    UnsignedFloat,
    /// Unsigned integer of less than 64 bits, engineering value signed.
    UnsignedSigned,
    UnsignedPolynomial,
    UnsignedLabel,
    UnsignedBoolean,
    /// Two's complement, engineering value the same.
    Signed,
    SignedFloat,
    SignedPolynomial,
    Float32,
    Float64,
    Float32Polynomial,
    /// Any other number: [`Coding`] tells.
    General,
}

/// Keeps the value of entry `entry` of a run in `slot`, moving earlier ones on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    pub(crate) entry: u32,
    pub(crate) slot: u32,
    /// How many instances are kept.
    pub(crate) depth: u32,
}

/// How a value is encoded, calibrated and typed.
#[derive(Clone, Debug)]
pub(crate) struct Coding {
    pub(crate) raw: RawCoding,
    pub(crate) contexts: Vec<(Criteria<Slot>, Calibrator<Slot>)>,
    pub(crate) calibrator: Option<Calibrator<Slot>>,
    pub(crate) engineering: Engineering,
    /// The time that an `OffsetFrom` counts from.
    pub(crate) origin: Option<Slot>,
    /// Looks at slots, so it cannot be part of a run.
    pub(crate) dependent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum RawCoding {
    Integer { bits: u8, coding: IntegerCoding, order: Order },
    Float { bits: u8, coding: FloatCoding, order: Order },
    Text { coding: StringCoding, buffer: Option<IntegerValue<Slot>> },
    Octets { size: IntegerValue<Slot> },
}

/// A type that is decoded as JSON text.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Index into the codings.
    Scalar(u32),
    /// Names and shapes of the members.
    Aggregate(Vec<(String, u32)>),
    /// First and last index of each dimension.
    Array { element: u32, dimensions: Vec<(u32, u32)> },
}
