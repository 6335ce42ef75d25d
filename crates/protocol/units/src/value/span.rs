//! Time spans in the grammar of systemd.time(7): `5min 20s`, `1h30m`, `2.5d`, `infinity`.

use std::fmt;
use std::time::Duration;

use super::ValueError;

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// So long, in whole microseconds.
    Finite(Duration),
    /// For ever.
    Infinity,
}

/// The unit of a number that has none, in most directives: one second, in microseconds.
pub const DEFAULT_UNIT: u64 = 1_000_000;

/// Names of the units, and their microseconds. A month is 30.4375 days and a year 365.25 days.
const UNITS: [(&str, u64); 30] = [
    ("seconds", 1_000_000),
    ("second", 1_000_000),
    ("sec", 1_000_000),
    ("s", 1_000_000),
    ("minutes", 60_000_000),
    ("minute", 60_000_000),
    ("min", 60_000_000),
    ("months", 2_629_800_000_000),
    ("month", 2_629_800_000_000),
    ("M", 2_629_800_000_000),
    ("msec", 1_000),
    ("ms", 1_000),
    ("m", 60_000_000),
    ("hours", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hr", 3_600_000_000),
    ("h", 3_600_000_000),
    ("days", 86_400_000_000),
    ("day", 86_400_000_000),
    ("d", 86_400_000_000),
    ("weeks", 604_800_000_000),
    ("week", 604_800_000_000),
    ("w", 604_800_000_000),
    ("years", 31_557_600_000_000),
    ("year", 31_557_600_000_000),
    ("y", 31_557_600_000_000),
    ("usec", 1),
    ("us", 1),
    ("µs", 1),
    ("μs", 1),
];

impl Span {
    /// Reads a span; a number without a unit is in seconds.
    ///
    /// # Errors
    /// What is no span, a unit that does not exist, or more microseconds than 64 bits hold.
    pub fn parse(text: &str) -> Result<Span, ValueError> {
        parse_span_in(text, DEFAULT_UNIT)
    }

    /// The duration; none for infinity.
    pub fn finite(self) -> Option<Duration> {
        match self {
            Span::Finite(duration) => Some(duration),
            Span::Infinity => None,
        }
    }
}

/// Reads a span whose numbers without a unit count `unit` microseconds.
///
/// # Errors
/// As [`Span::parse`].
pub fn parse_span_in(text: &str, unit: u64) -> Result<Span, ValueError> {
    let wrong = || ValueError::Span(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    if rest == "infinity" {
        return Ok(Span::Infinity);
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                if digits == 0 {
                    return Err(wrong());
                }
                after.split_at(digits)
            }
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(wrong());
        }
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(letters);
        let factor = match name {
            "" => unit,
            name => {
                let known = UNITS.iter().find(|(known, _)| *known == name);
                known.ok_or_else(|| ValueError::TimeUnit(name.to_owned()))?.1
            }
        };
        let too_large = || ValueError::TooLarge(text.to_owned());
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| too_large())? };
        let part = whole.checked_mul(factor).ok_or_else(too_large)?;
        let part = part.checked_add(fraction_of(fraction, factor)).ok_or_else(too_large)?;
        total = total.checked_add(part).ok_or_else(too_large)?;
        rest = after.trim_start();
    }
    Ok(Span::Finite(Duration::from_micros(total)))
}

/// `0.digits` times `factor`, rounded down.
fn fraction_of(digits: &str, factor: u64) -> u64 {
    let (mut value, mut unit) = (0_u64, factor);
    for digit in digits.bytes() {
        unit /= 10;
        value += u64::from(digit - b'0') * unit;
    }
    value
}

impl fmt::Display for Span {
    /// As systemd writes spans: `1h 30min`, `0`, `infinity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span::Finite(duration) = self else { return f.write_str("infinity") };
        let mut rest = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0");
        }
        let names = ["y", "month", "w", "d", "h", "min", "s", "ms", "us"];
        let mut separator = "";
        for name in names {
            let known = UNITS.iter().find(|(known, _)| *known == name);
            let factor = known.map_or(1, |(_, factor)| *factor);
            if rest >= factor {
                write!(f, "{separator}{}{name}", rest / factor)?;
                rest %= factor;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Result<u128, ValueError> {
        Span::parse(text).map(|span| span.finite().expect("finite").as_micros())
    }

    /// The examples of systemd.time(7), and corners.
    #[test]
    fn spans_of_the_manual() {
        let cases = [
            ("2 h", 7_200_000_000),
            ("2hours", 7_200_000_000),
            ("48hr", 172_800_000_000),
            ("1y 12month", 63_115_200_000_000),
            ("55s500ms", 55_500_000),
            ("300ms20s 5day", 432_020_300_000),
            ("5min 20s", 320_000_000),
            ("90", 90_000_000),
            ("1.5h", 5_400_000_000),
            (".5s", 500_000),
            ("0", 0),
            ("0.000001s", 1),
            ("3µs", 3),
            ("1M", 2_629_800_000_000),
            ("1m", 60_000_000),
            (" 5 min  20 s ", 320_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(micros(text), Ok(expected), "{text}");
        }
        assert_eq!(Span::parse("infinity"), Ok(Span::Infinity));
    }

    #[test]
    fn what_is_no_span() {
        for text in ["", "  ", "s", "-5s", "5..1s", "5.s", ".", "1,5s"] {
            assert_eq!(micros(text), Err(ValueError::Span(text.to_owned())), "{text}");
        }
        assert_eq!(micros("5 fortnights"), Err(ValueError::TimeUnit("fortnights".to_owned())));
        for text in ["600000y", "99999999999999999999", "18446744073709551615us 1us"] {
            assert_eq!(micros(text), Err(ValueError::TooLarge(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (text, written) in
            [("5400", "1h 30min"), ("0", "0"), ("1month 1us", "1month 1us"), ("8d", "1w 1d")]
        {
            let span = Span::parse(text).expect("a span");
            assert_eq!(span.to_string(), written);
            assert_eq!(Span::parse(written), Ok(span));
        }
        assert_eq!(Span::Infinity.to_string(), "infinity");
    }

    #[test]
    fn another_default_unit() {
        assert_eq!(parse_span_in("50", 1), Ok(Span::Finite(Duration::from_micros(50))));
        assert_eq!(parse_span_in("50 1s", 1), Ok(Span::Finite(Duration::from_micros(1_000_050))));
    }
}
