//! What the processor publishes: the values of the packets that one read of a link brought.

use std::collections::VecDeque;
use std::sync::Arc;

use perigee_part::Timestamp;
use perigee_xtce::{ContainerId, Entry, Severity, Values};

/// One packet of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketStamp {
    /// The container that the packet was decoded as.
    pub container: ContainerId,
    /// When the spacecraft made it; the time of reception where the packet does not say.
    pub generated: Timestamp,
    /// When its last octets reached this machine.
    pub received: Timestamp,
    /// Index of its first entry; it ends where the next packet begins.
    pub first: u32,
}

/// Decoded packets of one link, in the order of reception.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The packets.
    pub packets: Vec<PacketStamp>,
    /// Their values, packet after packet.
    pub values: Values,
    /// How each value stands to its limits; parallel to `values.entries`.
    pub severities: Vec<Severity>,
}

impl Batch {
    /// Each packet with its values and their severities.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&PacketStamp, &[Entry], &[Severity])> + ExactSizeIterator {
        self.packets.iter().enumerate().map(|(at, packet)| {
            let end = self.packets.get(at + 1).map_or(self.values.entries.len(), |next| next.first as usize);
            let entries = packet.first as usize..end;
            (packet, &self.values.entries[entries.clone()], &self.severities[entries])
        })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    fn clear(&mut self) {
        self.packets.clear();
        self.values.clear();
        self.severities.clear();
    }
}

/// Batches that come back: once every follower has dropped one, its memory is filled again.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    lent: VecDeque<Arc<Batch>>,
}

impl Pool {
    /// So many batches are looked after; beyond them the slow follower pays with an allocation here.
    const CAPACITY: usize = 64;

    /// Lends `full` out and gives an empty one.
    pub(crate) fn exchange(&mut self, full: &mut Arc<Batch>) -> Arc<Batch> {
        let empty = match self.lent.front_mut().map(Arc::get_mut) {
            Some(Some(batch)) => {
                batch.clear();
                self.lent.pop_front().unwrap_or_default()
            }
            _ => Arc::default(),
        };
        let full = std::mem::replace(full, empty);
        if self.lent.len() == Self::CAPACITY {
            self.lent.pop_front();
        }
        self.lent.push_back(Arc::clone(&full));
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_everyone_dropped_is_filled_again() {
        let mut pool = Pool::default();
        let mut current = Arc::new(Batch::default());
        let memory = Arc::as_ptr(&current);
        let held = pool.exchange(&mut current);
        let other = pool.exchange(&mut current);
        assert_ne!(Arc::as_ptr(&current), memory, "still held");
        drop((held, other));
        let _third = pool.exchange(&mut current);
        assert_eq!(Arc::as_ptr(&current), memory);
    }
}
