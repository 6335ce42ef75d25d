//! CCSDS unsegmented time code (301.0-B-4 §3.2): seconds since an epoch, in 1 to 7 octets, and a binary fraction
//! in 0 to 10.

use super::{Epoch, PICOSECONDS, Time, TimeError, at_most, read_uint, take, write_uint};

/// What the P-field of a CUC tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CucFormat {
    /// Where the count begins: TAI of 1958, or the agency's epoch.
    pub epoch: Epoch,
    /// Octets of whole seconds, 1 to 7.
    pub coarse: u8,
    /// Octets of the fraction, 0 to 10.
    pub fine: u8,
}

/// The T-field of a CUC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuc {
    /// Seconds since the epoch.
    pub coarse: u64,
    /// The fraction, in units of 2^(-8 n) for n octets.
    pub fine: u128,
}

impl CucFormat {
    const ID_CCSDS: u8 = 0b001;
    const ID_AGENCY: u8 = 0b010;

    /// Octets of the T-field.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.coarse as usize + self.fine as usize
    }

    /// Refuses octet counts that no P-field can name.
    ///
    /// # Errors
    /// Out of range.
    pub fn check(&self) -> Result<(), TimeError> {
        at_most("octets of coarse time", u64::from(self.coarse).wrapping_sub(1), 6)?;
        at_most("octets of fine time", self.fine.into(), 10)
    }

    /// Reads the P-field, one octet or two, and says how many.
    ///
    /// # Errors
    /// Cut short, or not a CUC.
    pub fn parse(octets: &[u8], agency_epoch: Time) -> Result<(Self, usize), TimeError> {
        let first = take(octets, 1)?[0];
        let epoch = match first >> 4 & 7 {
            Self::ID_CCSDS => Epoch::Ccsds,
            Self::ID_AGENCY => Epoch::Agency(agency_epoch),
            _ => return Err(TimeError::PField(first)),
        };
        let (mut coarse, mut fine) = ((first >> 2 & 3) + 1, first & 3);
        if first & 0x80 == 0 {
            return Ok((Self { epoch, coarse, fine }, 1));
        }
        let second = take(octets, 2)?[1];
        if second & 0x80 != 0 {
            return Err(TimeError::PField(second));
        }
        coarse += second >> 5 & 3;
        fine += second >> 2 & 7;
        Ok((Self { epoch, coarse, fine }, 2))
    }

    /// Appends the P-field, of two octets only where one does not do.
    ///
    /// # Errors
    /// Octet counts out of range.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), TimeError> {
        self.check()?;
        let id = if matches!(self.epoch, Epoch::Ccsds) { Self::ID_CCSDS } else { Self::ID_AGENCY };
        let (coarse, fine) = (self.coarse.min(4), self.fine.min(3));
        let (more_coarse, more_fine) = (self.coarse - coarse, self.fine - fine);
        let extended = more_coarse + more_fine > 0;
        out.push(u8::from(extended) << 7 | id << 4 | (coarse - 1) << 2 | fine);
        if extended {
            out.push(more_coarse << 5 | more_fine << 2);
        }
        Ok(())
    }
}

impl Cuc {
    /// Reads the T-field.
    ///
    /// # Errors
    /// Cut short.
    pub fn parse(octets: &[u8], format: &CucFormat) -> Result<Self, TimeError> {
        format.check()?;
        let (coarse, fine) = take(octets, format.length())?.split_at(usize::from(format.coarse));
        Ok(Self { coarse: read_uint(coarse) as u64, fine: read_uint(fine) })
    }

    /// Appends the T-field.
    ///
    /// # Errors
    /// The format has too few octets for the value.
    pub fn write(&self, format: &CucFormat, out: &mut Vec<u8>) -> Result<(), TimeError> {
        format.check()?;
        at_most("coarse time", self.coarse, (1 << (8 * format.coarse)) - 1)?;
        if self.fine >> (8 * format.fine) != 0 {
            return Err(TimeError::Range { field: "fine time", value: self.fine as u64 });
        }
        write_uint(self.coarse.into(), usize::from(format.coarse), out);
        write_uint(self.fine, usize::from(format.fine), out);
        Ok(())
    }

    /// The instant, to the picosecond below.
    #[must_use]
    pub fn time(&self, format: &CucFormat) -> Time {
        // The uppermost five octets of the fraction are finer than a picosecond.
        let (fine, bits) = match format.fine {
            more @ 6.. => (self.fine >> (8 * (more - 5)), 40),
            octets => (self.fine, 8 * u32::from(octets)),
        };
        // Rounded up where a unit is longer than a picosecond, so that the way back finds the same unit.
        let round = if bits < 40 { (1 << bits) - 1 } else { 0 };
        let picoseconds = (fine * u128::from(PICOSECONDS) + round) >> bits;
        format.epoch.time().plus(self.coarse as i64, picoseconds as u64)
    }

    /// The value that names this instant, or the unit before it.
    ///
    /// # Errors
    /// The instant lies before the epoch, or too far after it.
    pub fn from_time(time: Time, format: &CucFormat) -> Result<Self, TimeError> {
        format.check()?;
        let (seconds, picoseconds) = time.since(format.epoch.time());
        let coarse =
            u64::try_from(seconds).map_err(|_| TimeError::Range { field: "coarse time", value: 0 })?;
        at_most("coarse time", coarse, (1 << (8 * format.coarse)) - 1)?;
        let octets = format.fine.min(5);
        let fine = (u128::from(picoseconds) << (8 * octets)) / u128::from(PICOSECONDS);
        Ok(Self { coarse, fine: fine << (8 * (format.fine - octets)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_p_field_round_trips() {
        for coarse in 1..=7 {
            for fine in 0..=10 {
                for epoch in [Epoch::Ccsds, Epoch::Agency(Time::from_tai(7, 8))] {
                    let format = CucFormat { epoch, coarse, fine };
                    let mut octets = Vec::new();
                    format.write(&mut octets).unwrap();
                    let parsed = CucFormat::parse(&octets, Time::from_tai(7, 8)).unwrap();
                    assert_eq!(parsed, (format, octets.len()));
                    assert_eq!(octets.len(), if coarse > 4 || fine > 3 { 2 } else { 1 });
                }
            }
        }
        assert!(CucFormat::parse(&[0x41], Time::CCSDS_EPOCH).is_err());
        assert!(CucFormat::parse(&[0x9C], Time::CCSDS_EPOCH).is_err());
    }

    #[test]
    fn value_round_trips_through_octets_and_time() {
        for fine in 0..=5 {
            let format = CucFormat { epoch: Epoch::Ccsds, coarse: 4, fine };
            for value in [0u128, 1, 0x7F, 0xFF_FFFF_FFFF] {
                let cuc = Cuc { coarse: 0x8000_0001, fine: value & ((1 << (8 * fine)) - 1) };
                let mut octets = Vec::new();
                cuc.write(&format, &mut octets).unwrap();
                assert_eq!(octets.len(), format.length());
                assert_eq!(Cuc::parse(&octets, &format).unwrap(), cuc);
                // Five octets are finer than a picosecond: there the value may come back as a neighbour.
                let back = Cuc::from_time(cuc.time(&format), &format).unwrap();
                assert!(back.fine.abs_diff(cuc.fine) <= u128::from(fine == 5), "{back:?} {cuc:?}");
            }
        }
        let half = CucFormat { epoch: Epoch::Ccsds, coarse: 1, fine: 10 };
        let cuc = Cuc { coarse: 1, fine: 1 << 79 };
        assert_eq!(cuc.time(&half), Time::from_tai(1, PICOSECONDS / 2));
        assert_eq!(Cuc::from_time(cuc.time(&half), &half).unwrap(), cuc);
    }
}
