//! Password hashes: argon2id (RFC 9106) in PHC string form.

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use crate::{AccessError, Secret};

/// Length of the shortest and the longest password, in octets.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=256;

/// A new hash with a random salt; 19 MiB, two passes (the library's default, after OWASP).
pub(crate) fn hash(password: &Secret) -> Result<Secret, AccessError> {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map(|hash| Secret::new(hash.to_string()))
        .map_err(|error| AccessError::Refused(format!("cannot hash a password: {error}")))
}

/// Whether `password` is the one that was hashed.
pub(crate) fn verify(password: &Secret, hash: &Secret) -> bool {
    // Longer ones cannot have been set, and would only cost time.
    password.expose().len() <= *LENGTH.end()
        && PasswordHash::new(hash.expose())
            .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

/// Whether `password` may be set for the account `name`.
pub(crate) fn acceptable(name: &str, password: &Secret) -> Result<(), AccessError> {
    let password = password.expose();
    let complaint = if password.len() < *LENGTH.start() {
        "it has fewer than 10 characters"
    } else if password.len() > *LENGTH.end() {
        "it has more than 256 characters"
    } else if password.to_lowercase().contains(&name.to_lowercase()) {
        "it contains the account's name"
    } else if password.bytes().all(|octet| octet == password.as_bytes()[0]) {
        "it repeats one character"
    } else {
        return Ok(());
    };
    Err(AccessError::WeakPassword(complaint))
}

/// A hash that no password is known for.
pub(crate) fn decoy() -> Secret {
    static DECOY: OnceLock<Secret> = OnceLock::new();
    DECOY.get_or_init(|| hash(&Secret::session_token()).unwrap_or_else(|_| Secret::new(""))).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_hash_and_no_other_does() {
        let hash = hash(&Secret::new("correct horse battery")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(verify(&Secret::new("correct horse battery"), &hash));
        assert!(!verify(&Secret::new("correct horse batterz"), &hash));
        assert!(!verify(&Secret::new(""), &Secret::new("not a hash")));
    }

    #[test]
    fn weak_passwords_are_refused() {
        for (password, word) in [
            ("short", "fewer"),
            ("aaaaaaaaaaaa", "repeats"),
            ("my-Alice-2024", "name"),
            (&"ab".repeat(200), "more"),
        ] {
            let complaint = acceptable("alice", &Secret::new(password)).unwrap_err().to_string();
            assert!(complaint.contains(word), "{password}: {complaint}");
        }
        assert!(acceptable("alice", &Secret::new("ten or more")).is_ok());
    }
}
