//! The latest value of every parameter, for many readers while links write.
//!
//! The table is cut into shards of neighbouring parameters, each under a lock of its own that a writer
//! holds for the values of a few packets. *Latest* is the one received last: a dump from the on-board
//! memory shows while it comes in.

use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use perigee_part::Timestamp;
use perigee_xtce::{Entry, ParameterId, Severity, Value};

use crate::batch::Batch;
use crate::value::move_to;

/// Parameters in one shard, as a power of two.
const SHARD_BITS: u32 = 8;

/// A value with its times and its severity.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The parameter.
    pub parameter: ParameterId,
    /// When the spacecraft made it.
    pub generated: Timestamp,
    /// When it was received.
    pub received: Timestamp,
    /// The value as transmitted.
    pub raw: Value,
    /// The engineering value.
    pub eng: Value,
    /// How it stands to its limits.
    pub severity: Severity,
    /// What the spans of the values point into.
    pub arena: Vec<u8>,
}

type Shard = Box<[Option<Sample>]>;

/// The table.
#[derive(Debug)]
pub(crate) struct Latest {
    shards: Box<[RwLock<Shard>]>,
}

/// What one writer needs to find the last of each parameter in a batch.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    batch: u32,
    /// The batch in which each parameter was written last.
    parameters: Vec<u32>,
    /// The same for containers, with the last packet of each in that batch.
    containers: Vec<(u32, u32)>,
}

impl Latest {
    pub(crate) fn new(parameters: usize) -> Self {
        let shard = || RwLock::new(vec![None; 1 << SHARD_BITS].into_boxed_slice());
        Self { shards: (0..parameters.div_ceil(1 << SHARD_BITS)).map(|_| shard()).collect() }
    }

    /// Takes the last value of each parameter of a batch.
    pub(crate) fn update(&self, batch: &Batch, marks: &mut Marks) {
        marks.begin();
        let mut held: Option<(usize, RwLockWriteGuard<'_, Shard>)> = None;
        for (at, (packet, entries, severities)) in batch.iter().enumerate().rev() {
            if marks.is_shadowed(batch, at, packet.container.0 as usize, entries) {
                continue;
            }
            for (entry, &severity) in entries.iter().zip(severities).rev() {
                let index = entry.parameter.0 as usize;
                if !marks.is_first(index) {
                    continue;
                }
                let shard = index >> SHARD_BITS;
                if held.as_ref().is_none_or(|(held, _)| *held != shard) {
                    held = None;
                    let Some(lock) = self.shards.get(shard) else { continue };
                    held = Some((shard, lock.write().unwrap_or_else(PoisonError::into_inner)));
                }
                let Some((_, guard)) = &mut held else { continue };
                let slot = &mut guard[index & ((1 << SHARD_BITS) - 1)];
                let mut arena = slot.take().map(|sample| sample.arena).unwrap_or_default();
                arena.clear();
                *slot = Some(Sample {
                    parameter: entry.parameter,
                    generated: packet.generated,
                    received: packet.received,
                    raw: move_to(entry.raw, &batch.values.arena, &mut arena),
                    eng: move_to(entry.eng, &batch.values.arena, &mut arena),
                    severity,
                    arena,
                });
            }
        }
    }

    /// The latest value of a parameter, if there has been one.
    pub(crate) fn get(&self, parameter: ParameterId) -> Option<Sample> {
        let index = parameter.0 as usize;
        let shard = self.shards.get(index >> SHARD_BITS)?.read().unwrap_or_else(PoisonError::into_inner);
        shard[index & ((1 << SHARD_BITS) - 1)].clone()
    }
}

impl Marks {
    fn begin(&mut self) {
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            // Marks of four thousand million batches ago would look new.
            *self = Self { batch: 1, ..Self::default() };
        }
    }

    /// Whether a later packet of the batch has the same parameters.
    fn is_shadowed(&mut self, batch: &Batch, packet: usize, container: usize, entries: &[Entry]) -> bool {
        if container >= self.containers.len() {
            self.containers.resize(container + 1, (0, 0));
        }
        let mark = &mut self.containers[container];
        if mark.0 != self.batch {
            *mark = (self.batch, packet as u32);
            return false;
        }
        let later = mark.1 as usize;
        let first = batch.packets[later].first as usize;
        let end = batch.packets.get(later + 1).map_or(batch.values.entries.len(), |next| next.first as usize);
        let later = &batch.values.entries[first..end];
        later.len() == entries.len()
            && later.iter().zip(entries).all(|(one, other)| one.parameter == other.parameter)
    }

    fn is_first(&mut self, parameter: usize) -> bool {
        if parameter >= self.parameters.len() {
            self.parameters.resize(parameter + 1, 0);
        }
        std::mem::replace(&mut self.parameters[parameter], self.batch) != self.batch
    }
}
