//! A system below a folder, walked step by step.
//!
//! Whoever sets files up with the rights of root must not be led astray: a user who owns a folder can put a link into
//! it. Each step is opened without following links; a link is then followed by hand, within the root, unless the
//! way leads from what one user owns to what another does. From what root owns it may lead anywhere.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Links in one path, as the kernel bounds them.
const MOST_LINKS: usize = 40;

/// Names of one folder that are looked at.
const MOST_NAMES: usize = 1 << 20;

/// The folder below which a system lies.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// Why a path cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The way leads from what one user owns to what another does.
    #[error("{0}: the way leads through what another user owns")]
    Unsafe(String),
    /// The system refuses.
    #[error("{path}: {errno}")]
    System {
        /// The path, from the root.
        path: String,
        /// What it said.
        errno: Errno,
    },
}

/// What lies at the end of a path; a link there is not followed.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parent: OwnedFd,
    pub(crate) name: String,
    /// For looking only.
    pub(crate) fd: OwnedFd,
    pub(crate) stat: Stat,
}

impl Node {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Whether whoever owns the folder could not have put there what is another's.
    pub(crate) fn is_safe(&self) -> bool {
        let folder = rustix::fs::fstat(&self.parent).map_or(u32::MAX, |stat| stat.st_uid);
        folder == 0 || folder == self.stat.st_uid
    }

    /// A path to the node itself, whatever is put in its place meanwhile; needs `/proc`.
    pub(crate) fn by_descriptor(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }
}

/// What makes a descriptor that only names a thing.
pub(crate) const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Root {
    /// The system below this folder.
    ///
    /// # Errors
    /// It is none.
    pub fn open(path: &Path) -> Result<Root, PathError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty());
        Ok(Root { fd: fd.map_err(|errno| failed(&path.display().to_string(), errno))? })
    }

    /// The folder in which the last step of a path lies, and that step. With `make`, folders that are missing are made.
    pub(crate) fn parent(&self, path: &str, make: bool) -> Result<(OwnedFd, String), PathError> {
        let wrong = |errno| failed(path, errno);
        let mut todo: Vec<String> = steps(path);
        let last = if todo.is_empty() { ".".to_owned() } else { todo.remove(0) };
        let mut way = vec![self.fd.try_clone().map_err(|_| wrong(Errno::MFILE))?];
        let mut owner = rustix::fs::fstat(&self.fd).map_err(wrong)?.st_uid;
        let mut links = 0;
        // Steps of the path itself, which lie below those of links.
        let mut own = todo.len();
        while let Some(step) = todo.pop() {
            let make = make && todo.len() < own;
            own = own.min(todo.len());
            if step == ".." {
                if way.len() > 1 {
                    way.pop();
                }
                owner = rustix::fs::fstat(&way[way.len() - 1]).map_err(wrong)?.st_uid;
                continue;
            }
            let here = &way[way.len() - 1];
            let fd = match rustix::fs::openat(here, &step, LOOK, Mode::empty()) {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(here, &step, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(wrong(errno)),
                    }
                    rustix::fs::openat(here, &step, LOOK, Mode::empty()).map_err(wrong)?
                }
                other => other.map_err(wrong)?,
            };
            let stat = rustix::fs::fstat(&fd).map_err(wrong)?;
            if owner != 0 && owner != stat.st_uid {
                return Err(PathError::Unsafe(path.to_owned()));
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(wrong(Errno::LOOP));
                    }
                    let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(wrong)?;
                    let target = target.to_string_lossy();
                    if target.starts_with('/') {
                        way.truncate(1);
                    }
                    todo.extend(steps(&target));
                    // Where it leads is chosen by whoever owns the link.
                    owner = stat.st_uid;
                }
                FileType::Directory => {
                    owner = stat.st_uid;
                    way.push(fd);
                }
                _ => return Err(wrong(Errno::NOTDIR)),
            }
        }
        way.pop().map(|fd| (fd, last)).ok_or_else(|| wrong(Errno::NOENT))
    }

    /// What lies at a path; none where nothing does.
    pub(crate) fn look(&self, path: &str) -> Result<Option<Node>, PathError> {
        let node = self.find(path)?;
        if node.as_ref().is_some_and(|node| !node.is_safe()) {
            return Err(PathError::Unsafe(path.to_owned()));
        }
        Ok(node)
    }

    /// The same, whoever owns what is there.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Node>, PathError> {
        match self.parent(path, false) {
            Ok((parent, name)) => look_in(parent, &name).map_err(|errno| failed(path, errno)),
            Err(PathError::System { errno: Errno::NOENT | Errno::NOTDIR, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is anything at a path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        matches!(self.find(path), Ok(Some(_)))
    }

    /// Names in a folder, in order; none where it is missing. A link to a folder is followed.
    pub(crate) fn list(&self, folder: &str) -> Vec<String> {
        let Ok((fd, _)) = self.parent(&format!("{folder}/x"), false) else { return Vec::new() };
        names(fd.as_fd()).unwrap_or_default()
    }

    /// Opens a file for reading, links followed; none where a link leads to `/dev/null`.
    pub(crate) fn open_file(&self, path: &str) -> Result<Option<File>, PathError> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let node = self.look(&path)?.ok_or_else(|| failed(&path, Errno::NOENT))?;
            let wrong = |errno| failed(&path, errno);
            match node.kind() {
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&node.fd, "", Vec::new()).map_err(wrong)?;
                    let target = target.to_string_lossy();
                    if target == "/dev/null" {
                        return Ok(None);
                    }
                    path = match target.starts_with('/') {
                        true => target.into_owned(),
                        false => {
                            format!("{}/{target}", path.rsplit_once('/').map_or("", |(folder, _)| folder))
                        }
                    };
                }
                FileType::RegularFile => {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let fd = rustix::fs::openat(&node.parent, &node.name, flags, Mode::empty());
                    return Ok(Some(File::from(fd.map_err(wrong)?)));
                }
                _ => return Err(wrong(Errno::INVAL)),
            }
        }
        Err(failed(&path, Errno::LOOP))
    }
}

/// What has this name in a folder.
pub(crate) fn look_in(parent: OwnedFd, name: &str) -> Result<Option<Node>, Errno> {
    match rustix::fs::openat(&parent, name, LOOK, Mode::empty()) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd)?;
            Ok(Some(Node { parent, name: name.to_owned(), fd, stat }))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Names in an opened folder, in order.
pub(crate) fn names(folder: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(folder, ".", flags, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&fd)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            found.push(name);
        }
        if found.len() == MOST_NAMES {
            break;
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what has this name, and all below it; other file systems mounted there are left.
pub(crate) fn remove_all(parent: BorrowedFd<'_>, name: &str, depth: usize) -> Result<(), Errno> {
    let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return gone(rustix::fs::unlinkat(parent, name, AtFlags::empty()));
    }
    empty(parent, name, depth)?;
    gone(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Removes all that is in a folder.
pub(crate) fn empty(parent: BorrowedFd<'_>, name: &str, depth: usize) -> Result<(), Errno> {
    if depth == 0 {
        return Err(Errno::LOOP);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let own = rustix::fs::fstat(&fd)?.st_dev;
    for name in names(fd.as_fd())? {
        let stat = match rustix::fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        if stat.st_dev == own {
            remove_all(fd.as_fd(), &name, depth - 1)?;
        }
    }
    Ok(())
}

/// That someone else was faster is no failure.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    if result == Err(Errno::NOENT) { Ok(()) } else { result }
}

pub(crate) fn failed(path: &str, errno: Errno) -> PathError {
    PathError::System { path: path.to_owned(), errno }
}

/// The steps of a path, the last one first.
fn steps(path: &str) -> Vec<String> {
    let steps = path.split('/').filter(|step| !step.is_empty() && *step != ".");
    steps.rev().map(str::to_owned).collect()
}
