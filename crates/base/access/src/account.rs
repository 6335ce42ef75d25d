//! Accounts, roles and tokens, as they are kept.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{AccessError, Secret};

/// What someone may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Observer,
    /// Runs the station: acknowledges alarms.
    Operator,
    /// Commands the spacecraft.
    Commander,
    /// Manages accounts and the configuration.
    Admin,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Observer, Self::Operator, Self::Commander, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Operator => "operator",
            Self::Commander => "commander",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that names no role.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no role: it is one of observer, operator, commander, admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| UnknownRole(word.to_owned()))
    }
}

/// Who is at the gate, and what they may do there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub name: String,
    /// What they may do at this moment.
    pub role: Role,
    /// A one-time password has not been changed yet; until then the role is observer.
    pub must_change_password: bool,
}

impl Identity {
    /// Someone who has not said who they are.
    pub fn anonymous(role: Role) -> Self {
        Self { name: "anonymous".to_owned(), role, must_change_password: false }
    }
}

/// One person's or program's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Up to 64 of a-z, 0-9, `.`, `_` and `-`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The argon2id hash of its password.
    pub(crate) password: Secret,
    /// The password is a one-time password.
    pub must_change_password: bool,
    /// When the account was made, milliseconds of the Unix epoch.
    pub created: u64,
    /// When the account was made or its password last reset, milliseconds of the Unix epoch: the sessions of
    /// before have ended. 0 in files that do not say it.
    #[serde(default)]
    pub since: u64,
}

impl Account {
    pub(crate) fn new(
        name: &str,
        role: Role,
        password: Secret,
        must_change_password: bool,
    ) -> Result<Self, AccessError> {
        check_name("account", name)?;
        let (name, now) = (name.to_owned(), now_millis());
        Ok(Self { name, role, password, must_change_password, created: now, since: now })
    }

    /// Puts a one-time password in the place of a forgotten one, which ends all sessions.
    pub(crate) fn reset_password(&mut self, hash: Secret) {
        self.set_password(hash, true);
        // Always another one, even when the clock was set back.
        self.since = now_millis().max(self.since.saturating_add(1));
    }

    pub(crate) fn set_password(&mut self, hash: Secret, must_change: bool) {
        self.password = hash;
        self.must_change_password = must_change;
    }

    pub(crate) fn identity(&self) -> Identity {
        let role = if self.must_change_password { Role::Observer } else { self.role };
        Identity { name: self.name.clone(), role, must_change_password: self.must_change_password }
    }
}

/// What is kept of an API token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The account that it speaks for.
    pub account: String,
    /// What it is for; unique within the account.
    pub label: String,
    /// What it may do, as long as its account may.
    pub role: Role,
    /// SHA-256 of the token.
    pub(crate) fingerprint: Secret,
    /// When it was made, milliseconds of the Unix epoch.
    pub created: u64,
    /// When it ends, milliseconds of the Unix epoch.
    pub expires: Option<u64>,
}

impl Token {
    pub(crate) fn new(
        account: &str,
        label: &str,
        role: Role,
        fingerprint: Secret,
        lifetime: Option<Duration>,
    ) -> Result<Self, AccessError> {
        check_name("API token", label)?;
        let created = now_millis();
        let expires = lifetime
            .map(|lifetime| created.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)));
        let (account, label) = (account.to_owned(), label.to_owned());
        Ok(Self { account, label, role, fingerprint, created, expires })
    }
}

/// Everything that `access.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    tokens: Vec<Token>,
}

/// How many accounts, and how many tokens, one node keeps.
const LIMIT: usize = 1000;

impl Accounts {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    pub(crate) fn all(&self) -> &[Account] {
        &self.accounts
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Result<&mut Account, AccessError> {
        self.accounts
            .iter_mut()
            .find(|account| account.name == name)
            .ok_or_else(|| AccessError::Unknown { what: "account", name: name.to_owned() })
    }

    pub(crate) fn add(&mut self, account: Account) -> Result<(), AccessError> {
        if self.find(&account.name).is_some() {
            return Err(AccessError::Refused(format!("there is an account named {} already", account.name)));
        }
        if self.accounts.len() >= LIMIT {
            return Err(AccessError::Refused(format!("there are {LIMIT} accounts already")));
        }
        self.accounts.push(account);
        self.accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<(), AccessError> {
        self.get_mut(name)?;
        self.keep_an_admin_besides(name)?;
        self.accounts.retain(|account| account.name != name);
        self.tokens.retain(|token| token.account != name);
        Ok(())
    }

    pub(crate) fn set_role(&mut self, name: &str, role: Role) -> Result<(), AccessError> {
        self.get_mut(name)?;
        if role != Role::Admin {
            self.keep_an_admin_besides(name)?;
        }
        self.get_mut(name)?.role = role;
        Ok(())
    }

    pub(crate) fn add_token(&mut self, token: Token) -> Result<(), AccessError> {
        let now = now_millis();
        self.tokens.retain(|kept| kept.expires.is_none_or(|expires| expires > now));
        let account = self.get_mut(&token.account)?.clone();
        if token.role > account.role {
            let message =
                format!("{} is {} and cannot have a token of {}", account.name, account.role, token.role);
            return Err(AccessError::Refused(message));
        }
        if self.tokens.iter().any(|kept| kept.account == token.account && kept.label == token.label) {
            return Err(AccessError::Refused(format!(
                "{} has a token {} already",
                token.account, token.label
            )));
        }
        if self.tokens.len() >= LIMIT {
            return Err(AccessError::Refused(format!("there are {LIMIT} tokens already")));
        }
        self.tokens.push(token);
        Ok(())
    }

    pub(crate) fn revoke(&mut self, account: &str, label: &str) -> Result<(), AccessError> {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.account != account || token.label != label);
        if self.tokens.len() == before {
            return Err(AccessError::Unknown { what: "token", name: format!("{account}/{label}") });
        }
        Ok(())
    }

    pub(crate) fn speaks_for(&self, fingerprint: &Secret, now: SystemTime) -> Option<Identity> {
        // Comparing fingerprints tells nothing about tokens, however long it takes.
        let token = self.tokens.iter().find(|token| token.fingerprint == *fingerprint)?;
        if token.expires.is_some_and(|expires| expires <= millis(now)) {
            return None;
        }
        let mut identity = self.find(&token.account)?.identity();
        identity.role = identity.role.min(token.role);
        Some(identity)
    }

    fn keep_an_admin_besides(&self, name: &str) -> Result<(), AccessError> {
        if self.accounts.iter().any(|account| account.role == Role::Admin && account.name != name) {
            return Ok(());
        }
        Err(AccessError::Refused(format!("{name} is the only admin: make another one first")))
    }
}

fn check_name(what: &str, name: &str) -> Result<(), AccessError> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c));
    if fits && name != "anonymous" {
        return Ok(());
    }
    Err(AccessError::Refused(format!(
        "this cannot name an {what}: use 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and not `anonymous`"
    )))
}

pub(crate) fn now_millis() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
