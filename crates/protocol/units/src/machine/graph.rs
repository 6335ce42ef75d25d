//! Who refers to whom, in both directions, and cycles in the order.

use std::collections::{BTreeMap, VecDeque};

use super::{Relation, Spec, UnitId};

/// The relations of all units.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    forward: Side,
    backward: Side,
    /// Units that are required and do not exist.
    missing: BTreeMap<UnitId, String>,
}

/// The relations in one direction: the others of each unit and relation lie one after the other.
#[derive(Clone, Debug, Default)]
struct Side {
    others: Vec<UnitId>,
    /// Where those of a unit and relation begin, and of the last where they end.
    starts: Vec<u32>,
}

impl Side {
    /// From relations that are in order of unit and relation.
    fn new(count: usize, edges: impl Iterator<Item = (UnitId, Relation, UnitId)>) -> Side {
        let mut side = Side { others: Vec::new(), starts: vec![0; count * Relation::COUNT + 1] };
        for (unit, relation, other) in edges {
            side.others.push(other);
            side.starts[Side::place(unit, relation) + 1] = side.others.len() as u32;
        }
        // Where there are none, they end where they begin.
        for place in 1..side.starts.len() {
            side.starts[place] = side.starts[place].max(side.starts[place - 1]);
        }
        side
    }

    fn place(unit: UnitId, relation: Relation) -> usize {
        unit.index() * Relation::COUNT + relation as usize
    }

    fn of(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        let place = Side::place(unit, relation);
        &self.others[self.starts[place] as usize..self.starts[place + 1] as usize]
    }
}

impl Graph {
    pub(super) fn new<'a>(
        specs: impl ExactSizeIterator<Item = &'a Spec>,
        names: &BTreeMap<String, UnitId>,
    ) -> Graph {
        let count = specs.len();
        let mut missing = BTreeMap::new();
        // Unit, relation, place in what the unit says, and the other.
        let mut edges = Vec::new();
        for (index, spec) in specs.enumerate() {
            let unit = UnitId(index as u32);
            for (place, (relation, name)) in spec.relations.iter().enumerate() {
                match names.get(name) {
                    // A unit that refers to itself says nothing.
                    Some(other) if *other == unit => {}
                    Some(other) => edges.push((unit, *relation, place, *other)),
                    None if matches!(
                        relation,
                        Relation::Requires | Relation::BindsTo | Relation::Requisite
                    ) =>
                    {
                        missing.entry(unit).or_insert_with(|| name.clone());
                    }
                    None => {}
                }
            }
        }
        edges.sort_unstable_by_key(|(unit, relation, place, other)| {
            (*other, *relation as usize, *unit, *place)
        });
        edges.dedup_by_key(|(unit, relation, _, other)| (*other, *relation, *unit));
        let backward =
            Side::new(count, edges.iter().map(|(unit, relation, _, other)| (*other, *relation, *unit)));
        edges.sort_unstable_by_key(|(unit, relation, place, _)| (*unit, *relation as usize, *place));
        let forward =
            Side::new(count, edges.iter().map(|(unit, relation, _, other)| (*unit, *relation, *other)));
        Graph { forward, backward, missing }
    }

    /// The units that `unit` refers to.
    pub(super) fn to(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        self.forward.of(unit, relation)
    }

    /// The units that refer to `unit`.
    pub(super) fn from(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        self.backward.of(unit, relation)
    }

    /// A unit that this one requires and that does not exist.
    pub(super) fn missing(&self, unit: UnitId) -> Option<&str> {
        self.missing.get(&unit).map(String::as_str)
    }

    /// The shortest cycle of `After` among these units, each after the next, the last after the first.
    pub(super) fn cycle(
        &self,
        among: &[UnitId],
        skipped: impl Fn(UnitId, UnitId) -> bool + Copy,
    ) -> Option<Vec<UnitId>> {
        let count = self.forward.starts.len() / Relation::COUNT;
        let mut inside = vec![false; count];
        among.iter().for_each(|unit| inside[unit.index()] = true);
        let next = |unit: UnitId| {
            self.to(unit, Relation::After).iter().copied().filter(move |other| !skipped(unit, *other))
        };
        // Peel off whatever waits for nobody; what is left holds the cycles.
        let mut waits = vec![0_usize; count];
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
