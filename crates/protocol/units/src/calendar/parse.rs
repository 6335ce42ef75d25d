//! Reads calendar expressions.

use super::component::{Chain, Component, MOST_VALUES, SECOND};
use super::{Calendar, CalendarError, EVERY_DAY, LAST_YEAR, TimeZone};

/// The first year that can be named.
const FIRST_YEAR: i64 = 1970;

/// Days of the week, from Monday; three letters are enough.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Words for whole expressions: the word, the days of the week, months, days, hours, minutes.
type Shorthand = (&'static str, u8, &'static [i64], &'static [i64], &'static [i64], &'static [i64]);

const SHORTHANDS: [Shorthand; 13] = [
    ("minutely", EVERY_DAY, &[], &[], &[], &[]),
    ("hourly", EVERY_DAY, &[], &[], &[], &[0]),
    ("daily", EVERY_DAY, &[], &[], &[0], &[0]),
    ("monthly", EVERY_DAY, &[], &[1], &[0], &[0]),
    ("weekly", 1, &[], &[], &[0], &[0]),
    ("yearly", EVERY_DAY, &[1], &[1], &[0], &[0]),
    ("annually", EVERY_DAY, &[1], &[1], &[0], &[0]),
    ("anually", EVERY_DAY, &[1], &[1], &[0], &[0]),
    ("quarterly", EVERY_DAY, &[1, 4, 7, 10], &[1], &[0], &[0]),
    ("semiannually", EVERY_DAY, &[1, 7], &[1], &[0], &[0]),
    ("semi-annually", EVERY_DAY, &[1, 7], &[1], &[0], &[0]),
    ("biannually", EVERY_DAY, &[1, 7], &[1], &[0], &[0]),
    ("bi-annually", EVERY_DAY, &[1, 7], &[1], &[0], &[0]),
];

impl Calendar {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is no expression, or names a time that never is.
    pub fn parse(text: &str) -> Result<Calendar, CalendarError> {
        if text.is_empty() {
            return Err(CalendarError::Empty);
        }
        let (text, zone) = split_zone(text);
        let mut calendar = match shorthand(text) {
            Some(calendar) => calendar,
            None => parse_fields(text)?,
        };
        // Seconds since 1970 are in UTC by themselves.
        calendar.zone = zone.or(calendar.zone);
        calendar.normalized()
    }

    fn normalized(self) -> Result<Calendar, CalendarError> {
        let year = Chain(self.year.0.into_iter().map(full_years).collect());
        Ok(Calendar {
            weekdays: self.weekdays,
            year: year.normalized(FIRST_YEAR, LAST_YEAR, false)?,
            month: self.month.normalized(1, 12, false)?,
            from_end: self.from_end && !self.day.0.is_empty(),
            day: self.day.normalized(1, 31, self.from_end)?,
            hour: self.hour.normalized(0, 23, false)?,
            minute: self.minute.normalized(0, 59, false)?,
            second: self.second.normalized(0, 60 * SECOND - 1, false)?,
            zone: self.zone,
        })
    }
}

/// Two digits are a year from 1970 to 2069.
fn full_years(part: Component) -> Component {
    let full = |year: i64| match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        year => year,
    };
    Component { start: full(part.start), stop: part.stop.map(full), ..part }
}

/// Takes the zone off the end, if there is one.
fn split_zone(text: &str) -> (&str, Option<TimeZone>) {
    let Some((before, last)) = text.rsplit_once(' ') else { return (text, None) };
    if last.eq_ignore_ascii_case("UTC") {
        return (before, Some(TimeZone::utc()));
    }
    // A zone has letters that no field of an expression has.
    let zone = if last.starts_with(|c: char| c.is_ascii_uppercase()) { TimeZone::named(last) } else { None };
    if zone.is_some() { (before, zone) } else { (text, None) }
}

fn shorthand(text: &str) -> Option<Calendar> {
    let known = SHORTHANDS.iter().find(|(word, ..)| text.eq_ignore_ascii_case(word));
    known.map(|(_, weekdays, month, day, hour, minute)| Calendar {
        weekdays: *weekdays,
        year: Chain::default(),
        month: Chain::of(month),
        day: Chain::of(day),
        from_end: false,
        hour: Chain::of(hour),
        minute: Chain::of(minute),
        second: Chain::of(&[0]),
        zone: None,
    })
}

fn parse_fields(text: &str) -> Result<Calendar, CalendarError> {
    let midnight = || Chain::of(&[0]);
    let (weekdays, rest) = weekdays(text)?;
    let mut calendar = Calendar {
        weekdays,
        year: Chain::default(),
        month: Chain::default(),
        day: Chain::default(),
        from_end: false,
        hour: midnight(),
        minute: midnight(),
        second: midnight(),
        zone: None,
    };
    if let Some(seconds) = rest.strip_prefix('@') {
        return since_1970(seconds, calendar);
    }
    let rest = calendar.date(rest)?;
    calendar.time(rest)?;
    Ok(calendar)
}

/// A time in seconds since 1970, as `@` has it.
fn since_1970(seconds: &str, calendar: Calendar) -> Result<Calendar, CalendarError> {
    let plain = !seconds.is_empty() && seconds.bytes().all(|digit| digit.is_ascii_digit());
    let seconds: i64 = if plain {
        seconds.parse().map_err(|_| CalendarError::Range)?
    } else {
        return Err(CalendarError::Number);
    };
    let time = jiff::Timestamp::from_second(seconds).map_err(|_| CalendarError::Range)?;
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let one = |value: i8| Chain::of(&[i64::from(value)]);
    Ok(Calendar {
        year: Chain::of(&[i64::from(time.year())]),
        month: one(time.month()),
        day: one(time.day()),
        hour: one(time.hour()),
        minute: one(time.minute()),
        second: Chain::of(&[i64::from(time.second()) * SECOND]),
        zone: Some(TimeZone::utc()),
        ..calendar
    })
}

/// Takes the days of the week off the front; every day where there are none.
fn weekdays(text: &str) -> Result<(u8, &str), CalendarError> {
    let (mut days, mut open, mut rest) = (0_u8, None, text);
    loop {
        let Some((day, length)) = weekday(rest) else {
            let none_yet = rest.len() == text.len();
            return if none_yet { Ok((EVERY_DAY, text)) } else { Err(CalendarError::Weekday) };
        };
        rest = &rest[length..];
        let ranged = open.is_some();
        let from = open.take().unwrap_or(day);
        if from > day {
            return Err(CalendarError::WeekdayRange);
        }
        (from..=day).for_each(|day| days |= 1 << day);
        if let Some(after) = rest.strip_prefix("..").or_else(|| rest.strip_prefix('-')) {
            if ranged {
                return Err(CalendarError::WeekdayRange);
            }
            (open, rest) = (Some(day), after);
        } else if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        }
        if rest.is_empty() || rest.starts_with(' ') {
            // A comma may be the last; a range must end.
            let whole = open.is_none().then_some((days, rest.trim_start_matches(' ')));
            return whole.ok_or(CalendarError::WeekdayRange);
        }
    }
}

/// The day of the week at the front, and how long its name is.
fn weekday(text: &str) -> Option<(usize, usize)> {
    let letters = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let name = text[..letters].to_ascii_lowercase();
    let day = DAYS.iter().position(|day| name == *day || name == day[..3])?;
    text[letters..].chars().next().is_none_or(|c| "-., ".contains(c)).then_some((day, letters))
}

impl Calendar {
    /// Takes the date off the front, if there is one.
    fn date<'a>(&mut self, text: &'a str) -> Result<&'a str, CalendarError> {
        if text.is_empty() {
            return Ok(text);
        }
        let (first, rest) = chain(text, false)?;
        if rest.is_empty() {
            return Err(CalendarError::Date);
        }
        if rest.starts_with(':') {
            return Ok(text);
        }
        let (from_end, rest) = dash(rest)?;
        let (second, rest) = chain(rest, false)?;
        if rest.is_empty() || rest.starts_with(' ') {
            (self.month, self.day, self.from_end) = (first, second, from_end);
            return Ok(rest.trim_start_matches(' '));
        }
        if from_end {
            return Err(CalendarError::Date);
        }
        let (from_end, rest) = dash(rest)?;
        let (third, rest) = chain(rest, false)?;
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Err(CalendarError::Date);
        }
        (self.year, self.month, self.day, self.from_end) = (first, second, third, from_end);
        Ok(rest.trim_start_matches(' '))
    }

    fn time(&mut self, text: &str) -> Result<(), CalendarError> {
        if text.is_empty() {
            return Ok(());
        }
        let (hour, rest) = chain(text, false)?;
        let rest = rest.strip_prefix(':').ok_or(CalendarError::Time)?;
        let (minute, rest) = chain(rest, false)?;
        (self.hour, self.minute) = (hour, minute);
        if rest.is_empty() {
            return Ok(());
        }
        let (second, rest) = chain(rest.strip_prefix(':').ok_or(CalendarError::Time)?, true)?;
        self.second = second;
        if rest.is_empty() { Ok(()) } else { Err(CalendarError::Time) }
    }
}

/// What separates the parts of a date: whether the day after it counts from the end of the month.
fn dash(text: &str) -> Result<(bool, &str), CalendarError> {
    match text.as_bytes().first() {
        Some(b'-') => Ok((false, &text[1..])),
        Some(b'~') => Ok((true, &text[1..])),
        _ => Err(CalendarError::Date),
    }
}

/// Takes the values of one field off the front.
fn chain(text: &str, seconds: bool) -> Result<(Chain, &str), CalendarError> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((if seconds { Chain::every_second() } else { Chain::default() }, rest));
    }
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        if parts.len() == MOST_VALUES {
            return Err(CalendarError::TooMany);
        }
        let (part, after) = component(rest, seconds)?;
        parts.push(part);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok((Chain(parts), after)),
        }
    }
}

fn component(text: &str, seconds: bool) -> Result<(Component, &str), CalendarError> {
    let step = if seconds { SECOND } else { 1 };
    let (start, mut rest) = value(text, seconds)?;
    let mut part = Component::one(start);
    if let Some(after) = rest.strip_prefix("..") {
        let (stop, after) = value(after, seconds)?;
        (part.stop, part.repeat, rest) = (Some(stop), step, after);
    }
    if let Some(after) = rest.strip_prefix('/') {
        (part.repeat, rest) = value(after, seconds)?;
        if part.repeat == 0 {
            return Err(CalendarError::Range);
        }
    } else if seconds && part.stop.is_some_and(|stop| start + part.repeat > stop) {
        // A range within a second says nothing without a step.
        return Err(CalendarError::Range);
    }
    let ends = rest.chars().next().is_none_or(|c| " ,-~:".contains(c));
    if ends { Ok((part, rest)) } else { Err(CalendarError::Number) }
}

/// A number, in microseconds if it counts seconds.
fn value(text: &str, seconds: bool) -> Result<(i64, &str), CalendarError> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Err(CalendarError::Number);
    }
    // No field has more than four digits; zeros in front do no harm.
    let whole: i64 = digits.parse().ok().filter(|value| *value <= 1_000_000).ok_or(CalendarError::Range)?;
    if !seconds {
        return Ok((whole, rest));
    }
    let Some(after) = rest.strip_prefix('.').filter(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return Ok((whole * SECOND, rest));
    };
    let length = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (digits, rest) = after.split_at(length);
    let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |digit| i64::from(digit - b'0'));
    // Six digits count, the seventh rounds.
    let micros = (0..6).fold(0, |micros, at| micros * 10 + digit(at)) + i64::from(digit(6) >= 5);
    Ok((whole * SECOND + micros, rest))
}
