//! Time on the wall and since boot, in microseconds; RFC 3339 in UTC, written and read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Both clocks, read at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The clock on the wall; it may be set.
    pub wall: Time,
    /// Since boot, in microseconds; it never goes back (`CLOCK_MONOTONIC`).
    pub monotonic: u64,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Now {
        let read = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
        Now {
            wall: Time(i64::try_from(read(ClockId::CLOCK_REALTIME).as_micros()).unwrap_or(i64::MAX)),
            monotonic: u64::try_from(read(ClockId::CLOCK_MONOTONIC).as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// What is no time in the form `2026-11-25T15:51:02.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a time such as 2026-11-25T15:51:02.123456Z")]
pub struct TimeError;

/// Octets of `2026-11-25T15:51:02.123456Z`.
pub(crate) const WIDTH: usize = 27;

/// 1970-01-01 and 9999-12-31T23:59:59.999999: what has four digits of year.
const RANGE: (i64, i64) = (0, 253_402_300_799_999_999);

impl Time {
    /// The time as text; times outside of 1970 to 9999 are held at the ends.
    pub(crate) fn digits(self) -> [u8; WIDTH] {
        let at = self.0.clamp(RANGE.0, RANGE.1) as u64;
        let (seconds, micros) = (at / 1_000_000, (at % 1_000_000) as u32);
        let (days, of_day) = (seconds / 86_400, (seconds % 86_400) as u32);
        let (year, month, day) = date(days as u32);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |at: usize, count: usize, mut value: u32| {
            for place in (at..at + count).rev() {
                text[place] = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, of_day / 3600);
        put(14, 2, of_day / 60 % 60);
        put(17, 2, of_day % 60);
        put(20, 6, micros);
        text
    }

    /// Reads what [`Time::digits`] wrote.
    pub(crate) fn from_digits(text: &[u8]) -> Option<Time> {
        if text.len() != WIDTH || text[10] != b'T' || text[26] != b'Z' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            text[range].iter().try_fold(0u32, |value, octet| {
                octet.is_ascii_digit().then(|| value * 10 + u32::from(octet - b'0'))
            })
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Some(Time(seconds * 1_000_000 + i64::from(number(20..26)?)))
    }
}

/// Days since 1970 to year, month and day, by eras of 400 years that begin in March.
fn date(days: u32) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year + u32::from(month <= 2), month, day)
}

/// The other way round.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = year - u32::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    i64::from(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719_468
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Time, TimeError> {
        Time::from_digits(text.as_bytes()).ok_or(TimeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_798_761_599_999_999, "2026-12-31T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Time(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(micros)));
        }
        assert_eq!(Time(-5).to_string(), "1970-01-01T00:00:00.000000Z");
        for wrong in ["", "2026-12-31", "2026-13-01T00:00:00.000000Z", "2026-12-31T24:00:00.000000Z"] {
            assert_eq!(wrong.parse::<Time>(), Err(TimeError), "{wrong}");
        }
    }

    #[test]
    fn every_day_there_and_back() {
        for day in 0..100_000 {
            let time = Time(i64::from(day) * 86_400_000_000 + 1);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
