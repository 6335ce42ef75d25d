//! `/etc/passwd`, `/etc/group` and their shadows: read, and written anew in one step, with the version before beside
//! them.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::Root;
use crate::accounts::text;
use crate::root::PathError;

/// The four tables, and the modes that they get where they are made.
pub(super) const TABLES: [(&str, u32); 4] =
    [("passwd", 0o644), ("group", 0o644), ("shadow", 0o000), ("gshadow", 0o000)];

/// One line of a table, in its columns.
pub(super) type Row = Vec<String>;

/// The rows of a table, and those behind the first that is for the name services only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) rest: Vec<String>,
}

impl Table {
    pub(super) fn read(root: &Root, name: &str) -> Table {
        let text = text(root, &format!("/etc/{name}")).unwrap_or_default();
        let mut table = Table::default();
        for line in text.lines() {
            if !table.rest.is_empty() || line.starts_with(['+', '-']) {
                table.rest.push(line.to_owned());
            } else if !line.trim().is_empty() {
                table.rows.push(line.split(':').map(str::to_owned).collect());
            }
        }
        table
    }

    pub(super) fn find(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row[0] == name)
    }

    fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.join(":"));
        rows.chain(self.rest.iter().cloned()).map(|line| line + "\n").collect()
    }

    /// Writes the table: beside it first, then in its place.
    pub(super) fn write(&self, root: &Root, name: &str, mode: u32) -> Result<(), String> {
        let told = |errno: Errno| format!("/etc/{name}: {errno}");
        let (etc, _) = root.parent("/etc/x", true).map_err(|error: PathError| error.to_string())?;
        let before = rustix::fs::statat(&etc, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        if before.is_some() {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let old = rustix::fs::openat(&etc, name, flags, Mode::empty()).map_err(told)?;
            let mut octets = Vec::new();
            std::io::Read::read_to_end(&mut File::from(old), &mut octets)
                .map_err(|e| format!("/etc/{name}: {e}"))?;
            put(&etc, &format!("{name}-"), &octets, before.as_ref(), mode).map_err(told)?;
        }
        put(&etc, name, self.text().as_bytes(), before.as_ref(), mode).map_err(told)
    }
}

/// Puts a file in the place of another, with its mode and owner.
fn put(
    etc: &OwnedFd,
    name: &str,
    octets: &[u8],
    like: Option<&rustix::fs::Stat>,
    mode: u32,
) -> Result<(), Errno> {
    let beside = format!(".#{name}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(etc, &beside, flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(fd);
    let io = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let written = file.write_all(octets).map_err(io).and_then(|()| {
        if let Some(like) = like {
            let (user, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
            rustix::fs::fchown(&file, Some(user), Some(group))?;
        }
        let mode = like.map_or(mode, |like| like.st_mode & 0o7777);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        file.sync_all().map_err(io)?;
        rustix::fs::renameat(etc, &beside, etc, name)
    });
    written.inspect_err(|_| {
        let _ = rustix::fs::unlinkat(etc, &beside, AtFlags::empty());
    })
}

/// Holds the lock that passwd(1) and its like take too, until it is dropped.
pub(super) fn lock(root: &Root) -> Result<OwnedFd, String> {
    let told = |errno: Errno| format!("/etc/.pwd.lock: {errno}");
    let (etc, _) = root.parent("/etc/x", true).map_err(|error: PathError| error.to_string())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&etc, ".pwd.lock", flags, Mode::from_raw_mode(0o600)).map_err(told)?;
    rustix::fs::fcntl_lock(&fd, FlockOperation::LockExclusive).map_err(told)?;
    Ok(fd)
}
