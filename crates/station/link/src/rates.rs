//! Rates over a sliding window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(3);

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) octets: u64,
    pub(crate) frames: u64,
    pub(crate) packets: u64,
}

/// What they come to in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PerSecond {
    pub(crate) octets: f64,
    pub(crate) frames: f64,
    pub(crate) packets: f64,
}

/// Totals as they were at some moments of the window.
#[derive(Debug)]
pub(crate) struct Rates {
    moments: VecDeque<(Instant, Totals)>,
}

impl Rates {
    pub(crate) fn new(now: Instant) -> Self {
        Self { moments: VecDeque::from([(now, Totals::default())]) }
    }

    /// Notes the totals and gives the rates over the window that ends now.
    pub(crate) fn update(&mut self, now: Instant, totals: Totals) -> PerSecond {
        self.moments.push_back((now, totals));
        // The oldest moment kept is the last one at or before the window's beginning.
        while self.moments.len() > 2 && now - self.moments[1].0 >= WINDOW {
            self.moments.pop_front();
        }
        let (then, old) = self.moments[0];
        let seconds = (now - then).as_secs_f64();
        if seconds <= 0.0 {
            return PerSecond::default();
        }
        #[allow(clippy::cast_precision_loss)]
        let rate = |new: u64, old: u64| (new - old) as f64 / seconds;
        PerSecond {
            octets: rate(totals.octets, old.octets),
            frames: rate(totals.frames, old.frames),
            packets: rate(totals.packets, old.packets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_the_window_and_falls_to_nothing() {
        let begun = Instant::now();
        let mut rates = Rates::new(begun);
        let at = |ms| begun + Duration::from_millis(ms);
        let octets = |octets| Totals { octets, ..Totals::default() };
        for tick in 1..=50u64 {
            let now = rates.update(at(tick * 200), octets(tick * 20)).octets;
            assert!((now - 100.0).abs() < 1e-9, "{now} after {tick} ticks");
        }
        let mut last = f64::MAX;
        for tick in 51..=66u64 {
            let now = rates.update(at(tick * 200), octets(1000)).octets;
            assert!(now < last);
            last = now.max(f64::MIN_POSITIVE);
        }
        assert!(last < 1e-9);
        assert!(rates.moments.len() < 20);
    }
}
