//! The way back: packets in, channel symbols out.
//!
//! Packets → transfer frames, filled up with idle packets, or with idle data where nothing waits → FECF →
//! Reed-Solomon → randomiser → marker → convolutional code. USLP frames are of fixed length: packets go by
//! construction rule 000, data units by 001 and 010; truncated frames and the rules of variable-length frames are
//! received but not sent.

mod framing;
mod queue;
mod symbols;

use std::collections::VecDeque;

use crate::coding::randomizer::Randomizer;
use crate::coding::reed_solomon::ReedSolomon;
use crate::frame::{BitstreamPointer, OCF_LENGTH, OidFill};
use crate::link::{FrameType, LinkParameters, ParameterError, Service};
use crate::packet::{Extent, extent};
use framing::{Framer, Unit};
use queue::{PacketQueue, QUEUE_MAX};
use symbols::Modulator;

/// Why something was not taken for sending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The octets are not one whole packet.
    #[error("not one whole packet: {have} octets, the header says {said:?}")]
    NotAPacket {
        /// Octets given.
        have: usize,
        /// Octets by the header, where it can be read.
        said: Option<usize>,
    },
    /// Longer than the link allows.
    #[error("a packet of {length} octets is longer than the {max} that the link allows")]
    TooLong {
        /// Octets given.
        length: usize,
        /// Octets allowed.
        max: usize,
    },
    /// There is no such channel, or it carries something else.
    #[error("virtual channel {0} does not exist, or carries something else")]
    Channel(u8),
    /// A data unit, insert zone or secondary header of the wrong length.
    #[error("{have} octets; {need} are needed")]
    Length {
        /// Octets needed.
        need: usize,
        /// Octets given.
        have: usize,
    },
    /// The channel's queue is full: send first.
    #[error("{waiting} octets wait already")]
    QueueFull {
        /// Octets that wait.
        waiting: usize,
    },
}

/// What a frame that was sent carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmitted {
    /// Its virtual channel.
    pub vcid: u8,
    /// It carries only idle data.
    pub idle: bool,
}

#[derive(Clone, Debug)]
struct Channel {
    vcid: u8,
    packets: PacketQueue,
    units: VecDeque<Unit>,
    unit_octets: usize,
}

/// Octets of a packet zone in which 11 bits can point to each, 0x7FE and 0x7FF having meanings of their own.
const FIRST_HEADER_REACH: usize = 0x7FE;

/// A sender for one link.
#[derive(Clone, Debug)]
pub struct Sender {
    link: LinkParameters,
    framer: Framer,
    codec: Option<ReedSolomon>,
    randomizer: Option<Randomizer>,
    modulator: Modulator,
    channels: Vec<Channel>,
    /// The channel whose turn it is.
    turn: usize,
    oid: OidFill,
    /// Marker and block of the frame that is being made.
    unit: Vec<u8>,
    asm: Vec<u8>,
}

impl Sender {
    /// A sender at the start of its stream.
    ///
    /// # Errors
    /// The parameters make no link, or TM or AOS frames are longer than can be sent.
    pub fn new(link: &LinkParameters) -> Result<Self, ParameterError> {
        link.check()?;
        let framer = Framer::new(&link.frame);
        let uslp = matches!(link.frame.frame_type, FrameType::Uslp { .. });
        if !uslp && framer.zone_length() > FIRST_HEADER_REACH {
            let problem = format!(
                "{} octets; a first header pointer of 11 bits cannot reach their end",
                link.frame.length
            );
            return Err(ParameterError { key: "frame.length", item: 0, problem });
        }
        Ok(Self {
            framer,
            codec: link.reed_solomon.map(|rs| rs.codec(link.frame.length)).transpose()?,
            randomizer: link.randomizer,
            modulator: Modulator::new(link.symbols, link.convolutional),
            channels: Vec::new(),
            turn: 0,
            oid: OidFill::default(),
            unit: Vec::new(),
            asm: link.asm.as_ref().map(|marker| marker.asm.clone()).unwrap_or_default(),
            link: link.clone(),
        })
    }

    /// Queues one whole packet.
    ///
    /// # Errors
    /// Not one whole packet, a channel that carries none, or a full queue.
    pub fn push_packet(&mut self, vcid: u8, packet: &[u8]) -> Result<(), SendError> {
        let said = match extent(packet) {
            Extent::Known(total) => Some(total),
            _ => None,
        };
        if said != Some(packet.len()) {
            return Err(SendError::NotAPacket { have: packet.len(), said });
        }
        let max = self.link.packet.max_length;
        if packet.len() > max {
            return Err(SendError::TooLong { length: packet.len(), max });
        }
        self.channel(vcid, Service::MPdu)?.packets.push(packet)
    }

    /// Queues a data unit of a VCA channel: as long as the data field of a TM or AOS frame; of any length with USLP.
    ///
    /// # Errors
    /// A wrong length, a channel that carries something else, or a full queue.
    pub fn push_data(&mut self, vcid: u8, octets: &[u8]) -> Result<(), SendError> {
        let uslp = matches!(self.link.frame.frame_type, FrameType::Uslp { .. });
        let (need, have) = (self.framer.data_length(), octets.len());
        if !uslp && have != need {
            return Err(SendError::Length { need, have });
        }
        let max = self.link.packet.max_length;
        if uslp && (have == 0 || have > max) {
            return Err(SendError::TooLong { length: have, max });
        }
        self.push_unit(vcid, Service::Vca, Unit::Data { octets: octets.to_vec(), sent: 0 })
    }

    /// Queues a bitstream data zone's worth of bits, or fewer, of an AOS channel.
    ///
    /// # Errors
    /// No bits or too many, a channel that carries something else, or a full queue.
    pub fn push_bits(&mut self, vcid: u8, octets: &[u8], bits: usize) -> Result<(), SendError> {
        let need = self.framer.data_length().saturating_sub(2);
        if bits == 0 || bits.div_ceil(8) != octets.len() || octets.len() > need {
            return Err(SendError::Length { need, have: octets.len() });
        }
        let pointer = match u16::try_from(bits - 1) {
            _ if bits == need * 8 => BitstreamPointer::All,
            Ok(last @ 0..0x3FFE) => BitstreamPointer::LastBit(last),
            _ => return Err(SendError::Length { need, have: octets.len() }),
        };
        self.push_unit(vcid, Service::BPdu, Unit::Bits { octets: octets.to_vec(), pointer })
    }

    /// Sets the operational control field of all frames from now on.
    pub fn set_ocf(&mut self, ocf: [u8; OCF_LENGTH]) {
        self.framer.ocf = ocf;
    }

    /// Sets the insert zone (AOS, USLP) of all frames from now on.
    ///
    /// # Errors
    /// Not as long as managed.
    pub fn set_insert_zone(&mut self, octets: &[u8]) -> Result<(), SendError> {
        let (need, have) = (self.framer.insert_zone.len(), octets.len());
        if need != have {
            return Err(SendError::Length { need, have });
        }
        self.framer.insert_zone.copy_from_slice(octets);
        Ok(())
    }

    /// Sets the data field of the secondary header (TM) of all frames from now on.
    ///
    /// # Errors
    /// Not as long as managed, less the identification octet.
    pub fn set_secondary_header(&mut self, octets: &[u8]) -> Result<(), SendError> {
        let field = self.framer.secondary_header.get_mut(1..).unwrap_or_default();
        if field.len() != octets.len() {
            return Err(SendError::Length { need: field.len(), have: octets.len() });
        }
        field.copy_from_slice(octets);
        Ok(())
    }

    /// Whether anything but fill waits.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.channels.iter().any(Channel::pending)
    }

    /// Whether some channel has enough for a frame without fill.
    #[must_use]
    pub fn frame_ready(&self) -> bool {
        let zone = self.framer.zone_length();
        self.channels.iter().any(|channel| !channel.units.is_empty() || channel.packets.waiting() >= zone)
    }

    /// Appends the symbols of the next frame: of the channels that have something to send, in turn, or of idle data
    /// where none has.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Transmitted {
        let count = self.channels.len();
        let next = (0..count).map(|i| (self.turn + i) % count).find(|at| self.channels[*at].pending());
        self.transmit(next, out)
    }

    /// Ends the stream: appends frames until all that was queued, and the idle packet that may have been begun behind
    /// it, has left, and fills the last octet of symbols. Returns how many frames.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> usize {
        let mut frames = 0;
        while let Some(at) =
            self.channels.iter().position(|channel| channel.pending() || channel.packets.is_open())
        {
            self.transmit(Some(at), out);
            frames += 1;
        }
        self.modulator.flush(out);
        frames
    }

    fn transmit(&mut self, next: Option<usize>, out: &mut Vec<u8>) -> Transmitted {
        let Self { framer, codec, modulator, channels, unit, asm, .. } = self;
        unit.clear();
        unit.extend_from_slice(asm);
        unit.resize(self.link.unit_length(), 0);
        let block = &mut unit[asm.len()..];
        let frame = &mut block[..self.link.frame.length];
        let transmitted = match next {
            None => Transmitted { vcid: framer.idle(frame, &mut self.oid), idle: true },
            Some(at) => {
                let channel = &mut channels[at];
                self.turn = at + 1;
                match channel.units.pop_front() {
                    Some(data) => {
                        channel.unit_octets -= data.waiting();
                        if let Some(rest) = framer.unit(channel.vcid, data, frame) {
                            channel.unit_octets += rest.waiting();
                            channel.units.push_front(rest);
                        }
                    }
                    None => framer.packets(channel.vcid, &mut channel.packets, frame),
                }
                Transmitted { vcid: channel.vcid, idle: false }
            }
        };
        if let Some(codec) = codec {
            codec.encode(block);
        }
        if let Some(randomizer) = self.randomizer {
            randomizer.apply(block);
        }
        modulator.write(unit, out);
        transmitted
    }

    fn push_unit(&mut self, vcid: u8, service: Service, unit: Unit) -> Result<(), SendError> {
        let channel = self.channel(vcid, service)?;
        if channel.unit_octets + unit.waiting() > QUEUE_MAX {
            return Err(SendError::QueueFull { waiting: channel.unit_octets });
        }
        channel.unit_octets += unit.waiting();
        channel.units.push_back(unit);
        Ok(())
    }

    /// The channel, opened where it is new.
    fn channel(&mut self, vcid: u8, service: Service) -> Result<&mut Channel, SendError> {
        let frame_type = self.link.frame.frame_type;
        let reserved = !matches!(frame_type, FrameType::Tm { .. }) && vcid == framing::OID_VCID;
        if u32::from(vcid) >> frame_type.vcid_bits() != 0 || reserved || self.link.service(vcid) != service {
            return Err(SendError::Channel(vcid));
        }
        let at = self.channels.iter().position(|channel| channel.vcid == vcid).unwrap_or_else(|| {
            let (packets, units) = (PacketQueue::default(), VecDeque::new());
            self.channels.push(Channel { vcid, packets, units, unit_octets: 0 });
            self.channels.len() - 1
        });
        Ok(&mut self.channels[at])
    }
}

impl Channel {
    fn pending(&self) -> bool {
        !self.units.is_empty() || self.packets.waiting() > 0
    }
}
