//! Encapsulation packet (CCSDS 133.1-B-3 §4.1): a header of 1, 2, 4 or 8 octets; its length field counts the
//! whole packet.

use super::{Extent, PVN_ENCAPSULATION, PacketError};
use crate::reason::Reason;

/// Encapsulation protocol identifier, three bits, as registered with SANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolId(pub u8);

impl ProtocolId {
    /// Idle packet.
    pub const IDLE: Self = Self(0);
    /// The protocol is named by the extension field.
    pub const EXTENSION: Self = Self(6);
    /// Mission-specific.
    pub const MISSION: Self = Self(7);
}

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncapsulationHeader {
    /// Protocol identifier.
    pub protocol: ProtocolId,
    /// Length of length, 2 bits: the length field has 0, 1, 2 or 4 octets.
    pub length_of_length: u8,
    /// User-defined field, 4 bits, in headers of 4 and 8 octets.
    pub user_defined: u8,
    /// Protocol identifier extension, 4 bits, in headers of 4 and 8 octets.
    pub extension: u8,
    /// CCSDS-defined field, in headers of 8 octets.
    pub ccsds_defined: u16,
    /// Octets of the packet, header included.
    pub packet_length: u32,
}

/// Octets of the header for each length of length.
const HEADER_LENGTH: [usize; 4] = [1, 2, 4, 8];

impl EncapsulationHeader {
    /// Octets of this header.
    #[must_use]
    pub const fn length(&self) -> usize {
        HEADER_LENGTH[(self.length_of_length & 3) as usize]
    }

    /// Reads the header at the start of a packet.
    ///
    /// # Errors
    /// Too short, not an encapsulation packet, or shorter than its header by its own length field.
    pub fn parse(octets: &[u8]) -> Result<Self, PacketError> {
        let have = octets.len();
        let Some(&first) = octets.first() else { return Err(PacketError::TooShort { need: 1, have }) };
        if first >> 5 != PVN_ENCAPSULATION {
            return Err(PacketError::Version { expected: PVN_ENCAPSULATION, found: first >> 5 });
        }
        let length_of_length = first & 3;
        let need = HEADER_LENGTH[usize::from(length_of_length)];
        let header = octets.get(..need).ok_or(PacketError::TooShort { need, have })?;
        let (user, ccsds_defined, packet_length) = match *header {
            [_, length] => (0, 0, u32::from(length)),
            [_, user, a, b] => (user, 0, u32::from(u16::from_be_bytes([a, b]))),
            [_, user, x, y, a, b, c, d] => {
                (user, u16::from_be_bytes([x, y]), u32::from_be_bytes([a, b, c, d]))
            }
            _ => (0, 0, 1),
        };
        if (packet_length as usize) < need {
            return Err(PacketError::Length { length: packet_length.into() });
        }
        Ok(Self {
            protocol: ProtocolId(first >> 2 & 7),
            length_of_length,
            user_defined: user >> 4,
            extension: user & 0x0F,
            ccsds_defined,
            packet_length,
        })
    }

    /// Appends this header.
    ///
    /// # Errors
    /// A field holds more than its bits, or has no place in a header of this size.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        let range = |field, value: u64, max| {
            if value <= max { Ok(()) } else { Err(PacketError::Range { field, value, max }) }
        };
        range("length of length", self.length_of_length.into(), 3)?;
        let (long, longest) = (self.length_of_length >= 2, self.length_of_length == 3);
        range("protocol identifier", self.protocol.0.into(), 7)?;
        range("user-defined field", self.user_defined.into(), if long { 15 } else { 0 })?;
        range("protocol identifier extension", self.extension.into(), if long { 15 } else { 0 })?;
        range("CCSDS-defined field", self.ccsds_defined.into(), if longest { 0xFFFF } else { 0 })?;
        let max = [1, 0xFF, 0xFFFF, u32::MAX][usize::from(self.length_of_length)];
        range("packet length", self.packet_length.into(), max.into())?;
        if (self.packet_length as usize) < self.length() {
            return Err(PacketError::Length { length: self.packet_length.into() });
        }
        out.push(PVN_ENCAPSULATION << 5 | self.protocol.0 << 2 | self.length_of_length);
        let user = self.user_defined << 4 | self.extension;
        let length = self.packet_length.to_be_bytes();
        match self.length_of_length {
            0 => {}
            1 => out.push(length[3]),
            2 => out.extend([user, length[2], length[3]]),
            _ => {
                out.push(user);
                out.extend(self.ccsds_defined.to_be_bytes());
                out.extend(length);
            }
        }
        Ok(())
    }
}

/// Reads the length of the encapsulation packet that starts here.
pub(super) fn extent(octets: &[u8]) -> Extent {
    match EncapsulationHeader::parse(octets) {
        Ok(header) => Extent::Known(header.packet_length as usize),
        Err(PacketError::TooShort { need, .. }) => Extent::NeedsOctets(need),
        Err(_) => Extent::Invalid(Reason::BadPacketLength),
    }
}

/// One whole encapsulation packet.
#[derive(Clone, Copy, Debug)]
pub struct EncapsulationPacket<'a> {
    header: EncapsulationHeader,
    octets: &'a [u8],
}

impl<'a> EncapsulationPacket<'a> {
    /// Looks at the packet that starts here; what follows it is left out of the view.
    ///
    /// # Errors
    /// Not an encapsulation packet, or cut short.
    pub fn new(octets: &'a [u8]) -> Result<Self, PacketError> {
        let header = EncapsulationHeader::parse(octets)?;
        let need = header.packet_length as usize;
        match octets.get(..need) {
            Some(octets) => Ok(Self { header, octets }),
            None => Err(PacketError::TooShort { need, have: octets.len() }),
        }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &EncapsulationHeader {
        &self.header
    }

    /// The encapsulated data unit.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        &self.octets[self.header.length()..]
    }

    /// Whether it only fills.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.header.protocol == ProtocolId::IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_headers_round_trip() {
        for length_of_length in 0..4 {
            let long = length_of_length >= 2;
            let header = EncapsulationHeader {
                protocol: ProtocolId(5),
                length_of_length,
                user_defined: if long { 9 } else { 0 },
                extension: if long { 3 } else { 0 },
                ccsds_defined: if length_of_length == 3 { 0xABCD } else { 0 },
                packet_length: if length_of_length == 0 { 1 } else { 11 },
            };
            let mut octets = Vec::new();
            header.write(&mut octets).unwrap();
            assert_eq!(octets.len(), header.length());
            octets.resize(header.packet_length as usize, 0x55);
            assert_eq!(extent(&octets[..header.length()]), Extent::Known(octets.len()));
            for cut in 1..header.length() {
                assert_eq!(extent(&octets[..cut]), Extent::NeedsOctets(header.length()));
            }
            octets.push(0xEE);
            let packet = EncapsulationPacket::new(&octets).unwrap();
            assert_eq!(*packet.header(), header);
            assert_eq!(packet.data().len(), header.packet_length as usize - header.length());
        }
    }

    #[test]
    fn shorter_than_its_header_is_refused() {
        assert_eq!(extent(&[0xE1, 1]), Extent::Invalid(Reason::BadPacketLength));
        assert_eq!(extent(&[0xE2, 0, 0, 3]), Extent::Invalid(Reason::BadPacketLength));
        assert_eq!(extent(&[0xE3, 0, 0, 0, 0, 0, 0, 7]), Extent::Invalid(Reason::BadPacketLength));
    }
}
