//! One group: the same path in every hierarchy that it needs.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::detect::{Controller, Tree, below};
use crate::hierarchy::{children, write};
use crate::{GroupError, Hierarchy, PATIENCE, Unmet, name};

/// A group, which need not exist.
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) hierarchy: Hierarchy,
    path: String,
    /// It was killed by the kernel's own means. Linux from 6.14 on kills what is cloned into such a group later, at least
    /// up to 6.18: it compares the kills of that group with those of the parent's.
    pub(crate) killed: Arc<AtomicBool>,
    /// Hierarchies of version 1, a bit for each, in which it is known not to be.
    absent: Arc<AtomicU64>,
}

/// How a new process comes into a group.
#[derive(Debug)]
pub struct Entry {
    /// A folder of version 2 for clone3(2) with `CLONE_INTO_CGROUP`; none where that is not the way into this group.
    pub clone_into: Option<OwnedFd>,
    /// Files into which the new process writes `0` before it executes anything.
    pub joins: Vec<Join>,
}

/// A file into which a process of one thread writes `0` to join a group.
#[derive(Debug)]
pub struct Join {
    /// Opened for writing, closed on execution.
    pub file: Arc<OwnedFd>,
    /// The hierarchy, in words.
    pub hierarchy: String,
    /// Without it the process would not be tracked; where false, a limit only does not hold. (Joining `cpu` fails, for
    /// instance, for a process with real-time scheduling on a kernel with `RT_GROUP_SCHED`.)
    pub required: bool,
}

impl Group {
    pub(crate) fn new(hierarchy: Hierarchy, path: String) -> Group {
        Group { hierarchy, path, killed: Arc::default(), absent: Arc::default() }
    }

    /// Its path below the base.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether all in it was killed at once, so that it is better made anew than used again.
    pub fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// The folder in which its processes are tracked.
    pub(crate) fn dir(&self) -> PathBuf {
        // A group is only made where there is a tracker.
        self.hierarchy.tracker().map(|tree| self.in_tree(tree)).unwrap_or_default()
    }

    pub(crate) fn in_tree(&self, tree: &Tree) -> PathBuf {
        below(&tree.base_dir(), &self.path)
    }

    /// The folders of this group in all hierarchies, whether they are there or not; the tracker's first.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let trees = self.hierarchy.unified().into_iter().chain(self.hierarchy.legacy());
        let mut dirs = vec![self.dir()];
        for tree in trees {
            let dir = self.in_tree(tree);
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.dir().is_dir()
    }

    /// Makes the group, and those above it, wherever these controllers live; what is there already is kept. A controller
    /// that cannot be had is passed over here: what it was for is told when limits are set.
    ///
    /// # Errors
    /// Processes in it could not be tracked.
    pub fn create(&self, controllers: &[Controller]) -> Result<(), GroupError> {
        let tracker = self.hierarchy.tracker()?;
        let mut is_new = false;
        if let Some(tree) = self.hierarchy.unified() {
            let names = |one: &Controller| self.hierarchy.tree_of(*one).is_none();
            let wanted: Vec<_> = controllers.iter().copied().filter(names).collect();
            is_new = make_all(tree, &self.path)?;
            ancestors(&self.path).for_each(|above| enable(tree, above, &wanted));
        }
        let mut trees: Vec<&Tree> = Vec::new();
        // Without version 2 killing and freezing need the freezer.
        let freezer = if tracker.unified { None } else { Some(Controller::Freezer) };
        // Version 2 counts the time of processors by itself, without a controller.
        let counted = |one: &Controller| tracker.unified && *one == Controller::CpuAccounting;
        for controller in controllers.iter().copied().filter(|one| !counted(one)).chain(freezer) {
            let found = self.hierarchy.tree_of(controller).filter(|tree| !trees.contains(tree));
            trees.extend(found);
        }
        if !tracker.unified {
            is_new = make_all(tracker, &self.path)?;
        }
        for tree in trees.iter().filter(|tree| **tree != tracker) {
            // A limit that cannot be had is told when it is set.
            let _ = make_all(tree, &self.path);
        }
        // One that was there before may be in hierarchies that are not asked for now.
        let absent = |tree: &Tree| is_new && tree != tracker && !trees.contains(&tree);
        let legacy = self.hierarchy.legacy().iter().take(u64::BITS as usize);
        let bits = legacy.enumerate().map(|(index, tree)| u64::from(absent(tree)) << index);
        self.absent.store(bits.fold(0, |all, bit| all | bit), Ordering::Relaxed);
        Ok(())
    }

    /// How a new process comes into this group, in every hierarchy in which it was made.
    ///
    /// # Errors
    /// The group is not there, or cannot be opened.
    pub fn entry(&self) -> Result<Entry, GroupError> {
        let tracker = self.hierarchy.tracker()?;
        let mut entry = Entry { clone_into: None, joins: Vec::new() };
        let open = |path: &Path, flags: i32, write: bool| {
            let mut options = fs::OpenOptions::new();
            options.read(!write).write(write).custom_flags(flags | libc::O_CLOEXEC);
            options.open(path).map(OwnedFd::from)
        };
        if tracker.unified {
            let dir = self.dir();
            if self.killed.load(Ordering::Relaxed) {
                let path = dir.join("cgroup.procs");
                let file = open(&path, 0, true).map_err(GroupError::file("open", &path))?;
                entry.joins.push(Join {
                    file: Arc::new(file),
                    hierarchy: "version 2".to_owned(),
                    required: true,
                });
            } else {
                let file = open(&dir, libc::O_DIRECTORY, false).map_err(GroupError::file("open", &dir))?;
                entry.clone_into = Some(file);
            }
        }
        let absent = self.absent.load(Ordering::Relaxed);
        for (index, tree) in (0u32..).zip(self.hierarchy.legacy()) {
            if absent.checked_shr(index).unwrap_or(0) & 1 == 1 {
                continue;
            }
            let required = tree == tracker;
            // A thread that moves itself waits for nobody, while a whole process waits until the kernel is sure that no
            // process is just being made. A new process has one thread.
            let path = self.in_tree(tree).join("tasks");
            match open(&path, 0, true) {
                Ok(file) => {
                    entry.joins.push(Join {
                        file: Arc::new(file),
                        hierarchy: tree.names.join(","),
                        required,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
                Err(error) => return Err(GroupError::file("open", &path)(error)),
            }
        }
        Ok(entry)
    }

    /// Moves a process into this group, in every hierarchy in which it was made. A hierarchy that refuses is told
    /// where a limit only depends on it.
    ///
    /// # Errors
    /// It cannot be tracked: there is no such process, or it may not be moved.
    pub fn attach(&self, pid: i32) -> Result<Vec<String>, GroupError> {
        let text = pid.to_string();
        write(&self.dir().join("cgroup.procs"), &text)?;
        let tracker = self.hierarchy.tracker()?;
        let mut refused = Vec::new();
        for tree in self.hierarchy.legacy().iter().filter(|tree| *tree != tracker) {
            let path = self.in_tree(tree).join("cgroup.procs");
            if path.exists()
                && let Err(error) = write(&path, &text)
            {
                refused.push(error.to_string());
            }
        }
        Ok(refused)
    }

    /// Every process in it and below it, each once. Those of another PID namespace are not seen.
    ///
    /// # Errors
    /// The group cannot be read. One that is not there has none.
    pub fn processes(&self) -> Result<Vec<i32>, GroupError> {
        let mut found = Vec::new();
        for dir in self.nested()? {
            found.extend(pids_in(&dir)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The processes in it, without those below it.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn own_processes(&self) -> Result<Vec<i32>, GroupError> {
        pids_in(&self.dir())
    }

    /// Its folder, then those below it, at the tracker.
    fn nested(&self) -> Result<Vec<PathBuf>, GroupError> {
        nested(self.dir())
    }

    /// Whether any process is in it or below it; false where it is not there.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn is_populated(&self) -> Result<bool, GroupError> {
        let dir = self.dir();
        if self.hierarchy.tracker()?.unified {
            let path = dir.join("cgroup.events");
            // Short, and asked for often.
            let mut text = [0; 128];
            let read = fs::File::open(&path).and_then(|mut file| file.read(&mut text));
            return match read {
                Ok(count) => {
                    Ok(text[..count].split(|octet| *octet == b'\n').any(|line| line == b"populated 1"))
                }
                // The root of the machine has no such file, and is never empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.path.is_empty()),
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
                Err(error) => Err(GroupError::file("read", &path)(error)),
            };
        }
        for dir in self.nested()? {
            if !pids_in(&dir)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the group and those below it from every hierarchy. A process that has just ended keeps its group for
    /// a moment, so it is tried again until [`PATIENCE`] is over.
    ///
    /// # Errors
    /// Processes are still in it.
    pub fn remove(&self) -> Result<(), GroupError> {
        let deadline = Instant::now() + PATIENCE;
        let mut result = Ok(());
        if self.path.is_empty() {
            return result;
        }
        for dir in self.dirs() {
            // Nearly always there is nothing below it.
            match fs::remove_dir(&dir) {
                Ok(()) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => {}
            }
            let mut dirs = nested(dir)?;
            dirs.reverse();
            for dir in dirs {
                if let Err(error) = remove(&dir, deadline) {
                    result = Err(error);
                }
            }
        }
        if result.is_ok() {
            // One that is made in its place has not been killed.
            self.killed.store(false, Ordering::Relaxed);
        }
        result
    }

    /// Hands the group, in version 2, to a user who may make groups below it: `Delegate=` with `User=`. Returns what
    /// of it could not be done.
    pub fn delegate(&self, user: u32, group: u32) -> Option<Unmet> {
        let Some(tree) = self.hierarchy.unified() else {
            let reason = "version 1 of control groups cannot be handed to a user safely";
            return Some(Unmet::new("Delegate", reason));
        };
        let dir = self.in_tree(tree);
        let files = ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
        for file in files {
            if let Err(error) = std::os::unix::fs::chown(below(&dir, file), Some(user), Some(group)) {
                return Some(Unmet::new("Delegate", format!("cannot hand over {}: {error}", dir.display())));
            }
        }
        None
    }
}

/// The paths above a path, from the base: ``, `a`, `a/b` for `a/b/c`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let first = if path.is_empty() { None } else { Some("") };
    first.into_iter().chain(ends.map(|end| &path[..end]))
}

/// Hands controllers of version 2 to the groups below `path`. One that cannot be handed down is found out when a
/// limit is set.
pub(crate) fn enable(tree: &Tree, path: &str, controllers: &[Controller]) {
    let dir = below(&tree.base_dir(), path);
    let names = |file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default();
    let has = |text: &str, name: &str| text.split_whitespace().any(|known| known == name);
    let mut missing: Vec<_> = controllers.iter().filter_map(|controller| controller.unified_name()).collect();
    if missing.is_empty() {
        return;
    }
    let handed = names("cgroup.subtree_control");
    missing.retain(|name| !has(&handed, name));
    if missing.is_empty() {
        return;
    }
    let given = names("cgroup.controllers");
    for name in missing.into_iter().filter(|name| has(&given, name)) {
        let _ = write(&dir.join("cgroup.subtree_control"), &format!("+{name}"));
    }
}

/// Makes a group in a hierarchy, and those above it, which are nearly always there; whether it was not there before.
fn make_all(tree: &Tree, path: &str) -> Result<bool, GroupError> {
    let folder = below(&tree.base_dir(), path);
    let mut made = fs::create_dir(&folder);
    if let Some((above, _)) = path.rsplit_once('/')
        && made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        make_all(tree, above)?;
        made = fs::create_dir(&folder);
    }
    match made {
        Ok(()) => {
            if !tree.unified && tree.has("cpuset") {
                fill_cpuset(&tree.base_dir(), path);
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(GroupError::file("make", &folder)(error)),
    }
}

/// A new group of version 1's `cpuset` has no processor and no memory: it takes over those of the one above it.
pub(crate) fn fill_cpuset(base: &Path, path: &str) {
    let dir = below(base, path);
    let Some(above) = dir.parent() else { return };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let empty = fs::read_to_string(dir.join(file)).is_ok_and(|text| text.trim().is_empty());
        if let (true, Ok(text)) = (empty, fs::read_to_string(above.join(file))) {
            let _ = write(&dir.join(file), text.trim());
        }
    }
}

/// A folder and those below it, parents first.
pub(crate) fn nested(dir: PathBuf) -> Result<Vec<PathBuf>, GroupError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut dirs = vec![(dir, 0)];
    let mut at = 0;
    while let Some((dir, depth)) = dirs.get(at).cloned() {
        if depth < name::DEEPEST {
            let below = children(&dir)?;
            dirs.extend(below.iter().map(|name| (dir.join(name), depth + 1)));
        }
        at += 1;
    }
    Ok(dirs.into_iter().map(|(dir, _)| dir).collect())
}

/// The processes of one folder.
pub(crate) fn pids_in(dir: &Path) -> Result<Vec<i32>, GroupError> {
    let path = dir.join("cgroup.procs");
    match fs::read_to_string(&path) {
        // A process of another namespace is shown as 0.
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()),
        // It has gone meanwhile, or has threads only, whose processes stand in the one above.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EOPNOTSUPP)) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(GroupError::file("read", &path)(error)),
    }
}

pub(crate) fn remove(dir: &Path, deadline: Instant) -> Result<(), GroupError> {
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(GroupError::file("remove", dir)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_above() {
        let all = |path| ancestors(path).collect::<Vec<_>>();
        assert_eq!(all("a/b/c"), ["", "a", "a/b"]);
        assert_eq!(all("a"), [""]);
        assert_eq!(all(""), [""; 0]);
    }
}
