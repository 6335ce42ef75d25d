//! Resource limits of processes: `LimitNOFILE=1024:524288`, `LimitCPU=10min`, `LimitAS=infinity`.

use super::{Span, ValueError, parse_number, parse_size, parse_span_in};

/// One bound of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// In the unit of setrlimit(2).
    Finite(u64),
    /// None.
    Infinity,
}

/// A soft and a hard bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What the process meets first; it may raise it itself, up to the hard one.
    pub soft: Bound,
    /// What it may not pass.
    pub hard: Bound,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Octets, with suffixes.
    Octets,
    /// A plain number.
    Count,
    /// Time that setrlimit(2) takes in seconds; rounded up.
    Seconds,
    /// Time that setrlimit(2) takes in microseconds.
    Microseconds,
    /// A nice level, as `+5` or `-5`, or the raw number from 0 to 40.
    Nice,
}

impl Limit {
    /// Reads `BOUND` or `SOFT:HARD`.
    ///
    /// # Errors
    /// A bound which is none, or a soft one above the hard one.
    pub fn parse(text: &str, kind: LimitKind) -> Result<Limit, ValueError> {
        let (soft, hard) = match text.split_once(':') {
            Some((soft, hard)) => (Bound::parse(soft, kind)?, Bound::parse(hard, kind)?),
            None => {
                let both = Bound::parse(text, kind)?;
                (both, both)
            }
        };
        if soft.raw() > hard.raw() {
            let expected = "a soft bound that is not above the hard one";
            return Err(ValueError::Other { value: text.to_owned(), expected });
        }
        Ok(Limit { soft, hard })
    }
}

impl Bound {
    fn parse(text: &str, kind: LimitKind) -> Result<Bound, ValueError> {
        let text = text.trim();
        if text == "infinity" {
            return Ok(Bound::Infinity);
        }
        let time = |unit: u64, divisor: u64| match parse_span_in(text, unit)? {
            Span::Infinity => Ok(Bound::Infinity),
            Span::Finite(span) => {
                let micros =
                    u64::try_from(span.as_micros()).map_err(|_| ValueError::TooLarge(text.to_owned()))?;
                Ok(Bound::Finite(micros.div_ceil(divisor)))
            }
        };
        match kind {
            LimitKind::Octets => parse_size(text).map(Bound::Finite),
            LimitKind::Count => {
                text.parse().map(Bound::Finite).map_err(|_| ValueError::Number(text.to_owned()))
            }
            LimitKind::Seconds => time(1_000_000, 1_000_000),
            LimitKind::Microseconds => time(1, 1),
            LimitKind::Nice if text.starts_with(['+', '-']) => {
                // RLIMIT_NICE counts from 20 downwards, setrlimit(2).
                parse_number(text, -20, 19).map(|nice| Bound::Finite((20 - nice) as u64))
            }
            LimitKind::Nice => parse_number(text, 0, 40).map(|raw| Bound::Finite(raw as u64)),
        }
    }

    /// As setrlimit(2) takes it.
    pub fn raw(self) -> u64 {
        match self {
            Bound::Finite(bound) => bound,
            Bound::Infinity => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: LimitKind, soft: u64, hard: u64) {
        let limit = Limit::parse(text, kind).expect(text);
        assert_eq!((limit.soft.raw(), limit.hard.raw()), (soft, hard), "{text}");
    }

    #[test]
    fn limits_of_every_kind() {
        check("1024:524288", LimitKind::Count, 1024, 524_288);
        check("infinity", LimitKind::Count, u64::MAX, u64::MAX);
        check("64K:infinity", LimitKind::Octets, 65_536, u64::MAX);
        check("1500ms", LimitKind::Seconds, 2, 2);
        check("10min", LimitKind::Seconds, 600, 600);
        check("250", LimitKind::Microseconds, 250, 250);
        check("-5", LimitKind::Nice, 25, 25);
        check("+5", LimitKind::Nice, 15, 15);
        check("30", LimitKind::Nice, 30, 30);
    }

    #[test]
    fn wrong_limits() {
        for (text, kind) in [
            ("", LimitKind::Count),
            ("2:1", LimitKind::Count),
            ("1:2:3", LimitKind::Count),
            ("-1", LimitKind::Count),
            ("infinity:5", LimitKind::Octets),
            ("+20", LimitKind::Nice),
            ("41", LimitKind::Nice),
        ] {
            assert!(Limit::parse(text, kind).is_err(), "{text}");
        }
    }
}
