//! The units that are loaded, and what each of them is at work.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perigee_journal::Priority;
use perigee_units::health::Health;
use perigee_units::machine::{Spec, State, UnitId};
use perigee_units::service::{Life, Phase, Service};
use perigee_units::unit::{Unit, UnitKind, UnitName, Value};

use super::mounts::MountWork;
use super::runner::RunnerWork;
use super::service::ServiceWork;
use super::triggers::socket_work;
use super::{BeginError, Supervisor};
use perigee_files::{FindError, SYSV_FOLDER, generate_sysv, load};
use perigee_mount::{Mount, Swap, generate};
use perigee_process::file;
use perigee_trigger::path::Paths;
use perigee_trigger::socket::Sockets;

/// What a unit is at work.
#[derive(Debug)]
pub(super) enum Work {
    /// Processes.
    Service(Box<ServiceWork>),
    /// Sockets that start a service.
    Socket(Box<Sockets>),
    /// A mount, or swap space.
    Mount(Box<MountWork>),
    /// Paths that start a unit.
    Path(Box<Paths>),
    /// A timer; the clocks are shared.
    Timer,
    /// Something that is no process of the supervisor's.
    Runner(RunnerWork),
    /// Nothing of its own: a target, a slice.
    Plain,
    /// It cannot be started, for this reason.
    Broken(String),
}

/// A unit that is loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) unit: Unit,
    pub(super) work: Work,
    /// The commands of a socket unit, if it has any; a service has its own.
    pub(super) commands: Option<Box<ServiceWork>>,
    /// What of it could not be done as it says, since its last start.
    pub(super) notes: Vec<String>,
    /// It was made for one run: for a connection, or without a file. Its place is another's when it is down.
    pub(super) passing: bool,
    /// Nothing declares it any more.
    pub(super) gone: bool,
    /// When its last start began, and when it was there.
    pub(super) began: Option<Duration>,
    pub(super) ready: Option<Duration>,
}

/// All units, by their place in the machine.
#[derive(Debug, Default)]
pub(super) struct Table {
    units: Vec<Loaded>,
    /// Names that lead to units, their own among them.
    names: BTreeMap<String, UnitId>,
    sockets: Vec<UnitId>,
    paths: Vec<UnitId>,
    devices: Vec<UnitId>,
}

/// Units that were made for one run and have failed are kept to be looked at, up to this many.
const MOST_FAILURES: usize = 64;

/// Octets of fstab(5).
const LONGEST_FSTAB: u64 = 1 << 20;

/// Notes about one run of a unit are no more than this.
const MOST_NOTES: usize = 64;

impl Table {
    pub(super) fn get(&self, unit: UnitId) -> &Loaded {
        &self.units[unit.index()]
    }

    pub(super) fn get_mut(&mut self, unit: UnitId) -> &mut Loaded {
        &mut self.units[unit.index()]
    }

    /// What of a unit is carried out by processes: a service, or the commands of a socket unit.
    pub(super) fn service(&mut self, unit: UnitId) -> Option<&mut ServiceWork> {
        let loaded = &mut self.units[unit.index()];
        match &mut loaded.work {
            Work::Service(service) => Some(&mut **service),
            _ => loaded.commands.as_deref_mut(),
        }
    }

    /// The same.
    pub(super) fn service_ref(&self, unit: UnitId) -> Option<&ServiceWork> {
        let loaded = &self.units[unit.index()];
        match &loaded.work {
            Work::Service(service) => Some(&**service),
            _ => loaded.commands.as_deref(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// Takes in a unit; units come in the order of their places.
    pub(super) fn add(&mut self, id: UnitId, loaded: Loaded) {
        if loaded.unit.name.kind() == UnitKind::Socket {
            self.sockets.push(id);
        }
        if loaded.unit.name.kind() == UnitKind::Path {
            self.paths.push(id);
        }
        if loaded.unit.name.kind() == UnitKind::Device {
            self.devices.push(id);
        }
        self.names.insert(loaded.unit.name.to_string(), id);
        self.units.push(loaded);
    }

    /// Takes in a unit, in the place of the one that was there if there was one.
    pub(super) fn put(&mut self, id: UnitId, loaded: Loaded) {
        if id.index() == self.units.len() {
            return self.add(id, loaded);
        }
        self.names.insert(loaded.unit.name.to_string(), id);
        self.units[id.index()] = loaded;
    }

    /// No name leads to this unit any more.
    pub(super) fn forget(&mut self, unit: UnitId) {
        self.names.retain(|_, other| *other != unit);
    }

    /// The unit that a name leads to, if it is loaded.
    pub(super) fn find(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// The socket units.
    pub(super) fn sockets(&self) -> impl Iterator<Item = UnitId> {
        self.sockets.iter().copied()
    }

    /// The units of devices.
    pub(super) fn devices(&self) -> Vec<UnitId> {
        self.devices.clone()
    }

    /// The path units that start this one.
    pub(super) fn paths_of(&self, name: &str) -> Vec<UnitId> {
        let of_unit = |path: &&UnitId| match &self.get(**path).work {
            Work::Path(paths) => paths.unit().as_str() == name,
            _ => false,
        };
        self.paths.iter().filter(of_unit).copied().collect()
    }

    /// The units whose lives have something to do by now.
    pub(super) fn lives_due(&self, at: Duration) -> Vec<UnitId> {
        let due = self.names.values().filter(|unit| {
            let life = self.service_ref(**unit).map(|service| &service.life);
            life.and_then(Life::timeout).is_some_and(|timeout| timeout <= at)
        });
        due.copied().collect()
    }

    /// When the first of them has.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let works = self.units.iter().filter_map(|loaded| match &loaded.work {
            Work::Service(service) => {
                [service.life.timeout(), service.health.timeout()].into_iter().flatten().min()
            }
            _ => None,
        });
        works.min()
    }

    /// The units that are to be asked by now whether they do their work, or have had time enough to answer.
    pub(super) fn health_due(&self, at: Duration) -> Vec<UnitId> {
        let due = self.names.values().filter(|unit| {
            let health = self.service_ref(**unit).map(|service| &service.health);
            health.and_then(Health::timeout).is_some_and(|timeout| timeout <= at)
        });
        due.copied().collect()
    }
}

impl Loaded {
    /// A unit that was not started yet.
    pub(super) fn new(unit: Unit, work: Work) -> Loaded {
        Loaded {
            unit,
            work,
            commands: None,
            notes: Vec::new(),
            passing: false,
            gone: false,
            began: None,
            ready: None,
        }
    }

    /// Whether none of the commands of a socket unit is at work, so that what comes is taken.
    pub(super) fn is_open(&self) -> bool {
        self.commands.as_ref().is_none_or(|commands| commands.life.phase() == Phase::Running)
    }

    /// The same, with commands.
    fn with(mut self, commands: Option<Arc<Service>>) -> Loaded {
        self.commands = commands_of(&self.unit, commands);
        self
    }

    /// Something to know about this run.
    pub(super) fn note(&mut self, text: String) {
        if self.notes.len() < MOST_NOTES && !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}

impl Supervisor {
    /// Loads a unit and everything that it refers to; what is loaded already stays as it is.
    pub(super) fn load(&mut self, name: &UnitName) -> Result<UnitId, FindError> {
        if let Some(unit) = self.table.find(name.as_str()) {
            return Ok(unit);
        }
        self.load_anew(std::slice::from_ref(name), false)?;
        self.adopt_mounts();
        self.see_devices();
        match self.table.find(name.as_str()) {
            Some(unit) => Ok(unit),
            // It was asked for by an alias.
            None => {
                let own = self.settings.search.find(name)?.name;
                let unit = self.table.find(own.as_str()).ok_or(FindError::Missing(own))?;
                self.table.names.insert(name.to_string(), unit);
                Ok(unit)
            }
        }
    }

    /// Loads these units; `again` takes in anew what is loaded already.
    pub(super) fn load_anew(&mut self, names: &[UnitName], again: bool) -> Result<(), FindError> {
        let loaded = load(&self.settings.search, &self.host, names)?;
        let known = |name: &str| self.table.names.contains_key(name);
        let (mut specs, mut units) = (Vec::new(), Vec::new());
        for (spec, unit) in loaded.specs.into_iter().zip(loaded.units) {
            if again || !known(&spec.name) {
                specs.push(spec);
                units.push(unit);
            }
        }
        let timeouts: Vec<_> = specs.iter().map(|spec| (spec.start_timeout, spec.stop_timeout)).collect();
        self.machine.load(specs);
        for (unit, (start, stop)) in units.into_iter().zip(timeouts) {
            let Some(id) = self.machine.unit(unit.name.as_str()) else { continue };
            self.table.names.insert(unit.name.to_string(), id);
            let service =
                (unit.name.kind() == UnitKind::Service).then(|| Arc::new(Service::read(&unit, start, stop)));
            let commands = (unit.name.kind() == UnitKind::Socket)
                .then(|| Arc::new(Service::read(&unit, start, stop)))
                .filter(|commands| commands.has_commands());
            if id.index() < self.table.units.len() {
                // What is at work stays as it was read until it is down.
                let down = self.machine.state(id).is_down() && self.machine.job(id).is_none();
                let loaded = self.table.get_mut(id);
                if loaded.unit.name != unit.name {
                    // The place of a unit that has passed.
                    let work = work(&unit, service);
                    *loaded = Loaded::new(unit, work).with(commands);
                    continue;
                }
                if down
                    && matches!(
                        loaded.work,
                        Work::Socket(_) | Work::Path(_) | Work::Mount(_) | Work::Broken(_)
                    )
                {
                    loaded.work = work(&unit, None);
                }
                match (&mut loaded.commands, commands) {
                    // They stay until they have brought to its end what they have begun.
                    (Some(_), None) if !down => {}
                    (Some(work), Some(commands)) => work.declared(&unit, commands),
                    (slot, commands) if down => *slot = commands_of(&unit, commands),
                    // What has begun without commands ends so.
                    (_, _) => {}
                }
                if let (Work::Mount(work), Some(mount)) = (&mut loaded.work, Mount::read(&unit)) {
                    work.declared(mount);
                }
                loaded.gone = false;
                if let (Work::Service(work), Some(service)) = (&mut loaded.work, service) {
                    work.declared(&unit, service);
                }
                loaded.unit = unit;
            } else {
                let work = work(&unit, service);
                self.table.add(id, Loaded::new(unit, work).with(commands));
            }
        }
        Ok(())
    }

    /// Loads a unit for one run. It takes the place of one that has passed, so that as many as there were at a time are
    /// kept, and not as many as there have ever been.
    pub(super) fn load_passing(&mut self, name: &UnitName) -> Result<UnitId, FindError> {
        if self.table.find(name.as_str()).is_none()
            && let Some(place) = self.passed()
        {
            let before = self.machine.name(place).to_owned();
            if self.machine.rename(place, name.as_str()) {
                self.table.forget(place);
                self.unpublish(&before);
            }
        }
        self.load_anew(std::slice::from_ref(name), true)?;
        self.see_devices();
        let unit = self.table.find(name.as_str()).ok_or_else(|| FindError::Missing(name.clone()))?;
        self.table.get_mut(unit).passing = true;
        self.publish_anew(unit);
        Ok(unit)
    }

    /// A unit that has passed: one that has ended well, or a failure when there are many to look at already.
    fn passed(&self) -> Option<UnitId> {
        let over = self.machine.units().filter(|unit| {
            let free = self.table.service_ref(*unit).is_some_and(|service| service.group.is_none());
            let idle = self.machine.state(*unit).is_down() && self.machine.job(*unit).is_none();
            self.table.get(*unit).passing && free && idle
        });
        // `CollectMode=` may let a failure go as if it were none.
        let kept = |unit: &UnitId| {
            let mode = self.table.get(*unit).unit.last("Unit", "CollectMode");
            !matches!(mode, Some(Value::Text(mode)) if mode == "inactive-or-failed")
        };
        let (failed, well): (Vec<_>, Vec<_>) =
            over.partition(|unit| self.machine.state(*unit) == State::Failed && kept(unit));
        let oldest = failed.iter().min_by_key(|unit| self.machine.since(**unit)).copied();
        well.first().copied().or(oldest.filter(|_| failed.len() >= MOST_FAILURES))
    }

    /// Reads every loaded unit anew; those whose files have gone stay until they are down.
    pub(super) fn reload_all(&mut self) {
        self.read_system();
        self.take_scripts();
        self.take_fstab();
        let names: Vec<UnitName> =
            self.machine.units().map(|unit| self.table.get(unit).unit.name.clone()).collect();
        for name in names {
            // A unit that cannot be had any more stays as it was read, unless there is nothing to keep it for.
            if let Err(FindError::Missing(_)) = self.load_anew(std::slice::from_ref(&name), true) {
                self.vanish(&name);
            }
        }
        self.load_devices();
        self.limit_anew();
    }

    /// A mount or swap space that is down, and that nothing declares any more, cannot be started.
    fn vanish(&mut self, name: &UnitName) {
        let Some(unit) = self.table.find(name.as_str()) else { return };
        let idle = self.machine.state(unit).is_down() && self.machine.job(unit).is_none();
        if !idle || !matches!(self.table.get(unit).work, Work::Mount(_) | Work::Broken(_)) {
            return;
        }
        let own = self.table.get(unit).unit.name.clone();
        self.machine.load(vec![Spec::new(own.as_str())]);
        let loaded = self.table.get_mut(unit);
        loaded.gone = true;
        loaded.work = Work::Broken(format!("there is no unit {own}"));
        loaded.unit = Unit::read(own, &[], &self.host);
        self.publish_anew(unit);
    }

    /// Makes units of the lines of fstab(5).
    pub(super) fn take_fstab(&mut self) {
        let Some(fstab) = self.settings.fstab.clone() else { return };
        let text = match file::read(&fstab.file, LONGEST_FSTAB) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            // Half of it may say something else.
            Ok(text) if text.len() as u64 == LONGEST_FSTAB => Err(std::io::Error::other("it is too long")),
            read => read,
        };
        let made = text.and_then(|text| generate(&String::from_utf8_lossy(&text), &fstab.folder));
        match made {
            Ok(notes) => notes.iter().for_each(|note| self.say_of(None, Priority::WARNING, note)),
            Err(error) => {
                let text = format!("{}: {error}; what was read before counts", fstab.file.display());
                self.say_of(None, Priority::ERROR, &text);
            }
        }
    }

    /// Makes units of the scripts in `/etc/init.d`, where the machine's own units are looked for; and a folder by which
    /// scripts of packages see that there is someone who runs units, sd_booted(3).
    fn take_scripts(&mut self) {
        let whole = self.settings.search.folders().iter().any(|folder| folder == Path::new(SYSV_FOLDER));
        if !self.settings.is_first || !whole {
            return;
        }
        let made =
            std::fs::create_dir_all("/run/systemd/system").and_then(|()| generate_sysv(Path::new("/")));
        if let Err(error) = made {
            self.tell(&format!("cannot make units of the scripts in /etc/init.d: {error}"));
        }
    }

    /// Loads the first unit, and asks for it.
    pub(super) fn boot(&mut self, target: &UnitName) -> Result<(), BeginError> {
        self.take_scripts();
        let unit = self.load(target).map_err(|source| BeginError::Target { unit: target.clone(), source })?;
        self.see_mounts();
        self.load_devices();
        if let Err(why) = self.machine.request(perigee_units::machine::Verb::Start, unit, super::now()) {
            self.tell(&format!("cannot start {target}: {why}"));
        }
        Ok(())
    }
}

fn commands_of(unit: &Unit, commands: Option<Arc<Service>>) -> Option<Box<ServiceWork>> {
    commands.map(|commands| Box::new(ServiceWork::new(unit, commands)))
}

/// What a unit is at work, before it has begun.
fn work(unit: &Unit, service: Option<Arc<Service>>) -> Work {
    match (unit.name.kind(), service) {
        (_, Some(service)) => Work::Service(Box::new(ServiceWork::new(unit, service))),
        (UnitKind::Socket, _) => socket_work(unit),
        (UnitKind::Timer, _) => Work::Timer,
        (UnitKind::Path, _) => Work::Path(Box::new(Paths::read(unit))),
        (UnitKind::Mount, _) => match Mount::read(unit) {
            Some(mount) => Work::Mount(Box::new(MountWork::mount(mount))),
            None => Work::Broken("it does not say what is mounted where".to_owned()),
        },
        (UnitKind::Swap, _) => match Swap::read(unit) {
            Some(swap) => Work::Mount(Box::new(MountWork::swap(swap))),
            None => Work::Broken("it does not say what is swapped to".to_owned()),
        },
        (UnitKind::Task, _) => Work::Broken("a task is brought by a program, not by a file".to_owned()),
        (UnitKind::Automount, _) => Work::Broken("automounts are not supported".to_owned()),
        _ => Work::Plain,
    }
}
