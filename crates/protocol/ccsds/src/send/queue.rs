//! What waits to be sent on one virtual channel.

use std::collections::VecDeque;

use super::SendError;
use crate::frame::FirstHeader;
use crate::packet::{PacketType, SequenceFlags, SpaceHeader};

/// Octets that may wait on one channel.
pub(super) const QUEUE_MAX: usize = 1 << 20;

/// The shortest idle packet.
const IDLE_MIN: usize = SpaceHeader::LENGTH + 1;

/// Packets one behind the other, cut into packet zones.
#[derive(Clone, Debug, Default)]
pub(super) struct PacketQueue {
    octets: VecDeque<u8>,
    /// Where packets start, counted from the beginning of the stream.
    starts: VecDeque<u64>,
    /// Octets of the stream that have left.
    sent: u64,
    /// Octets at the end of the queue that are only the rest of an idle packet.
    idle_rest: usize,
    idle_count: u16,
}

impl PacketQueue {
    /// Queues a whole packet.
    pub(super) fn push(&mut self, packet: &[u8]) -> Result<(), SendError> {
        if packet.len() > QUEUE_MAX {
            return Err(SendError::TooLong { length: packet.len(), max: QUEUE_MAX });
        }
        if self.octets.len() + packet.len() > QUEUE_MAX {
            return Err(SendError::QueueFull { waiting: self.octets.len() });
        }
        self.append(packet);
        self.idle_rest = 0;
        Ok(())
    }

    fn append(&mut self, packet: &[u8]) {
        self.starts.push_back(self.sent + self.octets.len() as u64);
        self.octets.extend(packet);
    }

    /// Octets that wait, the rest of an idle packet not counted.
    pub(super) fn waiting(&self) -> usize {
        self.octets.len() - self.idle_rest
    }

    /// Whether a packet, if only an idle one, has left in part.
    pub(super) fn is_open(&self) -> bool {
        !self.octets.is_empty()
    }

    /// Fills a packet zone, up with an idle packet where too little waits.
    pub(super) fn zone(&mut self, zone: &mut [u8]) -> FirstHeader {
        if self.octets.len() < zone.len() {
            self.fill(zone.len());
        }
        let first = match self.starts.front() {
            Some(start) if *start < self.sent + zone.len() as u64 => {
                FirstHeader::At((start - self.sent) as usize)
            }
            _ => FirstHeader::None,
        };
        let leaving = self.octets.drain(..zone.len());
        for (to, octet) in zone.iter_mut().zip(leaving) {
            *to = octet;
        }
        self.sent += zone.len() as u64;
        while self.starts.front().is_some_and(|start| *start < self.sent) {
            self.starts.pop_front();
        }
        self.idle_rest = self.idle_rest.min(self.octets.len());
        first
    }

    /// Appends idle packets until a zone is full. One that would be shorter than an idle packet can be goes on in the
    /// next zone: by the least that is possible, and where zones are so short that no other idle packet fits behind
    /// it there, up to the end of a zone.
    fn fill(&mut self, zone: usize) {
        while self.octets.len() < zone {
            let missing = zone - self.octets.len();
            let length = match missing {
                IDLE_MIN.. => missing.min(SpaceHeader::PACKET_MAX),
                _ if zone >= 2 * IDLE_MIN => IDLE_MIN,
                _ => missing + (IDLE_MIN - missing).div_ceil(zone) * zone,
            };
            let header = SpaceHeader {
                packet_type: PacketType::Telemetry,
                secondary_header: false,
                apid: SpaceHeader::IDLE_APID,
                sequence_flags: SequenceFlags::Unsegmented,
                sequence_count: self.idle_count,
                data_length: length - SpaceHeader::LENGTH,
            };
            self.idle_count = (self.idle_count + 1) & 0x3FFF;
            // The length is in range by what stands above.
            let Ok(header) = header.to_octets() else { return };
            self.append(&header);
            self.octets.extend(core::iter::repeat_n(0x55, length - SpaceHeader::LENGTH));
            self.idle_rest = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Assembled, Assembler};

    #[test]
    fn a_packet_that_never_fits_is_not_told_to_wait() {
        let mut queue = PacketQueue::default();
        let long = vec![0; QUEUE_MAX + 1];
        assert_eq!(queue.push(&long), Err(SendError::TooLong { length: QUEUE_MAX + 1, max: QUEUE_MAX }));
        assert_eq!(queue.push(&long[1..]), Ok(()));
        assert_eq!(queue.push(&[0; 7]), Err(SendError::QueueFull { waiting: QUEUE_MAX }));
    }

    #[test]
    fn any_zone_length_carries_packets_and_closes() {
        for length in 1..40 {
            let mut queue = PacketQueue::default();
            let mut assembler = Assembler::new(100);
            let packet = [0x00, 0x05, 0xC0, 0, 0, 3, 1, 2, 3, 4];
            let mut real = 0;
            for _ in 0..5 {
                queue.push(&packet).unwrap();
                let mut zones = 0;
                while queue.is_open() {
                    let mut zone = vec![0; length];
                    let first = queue.zone(&mut zone);
                    assembler.zone(&zone, first, &mut |event| match event {
                        Assembled::Packet(octets) if octets == packet => real += 1,
                        Assembled::Packet(octets) => assert_eq!(octets[..2], [0x07, 0xFF]),
                        Assembled::Dropped(reason, _) => panic!("{reason} at zone length {length}"),
                    });
                    zones += 1;
                    assert!(zones < 40, "zone length {length} never closes");
                }
                assert!(!assembler.is_open());
            }
            assert_eq!(real, 5);
        }
    }
}
