//! Packets and how they are put together: space packets (133.0-B-2), encapsulation packets (133.1-B-3), and
//! their assembly from the packet zones of frames.
//!
//! The three leading bits, the packet version number, tell the two kinds apart.

mod assembly;
mod encapsulation;
mod space;

pub use assembly::{Assembled, Assembler};
pub use encapsulation::{EncapsulationHeader, EncapsulationPacket, ProtocolId};
pub use space::{PacketType, SequenceFlags, SpaceHeader, SpacePacket};

use crate::reason::Reason;

/// Packet version number of a space packet.
pub const PVN_SPACE: u8 = 0;
/// Packet version number of an encapsulation packet.
pub const PVN_ENCAPSULATION: u8 = 7;

/// What the first octets of a packet tell of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many octets, header included.
    Known(usize),
    /// The length is told by the first so many octets.
    NeedsOctets(usize),
    /// This is no packet.
    Invalid(Reason),
}

/// Reads the length of the packet that starts here.
#[must_use]
#[inline]
pub fn extent(octets: &[u8]) -> Extent {
    match octets.first().map(|first| first >> 5) {
        None => Extent::NeedsOctets(1),
        Some(PVN_SPACE) => match octets.first_chunk::<6>() {
            Some(&[_, _, _, _, high, low]) => {
                Extent::Known(SpaceHeader::LENGTH + usize::from(u16::from_be_bytes([high, low])) + 1)
            }
            None => Extent::NeedsOctets(SpaceHeader::LENGTH),
        },
        Some(PVN_ENCAPSULATION) => encapsulation::extent(octets),
        Some(_) => Extent::Invalid(Reason::BadPacketVersion),
    }
}

/// What is wrong with the octets of a packet, or with the fields of one to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Fewer octets than the header says.
    #[error("{have} octets, {need} are needed")]
    TooShort {
        /// Octets needed.
        need: usize,
        /// Octets that there are.
        have: usize,
    },
    /// Another kind of packet.
    #[error("packet version number {found}, not {expected}")]
    Version {
        /// The version of this kind.
        expected: u8,
        /// The version in the octets.
        found: u8,
    },
    /// A value too big for its field.
    #[error("{field} {value} is more than {max}")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// The value given.
        value: u64,
        /// The largest value.
        max: u64,
    },
    /// The length field contradicts the header.
    #[error("a packet of {length} octets is no length for its header")]
    Length {
        /// Octets of the packet.
        length: u64,
    },
}

/// Whether this is an idle packet: APID 2047, or encapsulation protocol 0.
#[must_use]
#[inline]
pub fn is_idle(packet: &[u8]) -> bool {
    match packet {
        [a, b, ..] if a >> 5 == PVN_SPACE => a & 7 == 7 && *b == 0xFF,
        [a, ..] => a >> 5 == PVN_ENCAPSULATION && a >> 2 & 7 == 0,
        [] => false,
    }
}
