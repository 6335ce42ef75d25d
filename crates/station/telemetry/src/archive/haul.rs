//! What one flush of a link hands to the archive: frames, packets and decoded values.

use std::sync::Arc;

use perigee_part::{FrameReport, PacketReport, Timestamp};

use crate::batch::Batch;
use crate::links::LinkId;

/// A frame for the archive and the completeness index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRecord {
    pub(crate) scid: u16,
    pub(crate) vcid: u8,
    pub(crate) vcfc: Option<u64>,
    /// The count wraps at this value; zero where it does not.
    pub(crate) modulus: u64,
    pub(crate) received: Timestamp,
    start: u32,
    len: u32,
}

/// A packet for the archive and the completeness index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketRecord {
    pub(crate) scid: Option<u16>,
    pub(crate) vcid: Option<u8>,
    /// Of space packets only.
    pub(crate) apid: Option<u16>,
    /// The packet sequence count, of space packets only.
    pub(crate) sequence: Option<u16>,
    pub(crate) received: Timestamp,
    pub(crate) generated: Timestamp,
    start: u32,
    len: u32,
}

/// Everything between two flushes. Recycled: clearing keeps the memory.
#[derive(Debug, Default)]
pub(crate) struct Haul {
    pub(crate) link: LinkId,
    pub(crate) frames: Vec<FrameRecord>,
    pub(crate) packets: Vec<PacketRecord>,
    pub(crate) batch: Option<Arc<Batch>>,
    octets: Vec<u8>,
}

impl Haul {
    pub(crate) fn of(link: LinkId) -> Self {
        Self { link, ..Self::default() }
    }

    pub(crate) fn push_frame(&mut self, frame: &FrameReport<'_>, keep: bool) {
        let (start, len) = self.keep(frame.octets, keep);
        self.frames.push(FrameRecord {
            scid: frame.scid,
            vcid: frame.vcid,
            vcfc: frame.vcfc,
            modulus: frame_count_modulus(frame.octets),
            received: frame.received,
            start,
            len,
        });
    }

    pub(crate) fn push_packet(&mut self, packet: &PacketReport<'_>, generated: Timestamp, keep: bool) {
        let (start, len) = self.keep(packet.octets, keep);
        let header = space_packet_header(packet.octets);
        self.packets.push(PacketRecord {
            scid: packet.scid,
            vcid: packet.vcid,
            apid: header.map(|(apid, _)| apid),
            sequence: header.map(|(_, sequence)| sequence),
            received: packet.received,
            generated,
            start,
            len,
        });
    }

    fn keep(&mut self, octets: &[u8], keep: bool) -> (u32, u32) {
        let kept = if keep { octets } else { &[] };
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(kept);
        (start, kept.len() as u32)
    }

    pub(crate) fn frame_octets(&self, frame: &FrameRecord) -> &[u8] {
        &self.octets[frame.start as usize..][..frame.len as usize]
    }

    pub(crate) fn packet_octets(&self, packet: &PacketRecord) -> &[u8] {
        &self.octets[packet.start as usize..][..packet.len as usize]
    }

    pub(crate) fn octets(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn values(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.values.entries.len())
    }

    /// Memory that it takes while it waits, roughly.
    pub(crate) fn weight(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| {
            batch.values.entries.len() * 41 + batch.values.arena.len() + batch.packets.len() * 32
        });
        self.octets.len() + self.frames.len() * 40 + self.packets.len() * 40 + batch
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.packets.is_empty() && self.batch.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.packets.clear();
        self.batch = None;
        self.octets.clear();
    }
}

/// APID and sequence count of a space packet (CCSDS 133.0-B-2, 4.1.3); `None` for encapsulation packets.
pub(crate) fn space_packet_header(packet: &[u8]) -> Option<(u16, u16)> {
    let &[b0, b1, b2, b3, ..] = packet else { return None };
    (b0 >> 5 == 0).then(|| (u16::from_be_bytes([b0 & 0x07, b1]), u16::from_be_bytes([b2 & 0x3f, b3])))
}

/// Where the virtual channel frame count of this frame wraps: 8 bits in TM (CCSDS 132.0-B-3, 4.1.2.5),
/// 24 in AOS (732.0-B-4, 4.1.2.4; the cycle is not counted on), as many octets as its header says in
/// USLP (732.1-B-3, 4.1.2.10).
fn frame_count_modulus(frame: &[u8]) -> u64 {
    match frame.first().map(|octet| octet >> 4) {
        Some(0..=3) => 1 << 8,
        Some(4..=7) => 1 << 24,
        Some(12) => match frame.get(6).map(|octet| octet & 0x07) {
            Some(octets @ 1..=7) => 1 << (8 * u64::from(octets)),
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modulus_follows_the_frame_version() {
        let cases: [(&[u8], u64); 5] = [
            (&[0x01, 0x50], 1 << 8),
            (&[0x55, 0xc1], 1 << 24),
            (&[0xc0, 0, 0, 0, 0, 0, 0x02], 1 << 16),
            (&[0xc0, 0, 0, 0, 0, 0, 0x00], 0),
            (&[], 0),
        ];
        for (frame, modulus) in cases {
            assert_eq!(frame_count_modulus(frame), modulus, "{frame:x?}");
        }
    }

    #[test]
    fn only_space_packets_have_an_apid() {
        assert_eq!(space_packet_header(&[0x08, 0x0b, 0xca, 0x2e, 0, 0]), Some((11, 0x0a2e)));
        assert_eq!(space_packet_header(&[0xe0, 0, 0, 0]), None);
        assert_eq!(space_packet_header(&[0x08]), None);
    }
}
