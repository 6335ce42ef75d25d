//! Paths that start units, systemd.path(5): by inotify on the path and on what leads to it.
//!
//! While the unit is up nothing is watched; when it is down again the path is looked at anew, so that what stays
//! true starts the unit again and again, as far as the limit allows, and never keeps the loop busy.

mod look;
mod watch;

use std::fs::DirBuilder;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use perigee_units::unit::{Unit, UnitKind, UnitName, Value};

use super::limit::Limit;
use watch::Watches;

/// A `.path` unit.
#[derive(Debug)]
pub struct Paths {
    unit: UnitName,
    rules: Vec<Rule>,
    makes_folders: bool,
    folder_mode: u32,
    limit: Limit,
    phase: Phase,
    watches: Option<Watches>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    ExistsGlob,
    Changed,
    Modified,
    NotEmpty,
}

/// One path to be looked at.
#[derive(Clone, Debug)]
struct Rule {
    test: Test,
    path: String,
    /// It was there when it was looked at last.
    was_there: bool,
}

/// What a path unit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It was not started, was stopped, or has failed.
    Dead,
    /// It watches.
    Waiting,
    /// Its unit is up.
    Running,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// The unit is to be started, for this path.
    Start(String),
    /// It was started too often: the path unit has failed.
    TooOften,
}

const TESTS: [(&str, Test); 5] = [
    ("PathExists", Test::Exists),
    ("PathExistsGlob", Test::ExistsGlob),
    ("PathChanged", Test::Changed),
    ("PathModified", Test::Modified),
    ("DirectoryNotEmpty", Test::NotEmpty),
];

impl Paths {
    /// Reads a `.path` unit.
    pub fn read(unit: &Unit) -> Paths {
        let rules = unit.settings.iter().filter(|setting| setting.section == "Path").filter_map(|setting| {
            let (_, test) = TESTS.into_iter().find(|(name, _)| *name == setting.directive)?;
            let Value::Text(path) = &setting.value else { return None };
            Some(Rule { test, path: path.clone(), was_there: false })
        });
        let named = match unit.last("Path", "Unit") {
            Some(Value::Units(names)) => names.first().cloned(),
            _ => None,
        };
        Paths {
            unit: named.unwrap_or_else(|| unit.name.of_kind(UnitKind::Service)),
            rules: rules.collect(),
            makes_folders: unit.last("Path", "MakeDirectory") == Some(&Value::Bool(true)),
            folder_mode: match unit.last("Path", "DirectoryMode") {
                Some(Value::Mode(mode)) => *mode,
                _ => 0o755,
            },
            limit: Limit::read(unit, "Path", 200),
            phase: Phase::Dead,
            watches: None,
        }
    }

    /// The unit that it starts.
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// What it does.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Begins to watch, unless the unit is `up` already. What holds now starts the unit at once.
    ///
    /// # Errors
    /// No more can be watched on this machine.
    pub fn start(&mut self, up: bool, now: Duration) -> io::Result<(Said, Vec<String>)> {
        let mut notes = Vec::new();
        for rule in self.rules.iter().filter(|_| self.makes_folders) {
            let folder = matches!(rule.test, Test::Changed | Test::Modified | Test::NotEmpty);
            let mut builder = DirBuilder::new();
            if let Err(error) = builder.recursive(true).mode(self.folder_mode).create(&rule.path)
                && folder
            {
                notes.push(format!("MakeDirectory=: {}: {error}", rule.path));
            }
        }
        self.limit.reset();
        self.watches = Some(Watches::new()?);
        for rule in &mut self.rules {
            rule.was_there = look::exists(&rule.path);
        }
        Ok((if up { self.run() } else { self.wait(now, false)? }, notes))
    }

    /// Watches no more.
    pub fn stop(&mut self) {
        (self.phase, self.watches) = (Phase::Dead, None);
    }

    /// What to wait for: readable. It stays the same from [`Paths::start`] to [`Paths::stop`].
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watches.as_ref().map(|watches| watches.as_fd())
    }

    /// The descriptor is readable.
    ///
    /// # Errors
    /// No more can be watched on this machine.
    pub fn ready(&mut self, now: Duration) -> io::Result<Said> {
        let Some(watches) = &mut self.watches else { return Ok(Said::Nothing) };
        let happened = watches.read();
        if self.phase != Phase::Waiting || !happened.any {
            return Ok(Said::Nothing);
        }
        let changed = happened.changed.and_then(|rule| self.rules.get(rule)).map(|rule| rule.path.clone());
        match changed {
            Some(path) => Ok(self.trigger(path, now)),
            None => self.wait(now, true),
        }
    }

    /// The unit is up.
    pub fn unit_up(&mut self) {
        if self.phase == Phase::Waiting {
            self.run();
        }
    }

    /// The unit is down, or could not be started: the paths are looked at again.
    ///
    /// # Errors
    /// No more can be watched on this machine.
    pub fn unit_down(&mut self, now: Duration) -> io::Result<Said> {
        if self.phase != Phase::Running {
            return Ok(Said::Nothing);
        }
        // What came and went meanwhile is no change.
        for rule in &mut self.rules {
            rule.was_there = look::exists(&rule.path);
        }
        self.wait(now, false)
    }

    fn run(&mut self) -> Said {
        self.phase = Phase::Running;
        if let Some(watches) = &mut self.watches {
            watches.clear();
        }
        Said::Nothing
    }

    fn trigger(&mut self, path: String, now: Duration) -> Said {
        if !self.limit.take(now) {
            self.stop();
            return Said::TooOften;
        }
        self.run();
        Said::Start(path)
    }

    /// Watches, and looks: before, and again when the watches are set, since something may have come in between.
    fn wait(&mut self, now: Duration, changes: bool) -> io::Result<Said> {
        if let Some(path) = self.holds(changes) {
            return Ok(self.trigger(path, now));
        }
        if let Some(watches) = &mut self.watches {
            watches.set(&self.rules)?;
        }
        self.phase = Phase::Waiting;
        Ok(match self.holds(true) {
            Some(path) => self.trigger(path, now),
            None => Said::Nothing,
        })
    }

    /// The first path that is as it should be; with `changes`, one that has come or gone counts.
    fn holds(&mut self, changes: bool) -> Option<String> {
        let holds = |rule: &mut Rule| match rule.test {
            Test::Exists => look::exists(&rule.path),
            Test::ExistsGlob => look::any(&rule.path),
            Test::NotEmpty => look::is_filled(&rule.path),
            Test::Changed | Test::Modified => {
                let there = look::exists(&rule.path);
                std::mem::replace(&mut rule.was_there, there) != there && changes
            }
        };
        self.rules.iter_mut().find_map(|rule| holds(rule).then(|| rule.path.clone()))
    }
}
