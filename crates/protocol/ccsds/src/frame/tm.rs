//! TM transfer frame (CCSDS 132.0-B-3 §4.1): primary header, secondary header, data field, OCF, FECF.

use super::{FirstHeader, FrameError, OCF_LENGTH, TFVN_TM, data_field, fits, primary_header};

/// Longest secondary header, its identification octet included (§4.1.3.2.3: six bits, total less one).
pub const SECONDARY_HEADER_MAX: usize = 64;

/// The primary header, six octets (§4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TmHeader {
    /// Spacecraft identifier, 10 bits.
    pub scid: u16,
    /// Virtual channel identifier, 3 bits.
    pub vcid: u8,
    /// An operational control field follows the data field.
    pub ocf: bool,
    /// Master channel frame count.
    pub mcfc: u8,
    /// Virtual channel frame count.
    pub vcfc: u8,
    /// A secondary header follows.
    pub secondary_header: bool,
    /// Synchronisation flag: false for packets, true for a VCA service data unit (§4.1.2.7.3).
    pub sync: bool,
    /// Packet order flag, reserved when `sync` is false.
    pub packet_order: bool,
    /// Segment length identifier, 2 bits; 3 wherever `sync` is false (§4.1.2.7.5).
    pub segment_length_id: u8,
    /// First header pointer, 11 bits; undefined when `sync` is true.
    pub first_header_pointer: u16,
}

impl TmHeader {
    /// Octets of the primary header.
    pub const LENGTH: usize = 6;

    /// Reads the header at the start of a frame.
    ///
    /// # Errors
    /// Too short, or not a TM frame.
    pub fn parse(octets: &[u8]) -> Result<Self, FrameError> {
        let [a, b, mcfc, vcfc, c, d] = primary_header(octets, TFVN_TM)?;
        Ok(Self {
            scid: u16::from(a & 0x3F) << 4 | u16::from(b >> 4),
            vcid: b >> 1 & 7,
            ocf: b & 1 != 0,
            mcfc,
            vcfc,
            secondary_header: c & 0x80 != 0,
            sync: c & 0x40 != 0,
            packet_order: c & 0x20 != 0,
            segment_length_id: c >> 3 & 3,
            first_header_pointer: u16::from(c & 7) << 8 | u16::from(d),
        })
    }

    /// The six octets of this header.
    ///
    /// # Errors
    /// A field holds more than its bits.
    pub fn to_octets(&self) -> Result<[u8; Self::LENGTH], FrameError> {
        fits("scid", self.scid.into(), 10)?;
        fits("vcid", self.vcid.into(), 3)?;
        fits("segment length identifier", self.segment_length_id.into(), 2)?;
        fits("first header pointer", self.first_header_pointer.into(), 11)?;
        let status = u16::from(self.secondary_header) << 15
            | u16::from(self.sync) << 14
            | u16::from(self.packet_order) << 13
            | u16::from(self.segment_length_id) << 11
            | self.first_header_pointer;
        let [c, d] = status.to_be_bytes();
        let [a, b] = (self.scid << 4 | u16::from(self.vcid) << 1 | u16::from(self.ocf)).to_be_bytes();
        Ok([a, b, self.mcfc, self.vcfc, c, d])
    }

    /// What the first header pointer says; only meaningful when `sync` is false.
    #[must_use]
    pub const fn first_header(&self) -> FirstHeader {
        FirstHeader::from_field(self.first_header_pointer)
    }
}

/// A TM frame whose parts are known to fit.
#[derive(Clone, Copy, Debug)]
pub struct TmFrame<'a> {
    header: TmHeader,
    secondary_header: &'a [u8],
    data: &'a [u8],
    ocf: Option<[u8; OCF_LENGTH]>,
}

impl<'a> TmFrame<'a> {
    /// Looks at one frame, `fecf` octets of error control at its end.
    ///
    /// # Errors
    /// Not TM, or too short for what its header announces.
    pub fn new(octets: &'a [u8], fecf: usize) -> Result<Self, FrameError> {
        let header = TmHeader::parse(octets)?;
        // §4.1.3.2: two bits of version, then the length less one; the version bits never count as length.
        let secondary = match octets.get(TmHeader::LENGTH) {
            Some(id) if header.secondary_header => usize::from(id & 0x3F) + 1,
            _ => usize::from(header.secondary_header),
        };
        let start = TmHeader::LENGTH + secondary;
        let (data, ocf) = data_field(octets, start, header.ocf, fecf)?;
        Ok(Self { header, secondary_header: &octets[TmHeader::LENGTH..start], data, ocf })
    }

    /// The primary header.
    #[must_use]
    pub const fn header(&self) -> &TmHeader {
        &self.header
    }

    /// The secondary header's data field, its identification octet left out; `None` where there is none.
    #[must_use]
    pub fn secondary_header(&self) -> Option<&'a [u8]> {
        self.secondary_header.get(1..)
    }

    /// The transfer frame data field.
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

    const HEADER: TmHeader = TmHeader {
        scid: 0x2AB,
        vcid: 5,
        ocf: true,
        mcfc: 9,
        vcfc: 7,
        secondary_header: true,
        sync: false,
        packet_order: false,
        segment_length_id: 3,
        first_header_pointer: 3,
    };

    /// A frame with a secondary header of three octets, version bits set, four octets of data, OCF and FECF.
    fn frame() -> Vec<u8> {
        let mut octets = HEADER.to_octets().unwrap().to_vec();
        octets.extend([0x42, 0xA1, 0xA2, 1, 2, 3, 4, 0xC0, 0xC1, 0xC2, 0xC3, 0xFE, 0xCF]);
        octets
    }

    #[test]
    fn header_and_view_round_trip() {
        let octets = frame();
        let view = TmFrame::new(&octets, 2).unwrap();
        assert_eq!(*view.header(), HEADER);
        assert_eq!(view.secondary_header(), Some(&[0xA1, 0xA2][..]));
        assert_eq!(view.data(), [1, 2, 3, 4]);
        assert_eq!(view.ocf(), Some([0xC0, 0xC1, 0xC2, 0xC3]));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let octets = frame();
        for length in 0..octets.len() {
            let fits = TmFrame::new(&octets[..length], 2).is_ok();
            assert_eq!(fits, length >= 15, "{length}");
        }
        let mut aos = octets.clone();
        aos[0] |= 0x40;
        assert_eq!(TmFrame::new(&aos, 2).unwrap_err(), FrameError::Version { expected: 0, found: 1 });
    }

    #[test]
    fn fields_too_big_are_refused() {
        assert!(TmHeader { scid: 1024, ..HEADER }.to_octets().is_err());
        assert!(TmHeader { vcid: 8, ..HEADER }.to_octets().is_err());
        assert!(TmHeader { first_header_pointer: 2048, ..HEADER }.to_octets().is_err());
    }
}
