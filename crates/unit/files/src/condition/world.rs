//! What conditions are tested against: this machine, or one that a test lays out below a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that tells of the machine is no longer than this.
const LONGEST: u64 = 1 << 20;

/// The machine.
#[derive(Clone, Debug)]
pub struct World {
    /// Below what its files lie, `/proc` and `/sys` among them.
    pub root: PathBuf,
    /// Its architecture, in systemd's words.
    pub architecture: String,
    /// The supervisor's environment.
    pub environment: BTreeMap<String, String>,
    /// The users that the supervisor runs as, the real and the effective one.
    pub users: [u32; 2],
    /// The groups that it is in.
    pub groups: Vec<u32>,
    /// Whether the kernel audits.
    pub audit: bool,
}

impl World {
    /// This machine, and this process as its supervisor.
    pub fn here() -> World {
        let mut groups = vec![nix::unistd::getgid().as_raw(), nix::unistd::getegid().as_raw()];
        groups.extend(nix::unistd::getgroups().into_iter().flatten().map(nix::unistd::Gid::as_raw));
        World {
            root: PathBuf::from("/"),
            architecture: crate::host().architecture,
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            users: [nix::unistd::getuid().as_raw(), nix::unistd::geteuid().as_raw()],
            groups,
            audit: audits(),
        }
    }

    /// The way to a path of this machine.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        if self.root == Path::new("/") {
            PathBuf::from(path)
        } else {
            self.root.join(path.trim_start_matches('/'))
        }
    }

    /// The text of a file that tells of the machine, without whitespace at its ends.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut text = Vec::new();
        fs::File::open(self.at(path)).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// Names in a folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    pub(super) fn kernel_release(&self) -> String {
        self.read("/proc/sys/kernel/osrelease").unwrap_or_default()
    }

    /// `/etc/os-release`, or what the system brought.
    pub(super) fn os_release(&self) -> BTreeMap<String, String> {
        let text = self.read("/etc/os-release").or_else(|| self.read("/usr/lib/os-release"));
        let text = text.unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect()
    }

    /// A line of `/proc/self/status`.
    pub(super) fn status(&self, name: &str) -> Option<String> {
        let text = self.read("/proc/self/status")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    pub(super) fn is_user(&self, parameter: &str) -> bool {
        if let Ok(id) = parameter.parse::<u32>() {
            return self.users.contains(&id);
        }
        if parameter == "@system" {
            return self.users.iter().any(|id| is_system(*id));
        }
        let id = if parameter == "root" { Some(0) } else { self.id("/etc/passwd", parameter) };
        id.is_some_and(|id| self.users.contains(&id))
    }

    pub(super) fn is_group(&self, parameter: &str) -> bool {
        if let Ok(id) = parameter.parse::<u32>() {
            return self.groups.contains(&id);
        }
        if parameter == "@system" {
            return self.groups.first().is_some_and(|id| is_system(*id));
        }
        let id = if parameter == "root" { Some(0) } else { self.id("/etc/group", parameter) };
        id.is_some_and(|id| self.groups.contains(&id))
    }

    /// The number of a name in a table such as `/etc/passwd`.
    fn id(&self, table: &str, name: &str) -> Option<u32> {
        let text = self.read(table)?;
        text.lines().find_map(|line| {
            let mut columns = line.split(':');
            (columns.next() == Some(name)).then(|| columns.nth(1)?.parse().ok()).flatten()
        })
    }
}

/// Whether a number is of a user or a group of the system itself.
fn is_system(id: u32) -> bool {
    id <= 999
}

/// Whether the kernel hands out sockets of its audit subsystem.
fn audits() -> bool {
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    let made =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkAudit);
    use nix::errno::Errno;
    !matches!(made, Err(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::EPERM))
}
