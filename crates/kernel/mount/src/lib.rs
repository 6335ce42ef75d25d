//! Mounts, systemd.mount(5), and swap space, systemd.swap(5).
//!
//! File systems that live in the kernel alone, and mounts of what is mounted already, are made by mount(2) at once.
//! Everything that reads a device or the network could keep PID 1 waiting, so it is left to the helpers mount(8) and
//! umount(8), run as a command of the unit; without them, on a small appliance, it is done at once too.

mod early;
mod fstab;
pub mod fuzzing;
mod last;
mod options;
mod swap;
mod table;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use perigee_units::unit::{Unit, Value};

pub use early::{EarlyMounts, mount_early};
pub use fstab::{Generated, generate, read_fstab};
pub use last::unmount_all;
pub use options::MountOptions;
pub use swap::{Swap, is_swapped};
pub use table::{Changes, MountTable, Mounted, Mounts, mounted_as, parse as parse_mounts};

/// Types that are mounted by mount(2) at once: they live in the kernel alone.
const AT_ONCE: [&str; 25] = [
    "autofs",
    "bpf",
    "binfmt_misc",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "functionfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// Types that come over a network.
const NETWORK: [&str; 13] = [
    "afs",
    "ceph",
    "cifs",
    "gfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncp",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
];

/// A `.mount` unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub what: String,
    /// Where.
    pub place: String,
    /// The type of the file system; the helper finds it out where it is not said.
    pub kind: Option<String>,
    /// The options as they are written.
    pub options: String,
    /// The mode of folders that are made for it.
    pub folder_mode: u32,
    sloppy: bool,
    lazy: bool,
    force: bool,
    writable_only: bool,
    /// It has no file, but was found mounted.
    found: bool,
}

/// Places that stay mounted as long as the machine runs, with whatever lies below the last three.
const STAY: [&str; 5] = ["/", "/usr", "/proc", "/sys", "/dev"];

/// What a start or a stop has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is done.
    Done,
    /// This command does it: a program and its arguments. When it has ended well it is done.
    Command(Vec<String>),
}

/// Why something could not be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
#[error("{place}: cannot {doing}: {source}")]
pub struct MountError {
    /// Where.
    pub place: String,
    /// What was tried.
    pub doing: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl Mount {
    /// Reads a `.mount` unit; none where it does not say what is mounted, or where.
    pub fn read(unit: &Unit) -> Option<Mount> {
        let text = |name| match unit.last("Mount", name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let flag = |name| unit.last("Mount", name) == Some(&Value::Bool(true));
        let named =
            || perigee_units::value::unescape_name(unit.name.stem()).ok().map(|path| format!("/{path}"));
        Some(Mount {
            what: text("What")?,
            place: text("Where").or_else(named)?,
            kind: text("Type").filter(|kind| kind != "auto" && kind != "none"),
            options: text("Options").unwrap_or_default(),
            folder_mode: match unit.last("Mount", "DirectoryMode") {
                Some(Value::Mode(mode)) => *mode,
                _ => 0o755,
            },
            sloppy: flag("SloppyOptions"),
            lazy: flag("LazyUnmount"),
            force: flag("ForceUnmount"),
            writable_only: flag("ReadWriteOnly"),
            found: unit.files.first().is_some_and(|file| file == Path::new(table::TABLE)),
        })
    }

    /// Whether it comes over a network.
    pub fn is_network(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix("fuse.").unwrap_or(kind);
        NETWORK.contains(&kind) || kind == "sshfs" || MountOptions::parse(&self.options).has("_netdev")
    }

    /// Whether it has no file, but was found mounted by somebody else, whose it is to unmount it at the end.
    pub fn is_found(&self) -> bool {
        self.found
    }

    /// Whether it is of the machine itself: never unmounted, and ordered with nothing.
    pub fn stays(&self) -> bool {
        let below = STAY[2..].iter().any(|above| Path::new(&self.place).starts_with(above));
        below || STAY.contains(&self.place.as_str())
    }

    /// Whether mount(2) does it without waiting for anything.
    fn is_at_once(&self, options: &MountOptions) -> bool {
        let of_mounts = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_MOVE;
        let kernel = self.kind.as_deref().is_some_and(|kind| AT_ONCE.contains(&kind));
        (kernel || options.flags.intersects(of_mounts)) && !options.needs_helper && !self.sloppy
    }

    /// Mounts it, unless something is mounted there already.
    ///
    /// # Errors
    /// The folder cannot be made, or the kernel refuses.
    pub fn start(&self, mounts: &Mounts) -> Result<Begun, MountError> {
        if mounts.contains_key(&self.place) {
            return Ok(Begun::Done);
        }
        let options = MountOptions::parse(&self.options);
        self.make_folders(&options)?;
        match helper("mount").filter(|_| !self.is_at_once(&options)) {
            Some(program) => Ok(Begun::Command(self.command(program, false))),
            None => self.mount(&options).map(|()| Begun::Done),
        }
    }

    /// Mounts it again with the options that it has now.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn reload(&self) -> Result<Begun, MountError> {
        let mut options = MountOptions::parse(&self.options);
        match helper("mount").filter(|_| !self.is_at_once(&options)) {
            Some(program) => Ok(Begun::Command(self.command(program, true))),
            None => {
                options.flags |= MsFlags::MS_REMOUNT;
                self.mount(&options).map(|()| Begun::Done)
            }
        }
    }

    /// Unmounts it, if it is mounted, and does not stay for good.
    ///
    /// # Errors
    /// The kernel refuses: it is in use, say.
    pub fn stop(&self, mounts: &Mounts) -> Result<Begun, MountError> {
        if !mounts.contains_key(&self.place) || self.stays() {
            return Ok(Begun::Done);
        }
        let at_once = self.is_at_once(&MountOptions::parse(&self.options));
        if let Some(program) = helper("umount").filter(|_| !at_once) {
            let mut command = vec![program, self.place.clone(), "-c".to_owned()];
            command.extend(self.lazy.then(|| "-l".to_owned()));
            command.extend(self.force.then(|| "-f".to_owned()));
            return Ok(Begun::Command(command));
        }
        let mut flags = MntFlags::UMOUNT_NOFOLLOW;
        flags.set(MntFlags::MNT_DETACH, self.lazy);
        flags.set(MntFlags::MNT_FORCE, self.force);
        umount2(self.place.as_str(), flags).map_err(|errno| self.failed("unmount it", errno.into()))?;
        Ok(Begun::Done)
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> MountError {
        MountError { place: self.place.clone(), doing, source }
    }

    fn make_folders(&self, options: &MountOptions) -> Result<(), MountError> {
        let make = |path: &str| DirBuilder::new().recursive(true).mode(self.folder_mode).create(path);
        if !Path::new(&self.place).exists() {
            make(&self.place).map_err(|error| self.failed("make the folder", error))?;
        }
        // What is bound may be a file; what is missing becomes a folder.
        if options.flags.contains(MsFlags::MS_BIND) && !Path::new(&self.what).exists() {
            make(&self.what).map_err(|error| self.failed("make the folder that is bound", error))?;
        }
        Ok(())
    }

    fn command(&self, program: String, again: bool) -> Vec<String> {
        let mut command = vec![program, self.what.clone(), self.place.clone()];
        command.extend(self.sloppy.then(|| "-s".to_owned()));
        command.extend(self.writable_only.then(|| "-w".to_owned()));
        if let Some(kind) = &self.kind {
            command.extend(["-t".to_owned(), kind.clone()]);
        }
        let mut options: Vec<_> = again.then_some("remount").into_iter().collect();
        options.extend(options::split(&self.options).filter(|option| !option.is_empty()));
        if !options.is_empty() {
            command.extend(["-o".to_owned(), options.join(",")]);
        }
        command
    }

    /// By the kernel, at once.
    fn mount(&self, options: &MountOptions) -> Result<(), MountError> {
        let what = device(&self.what);
        let call = |flags, data| {
            mount(Some(what.as_str()), self.place.as_str(), self.kind.as_deref(), flags, data)
                .map_err(|errno| self.failed("mount it", errno.into()))
        };
        let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
        let deed = options.flags & (MsFlags::MS_BIND | MsFlags::MS_REC | MsFlags::MS_MOVE);
        let bind = options.flags.contains(MsFlags::MS_BIND) && !options.flags.contains(MsFlags::MS_REMOUNT);
        call(if bind { deed } else { options.flags }, data)?;
        let rest = options.flags - deed;
        if bind && !rest.is_empty() {
            // A new mount of old things takes the flags of the old one; its own come with a call of their own.
            call(rest | MsFlags::MS_BIND | MsFlags::MS_REMOUNT, None).inspect_err(|_| {
                let _ = umount2(self.place.as_str(), MntFlags::MNT_DETACH);
            })?;
        }
        options.propagation.iter().try_for_each(|flags| call(*flags, None))
    }
}

/// Where a helper is, if there is one.
fn helper(name: &str) -> Option<String> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    folders.into_iter().map(|folder| format!("{folder}/{name}")).find(|path| Path::new(path).is_file())
}

/// The device that a tag of fstab(5) stands for, such as `UUID=`, by the links that are made for devices.
fn device(what: &str) -> String {
    let tags = [
        ("UUID=", "uuid"),
        ("LABEL=", "label"),
        ("PARTUUID=", "partuuid"),
        ("PARTLABEL=", "partlabel"),
        ("ID=", "id"),
    ];
    let found = tags.into_iter().find_map(|(tag, folder)| Some((what.strip_prefix(tag)?, folder)));
    let Some((value, folder)) = found else { return what.to_owned() };
    let value = value.trim_matches('"');
    let value = if folder.ends_with("uuid") { value.to_lowercase() } else { value.to_owned() };
    // Links have every character that could mislead somebody as its number.
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    let escaped: String = value
        .chars()
        .map(|c| if plain(c) { c.to_string() } else { format!("\\x{:02x}", c as u32) })
        .collect();
    format!("/dev/disk/by-{folder}/{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_devices() {
        for (what, expected) in [
            ("/dev/sda1", "/dev/sda1"),
            ("UUID=0A-B1", "/dev/disk/by-uuid/0a-b1"),
            ("LABEL=\"my disk\"", "/dev/disk/by-label/my\\x20disk"),
            ("PARTLABEL=a/b", "/dev/disk/by-partlabel/a\\x2fb"),
            ("tmpfs", "tmpfs"),
        ] {
            assert_eq!(device(what), expected);
        }
    }
}
