//! Which control groups this machine has, from the texts of /proc/self/mountinfo and /proc/self/cgroup, and where in
//! them we are; cgroups(7).

use std::path::{Path, PathBuf};

use serde::Serialize;

/// How the control groups of a machine are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Version 2 alone.
    Unified,
    /// Version 2 beside controllers of version 1: groups are tracked, killed and frozen in version 2 and limited
    /// wherever a controller lives.
    Hybrid,
    /// Version 1 alone.
    Legacy,
    /// None for us: processes are tracked one by one.
    None,
}

/// A controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the controller of its name")]
pub enum Controller {
    Cpu,
    /// Counts the time of processors; in version 2 every group does.
    CpuAccounting,
    CpuSet,
    Memory,
    /// `io` in version 2, `blkio` in version 1.
    Io,
    Pids,
    /// A program of its own in version 2.
    Devices,
    /// A part of every group in version 2.
    Freezer,
}

impl Controller {
    /// All of them.
    pub const ALL: [Controller; 8] = [
        Controller::Cpu,
        Controller::CpuAccounting,
        Controller::CpuSet,
        Controller::Memory,
        Controller::Io,
        Controller::Pids,
        Controller::Devices,
        Controller::Freezer,
    ];

    /// Its name in version 2, where it has one.
    pub fn unified_name(self) -> Option<&'static str> {
        match self {
            Controller::Cpu => Some("cpu"),
            Controller::CpuSet => Some("cpuset"),
            Controller::Memory => Some("memory"),
            Controller::Io => Some("io"),
            Controller::Pids => Some("pids"),
            Controller::CpuAccounting | Controller::Devices | Controller::Freezer => None,
        }
    }

    /// Its name in version 1.
    pub fn legacy_name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
            Controller::CpuSet => "cpuset",
            Controller::Memory => "memory",
            Controller::Io => "blkio",
            Controller::Pids => "pids",
            Controller::Devices => "devices",
            Controller::Freezer => "freezer",
        }
    }
}

/// One mounted hierarchy and where in it our group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Whether it is version 2.
    pub(crate) unified: bool,
    /// Its controllers, in version 1; `name=systemd` and the like stand as they are.
    pub(crate) names: Vec<String>,
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// Our group, below the mount point; empty for the root.
    pub(crate) base: String,
    /// What the mount point shows of the hierarchy, without slashes around it; empty for all of it.
    pub(crate) root: String,
    /// It cannot be written to.
    pub(crate) read_only: bool,
}

impl Tree {
    /// The folder of our group.
    pub(crate) fn base_dir(&self) -> PathBuf {
        below(&self.mount, &self.base)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

pub(crate) fn below(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}

/// The group that a supervisor keeps for itself; it lies beside those of the units.
pub(crate) const OWN: &str = "init.scope";

/// The mounted hierarchies. `mountinfo` and `own` are the texts of /proc/self/mountinfo and /proc/self/cgroup.
pub(crate) fn trees(mountinfo: &str, own: &str) -> Vec<Tree> {
    let mut found: Vec<Tree> = Vec::new();
    for line in mountinfo.lines() {
        let Some(mount) = Mount::parse(line) else { continue };
        // Something mounted above hides what was there.
        found.retain(|tree| !tree.mount.starts_with(&mount.point));
        if !matches!(mount.kind, "cgroup" | "cgroup2") {
            continue;
        }
        let unified = mount.kind == "cgroup2";
        let flags = ["rw", "ro", "xattr", "noprefix", "clone_children", "nsdelegate", "memory_recursiveprot"];
        let names: Vec<_> = match unified {
            true => Vec::new(),
            false => {
                mount.options.split(',').filter(|name| !flags.contains(name)).map(str::to_owned).collect()
            }
        };
        let Some(path) = own_path(own, unified, &names) else { continue };
        let base = relative(path, &mount.root);
        let base = base.strip_suffix(OWN).map_or(base, |parent| parent.trim_end_matches('/'));
        let (base, root) = (base.to_owned(), mount.root.trim_matches('/').to_owned());
        found.push(Tree { unified, names, mount: mount.point, base, root, read_only: mount.read_only });
    }
    // The same hierarchy may be mounted in many places: one that can be written to is the best, then the first.
    found.sort_by_key(|tree| tree.read_only);
    let mut kept: Vec<Tree> = Vec::new();
    for tree in found {
        if !kept.iter().any(|known| (known.unified, &known.names) == (tree.unified, &tree.names)) {
            kept.push(tree);
        }
    }
    kept
}

/// A line of /proc/self/mountinfo, proc_pid_mountinfo(5).
struct Mount<'a> {
    root: String,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
    read_only: bool,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (root, point, flags) = (front.next()?, front.next()?, front.next()?);
        let mut back = back.split(' ');
        let kind = back.next()?;
        let options = back.nth(1)?;
        let read_only = flags.split(',').chain(options.split(',')).any(|flag| flag == "ro");
        Some(Mount { root: unescape(root), point: PathBuf::from(unescape(point)), kind, options, read_only })
    }
}

/// Octal escapes of blanks and backslashes.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match (first, after.get(..3).and_then(octal)) {
            (b'\\', Some(octet)) => {
                out.push(octet);
                rest = &after[3..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Our group in the hierarchy with these controllers, from the root of the hierarchy or of our namespace.
pub(crate) fn own_path<'a>(own: &'a str, unified: bool, names: &[String]) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let same = match unified {
            true => id == "0" && controllers.is_empty(),
            false => controllers.split(',').any(|name| names.iter().any(|known| known == name)),
        };
        same.then_some(path)
    })
}

/// The path of a group below a mount point that shows `root` of the hierarchy; the mount point itself where the
/// group lies outside of it, as in a container without a namespace for control groups.
fn relative<'a>(path: &'a str, root: &str) -> &'a str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let root = root.trim_end_matches('/');
    let inside = path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let inside = inside.unwrap_or("").trim_matches('/');
    if inside.split('/').any(|name| name == "..") { "" } else { inside }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
    const OWN_HYBRID: &str =
        "9:name=systemd:/init.scope\n4:memory:/a/b c\n1:cpu,cpuacct:/\n0::/x/init.scope\n";

    fn shown(mountinfo: &str, own: &str) -> Vec<(bool, String, String, String)> {
        let show =
            |tree: Tree| (tree.unified, tree.names.join(","), tree.mount.display().to_string(), tree.base);
        trees(mountinfo, own).into_iter().map(show).collect()
    }

    fn row(unified: bool, names: &str, mount: &str, base: &str) -> (bool, String, String, String) {
        (unified, names.to_owned(), mount.to_owned(), base.to_owned())
    }

    #[test]
    fn every_hierarchy_has_its_own_base() {
        assert_eq!(
            shown(HYBRID, OWN_HYBRID),
            [
                row(false, "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", ""),
                row(false, "memory", "/sys/fs/cgroup/memory", "a/b c"),
                row(false, "name=systemd", "/sys/fs/cgroup/systemd", ""),
                row(true, "", "/sys/fs/cgroup/unified", "x"),
            ]
        );
    }

    #[test]
    fn a_container_sees_its_part_only() {
        // Docker without a namespace: the mount shows our own group as its root.
        let mountinfo = "9 8 0:1 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n";
        assert_eq!(
            shown(mountinfo, "4:memory:/docker/abc\n"),
            [row(false, "memory", "/sys/fs/cgroup/memory", "")]
        );
        assert_eq!(
            shown(mountinfo, "4:memory:/docker/abc/units\n"),
            [row(false, "memory", "/sys/fs/cgroup/memory", "units")]
        );
        assert_eq!(shown(mountinfo, "4:memory:/docker/abcdef\n")[0].3, "");
        assert!(trees(mountinfo, "4:memory:/docker/abc\n")[0].read_only);
        let mountinfo = "9 8 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(shown(mountinfo, "0::/../x\n")[0].3, "");
    }

    #[test]
    fn what_is_hidden_or_mounted_twice_does_not_count() {
        let hidden = format!("{HYBRID}50 23 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n");
        assert_eq!(shown(&hidden, OWN_HYBRID), []);
        let twice = "1 0 0:1 / /a ro - cgroup2 cgroup2 rw\n2 0 0:1 / /b\\040c rw - cgroup2 cgroup2 rw\n";
        assert_eq!(shown(twice, "0::/\n"), [row(true, "", "/b c", "")]);
    }

    #[test]
    fn strange_lines_are_passed_over() {
        for mountinfo in ["", "x", "1 2 3 - cgroup2", "1 0 0:1 / /a rw - cgroup2 cgroup2", " - - - ", "\\"] {
            assert_eq!(trees(mountinfo, "0::/\n"), [], "{mountinfo}");
        }
        assert_eq!(
            shown("1 0 0:1 / /a rw - cgroup2 cgroup2 rw\n", "nonsense\n0::\n:::\n"),
            [row(true, "", "/a", "")]
        );
        assert_eq!(shown("1 0 0:1 / /a rw - cgroup2 cgroup2 rw\n", ""), []);
        assert_eq!(unescape(r"\040\134\9\04"), " \\\\9\\04");
    }
}
