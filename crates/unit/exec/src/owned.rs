//! Folders that belong to a user, changed by the superuser: their owner may put links where files were, at any moment,
//! so that every step goes by a descriptor, and links are followed only where no one else could have made them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Component, Path};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};

/// Files below a folder that changes hands are no more than this, and no deeper.
const MOST_FILES: usize = 1_000_000;
const DEEPEST: usize = 256;

/// A folder, and nothing else in its place.
fn flags() -> OFlag {
    OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

/// Opens the folder at `path`, which is below `base`, and makes what of it is missing, the last with this mode. The base
/// is the system's.
///
/// # Errors
/// Something in the way is no folder, or a link that another than the superuser could have made.
pub(super) fn make(base: &Path, path: &Path, mode: u32) -> io::Result<File> {
    let mut folder = File::open(base)?;
    let below = path.strip_prefix(base).map_err(io::Error::other)?;
    let mut components = below.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let mode = if components.peek().is_none() { mode } else { 0o755 };
        match mkdirat(&folder, name, Mode::from_bits_truncate(mode)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let next = match openat(&folder, name, flags(), Mode::empty()) {
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                let link = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                let is_link =
                    SFlag::from_bits_truncate(link.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFLNK;
                let within = folder.metadata()?;
                // Not even by hard links and renaming in a folder that others may write.
                let trusted = link.st_uid == 0 && within.uid() == 0 && within.mode() & 0o022 == 0;
                if !is_link {
                    return Err(io::Error::from(io::ErrorKind::NotADirectory));
                }
                if !trusted {
                    return Err(io::Error::other(
                        "a symbolic link is in the way that is not the superuser's",
                    ));
                }
                openat(&folder, name, flags() & !OFlag::O_NOFOLLOW, Mode::empty())?
            }
            opened => opened?,
        };
        folder = File::from(next);
    }
    Ok(folder)
}

/// Gives a folder and all that is in it to a user; links themselves, not what they point at.
///
/// # Errors
/// What cannot be given, or too much of it.
pub(super) fn hand_over(folder: File, uid: u32, gid: u32) -> io::Result<()> {
    let mut left = MOST_FILES;
    give_content(folder.as_fd(), uid, gid, &mut left, DEEPEST)?;
    fchown(&folder, Some(uid), Some(gid))
}

fn give_content(folder: BorrowedFd<'_>, uid: u32, gid: u32, left: &mut usize, deep: usize) -> io::Result<()> {
    let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    let too_much =
        || io::Error::other("it has too many files, or too deep ones, to give them to another user");
    let mut entries = Dir::openat(folder, ".", flags(), Mode::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        *left = left.checked_sub(1).ok_or_else(too_much)?;
        let may_be_folder = matches!(entry.file_type(), None | Some(Type::Directory));
        if may_be_folder && let Ok(below) = openat(folder, name, flags(), Mode::empty()) {
            let deep = deep.checked_sub(1).ok_or_else(too_much)?;
            give_content(below.as_fd(), uid, gid, left, deep)?;
            fchown(&below, Some(uid), Some(gid))?;
        } else {
            fchownat(folder, name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}
