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
    since: u64,
    opened: SystemTime,
    used: SystemTime,
}

impl Sessions {
    pub(crate) fn new(config: &Config) -> Self {
        Self { idle: config.session_idle, lifetime: config.session_lifetime, open: HashMap::new() }
    }

    /// Opens a session of the account `name` that began at `since`: see [`Account::since`].
    ///
    /// [`Account::since`]: crate::Account::since
    pub(crate) fn open(&mut self, name: &str, since: u64, now: SystemTime) -> Secret {
        let (idle, lifetime) = (self.idle, self.lifetime);
        self.open.retain(|_, entry| entry.lasts(idle, lifetime, now));
        if self.open.len() >= LIMIT {
            let oldest = self.open.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            oldest.map(|key| self.open.remove(&key));
        }
        let token = Secret::session_token();
        let entry = Entry { name: name.to_owned(), since, opened: now, used: now };
        self.open.insert(key(token.expose()), entry);
        token
    }

    /// The account of an open session and since when that had been there, as [`Sessions::open`] was told. The
    /// session counts as used now.
    pub(crate) fn touch(&mut self, token: &str, now: SystemTime) -> Option<(String, u64)> {
        let key = key(token);
        let entry = self.open.get_mut(&key)?;
        if !entry.lasts(self.idle, self.lifetime, now) {
            self.open.remove(&key);
            return None;
        }
        entry.used = now;
        Some((entry.name.clone(), entry.since))
    }

    /// The same for one who only looks whether the session is open: it does not count as used.
    pub(crate) fn look(&self, token: &str, now: SystemTime) -> Option<(String, u64)> {
        let entry = self.open.get(&key(token)).filter(|entry| entry.lasts(self.idle, self.lifetime, now))?;
        Some((entry.name.clone(), entry.since))
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
        let (busy, idle) = (sessions.open("alice", 1, start), sessions.open("bob", 1, start));
        for n in (0..60).step_by(9) {
            assert_eq!(sessions.touch(busy.expose(), minutes(n)), Some(("alice".into(), 1)), "{n}");
            let watched = sessions.look(idle.expose(), minutes(n));
            assert_eq!(watched.is_some(), n < 10, "a look does not keep it open, {n}");
        }
        assert_eq!(sessions.touch(busy.expose(), minutes(60)), None);
        assert_eq!(sessions.touch(idle.expose(), minutes(10)), None);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let now = SystemTime::UNIX_EPOCH;
        let mut sessions = sessions();
        let first = sessions.open("alice", 1, now);
        for n in 0..LIMIT as u64 {
            sessions.open("alice", 1, now + Duration::from_millis(n + 1));
        }
        assert_eq!(sessions.open.len(), LIMIT);
        assert_eq!(sessions.touch(first.expose(), now), None);
    }

    #[test]
    fn others_keep_their_sessions() {
        let now = SystemTime::UNIX_EPOCH;
        let mut sessions = sessions();
        let (mine, other, bobs) =
            (sessions.open("a", 1, now), sessions.open("a", 1, now), sessions.open("b", 1, now));
        sessions.close_all("a", Some(mine.expose()));
        assert!(sessions.touch(mine.expose(), now).is_some());
        assert!(sessions.touch(other.expose(), now).is_none());
        assert!(sessions.touch(bobs.expose(), now).is_some());
    }
}
