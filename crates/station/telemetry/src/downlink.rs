//! The doorway of one link: what the link calls from its own thread for everything that it receives.

use std::sync::Arc;

use perigee_part::{Downlink, FrameReport, PacketReport, Rejection};
use perigee_xtce::DecodeError;

use crate::alarms::{AlarmChange, AlarmEvent, AlarmRecord};
use crate::archive::Haul;
use crate::handle::Shared;
use crate::latest::Marks;
use crate::processor::Processor;

/// Octets of frames and packets that are handed to the archive at once.
const MAX_HAUL_OCTETS: usize = 1 << 20;
/// Records of frames and packets that are handed to the archive at once.
const MAX_HAUL_RECORDS: usize = 8192;

/// Decodes, checks, publishes, then hands over to the archive.
pub(crate) struct TelemetryDownlink {
    shared: Arc<Shared>,
    link: Arc<str>,
    processor: Processor,
    haul: Haul,
    marks: Marks,
    undecoded: u64,
}

impl TelemetryDownlink {
    pub(crate) fn new(shared: Arc<Shared>, link: &str) -> Self {
        let number = shared.links.number(link);
        Self {
            link: shared.links.name(number),
            processor: Processor::with_time(Arc::clone(&shared.plan), shared.time),
            haul: Haul::of(number),
            marks: Marks::default(),
            undecoded: 0,
            shared,
        }
    }

    fn publish(&mut self) {
        let Self { shared, processor, marks, .. } = self;
        let batch = processor.publish(|batch| {
            let mut limits = shared.limits();
            let mut changed = false;
            // Told while the limits are locked, so that no later change of another thread overtakes this one.
            limits.check(batch, |change| {
                shared.tell(change);
                changed = true;
            });
            if changed {
                shared.metrics.alarms.set(limits.raised());
            }
        });
        if let Some(batch) = &batch {
            shared.latest.update(batch, marks);
            shared.metrics.packets.inc_by(batch.packets.len() as u64);
            shared.metrics.values.inc_by(batch.values.entries.len() as u64);
            shared.metrics.batches.inc();
            shared.stream.publish(Arc::clone(batch));
        }
        shared.metrics.undecoded.inc_by(std::mem::take(&mut self.undecoded));
        self.hand_over(batch);
    }

    /// The last step: nothing live waits for it.
    fn hand_over(&mut self, batch: Option<Arc<crate::Batch>>) {
        let Some(archive) = &self.shared.archive else { return };
        self.haul.batch = batch.filter(|_| archive.settings.values);
        if self.haul.is_empty() {
            return;
        }
        let link = self.haul.link;
        let haul = std::mem::replace(&mut self.haul, archive.spare());
        self.haul.link = link;
        archive.offer(haul);
    }
}

impl Downlink for TelemetryDownlink {
    fn frame(&mut self, frame: FrameReport<'_>) {
        if let Some(archive) = &self.shared.archive {
            self.haul.push_frame(&frame, archive.settings.frames);
            if self.haul.octets() >= MAX_HAUL_OCTETS || self.haul.frames.len() >= MAX_HAUL_RECORDS {
                self.publish();
            }
        }
    }

    fn packet(&mut self, packet: PacketReport<'_>) {
        let generated = match self.processor.receive(packet.octets, packet.received) {
            Ok(generated) => generated,
            Err(error) => {
                self.undecoded += 1;
                let rejection = Rejection {
                    received: packet.received,
                    vcid: packet.vcid,
                    reason: reason(&error),
                    length: packet.octets.len() as u64,
                    octets: packet.octets,
                };
                self.shared.rejections.undecoded(&self.link, &rejection, &error);
                packet.received
            }
        };
        let mut full = self.processor.is_full();
        if let Some(archive) = &self.shared.archive {
            // Packets that no container fits are kept as well: a better database may know them.
            self.haul.push_packet(&packet, generated, archive.settings.packets);
            full |= self.haul.octets() >= MAX_HAUL_OCTETS || self.haul.packets.len() >= MAX_HAUL_RECORDS;
        }
        if full {
            self.publish();
        }
    }

    fn rejected(&mut self, rejection: Rejection<'_>) {
        self.shared.rejections.dropped(&self.link, &rejection);
    }

    fn flush(&mut self) {
        self.publish();
    }
}

/// The word for why a packet was not decoded.
fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooShort { .. } => "packet-too-short",
        DecodeError::NoContainer { .. } => "no-container",
        DecodeError::BadSize { .. } => "bad-size",
        DecodeError::TooLarge => "packet-too-large",
    }
}

impl Shared {
    /// Tells a change of an alarm to followers and to the archive. Call it while the limits are locked.
    pub(crate) fn tell(&self, change: AlarmChange) {
        if let Some(archive) = &self.archive {
            let name =
                self.database.parameter(change.alarm.parameter).map_or("", |parameter| &parameter.name);
            let ended = (change.event == AlarmEvent::Ended).then(perigee_part::Timestamp::now);
            archive.offer_alarm(AlarmRecord::new(&change.alarm, name, ended));
        }
        self.alarm_changes.publish(Arc::new(change));
    }
    /// The archive has been opened late: its alarms that had not ended join the list. Where a parameter has
    /// a new alarm by now, that of before has ended.
    pub(crate) fn restore_alarms(&self, alarms: Vec<AlarmRecord>, next: i64) {
        let mut limits = self.limits();
        for gone in limits.restore(alarms, next, |change| self.tell(change)) {
            tracing::warn!(target: "telemetry", parameter = gone.parameter, "an alarm of before the archive was opened has ended");
            if let Some(archive) = &self.archive {
                archive.offer_alarm(gone.end());
            }
        }
        self.metrics.alarms.set(limits.raised());
    }
}
