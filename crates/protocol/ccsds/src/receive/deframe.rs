//! One frame after the other: error control, header, virtual channel, and on to the packets.

use super::channel::{Channel, Delivery};
use super::counters::{ChannelId, Counters};
use super::sink::{Fec, ReceivedFrame, Rejected, Sink};
use crate::coding::{crc, fhec};
use crate::frame::{
    AosFrame, AosHeader, AosLayout, Continuity, FirstHeader, FrameCount, FrameError, MPdu, TmFrame, Upid,
    UslpFrame, UslpHeader, UslpLayout, version,
};
use crate::link::{Fecf, FrameParameters, FrameType, LinkParameters, Service};
use crate::reason::Reason;

/// Virtual channels that a receiver keeps at once. A link has a few; noise on a link without error control
/// would open one for each header it could look like. A new one takes the place of the one heard longest ago.
const CHANNELS_MAX: usize = 256;

/// Octets in which an AOS header and its error control are repaired.
const PROTECTED: usize = AosHeader::LENGTH + AosHeader::FHEC_LENGTH;

/// Takes frames apart.
#[derive(Clone, Debug)]
pub(super) struct Deframer {
    frame: FrameParameters,
    services: [Service; 64],
    packet_max: usize,
    channels: Vec<Channel>,
    /// Which channel the last frame was of: most often the next one's too.
    last: usize,
    masters: Vec<(u16, FrameCount)>,
    /// A frame whose header is being repaired.
    repaired: Vec<u8>,
    pub(super) counters: Counters,
}

/// What the header of a frame says, whatever its type.
struct Fields<'a> {
    id: ChannelId,
    mcfc: Option<u8>,
    count: Option<FrameCount>,
    /// USLP: sequence-controlled and expedited frames are counted apart.
    expedited: bool,
    first_header_pointer: Option<u16>,
    ocf: Option<[u8; 4]>,
    idle: bool,
    delivery: Delivery<'a>,
}

impl Deframer {
    pub(super) fn new(link: &LinkParameters) -> Self {
        let mut services = [Service::MPdu; 64];
        for channel in &link.channels {
            services[usize::from(channel.vcid & 63)] = channel.service;
        }
        Self {
            frame: link.frame,
            services,
            packet_max: link.packet.max_length,
            channels: Vec::new(),
            last: 0,
            masters: Vec::new(),
            repaired: Vec::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Takes one frame, its parity removed.
    pub(super) fn frame(&mut self, octets: &[u8], offset: u64, fec: Fec, sink: &mut impl Sink) {
        if !matches!(self.frame.frame_type, FrameType::Aos { header_error_control: true, .. }) {
            return self.checked(octets, offset, fec, Ok(()), sink);
        }
        // The header is repaired first, so that the FECF then sees the frame that was sent.
        let mut repaired = core::mem::take(&mut self.repaired);
        repaired.clear();
        repaired.extend_from_slice(octets);
        let header = self.repair(&mut repaired);
        self.checked(&repaired, offset, fec, header, sink);
        self.repaired = repaired;
    }

    /// Frame header error control (732.0-B-5 §4.1.2.6).
    fn repair(&mut self, octets: &mut [u8]) -> Result<(), Reason> {
        let Some(&[a, b, _, _, _, signalling, p, q]) = octets.first_chunk::<PROTECTED>() else {
            return Err(Reason::BadHeader);
        };
        let identifiers = u16::from_be_bytes([a, b]);
        match fhec::decode(identifiers, signalling, u16::from_be_bytes([p, q])) {
            None => Err(Reason::BadFhec),
            Some(header) => {
                if header.corrected > 0 {
                    self.counters.corrected_header_nibbles += u64::from(header.corrected);
                    octets[..2].copy_from_slice(&header.identifiers.to_be_bytes());
                    octets[5] = header.signalling;
                    let control = fhec::encode(header.identifiers, header.signalling);
                    octets[6..PROTECTED].copy_from_slice(&control.to_be_bytes());
                }
                Ok(())
            }
        }
    }

    /// Whether the FECF agrees with the frame.
    fn fecf(&self, octets: &[u8]) -> Option<bool> {
        // Annex D of 732.1-B-3: a truncated frame has no FECF.
        if matches!(self.frame.frame_type, FrameType::Uslp { truncated_length: Some(n), .. } if n == octets.len())
            && octets.get(3).is_some_and(|octet| octet & 1 != 0)
        {
            return None;
        }
        let split = |length| octets.len().checked_sub(length).map(|at| octets.split_at(at));
        match self.frame.fecf {
            Fecf::None => None,
            // The remainder over frame and field together is zero (132.0-B-3 §4.1.6.2).
            Fecf::Crc16 => Some(octets.len() > 2 && crc::crc16(octets) == 0),
            Fecf::Crc32 => Some(split(4).is_some_and(|(frame, field)| {
                field.first_chunk().is_some_and(|field| u32::from_be_bytes(*field) == crc::crc32(frame))
            })),
        }
    }

    /// The frame with its header in order, or not.
    fn checked(
        &mut self,
        octets: &[u8],
        offset: u64,
        fec: Fec,
        header: Result<(), Reason>,
        sink: &mut impl Sink,
    ) {
        let fecf = self.fecf(octets);
        let fields = self.fields(octets);
        let status = match (&fields, fec, fecf) {
            (_, Fec::Uncorrectable, _) => Err(Reason::Uncorrectable),
            // A miscorrection of Reed-Solomon shows here.
            (_, _, Some(false)) => Err(Reason::BadFecf),
            _ if header.is_err() => header,
            (Err(reason), ..) => Err(*reason),
            (Ok(fields), ..) => match self.frame.scid {
                Some(scid) if scid != fields.id.scid => Err(Reason::WrongScid),
                _ => Ok(()),
            },
        };
        let counters = &mut self.counters;
        let index = counters.frames;
        counters.frames += 1;
        if let Fec::Corrected(symbols @ 1..) = fec {
            counters.corrected_frames += 1;
            counters.corrected_symbols += u64::from(symbols);
        }
        let mut shown = ReceivedFrame {
            index,
            offset,
            tfvn: octets.first().map(|first| version(*first)),
            scid: None,
            vcid: None,
            mcfc: None,
            vcfc: None,
            first_header_pointer: None,
            ocf: None,
            fec,
            fecf,
            status,
            idle: false,
            gap: None,
            octets,
        };
        if let Ok(fields) = &fields {
            shown.scid = Some(fields.id.scid);
            shown.vcid = Some(fields.id.vcid);
            shown.mcfc = fields.mcfc;
            shown.vcfc = fields.count.map(|count| count.value);
            shown.first_header_pointer = fields.first_header_pointer;
            shown.ocf = fields.ocf;
            shown.idle = fields.idle;
        }
        match (status, fields) {
            (Ok(()), Ok(fields)) => self.good(fields, shown, sink),
            (status, fields) => {
                let reason = status.err().unwrap_or(Reason::BadHeader);
                // What a damaged header seems to say would blame a channel that may never have been sent.
                let damaged = matches!(reason, Reason::Uncorrectable | Reason::BadFecf | Reason::BadFhec);
                let channel = fields.ok().filter(|_| !damaged).map(|fields| fields.id);
                self.refuse(&shown, reason, channel, sink);
            }
        }
    }

    fn refuse(
        &mut self,
        shown: &ReceivedFrame<'_>,
        reason: Reason,
        channel: Option<ChannelId>,
        sink: &mut impl Sink,
    ) {
        self.counters.rejected.add(reason);
        sink.frame(shown);
        sink.rejected(&Rejected {
            reason,
            channel,
            frame_index: Some(shown.index),
            offset: shown.offset,
            length: shown.octets.len() as u64,
            octets: shown.octets,
        });
    }

    fn good(&mut self, fields: Fields<'_>, mut shown: ReceivedFrame<'_>, sink: &mut impl Sink) {
        let (at, replaced) = self.channel(fields.id);
        if self.channels[at].repeats(fields.count, fields.expedited, shown.octets) {
            shown.status = Err(Reason::Duplicate);
            return self.refuse(&shown, Reason::Duplicate, Some(fields.id), sink);
        }
        if let Some(mcfc) = fields.mcfc {
            self.master(fields.id.scid, FrameCount { value: mcfc.into(), bits: 8 });
        }
        let Self { channels, counters, .. } = self;
        let channel = &mut channels[at];
        channel.heard = shown.index;
        let continuity = channel.count(fields.count, fields.expedited, shown.octets);
        if let Continuity::Gap { missing } = continuity {
            counters.vc_gaps += 1;
            counters.vc_missing += missing;
            channel.counters.gaps += 1;
            channel.counters.missing += missing;
            shown.gap = Some(missing);
        }
        counters.good_frames += 1;
        channel.counters.frames += 1;
        if fields.idle {
            counters.idle_frames += 1;
            channel.counters.idle_frames += 1;
        }
        sink.frame(&shown);
        let place = (shown.index, shown.offset);
        if let Some(mut replaced) = replaced {
            replaced.abandon(Reason::TooManyChannels, place, counters, sink);
        }
        if shown.gap.is_some() {
            channel.abandon(Reason::VcGap, place, counters, sink);
        }
        channel.deliver(fields.delivery, place, counters, sink);
    }

    fn master(&mut self, scid: u16, count: FrameCount) {
        match self.masters.iter_mut().find(|(id, _)| *id == scid) {
            Some((_, last)) => {
                if let Continuity::Gap { missing } = count.after(Some(*last)) {
                    self.counters.mc_gaps += 1;
                    self.counters.mc_missing += missing;
                }
                *last = count;
            }
            // There are no more of them than channels.
            None => self.masters.push((scid, count)),
        }
    }

    /// The place of a channel, opened where it is new, and the channel whose place it took where there were too
    /// many.
    #[inline]
    fn channel(&mut self, id: ChannelId) -> (usize, Option<Box<Channel>>) {
        if self.channels.get(self.last).is_some_and(|channel| channel.id == id) {
            return (self.last, None);
        }
        let (at, replaced) = match self.channels.iter().position(|channel| channel.id == id) {
            Some(at) => (at, None),
            None => self.open(id),
        };
        self.last = at;
        (at, replaced)
    }

    #[cold]
    fn open(&mut self, id: ChannelId) -> (usize, Option<Box<Channel>>) {
        let new = Channel::new(id, self.packet_max);
        if self.channels.len() < CHANNELS_MAX {
            self.channels.push(new);
            return (self.channels.len() - 1, None);
        }
        let heard = self.channels.iter().enumerate().min_by_key(|(_, channel)| channel.heard);
        let at = heard.map_or(0, |(at, _)| at);
        let replaced = core::mem::replace(&mut self.channels[at], new);
        if !self.channels.iter().any(|channel| channel.id.scid == replaced.id.scid) {
            self.masters.retain(|(scid, _)| *scid != replaced.id.scid);
        }
        (at, Some(Box::new(replaced)))
    }

    /// The input has ended: whatever is open is dropped.
    pub(super) fn finish(&mut self, offset: u64, sink: &mut impl Sink) {
        let Self { channels, counters, .. } = self;
        for channel in channels {
            channel.abandon(Reason::Unfinished, (counters.frames.saturating_sub(1), offset), counters, sink);
            channel.forget_frame();
        }
    }

    fn fields<'a>(&self, octets: &'a [u8]) -> Result<Fields<'a>, Reason> {
        match self.frame.frame_type {
            FrameType::Tm { .. } => self.tm(octets),
            FrameType::Aos { scid_bits, header_error_control } => {
                let layout = AosLayout {
                    scid_bits,
                    header_error_control,
                    insert_zone: self.frame.insert_zone,
                    ocf: self.frame.ocf,
                    fecf: self.frame.fecf.length(),
                };
                self.aos(octets, &layout)
            }
            FrameType::Uslp { truncated_length, .. } => {
                let layout = UslpLayout {
                    insert_zone: self.frame.insert_zone,
                    fecf: self.frame.fecf.length(),
                    truncated_length,
                };
                uslp(octets, &layout, &self.services)
            }
        }
    }

    fn tm<'a>(&self, octets: &'a [u8]) -> Result<Fields<'a>, Reason> {
        let frame = TmFrame::new(octets, self.frame.fecf.length()).map_err(reason)?;
        let header = frame.header();
        let vca = header.sync || self.services[usize::from(header.vcid)] == Service::Vca;
        let idle = !header.sync && header.first_header() == FirstHeader::IdleOnly;
        let delivery = if idle {
            Delivery::Nothing
        } else if vca {
            Delivery::Unit { octets: frame.data(), bits: frame.data().len() * 8 }
        } else if header.segment_length_id != 3 {
            // §4.1.2.7.5.2: '11' wherever packets are carried. Other values cut packets into segments, as
            // in the packet telemetry standard before this one.
            Delivery::Refused { reason: Reason::SegmentedData, octets: frame.data() }
        } else {
            Delivery::Packets { first: header.first_header(), zone: frame.data() }
        };
        Ok(Fields {
            id: ChannelId { scid: header.scid, vcid: header.vcid },
            mcfc: Some(header.mcfc),
            count: Some(FrameCount { value: header.vcfc.into(), bits: 8 }),
            expedited: false,
            first_header_pointer: Some(header.first_header_pointer),
            ocf: frame.ocf(),
            idle,
            delivery,
        })
    }

    fn aos<'a>(&self, octets: &'a [u8], layout: &AosLayout) -> Result<Fields<'a>, Reason> {
        let frame = AosFrame::new(octets, layout).map_err(reason)?;
        let header = frame.header();
        let (value, bits) = header.extended_count();
        let mut fields = Fields {
            id: ChannelId { scid: header.scid, vcid: header.vcid },
            mcfc: None,
            count: Some(FrameCount { value, bits }),
            expedited: false,
            first_header_pointer: None,
            ocf: frame.ocf(),
            idle: header.vcid == AosHeader::OID_VCID,
            delivery: Delivery::Nothing,
        };
        if fields.idle {
            return Ok(fields);
        }
        fields.delivery = match self.services[usize::from(header.vcid)] {
            Service::MPdu => {
                let pdu = MPdu::parse(frame.data()).map_err(reason)?;
                fields.first_header_pointer = pdu.first_header.to_field().ok();
                fields.idle = pdu.first_header == FirstHeader::IdleOnly;
                Delivery::Packets { first: pdu.first_header, zone: pdu.zone }
            }
            Service::BPdu => Delivery::bitstream(frame.data()).map_err(reason)?,
            Service::Vca => Delivery::Unit { octets: frame.data(), bits: frame.data().len() * 8 },
        };
        Ok(fields)
    }
}

fn uslp<'a>(octets: &'a [u8], layout: &UslpLayout, services: &[Service; 64]) -> Result<Fields<'a>, Reason> {
    let frame = UslpFrame::new(octets, layout).map_err(reason)?;
    let header = frame.header();
    let idle = header.vcid == UslpHeader::OID_VCID || frame.upid() == Upid::IDLE;
    let body = header.body;
    let delivery = if idle {
        Delivery::Nothing
    } else if body.is_some_and(|body| body.control_command) {
        Delivery::Unit { octets: frame.zone(), bits: frame.zone().len() * 8 }
    } else {
        Delivery::Uslp {
            map: header.map,
            rule: frame.rule(),
            upid: frame.upid(),
            packets: frame.upid() == Upid::PACKETS && services[usize::from(header.vcid)] == Service::MPdu,
            pointer: frame.pointer(),
            zone: frame.zone(),
        }
    };
    Ok(Fields {
        id: ChannelId { scid: header.scid, vcid: header.vcid },
        mcfc: None,
        count: body
            .filter(|body| body.count_length > 0)
            .map(|body| FrameCount { value: body.vcfc, bits: u32::from(body.count_length) * 8 }),
        expedited: body.is_none_or(|body| body.bypass),
        first_header_pointer: if frame.first_header().is_some() { frame.pointer() } else { None },
        ocf: frame.ocf(),
        idle,
        delivery,
    })
}

fn reason(error: FrameError) -> Reason {
    match error {
        FrameError::Version { .. } => Reason::WrongVersion,
        FrameError::Length { .. } => Reason::WrongLength,
        FrameError::TooShort { .. } | FrameError::Range { .. } => Reason::BadHeader,
    }
}
