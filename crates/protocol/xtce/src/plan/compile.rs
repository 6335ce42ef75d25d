//! Compiles containers into steps: entries with their location, condition and repetition, included
//! containers written out, heirs hung below the container that they extend.

use std::collections::HashMap;
use std::sync::Arc;

use super::layout::Layout;
use super::lookups::{slot, slots};
use super::switch::{Candidate, Switch};
use super::{Coding, CompileError, Initial, Move, Node, Plan, RawCoding, Shape, Slot, Step, Store};
use crate::database::container::{Anchor, ContainerEntry, SequenceContainer, What};
use crate::database::criteria::{Criteria, IntegerValue};
use crate::database::types::{Encoding, Engineering, Origin, Scalar, Type, TypeId};
use crate::database::{ContainerId, Database, ParameterId};
use crate::limits;

impl Plan {
    /// Compiles the containers that `root` leads to. Without a name the root is the one container that
    /// extends none and is included by none.
    ///
    /// # Errors
    /// If there is no such container, several could be the root, or the plan would be too large.
    pub fn compile(database: &Database, root: Option<&str>) -> Result<Plan, CompileError> {
        let root = match root {
            Some(name) => database
                .find_container(name)
                .filter(|id| database.layouts[id.0 as usize].is_some())
                .ok_or_else(|| CompileError::NoRoot(name.to_owned()))?,
            None => find_root(database)?,
        };
        let mut compiler = Compiler::new(database);
        let start = match database.layout(root).and_then(|layout| layout.base.as_ref()) {
            // A root that extends others begins with their entries; its own criteria still hold.
            Some(_) => compiler.chain(root)?,
            None => compiler.node(root, Some(0), true)?,
        };
        Ok(compiler.finish(start))
    }
}

impl Database {
    fn layout(&self, id: ContainerId) -> Option<&SequenceContainer> {
        self.layouts.get(id.0 as usize)?.as_ref()
    }
}

fn find_root(database: &Database) -> Result<ContainerId, CompileError> {
    let present =
        || database.layouts.iter().enumerate().filter_map(|(at, layout)| Some((at, layout.as_ref()?)));
    let mut included = vec![false; database.layouts.len()];
    let mut extended = vec![false; database.layouts.len()];
    for (_, layout) in present() {
        if let Some((base, _)) = &layout.base {
            extended[base.0 as usize] = true;
        }
        for entry in &layout.entries {
            if let What::Container(id) = entry.what {
                included[id.0 as usize] = true;
            }
        }
    }
    let mut roots: Vec<usize> =
        present().filter(|(at, layout)| layout.base.is_none() && !included[*at]).map(|(at, _)| at).collect();
    // A container that others extend is meant to start packets; one by itself may be a leftover.
    if roots.len() > 1 && roots.iter().any(|at| extended[*at]) {
        roots.retain(|at| extended[*at]);
    }
    match roots[..] {
        [] => Err(CompileError::Empty),
        [root] => Ok(ContainerId(root as u32)),
        _ => {
            let mut names: Vec<String> =
                roots.iter().map(|at| database.containers[*at].name.clone()).collect();
            let more = names.len().saturating_sub(10);
            names.truncate(10);
            if more > 0 {
                names.push(format!("and {more} more"));
            }
            Err(CompileError::AmbiguousRoot(names))
        }
    }
}

struct Compiler<'d> {
    database: &'d Database,
    heirs: HashMap<ContainerId, Vec<ContainerId>>,
    /// First slot and number of instances of the parameters that are looked at.
    slots: HashMap<ParameterId, (u32, u32)>,
    initial: Vec<Initial>,
    layout: Layout,
    nodes: Vec<Node>,
    codings: Vec<Coding>,
    coding_of: HashMap<TypeId, u32>,
    shapes: Vec<Shape>,
    shape_of: HashMap<TypeId, u32>,
    criteria: Vec<Criteria<Slot>>,
    /// Where the conditions of parameters are in `criteria`.
    validities: HashMap<*const Criteria, u32>,
    integers: Vec<IntegerValue<Slot>>,
    /// Entries gone through: containers of nothing that include each other are work too.
    work: usize,
}

impl<'d> Compiler<'d> {
    fn new(database: &'d Database) -> Compiler<'d> {
        let mut heirs: HashMap<ContainerId, Vec<ContainerId>> = HashMap::new();
        for (index, layout) in database.layouts.iter().enumerate() {
            if let Some((base, _)) = layout.as_ref().and_then(|layout| layout.base.as_ref()) {
                heirs.entry(*base).or_default().push(ContainerId(index as u32));
            }
        }
        let (slots, initial) = slots(database);
        Compiler {
            database,
            heirs,
            slots,
            initial,
            layout: Layout::default(),
            nodes: Vec::new(),
            codings: Vec::new(),
            coding_of: HashMap::new(),
            shapes: Vec::new(),
            shape_of: HashMap::new(),
            criteria: Vec::new(),
            validities: HashMap::new(),
            integers: Vec::new(),
            work: 0,
        }
    }

    fn finish(mut self, root: u32) -> Plan {
        self.layout.flush();
        Plan {
            nodes: self.nodes,
            root,
            steps: self.layout.steps,
            spans: self.layout.spans,
            fields: self.layout.fields,
            stores: self.layout.stores,
            codings: self.codings,
            shapes: self.shapes,
            criteria: self.criteria,
            integers: self.integers,
            initial: self.initial,
        }
    }

    /// A root that extends others: one node for each base, each with one heir.
    fn chain(&mut self, root: ContainerId) -> Result<u32, CompileError> {
        let mut bases = vec![root];
        while let Some((base, _)) =
            self.database.layout(bases[bases.len() - 1]).and_then(|layout| layout.base.as_ref())
        {
            bases.push(*base);
        }
        let mut position = Some(0);
        let mut nodes: Vec<u32> = Vec::new();
        for base in bases[1..].iter().rev() {
            let node = self.steps_of(*base, position, false)?;
            position = self.layout.position;
            nodes.push(node);
        }
        let mut below = self.node(root, position, true)?;
        for (index, node) in nodes.iter().enumerate().rev() {
            let heir = bases[bases.len() - 2 - index];
            let criteria = self.restriction(heir);
            self.nodes[*node as usize].heirs = Switch::new(vec![Candidate { criteria, node: below }]);
            below = *node;
        }
        Ok(below)
    }

    fn restriction(&self, container: ContainerId) -> Option<Criteria<Slot>> {
        let (_, criteria) = self.database.layout(container)?.base.as_ref()?;
        Some(criteria.as_ref()?.map(&mut |reference| slot(&self.slots, reference)))
    }

    /// A container with its heirs, its entries beginning at `position`.
    fn node(
        &mut self,
        container: ContainerId,
        position: Option<u64>,
        top: bool,
    ) -> Result<u32, CompileError> {
        let node = self.steps_of(container, position, !top)?;
        let end = self.layout.position;
        let mut candidates = Vec::new();
        for heir in self.heirs.get(&container).cloned().unwrap_or_default() {
            let criteria = self.restriction(heir);
            let node = self.node(heir, end, top)?;
            candidates.push(Candidate { criteria, node });
        }
        self.nodes[node as usize].heirs = Switch::new(candidates);
        Ok(node)
    }

    /// The steps of a container's own entries.
    fn steps_of(
        &mut self,
        container: ContainerId,
        position: Option<u64>,
        included: bool,
    ) -> Result<u32, CompileError> {
        let database = self.database;
        self.layout.flush();
        self.layout.position = position;
        let first_step = self.layout.steps.len() as u32;
        // Inherited entries share the packet; only an included container begins somewhere else.
        let start = (!included).then_some(0);
        if let Some(layout) = database.layout(container) {
            self.entries(layout, start)?;
        }
        self.layout.flush();
        self.nodes.push(Node {
            container,
            is_abstract: database.containers[container.0 as usize].is_abstract,
            first_step,
            end_step: self.layout.steps.len() as u32,
            heirs: Switch::default(),
        });
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Entries of a container that starts at bit `start`, where known.
    fn entries(&mut self, container: &'d SequenceContainer, start: Option<u64>) -> Result<(), CompileError> {
        for (index, entry) in container.entries.iter().enumerate() {
            if self.layout.steps.len() + self.layout.fields.len() > limits::MAX_STEPS {
                return Err(CompileError::TooLarge);
            }
            let next = container.entries.get(index + 1);
            match &entry.include {
                Some(criteria) => {
                    let criteria = self.criterion(criteria);
                    let jump = self.layout.push(Step::Unless { criteria, to: 0 });
                    self.entry(entry, next, start)?;
                    self.layout.unknown();
                    let end = self.layout.steps.len() as u32;
                    if let Step::Unless { to, .. } = &mut self.layout.steps[jump] {
                        *to = end;
                    }
                }
                None => self.entry(entry, next, start)?,
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &'d ContainerEntry,
        next: Option<&ContainerEntry>,
        start: Option<u64>,
    ) -> Result<(), CompileError> {
        self.locate(entry, next, start);
        let Some(repeat) = &entry.repeat else { return self.what(&entry.what) };
        let gap = match repeat.offset.as_ref() {
            None | Some(IntegerValue::Fixed(0)) => None,
            Some(offset) => Some(offset),
        };
        // Fixed repeats are written out while that stays small.
        if let (IntegerValue::Fixed(count @ 0..=64), None | Some(IntegerValue::Fixed(_))) =
            (&repeat.count, gap)
        {
            for round in 0..*count {
                if let (1.., Some(IntegerValue::Fixed(bits))) = (round, gap) {
                    self.skip(*bits);
                }
                self.what(&entry.what)?;
            }
            return Ok(());
        }
        let count = self.integer(&repeat.count);
        let gap = gap.map(|gap| self.integer(gap));
        let step = self.layout.push(Step::Repeat { count, gap, end: 0 });
        self.layout.unknown();
        self.what(&entry.what)?;
        self.layout.unknown();
        let last = self.layout.steps.len() as u32;
        if let Step::Repeat { end, .. } = &mut self.layout.steps[step] {
            *end = last;
        }
        Ok(())
    }

    /// `LocationInContainerInBits`.
    fn locate(&mut self, entry: &'d ContainerEntry, next: Option<&ContainerEntry>, start: Option<u64>) {
        let Some(location) = &entry.location else { return };
        match (location.from, &location.bits) {
            (Anchor::PreviousEntry, IntegerValue::Fixed(bits)) => self.skip(*bits),
            (Anchor::PreviousEntry, bits) => {
                let bits = self.integer(bits);
                self.layout.travel(Move::By(bits));
            }
            (Anchor::ContainerStart, IntegerValue::Fixed(bits)) if start.is_some() => {
                // A negative location was refused at load.
                self.layout.go(start.unwrap_or(0) + bits.unsigned_abs());
            }
            (Anchor::ContainerStart, bits) => {
                let bits = self.integer(bits);
                self.layout.travel(Move::FromStart(bits));
            }
            (Anchor::ContainerEnd, bits) => {
                let offset = self.integer(bits);
                let size = self.size(entry);
                self.layout.travel(Move::FromEnd { offset, size });
            }
            (Anchor::NextEntry, bits) => {
                // Loading made sure that the next entry has a fixed place and this one a fixed size.
                let target = next.and_then(|next| next.location.as_ref()).map(|location| &location.bits);
                let size = entry.fixed_bits(&self.database.types, &self.database.parameters);
                if let (Some(IntegerValue::Fixed(target)), IntegerValue::Fixed(bits), Some(size)) =
                    (target, bits, size)
                {
                    let bits = self.integer(&IntegerValue::Fixed(target - bits - size));
                    self.layout.travel(Move::FromStart(bits));
                }
            }
        }
    }

    fn skip(&mut self, bits: i64) {
        if !self.layout.skip(bits) {
            let bits = self.integer(&IntegerValue::Fixed(bits));
            self.layout.travel(Move::By(bits));
        }
    }

    /// Size of an entry that is placed from the end.
    fn size(&mut self, entry: &'d ContainerEntry) -> u32 {
        let size = match (entry.fixed_bits(&self.database.types, &self.database.parameters), &entry.what) {
            (Some(bits), _) => IntegerValue::Fixed(bits),
            (None, What::Parameter(id)) => match self.database.type_of(*id).and_then(Type::scalar) {
                Some(Scalar { encoding: Some(Encoding::Binary { size }), .. }) => size.clone(),
                Some(Scalar { encoding: Some(Encoding::String(coding)), .. }) => {
                    coding.buffer.clone().unwrap_or(IntegerValue::Fixed(0))
                }
                _ => IntegerValue::Fixed(0),
            },
            _ => IntegerValue::Fixed(0),
        };
        self.integer(&size)
    }

    fn what(&mut self, what: &'d What) -> Result<(), CompileError> {
        self.work += 1;
        if self.work + self.layout.steps.len() + self.layout.fields.len() > limits::MAX_STEPS {
            return Err(CompileError::TooLarge);
        }
        match what {
            What::Parameter(id) => self.parameter(*id),
            What::Array(id, dimensions) => {
                let bounds: Option<Vec<(u64, u64)>> = dimensions
                    .iter()
                    .map(|dimension| match (&dimension.start, &dimension.end) {
                        (IntegerValue::Fixed(start), IntegerValue::Fixed(end)) => {
                            Some((u64::try_from(*start).ok()?, u64::try_from(*end).ok()?))
                        }
                        _ => None,
                    })
                    .collect();
                let members = &self.database.parameters[id.0 as usize].members;
                match (bounds, self.database.type_of(*id)) {
                    (Some(bounds), _) if bounds.is_empty() => self.parameter(*id),
                    (Some(bounds), Some(Type::Array { dimensions: own, .. })) if !members.is_empty() => {
                        let sizes: Vec<u64> = own.iter().filter_map(|dimension| dimension.fixed()).collect();
                        for at in part(&sizes, &bounds) {
                            if let Some(member) = members.get(at as usize) {
                                self.parameter(*member);
                            }
                        }
                    }
                    (_, Some(Type::Array { element, .. })) => {
                        let element = self.shape(*element);
                        let dimensions = dimensions
                            .iter()
                            .map(|dimension| (self.integer(&dimension.start), self.integer(&dimension.end)))
                            .collect();
                        self.shapes.push(Shape::Array { element, dimensions });
                        let shape = self.shapes.len() as u32 - 1;
                        let validity = self.validity(*id);
                        self.layout.push(Step::Structured { parameter: *id, shape, validity });
                        self.layout.unknown();
                    }
                    _ => {}
                }
            }
            What::Container(id) => return self.include(*id),
        }
        Ok(())
    }

    /// A parameter at the cursor, its leaves one after the other.
    fn parameter(&mut self, id: ParameterId) {
        let database = self.database;
        let parameter = &database.parameters[id.0 as usize];
        if !parameter.members.is_empty() {
            for member in &parameter.members {
                self.parameter(*member);
            }
            return;
        }
        match database.types.get(parameter.type_id.0 as usize) {
            Some(Type::Scalar(scalar)) => {
                let index = self.coding(parameter.type_id, scalar);
                let store =
                    self.slots.get(&id).map(|(slot, depth)| Store { entry: 0, slot: *slot, depth: *depth });
                let validity = self.validity(id);
                let coding = &self.codings[index as usize];
                let fixed = matches!(coding.raw, RawCoding::Integer { .. } | RawCoding::Float { .. });
                if fixed && !coding.dependent && validity.is_none() {
                    self.layout.field(id, index, coding, store);
                    return;
                }
                let bits = scalar.encoding.as_ref().and_then(Encoding::fixed_bits);
                let after = self.layout.position.zip(bits).map(|(position, bits)| position + bits);
                self.layout.push(Step::Value { parameter: id, coding: index, store, validity });
                self.layout.position = after;
            }
            Some(Type::Aggregate(_) | Type::Array { .. }) => {
                let shape = self.shape(parameter.type_id);
                let validity = self.validity(id);
                self.layout.push(Step::Structured { parameter: id, shape, validity });
                self.layout.unknown();
            }
            Some(Type::Refused) | None => {}
        }
    }

    /// An included container: its bases' entries and its own, and its heirs' if it has any.
    fn include(&mut self, id: ContainerId) -> Result<(), CompileError> {
        let database = self.database;
        let mut bases = vec![id];
        while let Some((base, _)) =
            database.layout(bases[bases.len() - 1]).and_then(|layout| layout.base.as_ref())
        {
            bases.push(*base);
        }
        let size = bases.iter().find_map(|base| database.layout(*base)?.size.as_ref());
        let size = size.map(|size| self.integer(size));
        let heirs = self.heirs.contains_key(&id);
        // Bounds are only kept where something asks for them.
        let bounded = heirs
            || size.is_some()
            || bases.iter().any(|base| {
                database.layout(*base).is_some_and(|layout| {
                    layout.entries.iter().any(|entry| {
                        entry.location.as_ref().is_some_and(|location| location.from != Anchor::PreviousEntry)
                    })
                })
            });
        let start = self.layout.position;
        if bounded {
            self.layout.push(Step::Enter { size });
        }
        for base in bases.iter().rev() {
            if let Some(layout) = database.layout(*base) {
                self.entries(layout, start)?;
            }
        }
        if heirs {
            self.layout.flush();
            // The heirs' steps lie elsewhere; the place after them is only known in the packet.
            let jump = self.layout.push(Step::Include { node: 0 });
            let skip = self.layout.push(Step::Jump { to: 0 });
            let first = self.layout.steps.len() as u32;
            let mut candidates = Vec::new();
            for heir in self.heirs.get(&id).cloned().unwrap_or_default() {
                let criteria = self.restriction(heir);
                let node = self.node(heir, None, false)?;
                candidates.push(Candidate { criteria, node });
            }
            let end = self.layout.steps.len() as u32;
            self.nodes.push(Node {
                container: id,
                is_abstract: database.containers[id.0 as usize].is_abstract,
                first_step: first,
                end_step: first,
                heirs: Switch::new(candidates),
            });
            let own = self.nodes.len() as u32 - 1;
            self.layout.steps[jump] = Step::Include { node: own };
            self.layout.steps[skip] = Step::Jump { to: end };
            self.layout.unknown();
        }
        if bounded {
            self.layout.push(Step::Leave { sized: size.is_some() });
            if size.is_some() {
                self.layout.unknown();
            }
        }
        Ok(())
    }

    fn coding(&mut self, type_id: TypeId, scalar: &Scalar) -> u32 {
        if let Some(index) = self.coding_of.get(&type_id) {
            return *index;
        }
        let slots = &self.slots;
        let mut dependent = false;
        let mut to = |reference| {
            dependent = true;
            slot(slots, reference)
        };
        let raw = match &scalar.encoding {
            Some(Encoding::Integer { bits, coding, order, .. }) => {
                RawCoding::Integer { bits: *bits, coding: *coding, order: order.clone() }
            }
            Some(Encoding::Float { bits, coding, order, .. }) => {
                RawCoding::Float { bits: *bits, coding: *coding, order: order.clone() }
            }
            Some(Encoding::String(coding)) => RawCoding::Text {
                coding: coding.clone(),
                buffer: coding.buffer.as_ref().map(|buffer| buffer.map(&mut to)),
            },
            Some(Encoding::Binary { size }) => RawCoding::Octets { size: size.map(&mut to) },
            // Entries without encodings were refused at load.
            None => RawCoding::Octets { size: IntegerValue::Fixed(0) },
        };
        let calibration = scalar.encoding.as_ref().and_then(Encoding::calibration);
        let contexts = calibration
            .map(|calibration| {
                calibration
                    .contexts
                    .iter()
                    .map(|(context, calibrator)| (context.map(&mut to), calibrator.map(&mut to)))
                    .collect()
            })
            .unwrap_or_default();
        let calibrator = calibration.and_then(|calibration| Some(calibration.default.as_ref()?.map(&mut to)));
        let origin = match &scalar.engineering {
            Engineering::AbsoluteTime(time) | Engineering::RelativeTime(time) => match time.origin {
                Origin::OffsetFrom(reference) => Some(to(reference)),
                _ => None,
            },
            _ => None,
        };
        let engineering = scalar.engineering.clone();
        self.codings.push(Coding { raw, contexts, calibrator, engineering, origin, dependent });
        let index = self.codings.len() as u32 - 1;
        self.coding_of.insert(type_id, index);
        index
    }

    fn shape(&mut self, type_id: TypeId) -> u32 {
        if let Some(index) = self.shape_of.get(&type_id) {
            return *index;
        }
        let database = self.database;
        let shape = match &database.types[type_id.0 as usize] {
            Type::Scalar(scalar) => Shape::Scalar(self.coding(type_id, scalar)),
            Type::Aggregate(members) => Shape::Aggregate(
                members.iter().map(|member| (member.name.clone(), self.shape(member.type_id))).collect(),
            ),
            Type::Array { element, dimensions } => Shape::Array {
                element: self.shape(*element),
                dimensions: dimensions
                    .iter()
                    .map(|dimension| (self.integer(&dimension.start), self.integer(&dimension.end)))
                    .collect(),
            },
            Type::Refused => Shape::Aggregate(Vec::new()),
        };
        self.shapes.push(shape);
        let index = self.shapes.len() as u32 - 1;
        self.shape_of.insert(type_id, index);
        index
    }

    /// The condition of a parameter, compiled once however often it comes.
    fn validity(&mut self, id: ParameterId) -> Option<u32> {
        let database = self.database;
        let criteria = database.parameter(id)?.validity.as_ref()?;
        let key = Arc::as_ptr(criteria);
        if let Some(index) = self.validities.get(&key) {
            return Some(*index);
        }
        let index = self.criterion(criteria);
        self.validities.insert(key, index);
        Some(index)
    }

    fn criterion(&mut self, criteria: &Criteria) -> u32 {
        let criteria = criteria.map(&mut |reference| slot(&self.slots, reference));
        self.criteria.push(criteria);
        self.criteria.len() as u32 - 1
    }

    fn integer(&mut self, value: &IntegerValue) -> u32 {
        let value = value.map(&mut |reference| slot(&self.slots, reference));
        if let Some(index) = self.integers.iter().rev().take(16).position(|own| *own == value) {
            return (self.integers.len() - 1 - index) as u32;
        }
        self.integers.push(value);
        self.integers.len() as u32 - 1
    }
}

/// Flat indices of a part of an array.
fn part(sizes: &[u64], bounds: &[(u64, u64)]) -> Vec<u64> {
    let mut indices = vec![0];
    for (size, (start, end)) in sizes.iter().zip(bounds) {
        let range = *start..(end + 1).min(*size);
        indices = indices.iter().flat_map(|index| range.clone().map(move |at| index * size + at)).collect();
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_part_of_an_array() {
        assert_eq!(part(&[3, 4], &[(1, 2), (0, 1)]), [4, 5, 8, 9]);
        assert_eq!(part(&[3], &[(2, 9)]), [2]);
    }
}
