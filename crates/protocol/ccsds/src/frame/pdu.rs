//! What stands in the data field: M_PDU and B_PDU (732.0-B-5 §4.1.4), and the pointers that TM and USLP share.

use super::{FrameError, fits};

/// Where the first packet header of a packet zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstHeader {
    /// At this octet of the zone.
    At(usize),
    /// No packet starts in this zone: it continues one.
    None,
    /// The zone holds only idle data.
    IdleOnly,
}

impl FirstHeader {
    /// The pointer of TM and of the M_PDU, 11 bits.
    #[must_use]
    pub const fn from_field(field: u16) -> Self {
        match field & 0x7FF {
            0x7FF => Self::None,
            0x7FE => Self::IdleOnly,
            at => Self::At(at as usize),
        }
    }

    /// The 11 bits of TM and of the M_PDU.
    ///
    /// # Errors
    /// The offset needs more than the field can tell.
    pub fn to_field(self) -> Result<u16, FrameError> {
        match self {
            Self::None => Ok(0x7FF),
            Self::IdleOnly => Ok(0x7FE),
            Self::At(at) if at < 0x7FE => Ok(at as u16),
            Self::At(at) => {
                Err(FrameError::Range { field: "first header pointer", value: at as u64, max: 0x7FD })
            }
        }
    }
}

/// Multiplexing protocol data unit: five spare bits, the first header pointer, the packet zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MPdu<'a> {
    /// First header pointer.
    pub first_header: FirstHeader,
    /// Packet zone.
    pub zone: &'a [u8],
}

impl<'a> MPdu<'a> {
    /// Octets of the header.
    pub const HEADER_LENGTH: usize = 2;

    /// Reads the data field of a frame.
    ///
    /// # Errors
    /// Shorter than the header.
    pub fn parse(data: &'a [u8]) -> Result<Self, FrameError> {
        let (field, zone) = split(data)?;
        Ok(Self { first_header: FirstHeader::from_field(field), zone })
    }
}

/// How much of a bitstream data zone is the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitstreamPointer {
    /// All of it.
    All,
    /// Nothing.
    IdleOnly,
    /// The bits up to and including this one, counted from zero.
    LastBit(u16),
}

/// Bitstream protocol data unit: two spare bits, the bitstream data pointer, the bitstream data zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BPdu<'a> {
    /// Bitstream data pointer.
    pub pointer: BitstreamPointer,
    /// Bitstream data zone.
    pub zone: &'a [u8],
}

impl<'a> BPdu<'a> {
    /// Octets of the header.
    pub const HEADER_LENGTH: usize = 2;

    /// Reads the data field of a frame.
    ///
    /// # Errors
    /// Shorter than the header.
    pub fn parse(data: &'a [u8]) -> Result<Self, FrameError> {
        let (field, zone) = split(data)?;
        let pointer = match field & 0x3FFF {
            0x3FFF => BitstreamPointer::All,
            0x3FFE => BitstreamPointer::IdleOnly,
            last => BitstreamPointer::LastBit(last),
        };
        Ok(Self { pointer, zone })
    }

    /// Bits of the user in the zone; `None` where the pointer points beyond it.
    #[must_use]
    pub const fn bits(&self) -> Option<usize> {
        let all = self.zone.len() * 8;
        match self.pointer {
            BitstreamPointer::All => Some(all),
            BitstreamPointer::IdleOnly => Some(0),
            BitstreamPointer::LastBit(last) if (last as usize) < all => Some(last as usize + 1),
            BitstreamPointer::LastBit(_) => None,
        }
    }
}

impl BitstreamPointer {
    /// The two octets of a B_PDU header.
    ///
    /// # Errors
    /// The bit number needs more than the field can tell.
    pub fn to_octets(self) -> Result<[u8; 2], FrameError> {
        let field = match self {
            Self::All => 0x3FFF,
            Self::IdleOnly => 0x3FFE,
            Self::LastBit(last) => {
                fits("bitstream data pointer", last.into(), 14)?;
                last
            }
        };
        Ok(field.to_be_bytes())
    }
}

fn split(data: &[u8]) -> Result<(u16, &[u8]), FrameError> {
    match data.split_first_chunk() {
        Some((&header, zone)) => Ok((u16::from_be_bytes(header), zone)),
        None => Err(FrameError::TooShort { need: 2, have: data.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_header_pointer_round_trips_and_ignores_spare_bits() {
        for field in 0..0x800 {
            assert_eq!(FirstHeader::from_field(field | 0xF800).to_field().unwrap(), field);
        }
        assert!(FirstHeader::At(0x7FE).to_field().is_err());
    }

    #[test]
    fn bitstream_pointer_names_the_last_valid_bit() {
        let bits = |header: [u8; 2]| {
            let data = [header[0], header[1], 0xAA, 0xBB];
            BPdu::parse(&data).unwrap().bits()
        };
        assert_eq!(bits(BitstreamPointer::All.to_octets().unwrap()), Some(16));
        assert_eq!(bits(BitstreamPointer::IdleOnly.to_octets().unwrap()), Some(0));
        assert_eq!(bits(BitstreamPointer::LastBit(0).to_octets().unwrap()), Some(1));
        assert_eq!(bits(BitstreamPointer::LastBit(15).to_octets().unwrap()), Some(16));
        assert_eq!(bits(BitstreamPointer::LastBit(16).to_octets().unwrap()), None);
    }
}
