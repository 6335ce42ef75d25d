//! Identities of 128 bits, written as 32 hexadecimal digits: of a boot, of one run of a unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Of a boot, or of one run of a unit (`INVOCATION_ID`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Id(pub u128);

/// Not 32 hexadecimal digits, with or without the dashes of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an identity of 32 hexadecimal digits")]
pub struct IdError;

impl Id {
    /// The identity of this boot, as the kernel has it.
    pub fn of_this_boot() -> Id {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_default()
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Id, IdError> {
        let mut id = 0u128;
        let mut digits = 0;
        for octet in text.bytes().filter(|octet| *octet != b'-') {
            let digit = (octet as char).to_digit(16).ok_or(IdError)?;
            id = id << 4 | u128::from(digit);
            digits += 1;
        }
        if digits == 32 { Ok(Id(id)) } else { Err(IdError) }
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;

    fn try_from(text: String) -> Result<Id, IdError> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.to_string()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
