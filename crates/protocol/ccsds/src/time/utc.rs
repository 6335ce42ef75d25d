//! UTC as days and the time of day, and the Gregorian calendar.

use core::fmt;

use super::{PICOSECONDS, Time, TimeError, at_most, leap, tai_minus_utc};

/// Seconds of a day without leap second.
pub(crate) const DAY: i64 = 86400;
/// From 1958-01-01 to 1970-01-01.
const DAYS_TO_UNIX: i64 = 4383;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year, as in the calendar; 0 is 1 BC.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
}

impl Date {
    pub(super) const fn new(year: i32, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// A day that exists.
    ///
    /// # Errors
    /// The calendar has no such day.
    pub fn checked(year: i32, month: u8, day: u8) -> Result<Self, TimeError> {
        let range = |field, value: u8| Err(TimeError::Range { field, value: value.into() });
        if month == 0 || month > 12 {
            return range("month", month);
        }
        let length = match month {
            2 => 28 + u8::from(is_leap_year(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day == 0 || day > length { range("day", day) } else { Ok(Self { year, month, day }) }
    }

    /// The day of a year, counted from 1.
    ///
    /// # Errors
    /// The year has fewer days.
    pub fn from_day_of_year(year: i32, day_of_year: u16) -> Result<Self, TimeError> {
        let days = 365 + u16::from(is_leap_year(year));
        if day_of_year == 0 || day_of_year > days {
            return Err(TimeError::Range { field: "day of year", value: day_of_year.into() });
        }
        Ok(Self::from_days(Self::new(year, 1, 1).days() + i64::from(day_of_year) - 1))
    }

    /// The day of the year, counted from 1.
    #[must_use]
    pub const fn day_of_year(self) -> u16 {
        (self.days() - Self::new(self.year, 1, 1).days() + 1) as u16
    }

    /// Days since 1958-01-01.
    #[must_use]
    pub const fn days(self) -> i64 {
        // Years counted from March, so that the leap day comes last; 400 years have 146097 days.
        let (year, month) = if self.month > 2 {
            (self.year as i64, self.month)
        } else {
            (self.year as i64 - 1, self.month + 12)
        };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * (month as i64 - 3) + 2) / 5 + self.day as i64 - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 + DAYS_TO_UNIX
    }

    /// The day so many days after 1958-01-01.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        let shifted = days - DAYS_TO_UNIX + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * from_march + 2) / 5 + 1) as u8;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        Self::new(year as i32, month as u8, day)
    }
}

const fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// A UTC day and the time in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    day: i64,
    second: u32,
    picoseconds: u64,
}

impl Utc {
    /// So many seconds and picoseconds into a day counted from 1958-01-01.
    ///
    /// # Errors
    /// Second 86400 on a day without leap second, or anything beyond.
    pub fn new(day: i64, second: u32, picoseconds: u64) -> Result<Self, TimeError> {
        let last = DAY as u64 - 1 + u64::from(leap::has_leap_second(day));
        at_most("second of day", second.into(), last)?;
        at_most("picosecond", picoseconds, PICOSECONDS - 1)?;
        at_most("day", day.unsigned_abs(), 400_000_000)?;
        Ok(Self { day, second, picoseconds })
    }

    /// A calendar day and the time of day.
    ///
    /// # Errors
    /// There is no such time: second 60 is there only where a leap second is.
    pub fn from_clock(
        date: Date,
        [hour, minute, second]: [u8; 3],
        picoseconds: u64,
    ) -> Result<Self, TimeError> {
        at_most("hour", hour.into(), 23)?;
        at_most("minute", minute.into(), 59)?;
        at_most("second", second.into(), if (hour, minute) == (23, 59) { 60 } else { 59 })?;
        let of_day = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
        Self::new(date.days(), of_day, picoseconds)
    }

    /// Days since 1958-01-01.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.day
    }

    /// Second of the day; 86400 is a leap second.
    #[must_use]
    pub const fn second_of_day(self) -> u32 {
        self.second
    }

    /// Picoseconds of the second.
    #[must_use]
    pub const fn picoseconds(self) -> u64 {
        self.picoseconds
    }

    /// The calendar day.
    #[must_use]
    pub const fn date(self) -> Date {
        Date::from_days(self.day)
    }

    /// Hour, minute, second; second 60 is a leap second.
    #[must_use]
    pub const fn clock(self) -> [u8; 3] {
        let ordinary = if self.second >= DAY as u32 { DAY as u32 - 1 } else { self.second };
        let extra = self.second - ordinary;
        [(ordinary / 3600) as u8, (ordinary / 60 % 60) as u8, (ordinary % 60 + extra) as u8]
    }

    /// Nanoseconds of the Unix epoch, leap seconds not counted; a leap second repeats the one after it. `None`
    /// outside the years 1677 to 2262.
    #[must_use]
    pub const fn unix_nanoseconds(self) -> Option<i64> {
        let seconds = (self.day - DAYS_TO_UNIX) * DAY + self.second as i64;
        let total = seconds as i128 * 1_000_000_000 + (self.picoseconds / 1000) as i128;
        if total < i64::MIN as i128 || total > i64::MAX as i128 { None } else { Some(total as i64) }
    }

    /// The instant of nanoseconds of the Unix epoch.
    #[must_use]
    pub const fn from_unix_nanoseconds(nanoseconds: i64) -> Self {
        let (seconds, fraction) =
            (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
        Self {
            day: seconds.div_euclid(DAY) + DAYS_TO_UNIX,
            second: seconds.rem_euclid(DAY) as u32,
            picoseconds: fraction as u64 * 1000,
        }
    }
}

impl From<Utc> for Time {
    fn from(utc: Utc) -> Self {
        let seconds = utc.day * DAY + i64::from(utc.second) + tai_minus_utc(utc.day);
        Self::from_tai(seconds, utc.picoseconds)
    }
}

impl From<Time> for Utc {
    fn from(time: Time) -> Self {
        // Far enough for any code, and no overflow below.
        let tai = time.tai_seconds().clamp(-30_000_000_000_000, 30_000_000_000_000);
        // The offset of the day that TAI names is at most one leap second away from the right one.
        let guess = tai.div_euclid(DAY);
        let mut day = guess;
        while tai - day * DAY - tai_minus_utc(day) < 0 {
            day -= 1;
        }
        let second = tai - day * DAY - tai_minus_utc(day);
        let length = DAY + i64::from(leap::has_leap_second(day));
        // Only in the ten seconds by which 1972 began anew can the second lie beyond its day.
        Self { day, second: second.min(length - 1) as u32, picoseconds: time.picoseconds() }
    }
}

/// ISO 8601 with as many groups of three decimals as it takes, none where the second is whole.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = self.date();
        let [hour, minute, second] = self.clock();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.picoseconds {
            0 => {}
            p if p % 1_000_000_000 == 0 => write!(f, ".{:03}", p / 1_000_000_000)?,
            p if p % 1_000_000 == 0 => write!(f, ".{:06}", p / 1_000_000)?,
            p if p % 1000 == 0 => write!(f, ".{:09}", p / 1000)?,
            p => write!(f, ".{p:012}")?,
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_round_trips_over_five_centuries() {
        for days in -100_000..100_000 {
            let date = Date::from_days(days);
            assert_eq!(date.days(), days);
            assert_eq!(Date::checked(date.year, date.month, date.day).unwrap(), date);
            assert_eq!(Date::from_day_of_year(date.year, date.day_of_year()).unwrap(), date);
        }
        assert_eq!(Date::new(1958, 1, 1).days(), 0);
        assert_eq!(Date::new(1970, 1, 1).days(), DAYS_TO_UNIX);
        assert!(Date::checked(1900, 2, 29).is_err());
    }

    #[test]
    fn leap_second_of_2016_is_a_second_of_its_own() {
        let before = Utc::from_clock(Date::new(2016, 12, 31), [23, 59, 59], 0).unwrap();
        let leap = Utc::from_clock(Date::new(2016, 12, 31), [23, 59, 60], 0).unwrap();
        let after = Utc::from_clock(Date::new(2017, 1, 1), [0, 0, 0], 0).unwrap();
        let tai = Time::from(before);
        assert_eq!(Time::from(leap), tai.plus(1, 0));
        assert_eq!(Time::from(after), tai.plus(2, 0));
        for utc in [before, leap, after] {
            assert_eq!(Utc::from(Time::from(utc)), utc);
        }
        assert_eq!(leap.to_string(), "2016-12-31T23:59:60Z");
        assert!(Utc::from_clock(Date::new(2017, 12, 31), [23, 59, 60], 0).is_err());
    }

    #[test]
    fn known_instants() {
        // GPS began 19 s behind TAI, on 1980-01-06.
        let gps = Utc::from_clock(Date::new(1980, 1, 6), [0, 0, 0], 0).unwrap();
        assert_eq!(Time::from(gps).tai_seconds(), 8040 * DAY + 19);
        assert_eq!(gps.unix_nanoseconds(), Some(315_964_800_000_000_000));
        assert_eq!(
            Utc::from_unix_nanoseconds(315_964_800_000_000_001).to_string(),
            "1980-01-06T00:00:00.000000001Z"
        );
        assert_eq!(Utc::from(Time::CCSDS_EPOCH).to_string(), "1958-01-01T00:00:00Z");
    }
}
