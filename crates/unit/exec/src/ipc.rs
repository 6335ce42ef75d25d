//! `RemoveIPC=`: shared memory, semaphores and queues, of System V and of POSIX, that a unit's user and group have left
//! behind. Those of the superuser are never removed.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use perigee_process::ipc;

/// Where the objects of POSIX lie.
const PLACES: [&str; 2] = ["/dev/shm", "/dev/mqueue"];

/// Files that are looked at in one place, and folders within folders: users may make any number.
const MOST: usize = 100_000;
const DEEPEST: usize = 16;

/// Whose objects go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// This user's.
    pub uid: Option<u32>,
    /// This group's.
    pub gid: Option<u32>,
}

impl Owners {
    /// Whether something of this user and group is meant.
    fn own(self, uid: u32, gid: u32) -> bool {
        let is = |own: Option<u32>, of: u32| of != 0 && own == Some(of);
        is(self.uid, uid) || is(self.gid, gid)
    }
}

/// Removes what is theirs; how much that was. What is another's by now stays.
pub fn remove_ipc(owners: Owners) -> usize {
    let found = ipc::list().into_iter().filter(|object| owners.own(object.uid, object.gid));
    let removed = found.filter(|object| object.remove().is_ok()).count();
    removed + PLACES.iter().map(|place| sweep(Path::new(place), owners)).sum::<usize>()
}

/// Removes their files below a folder.
fn sweep(place: &Path, owners: Owners) -> usize {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(folder) = Dir::open(place, flags, Mode::empty()) else { return 0 };
    let (mut removed, mut left) = (0, MOST);
    sweep_folder(folder, owners, DEEPEST, &mut left, &mut removed);
    removed
}

fn sweep_folder(mut folder: Dir, owners: Owners, deep: usize, left: &mut usize, removed: &mut usize) {
    let mut names = Vec::new();
    for entry in folder.iter().flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if *left == 0 {
            break;
        }
        *left -= 1;
        names.push((name.to_owned(), entry.file_type() == Some(Type::Directory)));
    }
    for (name, is_folder) in names {
        if is_folder && deep > 0 {
            // Whoever puts a link there in the meantime leads nobody astray.
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            if let Ok(below) = Dir::openat(folder.as_fd(), name.as_c_str(), flags, Mode::empty()) {
                sweep_folder(below, owners, deep - 1, left, removed);
            }
        }
        if unlink(folder.as_fd(), &name, owners) {
            *removed += 1;
        }
    }
}

fn unlink(folder: BorrowedFd<'_>, name: &CString, owners: Owners) -> bool {
    let Ok(found) = fstatat(folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { return false };
    let kind = match found.st_mode & libc::S_IFMT {
        libc::S_IFDIR => UnlinkatFlags::RemoveDir,
        _ => UnlinkatFlags::NoRemoveDir,
    };
    owners.own(found.st_uid, found.st_gid) && unlinkat(folder, name.as_c_str(), kind).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn what_is_theirs_goes_and_nothing_else() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED what_is_theirs_goes_and_nothing_else: not the superuser");
            return;
        }
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        for folder in ["own", "root", "own/deep"] {
            fs::create_dir(at(folder)).expect("a folder");
        }
        for file in ["user", "group", "other", "roots", "own/file", "own/deep/file", "root/file"] {
            fs::write(at(file), "").expect("a file");
        }
        symlink("/", at("own/link")).expect("a link");
        for (name, uid, gid) in [
            ("user", 4321, 0),
            ("group", 1, 4322),
            ("other", 1, 1),
            ("own", 4321, 4322),
            ("own/deep", 4321, 4322),
            ("own/file", 4321, 4322),
            ("own/deep/file", 4321, 4322),
            ("root/file", 4321, 4322),
        ] {
            chown(at(name), Some(uid), Some(gid)).expect("an owner");
        }
        std::os::unix::fs::lchown(at("own/link"), Some(4321), Some(4322)).expect("an owner");
        // user, group, four in own, own itself, root/file.
        let owners = Owners { uid: Some(4321), gid: Some(4322) };
        assert_eq!(sweep(place.path(), owners), 8);
        let mut left: Vec<_> =
            fs::read_dir(place.path()).expect("left").map(|entry| entry.expect("left").file_name()).collect();
        left.sort();
        assert_eq!(left, ["other", "root", "roots"]);
        // The superuser's stay, whoever asks.
        assert_eq!(sweep(place.path(), Owners { uid: Some(0), gid: Some(0) }), 0);
    }
}
