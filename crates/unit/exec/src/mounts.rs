//! The file systems of a process, as steps: a view of the whole tree is put together beside the real one, changed
//! there, and becomes the root. What a unit binds from elsewhere is found so whatever lies over it in the view.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use perigee_process::Step;

use super::folders::Folders;
use super::namespaces::{Homes, Namespaces, Place, Protect};
use super::{ExecError, Steps};

/// Where views are put together; each in a mount namespace of its own, so that one folder does for all.
const STAGE: &str = "/run/perigee/root";
/// A folder and a file that nobody can read, which lie over what is hidden.
const HIDDEN: &str = "/run/perigee/hidden";

const RDONLY: u64 = 1;
const NOSUID: u64 = 2;
const NODEV: u64 = 4;
const NOEXEC: u64 = 8;

const NAMESPACE: u8 = 226;

/// Mount namespaces, of unshare(2).
const NEWNS: i32 = 0x0002_0000;

/// What is done to a path of the view.
#[derive(Clone, Debug)]
enum Change {
    Hidden,
    /// A temporary file system with these options.
    Empty(String),
    Bind {
        source: PathBuf,
        recursive: bool,
    },
    Devices,
    Proc(String),
    /// Nothing but the attributes.
    Same,
}

/// A path of the view.
#[derive(Clone, Debug)]
struct Entry {
    change: Change,
    /// Read-only, or not again; none where it stays as it is.
    read_only: Option<bool>,
    no_exec: Option<bool>,
    optional: bool,
}

/// Everything that a view is made of.
pub(super) struct View<'a> {
    pub(super) namespaces: &'a Namespaces,
    pub(super) folders: &'a Folders,
    /// The user is one that passes.
    pub(super) passing: bool,
    /// Folders of its own for `/tmp` and `/var/tmp`.
    pub(super) tmp: Option<&'a [PathBuf; 2]>,
}

type Entries = BTreeMap<PathBuf, Entry>;

impl View<'_> {
    /// The steps that make the view and change into it.
    pub(super) fn steps(&self, steps: &mut Steps<'_, '_>) -> Result<(), ExecError> {
        prepare().map_err(|source| folder(STAGE, source))?;
        let root = self.namespaces.root.as_deref();
        let entries = self.entries(root);
        let mounts = mount_points();
        steps.add(NAMESPACE, Step::Unshare(NEWNS));
        let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        steps.add(NAMESPACE, mount("", Path::new("/"), "", slave, ""));
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        steps.add(NAMESPACE, mount(root.unwrap_or("/"), Path::new(STAGE), "", bind, ""));
        // Nodes and folders get the rights that are asked for.
        steps.add(NAMESPACE, Step::Umask(0));
        let mut done: Vec<(PathBuf, Entry)> = Vec::new();
        for (path, entry) in entries {
            // Below what is hidden there is nothing.
            if done.iter().any(|(above, e)| matches!(e.change, Change::Hidden) && path.starts_with(above)) {
                continue;
            }
            let Some(path) = self.resolved(&path, &entry, root) else { continue };
            self.change(&path, &entry, &mounts, steps);
            done.push((path, entry));
        }
        for (path, entry) in &done {
            attributes(path, entry, &mounts, root.is_none(), steps);
        }
        steps.add(NAMESPACE, Step::Pivot(text(Path::new(STAGE))));
        // Namespaces that the service makes itself learn of its mounts, unless it says otherwise.
        let propagation = self.namespaces.propagation.unwrap_or(MsFlags::MS_SHARED) | MsFlags::MS_REC;
        steps.add(NAMESPACE, mount("", Path::new("/"), "", propagation, ""));
        Ok(())
    }

    /// What is done, path by path; those nearer the root come first. Where several say something of one path, the
    /// stricter holds.
    fn entries(&self, root: Option<&str>) -> Entries {
        let ns = self.namespaces;
        let mut entries = Entries::new();
        let same = |read_only| Entry { change: Change::Same, read_only, no_exec: None, optional: true };
        let hidden = || Entry { change: Change::Hidden, read_only: None, no_exec: None, optional: true };
        let mut add = |path: &str, entry: Entry| put(&mut entries, PathBuf::from(path), entry);
        // What folds the tree of the system.
        let (read_only, kept): (&[&str], &[&str]) = match ns.system {
            Protect::No => (&[], &[]),
            Protect::Yes => (&["/usr", "/boot", "/efi"], &[]),
            Protect::Full => (&["/usr", "/boot", "/efi", "/etc"], &[]),
            Protect::Strict => (&["/"], &["/proc", "/sys", "/dev", "/home", "/root", "/run/user"]),
        };
        read_only.iter().for_each(|path| add(path, same(Some(true))));
        for path in kept {
            add(path, same(Some(false)));
        }
        let homes = ["/home", "/root", "/run/user"];
        for path in homes {
            match ns.homes {
                Homes::Seen => {}
                Homes::Hidden => add(path, hidden()),
                Homes::ReadOnly => add(path, same(Some(true))),
                Homes::Empty => {
                    let change = Change::Empty("mode=0755".to_owned());
                    add(path, Entry { change, read_only: Some(true), no_exec: None, optional: true });
                }
            }
        }
        if ns.tunables {
            ["/proc/kallsyms", "/proc/kcore"].iter().for_each(|path| add(path, hidden()));
            for path in [
                "sys",
                "acpi",
                "asound",
                "bus",
                "fs",
                "irq",
                "sysrq-trigger",
                "latency_stats",
                "mtrr",
                "scsi",
            ] {
                add(&format!("/proc/{path}"), same(Some(true)));
            }
            add("/sys", same(Some(true)));
            // Control groups are another directive's.
            if !ns.groups && Path::new("/sys/fs/cgroup").exists() {
                add("/sys/fs/cgroup", same(Some(false)));
            }
        }
        if ns.groups {
            add("/sys/fs/cgroup", same(Some(true)));
        }
        if ns.modules {
            ["/lib/modules", "/usr/lib/modules"].iter().for_each(|path| add(path, hidden()));
        }
        if ns.logs {
            ["/proc/kmsg", "/dev/kmsg"].iter().for_each(|path| add(path, hidden()));
        }
        if ns.api && root.is_some() {
            for path in ["/proc", "/sys", "/dev", "/run"] {
                let change = Change::Bind { source: PathBuf::from(path), recursive: true };
                add(path, Entry { change, read_only: None, no_exec: None, optional: false });
            }
        }
        if ns.devices {
            add("/dev", Entry { change: Change::Devices, read_only: None, no_exec: None, optional: false });
        }
        if !ns.proc.is_empty() {
            let change = Change::Proc(ns.proc.join(","));
            add("/proc", Entry { change, read_only: None, no_exec: None, optional: true });
        }
        if ns.ipc {
            let change = Change::Empty("mode=1777".to_owned());
            add("/dev/shm", Entry { change, read_only: None, no_exec: None, optional: true });
        }
        for (path, options) in &ns.empty {
            let mut words: Vec<&str> = options.split(',').filter(|word| !word.is_empty()).collect();
            let read_only = words.contains(&"ro");
            words.retain(|word| {
                !matches!(*word, "ro" | "rw" | "nodev" | "nosuid" | "noexec" | "exec" | "suid" | "dev")
            });
            if !words.iter().any(|word| word.starts_with("mode=")) {
                words.push("mode=0755");
            }
            let change = Change::Empty(words.join(","));
            add(path, Entry { change, read_only: Some(read_only), no_exec: None, optional: false });
        }
        if let Some([tmp, var_tmp]) = self.tmp {
            for (path, source) in [("/tmp", tmp), ("/var/tmp", var_tmp)] {
                let change = Change::Bind { source: source.clone(), recursive: false };
                add(path, Entry { change, read_only: Some(false), no_exec: None, optional: true });
            }
        }
        if self.passing {
            for (private, folders) in self.folders.closed() {
                let change = Change::Empty("mode=0755".to_owned());
                let entry = Entry { change, read_only: Some(true), no_exec: None, optional: false };
                add(&private.display().to_string(), entry);
                for source in folders {
                    let path = source.display().to_string();
                    let change = Change::Bind { source, recursive: true };
                    add(&path, Entry { change, read_only: Some(false), no_exec: None, optional: false });
                }
            }
        }
        for path in self.folders.places(self.passing) {
            add(&path.display().to_string(), same(Some(false)));
        }
        for bind in &ns.binds {
            let change = Change::Bind { source: PathBuf::from(&bind.source), recursive: bind.recursive };
            let entry =
                Entry { change, read_only: Some(bind.read_only), no_exec: None, optional: bind.optional };
            add(&bind.target, entry);
        }
        // In this order the stricter comes last.
        let place = |place: &Place, read_only, no_exec| Entry {
            change: Change::Same,
            read_only,
            no_exec,
            optional: place.optional,
        };
        ns.read_write.iter().for_each(|p| add(&p.path, place(p, Some(false), None)));
        ns.read_only.iter().for_each(|p| add(&p.path, place(p, Some(true), None)));
        ns.exec.iter().for_each(|p| add(&p.path, place(p, None, Some(false))));
        ns.no_exec.iter().for_each(|p| add(&p.path, place(p, None, Some(true))));
        for p in &ns.inaccessible {
            add(&p.path, Entry { optional: p.optional, ..hidden() });
        }
        entries
    }

    /// The path without symbolic links; none where it is missing and may be. What is missing and may not be fails
    /// later, at the step that needs it.
    fn resolved(&self, path: &Path, entry: &Entry, root: Option<&str>) -> Option<PathBuf> {
        let made = matches!(entry.change, Change::Empty(_) | Change::Bind { .. });
        if let Change::Bind { source, .. } = &entry.change
            && entry.optional
            && !source.exists()
        {
            return None;
        }
        match root {
            // Links within another root lead elsewhere from here.
            Some(root) => {
                let outside = Path::new(root).join(path.strip_prefix("/").unwrap_or(path));
                (made || !entry.optional || outside.exists()).then(|| path.to_owned())
            }
            None => match fs::canonicalize(path) {
                Ok(path) => Some(path),
                Err(_) if made || !entry.optional => Some(path.to_owned()),
                Err(_) => None,
            },
        }
    }

    fn change(&self, path: &Path, entry: &Entry, mounts: &[(PathBuf, bool)], steps: &mut Steps<'_, '_>) {
        let place = stage(path);
        let bind = MsFlags::MS_BIND;
        match &entry.change {
            Change::Same => {
                let mounted = self.namespaces.root.is_none() && mounts.iter().any(|(point, _)| point == path);
                if !mounted && path != Path::new("/") {
                    let here = place.display().to_string();
                    let step = mount(&here, &place, "", bind | MsFlags::MS_REC, "");
                    steps.mount(entry.optional, path, step);
                }
            }
            Change::Hidden => {
                let folder = self.is_folder(path);
                let over = format!("{HIDDEN}/{}", if folder { "folder" } else { "file" });
                steps.mount(entry.optional, path, mount(&over, &place, "", bind, ""));
            }
            Change::Empty(options) => {
                self.make_place(path, true, steps);
                let flags = MsFlags::MS_NODEV | MsFlags::MS_STRICTATIME;
                steps.mount(entry.optional, path, mount("tmpfs", &place, "tmpfs", flags, options));
            }
            Change::Bind { source, recursive } => {
                // Sockets and devices are mounted on files; what is not there is taken for a folder.
                self.make_place(path, source.is_dir() || !source.exists(), steps);
                let flags = if *recursive { bind | MsFlags::MS_REC } else { bind };
                let source = source.display().to_string();
                steps.mount(entry.optional, path, mount(&source, &place, "", flags, ""));
            }
            Change::Proc(options) => {
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                // In a container a /proc of one's own may be refused.
                steps.try_to("ProtectProc", mount("proc", &place, "proc", flags, options));
            }
            Change::Devices => devices(&place, steps),
        }
    }

    fn is_folder(&self, path: &Path) -> bool {
        match &self.namespaces.root {
            Some(root) => Path::new(root).join(path.strip_prefix("/").unwrap_or(path)).is_dir(),
            None => path.is_dir(),
        }
    }

    /// A place to mount on, where there is none yet.
    fn make_place(&self, path: &Path, folder: bool, steps: &mut Steps<'_, '_>) {
        let above: Vec<_> = path.ancestors().skip(1).filter(|above| above.parent().is_some()).collect();
        for folder in above.iter().rev() {
            steps.quietly(Step::Folder { path: text(&stage(folder)), mode: 0o755 });
        }
        match folder {
            true => steps.quietly(Step::Folder { path: text(&stage(path)), mode: 0o755 }),
            false => steps.quietly(Step::EmptyFile(text(&stage(path)))),
        }
    }
}

/// Puts an entry to what is said of the same path already.
fn put(entries: &mut Entries, path: PathBuf, entry: Entry) {
    let Some(before) = entries.get_mut(&path) else {
        entries.insert(path, entry);
        return;
    };
    match (&before.change, &entry.change) {
        (Change::Hidden, _) => {}
        (_, Change::Hidden) => *before = entry,
        (_, Change::Same) => {
            before.read_only = entry.read_only.or(before.read_only);
            before.no_exec = entry.no_exec.or(before.no_exec);
            before.optional &= entry.optional;
        }
        _ => {
            let (read_only, no_exec) = (before.read_only, before.no_exec);
            *before = entry;
            before.read_only = before.read_only.or(read_only);
            before.no_exec = before.no_exec.or(no_exec);
        }
    }
}

/// Sets what is read-only or not, executable or not, for a path and all that is mounted below it. What was read-only
/// before stays so.
fn attributes(path: &Path, entry: &Entry, mounts: &[(PathBuf, bool)], real: bool, steps: &mut Steps<'_, '_>) {
    let place = stage(path);
    let (mut set, mut clear) = (0, 0);
    match entry.change {
        Change::Hidden => set |= RDONLY | NOSUID | NODEV | NOEXEC,
        Change::Empty(_) => set |= NODEV,
        _ => {}
    }
    match entry.read_only {
        Some(true) => set |= RDONLY,
        Some(false) => clear |= RDONLY,
        None => {}
    }
    match entry.no_exec {
        Some(true) => set |= NOEXEC,
        Some(false) => clear |= NOEXEC,
        None => {}
    }
    let change = |path: &Path, set, clear, recursive| Step::MountAttributes {
        path: text(path),
        set,
        clear,
        recursive,
    };
    if set != 0 {
        let recursive = !matches!(entry.change, Change::Hidden);
        steps.mount(entry.optional, path, change(&place, set, 0, recursive));
    }
    if clear == 0 {
        return;
    }
    // Where the source of a bind is mounted decides what was read-only there.
    let origin = match &entry.change {
        Change::Bind { source, .. } => source.as_path(),
        _ => path,
    };
    let holds = |path: &Path| {
        let holder = mounts.iter().filter(|(point, _)| path.starts_with(point));
        holder.max_by_key(|(point, _)| point.components().count()).is_some_and(|(_, read_only)| *read_only)
    };
    if !(real && holds(origin)) {
        steps.mount(entry.optional, path, change(&place, 0, clear, false));
    }
    let below =
        mounts.iter().filter(|(point, read_only)| point.starts_with(origin) && point != origin && !read_only);
    for (point, _) in below {
        if let Ok(rest) = point.strip_prefix(origin) {
            steps.quietly(change(&place.join(rest), 0, clear, false));
        }
    }
}

/// A `/dev` with what every program may have.
fn devices(place: &Path, steps: &mut Steps<'_, '_>) {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    // First aside, so that the real ones can be bound from.
    steps.add(NAMESPACE, mount("tmpfs", place, "tmpfs", flags, "mode=0755"));
    let nodes =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    for (name, major, minor) in nodes {
        let (path, real) = (text(&place.join(name)), text(&Path::new("/dev").join(name)));
        let device = u64::from(major as u32) << 8 | minor as u64;
        // A container need not have all of them.
        steps.try_to("PrivateDevices", Step::Node { path, mode: 0o020_666, device, real });
    }
    for name in ["pts", "shm", "mqueue", "hugepages"] {
        let real = format!("/dev/{name}");
        if Path::new(&real).is_dir() {
            steps.quietly(Step::Folder { path: text(&place.join(name)), mode: 0o755 });
            steps.quietly(mount(&real, &place.join(name), "", MsFlags::MS_BIND | MsFlags::MS_REC, ""));
        }
    }
    let mut links = vec![
        ("ptmx", "pts/ptmx".to_owned()),
        ("fd", "/proc/self/fd".to_owned()),
        ("stdin", "/proc/self/fd/0".to_owned()),
        ("stdout", "/proc/self/fd/1".to_owned()),
        ("stderr", "/proc/self/fd/2".to_owned()),
        ("core", "/proc/kcore".to_owned()),
    ];
    match fs::read_link("/dev/log") {
        Ok(target) => links.push(("log", target.display().to_string())),
        Err(_) if Path::new("/dev/log").exists() => {
            steps.quietly(Step::EmptyFile(text(&place.join("log"))));
            steps.quietly(mount("/dev/log", &place.join("log"), "", MsFlags::MS_BIND, ""));
        }
        Err(_) => {}
    }
    for (name, target) in links {
        steps.quietly(Step::Link { target: text(Path::new(&target)), path: text(&place.join(name)) });
    }
    let attributes =
        Step::MountAttributes { path: text(place), set: NOEXEC | NOSUID, clear: 0, recursive: false };
    steps.add(NAMESPACE, attributes);
}

/// Where a path of the view is while it is put together.
fn stage(path: &Path) -> PathBuf {
    Path::new(STAGE).join(path.strip_prefix("/").unwrap_or(path))
}

/// A path of the view as the service would name it.
pub(super) fn real(path: &CStr) -> String {
    let path = path.to_string_lossy();
    match path.strip_prefix(STAGE) {
        Some("") => "/".to_owned(),
        Some(below) => below.to_owned(),
        None => path.into_owned(),
    }
}

fn mount(source: &str, target: &Path, kind: &str, flags: MsFlags, data: &str) -> Step {
    let string = |text: &str| CString::new(text.replace('\0', "")).unwrap_or_default();
    Step::Mount {
        source: string(source),
        target: text(target),
        kind: string(kind),
        flags: flags.bits(),
        data: string(data),
    }
}

/// A path never has a NUL in it.
fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default()
}

fn folder(path: &str, source: io::Error) -> ExecError {
    ExecError::Folder { path: path.to_owned(), directive: "PrivateTmp", source }
}

/// The folders that views need.
fn prepare() -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(STAGE)?;
    DirBuilder::new().recursive(true).mode(0o755).create(HIDDEN)?;
    let inside = Path::new(HIDDEN);
    match DirBuilder::new().mode(0o000).create(inside.join("folder")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o000).open(inside.join("file")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Where file systems are mounted, and which of them are read-only.
fn mount_points() -> Vec<(PathBuf, bool)> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        let (path, options) = (fields.get(4)?, fields.get(5)?);
        Some((PathBuf::from(unescaped(path)), options.split(',').any(|option| option == "ro")))
    };
    text.lines().filter_map(point).collect()
}

/// Blanks are given by octal number there.
fn unescaped(path: &str) -> String {
    let mut path = path.to_owned();
    for (escaped, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        path = path.replace(escaped, plain);
    }
    path
}
