//! AOS transfer frame (CCSDS 732.0-B-5 §4.1; the 8-bit spacecraft identifier of issue B-4 too).
//!
//! Which optional parts there are is managed, not signalled: insert zone, header error control, OCF and FECF
//! come from the link's parameters.

use super::{FrameError, OCF_LENGTH, TFVN_AOS, data_field, fits, primary_header};

/// How wide the spacecraft identifier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScidBits {
    /// Issue B-4: eight bits, the two bits in the signalling field are spare.
    #[default]
    Eight,
    /// Issue B-5: two more bits in the signalling field.
    Ten,
}

/// The primary header, six octets without its error control (§4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AosHeader {
    /// Spacecraft identifier, 8 or 10 bits.
    pub scid: u16,
    /// Virtual channel identifier, 6 bits; 63 carries only idle data.
    pub vcid: u8,
    /// Virtual channel frame count, 24 bits.
    pub vcfc: u32,
    /// Replay flag.
    pub replay: bool,
    /// The frame count cycle below is in use.
    pub cycle_use: bool,
    /// Frame count cycle, 4 bits.
    pub cycle: u8,
}

impl AosHeader {
    /// Octets of the header without error control.
    pub const LENGTH: usize = 6;
    /// Octets of the frame header error control (§4.1.2.6).
    pub const FHEC_LENGTH: usize = 2;
    /// The virtual channel of frames that carry only idle data.
    pub const OID_VCID: u8 = 63;

    /// Reads the header at the start of a frame.
    ///
    /// # Errors
    /// Too short, or not an AOS frame.
    pub fn parse(octets: &[u8], scid_bits: ScidBits) -> Result<Self, FrameError> {
        let [a, b, c, d, e, signalling] = primary_header(octets, TFVN_AOS)?;
        let high = match scid_bits {
            ScidBits::Eight => 0,
            ScidBits::Ten => u16::from(signalling >> 4 & 3) << 8,
        };
        Ok(Self {
            scid: high | u16::from(a & 0x3F) << 2 | u16::from(b >> 6),
            vcid: b & 0x3F,
            vcfc: u32::from_be_bytes([0, c, d, e]),
            replay: signalling & 0x80 != 0,
            cycle_use: signalling & 0x40 != 0,
            cycle: signalling & 0x0F,
        })
    }

    /// The six octets of this header.
    ///
    /// # Errors
    /// A field holds more than its bits.
    pub fn to_octets(&self, scid_bits: ScidBits) -> Result<[u8; Self::LENGTH], FrameError> {
        fits("scid", self.scid.into(), if scid_bits == ScidBits::Ten { 10 } else { 8 })?;
        fits("vcid", self.vcid.into(), 6)?;
        fits("vcfc", self.vcfc.into(), 24)?;
        fits("frame count cycle", self.cycle.into(), 4)?;
        let [scid_high, scid_low] = self.scid.to_be_bytes();
        let [_, c, d, e] = self.vcfc.to_be_bytes();
        let signalling =
            u8::from(self.replay) << 7 | u8::from(self.cycle_use) << 6 | scid_high << 4 | self.cycle;
        Ok([TFVN_AOS << 6 | scid_low >> 2, scid_low << 6 | self.vcid, c, d, e, signalling])
    }

    /// The count that gap detection follows: 24 bits, or 28 where the cycle is in use.
    #[must_use]
    pub const fn extended_count(&self) -> (u64, u32) {
        if self.cycle_use {
            ((self.cycle as u64) << 24 | self.vcfc as u64, 28)
        } else {
            (self.vcfc as u64, 24)
        }
    }
}

/// An AOS frame whose parts are known to fit.
#[derive(Clone, Copy, Debug)]
pub struct AosFrame<'a> {
    header: AosHeader,
    insert_zone: &'a [u8],
    data: &'a [u8],
    ocf: Option<[u8; OCF_LENGTH]>,
}

/// The managed parts of an AOS frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AosLayout {
    /// Width of the spacecraft identifier.
    pub scid_bits: ScidBits,
    /// The header is followed by its error control.
    pub header_error_control: bool,
    /// Octets of the insert zone.
    pub insert_zone: usize,
    /// An OCF follows the data field.
    pub ocf: bool,
    /// Octets of the FECF.
    pub fecf: usize,
}

impl AosLayout {
    /// Octets in front of the data field.
    #[must_use]
    pub const fn lead(&self) -> usize {
        AosHeader::LENGTH
            + if self.header_error_control { AosHeader::FHEC_LENGTH } else { 0 }
            + self.insert_zone
    }

    /// Octets behind the data field.
    #[must_use]
    pub const fn trailer(&self) -> usize {
        self.fecf + if self.ocf { OCF_LENGTH } else { 0 }
    }
}

impl<'a> AosFrame<'a> {
    /// Looks at one frame laid out as managed.
    ///
    /// # Errors
    /// Not AOS, or too short for its managed parts.
    pub fn new(octets: &'a [u8], layout: &AosLayout) -> Result<Self, FrameError> {
        let header = AosHeader::parse(octets, layout.scid_bits)?;
        let lead = layout.lead();
        let (data, ocf) = data_field(octets, lead, layout.ocf, layout.fecf)?;
        Ok(Self { header, insert_zone: &octets[lead - layout.insert_zone..lead], data, ocf })
    }

    /// The primary header.
    #[must_use]
    pub const fn header(&self) -> &AosHeader {
        &self.header
    }

    /// The insert zone, empty where none is managed.
    #[must_use]
    pub const fn insert_zone(&self) -> &'a [u8] {
        self.insert_zone
    }

    /// The transfer frame data field: an M_PDU, a B_PDU or a VCA service data unit.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The operational control field.
    #[must_use]
    pub const fn ocf(&self) -> Option<[u8; OCF_LENGTH]> {
        self.ocf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: AosHeader =
        AosHeader { scid: 0x3A5, vcid: 42, vcfc: 0x00AB_CDEF, replay: true, cycle_use: true, cycle: 11 };

    #[test]
    fn ten_bits_of_scid_round_trip_and_eight_ignore_the_upper_two() {
        let octets = HEADER.to_octets(ScidBits::Ten).unwrap();
        assert_eq!(AosHeader::parse(&octets, ScidBits::Ten).unwrap(), HEADER);
        assert_eq!(AosHeader::parse(&octets, ScidBits::Eight).unwrap().scid, 0xA5);
        assert!(HEADER.to_octets(ScidBits::Eight).is_err());
        assert_eq!(HEADER.extended_count(), (0x0BAB_CDEF, 28));
    }

    #[test]
    fn managed_parts_are_cut_off() {
        let layout = AosLayout {
            scid_bits: ScidBits::Ten,
            header_error_control: true,
            insert_zone: 2,
            ocf: true,
            fecf: 2,
        };
        let mut octets = HEADER.to_octets(ScidBits::Ten).unwrap().to_vec();
        octets.extend([0xEC, 0xEC, 0x11, 0x22, 1, 2, 3, 0xC0, 0xC1, 0xC2, 0xC3, 0xFE, 0xCF]);
        let frame = AosFrame::new(&octets, &layout).unwrap();
        assert_eq!(frame.insert_zone(), [0x11, 0x22]);
        assert_eq!(frame.data(), [1, 2, 3]);
        assert_eq!(frame.ocf(), Some([0xC0, 0xC1, 0xC2, 0xC3]));
        assert!(AosFrame::new(&octets[..15], &layout).is_err());
    }
}
