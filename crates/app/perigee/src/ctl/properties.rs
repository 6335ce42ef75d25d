//! `perigee ctl show`: what is known of a unit as `NAME=VALUE`, by the names that systemctl has for it.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Args;
use perigee_files::install::Installation;
use perigee_init::control::{MachineWatchdog, Manager, Reply, Request, UnitStatus};

use super::act::WhichSupervisor;
use super::{declared, show};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Units by name; a name without an ending is a service; without any, the supervisor itself
    #[arg(value_name = "UNIT")]
    pub(crate) units: Vec<String>,
    /// Only these properties
    #[arg(long = "property", short = 'p', value_name = "NAME", value_delimiter = ',')]
    pub(crate) properties: Vec<String>,
    /// Only the values
    #[arg(long)]
    pub(crate) value: bool,
    /// Properties without a value too
    #[arg(long, short)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

type Properties = BTreeMap<String, String>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let all = if arguments.units.is_empty() {
        let replies = arguments.supervisor.connect()?.all(&Request::Manager)?;
        let managers = replies.into_iter().filter_map(|reply| match reply {
            Reply::Manager(told) => Some(manager(&told)),
            _ => None,
        });
        managers.collect()
    } else {
        let (units, supervisor) = (arguments.units.clone(), arguments.supervisor.clone());
        let statuses = show::ask(&show::Units { units, json: false, supervisor })?;
        statuses.iter().map(unit).collect::<Vec<_>>()
    };
    let mut out = stdout().lock();
    for (at, properties) in all.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write(&mut out, arguments, properties)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// In the order in which they are asked for.
fn write(out: &mut impl Write, arguments: &Arguments, properties: &Properties) -> std::io::Result<()> {
    let asked: Vec<&str> = match arguments.properties.as_slice() {
        [] => properties.keys().map(String::as_str).collect(),
        asked => asked.iter().map(String::as_str).collect(),
    };
    let named = !arguments.properties.is_empty() || arguments.all;
    for name in asked {
        let Some(value) = properties.get(name) else { continue };
        if arguments.value {
            writeln!(out, "{value}")?;
        } else if named || !value.is_empty() {
            writeln!(out, "{name}={value}")?;
        }
    }
    Ok(())
}

fn unit(status: &UnitStatus) -> Properties {
    let listed = &status.listed;
    let number = |value: Option<u64>| value.map_or_else(|| "[not set]".to_owned(), |value| value.to_string());
    let installed = perigee_units::unit::UnitName::parse(&listed.unit)
        .ok()
        .and_then(|name| Installation::new("/").state(&name).ok())
        .map_or_else(String::new, |state| state.word().to_owned());
    let path = |at: usize| status.files.get(at).map_or_else(String::new, |file| file.display().to_string());
    let dropins: Vec<_> = status.files.iter().skip(1).map(|file| file.display().to_string()).collect();
    let result = status.result.split(' ').next().unwrap_or_default();
    let tested = status.since > 0;
    let stamp = |is: bool| if is { show::stamp(status.since) } else { String::new() };
    let preset = perigee_units::unit::UnitName::parse(&listed.unit)
        .ok()
        .and_then(|name| Installation::new("/").preset_of(&name).ok().flatten())
        .map_or_else(String::new, |enables| if enables { "enabled" } else { "disabled" }.to_owned());
    let reloads = matches!(status.relations.get("CanReload").map(Vec::as_slice), Some([yes]) if yes == "yes");
    let mut properties: Properties = [
        ("Id", listed.unit.clone()),
        ("Names", listed.unit.clone()),
        ("Description", listed.description.clone()),
        ("LoadState", listed.load.clone()),
        ("ActiveState", listed.active.clone()),
        ("SubState", listed.sub.clone()),
        ("Result", result.to_owned()),
        ("FragmentPath", path(0)),
        ("DropInPaths", dropins.join(" ")),
        ("SourcePath", String::new()),
        ("UnitFileState", installed),
        ("UnitFilePreset", preset),
        ("ExecMainPID", status.main_pid.unwrap_or(0).to_string()),
        ("ExecMainCode", status.main_exit.map_or(0, |(code, _)| i32::from(code)).to_string()),
        ("ExecMainStatus", status.main_exit.map_or(0, |(_, number)| number).to_string()),
        ("ConditionResult", if tested && result != "skipped" { "yes" } else { "no" }.to_owned()),
        ("StateChangeTimestamp", stamp(tested)),
        ("ActiveEnterTimestamp", stamp(listed.active == "active")),
        ("InactiveEnterTimestamp", stamp(tested && matches!(listed.active.as_str(), "inactive" | "failed"))),
        ("MainPID", status.main_pid.unwrap_or(0).to_string()),
        ("ControlPID", status.control_pid.unwrap_or(0).to_string()),
        ("StatusText", status.status.clone()),
        ("InvocationID", status.invocation.clone()),
        ("ControlGroup", status.group.clone().unwrap_or_default()),
        ("NRestarts", listed.restarts.to_string()),
        ("Health", listed.health.map_or_else(String::new, |standing| standing.to_string())),
        ("HealthCheck", status.health_check.as_ref().map_or_else(String::new, |health| health.check.clone())),
        ("HealthLapses", status.health_check.as_ref().map_or(0, |health| health.lapses).to_string()),
        ("MemoryCurrent", number(listed.memory)),
        ("CPUUsageNSec", number(listed.cpu.map(|micros| micros.saturating_mul(1000)))),
        ("TasksCurrent", number(status.tasks)),
        ("NeedDaemonReload", "no".to_owned()),
        ("CanStart", "yes".to_owned()),
        ("CanStop", "yes".to_owned()),
        ("CanReload", if reloads || can_reload(status) { "yes" } else { "no" }.to_owned()),
        ("Job", listed.job.map_or_else(String::new, |verb| format!("{verb:?}").to_lowercase())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, units) in &status.relations {
        properties.entry(name.clone()).or_insert_with(|| units.join(" "));
    }
    for name in
        ["Requires", "Wants", "RequiredBy", "WantedBy", "Before", "After", "Conflicts", "Documentation"]
    {
        properties.entry(name.to_owned()).or_default();
    }
    for (name, value) in declared::properties(status) {
        let entry = properties.entry(name);
        // What the supervisor says comes before what the files do.
        let _ = entry.or_insert(value);
    }
    properties
}

/// Whether its files say how it reloads.
fn can_reload(status: &UnitStatus) -> bool {
    let says = |text: String| {
        text.lines().map(str::trim).any(|line| {
            line.strip_prefix("ExecReload=").is_some_and(|command| !command.trim().is_empty())
                || line == "Type=notify-reload"
        })
    };
    status.files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).any(says)
}

fn manager(told: &Manager) -> Properties {
    let watchdog = |of: fn(&MachineWatchdog) -> String| told.watchdog.as_ref().map_or_else(String::new, of);
    [
        ("Version", told.version.clone()),
        ("SystemState", told.state.clone()),
        ("NNames", told.units.to_string()),
        ("NFailedUnits", told.failed.to_string()),
        ("NJobs", told.jobs.to_string()),
        ("WatchdogDevice", watchdog(|watchdog| watchdog.device.display().to_string())),
        ("RuntimeWatchdogUSec", told.watchdog.as_ref().map_or(0, |watchdog| watchdog.timeout).to_string()),
        ("WatchdogLastPingTimestamp", watchdog(|watchdog| watchdog.pinged.unwrap_or(0).to_string())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
