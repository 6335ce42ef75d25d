//! Any one of the time codes, in the format that a link manages or that its P-field tells.

use super::{AsciiA, AsciiB, Ccs, CcsFormat, Cds, CdsFormat, Cuc, CucFormat, Time, TimeError, Utc, take};

/// A time code and its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeCode {
    /// Unsegmented.
    Cuc(CucFormat),
    /// Day segmented.
    Cds(CdsFormat),
    /// Calendar segmented.
    Ccs(CcsFormat),
    /// ASCII code A, so many characters.
    AsciiA(usize),
    /// ASCII code B, so many characters.
    AsciiB(usize),
    /// Whatever binary code the P-field in front of it tells; counts of the agency's begin at this instant.
    PField(Time),
}

impl TimeCode {
    /// Reads the time code at the start of these octets.
    ///
    /// # Errors
    /// Cut short, or no time of that code.
    pub fn decode(&self, octets: &[u8]) -> Result<Utc, TimeError> {
        match self {
            Self::Cuc(format) => Ok(Cuc::parse(octets, format)?.time(format).into()),
            Self::Cds(format) => Cds::parse(octets, format)?.utc(format),
            Self::Ccs(format) => Ok(Ccs::parse(octets, format)?.0),
            Self::AsciiA(length) => Ok(AsciiA::parse(take(octets, *length)?)?.0),
            Self::AsciiB(length) => Ok(AsciiB::parse(take(octets, *length)?)?.0),
            Self::PField(agency_epoch) => {
                let (code, length) = Self::from_p_field(octets, *agency_epoch)?;
                code.decode(&octets[length..])
            }
        }
    }

    /// The code that a P-field tells, and the octets of the P-field.
    ///
    /// # Errors
    /// Cut short, or none of CUC, CDS and CCS.
    pub fn from_p_field(octets: &[u8], agency_epoch: Time) -> Result<(Self, usize), TimeError> {
        let first = take(octets, 1)?[0];
        match first >> 4 & 7 {
            1 | 2 => {
                CucFormat::parse(octets, agency_epoch).map(|(format, length)| (Self::Cuc(format), length))
            }
            4 => CdsFormat::parse(octets, agency_epoch).map(|format| (Self::Cds(format), 1)),
            5 => CcsFormat::parse(octets).map(|format| (Self::Ccs(format), 1)),
            _ => Err(TimeError::PField(first)),
        }
    }

    /// Appends the code of an instant; [`TimeCode::PField`] writes CUC 4 + 3 with its P-field in front.
    ///
    /// # Errors
    /// The code cannot name the instant.
    pub fn encode(&self, utc: Utc, out: &mut Vec<u8>) -> Result<(), TimeError> {
        match self {
            Self::Cuc(format) => Cuc::from_time(utc.into(), format)?.write(format, out),
            Self::Cds(format) => Cds::from_utc(utc, format)?.write(format, out),
            Self::Ccs(format) => Ccs(utc).write(format, out),
            Self::AsciiA(length) => AsciiA(utc).write(decimals(*length, 20)?, out),
            Self::AsciiB(length) => AsciiB(utc).write(decimals(*length, 18)?, out),
            Self::PField(epoch) => {
                let epoch = if *epoch == Time::CCSDS_EPOCH {
                    super::Epoch::Ccsds
                } else {
                    super::Epoch::Agency(*epoch)
                };
                let format = CucFormat { epoch, coarse: 4, fine: 3 };
                let cuc = Cuc::from_time(utc.into(), &format)?;
                format.write(out)?;
                cuc.write(&format, out)
            }
        }
    }
}

/// Decimals in a text of this length, of which `whole` characters hold none.
fn decimals(length: usize, whole: usize) -> Result<u8, TimeError> {
    match length.checked_sub(whole) {
        Some(0) => Ok(0),
        Some(point @ 2..=13) => Ok(point as u8 - 1),
        _ => Err(TimeError::Range { field: "characters", value: length as u64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_encodes_what_it_decodes() {
        let utc = AsciiA::parse(b"2026-11-23T06:30:00.125Z").unwrap().0;
        let gps = Time::from(AsciiA::parse(b"1980-01-06T00:00:00Z").unwrap().0);
        for code in [
            TimeCode::Cuc(CucFormat { epoch: super::super::Epoch::Agency(gps), coarse: 4, fine: 2 }),
            TimeCode::Cds(CdsFormat::parse(&[0x41], gps).unwrap()),
            TimeCode::Ccs(CcsFormat::parse(&[0x52]).unwrap()),
            TimeCode::AsciiA(24),
            TimeCode::AsciiB(22),
            TimeCode::PField(Time::CCSDS_EPOCH),
            TimeCode::PField(gps),
        ] {
            let mut octets = Vec::new();
            code.encode(utc, &mut octets).unwrap();
            assert_eq!(code.decode(&octets).unwrap(), utc, "{code:?}");
            for cut in 0..octets.len() {
                assert!(code.decode(&octets[..cut]).is_err(), "{code:?} {cut}");
            }
        }
    }
}
