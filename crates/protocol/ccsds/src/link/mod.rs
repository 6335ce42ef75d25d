//! The managed parameters of a link: everything about it that no frame tells.
//!
//! They are written in a TOML link file ([`LinkParameters::from_toml`]) or made in code; in both cases
//! [`LinkParameters::check`] holds them against each other before a receiver or a sender is built.

mod check;
mod file;

pub use check::ParameterError;
pub use file::LinkFileError;

use crate::coding::convolutional::Rate;
use crate::coding::randomizer::Randomizer;
use crate::coding::reed_solomon::{Basis, Code};
use crate::frame::ScidBits;
use crate::packet::SpaceHeader;
use crate::sync::Alignment;
use crate::time::TimeCode;

/// How channel symbols stand in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symbols {
    /// Eight hard symbols to an octet, first one on top.
    #[default]
    Octets,
    /// One hard symbol to an octet, its lowest bit.
    Bits,
    /// Soft symbols of eight bits, positive for 1.
    I8,
    /// Soft symbols of 32-bit floating point, little-endian, positive for 1.
    F32,
}

impl Symbols {
    /// Octets of the input that one symbol takes, where a symbol takes whole octets.
    #[must_use]
    pub const fn octets_per_symbol(self) -> usize {
        match self {
            Self::F32 => 4,
            _ => 1,
        }
    }
}

/// The attached sync marker and how it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmParameters {
    /// The marker, whole octets.
    pub asm: Vec<u8>,
    /// Bits of the marker that may be wrong.
    pub max_errors: u32,
    /// Markers that must follow the first in their places before lock. Frames before lock are given out all the
    /// same, unless a better marker stands inside them.
    pub verify: u32,
    /// Markers that may be missed in a row before the search begins anew.
    pub flywheel: u32,
    /// Where frames may begin in octets. Bits, soft symbols and what a convolutional decoder gives are searched at
    /// every bit in any case.
    pub alignment: Alignment,
}

impl Default for AsmParameters {
    fn default() -> Self {
        Self {
            asm: crate::sync::ASM.to_vec(),
            max_errors: 1,
            verify: 1,
            flywheel: 1,
            alignment: Alignment::Octet,
        }
    }
}

/// Reed-Solomon coding of the link. The virtual fill follows from the frame's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReedSolomonParameters {
    /// E = 16 or E = 8.
    pub code: Code,
    /// Codewords in a block.
    pub interleave: usize,
    /// How an octet stands for a symbol.
    pub basis: Basis,
}

/// Transfer frame type, with what is managed for this type alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// 132.0-B-3.
    Tm {
        /// Octets of the secondary header that a sender writes, identification included; 0 for none.
        secondary_header: usize,
    },
    /// 732.0-B-5.
    Aos {
        /// Width of the spacecraft identifier.
        scid_bits: ScidBits,
        /// Frame header error control is there.
        header_error_control: bool,
    },
    /// 732.1-B-3.
    Uslp {
        /// Octets of a truncated frame, where the link has such.
        truncated_length: Option<usize>,
        /// Octets of the virtual channel frame count that a sender writes, 0 to 7.
        count_length: u8,
    },
}

impl FrameType {
    /// Bits of the virtual channel identifier.
    #[must_use]
    pub const fn vcid_bits(self) -> u32 {
        if matches!(self, Self::Tm { .. }) { 3 } else { 6 }
    }

    /// Bits of the spacecraft identifier.
    #[must_use]
    pub const fn scid_bits(self) -> u32 {
        match self {
            Self::Tm { .. } | Self::Aos { scid_bits: ScidBits::Ten, .. } => 10,
            Self::Aos { .. } => 8,
            Self::Uslp { .. } => 16,
        }
    }
}

/// Frame error control field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fecf {
    /// None.
    #[default]
    None,
    /// CRC-16.
    Crc16,
    /// CRC-32, USLP only.
    Crc32,
}

impl Fecf {
    /// Octets of the field.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc16 => 2,
            Self::Crc32 => 4,
        }
    }
}

/// The transfer frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameParameters {
    /// Type of the frame.
    pub frame_type: FrameType,
    /// Octets of the frame, FECF and OCF included.
    pub length: usize,
    /// Spacecraft: others are refused when receiving; 0 is sent where none is named.
    pub scid: Option<u16>,
    /// Frame error control.
    pub fecf: Fecf,
    /// An operational control field is there. TM and USLP frames tell so themselves when received.
    pub ocf: bool,
    /// Octets of the insert zone, AOS and USLP.
    pub insert_zone: usize,
}

/// What a virtual channel carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Packets.
    #[default]
    MPdu,
    /// A bitstream, AOS only.
    BPdu,
    /// Data units that the frame does not look into.
    Vca,
}

/// One virtual channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelParameters {
    /// Virtual channel identifier.
    pub vcid: u8,
    /// What it carries.
    pub service: Service,
}

/// Where packets carry their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketTime {
    /// The code.
    pub code: TimeCode,
    /// Octets between the primary header of the packet and the code.
    pub offset: usize,
}

impl PacketTime {
    /// The time in the secondary header of a space packet; `None` where it has none, or none of this code.
    #[must_use]
    pub fn of(&self, packet: &[u8]) -> Option<crate::time::Utc> {
        let has_header = packet.first().is_some_and(|first| first >> 5 == 0 && first & 0x08 != 0);
        let field = packet.get(SpaceHeader::LENGTH + self.offset..).filter(|_| has_header)?;
        self.code.decode(field).ok()
    }
}

/// The packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketParameters {
    /// Longer packets are refused.
    pub max_length: usize,
    /// Where packets carry their time, where that is known.
    pub time: Option<PacketTime>,
}

impl Default for PacketParameters {
    fn default() -> Self {
        Self { max_length: SpaceHeader::PACKET_MAX, time: None }
    }
}

/// The managed parameters of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkParameters {
    /// How channel symbols stand in the input.
    pub symbols: Symbols,
    /// Attached sync marker; `None` where frames stand back to back.
    pub asm: Option<AsmParameters>,
    /// Pseudo-randomiser.
    pub randomizer: Option<Randomizer>,
    /// Reed-Solomon.
    pub reed_solomon: Option<ReedSolomonParameters>,
    /// Convolutional code.
    pub convolutional: Option<Rate>,
    /// Transfer frame.
    pub frame: FrameParameters,
    /// Channels whose service is told. The others carry packets.
    pub channels: Vec<ChannelParameters>,
    /// Packets.
    pub packet: PacketParameters,
}

impl LinkParameters {
    /// A link of uncoded frames back to back, in octets: the plainest there is, to be refined.
    #[must_use]
    pub fn plain(frame_type: FrameType, length: usize) -> Self {
        Self {
            symbols: Symbols::Octets,
            asm: None,
            randomizer: None,
            reed_solomon: None,
            convolutional: None,
            frame: FrameParameters {
                frame_type,
                length,
                scid: None,
                fecf: Fecf::None,
                ocf: false,
                insert_zone: 0,
            },
            channels: Vec::new(),
            packet: PacketParameters::default(),
        }
    }

    /// What a virtual channel carries.
    #[must_use]
    pub fn service(&self, vcid: u8) -> Service {
        self.channels.iter().find(|channel| channel.vcid == vcid).map_or(Service::MPdu, |c| c.service)
    }

    /// Octets of a frame with its parity, without the marker.
    #[must_use]
    pub fn block_length(&self) -> usize {
        let parity = self.reed_solomon.map_or(0, |rs| rs.interleave * rs.code.parity_len());
        self.frame.length + parity
    }

    /// Octets of a frame with its marker and its parity: from one marker to the next.
    #[must_use]
    pub fn unit_length(&self) -> usize {
        self.asm.as_ref().map_or(0, |marker| marker.asm.len()) + self.block_length()
    }

    /// Whether frames may begin at any bit of the input; offsets then count bits.
    #[must_use]
    pub fn is_bitwise(&self) -> bool {
        self.convolutional.is_some()
            || self.symbols != Symbols::Octets
            || self.asm.as_ref().is_some_and(|marker| marker.alignment == Alignment::Bit)
    }
}
