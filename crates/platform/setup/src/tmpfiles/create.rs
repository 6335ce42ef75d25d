//! `--create`: makes what lines name, and gives mode, owner and the like to what is there.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::acl::{self, Asked};
use super::attributes::{adjust, again, set_attributes, set_flags};
use super::line::{Item, Kind, device_number};
use crate::root::{Node, PathError, look_in, names, remove_all};
use crate::{Accounts, Root};

/// Folders within folders that are gone through.
pub(super) const DEEPEST: usize = 256;

/// Where files come from that a line copies without saying whence.
const FACTORY: &str = "/usr/share/factory";

/// Why a line was not carried out.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) reason: String,
    /// It is to be told, and no more.
    pub(super) tolerated: bool,
}

impl Trouble {
    /// What is to be told, and no more.
    pub(super) fn passed(reason: String) -> Trouble {
        Trouble { reason, tolerated: true }
    }
}

impl From<String> for Trouble {
    fn from(reason: String) -> Trouble {
        Trouble { reason, tolerated: false }
    }
}

/// A system and its accounts.
pub(super) struct Maker<'a> {
    pub(super) root: &'a Root,
    pub(super) accounts: &'a Accounts,
}

impl Maker<'_> {
    /// Carries out one line at one path.
    pub(super) fn make(&self, item: &Item, path: &str) -> Result<(), Trouble> {
        match item.kind {
            Kind::Ignore | Kind::IgnoreFolder | Kind::Remove | Kind::RemoveAll => Ok(()),
            Kind::Write => Ok(self.write(item, path)?),
            Kind::ExistingFolder => match self.look(path)? {
                Some(node) if node.kind() == FileType::Directory => {
                    Ok(adjust(&node, item, self.accounts, false)?)
                }
                Some(_) => Err(Trouble::passed(format!("{path}: it is no folder"))),
                None => Ok(()),
            },
            Kind::Adjust
            | Kind::AdjustAll
            | Kind::Attribute
            | Kind::AttributeAll
            | Kind::Flags
            | Kind::FlagsAll
            | Kind::Acl
            | Kind::AclAll => match self.look(path)? {
                Some(node) => Ok(self.change(item, &node, if item.kind.is_deep() { DEEPEST } else { 0 })?),
                None => Ok(()),
            },
            _ => self.node(item, path),
        }
    }

    fn look(&self, path: &str) -> Result<Option<Node>, String> {
        self.root.look(path).map_err(|error| error.to_string())
    }

    /// Makes what is not there, and gives it what the line says.
    fn node(&self, item: &Item, path: &str) -> Result<(), Trouble> {
        // What is copied from nowhere needs no place.
        if item.kind == Kind::Copy && !self.root.exists(&source(item)) {
            return Ok(());
        }
        let told = |errno: Errno| format!("{path}: {errno}");
        let (parent, name) = self.root.parent(path, true).map_err(|error: PathError| error.to_string())?;
        let wanted = match item.kind {
            Kind::File => FileType::RegularFile,
            Kind::Pipe => FileType::Fifo,
            Kind::Link => FileType::Symlink,
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Directory,
        };
        let copy = || parent.try_clone().map_err(|_| format!("{path}: too many open files"));
        let found = look_in(copy()?, &name).map_err(told)?;
        if let Some(node) = found {
            if !node.is_safe() {
                return Err(PathError::Unsafe(path.to_owned()).to_string().into());
            }
            let fits = node.kind() == wanted || item.kind == Kind::Copy;
            let forced = item.plus
                && matches!(item.kind, Kind::Link | Kind::Pipe | Kind::CharacterDevice | Kind::BlockDevice);
            if !fits && (item.replace || forced) {
                remove_all(parent.as_fd(), &name, DEEPEST).map_err(told)?;
            } else if !fits {
                // A link that is not made is no failure: someone wants something else there.
                if item.kind == Kind::Link {
                    return Ok(());
                }
                let reason = format!("{path}: there is something of another kind");
                return Err(Trouble { reason, tolerated: item.kind != Kind::File });
            } else if !self.renew(item, &node).map_err(told)? {
                return Ok(adjust(&node, item, self.accounts, false)?);
            }
        }
        let made = self.make_new(item, &parent, &name).map_err(told)?;
        let node = look_in(copy()?, &name).map_err(told)?;
        let node = node.ok_or_else(|| told(Errno::NOENT))?;
        let default = match item.kind {
            Kind::Link | Kind::Copy => None,
            Kind::Folder | Kind::EmptiedFolder | Kind::Subvolume => Some(0o755),
            _ => Some(0o644),
        };
        // What was made has the mode whatever the process masks.
        let mut item = item.clone();
        if item.mode.is_none() && made {
            let mode = |bits| super::Mode { bits, masked: false, new_only: false };
            item.mode = default.map(mode);
        }
        Ok(adjust(&node, &item, self.accounts, made)?)
    }

    /// Whether what is there, and of the right kind, must be made anew; writes into a file at once.
    fn renew(&self, item: &Item, node: &Node) -> Result<bool, Errno> {
        Ok(match item.kind {
            Kind::File if item.plus => {
                let flags =
                    OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::TRUNC;
                let fd = rustix::fs::openat(&node.parent, &node.name, flags, Mode::empty())?;
                write_all(fd, &content(item))?;
                false
            }
            Kind::Link => {
                let target = rustix::fs::readlinkat(&node.fd, "", Vec::new())?;
                let differs = target.to_string_lossy() != source(item);
                if differs && (item.plus || item.replace) {
                    remove_all(node.parent.as_fd(), &node.name, 1)?;
                    true
                } else {
                    false
                }
            }
            Kind::CharacterDevice | Kind::BlockDevice => {
                let number = device_number(item.argument.as_deref().unwrap_or_default());
                let has = (rustix::fs::major(node.stat.st_rdev), rustix::fs::minor(node.stat.st_rdev));
                let differs = number != Some(has) && (item.plus || item.replace);
                if differs {
                    remove_all(node.parent.as_fd(), &node.name, 1)?;
                }
                differs
            }
            // An empty folder may still be copied into.
            Kind::Copy => node.kind() == FileType::Directory && names(node.fd.as_fd())?.is_empty(),
            _ => false,
        })
    }

    /// Makes it; whether it was not there before.
    fn make_new(&self, item: &Item, parent: &OwnedFd, name: &str) -> Result<bool, Errno> {
        let private = Mode::from_raw_mode(0o600);
        match item.kind {
            Kind::File => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(parent, name, flags, private)?;
                write_all(fd, &content(item))?;
            }
            Kind::Pipe => rustix::fs::mknodat(parent, name, FileType::Fifo, private, 0)?,
            Kind::Link => rustix::fs::symlinkat(source(item), parent, name)?,
            Kind::CharacterDevice | Kind::BlockDevice => {
                let (major, minor) =
                    device_number(item.argument.as_deref().unwrap_or_default()).ok_or(Errno::INVAL)?;
                let device = rustix::fs::makedev(major, minor);
                let block = item.kind == Kind::BlockDevice;
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                match rustix::fs::mknodat(parent, name, kind, private, device) {
                    // A container may not make devices; systemd lets that pass as well.
                    Err(Errno::PERM) => return Ok(false),
                    other => other?,
                }
            }
            Kind::Copy => {
                let from = self.root.look(&source(item)).map_err(|_| Errno::NOENT)?.ok_or(Errno::NOENT)?;
                copy(&from, parent, name, self.owners(item), DEEPEST)?;
            }
            _ => rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?,
        }
        Ok(true)
    }

    /// Whom a line gives all that it copies to.
    fn owners(&self, item: &Item) -> (Option<u32>, Option<u32>) {
        let user = item.user.as_ref().and_then(|owner| self.accounts.user(&owner.name));
        (user, item.group.as_ref().and_then(|owner| self.accounts.group(&owner.name)))
    }

    /// `w`: writes into a file that is there.
    fn write(&self, item: &Item, path: &str) -> Result<(), String> {
        let Some(node) = self.look(path)? else { return Ok(()) };
        let told = |errno: Errno| format!("{path}: {errno}");
        let add = if item.plus { OFlags::APPEND } else { OFlags::empty() };
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | add;
        let fd = rustix::fs::openat(&node.parent, &node.name, flags, Mode::empty()).map_err(told)?;
        write_all(fd, &content(item)).map_err(told)?;
        adjust(&node, item, self.accounts, false)
    }

    /// Gives a node, and for deep lines all below it, what the line says.
    fn change(&self, item: &Item, node: &Node, depth: usize) -> Result<(), String> {
        let argument = item.argument.as_deref().unwrap_or_default();
        let is_link = node.kind() == FileType::Symlink;
        let is_folder = node.kind() == FileType::Directory;
        match item.kind {
            Kind::Attribute | Kind::AttributeAll if !is_link => set_attributes(node, argument)?,
            Kind::Flags | Kind::FlagsAll => set_flags(node, argument)?,
            Kind::Acl | Kind::AclAll if !is_link => {
                let executable = is_folder || node.stat.st_mode & 0o111 != 0;
                let asked = Asked::parse(argument, self.accounts, executable)?;
                match acl::set(node, &asked, item.plus, is_folder) {
                    // Not every file system has them.
                    Ok(()) | Err(Errno::OPNOTSUPP) => {}
                    Err(errno) => return Err(errno.to_string()),
                }
            }
            Kind::Adjust | Kind::AdjustAll => adjust(node, item, self.accounts, false)?,
            _ => {}
        }
        if depth == 0 || !is_folder {
            return Ok(());
        }
        let Some(node) = again(node).map_err(|errno| errno.to_string())? else { return Ok(()) };
        let listed = names(node.fd.as_fd()).map_err(|errno| errno.to_string())?;
        for name in listed {
            let folder = node.fd.try_clone().map_err(|error| error.to_string())?;
            if let Some(inner) = look_in(folder, &name).map_err(|errno| errno.to_string())? {
                self.change(item, &inner, depth - 1)?;
            }
        }
        Ok(())
    }
}

/// Whence a copy, or whither a link.
fn source(item: &Item) -> String {
    item.argument.clone().unwrap_or_else(|| format!("{FACTORY}{}", item.path))
}

/// What is written into a file.
fn content(item: &Item) -> Vec<u8> {
    item.argument.clone().unwrap_or_default().into_bytes()
}

fn write_all(fd: OwnedFd, octets: &[u8]) -> Result<(), Errno> {
    let written = File::from(fd).write_all(octets);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Copies a node with all below it: modes and owners too, unless all is to belong to others.
fn copy(
    from: &Node,
    parent: &OwnedFd,
    name: &str,
    owners: (Option<u32>, Option<u32>),
    depth: usize,
) -> Result<(), Errno> {
    if depth == 0 {
        return Err(Errno::LOOP);
    }
    let mode = Mode::from_raw_mode(from.stat.st_mode & 0o7777);
    match from.kind() {
        FileType::Directory => {
            match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            for inner in names(from.fd.as_fd())? {
                let folder = from.fd.try_clone().map_err(|_| Errno::MFILE)?;
                if let Some(node) = look_in(folder, &inner)? {
                    copy(&node, &to, &inner, owners, depth - 1)?;
                }
            }
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&from.fd, "", Vec::new())?;
            rustix::fs::symlinkat(target, parent, name)?;
        }
        FileType::RegularFile => {
            let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let old = rustix::fs::openat(&from.parent, &from.name, read, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let new = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?;
            let copied = std::io::copy(&mut File::from(old), &mut File::from(new));
            copied.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        }
        kind => rustix::fs::mknodat(parent, name, kind, mode, from.stat.st_rdev)?,
    }
    let user = owners.0.unwrap_or(from.stat.st_uid);
    let group = owners.1.unwrap_or(from.stat.st_gid);
    let owner = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
    rustix::fs::chownat(parent, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    if from.kind() != FileType::Symlink {
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
    }
    Ok(())
}
