//! Secrets: how they are made, and how they are kept out of sight.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Letters and digits that are not mistaken for one another when read from a screen: 32 of them, so that
/// each carries five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password, token or hash. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes charge of a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for whoever must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 100 random bits in four groups that can be typed.
    pub(crate) fn one_time_password() -> Self {
        let letters = random_letters::<20>();
        Self(letters.chunks(5).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"))
    }

    /// 260 random bits.
    pub(crate) fn session_token() -> Self {
        Self(String::from_utf8_lossy(&random_letters::<52>()).into_owned())
    }

    /// 260 random bits behind a prefix that leak scanners can know.
    pub(crate) fn api_token() -> Self {
        Self(format!("perigee_{}", String::from_utf8_lossy(&random_letters::<52>())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// What is kept of a random token: SHA-256, in hex. (A password is not random and gets argon2id.)
pub(crate) fn fingerprint(token: &str) -> Secret {
    let digest = Sha256::digest(token.as_bytes());
    Secret(digest.iter().map(|octet| format!("{octet:02x}")).collect())
}

fn random_letters<const N: usize>() -> [u8; N] {
    let mut letters = [0; N];
    // Without randomness nothing here is safe: there is no going on.
    #[allow(clippy::expect_used)]
    getrandom::fill(&mut letters).expect("the system's random number generator");
    letters.map(|octet| ALPHABET[usize::from(octet % 32)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print_and_do_not_repeat() {
        let secret = Secret::one_time_password();
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
        assert_eq!(secret.expose().len(), 23);
        assert_ne!(secret, Secret::one_time_password());
        assert_ne!(Secret::api_token(), Secret::api_token());
    }

    #[test]
    fn a_fingerprint_is_sha_256() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint("abc").expose(), of_abc);
    }
}
