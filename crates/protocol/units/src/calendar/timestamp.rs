//! Points in time in the words of systemd.time(7): `2026-11-25 15:51`, `today`, `-5min`, `2h ago`, `@1764000000`.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, civil, tz};

use super::TimeZone;
use crate::value::Span;

/// What is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no point in time such as `2026-11-25 15:51`, `yesterday`, `-5min` or `2h ago`")]
pub struct TimestampError(String);

const WEEKDAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

impl TimeZone {
    /// The clock on the wall at an instant in microseconds since 1970: `2026-11-25 15:51:02.123456`.
    pub fn clock(&self, micros: i64) -> String {
        let Ok(time) = Timestamp::from_microsecond(micros) else { return format!("@{micros}") };
        let wall = self.zone.to_datetime(time);
        let (date, clock) = (wall.date(), wall.time());
        format!(
            "{date} {:02}:{:02}:{:02}.{:06}",
            clock.hour(),
            clock.minute(),
            clock.second(),
            micros.rem_euclid(1_000_000)
        )
    }
}

impl TimeZone {
    /// The same as systemctl(1) writes it: `Wed 2026-11-25 15:51:02 UTC`.
    pub fn stamp(&self, micros: i64) -> String {
        let Ok(time) = Timestamp::from_microsecond(micros) else { return format!("@{micros}") };
        let day = self.zone.to_datetime(time).date().weekday().to_monday_zero_offset();
        let day = WEEKDAYS[usize::from(day.unsigned_abs()) % WEEKDAYS.len()].0;
        let (first, rest) = day.split_at(1);
        let clock = self.clock(micros);
        let seconds = clock.split_once('.').map_or(clock.as_str(), |(seconds, _)| seconds);
        let zone = self.zone.to_offset_info(time);
        format!("{}{rest} {seconds} {}", first.to_uppercase(), zone.abbreviation())
    }
}

/// Reads a point in time, in microseconds since 1970. `now` is in the same; what names no zone is in `zone`. A time of day
/// alone is today's, a day alone begins at midnight.
///
/// # Errors
/// When it is none.
pub fn parse_timestamp(text: &str, now: i64, zone: &TimeZone) -> Result<i64, TimestampError> {
    read(text.trim(), now, &zone.zone).ok_or_else(|| TimestampError(text.to_owned()))
}

fn read(text: &str, now: i64, zone: &tz::TimeZone) -> Option<i64> {
    let span = |text: &str| {
        let micros = Span::parse(text).ok()?.finite().unwrap_or(Duration::MAX).as_micros();
        i64::try_from(micros).ok()
    };
    if let Some(rest) = text.strip_prefix('@') {
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let whole: i64 = whole.parse().ok()?;
        return whole.checked_mul(1_000_000)?.checked_add(micros_of(fraction)?);
    }
    if text == "now" {
        return Some(now);
    }
    if let Some(rest) = text.strip_prefix('-') {
        return now.checked_sub(span(rest)?);
    }
    if let Some(rest) = text.strip_prefix('+') {
        return now.checked_add(span(rest)?);
    }
    if let Some(rest) = text.strip_suffix(" ago") {
        return now.checked_sub(span(rest)?);
    }
    if let Some(rest) = text.strip_suffix(" left") {
        return now.checked_add(span(rest)?);
    }
    let (text, zone) = zone_behind(text, zone)?;
    let today = zone.to_datetime(Timestamp::from_microsecond(now).ok()?).date();
    let midnight = civil::Time::midnight();
    let day = match text {
        "today" => Some(today),
        "yesterday" => Some(today.checked_sub(1.day()).ok()?),
        "tomorrow" => Some(today.checked_add(1.day()).ok()?),
        _ => None,
    };
    let wall = match day {
        Some(day) => day.to_datetime(midnight),
        None => {
            let (weekday, text) = weekday_before(text);
            let (day, clock) = match text.split_once([' ', 'T']) {
                Some((day, clock)) => (date(day)?, time(clock.trim())?),
                None if text.contains(':') => (today, time(text)?),
                None => (date(text)?, midnight),
            };
            let fits = weekday.is_none_or(|weekday| day.weekday().to_monday_zero_offset() == weekday);
            fits.then(|| day.to_datetime(clock))?
        }
    };
    zone.to_ambiguous_timestamp(wall).compatible().ok().map(Timestamp::as_microsecond)
}

/// A zone that stands behind the time: `UTC`, `Z`, `+02:00`, or a name of the database.
fn zone_behind<'a>(text: &'a str, zone: &tz::TimeZone) -> Option<(&'a str, tz::TimeZone)> {
    if let Some(rest) = text.strip_suffix('Z').filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit())) {
        return Some((rest, tz::TimeZone::UTC));
    }
    let Some((rest, name)) = text.rsplit_once(' ') else { return offset_behind(text, zone) };
    if name == "UTC" {
        return Some((rest.trim_end(), tz::TimeZone::UTC));
    }
    if name.starts_with(|c: char| c.is_alphabetic()) {
        return Some((rest.trim_end(), TimeZone::named(name)?.zone));
    }
    offset_behind(text, zone)
}

/// `15:51+02:00`, `15:51 -0300`.
fn offset_behind<'a>(text: &'a str, zone: &tz::TimeZone) -> Option<(&'a str, tz::TimeZone)> {
    let here = Some((text, zone.clone()));
    let Some(colon) = text.find(':') else { return here };
    let Some(at) = text[colon..].find(['+', '-']).map(|at| colon + at) else { return here };
    let digits = text[at + 1..].replace(':', "");
    let number: i32 = digits.parse().ok()?;
    let seconds = match digits.len() {
        2 => number * 3600,
        4 => number / 100 * 3600 + number % 100 * 60,
        _ => return None,
    };
    let seconds = if text[at..].starts_with('-') { -seconds } else { seconds };
    let offset = tz::Offset::from_seconds(seconds).ok()?;
    Some((text[..at].trim_end(), tz::TimeZone::fixed(offset)))
}

fn weekday_before(text: &str) -> (Option<i8>, &str) {
    let Some((word, rest)) = text.split_once(' ') else { return (None, text) };
    let word = word.trim_end_matches(',').to_ascii_lowercase();
    match (0..).zip(WEEKDAYS).find(|(_, (short, long))| word == *short || word == *long) {
        Some((number, _)) => (Some(number), rest.trim_start()),
        None => (None, text),
    }
}

fn date(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| (1..=4).contains(&text.len()).then(|| text.parse::<i16>().ok()).flatten();
    let (mut year, month, day) = (number(year)?, number(month)?, number(day)?);
    if text.find('-') == Some(2) {
        // As strptime(3) has it.
        year += if year < 69 { 2000 } else { 1900 };
    }
    let rest = parts.next().is_none();
    let fits = rest && year >= 1970;
    fits.then(|| civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok())?
}

fn time(text: &str) -> Option<civil::Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let number = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<i8>().ok()).flatten();
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    let nanos = i32::try_from(micros_of(fraction)? * 1000).ok()?;
    if parts.next().is_some() {
        return None;
    }
    civil::Time::new(hour, minute, second, nanos).ok()
}

/// Digits behind a point, in microseconds.
fn micros_of(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25 15:51:02.5 UTC, a Wednesday.
    const NOW: i64 = 1_795_621_862_500_000;

    fn check(text: &str, expected: &str) {
        let zone = TimeZone::utc();
        let found = parse_timestamp(text, NOW, &zone).map(|micros| zone.clock(micros));
        assert_eq!(found.as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn words_of_systemd() {
        for (text, expected) in [
            ("now", "2026-11-25 15:51:02.500000"),
            ("today", "2026-11-25 00:00:00.000000"),
            ("yesterday", "2026-11-24 00:00:00.000000"),
            ("tomorrow", "2026-11-26 00:00:00.000000"),
            ("-5min", "2026-11-25 15:46:02.500000"),
            ("+1h30m", "2026-11-25 17:21:02.500000"),
            ("2h ago", "2026-11-25 13:51:02.500000"),
            ("1d left", "2026-11-26 15:51:02.500000"),
            ("@1795621862.25", "2026-11-25 15:51:02.250000"),
            ("2012-11-23 11:12:13", "2012-11-23 11:12:13.000000"),
            ("2012-11-23T11:12", "2012-11-23 11:12:00.000000"),
            ("Fri 2012-11-23 11:12:13", "2012-11-23 11:12:13.000000"),
            ("2012-11-23", "2012-11-23 00:00:00.000000"),
            ("12-11-23", "2012-11-23 00:00:00.000000"),
            ("11:12:13.654321", "2026-11-25 11:12:13.654321"),
            ("11:12", "2026-11-25 11:12:00.000000"),
            ("2012-11-23 11:12:13 UTC", "2012-11-23 11:12:13.000000"),
            ("2012-11-23T11:12:13Z", "2012-11-23 11:12:13.000000"),
            ("2012-11-23T11:12:13+02:00", "2012-11-23 09:12:13.000000"),
            ("2012-11-23 11:12:13 -0330", "2012-11-23 14:42:13.000000"),
            ("today UTC", "2026-11-25 00:00:00.000000"),
        ] {
            check(text, expected);
        }
        let wrong = [
            "",
            "soon",
            "Mon 2012-11-23",
            "2012-13-01",
            "25:00",
            "11",
            "1-2",
            "2012-11-23 11",
            "@x",
            "5 parsecs ago",
        ];
        for text in wrong {
            assert!(parse_timestamp(text, NOW, &TimeZone::utc()).is_err(), "{text}");
        }
    }

    #[test]
    fn in_a_zone_with_summer_time() {
        let Some(berlin) = TimeZone::named("Europe/Berlin") else {
            eprintln!("SKIPPED: this machine has no zones");
            return;
        };
        let at = |text| parse_timestamp(text, NOW, &berlin).map(|micros| TimeZone::utc().clock(micros));
        assert_eq!(at("today").as_deref(), Ok("2026-11-24 23:00:00.000000"));
        assert_eq!(at("2026-07-01 12:00").as_deref(), Ok("2026-07-01 10:00:00.000000"));
        assert_eq!(at("2026-07-01 12:00 UTC").as_deref(), Ok("2026-07-01 12:00:00.000000"));
        // The hour that is skipped is the one behind it.
        assert_eq!(at("2026-03-29 02:30").as_deref(), Ok("2026-03-29 01:30:00.000000"));
        assert_eq!(berlin.clock(NOW), "2026-11-25 16:51:02.500000");
    }

    #[test]
    fn as_systemctl_writes_it() {
        let Some(zone) = TimeZone::named("Europe/Berlin") else {
            eprintln!("SKIPPED: this machine has no zones");
            return;
        };
        assert_eq!(zone.stamp(1_764_082_262_000_000), "Tue 2025-11-25 15:51:02 CET");
        assert_eq!(TimeZone::utc().stamp(1_764_082_262_999_999), "Tue 2025-11-25 14:51:02 UTC");
        // A day that begins earlier there.
        assert_eq!(zone.stamp(1_751_234_400_000_000), "Mon 2025-06-30 00:00:00 CEST");
    }
}
