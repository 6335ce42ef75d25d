//! Sequence containers (XTCE 1.2 ContainerSetType). Segments, streams, indirect parameters, rates and
//! next containers are refused.

use super::criteria::VALUES;
use super::parameter::description;
use super::system::is_name;
use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1};
use crate::database::container::{Anchor, ContainerEntry, Location, Repeat, SequenceContainer, What};
use crate::database::criteria::{Criteria, IntegerValue};
use crate::database::types::{Encoding, Type};
use crate::database::{Container, ContainerId, ParameterId};
use crate::limits;

impl<'a> Loader<'a> {
    /// Loads every container; then leaves out those that build on one that was refused.
    pub(super) fn load_containers(&mut self) {
        let mut found = Vec::new();
        for (system, node) in self.items("ContainerSet") {
            let short = node.attribute("name").unwrap_or_default();
            let name = self.qualified(system, short);
            if node.tag_name().name() != "SequenceContainer" || !xml::is_xtce(node) || !is_name(short) {
                let element = node.tag_name().name();
                self.refuse(
                    node,
                    &name,
                    format!("element `{element}` named `{short}` in ContainerSet is not supported"),
                );
                continue;
            }
            let id = ContainerId(self.containers.len() as u32);
            if self.container_names.contains_key(&name) {
                self.refuse(node, &name, "there is another container of this name");
                continue;
            }
            self.container_names.insert(name.clone(), id);
            self.containers.push(Container {
                name,
                short_name: short.to_owned(),
                description: description(node),
                is_abstract: node.attribute("abstract").and_then(xml::boolean).unwrap_or(false),
                base: None,
            });
            found.push((system, node));
        }
        for (index, (system, node)) in found.iter().enumerate() {
            let name = self.containers[index].name.clone();
            let layout = self.layout(*node, Place { system: *system, name: &name }).ok();
            self.containers[index].base =
                layout.as_ref().and_then(|layout| layout.base.as_ref().map(|(base, _)| *base));
            if layout.is_none() {
                self.notice(*node, &name, "the container is left out");
            }
            self.layouts.push(layout);
        }
        self.refuse_cycles();
        self.check_sizes(&found);
        self.leave_out(&found);
    }

    fn layout(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<SequenceContainer> {
        // DefaultRateInStream and RateInStreamSet say how often a container comes, idlePattern what fills
        // the gaps when sending: neither changes what is decoded.
        let children =
            ["EntryList", "BaseContainer", "BinaryEncoding", "DefaultRateInStream", "RateInStreamSet"];
        self.only(node, place, &["name", "abstract", "idlePattern"], &children)?;
        self.attribute(node, place, "abstract", xml::boolean)?;
        let base = match xml::child(node, "BaseContainer") {
            Some(base) => Some(self.base(base, place)?),
            None => None,
        };
        let mut size = None;
        if let Some(encoding) = xml::child(node, "BinaryEncoding") {
            self.only(encoding, place, &["bitOrder", "byteOrder"], &["SizeInBits"])?;
            if encoding.attribute("bitOrder").is_some_and(|order| order != "mostSignificantBitFirst")
                || encoding.attribute("byteOrder").is_some_and(|order| order != "mostSignificantByteFirst")
            {
                return Err(self.refuse(
                    encoding,
                    place.name,
                    "an order of octets or bits for a whole container is not supported",
                ));
            }
            if let Some(bits) = xml::child(encoding, "SizeInBits") {
                size = Some(self.integer_value(bits, place)?);
            }
        }
        let mut entries = Vec::new();
        if let Some(list) = xml::child(node, "EntryList") {
            self.attributes(list, place, &[])?;
            // Each entry is read, so that a refused database tells everything at once.
            let mut refused = false;
            for entry in xml::children(list) {
                match self.entry(entry, place) {
                    Ok(entry) => entries.push(entry),
                    Err(Refused) => refused = true,
                }
            }
            if refused {
                return Err(Refused);
            }
        }
        self.check_locations(node, place, &entries)?;
        Ok(SequenceContainer { line: self.lines.line(node), entries, base, size })
    }

    /// An entry placed by its end needs a size that is known before it is read.
    fn check_locations(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        entries: &[ContainerEntry],
    ) -> Result1<()> {
        let mut result = Ok(());
        for (index, entry) in entries.iter().enumerate() {
            let Some(location) = &entry.location else { continue };
            let sized = match location.from {
                Anchor::PreviousEntry | Anchor::ContainerStart => continue,
                Anchor::ContainerEnd => {
                    entry.fixed_bits(&self.types, &self.parameters).is_some()
                        || entry.repeat.is_none() && self.has_buffer(&entry.what)
                }
                // The place of the next entry must be fixed as well.
                Anchor::NextEntry => {
                    entry.fixed_bits(&self.types, &self.parameters).is_some()
                        && matches!(location.bits, IntegerValue::Fixed(_))
                        && entries.get(index + 1).and_then(|next| next.location.as_ref()).is_some_and(
                            |next| {
                                next.from == Anchor::ContainerStart
                                    && matches!(next.bits, IntegerValue::Fixed(_))
                            },
                        )
                }
            };
            if !sized {
                let what = format!(
                    "entry {} is placed by its end, which is not supported without fixed sizes",
                    index + 1
                );
                result = Err(self.refuse(node, place.name, what));
            }
        }
        result
    }

    /// Whether the size of an entry follows from values before it.
    fn has_buffer(&self, what: &What) -> bool {
        let What::Parameter(id) = what else { return false };
        match &self.types[self.parameters[id.0 as usize].type_id.0 as usize] {
            Type::Scalar(scalar) => match &scalar.encoding {
                Some(Encoding::Binary { .. }) => true,
                Some(Encoding::String(coding)) => coding.buffer.is_some(),
                _ => false,
            },
            _ => false,
        }
    }

    fn base(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<(ContainerId, Option<Criteria>)> {
        self.only(node, place, &["containerRef"], &["RestrictionCriteria"])?;
        let id = self.container_reference(node, place)?;
        let criteria = match xml::child(node, "RestrictionCriteria") {
            Some(criteria) => {
                self.only(criteria, place, &[], &["Comparison", "ComparisonList", "BooleanExpression"])?;
                self.optional_criteria(criteria, place)?
            }
            None => None,
        };
        Ok((id, criteria))
    }

    fn container_reference(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<ContainerId> {
        let reference = self.required(node, place, "containerRef")?;
        match self.resolve(&self.container_names, place.system, reference) {
            Some(id) => Ok(id),
            None => Err(self.refuse(node, place.name, format!("there is no container `{reference}`"))),
        }
    }

    fn entry(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<ContainerEntry> {
        let mut known =
            vec!["LocationInContainerInBits", "RepeatEntry", "IncludeCondition", "TimeAssociation"];
        let element = node.tag_name().name();
        let what = match element {
            "ParameterRefEntry" => {
                self.only(node, place, &["parameterRef"], &known)?;
                What::Parameter(self.telemetered(node, place)?)
            }
            "ArrayParameterRefEntry" => {
                known.push("DimensionList");
                self.only(node, place, &["parameterRef", "lastEntryForThisArrayInstance"], &known)?;
                if node.has_attribute("lastEntryForThisArrayInstance") {
                    let what = "lastEntryForThisArrayInstance is passed over: each part of an array is told as it comes";
                    self.notice(node, place.name, what);
                }
                let id = self.telemetered(node, place)?;
                let dimensions = match xml::child(node, "DimensionList") {
                    Some(list) => self.dimensions(list, place)?,
                    None => Vec::new(),
                };
                match &self.types[self.parameters[id.0 as usize].type_id.0 as usize] {
                    Type::Array { dimensions: own, .. }
                        if dimensions.is_empty()
                            || own.len() == dimensions.len()
                                && own.iter().zip(&dimensions).all(|(own, part)| part.may_lie_in(own)) => {}
                    _ => return Err(self.refuse(node, place.name, "the array has other dimensions")),
                }
                What::Array(id, dimensions)
            }
            "ContainerRefEntry" => {
                self.only(node, place, &["containerRef"], &known)?;
                What::Container(self.container_reference(node, place)?)
            }
            _ => {
                return Err(self.refuse(
                    node,
                    place.name,
                    format!("element `{element}` in EntryList is not supported"),
                ));
            }
        };
        let location = match xml::child(node, "LocationInContainerInBits") {
            Some(location) => {
                let from = self.attribute(location, place, "referenceLocation", |word| match word {
                    "previousEntry" => Some(Anchor::PreviousEntry),
                    "containerStart" => Some(Anchor::ContainerStart),
                    "containerEnd" => Some(Anchor::ContainerEnd),
                    "nextEntry" => Some(Anchor::NextEntry),
                    _ => None,
                })?;
                let from = from.unwrap_or(Anchor::PreviousEntry);
                self.only(location, place, &["referenceLocation"], &VALUES)?;
                let bits = self.integer_value_of(location, place)?;
                if let IntegerValue::Fixed(bits) = bits
                    && (bits.unsigned_abs() > limits::MAX_PACKET_OCTETS as u64 * 8
                        || bits < 0 && matches!(from, Anchor::ContainerStart | Anchor::ContainerEnd))
                {
                    return Err(self.refuse(
                        location,
                        place.name,
                        format!("a location of {bits} bits, outside the container"),
                    ));
                }
                Some(Location { from, bits })
            }
            None => None,
        };
        let repeat = match xml::child(node, "RepeatEntry") {
            Some(repeat) => {
                self.only(repeat, place, &[], &["Count", "Offset"])?;
                let Some(count) = xml::child(repeat, "Count") else {
                    return Err(self.refuse(repeat, place.name, "the Count of the RepeatEntry is missing"));
                };
                let count = self.integer_value(count, place)?;
                let offset = match xml::child(repeat, "Offset") {
                    Some(offset) => Some(self.integer_value(offset, place)?),
                    None => None,
                };
                Some(Repeat { count, offset })
            }
            None => None,
        };
        if let Some(association) = xml::child(node, "TimeAssociation") {
            let what = "TimeAssociation is passed over: the values of a packet have the time of the packet";
            self.notice(association, place.name, what);
        }
        let include = match xml::child(node, "IncludeCondition") {
            Some(condition) => Some(self.criteria(condition, place)?),
            None => None,
        };
        Ok(ContainerEntry { what, location, repeat, include })
    }

    /// A parameter that an entry refers to: its types must be there and have encodings.
    fn telemetered(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<ParameterId> {
        let reference = self.required(node, place, "parameterRef")?;
        let Some(id) = self.resolve(&self.parameter_names, place.system, reference) else {
            return Err(self.refuse(node, place.name, format!("there is no parameter `{reference}`")));
        };
        let mut open = vec![self.parameters[id.0 as usize].type_id];
        let mut steps = 0;
        while let Some(type_id) = open.pop() {
            steps += 1;
            let wrong = match &self.types[type_id.0 as usize] {
                _ if steps > limits::MAX_LEAVES * 4 => Some("is nested too deep"),
                Type::Refused => Some("is of a type that is not supported"),
                Type::Scalar(scalar) if scalar.encoding.is_none() => Some("has no data encoding"),
                Type::Scalar(_) => None,
                Type::Aggregate(members) => {
                    open.extend(members.iter().map(|member| member.type_id));
                    None
                }
                Type::Array { element, .. } => {
                    open.push(*element);
                    None
                }
            };
            if let Some(wrong) = wrong {
                return Err(self.refuse(node, place.name, format!("parameter `{reference}` {wrong}")));
            }
        }
        Ok(id)
    }
}
