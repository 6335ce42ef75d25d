//! The control groups of units: made when a unit starts, below those of its slices, with the limits of both; removed
//! when nothing is left in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use perigee_cgroup::{Group, GroupError, Limits, Machine, Unmet, group_path};
use perigee_units::machine::UnitId;
use perigee_units::unit::{Unit, UnitName, Value};

use super::{Supervisor, now};
use perigee_process::accounts::Accounts;

/// What a service wants of its group.
#[derive(Debug)]
pub(super) struct Wants {
    slice: String,
    limits: Arc<Limits>,
    /// What of them nobody can understand.
    unread: Vec<Unmet>,
    /// What is set now.
    set: Option<Arc<Limits>>,
    /// All of it could be set.
    whole: bool,
    /// The user to whom the group is handed.
    user: Option<String>,
}

impl Wants {
    pub(super) fn read(unit: &Unit) -> Wants {
        let (limits, unread) = Limits::of(unit);
        let section = unit.name.kind().section().unwrap_or("Service");
        let slice = match unit.last(section, "Slice") {
            Some(Value::Units(names)) if !names.is_empty() => names[0].to_string(),
            _ => "system.slice".to_owned(),
        };
        let user = match unit.last(section, "User") {
            Some(Value::Text(name)) if limits.delegate.is_some() => Some(name.clone()),
            _ => None,
        };
        // Most have none, and share that.
        static NONE: LazyLock<Arc<Limits>> = LazyLock::new(Arc::default);
        let limits = if limits == **NONE { Arc::clone(&NONE) } else { Arc::new(limits) };
        Wants { slice, limits, unread, set: None, whole: false, user }
    }

    pub(super) fn declared(&mut self, unit: &Unit) {
        *self = Wants { set: self.set.take(), ..Wants::read(unit) };
    }

    /// Whether the unit may make groups of its own.
    pub(super) fn is_delegated(&self) -> bool {
        self.limits.delegate.is_some()
    }
}

/// The slices that units lie in.
#[derive(Debug)]
pub(super) struct Slices {
    machine: Machine,
    /// What is set for each, by its name.
    set: BTreeMap<String, Limits>,
}

impl Slices {
    pub(super) fn read() -> Slices {
        Slices { machine: Machine::read(), set: BTreeMap::new() }
    }
}

impl Supervisor {
    /// The control group of a service, with its limits, and its watch.
    pub(super) fn make_group(&mut self, unit: UnitId, name: &str) -> Option<Group> {
        let service = self.table.service_ref(unit)?;
        if service.stays
            && service.wants.whole
            && let Some(group) = service.group.clone().filter(Group::exists)
        {
            // As the run before has left it.
            return Some(group);
        }
        let slice = service.wants.slice.clone();
        let mut unmet = self.limit_slices(&slice);
        let kept = self.table.service_ref(unit)?.group.clone();
        let made = group_path(&slice, name)
            .and_then(|path| match kept.filter(|group| group.path() == path) {
                Some(group) => Ok(group),
                None => self.groups.group(&path),
            })
            .and_then(|group| self.limit(unit, &group).map(|more| (group, more)));
        let group = match made {
            Ok((group, more)) => {
                unmet.extend(more);
                Some(group)
            }
            Err(error) => {
                self.table.get_mut(unit).note(format!("no control group: {error}"));
                None
            }
        };
        unmet.into_iter().for_each(|unmet| self.table.get_mut(unit).note(unmet.to_string()));
        let group = group?;
        self.watch_for_end(unit, &group);
        Some(group)
    }

    /// Watches the group that a service has.
    pub(super) fn watch_group(&mut self, unit: UnitId) {
        if let Some(group) = self.table.service_ref(unit).and_then(|service| service.group.clone()) {
            self.watch_for_end(unit, &group);
        }
    }

    fn watch_for_end(&mut self, unit: UnitId, group: &Group) {
        let Some(service) = self.table.service(unit).filter(|service| service.watch.is_none()) else {
            return;
        };
        let Some(watcher) = &mut self.watcher else { return };
        if let Some(watch) = watcher.add(group).ok().flatten() {
            service.watch = Some(watch);
            self.watches.insert(watch, unit);
        }
    }

    /// Makes the group of a service and sets its limits; what does not hold is told.
    fn limit(&mut self, unit: UnitId, group: &Group) -> Result<Vec<Unmet>, GroupError> {
        let machine = self.slices.machine;
        let Some(service) = self.table.service(unit) else { return Ok(Vec::new()) };
        let wants = &mut service.wants;
        let before = wants.set.take().filter(|_| group.exists());
        let mut unmet = wants.unread.clone();
        unmet.extend(group.establish(&wants.limits, before.as_deref(), &machine)?);
        wants.set = Some(Arc::clone(&wants.limits));
        wants.whole = unmet.is_empty() && wants.user.is_none();
        if let Some(user) = &wants.user {
            let known = Accounts::read(Path::new("/")).ok().and_then(|accounts| accounts.user(user));
            match known {
                Some(user) => unmet.extend(group.delegate(user.uid, user.gid)),
                None => unmet.push(Unmet {
                    directive: "Delegate",
                    reason: format!("the group is not handed over, since there is no user {user}"),
                }),
            }
        }
        Ok(unmet)
    }

    /// Sets the limits of the slices that `slice` lies in, and its own, where that was not done yet.
    fn limit_slices(&mut self, slice: &str) -> Vec<Unmet> {
        let Some(stem) = slice.strip_suffix(".slice") else { return Vec::new() };
        let mut unmet = Vec::new();
        let ends: Vec<usize> = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]).collect();
        for end in ends.into_iter().filter(|end| *end > 0) {
            let name = format!("{}.slice", &stem[..end]);
            let Ok(group) = group_path(&name, &name).and_then(|path| self.groups.group(&path)) else {
                continue;
            };
            if self.slices.set.contains_key(&name) && group.exists() {
                continue;
            }
            let before = self.slices.set.remove(&name);
            let (limits, unread) = self.limits_of_slice(&name);
            unmet.extend(unread);
            // What cannot be made here is told when the group of the service is made.
            unmet.extend(group.establish(&limits, before.as_ref(), &self.slices.machine).unwrap_or_default());
            self.slices.set.insert(name, limits);
        }
        unmet
    }

    /// What the file of a slice says; most have none.
    fn limits_of_slice(&self, name: &str) -> (Limits, Vec<Unmet>) {
        if let Some(unit) = self.table.find(name) {
            return Limits::of(&self.table.get(unit).unit);
        }
        let found = UnitName::parse(name).ok().and_then(|name| self.settings.search.find(&name).ok());
        let read = found.and_then(|files| files.sources().ok().map(|sources| (files.name, sources)));
        read.map(|(name, sources)| Limits::of(&Unit::read(name, &sources, &self.host))).unwrap_or_default()
    }

    /// Sets the limits of everything that runs as its files say now.
    pub(super) fn limit_anew(&mut self) {
        let slices: Vec<String> = self.slices.set.keys().cloned().collect();
        for name in slices {
            let (limits, _) = self.limits_of_slice(&name);
            let group = group_path(&name, &name).and_then(|path| self.groups.group(&path));
            if let Ok(group) =
                group.map_err(drop).and_then(|group| if group.exists() { Ok(group) } else { Err(()) })
            {
                let before = self.slices.set.get(&name);
                let _ = group.establish(&limits, before, &self.slices.machine);
                self.slices.set.insert(name, limits);
            }
        }
        for unit in self.machine.units() {
            let group = self.table.service_ref(unit).and_then(|service| service.group.clone());
            if let Some(group) = group.filter(Group::exists) {
                let unmet = self.limit(unit, &group).unwrap_or_default();
                unmet.into_iter().for_each(|unmet| self.table.get_mut(unit).note(unmet.to_string()));
            }
        }
    }

    /// Whether the kernel has killed a process of a unit for want of memory; its life goes on from there.
    pub(super) fn look_at_memory(&mut self, unit: UnitId) {
        let Some(service) = self.table.service(unit) else { return };
        if service.memory_was_over() {
            service.life.out_of_memory(now());
            self.live(unit);
        }
    }

    /// Gives up the group of a service that has ended, and its watch.
    pub(super) fn leave_group(&mut self, unit: UnitId) {
        let Some(service) = self.table.service(unit) else { return };
        if let Some(group) = service.group.take() {
            // What has processes left stays, and is tried again at the next start.
            match group.remove() {
                Ok(()) => service.wants.set = None,
                Err(_) => service.group = Some(group),
            }
        }
        self.watch_no_more(unit);
    }

    /// Gives up the watch of a service's group.
    pub(super) fn watch_no_more(&mut self, unit: UnitId) {
        if let Some(watch) = self.table.service(unit).and_then(|service| service.watch.take()) {
            self.watches.remove(&watch);
            if let Some(watcher) = &mut self.watcher {
                watcher.remove(watch);
            }
        }
    }
}
