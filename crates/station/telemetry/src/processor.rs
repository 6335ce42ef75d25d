//! The processor of one link: packets in, batches of values out. It has no clock, no thread and no lock,
//! and allocates nothing per packet once it is warm.

use std::sync::Arc;

use perigee_part::Timestamp;
use perigee_xtce::{DecodeError, Decoder, Plan};

use crate::batch::{Batch, PacketStamp, Pool};
use crate::generation::GenerationTime;

/// Values of a batch at most, nearly: what is hot of it stays in the second-level cache.
const MAX_VALUES: usize = 8192;

/// Decodes the packets of one link into batches.
pub struct Processor {
    decoder: Decoder,
    time: GenerationTime,
    /// Never shared while it is filled.
    batch: Arc<Batch>,
    pool: Pool,
}

impl Processor {
    /// A processor for packets as `plan` reads them. Generation times come from the database.
    pub fn new(plan: Arc<Plan>) -> Self {
        Self::with_time(plan, GenerationTime::FirstTime)
    }

    pub(crate) fn with_time(plan: Arc<Plan>, time: GenerationTime) -> Self {
        Self { decoder: Decoder::new(plan), time, batch: Arc::default(), pool: Pool::default() }
    }

    /// Decodes a packet into the open batch; gives its generation time.
    ///
    /// # Errors
    /// The packet is of no container, or does not hold what its container says; nothing is added.
    #[inline]
    pub fn receive(&mut self, packet: &[u8], received: Timestamp) -> Result<Timestamp, DecodeError> {
        let batch = Arc::make_mut(&mut self.batch);
        let first = batch.values.entries.len();
        let container = self.decoder.decode(packet, &mut batch.values)?;
        let generated = self.time.of(packet, &batch.values, first).unwrap_or(received);
        batch.packets.push(PacketStamp { container, generated, received, first: first as u32 });
        Ok(generated)
    }

    /// Whether the batch should be published before more is received.
    pub fn is_full(&self) -> bool {
        self.batch.values.entries.len() >= MAX_VALUES || self.batch.values.arena.len() >= 1 << 20
    }

    /// Ends the open batch, if there is anything in it: `finish` sets the severities, then it is shared.
    pub fn publish(&mut self, finish: impl FnOnce(&mut Batch)) -> Option<Arc<Batch>> {
        if self.batch.is_empty() {
            return None;
        }
        finish(Arc::make_mut(&mut self.batch));
        Some(self.pool.exchange(&mut self.batch))
    }
}
