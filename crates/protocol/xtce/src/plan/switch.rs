//! Which heir of a container a packet is: the value that most heirs ask for with `==` leads by table
//! to the few candidates whose other conditions are then tried in the order of the document.

use super::Slot;
use crate::database::criteria::{Criteria, Literal, Operand, Operator};
use crate::limits;
use crate::value::Value;
use std::collections::BTreeMap;

/// Values of the key that a dense table spans at most.
const DENSE_SPAN: i64 = 1 << 16;

/// The heirs of a container.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    key: Option<Slot>,
    table: Table,
    groups: Vec<(u32, u32)>,
    candidates: Vec<Candidate>,
}

/// An heir and what else must hold for it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) criteria: Option<Criteria<Slot>>,
    pub(crate) node: u32,
}

/// Group by key value; the group of every other value is 0.
#[derive(Debug)]
enum Table {
    Dense { first: i64, groups: Vec<u32> },
    Sparse(Vec<(i64, u32)>),
}

impl Default for Table {
    fn default() -> Table {
        Table::Sparse(Vec::new())
    }
}

impl Switch {
    /// Builds the table for heirs in the order of the document.
    pub(crate) fn new(heirs: Vec<Candidate>) -> Switch {
        let Some(key) = best_key(&heirs) else {
            let groups = vec![(0, heirs.len() as u32)];
            return Switch { key: None, table: Table::default(), groups, candidates: heirs };
        };
        let whole = heirs.clone();
        let split: Vec<(Option<i64>, Candidate)> =
            heirs.into_iter().map(|heir| take_key(heir, key)).collect();
        let mut values: Vec<i64> = split.iter().filter_map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        // Heirs without a condition on the key belong to every group.
        let everywhere = split.iter().filter(|(value, _)| value.is_none()).count();
        if everywhere.saturating_mul(values.len()) > limits::MAX_CANDIDATES {
            let groups = vec![(0, whole.len() as u32)];
            return Switch { key: None, table: Table::default(), groups, candidates: whole };
        }
        let mut switch = Switch { key: Some(key), ..Switch::default() };
        let mut group = |wanted: Option<i64>| {
            let first = switch.candidates.len() as u32;
            let matching = split.iter().filter(|(value, _)| value.is_none() || *value == wanted);
            switch.candidates.extend(matching.map(|(_, candidate)| candidate.clone()));
            switch.groups.push((first, switch.candidates.len() as u32));
            switch.groups.len() as u32 - 1
        };
        group(None);
        let entries: Vec<(i64, u32)> = values.iter().map(|value| (*value, group(Some(*value)))).collect();
        let (first, last) = (values[0], values[values.len() - 1]);
        switch.table = match last.checked_sub(first) {
            Some(span) if span < DENSE_SPAN => {
                let mut groups = vec![0; span as usize + 1];
                for (value, group) in entries {
                    groups[(value - first) as usize] = group;
                }
                Table::Dense { first, groups }
            }
            _ => Table::Sparse(entries),
        };
        switch
    }

    /// The heirs that may match, in order.
    #[inline]
    pub(crate) fn candidates(&self, read: impl Fn(Slot) -> Value) -> &[Candidate] {
        let group = match self.key {
            None => 0,
            Some(key) => match integer(read(key)) {
                None => 0,
                Some(value) => match &self.table {
                    Table::Dense { first, groups } => {
                        let index = value.wrapping_sub(*first) as u64;
                        usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
                    }
                    Table::Sparse(entries) => entries
                        .binary_search_by_key(&value, |(value, _)| *value)
                        .map_or(0, |at| entries[at].1),
                },
            },
        };
        let (first, end) = self.groups.get(group as usize).copied().unwrap_or_default();
        self.candidates.get(first as usize..end as usize).unwrap_or_default()
    }

    /// The nodes of all heirs.
    pub(crate) fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<u32> = self.candidates.iter().map(|candidate| candidate.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }
}

/// A key is compared as an integer: numbers, booleans and labels. A float is never found in the table.
#[inline]
fn integer(value: Value) -> Option<i64> {
    match value {
        Value::Unsigned(value) => i64::try_from(value).ok(),
        Value::Signed(value) => Some(value),
        Value::Boolean(value) => Some(i64::from(value)),
        Value::Label(value) => Some(i64::from(value)),
        // An integral float equals the integer that it is compared with.
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
        _ => None,
    }
}

fn literal(operand: &Operand<Slot>) -> Option<i64> {
    match operand {
        Operand::Literal(Literal::Integer(value)) => i64::try_from(*value).ok(),
        Operand::Literal(Literal::Boolean(value)) => Some(i64::from(*value)),
        Operand::Literal(Literal::Label(value)) => Some(i64::from(*value)),
        _ => None,
    }
}

/// The `==` conditions that must all hold.
fn conjuncts(criteria: &Criteria<Slot>) -> Vec<(Slot, i64)> {
    match criteria {
        Criteria::Compare { left, operator: Operator::Equal, right } => {
            literal(right).map(|value| (*left, value)).into_iter().collect()
        }
        Criteria::All(parts) => parts.iter().flat_map(conjuncts).collect(),
        _ => Vec::new(),
    }
}

/// The value that most heirs ask for; among equals the one with the most different values.
fn best_key(heirs: &[Candidate]) -> Option<Slot> {
    if heirs.len() < 2 {
        return None;
    }
    let mut found: BTreeMap<(u32, bool), (usize, Vec<i64>)> = BTreeMap::new();
    for heir in heirs {
        let mut own: Vec<_> = heir.criteria.as_ref().map(conjuncts).unwrap_or_default();
        own.sort_unstable_by_key(|(slot, _)| (slot.index, slot.calibrated));
        own.dedup_by_key(|(slot, _)| *slot);
        for (slot, value) in own {
            let entry = found.entry((slot.index, slot.calibrated)).or_default();
            entry.0 += 1;
            entry.1.push(value);
        }
    }
    found
        .into_iter()
        .max_by_key(|(_, (count, values))| {
            let mut values = values.clone();
            values.sort_unstable();
            values.dedup();
            (values.len().min(*count), *count)
        })
        .filter(|(_, (count, _))| *count > 1)
        .map(|((index, calibrated), _)| Slot { index, calibrated })
}

/// Takes the condition on the key out of an heir's criteria.
fn take_key(heir: Candidate, key: Slot) -> (Option<i64>, Candidate) {
    fn strip(criteria: Criteria<Slot>, key: Slot, value: &mut Option<i64>) -> Option<Criteria<Slot>> {
        match criteria {
            Criteria::Compare { left, operator: Operator::Equal, ref right }
                if left == key && value.is_none() && literal(right).is_some() =>
            {
                *value = literal(right);
                None
            }
            Criteria::All(parts) => {
                let rest: Vec<_> = parts.into_iter().filter_map(|part| strip(part, key, value)).collect();
                (!rest.is_empty()).then_some(Criteria::All(rest))
            }
            other => Some(other),
        }
    }
    let mut value = None;
    let criteria = heir.criteria.and_then(|criteria| strip(criteria, key, &mut value));
    (value, Candidate { criteria, node: heir.node })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(index: u32, value: i128) -> Criteria<Slot> {
        Criteria::Compare {
            left: Slot { index, calibrated: false },
            operator: Operator::Equal,
            right: Operand::Literal(Literal::Integer(value)),
        }
    }

    #[test]
    fn heirs_are_found_by_their_key() {
        let heir = |node, criteria| Candidate { criteria, node };
        let switch = Switch::new(vec![
            heir(1, Some(Criteria::All(vec![equal(0, 5), equal(1, 7)]))),
            heir(2, None),
            heir(3, Some(equal(1, 9))),
            heir(4, Some(equal(1, 1_000_000_000_000))),
        ]);
        let nodes = |value: u64| -> Vec<u32> {
            let read = |slot: Slot| if slot.index == 1 { Value::Unsigned(value) } else { Value::Unsigned(5) };
            switch.candidates(read).iter().map(|candidate| candidate.node).collect()
        };
        assert_eq!(nodes(7), [1, 2]);
        assert_eq!(nodes(9), [2, 3]);
        assert_eq!(nodes(8), [2]);
        assert_eq!(nodes(1_000_000_000_000), [2, 4]);
        assert_eq!(
            switch.candidates(|_| Value::Unsigned(7))[0].criteria,
            Some(Criteria::All(vec![equal(0, 5)]))
        );
    }
}
