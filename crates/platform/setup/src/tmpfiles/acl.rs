//! Access control lists of POSIX 1003.1e, as the kernel keeps them in extended attributes, acl(5).

use std::collections::BTreeMap;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::Accounts;
use crate::root::Node;

/// Entries by tag and number, with their rights.
type Acl = BTreeMap<(u16, u32), u16>;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// What an entry without a name carries as its number.
const NOBODY: u32 = u32::MAX;

/// The list that a text asks for: for access, and for what is made in a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    access: Acl,
    default: Acl,
}

impl Asked {
    /// Reads `u:NAME:rwX,d:g::r-x`. `X` stands for the right to execute where anyone has it, or in a folder.
    pub(super) fn parse(text: &str, accounts: &Accounts, executable: bool) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = || format!("`{entry}` is no entry of an access control list");
            let mut parts: Vec<&str> = entry.split(':').collect();
            let is_default = matches!(parts.first(), Some(&("d" | "default")));
            if is_default {
                parts.remove(0);
            }
            // `m:rwx` and `o:rwx` need no second colon.
            if parts.len() == 2 && matches!(parts[0], "m" | "mask" | "o" | "other") {
                parts.insert(1, "");
            }
            let [tag, name, rights] = parts[..] else { return Err(wrong()) };
            let unknown = |what: &str| format!("there is no {what} {name}");
            let key = match (tag, name) {
                ("u" | "user", "") => (USER_OBJ, NOBODY),
                ("u" | "user", name) => (USER, accounts.user(name).ok_or_else(|| unknown("user"))?),
                ("g" | "group", "") => (GROUP_OBJ, NOBODY),
                ("g" | "group", name) => (GROUP, accounts.group(name).ok_or_else(|| unknown("group"))?),
                ("m" | "mask", "") => (MASK, NOBODY),
                ("o" | "other", "") => (OTHER, NOBODY),
                _ => return Err(wrong()),
            };
            let mut bits = rights.parse::<u16>().ok().filter(|bits| *bits <= 7).unwrap_or(0);
            if !rights.starts_with(|c: char| c.is_ascii_digit()) {
                for letter in rights.chars() {
                    bits |= match letter {
                        'r' => 4,
                        'w' => 2,
                        'x' => 1,
                        'X' => u16::from(executable),
                        '-' => 0,
                        _ => return Err(wrong()),
                    };
                }
            }
            let list = if is_default { &mut asked.default } else { &mut asked.access };
            list.insert(key, bits);
        }
        Ok(asked)
    }
}

/// Gives a node the lists; what it had is kept besides, or replaced.
pub(super) fn set(node: &Node, asked: &Asked, keep: bool, is_folder: bool) -> Result<(), Errno> {
    let lists = [("system.posix_acl_access", &asked.access), ("system.posix_acl_default", &asked.default)];
    for (name, list) in lists {
        let wanted = !list.is_empty() && (is_folder || name.ends_with("access"));
        if !wanted {
            continue;
        }
        let path = node.by_descriptor();
        let had = if keep { get(&path, name)? } else { None };
        let mode = node.stat.st_mode;
        let from_mode = |shift: u32| ((mode >> shift) & 7) as u16;
        let mut acl = had.unwrap_or_default();
        // A mask that was reckoned is reckoned anew.
        acl.remove(&(MASK, NOBODY));
        acl.extend(list.iter().map(|(key, bits)| (*key, *bits)));
        for (tag, shift) in [(USER_OBJ, 6), (GROUP_OBJ, 3), (OTHER, 0)] {
            acl.entry((tag, NOBODY)).or_insert_with(|| from_mode(shift));
        }
        if !acl.contains_key(&(MASK, NOBODY)) && acl.keys().any(|(tag, _)| *tag == USER || *tag == GROUP) {
            let of = |tag: u16| matches!(tag, USER | GROUP_OBJ | GROUP);
            let mask = acl.iter().filter(|((tag, _), _)| of(*tag)).fold(0, |mask, (_, bits)| mask | bits);
            acl.insert((MASK, NOBODY), mask);
        }
        rustix::fs::setxattr(path, name, &encode(&acl), XattrFlags::empty())?;
    }
    Ok(())
}

/// Version 2, then tag, rights and number of each entry, in the order of the tags.
fn encode(acl: &Acl) -> Vec<u8> {
    let mut octets = 2_u32.to_le_bytes().to_vec();
    for ((tag, id), bits) in acl {
        octets.extend_from_slice(&tag.to_le_bytes());
        octets.extend_from_slice(&bits.to_le_bytes());
        octets.extend_from_slice(&id.to_le_bytes());
    }
    octets
}

fn get(path: &str, name: &str) -> Result<Option<Acl>, Errno> {
    let mut octets = vec![0; 4096];
    let length = match rustix::fs::getxattr(path, name, octets.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NODATA) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    octets.truncate(length);
    let entries = octets.get(4..).unwrap_or_default().chunks_exact(8);
    let entries = entries.map(|entry| {
        let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        ((short(0), id), short(2))
    });
    Ok(Some(entries.collect()))
}
