//! `perigee ctl status`, `list-units`, `is-active`, `events`: what the supervisor tells of units.

use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use perigee_files::install::Installation;
use perigee_init::control::{HealthStatus, ListedUnit, Reply, Request, UnitStatus};
use perigee_units::calendar::TimeZone;
use perigee_units::machine::State;

use super::act::WhichSupervisor;

#[derive(Args)]
pub(crate) struct Units {
    /// Units by name; a name without an ending is a service
    #[arg(value_name = "UNIT")]
    pub(crate) units: Vec<String>,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only units whose names match these patterns
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Those that are inactive too
    #[arg(long, short)]
    all: bool,
    /// Only those that have failed
    #[arg(long)]
    failed: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Events {
    /// From the change with this number on, instead of from now on
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// Write a JSON object for each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

impl List {
    /// These units of this supervisor.
    pub(crate) fn new(patterns: Vec<String>, all: bool, failed: bool, supervisor: WhichSupervisor) -> List {
        List { patterns, all, failed, json: false, supervisor }
    }
}

/// Exit status: 3 if a unit is not active, 4 if there is no such unit.
pub(crate) fn status(arguments: &Units) -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    if arguments.units.is_empty() {
        for reply in arguments.supervisor.connect()?.all(&Request::Manager)? {
            writeln!(out, "{}", serde_json::to_string_pretty(&reply)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let statuses = ask(arguments)?;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&statuses)?)?;
    } else {
        for status in &statuses {
            if status.listed.load == "not-found" {
                eprintln!("Unit {} could not be found.", status.listed.unit);
                continue;
            }
            show(&mut out, status)?;
        }
    }
    let missing = statuses.iter().any(|status| status.listed.load == "not-found");
    let active = statuses.iter().all(|status| is_active(&status.listed));
    Ok(ExitCode::from(if missing {
        4
    } else if active {
        0
    } else {
        3
    }))
}

/// Exit status: 0 if one of them is active, else 3.
pub(crate) fn is_active_verb(arguments: &Units, quiet: bool) -> anyhow::Result<ExitCode> {
    let statuses = ask(arguments)?;
    if !quiet {
        let mut out = stdout().lock();
        for status in &statuses {
            writeln!(out, "{}", status.listed.active)?;
        }
    }
    Ok(ExitCode::from(if statuses.iter().any(|status| is_active(&status.listed)) { 0 } else { 3 }))
}

fn is_active(listed: &ListedUnit) -> bool {
    [State::Active, State::Reloading].iter().any(|state| state.to_string() == listed.active)
}

pub(crate) fn ask(arguments: &Units) -> anyhow::Result<Vec<UnitStatus>> {
    let units = arguments.units.iter().map(|name| super::full_name(name)).collect();
    let replies = arguments.supervisor.connect()?.all(&Request::Status { units })?;
    let statuses = replies.into_iter().filter_map(|reply| match reply {
        Reply::Unit(status) => Some(*status),
        _ => None,
    });
    Ok(statuses.collect())
}

fn show(out: &mut impl Write, status: &UnitStatus) -> std::io::Result<()> {
    let listed = &status.listed;
    writeln!(out, "{} {} - {}", mark(&listed.active), listed.unit, listed.description)?;
    writeln!(out, "     Loaded: {}{}", listed.load, installed(status))?;
    for file in status.files.iter().skip(1) {
        writeln!(out, "    Drop-In: {}", file.display())?;
    }
    let result = if status.result == "success" { String::new() } else { format!(", {}", status.result) };
    let since = match status.since {
        0 => String::new(),
        since => format!(" since {}", stamp(since)),
    };
    writeln!(out, "     Active: {} ({}){result}{since}", listed.active, listed.sub)?;
    if listed.restarts > 0 {
        writeln!(out, "   Restarts: {}", listed.restarts)?;
    }
    if let Some(health) = &status.health_check {
        writeln!(out, "     Health: {}", told(health))?;
    }
    if let Some(pid) = status.main_pid {
        writeln!(out, "   Main PID: {pid}")?;
    } else if let Some(ended) = &status.main_ended {
        writeln!(out, "       Main: {ended}")?;
    }
    if !status.status.is_empty() {
        writeln!(out, "     Status: {}", status.status)?;
    }
    if let Some(tasks) = status.tasks {
        writeln!(out, "      Tasks: {tasks}")?;
    }
    if let Some(memory) = listed.memory {
        writeln!(out, "     Memory: {} KiB", memory / 1024)?;
    }
    if let Some(cpu) = listed.cpu {
        writeln!(out, "        CPU: {} ms", cpu / 1000)?;
    }
    if let Some(group) = &status.group {
        writeln!(out, "      Group: {group}")?;
    }
    for process in &status.processes {
        writeln!(out, "             {:>7} {}", process.pid, process.command)?;
    }
    for complaint in &status.complaints {
        writeln!(out, "       Note: {complaint}")?;
    }
    writeln!(out)
}

/// `healthy (http://127.0.0.1:8090/health: status 200, 12 in a row)`.
fn told(health: &HealthStatus) -> String {
    let HealthStatus { check, standing, well, badly, lapses, answer, .. } = health;
    let Some(standing) = standing else { return format!("not asked ({check})") };
    let answer = match answer.is_empty() {
        true => "not answered yet".to_owned(),
        false => format!("{answer}, {} in a row", well.max(badly)),
    };
    let lapses = if *lapses > 0 { format!(", unhealthy {lapses} times so far") } else { String::new() };
    format!("{standing} ({check}: {answer}{lapses})")
}

/// Its file, and whether it starts by itself.
fn installed(status: &UnitStatus) -> String {
    let Some(file) = status.files.first() else { return String::new() };
    let name = perigee_units::unit::UnitName::parse(&status.listed.unit).ok();
    let installation = Installation::new("/");
    // The supervisor may have it from folders of its own.
    let files = name.as_ref().and_then(|name| installation.files_of(name).ok()).unwrap_or_default();
    let state = name.filter(|_| files.first() == Some(file)).and_then(|name| {
        let preset = installation.preset_of(&name).ok().flatten();
        Some((installation.state(&name).ok()?, preset))
    });
    match state {
        Some((state, Some(enables))) => {
            format!(
                " ({}; {state}; preset: {})",
                file.display(),
                if enables { "enabled" } else { "disabled" }
            )
        }
        Some((state, None)) => format!(" ({}; {state})", file.display()),
        None => format!(" ({})", file.display()),
    }
}

/// A time, in microseconds since 1970, as it is here.
pub(crate) fn stamp(micros: u64) -> String {
    static LOCAL: std::sync::OnceLock<TimeZone> = std::sync::OnceLock::new();
    let zone = LOCAL.get_or_init(|| perigee_trigger::timer::zone(Path::new("/")));
    zone.stamp(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A dot that says how it is, in colour where somebody looks.
pub(crate) fn mark(active: &str) -> String {
    let colour = match active {
        "active" | "reloading" => 32,
        "failed" => 31,
        "activating" | "deactivating" => 33,
        _ => 0,
    };
    if stdout().is_terminal() { format!("\x1b[{colour}m●\x1b[0m") } else { "●".to_owned() }
}

/// The units that are asked for, by name.
pub(crate) fn listed(arguments: &List) -> anyhow::Result<Vec<ListedUnit>> {
    use perigee_units::value::{GlobKind, glob_matches};
    let replies = arguments.supervisor.connect()?.all(&Request::List)?;
    let mut units: Vec<ListedUnit> = replies
        .into_iter()
        .filter_map(|reply| match reply {
            Reply::Listed(listed) => Some(listed),
            _ => None,
        })
        .collect();
    units.retain(|unit| {
        let named = arguments.patterns.is_empty()
            || arguments.patterns.iter().any(|pattern| glob_matches(pattern, &unit.unit, GlobKind::Name));
        let shown = arguments.all || unit.active != "inactive" || unit.job.is_some();
        named && shown && (!arguments.failed || unit.active == "failed")
    });
    units.sort_by(|one, other| one.unit.cmp(&other.unit));
    Ok(units)
}

pub(crate) fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let units = listed(arguments)?;
    let mut out = stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&units)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = units.iter().map(|unit| unit.unit.len()).max().unwrap_or(4).max(4);
    writeln!(out, "  {:width$}  {:8} {:12} {:14} DESCRIPTION", "UNIT", "LOAD", "ACTIVE", "SUB")?;
    for unit in &units {
        let mark = if unit.active == "failed" { mark("failed") } else { " ".to_owned() };
        let ListedUnit { unit, load, active, sub, description, .. } = unit;
        writeln!(out, "{mark} {unit:width$}  {load:8} {active:12} {sub:14} {description}")?;
    }
    writeln!(out, "\n{} units.", units.len())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn events(arguments: &Events) -> anyhow::Result<ExitCode> {
    let mut client = arguments.supervisor.connect()?;
    client.send(&Request::Watch { from: arguments.from })?;
    let mut out = stdout().lock();
    loop {
        let reply = client.next_reply()?;
        match &reply {
            Reply::Refused { why } => anyhow::bail!("{why}"),
            _ if arguments.json => writeln!(out, "{}", serde_json::to_string(&reply)?)?,
            Reply::Change(change) => {
                let perigee_init::control::Change { sequence, unit, from, to, cause, result, .. } = change;
                let cause = serde_json::to_value(cause)?;
                let cause = cause.as_str().unwrap_or_default();
                writeln!(out, "{sequence:>8}  {unit}: {from} -> {to} ({cause}, {result})")?;
            }
            Reply::Missed { from, to } => writeln!(out, "{from:>8}  missed up to {to}")?,
            _ => {}
        }
        out.flush()?;
    }
}
