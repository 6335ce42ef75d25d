//! CCSDS calendar segmented time code (301.0-B-4 §3.4): UTC in binary-coded decimal.

use super::{Date, PICOSECONDS, TimeError, Utc, at_most, take};

/// How the day is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calendar {
    /// Month and day of the month.
    #[default]
    MonthDay,
    /// Day of the year.
    DayOfYear,
}

/// What the P-field of a CCS tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CcsFormat {
    /// How the day is told.
    pub calendar: Calendar,
    /// Octets below the second, two decimals each, 0 to 6.
    pub subseconds: u8,
}

/// The T-field of a CCS. It names an instant of UTC, so that is what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ccs(pub Utc);

impl CcsFormat {
    const ID: u8 = 0b101;

    /// Octets of the T-field.
    #[must_use]
    pub const fn length(&self) -> usize {
        7 + self.subseconds as usize
    }

    /// Reads the P-field, one octet.
    ///
    /// # Errors
    /// Cut short, or not a CCS.
    pub fn parse(octets: &[u8]) -> Result<Self, TimeError> {
        let p = take(octets, 1)?[0];
        if p >> 4 != Self::ID || p & 7 == 7 {
            return Err(TimeError::PField(p));
        }
        let calendar = if p & 8 == 0 { Calendar::MonthDay } else { Calendar::DayOfYear };
        Ok(Self { calendar, subseconds: p & 7 })
    }

    /// The P-field.
    ///
    /// # Errors
    /// More than six octets below the second.
    pub fn p_field(&self) -> Result<u8, TimeError> {
        at_most("octets of subseconds", self.subseconds.into(), 6)?;
        Ok(Self::ID << 4 | (self.calendar as u8) << 3 | self.subseconds)
    }
}

impl Ccs {
    /// Reads the T-field.
    ///
    /// # Errors
    /// Cut short, a digit above nine, or a time that does not exist.
    pub fn parse(octets: &[u8], format: &CcsFormat) -> Result<Self, TimeError> {
        at_most("octets of subseconds", format.subseconds.into(), 6)?;
        let octets = take(octets, format.length())?;
        let mut digits = [0u64; 13];
        for (offset, (digit, octet)) in digits.iter_mut().zip(octets).enumerate() {
            if octet >> 4 > 9 || octet & 15 > 9 {
                return Err(TimeError::Character { offset });
            }
            *digit = u64::from(octet >> 4) * 10 + u64::from(octet & 15);
        }
        let [century, year, a, b, hour, minute, second, ref below @ ..] = digits;
        let year = (century * 100 + year) as i32;
        let date = match format.calendar {
            Calendar::MonthDay => Date::checked(year, a as u8, b as u8)?,
            Calendar::DayOfYear => Date::from_day_of_year(year, (a * 100 + b) as u16)?,
        };
        let picoseconds = below.iter().fold(0, |value, two| value * 100 + two);
        Ok(Self(Utc::from_clock(date, [hour as u8, minute as u8, second as u8], picoseconds)?))
    }

    /// Appends the T-field, cut off below its last decimal.
    ///
    /// # Errors
    /// A year beyond 0 to 9999, or a format that does not exist.
    pub fn write(&self, format: &CcsFormat, out: &mut Vec<u8>) -> Result<(), TimeError> {
        format.p_field()?;
        let date = self.0.date();
        let year = u64::try_from(date.year).unwrap_or(u64::MAX);
        at_most("year", year, 9999)?;
        let (a, b) = match format.calendar {
            Calendar::MonthDay => (date.month.into(), date.day.into()),
            Calendar::DayOfYear => (u64::from(date.day_of_year()) / 100, u64::from(date.day_of_year()) % 100),
        };
        let [hour, minute, second] = self.0.clock().map(u64::from);
        let head = [year / 100, year % 100, a, b, hour, minute, second];
        let mut unit = PICOSECONDS;
        let below = (0..format.subseconds).map(|_| {
            unit /= 100;
            self.0.picoseconds() / unit % 100
        });
        out.extend(head.into_iter().chain(below).map(|two| ((two / 10) << 4 | (two % 10)) as u8));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_round_trips() {
        for calendar in [Calendar::MonthDay, Calendar::DayOfYear] {
            for subseconds in 0..=6 {
                let format = CcsFormat { calendar, subseconds };
                assert_eq!(CcsFormat::parse(&[format.p_field().unwrap()]).unwrap(), format);
                let unit = 100u64.pow(6 - u32::from(subseconds));
                let picoseconds = 123_456_789_012 / unit * unit;
                let date = Date::checked(2024, 2, 29).unwrap();
                let ccs = Ccs(Utc::from_clock(date, [21, 43, 5], picoseconds).unwrap());
                let mut octets = Vec::new();
                ccs.write(&format, &mut octets).unwrap();
                assert_eq!(octets.len(), format.length());
                assert_eq!(Ccs::parse(&octets, &format).unwrap(), ccs);
            }
        }
    }

    #[test]
    fn digits_and_dates_are_checked() {
        let format = CcsFormat::default();
        assert!(Ccs::parse(&[0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x59], &format).is_ok());
        assert!(Ccs::parse(&[0x20, 0x23, 0x02, 0x29, 0x23, 0x59, 0x59], &format).is_err());
        assert!(Ccs::parse(&[0x20, 0x24, 0x0A, 0x01, 0x00, 0x00, 0x00], &format).is_err());
    }
}
