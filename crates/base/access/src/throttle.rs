//! Slowing down whoever guesses passwords, without locking out those who know theirs.
//!
//! Wrong tries are counted for the address and name together, for the address, and for the name. The
//! pair is given few tries, the others more, so that nobody can shut an operator out from elsewhere
//! without trying for long. Each further wrong try doubles the wait, up to a minute. Counts are forgotten
//! after a quarter of an hour, and the table is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const LONGEST_WAIT: Duration = Duration::from_secs(60);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
const LIMIT: usize = 1000;

/// What wrong tries are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Pair(String, IpAddr),
    Address(IpAddr),
    Name(String),
}

impl Source {
    pub(crate) fn of(name: &str, peer: IpAddr) -> [Self; 3] {
        // Nobody has a longer name; what is kept of a try stays small.
        let name: String = name.chars().take(64).collect();
        [Self::Pair(name.clone(), peer), Self::Address(peer), Self::Name(name)]
    }

    /// Wrong tries without a wait.
    fn free_tries(&self) -> u32 {
        match self {
            Self::Pair(..) => 5,
            Self::Address(_) => 20,
            Self::Name(_) => 50,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<Source, Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// How long to wait still, if at all.
    pub(crate) fn check(&self, now: Instant, sources: &[Source]) -> Result<(), Duration> {
        let waits = sources.iter().filter_map(|source| {
            let failures = self.failures.get(source)?;
            let wait = wait(failures.count.checked_sub(source.free_tries())?);
            (failures.last + wait).checked_duration_since(now).filter(|left| !left.is_zero())
        });
        waits.max().map_or(Ok(()), Err)
    }

    pub(crate) fn failed(&mut self, now: Instant, sources: &[Source]) {
        if self.failures.len() >= LIMIT {
            self.failures.retain(|_, failures| now.duration_since(failures.last) < FORGOTTEN_AFTER);
        }
        for source in sources {
            if let Some(failures) = self.failures.get_mut(source) {
                if now.duration_since(failures.last) >= FORGOTTEN_AFTER {
                    failures.count = 0;
                }
                failures.count = failures.count.saturating_add(1);
                failures.last = now;
            } else {
                self.make_room();
                self.failures.insert(source.clone(), Failures { count: 1, last: now });
            }
        }
    }

    pub(crate) fn succeeded(&mut self, sources: &[Source]) {
        // The address keeps its count: one good account must not cover for guessing at others.
        for source in sources.iter().filter(|source| !matches!(source, Source::Address(_))) {
            self.failures.remove(source);
        }
    }

    /// When the table is full the smallest, oldest count makes way.
    fn make_room(&mut self) {
        if self.failures.len() < LIMIT {
            return;
        }
        let least = self.failures.iter().min_by_key(|(_, failures)| (failures.count, failures.last));
        if let Some(source) = least.map(|(source, _)| source.clone()) {
            self.failures.remove(&source);
        }
    }
}

fn wait(beyond_free: u32) -> Duration {
    Duration::from_secs(1 << beyond_free.min(6)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn guessing_gets_slow_and_the_owner_still_gets_in() {
        let (start, mut throttle) = (Instant::now(), Throttle::default());
        let guesser = Source::of("alice", HERE);
        let mut now = start;
        let mut tries = 0;
        while now < start + Duration::from_secs(3600) {
            match throttle.check(now, &guesser) {
                Ok(()) => {
                    throttle.failed(now, &guesser);
                    tries += 1;
                }
                Err(wait) => {
                    assert!(wait <= LONGEST_WAIT);
                    now += wait;
                }
            }
        }
        assert!((60..80).contains(&tries), "{tries} tries in an hour");
        let other_name = Source::of("bob", ELSEWHERE);
        assert!(throttle.check(now, &other_name).is_ok());
    }

    #[test]
    fn the_owner_elsewhere_is_not_shut_out_by_a_few_wrong_tries() {
        let (now, mut throttle) = (Instant::now(), Throttle::default());
        for _ in 0..10 {
            throttle.failed(now, &Source::of("alice", HERE));
        }
        assert!(throttle.check(now, &Source::of("alice", HERE)).is_err());
        assert!(throttle.check(now, &Source::of("alice", ELSEWHERE)).is_ok());
    }

    #[test]
    fn old_failures_are_forgotten_and_the_table_is_bounded() {
        let (now, mut throttle) = (Instant::now(), Throttle::default());
        for n in 0..2 * LIMIT {
            throttle.failed(now, &Source::of(&format!("name{n}"), HERE));
        }
        assert!(throttle.failures.len() <= LIMIT);
        let later = now + FORGOTTEN_AFTER;
        throttle.failed(later, &Source::of("alice", HERE));
        assert!(throttle.check(later, &Source::of("alice", HERE)).is_ok());
        assert!(throttle.failures.len() < 10);
    }
}
