//! As whom the processes of a unit run: users and groups by name, and users who live as long as the unit does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::environment::Variables;
use super::reader::Reader;
use super::rights::Identity;
use super::{ExecError, Owners};
use perigee_process::accounts::Accounts;

/// The numbers of users who pass, as systemd gives them.
const PASSING: std::ops::RangeInclusive<u32> = 61_184..=65_519;
/// A file for each that is given away, locked as long as it is.
const LOCKS: &str = "/run/perigee/users";

/// What a unit says of its user.
#[derive(Clone, Debug, Default)]
pub(super) struct Who {
    user: Option<String>,
    group: Option<String>,
    supplementary: Vec<String>,
    /// `DynamicUser=`.
    pub(super) passing: bool,
}

/// Who that is.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) identity: Identity,
    pub(super) home: String,
    pub(super) variables: Variables,
}

impl Who {
    pub(super) fn read(reader: &Reader<'_>) -> Who {
        Who {
            user: reader.text("User").map(str::to_owned),
            group: reader.text("Group").map(str::to_owned),
            supplementary: reader.words("SupplementaryGroups").into_iter().map(str::to_owned).collect(),
            passing: reader.is("DynamicUser"),
        }
    }

    /// Looks everybody up; `held` keeps the number of a user who passes.
    pub(super) fn find(&self, unit: &str, held: &mut Option<(u32, Flock<File>)>) -> Result<Found, ExecError> {
        let root = || Found { home: "/root".to_owned(), ..Found::default() };
        if self.user.is_none() && self.group.is_none() && self.supplementary.is_empty() && !self.passing {
            return Ok(root());
        }
        let accounts = Accounts::read(Path::new("/")).map_err(ExecError::Accounts)?;
        let group_of = |name: &str, directive| {
            let name = name.to_owned();
            let none = || ExecError::Account { kind: "group", name: name.clone(), file: "group", directive };
            accounts.gid(&name).ok_or_else(none)
        };
        let mut found = root();
        let mut groups = None;
        let name = self.user.clone().or_else(|| self.passing.then(|| passing_name(unit)));
        if let Some(name) = name {
            let user = match accounts.user(&name) {
                Some(user) => user,
                None if self.passing => {
                    let uid = take(&name, held)?;
                    let (home, shell) = ("/".to_owned(), "/usr/sbin/nologin".to_owned());
                    perigee_process::accounts::User { name: name.clone(), uid, gid: uid, home, shell }
                }
                None => {
                    return Err(ExecError::Account { kind: "user", name, file: "passwd", directive: "User" });
                }
            };
            let is_root = user.uid == 0;
            groups = Some(accounts.groups_of(&user.name));
            let pairs =
                [("USER", &user.name), ("LOGNAME", &user.name), ("HOME", &user.home), ("SHELL", &user.shell)];
            found.variables = pairs.map(|(name, value)| (name.to_owned(), value.clone())).into();
            found.home = user.home.clone();
            // The superuser needs no change.
            let own = nix::unistd::geteuid().as_raw();
            found.identity.uid = (!is_root || own != 0).then_some(user.uid).filter(|uid| *uid != own);
            found.identity.gid = Some(user.gid);
        }
        if let Some(name) = &self.group {
            found.identity.gid = Some(group_of(name, "Group")?);
        }
        let mut all = groups.unwrap_or_default();
        for name in &self.supplementary {
            all.push(group_of(name, "SupplementaryGroups")?);
        }
        all.sort_unstable();
        all.dedup();
        // One who may not change groups and need not, does not.
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        if uid != 0 && found.identity.uid.is_none() && found.identity.gid.is_none_or(|wanted| wanted == gid) {
            found.identity.gid = None;
        } else {
            found.identity.groups = Some(all);
        }
        Ok(found)
    }
}

impl Who {
    /// The numbers of user and group; `held` is that of a user who passes.
    pub(super) fn numbers(&self, unit: &str, held: Option<u32>, accounts: &Accounts) -> Owners {
        let name = self.user.clone().or_else(|| self.passing.then(|| passing_name(unit)));
        let known = name.as_deref().and_then(|name| accounts.users.iter().find(|user| user.name == name));
        let user = match (known, held) {
            (Some(user), _) => Some((user.uid, user.gid)),
            (None, Some(uid)) => Some((uid, uid)),
            (None, None) if self.passing => None,
            (None, None) => name.and_then(|name| accounts.user(&name)).map(|user| (user.uid, user.gid)),
        };
        let group = self.group.as_deref().and_then(|name| accounts.gid(name));
        let group = group.or(user.map(|(_, gid)| gid));
        Owners { uid: user.map(|(uid, _)| uid).filter(|uid| *uid != 0), gid: group.filter(|gid| *gid != 0) }
    }
}

/// The name of a user who passes, from that of the unit; as systemd, a number in place of what no name may have.
fn passing_name(unit: &str) -> String {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let first = stem.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if stem.len() <= 30 && first && stem.chars().all(plain) {
        stem.to_owned()
    } else {
        format!("_du{:016x}", hash(stem))
    }
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// A number that nobody else has, for as long as the lock is held: the one that its folders belong to, else one from
/// its name, so that it is the same as last time if it can be.
fn take(name: &str, held: &mut Option<(u32, Flock<File>)>) -> Result<u32, ExecError> {
    if let Some((uid, _)) = held {
        return Ok(*uid);
    }
    let folder = |source| ExecError::Folder { path: LOCKS.to_owned(), directive: "DynamicUser", source };
    let count = PASSING.end() - PASSING.start() + 1;
    let owner = fs::metadata(format!("/var/lib/private/{name}")).ok().map(|metadata| metadata.uid());
    let first = owner.filter(|uid| PASSING.contains(uid));
    let begin = hash(name) % u64::from(count);
    let others = (0..count).map(|step| PASSING.start() + (begin as u32 + step) % count);
    let used = Accounts::read(Path::new("/")).map_err(ExecError::Accounts)?;
    for uid in first.into_iter().chain(others) {
        if used.users.iter().any(|user| user.uid == uid) || used.groups.iter().any(|group| group.gid == uid) {
            continue;
        }
        if let Some(lock) = lock(uid).map_err(folder)? {
            *held = Some((uid, lock));
            return Ok(uid);
        }
    }
    Err(ExecError::NoFreeUser)
}

/// The number, unless somebody has it.
fn lock(uid: u32) -> std::io::Result<Option<Flock<File>>> {
    DirBuilder::new().recursive(true).mode(0o755).create(LOCKS)?;
    let path = Path::new(LOCKS).join(uid.to_string());
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

/// The number that a process runs with, locked again.
pub(super) fn held_by(pid: i32) -> Option<(u32, Flock<File>)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid =
        status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())?;
    let lock = PASSING.contains(&uid).then(|| lock(uid).ok().flatten())??;
    Some((uid, lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_users_who_pass() {
        assert_eq!(passing_name("beacon.service"), "beacon");
        assert!(passing_name("beacon@ka.service").starts_with("_du"));
        assert!(passing_name("9p.service").starts_with("_du"));
    }
}
