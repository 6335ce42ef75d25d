//! What a receiver shows, and to whom.

use super::counters::ChannelId;
use crate::frame::OCF_LENGTH;
use crate::reason::Reason;

/// Takes what a receiver finds. Calls come in the order of the input; a frame is shown before the packets that
/// end in it. The octets shown are borrowed and gone after the call.
pub trait Sink {
    /// A frame, good or bad.
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        let _ = frame;
    }

    /// A whole packet, idle packets too.
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let _ = packet;
    }

    /// A service data unit that is no packet.
    fn service_data(&mut self, unit: &ServiceData<'_>) {
        let _ = unit;
    }

    /// Something was dropped: a bad frame (which was shown before), part of a packet, unsynchronised octets.
    fn rejected(&mut self, rejected: &Rejected<'_>) {
        let _ = rejected;
    }
}

/// What Reed-Solomon made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fec {
    /// The link has none.
    None,
    /// So many symbols were corrected.
    Corrected(u32),
    /// A codeword was beyond correction.
    Uncorrectable,
}

/// A frame as the synchroniser and the decoder gave it.
///
/// The fields of a bad frame are those that its octets seem to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedFrame<'a> {
    /// Counts the frames of this receiver from 0, bad ones included.
    pub index: u64,
    /// Where its marker, or the frame itself, starts in the input: octets; bits where frames may begin at any bit;
    /// behind a convolutional code bits of what the decoder gave, not symbols.
    pub offset: u64,
    /// Transfer frame version number, `None` in an empty frame.
    pub tfvn: Option<u8>,
    /// Spacecraft identifier; this and the fields below are `None` where the header could not be read.
    pub scid: Option<u16>,
    /// Virtual channel identifier.
    pub vcid: Option<u8>,
    /// Master channel frame count, TM.
    pub mcfc: Option<u8>,
    /// Virtual channel frame count.
    pub vcfc: Option<u64>,
    /// First header pointer as it stands in the field: TM always, AOS and USLP where the frame carries packets.
    pub first_header_pointer: Option<u16>,
    /// Operational control field.
    pub ocf: Option<[u8; OCF_LENGTH]>,
    /// What Reed-Solomon did.
    pub fec: Fec,
    /// Whether the FECF agrees; `None` where there is none.
    pub fecf: Option<bool>,
    /// Whether the frame was used, or why not.
    pub status: Result<(), Reason>,
    /// It carries only idle data.
    pub idle: bool,
    /// Frames of its virtual channel are missing before it: how many, as far as the count tells.
    pub gap: Option<u64>,
    /// The frame, marker and parity removed.
    pub octets: &'a [u8],
}

/// A whole packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedPacket<'a> {
    /// Spacecraft it came from.
    pub scid: u16,
    /// Virtual channel it came on.
    pub vcid: u8,
    /// USLP: multiplexer access point.
    pub map: Option<u8>,
    /// Counts the packets of the virtual channel from 0, idle ones included.
    pub index: u64,
    /// The frame in which it ends.
    pub frame_index: u64,
    /// The whole packet.
    pub octets: &'a [u8],
}

/// A service data unit that is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceData<'a> {
    /// Spacecraft it came from.
    pub scid: u16,
    /// Virtual channel it came on.
    pub vcid: u8,
    /// USLP: multiplexer access point.
    pub map: Option<u8>,
    /// USLP: the protocol identifier in the frame.
    pub protocol: Option<u8>,
    /// The frame in which it ends.
    pub frame_index: u64,
    /// Bits of the unit in the octets; fewer than all of them only in a bitstream.
    pub bits: usize,
    /// The unit.
    pub octets: &'a [u8],
}

/// Something that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// Why.
    pub reason: Reason,
    /// The virtual channel, where it could be told.
    pub channel: Option<ChannelId>,
    /// The frame during which it was dropped; `None` between frames.
    pub frame_index: Option<u64>,
    /// Where that frame, or the octets, start in the input, as in [`ReceivedFrame::offset`].
    pub offset: u64,
    /// How many octets, where `octets` does not hold them all; eight bits are one, and what is begun counts whole.
    pub length: u64,
    /// What there is of it; empty where only symbols were passed over.
    pub octets: &'a [u8],
}

/// Drops everything: counters alone are wanted.
impl Sink for () {}
