//! Parameters (XTCE 1.2 ParameterSetType): ids, names, properties, and the leaves of aggregates and arrays.

use std::sync::Arc;

use super::shape::{Shape, TypeNode};
use super::system::is_name;
use super::xml::{self, Node};
use super::{Loader, Place};
use crate::database::criteria::Criteria;
use crate::database::types::TypeId;
use crate::database::{Kind, Parameter, ParameterId};
use crate::limits;

impl<'a> Loader<'a> {
    /// Lists the parameter types by name.
    pub(super) fn collect_types(&mut self) {
        for (system, node) in self.items("ParameterTypeSet") {
            let name = self.qualified(system, node.attribute("name").unwrap_or_default());
            let index = self.type_nodes.len();
            if !is_name(node.attribute("name").unwrap_or_default()) {
                self.refuse(node, &name, "the name of the type is missing or not allowed");
                continue;
            }
            if self.type_names.insert(name.clone(), index).is_some() {
                self.refuse(node, &name, "there is another parameter type of this name");
            }
            self.type_nodes.push(TypeNode { node, system, name, id: TypeId(index as u32) });
        }
    }

    /// Lists the parameters and their leaves, and gives them ids.
    pub(super) fn collect_parameters(&mut self) {
        let mut references = Vec::new();
        for (system, node) in self.items("ParameterSet") {
            let short = node.attribute("name").unwrap_or_default();
            let name = self.qualified(system, short);
            let place = Place { system, name: &name };
            if node.tag_name().name() == "ParameterRef" && xml::is_xtce(node) {
                references.push((system, node));
                continue;
            }
            if node.tag_name().name() != "Parameter" || !xml::is_xtce(node) || !is_name(short) {
                let element = node.tag_name().name();
                self.refuse(
                    node,
                    &name,
                    format!("element `{element}` named `{short}` in ParameterSet is not supported"),
                );
                continue;
            }
            let known = ["name", "parameterTypeRef", "initialValue"];
            let _ = self.only(node, place, &known, &["ParameterProperties"]);
            let Ok(reference) = self.required(node, place, "parameterTypeRef") else { continue };
            let Some(type_index) = self.resolve(&self.type_names, system, reference) else {
                self.refuse(node, &name, format!("there is no parameter type `{reference}`"));
                continue;
            };
            if self.parameter_names.contains_key(&name) {
                self.refuse(node, &name, "there is another parameter of this name");
                continue;
            }
            if self.parameters.len() + limits::MAX_LEAVES > limits::MAX_PARAMETERS {
                self.refuse(node, &name, format!("more than {} parameters", limits::MAX_PARAMETERS));
                return;
            }
            let id = ParameterId(self.parameters.len() as u32);
            let mut parameter = described(node, name.clone(), short.to_owned());
            parameter.initial_value = node.attribute("initialValue").map(str::to_owned);
            if let Some(properties) = xml::child(node, "ParameterProperties") {
                self.properties(properties, place, &mut parameter);
            }
            self.parameter_nodes.push((id, system, node));
            self.add(parameter, type_index);
        }
        for (system, node) in references {
            self.include(system, node);
        }
    }

    /// Adds a parameter and its leaves.
    fn add(&mut self, mut parameter: Parameter, type_index: usize) -> ParameterId {
        let id = ParameterId(self.parameters.len() as u32);
        let expands = self.leaves(type_index, 0).is_some();
        let shape = self.shape(type_index);
        parameter.type_id = self.type_nodes[type_index].id;
        parameter.kind = match &shape {
            Shape::Scalar(kind) => *kind,
            _ => Kind::Structured,
        };
        self.parameter_names.insert(parameter.name.clone(), id);
        let mut template = parameter.clone();
        if template.description.len() > limits::MAX_LEAF_DESCRIPTION {
            template.description.clear();
        }
        self.parameters.push(parameter);
        if !expands {
            return id;
        }
        let members: Vec<(String, usize, Option<String>)> = match shape {
            Shape::Scalar(_) | Shape::Array(_, None) | Shape::Array(None, _) => Vec::new(),
            Shape::Aggregate(members) => members
                .into_iter()
                .filter_map(|member| Some((member.name, member.type_index?, member.initial_value)))
                .collect(),
            Shape::Array(Some(element), Some(sizes)) => {
                indices(&sizes).map(|index| (index, element, None)).collect()
            }
        };
        for (member, member_type, initial_value) in members {
            let separator = if member.starts_with('[') { "" } else { "." };
            let leaf = Parameter {
                name: format!("{}{separator}{member}", template.name),
                short_name: format!("{}{separator}{member}", template.short_name),
                parent: Some(id),
                member_name: member,
                initial_value,
                aliases: Vec::new(),
                members: Vec::new(),
                ..template.clone()
            };
            let leaf = self.add(leaf, member_type);
            self.parameters[id.0 as usize].members.push(leaf);
        }
        id
    }

    fn properties(&mut self, node: Node<'a>, place: Place<'_>, parameter: &mut Parameter) {
        let attributes = ["dataSource", "readOnly", "persistence"];
        // PhysicalAddressSet and TimeAssociation describe where and when a value arose on board.
        let children = ["SystemName", "ValidityCondition", "PhysicalAddressSet", "TimeAssociation"];
        let _ = self.only(node, place, &attributes, &children);
        if let Some(association) = xml::child(node, "TimeAssociation") {
            self.notice(association, place.name, "TimeAssociation is passed over");
        }
        parameter.read_only = node.attribute("readOnly").and_then(xml::boolean).unwrap_or(false);
        parameter.data_source = node.attribute("dataSource").map(str::to_owned);
        parameter.system_name = xml::child(node, "SystemName").map(|name| xml::text(name).into_owned());
    }

    /// `ParameterRef`: the parameter of another system under this system's name too.
    fn include(&mut self, system: usize, node: Node<'a>) {
        let name = self.systems[system].path.clone();
        let place = Place { system, name: &name };
        if self.only(node, place, &["parameterRef"], &[]).is_err() {
            return;
        }
        let Ok(reference) = self.required(node, place, "parameterRef") else { return };
        let Some(id) = self.resolve(&self.parameter_names, system, reference) else {
            self.refuse(node, &name, format!("there is no parameter `{reference}`"));
            return;
        };
        let short = reference.rsplit('/').next().unwrap_or(reference);
        let alias = self.qualified(system, short);
        self.parameter_names.entry(alias).or_insert(id);
    }

    /// Gives a parameter and its members their condition.
    fn validate(&mut self, id: ParameterId, criteria: &Arc<Criteria>) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let parameter = &mut self.parameters[id.0 as usize];
            parameter.validity = Some(Arc::clone(criteria));
            open.extend(&parameter.members);
        }
    }

    /// `ValidityCondition` of the parameters, once all names are known.
    pub(super) fn load_validity(&mut self) {
        for (id, system, node) in std::mem::take(&mut self.parameter_nodes) {
            let condition = xml::child(node, "ParameterProperties")
                .and_then(|properties| xml::child(properties, "ValidityCondition"));
            if let Some(condition) = condition {
                let name = self.parameters[id.0 as usize].name.clone();
                if let Ok(criteria) = self.criteria(condition, Place { system, name: &name }) {
                    self.validate(id, &Arc::new(criteria));
                }
            }
        }
    }
}

/// Name, description and aliases of an element.
fn described(node: Node<'_>, name: String, short_name: String) -> Parameter {
    Parameter {
        name,
        short_name,
        description: description(node),
        unit: String::new(),
        kind: Kind::Structured,
        labels: Arc::default(),
        parent: None,
        members: Vec::new(),
        initial_value: None,
        read_only: false,
        data_source: None,
        system_name: None,
        aliases: aliases(node),
        type_id: TypeId::default(),
        member_name: String::new(),
        validity: None,
    }
}

/// The short description, or else the long one.
pub(super) fn description(node: Node<'_>) -> String {
    let long = || {
        xml::children(node)
            .find(|child| child.tag_name().name() == "LongDescription")
            .and_then(|long| long.text())
    };
    node.attribute("shortDescription").or_else(long).unwrap_or_default().trim().to_owned()
}

fn aliases(node: Node<'_>) -> Vec<(String, String)> {
    xml::children(node)
        .filter(|child| child.tag_name().name() == "AliasSet")
        .flat_map(xml::children)
        .filter_map(|alias| {
            Some((alias.attribute("nameSpace")?.to_owned(), alias.attribute("alias")?.to_owned()))
        })
        .collect()
}

/// `[0][0]`, `[0][1]`, …: the last dimension changes fastest (DimensionListType).
fn indices(sizes: &[u64]) -> impl Iterator<Item = String> + '_ {
    let count: u64 = sizes.iter().product();
    (0..count).map(move |flat| {
        let mut rest = flat;
        let mut index = vec![0; sizes.len()];
        for (at, size) in sizes.iter().enumerate().rev() {
            index[at] = rest % size;
            rest /= size;
        }
        index.iter().map(|at| format!("[{at}]")).collect()
    })
}
