//! CCSDS day segmented time code (301.0-B-4 §3.3): UTC days since an epoch, milliseconds of the day, and a
//! submillisecond part.

use super::{DAY, Epoch, Time, TimeError, Utc, at_most, read_uint, take, write_uint};

/// The part below the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Submillisecond {
    /// None.
    #[default]
    None,
    /// Microseconds of the millisecond, 16 bits.
    Microseconds,
    /// Picoseconds of the millisecond, 32 bits.
    Picoseconds,
}

/// What the P-field of a CDS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdsFormat {
    /// The day that is zero: 1958-01-01, or the UTC day of the agency's epoch.
    pub epoch: Epoch,
    /// Days take 24 bits, not 16.
    pub long_day: bool,
    /// The part below the millisecond.
    pub submillisecond: Submillisecond,
}

/// The T-field of a CDS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cds {
    /// Days since the epoch.
    pub day: u32,
    /// Milliseconds of the day; from 86 400 000 on it is a leap second.
    pub millisecond: u32,
    /// Microseconds or picoseconds of the millisecond, as the format has it.
    pub submillisecond: u32,
}

impl CdsFormat {
    const ID: u8 = 0b100;

    const fn day_octets(&self) -> usize {
        2 + self.long_day as usize
    }

    const fn submillisecond_octets(&self) -> usize {
        match self.submillisecond {
            Submillisecond::None => 0,
            Submillisecond::Microseconds => 2,
            Submillisecond::Picoseconds => 4,
        }
    }

    /// Octets of the T-field.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.day_octets() + 4 + self.submillisecond_octets()
    }

    /// Reads the P-field, one octet.
    ///
    /// # Errors
    /// Cut short, or not a CDS.
    pub fn parse(octets: &[u8], agency_epoch: Time) -> Result<Self, TimeError> {
        let p = take(octets, 1)?[0];
        let submillisecond = match p & 3 {
            0 => Submillisecond::None,
            1 => Submillisecond::Microseconds,
            2 => Submillisecond::Picoseconds,
            _ => return Err(TimeError::PField(p)),
        };
        if p >> 4 != Self::ID {
            return Err(TimeError::PField(p));
        }
        Ok(Self { epoch: Epoch::from_bit(p & 8 != 0, agency_epoch), long_day: p & 4 != 0, submillisecond })
    }

    /// The P-field.
    #[must_use]
    pub const fn p_field(&self) -> u8 {
        let agency = matches!(self.epoch, Epoch::Agency(_)) as u8;
        Self::ID << 4 | agency << 3 | (self.long_day as u8) << 2 | self.submillisecond as u8
    }

    /// The day that is zero, counted from 1958-01-01.
    fn first_day(&self) -> i64 {
        Utc::from(self.epoch.time()).day()
    }
}

impl Cds {
    /// Reads the T-field.
    ///
    /// # Errors
    /// Cut short, or a time that no day has.
    pub fn parse(octets: &[u8], format: &CdsFormat) -> Result<Self, TimeError> {
        let (day, rest) = take(octets, format.length())?.split_at(format.day_octets());
        let (millisecond, sub) = rest.split_at(4);
        let cds = Self {
            day: read_uint(day) as u32,
            millisecond: read_uint(millisecond) as u32,
            submillisecond: read_uint(sub) as u32,
        };
        cds.check(format)?;
        Ok(cds)
    }

    /// Appends the T-field.
    ///
    /// # Errors
    /// A field out of range.
    pub fn write(&self, format: &CdsFormat, out: &mut Vec<u8>) -> Result<(), TimeError> {
        self.check(format)?;
        write_uint(self.day.into(), format.day_octets(), out);
        write_uint(self.millisecond.into(), 4, out);
        write_uint(self.submillisecond.into(), format.submillisecond_octets(), out);
        Ok(())
    }

    fn check(&self, format: &CdsFormat) -> Result<(), TimeError> {
        at_most("day", self.day.into(), (1 << (8 * format.day_octets())) - 1)?;
        at_most("millisecond of day", self.millisecond.into(), (DAY as u64 + 1) * 1000 - 1)?;
        let max = match format.submillisecond {
            Submillisecond::None => 0,
            Submillisecond::Microseconds => 999,
            Submillisecond::Picoseconds => 999_999_999,
        };
        at_most("submillisecond", self.submillisecond.into(), max)
    }

    /// The instant.
    ///
    /// # Errors
    /// Second 86400 of a day that has no leap second.
    pub fn utc(&self, format: &CdsFormat) -> Result<Utc, TimeError> {
        let fraction = match format.submillisecond {
            Submillisecond::None => 0,
            Submillisecond::Microseconds => u64::from(self.submillisecond) * 1_000_000,
            Submillisecond::Picoseconds => u64::from(self.submillisecond),
        };
        let picoseconds = u64::from(self.millisecond % 1000) * 1_000_000_000 + fraction;
        Utc::new(format.first_day() + i64::from(self.day), self.millisecond / 1000, picoseconds)
    }

    /// The value that names this instant, or the unit before it.
    ///
    /// # Errors
    /// The day lies before the epoch, or too far after it.
    pub fn from_utc(utc: Utc, format: &CdsFormat) -> Result<Self, TimeError> {
        let day = u32::try_from(utc.day() - format.first_day())
            .map_err(|_| TimeError::Range { field: "day", value: utc.day().unsigned_abs() })?;
        let below = utc.picoseconds() % 1_000_000_000;
        let cds = Self {
            day,
            millisecond: utc.second_of_day() * 1000 + (utc.picoseconds() / 1_000_000_000) as u32,
            submillisecond: match format.submillisecond {
                Submillisecond::None => 0,
                Submillisecond::Microseconds => (below / 1_000_000) as u32,
                Submillisecond::Picoseconds => below as u32,
            },
        };
        cds.check(format)?;
        Ok(cds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Submillisecond::{Microseconds, None, Picoseconds};

    #[test]
    fn every_format_round_trips() {
        for (submillisecond, sub) in [(None, 0), (Microseconds, 999), (Picoseconds, 999_999_999)] {
            for long_day in [false, true] {
                for epoch in [Epoch::Ccsds, Epoch::Agency(Time::from_tai(1000 * DAY, 0))] {
                    let format = CdsFormat { epoch, long_day, submillisecond };
                    assert_eq!(CdsFormat::parse(&[format.p_field()], epoch.time()).unwrap(), format);
                    let cds = Cds { day: 0xFEDC, millisecond: 86_399_999, submillisecond: sub };
                    let mut octets = Vec::new();
                    cds.write(&format, &mut octets).unwrap();
                    assert_eq!(octets.len(), format.length());
                    assert_eq!(Cds::parse(&octets, &format).unwrap(), cds);
                    assert_eq!(Cds::from_utc(cds.utc(&format).unwrap(), &format).unwrap(), cds);
                }
            }
        }
    }

    #[test]
    fn known_instant_and_leap_second() {
        let format = CdsFormat { epoch: Epoch::Ccsds, long_day: false, submillisecond: Microseconds };
        // 2015-06-30 is day 20999; its last second is a leap second.
        let leap = Cds { day: 20999, millisecond: 86_400_500, submillisecond: 250 };
        assert_eq!(leap.utc(&format).unwrap().to_string(), "2015-06-30T23:59:60.500250Z");
        assert!(Cds { day: 20998, ..leap }.utc(&format).is_err());
        assert!(Cds::parse(&[0, 0, 0x05, 0x26, 0x5C, 0x01, 0, 0], &format).is_ok());
        assert!(Cds::parse(&[0, 0, 0xFF, 0, 0, 0, 0, 0], &format).is_err());
        assert_eq!(CdsFormat::parse(&[0x43], Time::CCSDS_EPOCH).unwrap_err(), TimeError::PField(0x43));
    }
}
