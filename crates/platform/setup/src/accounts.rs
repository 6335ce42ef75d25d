//! Users and groups by name, from the tables of the system that is worked on.

use std::collections::BTreeMap;
use std::io::Read;

use crate::Root;

/// Longest table that is read.
const LONGEST: u64 = 16 << 20;

/// Numbers by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group`; what is missing there is missing.
    pub fn read(root: &Root) -> Accounts {
        let table = |path: &str| {
            let text = text(root, path).unwrap_or_default();
            text.lines()
                .filter_map(|line| {
                    let mut columns = line.split(':');
                    Some((columns.next()?.to_owned(), columns.nth(1)?.parse().ok()?))
                })
                .collect()
        };
        Accounts { users: table("/etc/passwd"), groups: table("/etc/group") }
    }

    /// The number of a user by name or by number.
    pub fn user(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| self.users.get(name).copied()).or(if name == "root" { Some(0) } else { None })
    }

    /// The number of a group by name or by number.
    pub fn group(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| self.groups.get(name).copied()).or(if name == "root" {
            Some(0)
        } else {
            None
        })
    }
}

/// A number that is no sign for "none".
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX && *id != u32::from(u16::MAX))
}

/// The text of a table.
pub(crate) fn text(root: &Root, path: &str) -> Option<String> {
    let mut octets = Vec::new();
    root.open_file(path).ok()??.take(LONGEST).read_to_end(&mut octets).ok()?;
    Some(String::from_utf8_lossy(&octets).into_owned())
}
