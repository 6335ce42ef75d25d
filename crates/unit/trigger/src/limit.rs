//! How often something may happen: `TriggerLimitIntervalSec=` and `TriggerLimitBurst=`.

use std::time::Duration;

use perigee_units::unit::{Unit, Value};

/// So often within so long, counted from the first time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    interval: Duration,
    burst: u32,
    begin: Option<Duration>,
    count: u32,
}

impl Limit {
    /// At most `burst` times in `interval`; no limit where one of the two is zero.
    pub fn new(interval: Duration, burst: u32) -> Limit {
        Limit { interval, burst, begin: None, count: 0 }
    }

    /// As a unit says, else `burst` times in two seconds.
    pub fn read(unit: &Unit, section: &str, burst: u32) -> Limit {
        let interval = match unit.last(section, "TriggerLimitIntervalSec") {
            Some(Value::Span(span)) => span.finite().unwrap_or(Duration::MAX),
            _ => Duration::from_secs(2),
        };
        let burst = match unit.last(section, "TriggerLimitBurst") {
            Some(Value::Number(burst)) => u32::try_from(*burst).unwrap_or(u32::MAX),
            _ => burst,
        };
        Limit::new(interval, burst)
    }

    /// Counts one time; false if it is one too many.
    pub fn take(&mut self, now: Duration) -> bool {
        if self.interval.is_zero() || self.burst == 0 {
            return true;
        }
        if self.begin.is_none_or(|begin| now.saturating_sub(begin) >= self.interval) {
            (self.begin, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.burst
    }

    /// As if nothing had happened.
    pub fn reset(&mut self) {
        (self.begin, self.count) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_no_more_until_the_interval_is_over() {
        let mut limit = Limit::new(Duration::from_secs(2), 3);
        let at = Duration::from_millis;
        let taken = [0, 500, 1999, 1999, 2000, 2001, 2002, 2003].map(|ms| limit.take(at(ms)));
        assert_eq!(taken, [true, true, true, false, true, true, true, false]);
        limit.reset();
        assert!(limit.take(at(2004)));
        for mut none in [Limit::new(Duration::ZERO, 1), Limit::new(Duration::from_secs(1), 0)] {
            assert!((0..1000).all(|_| none.take(Duration::ZERO)));
        }
    }
}
