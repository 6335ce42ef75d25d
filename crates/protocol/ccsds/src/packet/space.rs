//! Space packet (CCSDS 133.0-B-2 §4.1): primary header of six octets and a data field of 1 to 65536.

use super::{PVN_SPACE, PacketError};

/// Packet type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// Telemetry, 0.
    Telemetry = 0,
    /// Telecommand, 1.
    Telecommand = 1,
}

/// Sequence flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SequenceFlags {
    /// Continuation segment of user data.
    Continuation = 0,
    /// First segment.
    First = 1,
    /// Last segment.
    Last = 2,
    /// Unsegmented user data.
    Unsegmented = 3,
}

/// The primary header (§4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceHeader {
    /// Packet type.
    pub packet_type: PacketType,
    /// A secondary header opens the data field.
    pub secondary_header: bool,
    /// Application process identifier, 11 bits.
    pub apid: u16,
    /// Sequence flags.
    pub sequence_flags: SequenceFlags,
    /// Sequence count, or name, 14 bits.
    pub sequence_count: u16,
    /// Octets of the data field, 1 to 65536. The field holds one less.
    pub data_length: usize,
}

impl SpaceHeader {
    /// Octets of the primary header.
    pub const LENGTH: usize = 6;
    /// The APID of idle packets.
    pub const IDLE_APID: u16 = 0x7FF;
    /// The longest packet.
    pub const PACKET_MAX: usize = Self::LENGTH + 65536;

    /// Reads the header at the start of a packet.
    ///
    /// # Errors
    /// Too short, or not a space packet.
    pub fn parse(octets: &[u8]) -> Result<Self, PacketError> {
        let Some(&[a, b, c, d, e, f]) = octets.first_chunk() else {
            return Err(PacketError::TooShort { need: Self::LENGTH, have: octets.len() });
        };
        if a >> 5 != PVN_SPACE {
            return Err(PacketError::Version { expected: PVN_SPACE, found: a >> 5 });
        }
        Ok(Self {
            packet_type: if a & 0x10 == 0 { PacketType::Telemetry } else { PacketType::Telecommand },
            secondary_header: a & 0x08 != 0,
            apid: u16::from_be_bytes([a & 7, b]),
            sequence_flags: match c >> 6 {
                0 => SequenceFlags::Continuation,
                1 => SequenceFlags::First,
                2 => SequenceFlags::Last,
                _ => SequenceFlags::Unsegmented,
            },
            sequence_count: u16::from_be_bytes([c & 0x3F, d]),
            data_length: usize::from(u16::from_be_bytes([e, f])) + 1,
        })
    }

    /// The six octets of this header.
    ///
    /// # Errors
    /// A field holds more than its bits, or the data field would be empty.
    pub fn to_octets(&self) -> Result<[u8; Self::LENGTH], PacketError> {
        let range = |field, value: u64, max| {
            if value <= max { Ok(()) } else { Err(PacketError::Range { field, value, max }) }
        };
        range("apid", self.apid.into(), 0x7FF)?;
        range("sequence count", self.sequence_count.into(), 0x3FFF)?;
        range("packet data length", (self.data_length as u64).wrapping_sub(1), 0xFFFF)?;
        let [a, b] = ((self.packet_type as u16) << 12 | u16::from(self.secondary_header) << 11 | self.apid)
            .to_be_bytes();
        let [c, d] = ((self.sequence_flags as u16) << 14 | self.sequence_count).to_be_bytes();
        let [e, f] = ((self.data_length - 1) as u16).to_be_bytes();
        Ok([a, b, c, d, e, f])
    }

    /// Octets of the whole packet.
    #[must_use]
    pub const fn packet_length(&self) -> usize {
        Self::LENGTH + self.data_length
    }
}

/// One whole space packet.
#[derive(Clone, Copy, Debug)]
pub struct SpacePacket<'a> {
    header: SpaceHeader,
    octets: &'a [u8],
}

impl<'a> SpacePacket<'a> {
    /// Looks at the packet that starts here; what follows it is left out of the view.
    ///
    /// # Errors
    /// Not a space packet, or cut short.
    pub fn new(octets: &'a [u8]) -> Result<Self, PacketError> {
        let header = SpaceHeader::parse(octets)?;
        let need = header.packet_length();
        match octets.get(..need) {
            Some(octets) => Ok(Self { header, octets }),
            None => Err(PacketError::TooShort { need, have: octets.len() }),
        }
    }

    /// The primary header.
    #[must_use]
    pub const fn header(&self) -> &SpaceHeader {
        &self.header
    }

    /// The data field, secondary header included.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        &self.octets[SpaceHeader::LENGTH..]
    }

    /// The whole packet.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Whether it only fills (§4.1.3.3.4.4).
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.header.apid == SpaceHeader::IDLE_APID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_view_round_trip() {
        let header = SpaceHeader {
            packet_type: PacketType::Telecommand,
            secondary_header: true,
            apid: 0x5A5,
            sequence_flags: SequenceFlags::Last,
            sequence_count: 0x3FFE,
            data_length: 3,
        };
        let mut octets = header.to_octets().unwrap().to_vec();
        octets.extend([1, 2, 3, 4]);
        let packet = SpacePacket::new(&octets).unwrap();
        assert_eq!(*packet.header(), header);
        assert_eq!(packet.data(), [1, 2, 3]);
        assert!(!packet.is_idle());
        assert_eq!(SpacePacket::new(&octets[..8]).unwrap_err(), PacketError::TooShort { need: 9, have: 8 });
        assert!(SpaceHeader { data_length: 0, ..header }.to_octets().is_err());
        assert!(SpaceHeader { apid: 2048, ..header }.to_octets().is_err());
    }
}
