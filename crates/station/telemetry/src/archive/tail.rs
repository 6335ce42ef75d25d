//! The tail: what has come in and is not in a finished segment yet. History reads it as well, so that
//! there is no hole between the archive and the live values.
//!
//! A segment has its number from its first row on. Whoever reads takes the tail first and the database
//! after it, and passes over those segments of the database that it already has from the tail.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perigee_xtce::{ContainerId, Database, ParameterId};

use super::segment::{OpenSegment, ParameterKey};
use crate::batch::Batch;

/// Generation times of one segment lie in one interval of 2^42 ns, about 73 minutes: a dump from the
/// on-board memory and live packets of the same container do not share a segment.
const INTERVAL_BITS: u32 = 42;
/// The longest span of a segment.
pub(crate) const INTERVAL_NS: i64 = 1 << INTERVAL_BITS;
/// So many segments may grow at once.
const MAX_OPEN: usize = 4096;

/// When a segment is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) rows: usize,
    pub(crate) age: Duration,
    /// Memory of all open segments together.
    pub(crate) octets: usize,
}

/// A container as the archive knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerKey(pub(crate) u32);

/// Names that the database does not have yet.
#[derive(Debug, Default)]
pub(crate) struct NewNames {
    pub(crate) parameters: Vec<(ParameterKey, String, String)>,
    pub(crate) containers: Vec<(ContainerKey, String)>,
}

/// The ids of the series of a segment: from the first up to, and without, the second. Of a segment number that
/// is damage there are none that make sense, and none are found.
pub(crate) fn series_of(segment: i64) -> [i64; 2] {
    [segment.wrapping_shl(KEY_BITS), segment.wrapping_add(1).wrapping_shl(KEY_BITS)]
}

/// How the archive's keys and the mission database's ids belong together.
#[derive(Debug)]
pub(crate) struct Names {
    database: Arc<Database>,
    parameters: Vec<Option<ParameterKey>>,
    containers: Vec<Option<ContainerKey>>,
    known_parameters: HashMap<(String, String), ParameterKey>,
    known_containers: HashMap<String, ContainerKey>,
    pub(crate) new: NewNames,
}

/// Keys must leave room for the segment number above them in one 63-bit id.
pub(crate) const KEY_BITS: u32 = 20;

impl Names {
    pub(crate) fn new(
        database: Arc<Database>,
        known_parameters: HashMap<(String, String), ParameterKey>,
        known_containers: HashMap<String, ContainerKey>,
    ) -> Self {
        Self {
            parameters: vec![None; database.parameters().len()],
            containers: vec![None; database.containers().len()],
            database,
            known_parameters,
            known_containers,
            new: NewNames::default(),
        }
    }

    /// What is stored of a parameter's definition: values of other definitions are not comparable.
    pub(crate) fn definition(database: &Database, parameter: ParameterId) -> String {
        let Some(parameter) = database.parameter(parameter) else { return String::new() };
        serde_json::json!({ "kind": parameter.kind.name(), "labels": &parameter.labels[..] }).to_string()
    }

    /// The key of a parameter; `None` when the archive has no room for more.
    #[inline]
    pub(crate) fn parameter(&mut self, id: ParameterId) -> Option<ParameterKey> {
        match self.parameters.get(id.0 as usize) {
            Some(Some(key)) => Some(*key),
            _ => self.learn_parameter(id),
        }
    }

    #[cold]
    fn learn_parameter(&mut self, id: ParameterId) -> Option<ParameterKey> {
        let name = self.database.parameter(id)?.name.clone();
        let definition = Self::definition(&self.database, id);
        let next = self.known_parameters.len() as u32 + 1;
        let key = match self.known_parameters.get(&(name.clone(), definition.clone())) {
            Some(&key) => key,
            None if next >> KEY_BITS != 0 => return None,
            None => {
                self.new.parameters.push((ParameterKey(next), name.clone(), definition.clone()));
                self.known_parameters.insert((name, definition), ParameterKey(next));
                ParameterKey(next)
            }
        };
        self.parameters[id.0 as usize] = Some(key);
        Some(key)
    }

    #[inline]
    fn container(&mut self, id: ContainerId) -> Option<ContainerKey> {
        match self.containers.get(id.0 as usize) {
            Some(Some(key)) => Some(*key),
            _ => self.learn_container(id),
        }
    }

    #[cold]
    fn learn_container(&mut self, id: ContainerId) -> Option<ContainerKey> {
        let name = self.database.container(id)?.name.clone();
        let next = ContainerKey(self.known_containers.len() as u32 + 1);
        let key = *self.known_containers.entry(name.clone()).or_insert_with(|| {
            self.new.containers.push((next, name));
            next
        });
        self.containers[id.0 as usize] = Some(key);
        Some(key)
    }

    /// Keys of every definition that a name has had, with the definition.
    pub(crate) fn keys_of(&self, name: &str) -> Vec<(ParameterKey, String)> {
        let known = self.known_parameters.iter().filter(|((known, _), _)| known == name);
        known.map(|((_, definition), &key)| (key, definition.clone())).collect()
    }
}

/// A segment in the tail.
#[derive(Debug)]
pub(crate) struct Growing {
    pub(crate) id: i64,
    pub(crate) container: ContainerKey,
    pub(crate) opened: Instant,
    pub(crate) segment: OpenSegment,
}

/// Every open segment.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) names: Names,
    next_segment: i64,
    open: HashMap<(ContainerKey, i64), Growing>,
}

impl Tail {
    pub(crate) fn new(names: Names, next_segment: i64) -> Self {
        Self { names, next_segment, open: HashMap::new() }
    }

    /// A number for a segment that is made elsewhere.
    pub(crate) fn next_number(&mut self) -> i64 {
        self.next_segment += 1;
        self.next_segment - 1
    }

    /// Takes a batch in; gives the number of values that found no place.
    pub(crate) fn apply(&mut self, batch: &Batch, now: Instant) -> u64 {
        let mut lost = 0;
        for (packet, entries, severities) in batch.iter() {
            let Some(container) = self.names.container(packet.container) else {
                lost += entries.len() as u64;
                continue;
            };
            let next_segment = &mut self.next_segment;
            let growing =
                self.open.entry((container, packet.generated.0 >> INTERVAL_BITS)).or_insert_with(|| {
                    *next_segment += 1;
                    Growing { id: *next_segment - 1, container, opened: now, segment: OpenSegment::default() }
                });
            let mut row = growing.segment.begin_row(packet.generated, packet.received);
            for (entry, &severity) in entries.iter().zip(severities) {
                match self.names.parameter(entry.parameter) {
                    Some(key) => row.push(key, entry.raw, entry.eng, severity, &batch.values.arena),
                    None => lost += 1,
                }
            }
        }
        lost
    }

    /// Puts a journal block back where it was when the program ended.
    pub(crate) fn recover(
        &mut self,
        id: i64,
        container: ContainerKey,
        block: &[u8],
        now: Instant,
    ) -> Result<(), super::wire::Corrupt> {
        let place = self.open.iter().find(|(_, growing)| growing.id == id).map(|(&place, _)| place);
        if let Some(growing) = place.and_then(|place| self.open.get_mut(&place)) {
            return growing.segment.recover(block);
        }
        if id < 0 || id >> (63 - KEY_BITS) != 0 {
            return Err(super::wire::Corrupt("a segment number beyond all"));
        }
        let mut segment = OpenSegment::default();
        segment.recover(block)?;
        let Some(&first) = segment.generated().first() else { return Ok(()) };
        self.open
            .insert((container, first >> INTERVAL_BITS), Growing { id, container, opened: now, segment });
        self.next_segment = self.next_segment.max(id + 1);
        Ok(())
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Growing> {
        self.open.values()
    }

    pub(crate) fn footprint(&self) -> usize {
        self.open.values().map(|growing| growing.segment.footprint()).sum()
    }

    /// Rows that are in no journal yet.
    pub(crate) fn unsaved(&self) -> impl Iterator<Item = &Growing> {
        self.open.values().filter(|growing| !growing.segment.is_journaled())
    }

    /// The journal holds every row now.
    pub(crate) fn mark_journaled(&mut self) {
        for growing in self.open.values_mut() {
            growing.segment.mark_journaled();
        }
    }

    /// The segments to finish now: full, old, or the largest while all together take too much room.
    pub(crate) fn due(&self, bounds: Bounds, now: Instant) -> Vec<i64> {
        let mut left: Vec<(usize, i64)> = Vec::new();
        let mut due = Vec::new();
        for growing in self.open.values() {
            let segment = &growing.segment;
            if segment.rows() >= bounds.rows || now.saturating_duration_since(growing.opened) >= bounds.age {
                due.push(growing.id);
            } else {
                left.push((segment.footprint(), growing.id));
            }
        }
        let mut octets: usize = left.iter().map(|(footprint, _)| footprint).sum();
        if octets > bounds.octets || left.len() > MAX_OPEN {
            left.sort_unstable();
            // Down to half, so that this is not done again for one segment after the next.
            while octets > bounds.octets / 2 || left.len() > MAX_OPEN / 2 {
                let Some((footprint, id)) = left.pop() else { break };
                octets -= footprint;
                due.push(id);
            }
        }
        due
    }

    /// The segments with these numbers.
    pub(crate) fn numbered<'a>(&'a self, ids: &'a [i64]) -> impl Iterator<Item = &'a Growing> {
        self.open.values().filter(|growing| ids.contains(&growing.id))
    }

    /// Forgets segments that are finished; gives how many values they held.
    pub(crate) fn remove(&mut self, ids: &[i64]) -> u64 {
        let mut values = 0;
        self.open.retain(|_, growing| {
            let keep = !ids.contains(&growing.id);
            if !keep {
                values += growing.segment.columns().iter().map(|column| column.len() as u64).sum::<u64>();
            }
            keep
        });
        values
    }
}
