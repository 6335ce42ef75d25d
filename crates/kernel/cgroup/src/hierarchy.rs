//! All the control groups of this machine that are ours: where each controller lives, which groups there are, which
//! group a process is in.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::detect::{self, Controller, Mode, OWN, Tree};
use crate::{Group, GroupError, name};

/// The most groups that are listed.
const MOST_GROUPS: usize = 100_000;

/// The control groups of this machine.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    unified: Option<Tree>,
    /// What version 2 has to give here.
    unified_controllers: Vec<String>,
    legacy: Vec<Tree>,
    /// The one of `legacy` in which processes are tracked, where version 2 is not there.
    tracker: Option<usize>,
    /// What is missing, in words.
    reasons: Vec<String>,
    /// The base is one that we have made ourselves.
    made: bool,
}

/// A group that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path below the base.
    pub path: String,
    /// Whether processes are in it, or below it.
    pub populated: bool,
}

impl Hierarchy {
    /// Finds out what this machine has. The base of all our groups is the group that this process is in.
    pub fn detect() -> Hierarchy {
        let read =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
        match (read("/proc/self/mountinfo"), read("/proc/self/cgroup")) {
            (Ok(mountinfo), Ok(own)) => Hierarchy::from_texts(&mountinfo, &own, Path::new("/")),
            (Err(reason), _) | (_, Err(reason)) => Hierarchy::none(reason),
        }
    }

    /// No control groups, for this reason.
    pub fn none(reason: impl Into<String>) -> Hierarchy {
        Hierarchy {
            inner: Arc::new(Inner {
                mode: Mode::None,
                unified: None,
                unified_controllers: Vec::new(),
                legacy: Vec::new(),
                tracker: None,
                reasons: vec![reason.into()],
                made: false,
            }),
        }
    }

    /// As [`Hierarchy::detect`], from the texts of /proc/self/mountinfo and /proc/self/cgroup, with mount points below
    /// `root`.
    pub fn from_texts(mountinfo: &str, own: &str, root: &Path) -> Hierarchy {
        let mut reasons = Vec::new();
        let mut usable = Vec::new();
        for mut tree in detect::trees(mountinfo, own) {
            let below = tree.mount.strip_prefix("/").map(|below| root.join(below));
            tree.mount = below.unwrap_or_else(|_| tree.mount.clone());
            match writable(&tree) {
                Ok(()) => usable.push(tree),
                Err(reason) => reasons.push(reason),
            }
        }
        Hierarchy::of_trees(usable, reasons, false)
    }

    fn of_trees(usable: Vec<Tree>, mut reasons: Vec<String>, made: bool) -> Hierarchy {
        let (unified, legacy): (Vec<_>, Vec<_>) = usable.into_iter().partition(|tree| tree.unified);
        let unified = unified.into_iter().next();
        let of_tree = |tree: &Tree| fs::read_to_string(tree.base_dir().join("cgroup.controllers"));
        let controllers = unified.as_ref().and_then(|tree| of_tree(tree).ok()).unwrap_or_default();
        let unified_controllers = controllers.split_whitespace().map(str::to_owned).collect();
        let best = ["name=perigee", "name=systemd", "freezer", "pids"];
        let found = best.iter().find_map(|name| legacy.iter().position(|tree| tree.has(name)));
        let tracker = found.or(if legacy.is_empty() { None } else { Some(0) });
        let controls = |tree: &Tree| Controller::ALL.iter().any(|one| tree.has(one.legacy_name()));
        let mode = match (&unified, legacy.iter().any(controls), tracker) {
            (Some(_), false, _) => Mode::Unified,
            (Some(_), true, _) => Mode::Hybrid,
            (None, _, Some(_)) => Mode::Legacy,
            (None, ..) => Mode::None,
        };
        if mode == Mode::None && reasons.is_empty() {
            reasons.push("none are mounted".to_owned());
        }
        let inner = Inner { mode, unified, unified_controllers, legacy, tracker, reasons, made };
        Hierarchy { inner: Arc::new(inner) }
    }

    /// The same machine, with all groups below `path` of the present base instead; it is made where it is missing.
    ///
    /// # Errors
    /// The path is none, or cannot be made.
    pub fn below(&self, path: &str) -> Result<Hierarchy, GroupError> {
        name::check(path)?;
        let trees = self.inner.unified.iter().chain(&self.inner.legacy);
        let mut moved = Vec::new();
        for tree in trees {
            let base = if tree.base.is_empty() { path.to_owned() } else { format!("{}/{path}", tree.base) };
            let tree = Tree { base, ..tree.clone() };
            let folder = tree.base_dir();
            fs::create_dir_all(&folder).map_err(GroupError::file("make", &folder))?;
            if tree.has("cpuset") {
                crate::group::fill_cpuset(&tree.mount, &tree.base);
            }
            moved.push(tree);
        }
        if let Some(tree) = moved.iter().find(|tree| tree.unified) {
            crate::group::enable(tree, "", &Controller::ALL);
        }
        Ok(Hierarchy::of_trees(moved, self.inner.reasons.clone(), true))
    }

    /// Removes the base itself, after all that is in it: for who has made it by [`Hierarchy::below`].
    ///
    /// # Errors
    /// Processes are still in it, or it is not ours to remove.
    pub fn remove(&self) -> Result<(), GroupError> {
        if !self.inner.made {
            return Err(GroupError::Unavailable("the base was there before us".to_owned()));
        }
        let mut dirs = vec![self.tracker()?.base_dir()];
        dirs.extend(self.inner.unified.iter().chain(&self.inner.legacy).map(Tree::base_dir));
        let deadline = std::time::Instant::now() + crate::PATIENCE;
        let mut result = Ok(());
        for dir in dirs {
            for dir in crate::group::nested(dir)?.into_iter().rev() {
                result = crate::group::remove(&dir, deadline).and(result);
            }
        }
        result
    }

    /// How control groups are set up here.
    pub fn mode(&self) -> Mode {
        self.inner.mode
    }

    /// What is missing, in words.
    pub fn reasons(&self) -> &[String] {
        &self.inner.reasons
    }

    /// Where a controller can be used: in version 2, in version 1, or not at all.
    pub fn has(&self, controller: Controller) -> Option<Mode> {
        if self.tree_of(controller).is_some() {
            return Some(Mode::Legacy);
        }
        self.inner.unified.as_ref()?;
        let there = match controller.unified_name() {
            Some(name) => self.gives(name),
            None => true,
        };
        there.then_some(Mode::Unified)
    }

    /// Whether version 2 has this controller to give.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.inner.unified_controllers.iter().any(|known| known == name)
    }

    /// Why a controller cannot be used.
    pub(crate) fn why_not(&self, controller: Controller) -> String {
        if self.inner.mode == Mode::None {
            return format!("there are no control groups: {}", self.inner.reasons.join("; "));
        }
        format!(
            "there is no {} controller here",
            controller.unified_name().unwrap_or(controller.legacy_name())
        )
    }

    pub(crate) fn unified(&self) -> Option<&Tree> {
        self.inner.unified.as_ref()
    }

    pub(crate) fn legacy(&self) -> &[Tree] {
        &self.inner.legacy
    }

    /// The hierarchy of version 1 that has this controller.
    pub(crate) fn tree_of(&self, controller: Controller) -> Option<&Tree> {
        self.inner.legacy.iter().find(|tree| tree.has(controller.legacy_name()))
    }

    /// Where processes are tracked.
    pub(crate) fn tracker(&self) -> Result<&Tree, GroupError> {
        let legacy = self.inner.tracker.map(|index| &self.inner.legacy[index]);
        let tracker = self.inner.unified.as_ref().or(legacy);
        tracker.ok_or_else(|| GroupError::Unavailable(self.inner.reasons.join("; ")))
    }

    /// The group at a path, whether it is there or not.
    ///
    /// # Errors
    /// No path, or no control groups.
    pub fn group(&self, path: &str) -> Result<Group, GroupError> {
        name::check(path)?;
        self.tracker()?;
        Ok(Group::new(self.clone(), path.to_owned()))
    }

    /// Moves this process to a group of its own, `init.scope`, so that the base has none itself: version 2 hands
    /// controllers only to the groups below one without processes. Call it once, before the first group is made.
    ///
    /// # Errors
    /// The group cannot be made or entered.
    pub fn settle(&self) -> Result<(), GroupError> {
        let Some(tree) = self.unified().or(self.tracker().ok()) else {
            return Err(GroupError::Unavailable(self.inner.reasons.join("; ")));
        };
        let folder = tree.base_dir().join(OWN);
        make(&folder)?;
        let procs = folder.join("cgroup.procs");
        write(&procs, "0")?;
        // PID 1 has the machine, or the container, to itself; threads of the kernel stay where they are.
        if std::process::id() == 1 {
            for pid in crate::group::pids_in(&tree.base_dir())? {
                let _ = write(&procs, &pid.to_string());
            }
        }
        Ok(())
    }

    /// Every group below the base, in the order of their paths; those which are populated, or not.
    ///
    /// # Errors
    /// The base cannot be read.
    pub fn list(&self) -> Result<Vec<Found>, GroupError> {
        let tree = self.tracker()?;
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(path) = ahead.pop() {
            if path.split('/').count() >= name::DEEPEST {
                continue;
            }
            for child in children(&detect::below(&tree.base_dir(), &path))? {
                let path = if path.is_empty() { child } else { format!("{path}/{child}") };
                if found.len() == MOST_GROUPS {
                    return Ok(found);
                }
                let populated = self.group(&path).and_then(|group| group.is_populated()).unwrap_or(false);
                ahead.push(path.clone());
                found.push(Found { path, populated });
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// The path, below the base, of the group that a process is in; none where it is outside of the base, or gone.
    pub fn group_of(&self, pid: i32) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        self.group_in(&text)
    }

    /// As [`Hierarchy::group_of`], from the text of /proc/PID/cgroup.
    pub fn group_in(&self, text: &str) -> Option<String> {
        let tree = self.tracker().ok()?;
        let path = detect::own_path(text, tree.unified, &tree.names)?;
        let path = path.strip_suffix(" (deleted)").unwrap_or(path).trim_matches('/');
        let mut rest = path;
        for outer in [&tree.root, &tree.base].into_iter().filter(|outer| !outer.is_empty()) {
            rest = rest.strip_prefix(outer.as_str())?;
            if !rest.is_empty() && !rest.starts_with('/') {
                return None;
            }
            rest = rest.trim_start_matches('/');
        }
        Some(rest.to_owned())
    }
}

/// Whether groups can be made below the base.
fn writable(tree: &Tree) -> Result<(), String> {
    let folder = tree.base_dir();
    let what = if tree.unified { "version 2".to_owned() } else { tree.names.join(",") };
    if tree.read_only {
        return Err(format!("{what} is mounted read-only at {}", tree.mount.display()));
    }
    let access =
        nix::unistd::access(&folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK);
    access.map_err(|error| format!("{what} at {} cannot be written to: {}", folder.display(), error.desc()))
}

/// The names of the groups in a folder.
pub(crate) fn children(folder: &Path) -> Result<Vec<String>, GroupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // It has gone meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(GroupError::file("read", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries.map_while(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Makes a group; one that is there is as good.
fn make(folder: &Path) -> Result<(), GroupError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(GroupError::file("make", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Writes to a file of the kernel, in one go.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), GroupError> {
    use std::io::Write as _;
    let write = || fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
    write().map_err(GroupError::file("write to", path))
}
