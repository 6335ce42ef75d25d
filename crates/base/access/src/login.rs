//! Passwords at the gate: logging in, and changing one's own password.
//!
//! One password is checked at a time, and what came of it is counted before the next one is looked at, so that
//! trying many at once gets nobody more tries.

use std::net::IpAddr;
use std::sync::{MutexGuard, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use crate::throttle::Source;
use crate::{Access, AccessError, Account, Identity, Secret, Session, password};

/// How long a password waits for others to be checked.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Access {
    /// Checks a name and password and opens a session. Tries from `peer` and for `name` are throttled.
    ///
    /// While a one-time password has not been changed the session is only an observer's.
    pub fn login(&self, name: &str, password: &Secret, peer: IpAddr) -> Result<Session, AccessError> {
        match self.try_password(name, password, peer) {
            Ok(account) => {
                let identity = account.identity();
                self.audit(&identity.name, "login", &identity.name, &format!("from {peer}"))?;
                let token = self.sessions().open(&identity.name, account.since, SystemTime::now());
                Ok(Session { token, identity })
            }
            Err(AccessError::WrongCredentials) => {
                // The name as typed may be a password typed into the wrong field.
                let known = self.accounts_now()?.find(name).is_some();
                let subject = if known { name } else { "(no such account)" };
                self.audit("anonymous", "login.refused", subject, &format!("from {peer}"))?;
                Err(AccessError::WrongCredentials)
            }
            Err(other) => Err(other),
        }
    }

    /// Changes a password whose old one is known, and closes the account's sessions except `keep`.
    ///
    /// Wrong tries are throttled like those of [`Access::login`].
    pub fn change_password(
        &self,
        name: &str,
        old: &Secret,
        new: &Secret,
        peer: IpAddr,
        keep: Option<&str>,
    ) -> Result<Identity, AccessError> {
        self.try_password(name, old, peer)?;
        if old.expose() == new.expose() {
            return Err(AccessError::WeakPassword("it is the old one"));
        }
        password::acceptable(name, new)?;
        let hash = self.hash(new)?;
        let identity = self.change([name, "account.password", name, ""], |accounts| {
            let account = accounts.get_mut(name)?;
            account.set_password(hash, false);
            Ok(account.identity())
        })?;
        self.sessions().close_all(name, keep);
        Ok(identity)
    }

    /// The account that a name and password belong to. Wrong ones are counted, right ones make up for them.
    fn try_password(&self, name: &str, password: &Secret, peer: IpAddr) -> Result<Account, AccessError> {
        let sources = Source::of(name, peer);
        let may_try = || self.throttle().check(Instant::now(), &sources).map_err(AccessError::Throttled);
        // Those who have to wait in any case do not hold up others.
        may_try()?;
        let _one_at_a_time = self.wait_for_hashing()?;
        // The tries before this one have been counted meanwhile.
        may_try()?;
        let account = self.accounts_now()?.find(name).cloned();
        // An unknown name costs as much time as a known one.
        let hash = account.as_ref().map_or_else(password::decoy, |account| account.password.clone());
        let right = password::verify(password, &hash);
        let account = account.filter(|_| right);
        match &account {
            Some(_) => self.throttle().succeeded(&sources),
            None => self.throttle().failed(Instant::now(), &sources),
        }
        account.ok_or(AccessError::WrongCredentials)
    }

    pub(crate) fn hash(&self, password: &Secret) -> Result<Secret, AccessError> {
        let _one_at_a_time = self.wait_for_hashing()?;
        password::hash(password)
    }

    /// Waits for the turn to hash, for a bounded time.
    fn wait_for_hashing(&self) -> Result<MutexGuard<'_, ()>, AccessError> {
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            match self.shared.hashing.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(TryLockError::Poisoned(turn)) => return Ok(turn.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => return Err(AccessError::Busy),
            }
        }
    }
}
