//! How much somebody may say: a number of packets at once, and so many in each second from then on.

use std::time::Duration;

/// Packets at once.
const BURST: f64 = 512.0;
/// Packets in a second.
const A_SECOND: f64 = 128.0;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    at: Duration,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { left: BURST, at: Duration::ZERO }
    }
}

impl Allowance {
    /// Whether another packet may come.
    pub(super) fn is_left(&mut self, now: Duration) -> bool {
        let since = now.saturating_sub(std::mem::replace(&mut self.at, now));
        self.left = (self.left + since.as_secs_f64() * A_SECOND).min(BURST);
        self.left >= 1.0
    }

    /// It has come.
    pub(super) fn spend(&mut self) {
        self.left -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_too_much_waits() {
        let mut allowance = Allowance::default();
        let mut said = |at: Duration| {
            let mut count = 0;
            while allowance.is_left(at) {
                allowance.spend();
                count += 1;
            }
            count
        };
        let start = Duration::from_secs(1000);
        assert_eq!(said(start), BURST as u32);
        assert_eq!(said(start), 0);
        assert_eq!(said(start + Duration::from_millis(500)), (A_SECOND / 2.0) as u32);
        assert_eq!(said(start + Duration::from_secs(3600)), BURST as u32);
    }
}
