//! `perigee ctl enable` and its kin: which units start by themselves. No supervisor need run; one that does reads the
//! units again.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use perigee_files::install::{Change, Installation, Listed, Outcome};
use perigee_init::control::{Client, RUNTIME, Request};
use perigee_units::machine;
use perigee_units::value::{GlobKind, glob_matches};
use serde::Serialize;

use super::act::{self, WhichSupervisor, Wish};

/// The verbs for unit files.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Let units start by themselves, as their [Install] sections say
    Enable(Arguments),
    /// Let units no longer start by themselves
    Disable(Arguments),
    /// Disable units, then enable them
    Reenable(Arguments),
    /// Forbid units: nothing can start them
    Mask(Arguments),
    /// Take that back
    Unmask(Arguments),
    /// Enable or disable units as the system's presets say
    Preset(Arguments),
    /// Enable or disable every unit as the system's presets say
    PresetAll {
        /// Until the next boot only
        #[arg(long)]
        runtime: bool,
        /// Say nothing
        #[arg(long, short)]
        quiet: bool,
        #[command(flatten)]
        root: Root,
    },
    /// Whether units start by themselves; exit status 1 if none does
    IsEnabled(Arguments),
    /// List the unit files, and whether they start by themselves
    ListUnitFiles(ListFiles),
    /// Print the files of units
    Cat(Named),
    /// Print the unit to which the system boots
    GetDefault(Root),
    /// Choose the target to which the system boots
    SetDefault(Named),
}

/// Units, and where.
#[derive(Args, Default)]
pub(crate) struct Arguments {
    /// Units by name; a name without an ending is a service
    #[arg(required = true, value_name = "UNIT")]
    pub(crate) units: Vec<String>,
    /// Until the next boot only
    #[arg(long)]
    pub(crate) runtime: bool,
    /// Replace links that lead elsewhere
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Start or stop the units too
    #[arg(long)]
    pub(crate) now: bool,
    /// Say nothing
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) root: Root,
}

/// Units, and where.
#[derive(Args)]
pub(crate) struct Named {
    /// Units by name; a name without an ending is a service
    #[arg(required = true, value_name = "UNIT")]
    pub(crate) units: Vec<String>,
    #[command(flatten)]
    pub(crate) root: Root,
}

/// The system whose units are meant.
#[derive(Args, Clone, Default)]
pub(crate) struct Root {
    /// Work on the system below this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) root: Option<PathBuf>,
    /// The folder of run-time files of the supervisor that is told
    #[arg(long, value_name = "FOLDER", default_value = RUNTIME)]
    pub(crate) supervisor: PathBuf,
}

/// What is listed.
#[derive(Args)]
pub(crate) struct ListFiles {
    /// Only units whose names match these patterns
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Only units of these kinds, or in these states
    #[arg(long = "type", short = 't', value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// Only units in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Leave out the line above and the count below
    #[arg(long)]
    pub(crate) no_legend: bool,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) root: Root,
}

#[derive(Serialize)]
struct Row<'a> {
    unit: &'a str,
    state: &'static str,
    preset: Option<&'static str>,
}

impl Root {
    pub(crate) fn installation(&self) -> Installation {
        Installation::new(self.root.clone().unwrap_or_else(|| "/".into()))
    }

    /// The supervisor, if it is this system that is meant, and if one answers.
    pub(crate) fn client(&self) -> Option<Client> {
        if self.root.as_ref().is_some_and(|root| root.as_os_str() != "/") {
            return None;
        }
        Client::connect(&self.supervisor).ok()
    }
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Enable(arguments) => change(&arguments, Some(machine::Verb::Start), Installation::enable),
        Verb::Disable(arguments) => change(&arguments, Some(machine::Verb::Stop), Installation::disable),
        Verb::Reenable(arguments) => change(&arguments, Some(machine::Verb::Start), reenable),
        Verb::Mask(arguments) => change(&arguments, Some(machine::Verb::Stop), Installation::mask),
        Verb::Unmask(arguments) => change(&arguments, None, Installation::unmask),
        Verb::Preset(arguments) => change(&arguments, None, Installation::preset),
        Verb::PresetAll { runtime, quiet, root } => {
            let arguments = Arguments { runtime, quiet, root, ..Arguments::default() };
            change(&arguments, None, |installation, _| installation.preset_all())
        }
        Verb::IsEnabled(arguments) => is_enabled(&arguments),
        Verb::ListUnitFiles(arguments) => list(&arguments),
        Verb::Cat(arguments) => cat(&arguments),
        Verb::GetDefault(root) => {
            writeln!(stdout(), "{}", root.installation().default_target()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::SetDefault(arguments) => {
            let [target] = arguments.units.as_slice() else { bail!("one target is needed") };
            let name = if target.contains('.') { target.clone() } else { format!("{target}.target") };
            let outcome = arguments.root.installation().set_default(&name);
            Ok(tell(&outcome, false))
        }
    }
}

fn reenable(installation: &Installation, names: &[&str]) -> Outcome {
    let before = installation.disable(names);
    let mut outcome = installation.enable(names);
    outcome.changes.splice(0..0, before.changes);
    outcome
}

/// Changes links, tells what was done, lets the supervisor read the units again, and does what `--now` asks for.
pub(crate) fn change(
    arguments: &Arguments,
    now: Option<machine::Verb>,
    work: impl Fn(&Installation, &[&str]) -> Outcome,
) -> anyhow::Result<ExitCode> {
    let names: Vec<String> = arguments.units.iter().map(|name| full_name(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut installation = arguments.root.installation();
    installation.runtime = arguments.runtime;
    installation.force = arguments.force;
    let outcome = work(&installation, &names);
    let code = tell(&outcome, arguments.quiet);
    if !outcome.failures.is_empty() {
        return Ok(code);
    }
    if let Some(mut client) = arguments.root.client().filter(|_| !outcome.changes.is_empty()) {
        client.all(&Request::DaemonReload)?;
    }
    match now.filter(|_| arguments.now) {
        Some(verb) => {
            let supervisor = WhichSupervisor { runtime: arguments.root.supervisor.clone() };
            let wish = Wish { verb, active_only: false, or_restart: false };
            act::run(&act::Arguments::new(arguments.units.clone(), supervisor), wish)
        }
        None => Ok(code),
    }
}

/// A path stays one; a name without an ending is a service.
fn full_name(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { super::full_name(name) }
}

/// Says what was done, in systemctl's words: scripts read them.
pub(crate) fn tell(outcome: &Outcome, quiet: bool) -> ExitCode {
    for change in outcome.changes.iter().filter(|_| !quiet) {
        match change {
            Change::Linked { path, target } => eprintln!("Created symlink {path} \u{2192} {target}."),
            Change::Removed(path) => eprintln!("Removed \"{path}\"."),
            Change::Masked(path) => eprintln!("Unit {path} is masked, ignoring."),
            Change::Unwanted { unit, by } => {
                eprintln!("Unit {unit} is added as a dependency to a non-existent unit {by}.");
            }
            Change::AlsoMissing(unit) => {
                eprintln!("Unit {unit}, which is named in Also=, does not exist; it is left out.");
            }
            _ => {}
        }
    }
    for failure in &outcome.failures {
        eprintln!("Failed: {failure}.");
    }
    if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(crate) fn is_enabled(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let installation = arguments.root.installation();
    let mut enabled = false;
    for unit in &arguments.units {
        let state = match installation.state(&super::unit_name(unit)?) {
            Ok(state) => state,
            Err(error) => {
                eprintln!("Failed to get unit file state for {}: {error}", full_name(unit));
                return Ok(ExitCode::FAILURE);
            }
        };
        enabled |= state.counts_as_enabled();
        if !arguments.quiet {
            writeln!(stdout(), "{state}")?;
        }
    }
    Ok(if enabled { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn list(arguments: &ListFiles) -> anyhow::Result<ExitCode> {
    let mut listed = arguments.root.installation().list()?;
    listed.retain(|unit| {
        let name = unit.name.as_str();
        let named = |pattern: &String| {
            glob_matches(pattern, name, GlobKind::Name) || super::full_name(pattern) == name
        };
        let kind = |kind: &String| kind == unit.name.kind().suffix();
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(fits);
        any(&arguments.patterns, &named)
            && any(&arguments.kinds, &kind)
            && any(&arguments.state, &|state| state == unit.state.word())
    });
    let preset = |unit: &Listed| unit.preset.map(|enables| if enables { "enabled" } else { "disabled" });
    let mut out = stdout().lock();
    if arguments.json {
        let row = |unit: &Listed| (unit.name.to_string(), unit.state.word(), preset(unit));
        let rows: Vec<_> = listed.iter().map(row).collect();
        let rows: Vec<_> =
            rows.iter().map(|(unit, state, preset)| Row { unit, state, preset: *preset }).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = listed.iter().map(|unit| unit.name.as_str().len()).max().unwrap_or(9).max(9);
    let states = listed.iter().map(|unit| unit.state.word().len()).max().unwrap_or(5).max(5);
    if !arguments.no_legend {
        writeln!(out, "{:width$} {:states$} PRESET", "UNIT FILE", "STATE")?;
    }
    for unit in &listed {
        writeln!(
            out,
            "{:width$} {:states$} {}",
            unit.name.as_str(),
            unit.state.word(),
            preset(unit).unwrap_or("-")
        )?;
    }
    if !arguments.no_legend {
        writeln!(out, "\n{} unit files listed.", listed.len())?;
    }
    // Scripts ask so whether there is such a unit.
    let none = listed.is_empty() && !arguments.patterns.is_empty();
    Ok(if none { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(crate) fn cat(arguments: &Named) -> anyhow::Result<ExitCode> {
    let installation = arguments.root.installation();
    let mut out = stdout().lock();
    let (mut missing, mut first) = (false, true);
    for unit in &arguments.units {
        let files = match installation.files_of(&super::unit_name(unit)?) {
            Ok(files) => files,
            Err(error) => {
                eprintln!("No files found for {}: {error}.", full_name(unit));
                missing = true;
                continue;
            }
        };
        for file in files {
            writeln!(out, "{}# {}", if first { "" } else { "\n" }, file.display())?;
            first = false;
            out.write_all(&std::fs::read(file)?)?;
        }
    }
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
