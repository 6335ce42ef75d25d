//! What is watched for a set of paths: each path itself for what its test asks, the last folder that is there for
//! what may come into it, and those above only for going away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags as Flags, InitFlags, Inotify, WatchDescriptor};

use super::{Rule, Test, look};

/// Times that events are read in one go, so that a busy path cannot keep the loop.
const MOST_READS: usize = 64;

/// The flags are added to those that the watch has, inotify(7).
const MASK_ADD: Flags = Flags::from_bits_retain(nix::libc::IN_MASK_ADD);

/// The watches of one unit.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: Inotify,
    /// Everything that is watched, with the rules that it is the path of, and what counts as a change for each.
    watched: BTreeMap<WatchDescriptor, Vec<(usize, Flags)>>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    /// Something that is still watched.
    pub(super) any: bool,
    /// The path of this rule was changed.
    pub(super) changed: Option<usize>,
}

impl Watches {
    pub(super) fn new() -> io::Result<Watches> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Watches { inotify, watched: BTreeMap::new() })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Reads what has happened.
    pub(super) fn read(&mut self) -> Happened {
        let mut happened = Happened::default();
        for _ in 0..MOST_READS {
            let Ok(events) = self.inotify.read_events() else { break };
            for event in events {
                let overflow = event.mask.contains(Flags::IN_Q_OVERFLOW);
                let rules = self.watched.get(&event.wd);
                happened.any |= overflow || rules.is_some();
                let of_rule = rules.and_then(|rules| rules.iter().find(|(_, of)| of.intersects(event.mask)));
                // What was lost may have been a change.
                let lost = || self.watched.values().flatten().find(|(_, of)| overflow && !of.is_empty());
                let rule = of_rule.or_else(lost).map(|(rule, _)| *rule);
                happened.changed = happened.changed.or(rule);
            }
        }
        happened
    }

    /// Watches nothing.
    pub(super) fn clear(&mut self) {
        for wd in std::mem::take(&mut self.watched).into_keys() {
            // It may have gone by itself.
            let _ = self.inotify.rm_watch(wd);
        }
    }

    /// Watches what these rules need now, and nothing else.
    pub(super) fn set(&mut self, rules: &[Rule]) -> io::Result<()> {
        let before: BTreeSet<_> = std::mem::take(&mut self.watched).into_keys().collect();
        // What is watched already and is not asked for again must not keep its old flags.
        let mut fresh = BTreeSet::new();
        for (index, rule) in rules.iter().enumerate() {
            let last = if rule.test == Test::ExistsGlob { None } else { Some(index) };
            for (path, flags) in wanted(rule) {
                let whole = last.filter(|_| path == rule.path);
                self.add(&path, flags, whole, rule, &mut fresh)?;
            }
        }
        for wd in before {
            if !self.watched.contains_key(&wd) {
                let _ = self.inotify.rm_watch(wd);
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        path: &str,
        flags: Flags,
        whole: Option<usize>,
        rule: &Rule,
        fresh: &mut BTreeSet<WatchDescriptor>,
    ) -> io::Result<()> {
        let add = |flags| self.inotify.add_watch(path, flags);
        let added = match add(flags | MASK_ADD) {
            // The first time in a round replaces the flags of the round before.
            Ok(wd) if !fresh.contains(&wd) => add(flags),
            other => other,
        };
        let wd = match added {
            Ok(wd) => wd,
            // It has gone, or may not be looked at: what is above it tells when that changes.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        fresh.insert(wd);
        let rules = self.watched.entry(wd).or_default();
        if let Some(index) = whole {
            rules.push((index, changes(rule.test)));
        }
        Ok(())
    }
}

const GOES: Flags = Flags::IN_MOVE_SELF.union(Flags::IN_DELETE_SELF);
const COMES: Flags = Flags::IN_CREATE.union(Flags::IN_MOVED_TO).union(Flags::IN_ATTRIB).union(GOES);

/// What is a change of the path itself.
fn changes(test: Test) -> Flags {
    let changed = Flags::IN_DELETE_SELF
        | Flags::IN_MOVE_SELF
        | Flags::IN_ATTRIB
        | Flags::IN_CLOSE_WRITE
        | Flags::IN_CREATE
        | Flags::IN_DELETE
        | Flags::IN_MOVED_FROM
        | Flags::IN_MOVED_TO;
    match test {
        Test::Changed => changed,
        Test::Modified => changed | Flags::IN_MODIFY,
        _ => Flags::empty(),
    }
}

/// Every path to be watched for a rule.
fn wanted(rule: &Rule) -> Vec<(String, Flags)> {
    let mut wanted = Vec::new();
    let fixed = match rule.test {
        Test::ExistsGlob => {
            let folders = look::folders(&rule.path);
            wanted.extend(folders.iter().map(|folder| (folder.clone(), COMES)));
            // What leads to the first folder whose entries matter.
            match rule.path.find(['*', '?', '[', '\\']) {
                Some(at) => rule.path[..at].rsplit_once('/').map_or("/", |(above, _)| above),
                None => &rule.path,
            }
        }
        _ => &rule.path,
    };
    let mut ends: Vec<usize> = fixed.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
    ends.push(fixed.len());
    let mut above = "/".to_owned();
    for end in ends {
        let path = &fixed[..end];
        if path.is_empty() || path == "/" {
            continue;
        }
        if !Path::new(path).exists() {
            // Whatever comes next comes here; a link that leads nowhere is there already.
            wanted.push((above, COMES));
            wanted.push((path.to_owned(), GOES | Flags::IN_ATTRIB | Flags::IN_DONT_FOLLOW));
            return wanted;
        }
        wanted.push((above, GOES));
        if Path::new(path).is_symlink() {
            wanted.push((path.to_owned(), GOES | Flags::IN_ATTRIB | Flags::IN_DONT_FOLLOW));
        }
        above = path.to_owned();
    }
    let own = match rule.test {
        Test::Exists | Test::ExistsGlob => GOES | Flags::IN_ATTRIB,
        Test::NotEmpty => COMES,
        test => changes(test),
    };
    wanted.push((above, own));
    wanted
}
