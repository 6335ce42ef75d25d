//! Holds a unit that says too much: so many records in so long (`LogRateLimitIntervalSec=`, `LogRateLimitBurst=`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much a unit may say. An interval or a burst of zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How long a count lasts.
    pub interval: Duration,
    /// Records in that time.
    pub burst: u32,
}

impl Default for Rate {
    /// journald's: 10,000 records in 30 s.
    fn default() -> Rate {
        Rate { interval: Duration::from_secs(30), burst: 10_000 }
    }
}

/// Counts the records of one unit.
#[derive(Debug, Default)]
pub struct Limiter {
    rate: Rate,
    /// When this count began, in microseconds since boot.
    began: Option<u64>,
    count: u32,
    suppressed: u64,
}

impl Limiter {
    /// For a unit of which nothing was heard.
    pub fn new(rate: Rate) -> Limiter {
        Limiter { rate, ..Limiter::default() }
    }

    /// Takes another rate from now on.
    pub fn set(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Whether a record may be written; what may not is counted. `now` is in microseconds since boot.
    pub fn admit(&mut self, now: u64) -> bool {
        if self.rate.burst == 0 || self.rate.interval.is_zero() {
            return true;
        }
        if self.over(now) {
            self.began = Some(now);
            self.count = 0;
        }
        if self.count < self.rate.burst {
            self.count += 1;
            return true;
        }
        self.suppressed += 1;
        false
    }

    /// How many records were held, once the interval in which that happened is over.
    pub fn held(&mut self, now: u64) -> Option<u64> {
        let due = self.suppressed > 0 && self.over(now);
        due.then(|| std::mem::take(&mut self.suppressed))
    }

    /// The same, whether or not the interval is over: at the end of a unit.
    pub fn held_at_end(&mut self) -> Option<u64> {
        (self.suppressed > 0).then(|| std::mem::take(&mut self.suppressed))
    }

    /// When [`Limiter::held`] will have something to say, in microseconds since boot.
    pub fn due(&self) -> Option<u64> {
        (self.suppressed > 0).then(|| self.began.unwrap_or(0).saturating_add(self.interval()))
    }

    fn over(&self, now: u64) -> bool {
        self.began.is_none_or(|began| now.saturating_sub(began) >= self.interval())
    }

    fn interval(&self) -> u64 {
        u64::try_from(self.rate.interval.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_counted() {
        let mut limiter = Limiter::new(Rate { interval: Duration::from_secs(1), burst: 3 });
        let passed = (0..10).filter(|at| limiter.admit(at * 1000)).count();
        assert_eq!(passed, 3);
        assert_eq!(limiter.held(999_999), None);
        assert_eq!(limiter.due(), Some(1_000_000));
        assert_eq!(limiter.held(1_000_000), Some(7));
        assert_eq!(limiter.held(1_000_000), None);
        assert!(limiter.admit(1_000_000));
        assert_eq!(limiter.due(), None);
    }

    #[test]
    fn no_limit_is_no_limit() {
        for rate in
            [Rate { interval: Duration::ZERO, burst: 1 }, Rate { interval: Duration::from_secs(1), burst: 0 }]
        {
            let mut limiter = Limiter::new(rate);
            assert!((0..100).all(|_| limiter.admit(0)));
        }
    }
}
