//! The shape of parameter types, read before anything else: which are aggregates and arrays of fixed
//! size, so that their leaves get ids and names of their own (`Quat.q1`, `Cells[3]`).

use super::Loader;
use super::xml::{self, Node};
use crate::database::Kind;
use crate::database::types::TypeId;
use crate::limits;

/// The shape of a type.
pub(super) enum Shape {
    Scalar(Kind),
    Aggregate(Vec<MemberShape>),
    /// Element type, and the sizes of the dimensions if all are fixed.
    Array(Option<usize>, Option<Vec<u64>>),
}

/// A member of an aggregate.
pub(super) struct MemberShape {
    pub(super) name: String,
    /// `None` where the type is not there.
    pub(super) type_index: Option<usize>,
    pub(super) initial_value: Option<String>,
}

impl<'a> Loader<'a> {
    /// The shape of a type. An unknown element counts as a scalar; loading it refuses it by name.
    pub(super) fn shape(&self, index: usize) -> Shape {
        let TypeNode { node, system, .. } = &self.type_nodes[index];
        let (node, system) = (*node, *system);
        match node.tag_name().name() {
            "AggregateParameterType" => Shape::Aggregate(
                xml::child(node, "MemberList")
                    .map(|list| {
                        xml::named(list, "Member")
                            .map(|member| {
                                let reference = member.attribute("typeRef").unwrap_or_default();
                                MemberShape {
                                    name: member.attribute("name").unwrap_or_default().to_owned(),
                                    type_index: self.resolve(&self.type_names, system, reference),
                                    initial_value: member.attribute("initialValue").map(str::to_owned),
                                }
                            })
                            .collect()
                    })
                    .unwrap_or_default(),
            ),
            "ArrayParameterType" => {
                let reference = node.attribute("arrayTypeRef").unwrap_or_default();
                let sizes = xml::child(node, "DimensionList").and_then(|list| {
                    xml::named(list, "Dimension")
                        .map(|dimension| {
                            let bound = |name| {
                                let fixed = xml::child(xml::child(dimension, name)?, "FixedValue")?;
                                xml::integer(&xml::text(fixed))
                            };
                            let size = bound("EndingIndex")?.checked_sub(bound("StartingIndex")?)? + 1;
                            u64::try_from(size).ok()
                        })
                        .collect::<Option<Vec<u64>>>()
                });
                Shape::Array(self.resolve(&self.type_names, system, reference), sizes)
            }
            "BooleanParameterType" => Shape::Scalar(Kind::Boolean),
            "EnumeratedParameterType" => Shape::Scalar(Kind::Enumerated),
            "FloatParameterType" | "RelativeTimeParameterType" => Shape::Scalar(Kind::Float),
            "AbsoluteTimeParameterType" => Shape::Scalar(Kind::Time),
            "StringParameterType" => Shape::Scalar(Kind::String),
            "BinaryParameterType" => Shape::Scalar(Kind::Binary),
            _ => {
                let signed = self
                    .inherited(index)
                    .iter()
                    .rev()
                    .find_map(|at| self.type_nodes[*at].node.attribute("signed").and_then(xml::boolean));
                Shape::Scalar(if signed == Some(false) { Kind::Unsigned } else { Kind::Signed })
            }
        }
    }

    /// How many leaves a type has; `None` if more than [`limits::MAX_LEAVES`], or nested too deep.
    /// A dynamic array is one leaf.
    pub(super) fn leaves(&self, index: usize, depth: usize) -> Option<u64> {
        if depth > limits::MAX_NESTING {
            return None;
        }
        let count = match self.shape(index) {
            Shape::Scalar(_) | Shape::Array(_, None) => 1,
            Shape::Aggregate(members) => {
                let mut count = 0u64;
                for member in members {
                    count += member.type_index.map_or(Some(1), |member| self.leaves(member, depth + 1))?;
                    if count > limits::MAX_LEAVES as u64 {
                        return None;
                    }
                }
                // Aggregates of nothing count too, or a tower of them would be walked for ever.
                count.max(1)
            }
            Shape::Array(element, Some(sizes)) => {
                let size = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(*size))?;
                let each = element.map_or(Some(1), |element| self.leaves(element, depth + 1))?;
                size.checked_mul(each)?
            }
        };
        (count <= limits::MAX_LEAVES as u64).then_some(count)
    }

    /// A type and the types it is derived from (`baseType`), the most basic first. Chains that are
    /// broken or too long end early; loading the type refuses them.
    pub(super) fn inherited(&self, index: usize) -> Vec<usize> {
        let mut chain = vec![index];
        let mut at = index;
        while let Some(base) = self.type_nodes[at].node.attribute("baseType") {
            match self.resolve(&self.type_names, self.type_nodes[at].system, base) {
                Some(base) if chain.len() < limits::MAX_NESTING => {
                    chain.push(base);
                    at = base;
                }
                _ => break,
            }
        }
        chain.reverse();
        chain
    }
}

/// A parameter type element.
#[derive(Clone)]
pub(super) struct TypeNode<'a> {
    pub(super) node: Node<'a>,
    pub(super) system: usize,
    pub(super) name: String,
    pub(super) id: TypeId,
}
