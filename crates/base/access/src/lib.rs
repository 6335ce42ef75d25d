//! People and programs: who they are, what they may do, and the record of what they did.
//!
//! Local accounts with argon2id password hashes (RFC 9106) and one of four [`Role`]s; sessions for the
//! page; API tokens, of which only a hash is kept; an audit record that is only ever appended to. All of
//! it lies in three files of the state directory: `access.json`, `access.lock` and `audit.jsonl`, mode
//! 0600. The command line and the running node may change the accounts at the same time: each change is
//! made under the lock and each look takes up what changed.
//!
//! No password, token or hash reaches a log: [`Secret`] prints as `[secret]`. There is no HTTP here;
//! cookies and headers are the business of whoever serves the page.

mod account;
mod audit;
mod config;
mod login;
mod password;
mod secret;
mod session;
mod store;
mod throttle;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use account::{Account, Identity, Role, Token, UnknownRole};
pub use config::Config;
pub use secret::Secret;

use account::Accounts;
use audit::Audit;
use session::Sessions;
use store::Store;
use throttle::Throttle;

/// Why access was refused, or an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Wrong name or wrong password; which of them is not told.
    #[error("wrong name or password")]
    WrongCredentials,
    /// Too many wrong tries.
    #[error("too many wrong tries; try again in {} s", .0.as_secs().max(1))]
    Throttled(Duration),
    /// Too many passwords are being checked at this moment.
    #[error("busy checking other passwords; try again")]
    Busy,
    /// Somebody else has been changing the accounts for too long.
    #[error("the accounts are being changed by another process; try again")]
    Locked,
    /// The password does not meet the rules.
    #[error("this password will not do: {0}")]
    WeakPassword(&'static str),
    /// The account or token does not exist.
    #[error("there is no {what} named {name}")]
    Unknown {
        /// `account` or `token`.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The change is not possible.
    #[error("{0}")]
    Refused(String),
    /// A file of the state directory could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of accounts is damaged.
    #[error("{path}: {detail}; mend it or move it away, and accounts start anew")]
    Damaged {
        /// The file.
        path: String,
        /// What the parser said.
        detail: String,
    },
}

/// What a successful login gives.
#[derive(Debug)]
pub struct Session {
    /// What the client shows from now on.
    pub token: Secret,
    /// Who logged in, and as what.
    pub identity: Identity,
}

/// The people's gate of one node. Clones share it.
///
/// From asynchronous code only [`Access::session`], [`Access::is_open`] and [`Access::token`] may be called
/// directly: they take microseconds and wait for nobody. All others write to the disk, compute password hashes or
/// wait for other changes, up to seconds: call them on a blocking thread.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

impl fmt::Debug for Access {
    /// Shows nothing: names that were tried may be passwords typed into the wrong field.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Access").finish_non_exhaustive()
    }
}

struct Shared {
    store: Store,
    sessions: Mutex<Sessions>,
    throttle: Mutex<Throttle>,
    audit: Audit,
    /// Held while a password hash is computed: one at a time bounds memory and what guessing can cost.
    hashing: Mutex<()>,
}

impl Access {
    /// Opens the accounts of a state directory; they need not exist yet.
    pub fn open(state: &Path, config: &Config) -> Result<Self, AccessError> {
        let shared = Shared {
            store: Store::open(state)?,
            sessions: Mutex::new(Sessions::new(config)),
            throttle: Mutex::default(),
            audit: Audit::open(state)?,
            hashing: Mutex::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes the account `admin` when there is no account at all, and gives its one-time password: the
    /// only time that it can be seen.
    pub fn first_admin(&self) -> Result<Option<Secret>, AccessError> {
        if !self.accounts_now()?.is_empty() {
            return Ok(None);
        }
        let password = Secret::one_time_password();
        let hash = password::hash(&password)?;
        let made = self.shared.store.change(|accounts| {
            // Another process may have been faster.
            if !accounts.is_empty() {
                return Ok(false);
            }
            accounts.add(Account::new("admin", Role::Admin, hash, true)?)?;
            self.audit("perigee", "account.add", "admin", "role admin, one-time password")?;
            Ok(true)
        })?;
        Ok(made.then_some(password))
    }

    /// Who a session belongs to, if it is still open; each call keeps it open for longer.
    pub fn session(&self, token: &str) -> Option<Identity> {
        let owner = self.sessions().touch(token, SystemTime::now())?;
        let identity = self.owner(&owner)?;
        if identity.is_none() {
            self.sessions().close(token);
        }
        identity
    }

    /// Whether a session is still open. Unlike [`Access::session`] this is no use of it: one that is only looked
    /// at ends when it has been idle for long enough.
    pub fn is_open(&self, token: &str) -> bool {
        let owner = self.sessions().look(token, SystemTime::now());
        owner.and_then(|owner| self.owner(&owner)).flatten().is_some()
    }

    /// The account of a session, `Some(None)` when it is another one by now or its password was reset, and `None`
    /// when that cannot be told.
    fn owner(&self, (name, since): &(String, u64)) -> Option<Option<Identity>> {
        let accounts = self.accounts_now().ok()?;
        Some(accounts.find(name).filter(|account| account.since == *since).map(Account::identity))
    }

    /// Closes a session.
    pub fn logout(&self, token: &str) {
        if let Some(name) = self.sessions().close(token) {
            let _ = self.audit(&name, "logout", &name, "");
        }
    }

    /// Who an API token speaks for, with the smaller of the token's and its account's role.
    pub fn token(&self, token: &str) -> Option<Identity> {
        self.accounts_now().ok()?.speaks_for(&secret::fingerprint(token), SystemTime::now())
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> Result<Vec<Account>, AccessError> {
        Ok(self.accounts_now()?.all().to_vec())
    }

    /// Adds an account with a one-time password, which is returned.
    pub fn add(&self, who: &str, name: &str, role: Role) -> Result<Secret, AccessError> {
        let password = Secret::one_time_password();
        let hash = self.hash(&password)?;
        self.change([who, "account.add", name, &format!("role {role}")], |accounts| {
            accounts.add(Account::new(name, role, hash, true)?)
        })?;
        Ok(password)
    }

    /// Removes an account with its tokens and sessions. The last admin stays.
    pub fn remove(&self, who: &str, name: &str) -> Result<(), AccessError> {
        self.change([who, "account.remove", name, ""], |accounts| accounts.remove(name))?;
        self.sessions().close_all(name, None);
        Ok(())
    }

    /// Gives an account another role. The last admin stays one.
    pub fn set_role(&self, who: &str, name: &str, role: Role) -> Result<(), AccessError> {
        let record = [who, "account.role", name, &format!("role {role}")];
        self.change(record, |accounts| accounts.set_role(name, role))
    }

    /// Replaces a forgotten password by a one-time password, which is returned, and closes the account's
    /// sessions.
    pub fn reset_password(&self, who: &str, name: &str) -> Result<Secret, AccessError> {
        let password = Secret::one_time_password();
        let hash = self.hash(&password)?;
        self.change([who, "account.reset-password", name, ""], |accounts| {
            accounts.get_mut(name)?.reset_password(hash);
            Ok(())
        })?;
        self.sessions().close_all(name, None);
        Ok(password)
    }

    /// Makes an API token for an account; only its hash is kept, so this is the only time it can be seen.
    ///
    /// `lifetime` of `None` is a token that does not expire.
    pub fn create_token(
        &self,
        who: &str,
        name: &str,
        label: &str,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<Secret, AccessError> {
        let secret = Secret::api_token();
        let fingerprint = secret::fingerprint(secret.expose());
        let token = Token::new(name, label, role, fingerprint, lifetime)?;
        let record = [who, "token.create", name, &format!("label {label}, role {role}")];
        self.change(record, |accounts| accounts.add_token(token))?;
        Ok(secret)
    }

    /// All tokens; what is kept of them does not let anyone in.
    pub fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        Ok(self.accounts_now()?.tokens().to_vec())
    }

    /// Makes a token useless from now on.
    pub fn revoke_token(&self, who: &str, name: &str, label: &str) -> Result<(), AccessError> {
        let record = [who, "token.revoke", name, &format!("label {label}")];
        self.change(record, |accounts| accounts.revoke(name, label))
    }

    /// Puts a change on record: `who` did `what` (such as `alarm.acknowledge`) to `subject`.
    ///
    /// Call it before the change is made. The record is on its way to the disk when this returns; an error means
    /// that it is not, and that the change must not be made.
    pub fn audit(&self, who: &str, what: &str, subject: &str, detail: &str) -> Result<(), AccessError> {
        self.shared.audit.record(who, what, subject, detail)
    }

    /// Makes a change of the accounts that is on record before it is written. When it cannot be written after
    /// all, the record says that, too.
    fn change<T>(
        &self,
        [who, what, subject, detail]: [&str; 4],
        change: impl FnOnce(&mut Accounts) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let mut recorded = false;
        let done = self.shared.store.change(|accounts| {
            let outcome = change(accounts)?;
            self.audit(who, what, subject, detail)?;
            recorded = true;
            Ok(outcome)
        });
        if recorded && done.is_err() {
            // The error of the change is what the caller must hear of.
            let _ = self.audit(who, &format!("{what}.failed"), subject, detail);
        }
        done
    }

    fn accounts_now(&self) -> Result<Arc<Accounts>, AccessError> {
        self.shared.store.accounts()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.shared.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_was_recorded_and_could_not_be_written_is_recorded_as_failed() {
        let place = tempfile::tempdir().unwrap();
        let (state, gone) = (place.path().join("state"), place.path().join("gone"));
        let access = Access::open(&state, &Config::default()).unwrap();
        let error = access.change(["admin", "account.role", "alice", "role admin"], |_| {
            // The directory goes away between the lock and the writing.
            std::fs::rename(&state, &gone).unwrap();
            Ok(())
        });
        assert!(matches!(error, Err(AccessError::Io { .. })), "{error:?}");
        let record = std::fs::read_to_string(gone.join("audit.jsonl")).unwrap();
        let what: Vec<_> = record.lines().map(|line| line.split('"').nth(9).unwrap()).collect();
        assert_eq!(what, ["account.role", "account.role.failed"], "{record}");
    }
}
