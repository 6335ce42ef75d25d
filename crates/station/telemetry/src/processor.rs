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

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use perigee_xtce::{Database, LoadOptions, Severity};

    use super::*;
    use crate::limits::Limits;

    /// A number, a text and a label; the number has limits, and others while the label says so.
    const DATABASE: &str = "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet>
        <FloatParameterType name='volts'><IntegerDataEncoding/><DefaultAlarm><StaticAlarmRanges>
        <WarningRange minInclusive='10' maxInclusive='30'/></StaticAlarmRanges>
        <ChangeAlarmRanges changeType='changePerSample'><WatchRange maxInclusive='200'/></ChangeAlarmRanges></DefaultAlarm>
        <ContextAlarmList><ContextAlarm><StaticAlarmRanges><SevereRange minInclusive='0' maxInclusive='5'/></StaticAlarmRanges>
        <ContextMatch><Comparison parameterRef='Mode' value='SAFE'/></ContextMatch></ContextAlarm></ContextAlarmList></FloatParameterType>
        <EnumeratedParameterType name='mode'><IntegerDataEncoding/><EnumerationList><Enumeration value='0' label='ON'/>
        <Enumeration value='1' label='SAFE'/></EnumerationList></EnumeratedParameterType>
        <StringParameterType name='text'><StringDataEncoding><SizeInBits><Fixed><FixedValue>32</FixedValue></Fixed></SizeInBits>
        </StringDataEncoding></StringParameterType></ParameterTypeSet><ParameterSet>
        <Parameter name='Mode' parameterTypeRef='mode'/><Parameter name='Volts' parameterTypeRef='volts'/>
        <Parameter name='Text' parameterTypeRef='text'/></ParameterSet><ContainerSet><SequenceContainer name='P'><EntryList>
        <ParameterRefEntry parameterRef='Mode'/><ParameterRefEntry parameterRef='Volts'/><ParameterRefEntry parameterRef='Text'/>
        </EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>";

    #[test]
    fn warm_packets_allocate_nothing() {
        let database = Database::load(DATABASE, LoadOptions::default()).unwrap().database;
        let plan = Arc::new(Plan::compile(&database, None).unwrap());
        let mut processor = Processor::new(plan);
        let mut limits = Limits::new(Arc::new(database));
        let (mut values, mut worst, mut changes) = (0, Severity::Nominal, 0);
        let mut at = 0;
        let mut batch = |volts: [u8; 2]| {
            for round in 0..100 {
                // All within a second: an alarm that goes on is said again once a second.
                at += 1_000;
                let packet = [0, volts[round % 2], b'a', b'b', b'c', b'd'];
                processor.receive(&packet, Timestamp(at)).unwrap();
            }
            // Nobody keeps the batch: its memory is there for the next but one.
            let batch = processor.publish(|batch| limits.check(batch, |_| changes += 1)).unwrap();
            values += batch.values.entries.len();
            worst = worst.max(batch.severities.iter().copied().max().unwrap());
        };
        for volts in [[20, 21], [40, 41]] {
            // Within the limits, and then beyond them for long: the alarm has been raised and goes on.
            (0..70).for_each(|_| batch(volts));
            let warm = measure(|| (0..5).for_each(|_| batch(volts)));
            assert_eq!(warm.count_total, 0, "{volts:?}: {warm:?}");
        }
        assert_eq!((values, worst), (150 * 300, Severity::Warning));
        assert!(changes > 0);
    }
}
