//! Mode, owner, extended attributes and flags of what is there.

use rustix::fs::{AtFlags, FileType, Gid, IFlags, Mode as FileMode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use perigee_units::value::split_words;

use super::line::{Item, Mode};
use crate::Accounts;
use crate::root::{Node, look_in};

/// Letters of flags, as chattr(1) has them.
const FLAGS: [(char, IFlags); 13] = [
    ('A', IFlags::NOATIME),
    ('S', IFlags::SYNC),
    ('D', IFlags::DIRSYNC),
    ('a', IFlags::APPEND),
    ('c', IFlags::COMPRESSED),
    ('d', IFlags::NODUMP),
    ('i', IFlags::IMMUTABLE),
    ('j', IFlags::JOURNALING),
    ('s', IFlags::SECURE_REMOVAL),
    ('u', IFlags::UNRM),
    ('t', IFlags::NOTAIL),
    ('T', IFlags::TOPDIR),
    ('C', IFlags::NOCOW),
];

/// Gives a node the mode and the owners of a line.
pub(super) fn adjust(node: &Node, item: &Item, accounts: &Accounts, made: bool) -> Result<(), String> {
    let told = |errno: Errno| format!("{}: {errno}", item.path);
    let stat = &node.stat;
    let kind = node.kind();
    // Whoever may make hard links to others' files could have made one here.
    if kind != FileType::Directory && stat.st_nlink > 1 && !hard_links_are_protected() {
        return Err(format!("{}: it has several names, and hard links are not protected", item.path));
    }
    let user = item.user.as_ref().filter(|owner| made || !owner.new_only);
    let group = item.group.as_ref().filter(|owner| made || !owner.new_only);
    let user = user
        .map(|owner| accounts.user(&owner.name).ok_or_else(|| format!("there is no user {}", owner.name)));
    let group = group
        .map(|owner| accounts.group(&owner.name).ok_or_else(|| format!("there is no group {}", owner.name)));
    let (user, group) = (user.transpose()?, group.transpose()?);
    let changes = user.is_some_and(|id| id != stat.st_uid) || group.is_some_and(|id| id != stat.st_gid);
    if changes {
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        rustix::fs::chownat(&node.fd, "", user, group, AtFlags::EMPTY_PATH).map_err(told)?;
    }
    if let Some(mode) = item.mode.filter(|mode| (made || !mode.new_only) && kind != FileType::Symlink) {
        let bits = masked(mode, stat.st_mode, kind == FileType::Directory);
        // A change of the owner takes special bits away.
        if bits != stat.st_mode & 0o7777 || changes {
            let bits = FileMode::from_raw_mode(bits);
            match rustix::fs::chmod(node.by_descriptor(), bits) {
                // Without /proc the name must do.
                Err(Errno::NOENT) => rustix::fs::chmodat(&node.parent, &node.name, bits, AtFlags::empty()),
                other => other,
            }
            .map_err(told)?;
        }
    }
    Ok(())
}

/// The bits, without those that a masked mode gives only to what has their like.
fn masked(mode: Mode, have: u32, is_folder: bool) -> u32 {
    let mut bits = mode.bits;
    if mode.masked {
        for class in [0o111, 0o222, 0o444] {
            if have & class == 0 {
                bits &= !class;
            }
        }
        if !is_folder {
            bits &= !0o7000;
        }
    }
    bits
}

fn hard_links_are_protected() -> bool {
    let text = std::fs::read_to_string("/proc/sys/fs/protected_hardlinks");
    text.map_or(true, |text| text.trim() != "0")
}

/// Gives a node the extended attributes `NAME=VALUE …`.
pub(super) fn set_attributes(node: &Node, argument: &str) -> Result<(), String> {
    for word in split_words(argument).map_err(|error| error.to_string())? {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=VALUE"))?;
        let set = rustix::fs::lsetxattr(node.by_descriptor(), name, value.as_bytes(), XattrFlags::empty());
        // Through the descriptor's own link, which the l of lsetxattr would stop at.
        let set = match set {
            Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => {
                rustix::fs::setxattr(node.by_descriptor(), name, value.as_bytes(), XattrFlags::empty())
            }
            other => other,
        };
        set.map_err(|errno| format!("{name}: {errno}"))?;
    }
    Ok(())
}

/// Gives a file or a folder flags: `+aC`, `-i`, `=A`.
pub(super) fn set_flags(node: &Node, argument: &str) -> Result<(), String> {
    let (sign, letters) = match argument.chars().next() {
        Some(sign @ ('+' | '-' | '=')) => (sign, &argument[1..]),
        _ => ('+', argument),
    };
    let mut asked = IFlags::empty();
    for letter in letters.chars() {
        let known = FLAGS.iter().find(|(known, _)| *known == letter);
        asked |= known.ok_or_else(|| format!("`{letter}` is no flag of files"))?.1;
    }
    if !matches!(node.kind(), FileType::RegularFile | FileType::Directory) {
        return Ok(());
    }
    let told = |errno: Errno| errno.to_string();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&node.parent, &node.name, flags, FileMode::empty()).map_err(told)?;
    // Many file systems have no flags: tmpfs, overlays.
    let have = match rustix::fs::ioctl_getflags(&fd) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        other => other.map_err(told)?,
    };
    let settable = FLAGS.iter().fold(IFlags::empty(), |all, (_, flag)| all | *flag);
    let wanted = match sign {
        '+' => have | asked,
        '-' => have - asked,
        _ => (have - settable) | asked,
    };
    if wanted == have {
        return Ok(());
    }
    match rustix::fs::ioctl_setflags(&fd, wanted) {
        // A flag that this file system does not have is passed over, as systemd does.
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
        other => other.map_err(told),
    }
}

/// Looks at a node again, after it was changed.
pub(super) fn again(node: &Node) -> Result<Option<Node>, Errno> {
    look_in(node.parent.try_clone().map_err(|_| Errno::MFILE)?, &node.name)
}
