//! When a calendar expression elapses next.

use jiff::civil::{Date, DateTime, Time};

use super::component::SECOND;
use super::{Calendar, EVERY_DAY, LAST_YEAR, TimeZone};

/// A clock on a wall is set back by less than this.
const SETBACK: i64 = 48 * 3600 * SECOND;

impl Calendar {
    /// The first time after `after` at which this elapses; both in microseconds since 1970, UTC. `local` is
    /// the zone of an expression that names none. None where it does not elapse up to the year 2199.
    pub fn next_after(&self, after: i64, local: &TimeZone) -> Option<i64> {
        let zone = self.zone.as_ref().unwrap_or(local);
        let mut from = after.checked_add(1)?.max(0);
        // Between two changes of the clock its offset stays the same: look through one such piece of time
        // after the other.
        loop {
            let piece = zone.piece_at(from)?;
            // An hour that was named has been, when the clock is set back to it.
            if from < piece.again_until && !self.hour.0.is_empty() {
                from = piece.again_until;
                continue;
            }
            let wall = date_time(from + piece.offset * SECOND)?;
            let found = micros(self.on_the_wall(wall)?) - piece.offset * SECOND;
            match piece.end {
                Some(end) if found >= end => from = end.max(found - SETBACK),
                _ => return Some(found),
            }
        }
    }

    /// The first time not before `from` that the fields match.
    fn on_the_wall(&self, from: DateTime) -> Option<DateTime> {
        let (date, time) = (from.date(), from.time());
        let today = self.date_from(date)?;
        if today == date
            && let Some(time) = self.time_from(time)
        {
            return Some(DateTime::from_parts(date, time));
        }
        let day = if today == date { self.date_from(date.tomorrow().ok()?)? } else { today };
        Some(DateTime::from_parts(day, self.time_from(Time::midnight())?))
    }

    fn date_from(&self, from: Date) -> Option<Date> {
        let mut year = i64::from(from.year());
        let mut month = i64::from(from.month());
        let mut day = i64::from(from.day());
        loop {
            let next = self.year.next(year, LAST_YEAR)?;
            if next != year {
                (year, month, day) = (next, 1, 1);
            }
            let Some(next) = self.month.next(month, 12) else {
                (year, month, day) = (year + 1, 1, 1);
                continue;
            };
            if next != month {
                (month, day) = (next, 1);
            }
            let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
            let length = i64::from(first.days_in_month());
            while let Some(next) = self.day_from(day, length) {
                let date = Date::new(first.year(), first.month(), i8::try_from(next).ok()?).ok()?;
                let bit = 1 << date.weekday().to_monday_zero_offset();
                if self.weekdays == EVERY_DAY || self.weekdays & bit != 0 {
                    return Some(date);
                }
                day = next + 1;
            }
            (month, day) = (month + 1, 1);
        }
    }

    fn day_from(&self, day: i64, length: i64) -> Option<i64> {
        if self.from_end { self.day.next_from_end(day, length) } else { self.day.next(day, length) }
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let mut hour = i64::from(from.hour());
        let mut minute = i64::from(from.minute());
        let mut second = i64::from(from.second()) * SECOND + i64::from(from.subsec_nanosecond() / 1000);
        loop {
            let next = self.hour.next(hour, 23)?;
            if next != hour {
                (hour, minute, second) = (next, 0, 0);
            }
            let Some(next) = self.minute.next(minute, 59) else {
                (hour, minute, second) = (hour + 1, 0, 0);
                continue;
            };
            if next != minute {
                (minute, second) = (next, 0);
            }
            let Some(next) = self.second.next(second, 60 * SECOND - 1) else {
                (minute, second) = (minute + 1, 0);
                continue;
            };
            let nanoseconds = i32::try_from(next % SECOND * 1000).ok()?;
            let part = |value: i64| i8::try_from(value).ok();
            return Time::new(part(hour)?, part(minute)?, part(next / SECOND)?, nanoseconds).ok();
        }
    }
}

/// What a clock without a zone shows so many microseconds after 1970.
fn date_time(micros: i64) -> Option<DateTime> {
    jiff::Timestamp::from_microsecond(micros).ok().map(|time| jiff::tz::Offset::UTC.to_datetime(time))
}

/// The way back.
fn micros(time: DateTime) -> i64 {
    jiff::tz::Offset::UTC.to_timestamp(time).map_or(i64::MAX, |time| time.as_microsecond())
}
