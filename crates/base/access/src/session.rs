//! Sessions of the page: kept in memory, so that a restart of the node ends them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::secret::fingerprint;
use crate::{Config, Secret};

/// Sessions at once; beyond it the one that was idle longest ends.
const LIMIT: usize = 1000;

#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    lifetime: Duration,
    // By fingerprint: finding one in a hash map takes a time that tells nothing about the token.
    open: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    opened: SystemTime,
    used: SystemTime,
}

impl Sessions {
    pub(crate) fn new(config: &Config) -> Self {
        Self { idle: config.session_idle, lifetime: config.session_lifetime, open: HashMap::new() }
    }

    pub(crate) fn open(&mut self, name: &str, now: SystemTime) -> Secret {
        let (idle, lifetime) = (self.idle, self.lifetime);
        self.open.retain(|_, entry| entry.lasts(idle, lifetime, now));
        if self.open.len() >= LIMIT {
            let oldest = self.open.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            oldest.map(|key| self.open.remove(&key));
        }
        let token = Secret::session_token();
        let entry = Entry { name: name.to_owned(), opened: now, used: now };
        self.open.insert(key(token.expose()), entry);
        token
    }

    /// The account of an open session, which counts as used now.
    pub(crate) fn touch(&mut self, token: &str, now: SystemTime) -> Option<String> {
        let key = key(token);
        let entry = self.open.get_mut(&key)?;
        if !entry.lasts(self.idle, self.lifetime, now) {
            self.open.remove(&key);
            return None;
        }
        entry.used = now;
        Some(entry.name.clone())
    }

    pub(crate) fn close(&mut self, token: &str) -> Option<String> {
        self.open.remove(&key(token)).map(|entry| entry.name)
    }

    pub(crate) fn close_all(&mut self, name: &str, keep: Option<&str>) {
        let keep = keep.map(key);
        self.open.retain(|key, entry| entry.name != name || Some(key) == keep.as_ref());
    }
}

impl Entry {
    fn lasts(&self, idle: Duration, lifetime: Duration, now: SystemTime) -> bool {
        let age = |since| now.duration_since(since).unwrap_or_default();
        age(self.used) < idle && age(self.opened) < lifetime
    }
}

fn key(token: &str) -> String {
    fingerprint(token).expose().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(&Config {
            session_idle: Duration::from_secs(600),
            session_lifetime: Duration::from_secs(3600),
        })
    }

    #[test]
    fn a_session_ends_when_idle_and_when_old() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let minutes = |n: u64| start + Duration::from_secs(60 * n);
        let mut sessions = sessions();
        let (busy, idle) = (sessions.open("alice", start), sessions.open("bob", start));
        for n in (0..60).step_by(9) {
            assert_eq!(sessions.touch(busy.expose(), minutes(n)).as_deref(), Some("alice"), "{n}");
        }
        assert_eq!(sessions.touch(busy.expose(), minutes(60)), None);
        assert_eq!(sessions.touch(idle.expose(), minutes(10)), None);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let now = SystemTime::UNIX_EPOCH;
        let mut sessions = sessions();
        let first = sessions.open("alice", now);
        for n in 0..LIMIT as u64 {
            sessions.open("alice", now + Duration::from_millis(n + 1));
        }
        assert_eq!(sessions.open.len(), LIMIT);
        assert_eq!(sessions.touch(first.expose(), now), None);
    }

    #[test]
    fn others_keep_their_sessions() {
        let now = SystemTime::UNIX_EPOCH;
        let mut sessions = sessions();
        let (mine, other, bobs) = (sessions.open("a", now), sessions.open("a", now), sessions.open("b", now));
        sessions.close_all("a", Some(mine.expose()));
        assert!(sessions.touch(mine.expose(), now).is_some());
        assert!(sessions.touch(other.expose(), now).is_none());
        assert!(sessions.touch(bobs.expose(), now).is_some());
    }
}
