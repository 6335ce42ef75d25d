//! USLP transfer frame (CCSDS 732.1-B-3 §4.1): primary header of 4 to 14 octets, insert zone, data field with
//! its own header, OCF, FECF; and the truncated frame of annex D.

use super::{FirstHeader, FrameError, OCF_LENGTH, TFVN_USLP, fits, version};

/// The primary header (§4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UslpHeader {
    /// Spacecraft identifier, 16 bits.
    pub scid: u16,
    /// The identifier names the destination of the frame, not its source.
    pub destination: bool,
    /// Virtual channel identifier, 6 bits; 63 carries only idle data.
    pub vcid: u8,
    /// Multiplexer access point identifier, 4 bits.
    pub map: u8,
    /// What follows where the header is not truncated.
    pub body: Option<UslpBody>,
}

/// The part of the primary header that a truncated frame lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UslpBody {
    /// Octets of the whole frame, 1 to 65536. The field holds one less.
    pub length: usize,
    /// Bypass / sequence control flag: true for expedited.
    pub bypass: bool,
    /// The data field carries a protocol control command.
    pub control_command: bool,
    /// An OCF follows the data field.
    pub ocf: bool,
    /// Octets of the virtual channel frame count, 0 to 7.
    pub count_length: u8,
    /// Virtual channel frame count.
    pub vcfc: u64,
}

impl UslpHeader {
    /// Octets of the truncated header.
    pub const TRUNCATED_LENGTH: usize = 4;
    /// Octets of the header before the virtual channel frame count.
    pub const FIXED_LENGTH: usize = 7;
    /// The virtual channel of frames that carry only idle data.
    pub const OID_VCID: u8 = 63;

    /// Octets that this header takes.
    #[must_use]
    pub const fn length(&self) -> usize {
        match self.body {
            None => Self::TRUNCATED_LENGTH,
            Some(body) => Self::FIXED_LENGTH + body.count_length as usize,
        }
    }

    /// Reads the header at the start of a frame.
    ///
    /// # Errors
    /// Too short, or not a USLP frame.
    pub fn parse(octets: &[u8]) -> Result<Self, FrameError> {
        let too_short = |need| FrameError::TooShort { need, have: octets.len() };
        let Some(first) = octets.first_chunk().map(|four| u32::from_be_bytes(*four)) else {
            return Err(too_short(Self::TRUNCATED_LENGTH));
        };
        if first >> 28 != u32::from(TFVN_USLP) {
            return Err(FrameError::Version { expected: TFVN_USLP, found: version(octets[0]) });
        }
        let body = if first & 1 == 0 {
            let Some(&[.., high, low, flags]) = octets.first_chunk::<7>() else {
                return Err(too_short(Self::FIXED_LENGTH));
            };
            let count_length = flags & 7;
            let end = Self::FIXED_LENGTH + usize::from(count_length);
            let count = octets.get(Self::FIXED_LENGTH..end).ok_or_else(|| too_short(end))?;
            Some(UslpBody {
                length: usize::from(u16::from_be_bytes([high, low])) + 1,
                bypass: flags & 0x80 != 0,
                control_command: flags & 0x40 != 0,
                ocf: flags & 0x08 != 0,
                count_length,
                vcfc: count.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)),
            })
        } else {
            None
        };
        Ok(Self {
            scid: (first >> 12) as u16,
            destination: first >> 11 & 1 != 0,
            vcid: (first >> 5 & 0x3F) as u8,
            map: (first >> 1 & 0x0F) as u8,
            body,
        })
    }

    /// Appends this header.
    ///
    /// # Errors
    /// A field holds more than its bits; nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        fits("vcid", self.vcid.into(), 6)?;
        fits("MAP", self.map.into(), 4)?;
        if let Some(body) = &self.body {
            fits("virtual channel frame count length", body.count_length.into(), 3)?;
            fits("vcfc", body.vcfc, u32::from(body.count_length) * 8)?;
            fits("frame length", (body.length as u64).wrapping_sub(1), 16)?;
        }
        let first = u32::from(TFVN_USLP) << 28
            | u32::from(self.scid) << 12
            | u32::from(self.destination) << 11
            | u32::from(self.vcid) << 5
            | u32::from(self.map) << 1
            | u32::from(self.body.is_none());
        out.extend(first.to_be_bytes());
        if let Some(body) = &self.body {
            out.extend(((body.length - 1) as u16).to_be_bytes());
            out.push(
                u8::from(body.bypass) << 7
                    | u8::from(body.control_command) << 6
                    | u8::from(body.ocf) << 3
                    | body.count_length,
            );
            out.extend(&body.vcfc.to_be_bytes()[8 - usize::from(body.count_length)..]);
        }
        Ok(())
    }
}

/// TFDZ construction rule (§4.1.4.2.2): how the data zone is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// Packets, which may span frames; a first header pointer follows.
    SpanningPackets = 0,
    /// A MAPA or VCA service data unit starts; a last valid octet pointer follows.
    StartOfSdu = 1,
    /// It goes on; a last valid octet pointer follows.
    ContinuedSdu = 2,
    /// A stream of octets.
    OctetStream = 3,
    /// The first segment of a data unit.
    StartingSegment = 4,
    /// A segment in the middle.
    ContinuingSegment = 5,
    /// The last segment.
    LastSegment = 6,
    /// Whole data units.
    NoSegmentation = 7,
}

impl Rule {
    const ALL: [Self; 8] = [
        Self::SpanningPackets,
        Self::StartOfSdu,
        Self::ContinuedSdu,
        Self::OctetStream,
        Self::StartingSegment,
        Self::ContinuingSegment,
        Self::LastSegment,
        Self::NoSegmentation,
    ];

    /// Whether a pointer of 16 bits follows the rule.
    #[must_use]
    pub const fn has_pointer(self) -> bool {
        (self as u8) < Self::OctetStream as u8
    }
}

/// USLP protocol identifier, five bits, as registered with SANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upid(pub u8);

impl Upid {
    /// Space packets or encapsulation packets.
    pub const PACKETS: Self = Self(0);
    /// A MAPA service data unit of the mission.
    pub const MAPA_SDU: Self = Self(5);
    /// Only idle data.
    pub const IDLE: Self = Self(31);
}

/// The managed parts of a USLP frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UslpLayout {
    /// Octets of the insert zone.
    pub insert_zone: usize,
    /// Octets of the FECF.
    pub fecf: usize,
    /// Octets of a truncated frame, where the link has them (annex D).
    pub truncated_length: Option<usize>,
}

/// A USLP frame whose parts are known to fit.
#[derive(Clone, Copy, Debug)]
pub struct UslpFrame<'a> {
    header: UslpHeader,
    insert_zone: &'a [u8],
    rule: Rule,
    upid: Upid,
    pointer: Option<u16>,
    zone: &'a [u8],
    ocf: Option<[u8; OCF_LENGTH]>,
}

impl<'a> UslpFrame<'a> {
    /// Looks at one frame, which must be as long as its header says.
    ///
    /// A truncated frame has neither insert zone, nor OCF, nor FECF; its length is managed, and where none is
    /// managed all of the octets are taken for the frame.
    ///
    /// # Errors
    /// Not USLP, of another length than declared, or too short for its parts.
    pub fn new(octets: &'a [u8], layout: &UslpLayout) -> Result<Self, FrameError> {
        let header = UslpHeader::parse(octets)?;
        let have = octets.len();
        let (insert, trailer, ocf) = match header.body {
            Some(body) => {
                let ocf = if body.ocf { OCF_LENGTH } else { 0 };
                (layout.insert_zone, layout.fecf + ocf, body.ocf)
            }
            None => (0, 0, false),
        };
        let declared = match header.body {
            Some(body) => body.length,
            None => layout.truncated_length.unwrap_or(have),
        };
        if declared != have {
            return Err(FrameError::Length { declared, actual: have });
        }
        let lead = header.length() + insert;
        let need = lead + 1 + trailer;
        if need > have {
            return Err(FrameError::TooShort { need, have });
        }
        let (field, rest) = octets[lead..].split_at(have - lead - trailer);
        let rule = Rule::ALL[usize::from(field[0] >> 5)];
        let (pointer, zone) = match field {
            [_, high, low, zone @ ..] if rule.has_pointer() => {
                (Some(u16::from_be_bytes([*high, *low])), zone)
            }
            _ if rule.has_pointer() => return Err(FrameError::TooShort { need: need + 2, have }),
            _ => (None, &field[1..]),
        };
        Ok(Self {
            header,
            insert_zone: &octets[lead - insert..lead],
            rule,
            upid: Upid(field[0] & 0x1F),
            pointer,
            zone,
            ocf: if ocf { rest.first_chunk().copied() } else { None },
        })
    }

    /// The primary header.
    #[must_use]
    pub const fn header(&self) -> &UslpHeader {
        &self.header
    }

    /// The insert zone, empty where there is none.
    #[must_use]
    pub const fn insert_zone(&self) -> &'a [u8] {
        self.insert_zone
    }

    /// How the data zone is filled.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// The protocol in the data zone.
    #[must_use]
    pub const fn upid(&self) -> Upid {
        self.upid
    }

    /// First header pointer or last valid octet pointer, as the rule has it.
    #[must_use]
    pub const fn pointer(&self) -> Option<u16> {
        self.pointer
    }

    /// The pointer of rule 000; `None` under another rule.
    #[must_use]
    pub const fn first_header(&self) -> Option<FirstHeader> {
        match (self.rule, self.pointer) {
            (Rule::SpanningPackets, Some(0xFFFF)) => Some(FirstHeader::None),
            (Rule::SpanningPackets, Some(at)) => Some(FirstHeader::At(at as usize)),
            _ => None,
        }
    }

    /// The transfer frame data zone.
    #[must_use]
    pub const fn zone(&self) -> &'a [u8] {
        self.zone
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

    const HEADER: UslpHeader = UslpHeader {
        scid: 0xBEEF,
        destination: true,
        vcid: 33,
        map: 9,
        body: Some(UslpBody {
            length: 24,
            bypass: true,
            control_command: false,
            ocf: true,
            count_length: 3,
            vcfc: 0x01_02_03,
        }),
    };

    fn frame() -> Vec<u8> {
        let mut octets = Vec::new();
        HEADER.write(&mut octets).unwrap();
        octets.extend([0x11, 0x22, 0x00, 0xFF, 0xFF, 1, 2, 3]); // insert zone, rule 0, pointer, zone
        octets.extend([0xC0, 0xC1, 0xC2, 0xC3, 0xFE, 0xCF]);
        octets
    }

    #[test]
    fn header_and_view_round_trip() {
        let octets = frame();
        let layout = UslpLayout { insert_zone: 2, fecf: 2, truncated_length: None };
        let view = UslpFrame::new(&octets, &layout).unwrap();
        assert_eq!(*view.header(), HEADER);
        assert_eq!(view.insert_zone(), [0x11, 0x22]);
        assert_eq!((view.rule(), view.upid()), (Rule::SpanningPackets, Upid::PACKETS));
        assert_eq!(view.first_header(), Some(FirstHeader::None));
        assert_eq!(view.zone(), [1, 2, 3]);
        assert_eq!(view.ocf(), Some([0xC0, 0xC1, 0xC2, 0xC3]));
    }

    #[test]
    fn declared_length_must_be_the_length() {
        let octets = frame();
        let layout = UslpLayout { insert_zone: 2, fecf: 2, truncated_length: None };
        for length in 0..octets.len() {
            assert!(UslpFrame::new(&octets[..length], &layout).is_err(), "{length}");
        }
    }

    #[test]
    fn truncated_frame_has_a_managed_length() {
        let header = UslpHeader { body: None, ..HEADER };
        let mut octets = Vec::new();
        header.write(&mut octets).unwrap();
        octets.extend([0xE5, 7, 8]);
        let layout = UslpLayout { insert_zone: 2, fecf: 2, truncated_length: Some(7) };
        let view = UslpFrame::new(&octets, &layout).unwrap();
        assert_eq!(*view.header(), header);
        assert_eq!((view.rule(), view.upid(), view.zone()), (Rule::NoSegmentation, Upid(5), &[7, 8][..]));
        let layout = UslpLayout { truncated_length: Some(8), ..layout };
        assert_eq!(
            UslpFrame::new(&octets, &layout).unwrap_err(),
            FrameError::Length { declared: 8, actual: 7 }
        );
    }
}
