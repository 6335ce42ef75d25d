//! Parameter types (XTCE 1.2 ParameterTypeSetType) with `baseType` inheritance: a derived type has
//! every attribute and child of its base that it does not give itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::shape::Shape;
use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1, initial};
use crate::database::Kind;
use crate::database::criteria::IntegerValue;
use crate::database::types::{Dimension, Engineering, Enumeration, Member, Scalar, Type, TypeId};
use crate::limits;

/// What comparisons need to know of a type before its own references can be read.
pub(super) struct Brief {
    pub(super) engineering: Engineering,
    /// `None`: the type is never telemetered.
    pub(super) raw: Option<RawKind>,
}

/// What the raw value of a type is.
#[derive(Clone, Copy)]
pub(super) enum RawKind {
    Number,
    Text,
    Octets,
}

/// A type element with those it is derived from, the most basic first.
pub(super) struct Inherited<'a> {
    /// Element and system.
    chain: Vec<(Node<'a>, usize)>,
}

impl<'a> Inherited<'a> {
    /// The element itself.
    pub(super) fn own(&self) -> Node<'a> {
        self.chain[self.chain.len() - 1].0
    }

    /// The most derived element that has the attribute.
    fn with(&self, attribute: &str) -> Option<Node<'a>> {
        self.chain.iter().rev().map(|(node, _)| *node).find(|node| node.has_attribute(attribute))
    }

    /// The most derived child of one of these names, and the system that its references start from.
    pub(super) fn child(&self, names: &[&str]) -> Option<(Node<'a>, usize)> {
        self.chain.iter().rev().find_map(|(node, system)| {
            let child = xml::children(*node)
                .find(|child| names.contains(&child.tag_name().name()) && xml::is_xtce(*child))?;
            Some((child, *system))
        })
    }
}

pub(super) const ENCODINGS: [&str; 4] =
    ["IntegerDataEncoding", "FloatDataEncoding", "StringDataEncoding", "BinaryDataEncoding"];

impl<'a> Loader<'a> {
    /// Loads every type; what is refused stays as [`Type::Refused`].
    pub(super) fn load_types(&mut self) {
        for index in 0..self.type_nodes.len() {
            let brief = self.brief(index).ok().flatten();
            self.briefs.push(brief);
        }
        for index in 0..self.type_nodes.len() {
            let loaded = self.load_type(index).unwrap_or(Type::Refused);
            self.types.push(loaded);
        }
        self.check_initial_values();
        // Parameters of one type share its labels.
        let mut shared: HashMap<u32, Arc<[String]>> = HashMap::new();
        let mut labels =
            |index: u32, own: &[String]| Arc::clone(shared.entry(index).or_insert_with(|| own.into()));
        for parameter in &mut self.parameters {
            let TypeId(index) = &parameter.type_id;
            let Some(scalar) = self.types[parameter.type_id.0 as usize].scalar() else { continue };
            parameter.unit.clone_from(&scalar.unit);
            match &scalar.engineering {
                Engineering::Enumerated(enumeration) => {
                    parameter.labels = labels(*index, &enumeration.labels);
                }
                Engineering::Boolean { zero, one } => {
                    parameter.labels = labels(*index, &[zero.clone(), one.clone()]);
                }
                Engineering::Integer { signed } => {
                    parameter.kind = if *signed { Kind::Signed } else { Kind::Unsigned };
                }
                _ => {}
            }
            if parameter.initial_value.is_none() {
                parameter.initial_value.clone_from(&scalar.initial_value);
            }
        }
    }

    fn load_type(&mut self, index: usize) -> Result1<Type> {
        let (node, system) = (self.type_nodes[index].node, self.type_nodes[index].system);
        let name = self.type_nodes[index].name.clone();
        let place = Place { system, name: &name };
        if !xml::is_xtce(node) {
            return Err(self.refuse(node, &name, "an element of another name space is not supported"));
        }
        match node.tag_name().name() {
            "AggregateParameterType" => self.aggregate(index, node, place),
            "ArrayParameterType" => self.array(index, node, place),
            _ => self.scalar(index, place),
        }
    }

    fn aggregate(&mut self, index: usize, node: Node<'a>, place: Place<'_>) -> Result1<Type> {
        self.only(node, place, &["name"], &["MemberList"])?;
        let Shape::Aggregate(shape) = self.shape(index) else { return Err(Refused) };
        if self.nested_too_deep(index) {
            return Err(self.refuse(node, place.name, "the aggregate contains itself or is nested too deep"));
        }
        let mut names = HashSet::new();
        let mut members = Vec::with_capacity(shape.len());
        let Some(list) = xml::child(node, "MemberList") else { return Ok(Type::Aggregate(members)) };
        self.only(list, place, &[], &["Member"])?;
        for (member, element) in shape.into_iter().zip(xml::named(list, "Member")) {
            self.only(element, place, &["name", "typeRef", "initialValue"], &[])?;
            let name = member.name;
            let Some(at) = member.type_index.filter(|_| !name.is_empty()) else {
                let what = format!("the type of member `{name}` is not there");
                return Err(self.refuse(element, place.name, what));
            };
            if !names.insert(name.clone()) {
                return Err(self.refuse(element, place.name, format!("two members are named `{name}`")));
            }
            if let Some(text) = member.initial_value {
                let engineering = self.briefs[at].as_ref().map(|brief| &brief.engineering);
                if let Some(fault) = initial::fault(engineering, &text) {
                    self.notice(element, place.name, fault);
                }
            }
            members.push(Member { name, type_id: self.type_nodes[at].id });
        }
        Ok(Type::Aggregate(members))
    }

    fn array(&mut self, index: usize, node: Node<'a>, place: Place<'_>) -> Result1<Type> {
        self.only(node, place, &["name", "arrayTypeRef", "numberOfDimensions"], &["DimensionList"])?;
        let Shape::Array(Some(element), _) = self.shape(index) else {
            return Err(self.refuse(node, place.name, "the type of the elements is not there"));
        };
        if self.nested_too_deep(index) {
            return Err(self.refuse(node, place.name, "the array contains itself or is nested too deep"));
        }
        let element = self.type_nodes[element].id;
        let Some(list) = xml::child(node, "DimensionList") else {
            return Err(self.refuse(node, place.name, "an array without DimensionList is not supported"));
        };
        let dimensions = self.dimensions(list, place)?;
        if dimensions.is_empty() || dimensions.len() > 8 {
            return Err(self.refuse(list, place.name, "an array has one to eight dimensions"));
        }
        let given = self.attribute(node, place, "numberOfDimensions", xml::integer)?;
        if given.is_some_and(|given| given != dimensions.len() as i128) {
            return Err(self.refuse(list, place.name, "numberOfDimensions says another number"));
        }
        for dimension in &dimensions {
            if dimension.start != IntegerValue::Fixed(0) {
                return Err(self.refuse(
                    list,
                    place.name,
                    "a StartingIndex other than 0 in a type is not supported",
                ));
            }
        }
        Ok(Type::Array { element, dimensions })
    }

    fn nested_too_deep(&self, index: usize) -> bool {
        let mut open = vec![(index, 0)];
        let mut steps = 0;
        while let Some((at, depth)) = open.pop() {
            steps += 1;
            if depth > limits::MAX_NESTING || steps > limits::MAX_LEAVES * 4 {
                return true;
            }
            match self.shape(at) {
                Shape::Scalar(_) => {}
                Shape::Array(element, _) => open.extend(element.map(|element| (element, depth + 1))),
                Shape::Aggregate(members) => {
                    open.extend(
                        members.into_iter().filter_map(|member| Some((member.type_index?, depth + 1))),
                    );
                }
            }
        }
        false
    }

    /// `DimensionList`.
    pub(super) fn dimensions(&mut self, list: Node<'a>, place: Place<'_>) -> Result1<Vec<Dimension>> {
        self.only(list, place, &[], &["Dimension"])?;
        let mut dimensions = Vec::new();
        for node in xml::named(list, "Dimension") {
            self.only(node, place, &[], &["StartingIndex", "EndingIndex"])?;
            let (Some(start), Some(end)) =
                (xml::child(node, "StartingIndex"), xml::child(node, "EndingIndex"))
            else {
                return Err(self.refuse(node, place.name, "a Dimension needs StartingIndex and EndingIndex"));
            };
            let dimension =
                Dimension { start: self.integer_value(start, place)?, end: self.integer_value(end, place)? };
            if let (IntegerValue::Fixed(start), IntegerValue::Fixed(end)) = (&dimension.start, &dimension.end)
                && (*start < 0 || end < start || end - start >= limits::MAX_ENTRIES_PER_PACKET as i64)
            {
                return Err(self.refuse(node, place.name, format!("a dimension from {start} to {end}")));
            }
            dimensions.push(dimension);
        }
        Ok(dimensions)
    }

    fn chain(&mut self, index: usize, place: Place<'_>) -> Result1<Inherited<'a>> {
        let own = self.type_nodes[index].node;
        let chain = self.inherited(index);
        let first = self.type_nodes[chain[0]].node;
        if let Some(base) = first.attribute("baseType") {
            let what = format!("baseType `{base}` is not there or leads back to the type itself");
            return Err(self.refuse(own, place.name, what));
        }
        let chain: Vec<_> =
            chain.into_iter().map(|at| (self.type_nodes[at].node, self.type_nodes[at].system)).collect();
        if chain.iter().any(|(node, _)| node.tag_name().name() != own.tag_name().name()) {
            return Err(self.refuse(own, place.name, "the baseType is of another kind"));
        }
        Ok(Inherited { chain })
    }

    /// Reads the engineering side of a scalar type; `None` for aggregates and arrays.
    fn brief(&mut self, index: usize) -> Result1<Option<Brief>> {
        let own = self.type_nodes[index].node;
        let element = own.tag_name().name();
        if !xml::is_xtce(own) || matches!(element, "AggregateParameterType" | "ArrayParameterType") {
            return Ok(None);
        }
        let name = self.type_nodes[index].name.clone();
        let place = Place { system: self.type_nodes[index].system, name: &name };
        // `restrictionPattern`, `SizeRangeInCharacters` and `ValidRange` restrict what is sent; `ToString`,
        // `sizeInBits` and `characterWidth` are hints for storage and display: none changes what is decoded.
        let (attributes, children): (&[&str], &[&str]) = match element {
            "IntegerParameterType" => (&["signed", "sizeInBits"], &["ToString", "ValidRange"]),
            "FloatParameterType" => (&["sizeInBits"], &["ToString", "ValidRange"]),
            "BooleanParameterType" => (&["oneStringValue", "zeroStringValue"], &[]),
            "EnumeratedParameterType" => (&[], &["EnumerationList"]),
            "StringParameterType" => (&["restrictionPattern", "characterWidth"], &["SizeRangeInCharacters"]),
            "BinaryParameterType" => (&[], &["BinaryContextAlarmList"]),
            "AbsoluteTimeParameterType" | "RelativeTimeParameterType" => {
                (&[], &["Encoding", "ReferenceTime"])
            }
            _ => {
                let what = format!("element `{element}` in ParameterTypeSet is not supported");
                return Err(self.refuse(own, place.name, what));
            }
        };
        let is_time = element.ends_with("TimeParameterType");
        let attributes: Vec<&str> =
            ["name", "baseType", "initialValue"].iter().chain(attributes).copied().collect();
        let mut known: Vec<&str> = vec!["DefaultAlarm", "ContextAlarmList"];
        known.extend(children);
        if !is_time {
            known.push("UnitSet");
            known.extend(ENCODINGS);
        }
        self.only(own, place, &attributes, &known)?;
        self.choice(own, place, &ENCODINGS)?;
        self.choice(own, place, &["ContextAlarmList", "BinaryContextAlarmList"])?;
        let chain = self.chain(index, place)?;
        if is_time && let Some((encoding, system)) = chain.child(&["Encoding"]) {
            self.choice(encoding, Place { system, ..place }, &ENCODINGS)?;
        }

        let engineering = match element {
            "IntegerParameterType" => {
                let signed = chain.with("signed").unwrap_or(own);
                Engineering::Integer {
                    signed: self.attribute(signed, place, "signed", xml::boolean)?.unwrap_or(true),
                }
            }
            "FloatParameterType" => Engineering::Float,
            "BooleanParameterType" => {
                let word = |attribute, default: &str| {
                    chain
                        .with(attribute)
                        .and_then(|node| node.attribute(attribute))
                        .unwrap_or(default)
                        .to_owned()
                };
                Engineering::Boolean {
                    zero: word("zeroStringValue", "False"),
                    one: word("oneStringValue", "True"),
                }
            }
            "EnumeratedParameterType" => {
                let Some((list, _)) = chain.child(&["EnumerationList"]) else {
                    return Err(self.refuse(own, place.name, "the EnumerationList is missing"));
                };
                Engineering::Enumerated(self.enumeration(list, place)?)
            }
            "StringParameterType" => Engineering::String,
            "BinaryParameterType" => Engineering::Binary,
            "AbsoluteTimeParameterType" => Engineering::AbsoluteTime(self.time_coding(&chain, place, true)?),
            _ => Engineering::RelativeTime(self.time_coding(&chain, place, false)?),
        };
        let parent = if is_time { chain.child(&["Encoding"]).map(|(node, _)| node) } else { None };
        let encoding = match parent {
            Some(node) => xml::children(node).find(|child| ENCODINGS.contains(&child.tag_name().name())),
            None => chain.child(&ENCODINGS).map(|(node, _)| node),
        };
        let raw = encoding.map(|node| match node.tag_name().name() {
            "StringDataEncoding" => RawKind::Text,
            "BinaryDataEncoding" => RawKind::Octets,
            _ => RawKind::Number,
        });
        Ok(Some(Brief { engineering, raw }))
    }

    fn scalar(&mut self, index: usize, place: Place<'_>) -> Result1<Type> {
        let own = self.type_nodes[index].node;
        // Without it, the type is refused already.
        let engineering =
            self.briefs[index].as_ref().map(|brief| brief.engineering.clone()).ok_or(Refused)?;
        let chain = self.chain(index, place)?;
        // What was refused of the base would be passed over here.
        if self.inherited(index).into_iter().any(|at| self.briefs[at].is_none()) {
            return Err(self.refuse(own, place.name, "the baseType is refused"));
        }
        let is_time = matches!(engineering, Engineering::AbsoluteTime(_) | Engineering::RelativeTime(_));
        let encoding = if is_time {
            match chain.child(&["Encoding"]) {
                Some((node, system)) => match xml::children(node)
                    .find(|n| ENCODINGS.contains(&n.tag_name().name()))
                {
                    Some(encoding) => Some(self.encoding(encoding, Place { system, ..place })?),
                    None => return Err(self.refuse(node, place.name, "the Encoding has no data encoding")),
                },
                None => None,
            }
        } else {
            match chain.child(&ENCODINGS) {
                Some((node, system)) => Some(self.encoding(node, Place { system, ..place })?),
                None => None,
            }
        };
        if let Some(encoding) = &encoding {
            self.check_encoding(own, place, &engineering, encoding)?;
        }
        let unit = match chain.child(&["UnitSet"]) {
            Some((units, _)) => unit(units),
            None if matches!(engineering, Engineering::RelativeTime(_)) => "s".to_owned(),
            None => String::new(),
        };
        if let Some(text) = own.attribute("initialValue")
            && let Some(fault) = initial::fault(Some(&engineering), text)
        {
            self.notice(own, place.name, fault);
        }
        let initial_value =
            chain.with("initialValue").and_then(|node| node.attribute("initialValue")).map(str::to_owned);
        let alarm = self.alarm(&chain, place, &engineering)?;
        Ok(Type::Scalar(Box::new(Scalar { unit, engineering, encoding, initial_value, alarm })))
    }

    fn enumeration(&mut self, list: Node<'a>, place: Place<'_>) -> Result1<Enumeration> {
        self.only(list, place, &[], &["Enumeration"])?;
        let mut enumeration = Enumeration::default();
        let mut known = HashMap::new();
        for node in xml::named(list, "Enumeration") {
            self.only(node, place, &["value", "maxValue", "label"], &[])?;
            let label = self.required(node, place, "label")?;
            self.required(node, place, "value")?;
            let number = |text: &str| xml::integer(text).and_then(|value| i64::try_from(value).ok());
            let first = self.attribute(node, place, "value", number)?.ok_or(Refused)?;
            let last = self.attribute(node, place, "maxValue", number)?.unwrap_or(first);
            if last < first {
                return Err(self.refuse(node, place.name, format!("label `{label}` has an empty range")));
            }
            // One label may stand for several ranges (EnumerationAlarmType).
            let index = *known.entry(label).or_insert_with(|| {
                enumeration.labels.push(label.to_owned());
                enumeration.labels.len() as u32 - 1
            });
            enumeration.ranges.push((first, last, index));
        }
        enumeration.ranges.sort_unstable();
        if enumeration.ranges.windows(2).any(|pair| pair[1].0 <= pair[0].1) {
            return Err(self.refuse(list, place.name, "two labels share a value"));
        }
        Ok(enumeration)
    }
}

/// Units of the engineering value, multiplied: `m`, `s^-2`.
fn unit(units: Node<'_>) -> String {
    let parts: Vec<String> = xml::named(units, "Unit")
        .filter(|unit| unit.attribute("form").is_none_or(|form| form == "calibrated"))
        .map(|unit| {
            let factor = unit.attribute("factor").filter(|factor| *factor != "1");
            let power = unit.attribute("power").filter(|power| xml::double(power) != Some(1.0));
            format!(
                "{}{}{}{}",
                factor.unwrap_or_default(),
                if factor.is_some() { " " } else { "" },
                &*xml::text(unit),
                power.map(|power| format!("^{power}")).unwrap_or_default()
            )
        })
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}
