//! What is shown of units and of the supervisor.

use std::collections::BTreeMap;
use std::fs;

use perigee_units::machine::{Relation, State, UnitId};
use perigee_units::service::Ended;
use perigee_units::timer::{self, Timer};
use perigee_units::unit::{Unit, UnitKind, UnitName, Value};

use super::service::ServiceWork;
use super::table::Work;
use super::{Supervisor, wall};
use crate::control::{ListedUnit, MachineWatchdog, Manager, Process, UnitStatus};
use perigee_files::FindError;
use perigee_trigger::path;
use perigee_trigger::socket::Phase;

/// Relations and the names of their directives.
const RELATIONS: [(Relation, &str, &str); 12] = [
    (Relation::Requires, "Requires", "RequiredBy"),
    (Relation::Requisite, "Requisite", "RequisiteOf"),
    (Relation::Wants, "Wants", "WantedBy"),
    (Relation::BindsTo, "BindsTo", "BoundBy"),
    (Relation::PartOf, "PartOf", "ConsistsOf"),
    (Relation::Conflicts, "Conflicts", "ConflictedBy"),
    (Relation::After, "After", "Before"),
    (Relation::OnFailure, "OnFailure", "OnFailureOf"),
    (Relation::OnSuccess, "OnSuccess", "OnSuccessOf"),
    (Relation::ReloadTo, "PropagatesReloadTo", "ReloadPropagatedFrom"),
    (Relation::Upholds, "Upholds", "UpheldBy"),
    (Relation::JoinsNamespaceOf, "JoinsNamespaceOf", "NamespaceJoinedBy"),
];

/// Processes of one unit that are shown.
const MOST_PROCESSES: usize = 64;

impl Supervisor {
    pub(super) fn listed(&self, unit: UnitId) -> ListedUnit {
        let loaded = self.table.get(unit);
        let state = self.machine.state(unit);
        let group = self.table.service_ref(unit).and_then(|service| service.group.as_ref());
        let usage = group.map(perigee_cgroup::Group::usage);
        let needs = [Relation::Requires, Relation::BindsTo, Relation::Wants];
        let needs = needs.iter().flat_map(|relation| self.machine.related(unit, *relation));
        ListedUnit {
            unit: self.machine.name(unit).to_owned(),
            load: match () {
                () if loaded.gone => "not-found",
                () if self.refusal(unit).is_some() => "bad-setting",
                () => "loaded",
            }
            .to_owned(),
            active: state.to_string(),
            sub: self.sub(unit),
            description: description(&loaded.unit),
            job: self.machine.job(unit).map(|(_, verb)| verb),
            restarts: self.machine.restarts(unit),
            health: self.table.service_ref(unit).and_then(ServiceWork::standing),
            memory: usage.as_ref().and_then(|usage| usage.memory),
            cpu: usage.as_ref().and_then(|usage| usage.cpu_microseconds),
            needs: needs.map(|other| self.machine.name(*other).to_owned()).collect(),
        }
    }

    /// The state in the words of the unit's kind.
    pub(super) fn sub(&self, unit: UnitId) -> String {
        let state = self.machine.state(unit);
        let loaded = self.table.get(unit);
        let commands = loaded.commands.as_ref().and_then(|commands| socket_words(commands.life.phase()));
        match &loaded.work {
            _ if self.machine.restart_at(unit).is_some() => "auto-restart".to_owned(),
            _ if state == State::Failed => "failed".to_owned(),
            Work::Service(service) => service.life.phase().to_string(),
            Work::Socket(_) if commands.is_some() => commands.unwrap_or_default().to_owned(),
            Work::Socket(sockets) => match sockets.phase() {
                Phase::Closed => "dead".to_owned(),
                Phase::Listening => "listening".to_owned(),
                Phase::Running => "running".to_owned(),
            },
            Work::Runner(work) => self.word_of(work, state).to_owned(),
            Work::Timer => self.timers.get(&loaded.unit.name).map_or("dead", timer_words).to_owned(),
            Work::Path(paths) => match paths.phase() {
                path::Phase::Dead => "dead".to_owned(),
                path::Phase::Waiting => "waiting".to_owned(),
                path::Phase::Running => "running".to_owned(),
            },
            Work::Mount(_) if state.is_active() => "mounted".to_owned(),
            Work::Plain if state.is_active() => match loaded.unit.name.kind() {
                UnitKind::Target | UnitKind::Slice => "active".to_owned(),
                UnitKind::Device => "plugged".to_owned(),
                _ => "running".to_owned(),
            },
            Work::Plain | Work::Mount(_) | Work::Broken(_) => "dead".to_owned(),
        }
    }

    pub(super) fn status_of(&self, unit: UnitId) -> UnitStatus {
        let loaded = self.table.get(unit);
        let mut status = UnitStatus {
            listed: self.listed(unit),
            files: loaded.unit.files.clone(),
            since: wall(self.machine.since(unit)),
            result: self.machine.outcome(unit).to_string(),
            took: loaded.began.zip(loaded.ready).map(|(from, to)| to.saturating_sub(from).as_micros() as u64),
            began: loaded.began.map(|at| at.saturating_sub(self.began).as_micros() as u64),
            next: self.next(unit),
            last: self
                .timers
                .get(&loaded.unit.name)
                .and_then(Timer::last)
                .and_then(|last| u64::try_from(last.wall).ok()),
            relations: self.relations(unit),
            complaints: loaded.unit.complaints.iter().map(ToString::to_string).collect(),
            ..UnitStatus::default()
        };
        status.complaints.extend(loaded.notes.iter().cloned());
        if let Work::Runner(work) = &loaded.work {
            status.status.clone_from(&work.status);
        }
        if let Some(service) = self.table.service_ref(unit) {
            status.main_pid = service.life.main();
            status.control_pid = service.life.control();
            status.main_ended = service.life.main_ended().map(words);
            status.main_exit = service.life.main_ended().and_then(exit);
            status.status = service.life.status().to_owned();
            status.health_check = service.health_status();
            status.invocation.clone_from(&service.invocation);
            status.group = service.group.as_ref().map(|group| group.path().to_owned());
            let pids = service.group.as_ref().and_then(|group| group.processes().ok()).unwrap_or_default();
            status.usage = service.group.as_ref().map(perigee_cgroup::Group::usage);
            status.tasks = status.usage.as_ref().and_then(|usage| usage.tasks);
            status.processes = pids.into_iter().take(MOST_PROCESSES).map(process).collect();
        }
        status
    }

    /// When it is started again, or elapses.
    fn next(&self, unit: UnitId) -> Option<u64> {
        let timer = self.timers.get(&self.table.get(unit).unit.name).map(Timer::next);
        let timer = timer
            .into_iter()
            .flat_map(|next| [next.monotonic.map(wall), next.wall.and_then(|at| u64::try_from(at).ok())]);
        timer.flatten().chain(self.machine.restart_at(unit).map(wall)).min()
    }

    /// A unit that nobody has loaded yet, or that cannot be loaded.
    pub(super) fn not_loaded(&self, name: &str) -> UnitStatus {
        let mut status = UnitStatus::default();
        status.listed.unit = name.to_owned();
        status.listed.active = State::Inactive.to_string();
        status.listed.sub = "dead".to_owned();
        status.result = "success".to_owned();
        let found = UnitName::parse(name).map(|name| (name.clone(), self.settings.search.find(&name)));
        status.listed.load = match found {
            Ok((_, Ok(files))) => {
                status.files = files.fragment.iter().chain(&files.dropins).cloned().collect();
                if let Ok(sources) = files.sources() {
                    let unit = Unit::read(files.name, &sources, &self.host);
                    status.listed.description = description(&unit);
                    status.complaints = unit.complaints.iter().map(ToString::to_string).collect();
                }
                "loaded"
            }
            Ok((_, Err(FindError::Masked(..)))) => "masked",
            Ok((_, Err(FindError::Missing(_)))) => "not-found",
            Ok((_, Err(_))) | Err(_) => "bad-setting",
        }
        .to_owned();
        status
    }

    fn relations(&self, unit: UnitId) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        let names = |units: &[UnitId]| -> Vec<String> {
            units.iter().map(|other| self.machine.name(*other).to_owned()).collect()
        };
        for (relation, to, from) in RELATIONS {
            let pairs =
                [(to, self.machine.related(unit, relation)), (from, self.machine.referring(unit, relation))];
            for (word, units) in pairs.into_iter().filter(|(_, units)| !units.is_empty()) {
                all.insert(word.to_owned(), names(units));
            }
        }
        all
    }

    pub(super) fn manager(&self) -> Manager {
        let failed = self.failed();
        let jobs = self.machine.jobs().count();
        let state = match () {
            () if self.stopping.is_some() => "stopping",
            () if self.booted.is_none() && jobs > 0 => "starting",
            () if failed > 0 => "degraded",
            () => "running",
        };
        Manager {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: state.to_owned(),
            pid: std::process::id(),
            since: wall(self.began),
            units: self.machine.units().count(),
            failed,
            jobs,
            orphans: self.processes.orphans,
            groups: format!("{:?}", self.groups.mode()).to_lowercase(),
            sequence: self.machine.sequence(),
            watchdog: self.watchdog.at_work().map(|(device, timeout, pinged)| MachineWatchdog {
                device: device.to_owned(),
                timeout: timeout.as_micros() as u64,
                pinged: pinged.map(wall),
            }),
        }
    }
}

pub(super) fn description(unit: &Unit) -> String {
    match unit.last("Unit", "Description") {
        Some(Value::Text(text)) => text.clone(),
        _ => unit.name.to_string(),
    }
}

/// As systemd names what the commands of a socket unit do; none where none of them is at work.
fn socket_words(phase: perigee_units::service::Phase) -> Option<&'static str> {
    use perigee_units::service::Phase;
    match phase {
        Phase::Start => Some("start-chown"),
        Phase::Stop => Some("stop-pre"),
        Phase::StopSigterm => Some("stop-pre-sigterm"),
        Phase::StopSigkill => Some("stop-pre-sigkill"),
        Phase::Dead | Phase::Running | Phase::Exited => None,
        other => Some(other.as_str()),
    }
}

fn timer_words(timer: &Timer) -> &'static str {
    match timer.phase() {
        timer::Phase::Dead => "dead",
        timer::Phase::Waiting => "waiting",
        timer::Phase::Running => "running",
        timer::Phase::Elapsed => "elapsed",
    }
}

pub(super) fn words(ended: Ended) -> String {
    match ended {
        Ended::Exit(code) => format!("exited with {code}"),
        Ended::Signal(signal) => format!("killed by {signal}"),
        Ended::Core(signal) => format!("killed by {signal}, with a core"),
        Ended::Unknown => "nobody saw how it has ended".to_owned(),
    }
}

/// As waitid(2) has it.
fn exit(ended: Ended) -> Option<(u8, i32)> {
    match ended {
        Ended::Exit(code) => Some((1, code.into())),
        Ended::Signal(signal) => Some((2, signal.number())),
        Ended::Core(signal) => Some((3, signal.number())),
        Ended::Unknown => None,
    }
}

fn process(pid: i32) -> Process {
    let octets = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = octets
        .split(|octet| *octet == 0)
        .map(String::from_utf8_lossy)
        .filter(|word| !word.is_empty())
        .collect();
    let mut command = words.join(" ");
    if command.is_empty() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        command = format!("[{}]", name.trim());
    }
    Process { pid: pid as u32, command: command.chars().take(512).collect() }
}
