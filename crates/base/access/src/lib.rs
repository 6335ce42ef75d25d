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
mod password;
mod secret;
mod session;
mod store;
mod throttle;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use account::{Account, Identity, Role, Token, UnknownRole};
pub use config::Config;
pub use secret::Secret;

use audit::Audit;
use session::Sessions;
use store::Store;
use throttle::{Source, Throttle};

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
/// Calls read files and some compute password hashes: from asynchronous code call [`Access::login`] and
/// [`Access::change_password`] on a blocking thread. The others take microseconds.
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
    store: Mutex<Store>,
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
            store: Mutex::new(Store::open(state)?),
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
        if !self.store().accounts()?.is_empty() {
            return Ok(None);
        }
        let password = Secret::one_time_password();
        let hash = password::hash(&password)?;
        let made = self.store().change(|accounts| {
            // Another process may have been faster.
            if accounts.is_empty() {
                accounts.add(Account::new("admin", Role::Admin, hash, true)?)?;
                return Ok(true);
            }
            Ok(false)
        })?;
        if made {
            self.audit("perigee", "account.add", "admin", "role admin, one-time password")?;
        }
        Ok(made.then_some(password))
    }

    /// Checks a name and password and opens a session. Tries from `peer` and for `name` are throttled.
    ///
    /// While a one-time password has not been changed the session is only an observer's.
    pub fn login(&self, name: &str, password: &Secret, peer: IpAddr) -> Result<Session, AccessError> {
        let sources = Source::of(name, peer);
        self.throttle().check(Instant::now(), &sources).map_err(AccessError::Throttled)?;
        let account = self.verify(name, password);
        match account {
            Ok(account) => {
                self.throttle().succeeded(&sources);
                let identity = account.identity();
                let token = self.sessions().open(&identity.name, SystemTime::now());
                self.audit(&identity.name, "login", &identity.name, &format!("from {peer}"))?;
                Ok(Session { token, identity })
            }
            Err(AccessError::WrongCredentials) => {
                self.throttle().failed(Instant::now(), &sources);
                // The name as typed may be a password typed into the wrong field.
                let known = self.store().accounts()?.find(name).is_some();
                let subject = if known { name } else { "(no such account)" };
                self.audit("anonymous", "login.refused", subject, &format!("from {peer}"))?;
                Err(AccessError::WrongCredentials)
            }
            Err(other) => Err(other),
        }
    }

    /// Who a session belongs to, if it is still open; each call keeps it open for longer.
    pub fn session(&self, token: &str) -> Option<Identity> {
        let name = self.sessions().touch(token, SystemTime::now())?;
        let account = self.store().accounts().ok()?.find(&name).cloned()?;
        Some(account.identity())
    }

    /// Closes a session.
    pub fn logout(&self, token: &str) {
        if let Some(name) = self.sessions().close(token) {
            let _ = self.audit(&name, "logout", &name, "");
        }
    }

    /// Who an API token speaks for, with the smaller of the token's and its account's role.
    pub fn token(&self, token: &str) -> Option<Identity> {
        self.store().accounts().ok()?.speaks_for(&secret::fingerprint(token), SystemTime::now())
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
        let sources = Source::of(name, peer);
        self.throttle().check(Instant::now(), &sources).map_err(AccessError::Throttled)?;
        if let Err(error) = self.verify(name, old) {
            if matches!(error, AccessError::WrongCredentials) {
                self.throttle().failed(Instant::now(), &sources);
            }
            return Err(error);
        }
        if old.expose() == new.expose() {
            return Err(AccessError::WeakPassword("it is the old one"));
        }
        password::acceptable(name, new)?;
        let hash = self.hash(new)?;
        let identity = self.store().change(|accounts| {
            let account = accounts.get_mut(name)?;
            account.set_password(hash, false);
            Ok(account.identity())
        })?;
        self.sessions().close_all(name, keep);
        self.audit(name, "account.password", name, "")?;
        Ok(identity)
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> Result<Vec<Account>, AccessError> {
        Ok(self.store().accounts()?.all().to_vec())
    }

    /// Adds an account with a one-time password, which is returned.
    pub fn add(&self, who: &str, name: &str, role: Role) -> Result<Secret, AccessError> {
        let password = Secret::one_time_password();
        let hash = self.hash(&password)?;
        self.store().change(|accounts| accounts.add(Account::new(name, role, hash, true)?))?;
        self.audit(who, "account.add", name, &format!("role {role}"))?;
        Ok(password)
    }

    /// Removes an account with its tokens and sessions. The last admin stays.
    pub fn remove(&self, who: &str, name: &str) -> Result<(), AccessError> {
        self.store().change(|accounts| accounts.remove(name))?;
        self.sessions().close_all(name, None);
        self.audit(who, "account.remove", name, "")
    }

    /// Gives an account another role. The last admin stays one.
    pub fn set_role(&self, who: &str, name: &str, role: Role) -> Result<(), AccessError> {
        self.store().change(|accounts| accounts.set_role(name, role))?;
        self.audit(who, "account.role", name, &format!("role {role}"))
    }

    /// Replaces a forgotten password by a one-time password, which is returned, and closes the account's
    /// sessions.
    pub fn reset_password(&self, who: &str, name: &str) -> Result<Secret, AccessError> {
        let password = Secret::one_time_password();
        let hash = self.hash(&password)?;
        self.store().change(|accounts| {
            accounts.get_mut(name)?.set_password(hash, true);
            Ok(())
        })?;
        self.sessions().close_all(name, None);
        self.audit(who, "account.reset-password", name, "")?;
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
        self.store().change(|accounts| accounts.add_token(token))?;
        self.audit(who, "token.create", name, &format!("label {label}, role {role}"))?;
        Ok(secret)
    }

    /// All tokens; what is kept of them does not let anyone in.
    pub fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        Ok(self.store().accounts()?.tokens().to_vec())
    }

    /// Makes a token useless from now on.
    pub fn revoke_token(&self, who: &str, name: &str, label: &str) -> Result<(), AccessError> {
        self.store().change(|accounts| accounts.revoke(name, label))?;
        self.audit(who, "token.revoke", name, &format!("label {label}"))
    }

    /// Puts a change on record: `who` did `what` (such as `alarm.acknowledge`) to `subject`.
    ///
    /// The record is on its way to the disk when this returns; an error means that it is not, and that
    /// the change should not be made.
    pub fn audit(&self, who: &str, what: &str, subject: &str, detail: &str) -> Result<(), AccessError> {
        self.shared.audit.record(who, what, subject, detail)
    }

    fn verify(&self, name: &str, password: &Secret) -> Result<Account, AccessError> {
        let account = self.store().accounts()?.find(name).cloned();
        let _one_at_a_time = self.wait_for_hashing()?;
        // An unknown name costs as much time as a known one.
        let hash = account.as_ref().map_or_else(password::decoy, |account| account.password.clone());
        let right = password::verify(password, &hash);
        account.filter(|_| right).ok_or(AccessError::WrongCredentials)
    }

    fn hash(&self, password: &Secret) -> Result<Secret, AccessError> {
        let _one_at_a_time = self.wait_for_hashing()?;
        password::hash(password)
    }

    /// Waits for the turn to hash, for a bounded time.
    fn wait_for_hashing(&self) -> Result<MutexGuard<'_, ()>, AccessError> {
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match self.shared.hashing.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(std::sync::TryLockError::Poisoned(turn)) => return Ok(turn.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(std::sync::TryLockError::WouldBlock) => return Err(AccessError::Busy),
            }
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.shared.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
