//! Transfer frames of the three types, made in place.

use super::queue::PacketQueue;
use crate::coding::{crc, fhec};
use crate::frame::{
    AosHeader, BitstreamPointer, FirstHeader, OCF_LENGTH, OidFill, Rule, ScidBits, TmHeader, Upid, UslpBody,
    UslpHeader,
};
use crate::link::{Fecf, FrameParameters, FrameType};

/// The virtual channel of AOS and USLP frames that carry only idle data.
pub(super) const OID_VCID: u8 = AosHeader::OID_VCID;
/// TM frames of idle data may go on any channel that carries packets; the last one is custom.
const TM_IDLE_VCID: u8 = 7;

/// A data unit that waits.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// Octets, of which some may have left.
    Data {
        /// The whole unit.
        octets: Vec<u8>,
        /// How many have left.
        sent: usize,
    },
    /// A bitstream data zone.
    Bits {
        /// The bits.
        octets: Vec<u8>,
        /// Which of them are valid.
        pointer: BitstreamPointer,
    },
}

impl Unit {
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Data { octets, sent } => octets.len() - sent,
            Self::Bits { octets, .. } => octets.len(),
        }
    }
}

/// Writes frames and keeps their counts.
#[derive(Clone, Debug)]
pub(super) struct Framer {
    parameters: FrameParameters,
    pub(super) ocf: [u8; OCF_LENGTH],
    pub(super) insert_zone: Vec<u8>,
    /// Identification octet and data field; empty where there is none.
    pub(super) secondary_header: Vec<u8>,
    counts: [u64; 64],
    master_count: u8,
    header: Vec<u8>,
}

/// What a frame's header tells of its data field.
#[derive(Clone, Copy)]
enum Content {
    Packets(FirstHeader),
    /// A data unit that fills the field.
    Vca,
    /// A bitstream.
    Bits(BitstreamPointer),
    /// USLP: a data unit that starts here or not, and its last octet where it ends here.
    Sdu {
        starts: bool,
        last: Option<u16>,
    },
    Idle,
}

impl Framer {
    pub(super) fn new(parameters: &FrameParameters) -> Self {
        let secondary = match parameters.frame_type {
            FrameType::Tm { secondary_header } => secondary_header,
            _ => 0,
        };
        let mut secondary_header = vec![0; secondary];
        if let Some(identification) = secondary_header.first_mut() {
            *identification = (secondary - 1) as u8;
        }
        Self {
            parameters: *parameters,
            ocf: [0; OCF_LENGTH],
            insert_zone: vec![0; parameters.insert_zone],
            secondary_header,
            counts: [0; 64],
            master_count: 0,
            header: Vec::new(),
        }
    }

    /// Octets in front of the data field.
    fn lead(&self) -> usize {
        match self.parameters.frame_type {
            FrameType::Tm { .. } => TmHeader::LENGTH + self.secondary_header.len(),
            FrameType::Aos { header_error_control, .. } => {
                let fhec = if header_error_control { AosHeader::FHEC_LENGTH } else { 0 };
                AosHeader::LENGTH + fhec + self.insert_zone.len()
            }
            FrameType::Uslp { count_length, .. } => {
                UslpHeader::FIXED_LENGTH + usize::from(count_length) + self.insert_zone.len()
            }
        }
    }

    fn trailer(&self) -> usize {
        self.parameters.fecf.length() + if self.parameters.ocf { OCF_LENGTH } else { 0 }
    }

    /// Octets of the data field.
    pub(super) fn data_length(&self) -> usize {
        self.parameters.length - self.lead() - self.trailer()
    }

    /// Octets of a packet zone.
    pub(super) fn zone_length(&self) -> usize {
        let header = match self.parameters.frame_type {
            FrameType::Tm { .. } => 0,
            FrameType::Aos { .. } => 2,
            FrameType::Uslp { .. } => 3,
        };
        self.data_length() - header
    }

    /// A frame of packets.
    pub(super) fn packets(&mut self, vcid: u8, queue: &mut PacketQueue, frame: &mut [u8]) {
        let zone = frame.len() - self.trailer() - self.zone_length();
        let end = frame.len() - self.trailer();
        let first = queue.zone(&mut frame[zone..end]);
        self.finish(vcid, Content::Packets(first), frame);
    }

    /// A frame of a data unit; gives back what of it did not fit.
    pub(super) fn unit(&mut self, vcid: u8, unit: Unit, frame: &mut [u8]) -> Option<Unit> {
        let end = frame.len() - self.trailer();
        let uslp = matches!(self.parameters.frame_type, FrameType::Uslp { .. });
        match unit {
            Unit::Bits { octets, pointer } => {
                let zone = &mut frame[end - self.zone_length()..end];
                zone[..octets.len()].copy_from_slice(&octets);
                self.finish(vcid, Content::Bits(pointer), frame);
                None
            }
            Unit::Data { octets, sent } if uslp => {
                let zone = &mut frame[end - self.zone_length()..end];
                let part = (octets.len() - sent).min(zone.len());
                zone[..part].copy_from_slice(&octets[sent..sent + part]);
                let ends = sent + part == octets.len();
                let last = if ends { Some((part - 1) as u16) } else { None };
                self.finish(vcid, Content::Sdu { starts: sent == 0, last }, frame);
                if ends { None } else { Some(Unit::Data { octets, sent: sent + part }) }
            }
            Unit::Data { octets, .. } => {
                frame[end - octets.len()..end].copy_from_slice(&octets);
                self.finish(vcid, Content::Vca, frame);
                None
            }
        }
    }

    /// A frame of idle data; tells its channel.
    pub(super) fn idle(&mut self, frame: &mut [u8], oid: &mut OidFill) -> u8 {
        let (start, end) = (self.lead(), frame.len() - self.trailer());
        oid.fill(&mut frame[start..end]);
        let tm = matches!(self.parameters.frame_type, FrameType::Tm { .. });
        let vcid = if tm { TM_IDLE_VCID } else { OID_VCID };
        self.finish(vcid, Content::Idle, frame);
        vcid
    }

    /// Writes all but the data around it.
    fn finish(&mut self, vcid: u8, content: Content, frame: &mut [u8]) {
        self.header.clear();
        let count = self.counts[usize::from(vcid & 63)];
        let bits = match self.parameters.frame_type {
            FrameType::Tm { .. } => {
                self.tm_header(vcid, count, content);
                8
            }
            FrameType::Aos { scid_bits, header_error_control } => {
                self.aos_header(vcid, count, content, scid_bits, header_error_control);
                24
            }
            FrameType::Uslp { count_length, .. } => {
                self.uslp_header(vcid, count, content, count_length);
                8 * u32::from(count_length)
            }
        };
        self.counts[usize::from(vcid & 63)] = (count + 1) & ((1 << bits) - 1);
        frame[..self.header.len()].copy_from_slice(&self.header);
        let end = frame.len() - self.parameters.fecf.length();
        if self.parameters.ocf {
            frame[end - OCF_LENGTH..end].copy_from_slice(&self.ocf);
        }
        let (body, field) = frame.split_at_mut(end);
        match self.parameters.fecf {
            Fecf::None => {}
            Fecf::Crc16 => field.copy_from_slice(&crc::crc16(body).to_be_bytes()),
            Fecf::Crc32 => field.copy_from_slice(&crc::crc32(body).to_be_bytes()),
        }
    }

    fn tm_header(&mut self, vcid: u8, count: u64, content: Content) {
        let first = match content {
            Content::Packets(first) => first,
            Content::Idle => FirstHeader::IdleOnly,
            _ => FirstHeader::None,
        };
        let vca = matches!(content, Content::Vca);
        let header = TmHeader {
            scid: self.parameters.scid.unwrap_or(0),
            vcid,
            ocf: self.parameters.ocf,
            mcfc: self.master_count,
            vcfc: count as u8,
            secondary_header: !self.secondary_header.is_empty(),
            sync: vca,
            packet_order: false,
            segment_length_id: 3,
            first_header_pointer: first_header_field(first),
        };
        self.master_count = self.master_count.wrapping_add(1);
        self.header.extend(header.to_octets().unwrap_or_default());
        self.header.extend_from_slice(&self.secondary_header);
    }

    fn aos_header(&mut self, vcid: u8, count: u64, content: Content, scid_bits: ScidBits, fhec: bool) {
        let header = AosHeader {
            scid: self.parameters.scid.unwrap_or(0),
            vcid,
            vcfc: count as u32,
            replay: false,
            cycle_use: false,
            cycle: 0,
        };
        let header = header.to_octets(scid_bits).unwrap_or_default();
        self.header.extend(header);
        if fhec {
            let identifiers = u16::from_be_bytes([header[0], header[1]]);
            self.header.extend(fhec::encode(identifiers, header[5]).to_be_bytes());
        }
        self.header.extend_from_slice(&self.insert_zone);
        match content {
            Content::Packets(first) => self.header.extend(first_header_field(first).to_be_bytes()),
            Content::Bits(pointer) => self.header.extend(pointer.to_octets().unwrap_or_default()),
            _ => {}
        }
    }

    fn uslp_header(&mut self, vcid: u8, count: u64, content: Content, count_length: u8) {
        let header = UslpHeader {
            scid: self.parameters.scid.unwrap_or(0),
            destination: false,
            vcid,
            map: 0,
            body: Some(UslpBody {
                length: self.parameters.length,
                bypass: true,
                control_command: false,
                ocf: self.parameters.ocf,
                count_length,
                vcfc: count,
            }),
        };
        // Every field is in range by the check of the parameters.
        let _ = header.write(&mut self.header);
        self.header.extend_from_slice(&self.insert_zone);
        let (rule, upid, pointer) = match content {
            Content::Packets(first) => {
                let pointer = match first {
                    FirstHeader::At(at) => at as u16,
                    _ => 0xFFFF,
                };
                (Rule::SpanningPackets, Upid::PACKETS, Some(pointer))
            }
            Content::Sdu { starts, last } => {
                let rule = if starts { Rule::StartOfSdu } else { Rule::ContinuedSdu };
                (rule, Upid::MAPA_SDU, Some(last.unwrap_or(0xFFFF)))
            }
            _ => (Rule::NoSegmentation, Upid::IDLE, None),
        };
        self.header.push((rule as u8) << 5 | upid.0);
        if let Some(pointer) = pointer {
            self.header.extend(pointer.to_be_bytes());
        }
    }
}

/// A pointer of 11 bits; the sender was not built if a zone is longer than its reach.
fn first_header_field(first: FirstHeader) -> u16 {
    first.to_field().unwrap_or(0x7FF)
}
