//! Units from disk become a machine: a unit, everything that it refers to, and the relations that follow from what
//! they are, as systemd has them (the implicit and the default dependencies of its manual pages).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use perigee_units::machine::{Mode, Relation, Restart, RestartPolicy, Spec};
use perigee_units::unit::{ExitStatuses, Host, Source, Unit, UnitKind, UnitName, Value};
use perigee_units::value::Span;

use super::implicit::{self, has_defaults};
use super::{Files, FindError, SearchPath};
use perigee_mount::mounted_as;

/// Units that are loaded for one request are no more than this.
const MOST_UNITS: usize = 10_000;

/// What was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The units, those that were asked for first, as the machine takes them.
    pub specs: Vec<Spec>,
    /// The units as they were read.
    pub units: Vec<Unit>,
    /// Units that could not be had, though something refers to them; that alone is no fault.
    pub absent: Vec<(UnitName, FindError)>,
}

/// Directives with names of units, and what they mean; `true` where the other unit is the one that refers.
const RELATIONS: [(&str, Relation, bool); 16] = [
    ("Requires", Relation::Requires, false),
    ("Requisite", Relation::Requisite, false),
    ("Wants", Relation::Wants, false),
    ("BindsTo", Relation::BindsTo, false),
    ("Upholds", Relation::Upholds, false),
    ("PartOf", Relation::PartOf, false),
    ("Conflicts", Relation::Conflicts, false),
    ("After", Relation::After, false),
    ("Before", Relation::After, true),
    ("OnFailure", Relation::OnFailure, false),
    ("OnSuccess", Relation::OnSuccess, false),
    ("PropagatesReloadTo", Relation::ReloadTo, false),
    ("ReloadPropagatedFrom", Relation::ReloadTo, true),
    ("JoinsNamespaceOf", Relation::JoinsNamespaceOf, false),
    ("StopPropagatedFrom", Relation::PartOf, false),
    ("PropagatesStopTo", Relation::PartOf, true),
];

/// Loads these units and, one after the other, what they refer to.
///
/// # Errors
/// One of `names` itself cannot be had.
pub fn load(search: &SearchPath, host: &Host, names: &[UnitName]) -> Result<Loaded, FindError> {
    let mut loaded = Loaded::default();
    let mut links: Vec<(String, Relation, String)> = Vec::new();
    // Every name that leads to a unit, and the unit's own.
    let mut known: BTreeMap<UnitName, UnitName> = BTreeMap::new();
    let mut asked: BTreeSet<UnitName> = names.iter().cloned().collect();
    let mut queue: VecDeque<UnitName> = names.iter().cloned().collect();
    let mut looked_for: BTreeMap<UnitName, bool> = BTreeMap::new();
    let mut exists = |name: &UnitName| {
        let look = || match name.kind() {
            // What limits it may stand in drop-ins alone.
            UnitKind::Slice => search.find(name).is_ok(),
            _ => search.has(name),
        };
        *looked_for.entry(name.clone()).or_insert_with(look)
    };
    while let Some(name) = queue.pop_front() {
        if known.contains_key(&name) || loaded.units.len() == MOST_UNITS {
            continue;
        }
        let found = search.find(&name).and_then(|files| Ok((files.sources()?, files)));
        let (sources, files) = match found {
            Ok(found) => found,
            // A slice is there when something is in it, and a device whenever the kernel has it.
            Err(FindError::Missing(_)) if matches!(name.kind(), UnitKind::Slice | UnitKind::Device) => {
                (Vec::new(), Files::bare(&name))
            }
            Err(error) => match found_mounted(&name, &error) {
                Some(source) => (vec![source], Files::bare(&name)),
                None if names.contains(&name) => return Err(error),
                None => {
                    loaded.absent.push((name, error));
                    continue;
                }
            },
        };
        known.insert(name, files.name.clone());
        if loaded.units.iter().any(|unit| unit.name == files.name) {
            continue;
        }
        let unit = Unit::read(files.name.clone(), &sources, host);
        let folders = [(Relation::Wants, &files.wants), (Relation::Requires, &files.requires)];
        let folders = folders
            .into_iter()
            .flat_map(|(relation, names)| names.iter().map(move |n| (relation, n.clone(), false)));
        let own: Vec<_> =
            relations(&unit).into_iter().chain(folders).chain(implicit::links(&unit, &mut exists)).collect();
        for (relation, other, reversed) in own {
            let (from, to) = if reversed { (&other, &unit.name) } else { (&unit.name, &other) };
            links.push((from.to_string(), relation, to.to_string()));
            // An order alone, an end or what is shared does not load a unit; it counts if something else does.
            use Relation::{After, Conflicts, JoinsNamespaceOf, PartOf};
            let loads = !matches!(relation, After | Conflicts | PartOf | JoinsNamespaceOf) && !reversed;
            if loads && asked.insert(other.clone()) {
                queue.push_back(other);
            }
        }
        loaded.specs.push(spec(&unit));
        loaded.units.push(unit);
    }
    loaded.resolve(links, &known);
    Ok(loaded)
}

impl Loaded {
    /// Puts the relations into the specs, by the units' own names.
    fn resolve(&mut self, links: Vec<(String, Relation, String)>, known: &BTreeMap<UnitName, UnitName>) {
        let names: BTreeMap<String, String> =
            known.iter().map(|(name, own)| (name.to_string(), own.to_string())).collect();
        let index: BTreeMap<String, usize> =
            self.specs.iter().enumerate().map(|(index, spec)| (spec.name.clone(), index)).collect();
        let own = |name: String| names.get(&name).cloned().unwrap_or(name);
        for (from, relation, to) in links {
            if let Some(spec) = index.get(&own(from)) {
                self.specs[*spec].relations.push((relation, own(to)));
            }
        }
        // A target is there when all that it drags along is, unless one of the two wants no such order.
        let plain: BTreeSet<&str> =
            self.units.iter().filter(|unit| !has_defaults(unit)).map(|u| u.name.as_str()).collect();
        let before: BTreeSet<(String, String)> = self
            .specs
            .iter()
            .flat_map(|spec| {
                spec.relations.iter().map(|(relation, other)| (relation, spec.name.clone(), other.clone()))
            })
            .filter(|(relation, ..)| **relation == Relation::After)
            .map(|(_, spec, other)| (spec, other))
            .collect();
        for (spec, unit) in self.specs.iter_mut().zip(&self.units) {
            if unit.name.kind() != UnitKind::Target || plain.contains(spec.name.as_str()) {
                continue;
            }
            let dragged = spec.relations.iter().filter(|(relation, other)| {
                let drags = matches!(relation, Relation::Wants | Relation::Requires);
                // What says of itself that it comes after the target keeps its word.
                let turned = before.contains(&(other.clone(), spec.name.clone()));
                drags && !turned && !plain.contains(other.as_str())
            });
            let after: Vec<_> = dragged.map(|(_, other)| (Relation::After, other.clone())).collect();
            spec.relations.extend(after);
        }
    }
}

/// The unit of a mount that somebody else has made, and that no file declares.
fn found_mounted(name: &UnitName, error: &FindError) -> Option<Source> {
    let mount = name.kind() == UnitKind::Mount && matches!(error, FindError::Missing(_));
    if mount { mounted_as(name).map(|mounted| mounted.source()) } else { None }
}

/// What the unit file says.
fn relations(unit: &Unit) -> Vec<(Relation, UnitName, bool)> {
    let mut found = Vec::new();
    for (directive, relation, reversed) in RELATIONS {
        for value in unit.all("Unit", directive) {
            if let Value::Units(names) = value {
                found.extend(names.iter().map(|name| (relation, name.clone(), reversed)));
            }
        }
    }
    found
}

/// Time-outs, limits and restarts.
fn spec(unit: &Unit) -> Spec {
    let mut spec = match unit.name.kind() {
        UnitKind::Device => Spec::device(unit.name.as_str()),
        _ => Spec::new(unit.name.as_str()),
    };
    let length = |section, name| match unit.last(section, name) {
        Some(Value::Span(span)) => Some(*span),
        _ => None,
    };
    // Zero is no time-out, as in systemd.
    let timeout = |span: Option<Span>, default: Option<Duration>| {
        span.map_or(default, |span| span.finite().filter(|length| !length.is_zero()))
    };
    spec.job_timeout = timeout(length("Unit", "JobTimeoutSec"), None);
    spec.job_running_timeout = timeout(length("Unit", "JobRunningTimeoutSec"), spec.job_running_timeout);
    if let Some(interval) = length("Unit", "StartLimitIntervalSec") {
        spec.start_limit_interval = interval.finite().unwrap_or(Duration::MAX);
    }
    if let Some(Value::Number(burst)) = unit.last("Unit", "StartLimitBurst") {
        spec.start_limit_burst = u32::try_from(*burst).unwrap_or(u32::MAX);
    }
    let flag = |name| unit.last("Unit", name) == Some(&Value::Bool(true));
    spec.stop_when_unneeded = flag("StopWhenUnneeded");
    spec.refuse_manual_start = flag("RefuseManualStart");
    spec.refuse_manual_stop = flag("RefuseManualStop");
    let mode = |name| match unit.last("Unit", name) {
        Some(Value::Text(word)) => Mode::named(word),
        _ => None,
    };
    // The older word for the same; what is said in words counts for more.
    let isolates = flag("OnFailureIsolate").then_some(Mode::Isolate);
    spec.on_failure_mode = mode("OnFailureJobMode").or(isolates).unwrap_or(spec.on_failure_mode);
    spec.on_success_mode = mode("OnSuccessJobMode").unwrap_or(spec.on_success_mode);
    if let Some(section @ ("Mount" | "Swap" | "Socket")) = unit.name.kind().section() {
        let both = length(section, "TimeoutSec");
        spec.start_timeout = timeout(both, spec.start_timeout);
        spec.stop_timeout = timeout(both, spec.stop_timeout);
        spec.can_reload = section == "Mount";
    }
    if unit.name.kind() != UnitKind::Service {
        return spec;
    }
    let text = |name| match unit.last("Service", name) {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    let both = length("Service", "TimeoutSec");
    let oneshot = text("Type") == "oneshot";
    let start = if oneshot { None } else { spec.start_timeout };
    spec.start_timeout = timeout(length("Service", "TimeoutStartSec").or(both), start);
    spec.stop_timeout = timeout(length("Service", "TimeoutStopSec").or(both), spec.stop_timeout);
    spec.can_reload = unit.last("Service", "ExecReload").is_some() || text("Type") == "notify-reload";
    let statuses = |name| {
        let mut all = ExitStatuses::default();
        for value in unit.all("Service", name) {
            if let Value::Statuses(statuses) = value {
                all.codes.extend(&statuses.codes);
                all.signals.extend(&statuses.signals);
            }
        }
        all
    };
    let defaults = Restart::default();
    spec.restart = Restart {
        policy: match text("Restart") {
            "always" => RestartPolicy::Always,
            "on-success" => RestartPolicy::OnSuccess,
            "on-failure" => RestartPolicy::OnFailure,
            "on-abnormal" => RestartPolicy::OnAbnormal,
            "on-abort" => RestartPolicy::OnAbort,
            "on-watchdog" => RestartPolicy::OnWatchdog,
            _ => RestartPolicy::No,
        },
        delay: length("Service", "RestartSec")
            .map_or(defaults.delay, |span| span.finite().unwrap_or(Duration::MAX)),
        steps: match unit.last("Service", "RestartSteps") {
            Some(Value::Number(steps)) => u32::try_from(*steps).unwrap_or(u32::MAX),
            _ => 0,
        },
        longest: length("Service", "RestartMaxDelaySec").and_then(Span::finite).unwrap_or(Duration::MAX),
        stable: spec.start_limit_interval,
        never: statuses("RestartPreventExitStatus"),
        ever: statuses("RestartForceExitStatus"),
    };
    spec
}
