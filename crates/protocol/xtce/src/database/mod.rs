//! The mission database as loaded: parameters, their types, containers. Names follow XTCE 1.2
//! (CCSDS 660.0-B-2); a qualified name is `/System/SubSystem/Name`.

pub(crate) mod calibrator;
pub(crate) mod container;
pub(crate) mod criteria;
pub(crate) mod types;

use container::SequenceContainer;
use std::collections::HashMap;
use std::sync::Arc;
use types::{Type, TypeId};

use crate::alarm::Alarm;

/// Index into [`Database::parameters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub u32);

/// Index into [`Database::containers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub u32);

/// What the engineering value of a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Unsigned integer.
    Unsigned,
    /// Signed integer.
    Signed,
    /// Floating-point number; relative times are in seconds.
    Float,
    /// Boolean; the labels are the strings for zero and one.
    Boolean,
    /// One of [`Parameter::labels`].
    Enumerated,
    /// Text.
    String,
    /// Octets.
    Binary,
    /// Absolute time.
    Time,
    /// An aggregate or array: its leaves follow it as parameters of their own, unless its size is
    /// only known in the packet; then it is decoded as JSON text.
    Structured,
}

impl Kind {
    /// The word for it in interfaces.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Unsigned => "unsigned",
            Kind::Signed => "signed",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Enumerated => "enumerated",
            Kind::String => "string",
            Kind::Binary => "binary",
            Kind::Time => "time",
            Kind::Structured => "structured",
        }
    }
}

/// A telemetry parameter, or one leaf of an aggregate or array parameter (`Quat.q1`, `Cells[3]`).
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Qualified name: `/System/SubSystem/Name`.
    pub name: String,
    /// Short name, without the path; of a leaf, with its parent's: `Quat.q1`.
    pub short_name: String,
    /// Short description, or else the long one.
    pub description: String,
    /// Unit of the engineering value, empty if there is none.
    pub unit: String,
    /// What the engineering value is.
    pub kind: Kind,
    /// Labels that [`Value::Label`](crate::Value::Label) points into; of a boolean, the strings for zero and one.
    pub labels: Arc<[String]>,
    /// The aggregate or array that this is a member of.
    pub parent: Option<ParameterId>,
    /// Members of an aggregate or array of fixed size, in order.
    pub members: Vec<ParameterId>,
    /// Initial engineering value as written in the database.
    pub initial_value: Option<String>,
    /// `ParameterProperties/@readOnly`.
    pub read_only: bool,
    /// `ParameterProperties/@dataSource`: telemetered, derived, constant, local or ground.
    pub data_source: Option<String>,
    /// `ParameterProperties/SystemName`.
    pub system_name: Option<String>,
    /// Aliases: name space and name.
    pub aliases: Vec<(String, String)>,
    pub(crate) type_id: TypeId,
    /// Own name inside the parent: `q1`, or empty for an array element.
    pub(crate) member_name: String,
    /// `ValidityCondition`, shared with the members of an aggregate or array.
    pub(crate) validity: Option<Arc<criteria::Criteria>>,
}

/// A sequence container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Qualified name: `/System/SubSystem/Name`.
    pub name: String,
    /// Short name, without the path.
    pub short_name: String,
    /// Short description, or else the long one.
    pub description: String,
    /// Only a base for others; never the container of a packet.
    pub is_abstract: bool,
    /// The container that this one extends.
    pub base: Option<ContainerId>,
}

/// A mission database. Load it with [`Database::load`](crate::Database::load).
#[derive(Debug)]
pub struct Database {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) containers: Vec<Container>,
    /// Parallel to `containers`; `None` where the container was left out in a lenient load.
    pub(crate) layouts: Vec<Option<SequenceContainer>>,
    pub(crate) types: Vec<Type>,
    pub(crate) parameter_names: HashMap<String, ParameterId>,
    pub(crate) container_names: HashMap<String, ContainerId>,
}

impl Database {
    /// Name of the root space system.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Header/@version` of the root space system, empty if there is none.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All parameters, by [`ParameterId`]. The leaves of a parameter follow it.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// All containers, by [`ContainerId`].
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// The parameter with this id.
    pub fn parameter(&self, id: ParameterId) -> Option<&Parameter> {
        self.parameters.get(id.0 as usize)
    }

    /// The container with this id.
    pub fn container(&self, id: ContainerId) -> Option<&Container> {
        self.containers.get(id.0 as usize)
    }

    /// Finds a parameter by its qualified name, or by its short name where only one has it.
    pub fn find_parameter(&self, name: &str) -> Option<ParameterId> {
        self.parameter_names.get(name).copied().or_else(|| {
            let mut found = self.parameters.iter().enumerate().filter(|(_, p)| p.short_name == name);
            let (index, _) = found.next()?;
            found.next().is_none().then_some(ParameterId(index as u32))
        })
    }

    /// Finds a container by its qualified name, or by its short name where only one has it.
    pub fn find_container(&self, name: &str) -> Option<ContainerId> {
        self.container_names.get(name).copied().or_else(|| {
            let mut found = self.containers.iter().enumerate().filter(|(_, c)| c.short_name == name);
            let (index, _) = found.next()?;
            found.next().is_none().then_some(ContainerId(index as u32))
        })
    }

    /// The alarm definition of a parameter.
    pub fn alarm(&self, id: ParameterId) -> Option<&Alarm> {
        let parameter = self.parameter(id)?;
        self.types.get(parameter.type_id.0 as usize)?.scalar()?.alarm.as_ref()
    }

    pub(crate) fn type_of(&self, id: ParameterId) -> Option<&Type> {
        self.types.get(self.parameter(id)?.type_id.0 as usize)
    }
}
