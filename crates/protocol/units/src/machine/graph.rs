//! Who refers to whom, in both directions, and cycles in the order.

use std::collections::{BTreeMap, VecDeque};

use super::{Relation, Spec, UnitId};

/// The relations of all units.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    forward: Vec<[Vec<UnitId>; Relation::COUNT]>,
    backward: Vec<[Vec<UnitId>; Relation::COUNT]>,
    /// Units that are required and do not exist.
    missing: Vec<Vec<String>>,
}

impl Graph {
    pub(super) fn new<'a>(
        specs: impl ExactSizeIterator<Item = &'a Spec>,
        names: &BTreeMap<String, UnitId>,
    ) -> Graph {
        let count = specs.len();
        let mut graph = Graph {
            forward: (0..count).map(|_| Default::default()).collect(),
            backward: (0..count).map(|_| Default::default()).collect(),
            missing: vec![Vec::new(); count],
        };
        for (index, spec) in specs.enumerate() {
            let unit = UnitId(index as u32);
            for (relation, name) in &spec.relations {
                match names.get(name) {
                    // A unit that refers to itself says nothing.
                    Some(other) if *other == unit => {}
                    Some(other) => graph.add(unit, *relation, *other),
                    None if matches!(
                        relation,
                        Relation::Requires | Relation::BindsTo | Relation::Requisite
                    ) =>
                    {
                        graph.missing[index].push(name.clone());
                    }
                    None => {}
                }
            }
        }
        graph
    }

    /// Units are added one after the other, so that the last unit of the other's list tells whether it is there.
    fn add(&mut self, unit: UnitId, relation: Relation, other: UnitId) {
        let from = &mut self.backward[other.index()][relation as usize];
        if from.last() != Some(&unit) {
            from.push(unit);
            self.forward[unit.index()][relation as usize].push(other);
        }
    }

    /// The units that `unit` refers to.
    pub(super) fn to(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        &self.forward[unit.index()][relation as usize]
    }

    /// The units that refer to `unit`.
    pub(super) fn from(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        &self.backward[unit.index()][relation as usize]
    }

    /// A unit that this one requires and that does not exist.
    pub(super) fn missing(&self, unit: UnitId) -> Option<&str> {
        self.missing[unit.index()].first().map(String::as_str)
    }

    /// The shortest cycle of `After` among these units, each after the next, the last after the first.
    pub(super) fn cycle(
        &self,
        among: &[UnitId],
        skipped: impl Fn(UnitId, UnitId) -> bool + Copy,
    ) -> Option<Vec<UnitId>> {
        let mut inside = vec![false; self.forward.len()];
        among.iter().for_each(|unit| inside[unit.index()] = true);
        let next = |unit: UnitId| {
            self.to(unit, Relation::After).iter().copied().filter(move |other| !skipped(unit, *other))
        };
        // Peel off whatever waits for nobody; what is left holds the cycles.
        let mut waits = vec![0_usize; self.forward.len()];
        for unit in among {
            waits[unit.index()] = next(*unit).filter(|other| inside[other.index()]).count();
        }
        let mut free: Vec<_> = among.iter().copied().filter(|unit| waits[unit.index()] == 0).collect();
        while let Some(unit) = free.pop() {
            inside[unit.index()] = false;
            for other in self.from(unit, Relation::After).iter().filter(|other| inside[other.index()]) {
                if skipped(*other, unit) {
                    continue;
                }
                waits[other.index()] -= 1;
                if waits[other.index()] == 0 {
                    free.push(*other);
                }
            }
        }
        let rest: Vec<_> = among.iter().copied().filter(|unit| inside[unit.index()]).collect();
        let mut shortest: Option<Vec<UnitId>> = None;
        for start in rest {
            // Breadth first from here back to here.
            let mut came: BTreeMap<UnitId, UnitId> = BTreeMap::new();
            let mut queue = VecDeque::from([start]);
            'search: while let Some(unit) = queue.pop_front() {
                for other in next(unit).filter(|other| inside[other.index()]) {
                    if other == start {
                        let mut path = vec![unit];
                        while path[path.len() - 1] != start {
                            path.push(came[&path[path.len() - 1]]);
                        }
                        path.reverse();
                        if shortest.as_ref().is_none_or(|shortest| path.len() < shortest.len()) {
                            shortest = Some(path);
                        }
                        break 'search;
                    }
                    if other != start && !came.contains_key(&other) {
                        came.insert(other, unit);
                        queue.push_back(other);
                    }
                }
            }
            if shortest.as_ref().is_some_and(|shortest| shortest.len() == 2) {
                break;
            }
        }
        shortest
    }
}
