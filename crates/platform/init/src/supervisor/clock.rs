//! The two clocks: one that only goes forward, for waiting, and the one of people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// Time since an unspecified moment in the past, the same for every process of this boot.
pub fn now() -> Duration {
    // The clock is there on every Linux.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

/// Microseconds since 1970, UTC, of a moment on the monotonic clock; 0 for none.
pub fn wall(moment: Duration) -> u64 {
    if moment.is_zero() {
        return 0;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = now();
    let at = if moment <= now { since.saturating_sub(now - moment) } else { since + (moment - now) };
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
