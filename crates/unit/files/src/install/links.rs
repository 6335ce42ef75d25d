//! Making and removing the links: enable, disable, mask, unmask, link, revert to the default target.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use perigee_units::unit::{UnitKind, UnitName};

use super::info::{Context, Info};
use super::layout::{Entry, PERSISTENT, RUNTIME, failed, last};
use super::{Change, InstallError, Installation, Outcome};

/// Units that one request reaches by `Also=`.
const MOST_UNITS: usize = 4096;

/// Folders within folders that are searched for links to remove.
const DEEPEST: usize = 4;

impl Installation {
    /// Makes the links that the units ask for, and those of the units named in their `Also=`. A name with a slash
    /// is a file, which is linked into the search path if it lies outside.
    pub fn enable(&self, names: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        let context = Context::new(&self.layout);
        // All are looked at before anything is done.
        let mut first = Vec::new();
        for name in names {
            match self.asked(&context, name) {
                Ok(info) => first.push(info),
                Err(error) => {
                    outcome.failures.push(error);
                    return outcome;
                }
            }
        }
        self.apply(&context, first, &mut outcome);
        outcome
    }

    fn asked(&self, context: &Context<'_>, name: &str) -> Result<Info, InstallError> {
        let info = if name.contains('/') {
            context.by_path(name)?
        } else {
            let name = UnitName::parse(name).map_err(|_| InstallError::Name(name.to_owned()))?;
            context.discover(&name, false)?
        };
        if info.masked {
            return Err(InstallError::Masked(info.path));
        }
        if info.path.starts_with("/run/systemd/generator") || info.path.starts_with("/run/systemd/transient")
        {
            return Err(InstallError::Generated(info.name.to_string()));
        }
        Ok(info)
    }

    /// Makes the links of these units and of those in their `Also=`.
    pub(super) fn apply(&self, context: &Context<'_>, first: Vec<Info>, outcome: &mut Outcome) {
        let mut done: BTreeSet<UnitName> = first.iter().map(|info| info.name.clone()).collect();
        let mut queue: VecDeque<Info> = first.into();
        while let Some(info) = queue.pop_front() {
            if info.masked {
                outcome.changes.push(Change::Masked(info.path));
                continue;
            }
            for also in &info.also {
                let Ok(name) = UnitName::parse(also) else {
                    outcome.failures.push(InstallError::Name(also.clone()));
                    continue;
                };
                if done.len() >= MOST_UNITS || !done.insert(name.clone()) {
                    continue;
                }
                match context.discover(&name, false) {
                    Ok(info) => queue.push_back(info),
                    Err(InstallError::Missing(name)) => outcome.changes.push(Change::AlsoMissing(name)),
                    Err(error) => outcome.failures.push(error),
                }
            }
            outcome.has_rules |= info.has_rules() || !info.also.is_empty();
            self.aliases(&info, outcome);
            self.wanted(context, &info, &info.wanted_by, "wants", outcome);
            self.wanted(context, &info, &info.required_by, "requires", outcome);
            if !self.layout.is_searched(&info.path) {
                self.make(&info.path, &format!("{}/{}", self.config(), info.name), self.force, outcome);
            }
        }
    }

    fn aliases(&self, info: &Info, outcome: &mut Outcome) {
        for alias in &info.aliases {
            match alias_of(&info.name, alias) {
                Some(alias) => {
                    let path = format!("{}/{alias}", self.config());
                    let broken = matches!(self.layout.entry(&path), Ok(Entry::Link(_)))
                        && self
                            .layout
                            .chase(&path)
                            .is_ok_and(|end| matches!(self.layout.entry(&end), Ok(Entry::Missing)));
                    self.make(&info.path, &path, self.force || broken, outcome);
                }
                None => {
                    let (unit, alias) = (info.name.clone(), alias.clone());
                    outcome.failures.push(InstallError::Alias { unit, alias });
                }
            }
        }
    }

    fn wanted(&self, context: &Context<'_>, info: &Info, by: &[String], ending: &str, outcome: &mut Outcome) {
        let name = info.instance();
        if !by.is_empty() && name != info.name {
            // The instance may be masked, though the template is not.
            match context.discover(&name, true) {
                Ok(instance) if instance.masked => {
                    outcome.failures.push(InstallError::Masked(instance.path));
                    return;
                }
                Ok(_) => {}
                Err(error) => {
                    outcome.failures.push(error);
                    return;
                }
            }
        }
        for by in by {
            let wanting = match UnitName::parse(by) {
                // A template without an instance is of use to templates and instances only.
                Ok(wanting) if !name.is_template() || wanting.instance().is_some() => wanting,
                // A preset for a template says nothing of its instances.
                Ok(_) if outcome.by_preset => continue,
                _ => {
                    outcome.failures.push(InstallError::By(by.clone()));
                    continue;
                }
            };
            let path = format!("{}/{wanting}.{ending}/{name}", self.config());
            self.make(&info.path, &path, true, outcome);
            if matches!(context.discover(&wanting, true), Err(InstallError::Missing(_))) {
                outcome.changes.push(Change::Unwanted { unit: name.clone(), by: wanting });
            }
        }
    }

    /// Removes every link that enables these units and those in their `Also=`: in the folder of links, whatever has
    /// one of their names or leads to one of them.
    pub fn disable(&self, names: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        let context = Context::new(&self.layout);
        let mut asked = Vec::new();
        for name in names {
            match UnitName::parse(name) {
                Ok(name) => asked.push(name),
                Err(_) => {
                    outcome.failures.push(InstallError::Name((*name).to_owned()));
                    return outcome;
                }
            }
        }
        let first: BTreeSet<_> = asked.iter().cloned().collect();
        self.remove_all(&context, asked, &first, &mut outcome);
        outcome
    }

    /// Removes the links of these units; those of `asked` must exist.
    pub(super) fn remove_all(
        &self,
        context: &Context<'_>,
        units: Vec<UnitName>,
        asked: &BTreeSet<UnitName>,
        outcome: &mut Outcome,
    ) {
        let mut marked: BTreeSet<String> = BTreeSet::new();
        let mut done: BTreeSet<UnitName> = units.iter().cloned().collect();
        let mut queue: VecDeque<UnitName> = units.into();
        while let Some(name) = queue.pop_front() {
            match context.discover(&name, true) {
                Ok(info) if info.masked => outcome.changes.push(Change::Masked(info.path)),
                Ok(info) => {
                    outcome.has_rules |= info.has_rules() || !info.also.is_empty();
                    for also in info.also.iter().filter_map(|also| UnitName::parse(also).ok()) {
                        if done.len() < MOST_UNITS && done.insert(also.clone()) {
                            queue.push_back(also);
                        }
                    }
                    marked.insert(info.name.to_string());
                }
                // A unit file that is gone may have left links behind.
                Err(InstallError::Missing(missing)) => {
                    marked.insert(name.to_string());
                    if asked.contains(&name) {
                        outcome.failures.push(InstallError::Missing(missing));
                    } else {
                        outcome.changes.push(Change::AlsoMissing(name.to_string()));
                    }
                }
                Err(error) => outcome.failures.push(error),
            }
        }
        self.sweep(marked, outcome);
    }

    /// Removes links below the folder of links by their names and by what they lead to, until none is left.
    fn sweep(&self, mut marked: BTreeSet<String>, outcome: &mut Outcome) {
        loop {
            let before = (marked.len(), outcome.failures.len());
            self.sweep_folder(self.config(), 0, &mut marked, outcome);
            if (marked.len(), outcome.failures.len()) == before || outcome.failures.len() > before.1 {
                return;
            }
        }
    }

    fn sweep_folder(&self, folder: &str, depth: usize, marked: &mut BTreeSet<String>, outcome: &mut Outcome) {
        let entries = match self.layout.list(folder) {
            Ok(entries) => entries,
            Err(error) => return outcome.failures.push(error),
        };
        for (entry, is_folder) in entries {
            let path = format!("{folder}/{entry}");
            if is_folder {
                if depth < DEEPEST {
                    self.sweep_folder(&path, depth + 1, marked, outcome);
                }
                continue;
            }
            let (Ok(Entry::Link(_)), Ok(name)) = (self.layout.entry(&path), UnitName::parse(&entry)) else {
                continue;
            };
            let by_name =
                marked.contains(&entry) || name.template().is_some_and(|name| marked.contains(name.as_str()));
            let found = by_name
                || self
                    .layout
                    .chase(&path)
                    .is_ok_and(|end| marked.contains(&end) || marked.contains(last(&end)));
            if found && self.unlink(&path, outcome) {
                marked.insert(path);
            }
        }
    }

    /// Removes a link, and the folder if it was the last thing in it.
    fn unlink(&self, path: &str, outcome: &mut Outcome) -> bool {
        let real = self.layout.at(path);
        if let Err(error) = fs::remove_file(&real) {
            outcome.failures.push(failed(path, error));
            return false;
        }
        outcome.changes.push(Change::Removed(path.to_owned()));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != self.config() && folder != PERSISTENT && folder != RUNTIME {
            // It is kept while there is something in it.
            let _ = real.parent().map(fs::remove_dir);
        }
        true
    }

    /// Forbids units: a link to `/dev/null` by their names.
    pub fn mask(&self, names: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        for name in names {
            match UnitName::parse(name) {
                Ok(name) => {
                    self.make("/dev/null", &format!("{}/{name}", self.config()), self.force, &mut outcome);
                }
                Err(_) => outcome.failures.push(InstallError::Name((*name).to_owned())),
            }
        }
        outcome
    }

    /// Takes masks back; a unit that is not masked is left alone.
    pub fn unmask(&self, names: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut marked = BTreeSet::new();
        for name in names {
            let Ok(name) = UnitName::parse(name) else {
                outcome.failures.push(InstallError::Name((*name).to_owned()));
                continue;
            };
            let path = format!("{}/{name}", self.config());
            let is_mask = match self.layout.entry(&path) {
                Ok(Entry::File { empty }) => empty,
                Ok(Entry::Link(_)) => self.layout.chase(&path).is_ok_and(|end| {
                    end == "/dev/null" || matches!(self.layout.entry(&end), Ok(Entry::File { empty: true }))
                }),
                _ => false,
            };
            if is_mask && self.unlink(&path, &mut outcome) {
                marked.insert(path);
            }
        }
        if !marked.is_empty() {
            self.sweep(marked, &mut outcome);
        }
        outcome
    }

    /// Makes a target the one to which the system boots.
    pub fn set_default(&self, name: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let target = UnitName::parse(name).ok().filter(|name| {
            name.kind() == UnitKind::Target && !name.is_template() && name.as_str() != "default.target"
        });
        let Some(target) = target else {
            outcome.failures.push(InstallError::Name(name.to_owned()));
            return outcome;
        };
        match Context::new(&self.layout).discover(&target, true) {
            Ok(info) if info.masked => outcome.failures.push(InstallError::Masked(info.path)),
            Ok(info) => {
                self.make(&info.path, &format!("{}/default.target", self.config()), true, &mut outcome);
            }
            Err(error) => outcome.failures.push(error),
        }
        outcome
    }

    /// Makes a link with its folders. One that leads to the same is left; another is replaced with `force`.
    pub(super) fn make(&self, target: &str, path: &str, force: bool, outcome: &mut Outcome) {
        match self.try_make(target, path, force) {
            Ok(changes) => outcome.changes.extend(changes),
            Err(error) => outcome.failures.push(error),
        }
    }

    fn try_make(&self, target: &str, path: &str, force: bool) -> Result<Vec<Change>, InstallError> {
        let linked = Change::Linked { path: path.to_owned(), target: target.to_owned() };
        let real = self.layout.at(path);
        let io = |error: io::Error| failed(path, error);
        match self.layout.entry(path)? {
            Entry::Missing => {
                real.parent().map_or(Ok(()), fs::create_dir_all).map_err(io)?;
                symlink(target, &real).map_err(io)?;
                Ok(vec![linked])
            }
            Entry::Link(to) => {
                let absolute = match to.starts_with('/') {
                    true => to.clone(),
                    false => format!("{}/{to}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
                };
                if self.layout.chase(&absolute)? == self.layout.chase(target)? {
                    return Ok(Vec::new());
                }
                if !force {
                    return Err(InstallError::Exists { path: path.to_owned(), to: Some(to) });
                }
                replace(target, &real).map_err(io)?;
                Ok(vec![Change::Removed(path.to_owned()), linked])
            }
            _ => Err(InstallError::Exists { path: path.to_owned(), to: None }),
        }
    }
}

/// Puts a link in the place of another, without a moment in which there is none.
fn replace(target: &str, path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".#{name}.{}", std::process::id()));
    symlink(target, &beside)?;
    fs::rename(&beside, path).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// The link that `Alias=` means for a unit, below the folder of links, if the unit may have it: another name, or, as units
/// from before `WantedBy=` say it, the unit's own name in the folder of what another one wants or requires.
pub(super) fn alias_of(name: &UnitName, alias: &str) -> Option<String> {
    if let Some((folder, own)) = alias.rsplit_once('/') {
        let by = folder.strip_suffix(".wants").or_else(|| folder.strip_suffix(".requires"))?;
        UnitName::parse(by).ok()?;
        let own = UnitName::parse(own).ok()?;
        let same = own == *name || own.template().is_some_and(|template| template == *name);
        return same.then(|| alias.to_owned());
    }
    let mut alias = UnitName::parse(alias).ok()?;
    if alias.kind() != name.kind() {
        return None;
    }
    let instance = name.instance().filter(|instance| !instance.is_empty());
    if let Some(instance) = instance.filter(|_| alias.is_template()) {
        alias = alias.with_instance(instance).ok()?;
    }
    let fits = match (name.instance(), alias.instance()) {
        (None, None) | (Some(""), Some(_)) => true,
        (Some(one), Some(other)) => one == other,
        _ => false,
    };
    fits.then(|| alias.to_string())
}
