//! One virtual channel: its frame count, and what it delivers.

use super::counters::{ChannelCounters, ChannelId, Counters};
use super::sink::{ReceivedPacket, Rejected, ServiceData, Sink};
use crate::frame::{BPdu, Continuity, FirstHeader, FrameCount, FrameError, Rule, Upid};
use crate::packet::{Assembled, Assembler, is_idle};
use crate::reason::Reason;

/// What the data field of a frame holds for its channel.
pub(super) enum Delivery<'a> {
    /// Only idle data.
    Nothing,
    /// A packet zone.
    Packets {
        /// Where its first header is.
        first: FirstHeader,
        /// The zone.
        zone: &'a [u8],
    },
    /// A data unit that fills the field.
    Unit {
        /// The field.
        octets: &'a [u8],
        /// Bits of it that are the user's.
        bits: usize,
    },
    /// The data zone of a USLP frame.
    Uslp {
        /// Multiplexer access point.
        map: u8,
        /// Construction rule.
        rule: Rule,
        /// Protocol.
        upid: Upid,
        /// The channel carries packets, and so does this frame.
        packets: bool,
        /// Pointer of rules 000 to 010.
        pointer: Option<u16>,
        /// The zone.
        zone: &'a [u8],
    },
    /// Nothing that can be delivered.
    Refused {
        /// Why.
        reason: Reason,
        /// The field.
        octets: &'a [u8],
    },
}

impl<'a> Delivery<'a> {
    /// A bitstream protocol data unit.
    pub(super) fn bitstream(data: &'a [u8]) -> Result<Self, FrameError> {
        let pdu = BPdu::parse(data)?;
        Ok(match pdu.bits() {
            None => Self::Refused { reason: Reason::BadPointer, octets: pdu.zone },
            Some(0) => Self::Nothing,
            Some(bits) => Self::Unit { octets: &pdu.zone[..bits.div_ceil(8)], bits },
        })
    }
}

/// A virtual channel.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) counters: ChannelCounters,
    /// Last counts of sequence-controlled and of expedited frames; TM and AOS have only the first.
    last: [Option<FrameCount>; 2],
    /// The last frame, to tell a repeated one.
    frame: Vec<u8>,
    /// Index of the last frame.
    pub(super) heard: u64,
    packet_max: usize,
    /// TM and AOS have one, USLP one for each multiplexer access point.
    maps: Vec<Map>,
}

#[derive(Clone, Debug)]
struct Map {
    id: Option<u8>,
    packets: Assembler,
    /// A data unit that came in part, and its protocol.
    unit: Vec<u8>,
    unit_upid: Option<Upid>,
}

/// What a USLP data zone is made of.
#[derive(Clone, Copy)]
struct Content {
    upid: Upid,
    packets: bool,
    /// Longer packets and data units are refused.
    max: usize,
}

/// Frame index and offset, for what is shown on the way.
type Place = (u64, u64);

/// Shows what comes out of an assembler, and counts it.
struct Show<'s, S> {
    id: ChannelId,
    map: Option<u8>,
    place: Place,
    channel: &'s mut ChannelCounters,
    counters: &'s mut Counters,
    sink: &'s mut S,
}

impl<S: Sink> Show<'_, S> {
    #[inline]
    fn assembled(&mut self, event: Assembled<'_>) {
        match event {
            Assembled::Packet(octets) => {
                let index = self.channel.packets;
                self.channel.packets += 1;
                self.counters.packets += 1;
                self.counters.packet_octets += octets.len() as u64;
                self.counters.idle_packets += u64::from(is_idle(octets));
                self.sink.packet(&ReceivedPacket {
                    scid: self.id.scid,
                    vcid: self.id.vcid,
                    map: self.map,
                    index,
                    frame_index: self.place.0,
                    octets,
                });
            }
            Assembled::Dropped(reason, octets) => self.dropped(reason, octets),
        }
    }

    fn dropped(&mut self, reason: Reason, octets: &[u8]) {
        self.counters.rejected.add(reason);
        self.sink.rejected(&Rejected {
            reason,
            channel: Some(self.id),
            frame_index: Some(self.place.0),
            offset: self.place.1,
            length: octets.len() as u64,
            octets,
        });
    }

    fn unit(&mut self, octets: &[u8], bits: usize, upid: Option<Upid>) {
        self.counters.service_data_units += 1;
        self.sink.service_data(&ServiceData {
            scid: self.id.scid,
            vcid: self.id.vcid,
            map: self.map,
            protocol: upid.map(|upid| upid.0),
            frame_index: self.place.0,
            bits,
            octets,
        });
    }
}

impl Channel {
    pub(super) const fn new(id: ChannelId, packet_max: usize) -> Self {
        Self {
            id,
            counters: ChannelCounters { frames: 0, idle_frames: 0, packets: 0, gaps: 0, missing: 0 },
            last: [None; 2],
            frame: Vec::new(),
            heard: 0,
            packet_max,
            maps: Vec::new(),
        }
    }

    /// Whether this is the last frame once more, as a network may deliver it: the same count, and then the same
    /// octets. A frame without a count may be sent twice on purpose.
    #[inline]
    pub(super) fn repeats(&self, count: Option<FrameCount>, expedited: bool, octets: &[u8]) -> bool {
        count.is_some() && self.last[usize::from(expedited)] == count && self.frame == octets
    }

    /// The input begins anew: what it begins with repeats nothing.
    pub(super) fn forget_frame(&mut self) {
        self.frame.clear();
    }

    /// Notes a frame and its count. Frames without one are always in order.
    pub(super) fn count(&mut self, count: Option<FrameCount>, expedited: bool, octets: &[u8]) -> Continuity {
        let Some(count) = count else { return Continuity::Next };
        self.frame.clear();
        self.frame.extend_from_slice(octets);
        let last = &mut self.last[usize::from(expedited)];
        let continuity = count.after(*last);
        *last = Some(count);
        continuity
    }

    /// Drops whatever is open on this channel.
    pub(super) fn abandon(
        &mut self,
        reason: Reason,
        place: Place,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) {
        for map in &mut self.maps {
            let mut show =
                Show { id: self.id, map: map.id, place, channel: &mut self.counters, counters, sink };
            map.packets.abandon(reason, &mut |event| show.assembled(event));
            map.abandon_unit(reason, &mut show);
        }
    }

    /// Delivers what a frame holds.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        delivery: Delivery<'_>,
        place: Place,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) {
        let id = if let Delivery::Uslp { map, .. } = delivery { Some(map) } else { None };
        let at = self.maps.iter().position(|map| map.id == id).unwrap_or_else(|| {
            let packets = Assembler::new(self.packet_max);
            self.maps.push(Map { id, packets, unit: Vec::new(), unit_upid: None });
            self.maps.len() - 1
        });
        let map = &mut self.maps[at];
        let mut show = Show { id: self.id, map: id, place, channel: &mut self.counters, counters, sink };
        match delivery {
            Delivery::Nothing => {}
            Delivery::Packets { first, zone } => {
                map.packets.zone(zone, first, &mut |event| show.assembled(event));
            }
            Delivery::Unit { octets, bits } => show.unit(octets, bits, None),
            Delivery::Uslp { rule, upid, packets, pointer, zone, .. } => {
                let content = Content { upid, packets, max: self.packet_max };
                map.uslp(rule, content, pointer, zone, &mut show);
            }
            Delivery::Refused { reason, octets } => show.dropped(reason, octets),
        }
    }
}

impl Map {
    fn abandon_unit<S: Sink>(&mut self, reason: Reason, show: &mut Show<'_, S>) {
        if self.unit_upid.take().is_some() {
            show.dropped(reason, &self.unit);
        }
        self.unit.clear();
    }

    /// The TFDZ construction rules (732.1-B-3 §4.1.4.2.2).
    fn uslp<S: Sink>(
        &mut self,
        rule: Rule,
        content: Content,
        pointer: Option<u16>,
        zone: &[u8],
        show: &mut Show<'_, S>,
    ) {
        match rule {
            Rule::SpanningPackets if content.packets => {
                let first = match pointer {
                    None | Some(0xFFFF) => FirstHeader::None,
                    Some(at) => FirstHeader::At(at.into()),
                };
                self.packets.zone(zone, first, &mut |event| show.assembled(event));
            }
            Rule::StartOfSdu | Rule::ContinuedSdu => {
                // The last valid octet, or all ones where the unit goes on in the next frame.
                let last = pointer.filter(|last| *last != 0xFFFF).map(usize::from);
                let Some(valid) = last.map_or(Some(zone), |last| zone.get(..=last)) else {
                    self.abandon_unit(Reason::BadPointer, show);
                    return show.dropped(Reason::BadPointer, zone);
                };
                self.segment(rule == Rule::StartOfSdu, last.is_some(), valid, content, show);
            }
            Rule::StartingSegment => self.segment(true, false, zone, content, show),
            Rule::ContinuingSegment => self.segment(false, false, zone, content, show),
            Rule::LastSegment => self.segment(false, true, zone, content, show),
            Rule::NoSegmentation => whole(zone, content, show),
            Rule::SpanningPackets | Rule::OctetStream => show.unit(zone, zone.len() * 8, Some(content.upid)),
        }
    }

    /// One part of a data unit.
    fn segment<S: Sink>(
        &mut self,
        starts: bool,
        ends: bool,
        part: &[u8],
        content: Content,
        show: &mut Show<'_, S>,
    ) {
        if starts {
            self.abandon_unit(Reason::BrokenSegments, show);
        } else if self.unit_upid != Some(content.upid) {
            self.abandon_unit(Reason::BrokenSegments, show);
            return show.dropped(Reason::NoStart, part);
        }
        if starts && ends {
            return whole(part, content, show);
        }
        self.unit_upid = Some(content.upid);
        self.unit.extend_from_slice(part);
        // The part that makes it too long is told with the rest.
        if self.unit.len() > content.max {
            return self.abandon_unit(Reason::PacketTooLong, show);
        }
        if ends {
            whole(&self.unit, content, show);
            self.unit_upid = None;
            self.unit.clear();
        }
    }
}

/// A whole data unit: packets one behind the other, or something else.
fn whole<S: Sink>(unit: &[u8], content: Content, show: &mut Show<'_, S>) {
    if !content.packets {
        return show.unit(unit, unit.len() * 8, Some(content.upid));
    }
    let mut packets = Assembler::new(content.max);
    packets.zone(unit, FirstHeader::At(0), &mut |event| show.assembled(event));
    // Nothing may go on beyond the unit.
    packets.abandon(Reason::PointerMismatch, &mut |event| show.assembled(event));
}
