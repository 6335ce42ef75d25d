//! `perigee ctl kill`, `reset-failed`, `list-jobs`, `cancel`, `run` and what is asked of the supervisor itself.

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use perigee_init::control::{Reply, Request, Whom};
use perigee_units::machine::JobOutcome;

use super::act::WhichSupervisor;

#[derive(Args)]
pub(crate) struct Kill {
    /// Units by name; a name without an ending is a service
    #[arg(required = true, value_name = "UNIT")]
    units: Vec<String>,
    /// The signal, by name or number
    #[arg(long, short, default_value = "SIGTERM")]
    signal: String,
    /// Which of their processes
    #[arg(long, value_enum, default_value = "all")]
    whom: Processes,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

/// Which processes of a unit.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Processes {
    /// All of them
    All,
    /// The main process
    Main,
    /// The control process
    Control,
}

#[derive(Args)]
pub(crate) struct SomeUnits {
    /// Units by name; all if none is named
    #[arg(value_name = "UNIT")]
    units: Vec<String>,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Cancel {
    /// Jobs by number
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<u64>,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The command
    #[arg(required = true, value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// The name of the unit; run-NUMBER.service if nothing is said
    #[arg(long)]
    unit: Option<String>,
    /// A line of its [Service] section, such as MemoryMax=100M; may be given again
    #[arg(long, short, value_name = "DIRECTIVE=VALUE")]
    property: Vec<String>,
    /// What it is
    #[arg(long)]
    description: Option<String>,
    /// It stays active after its command has ended
    #[arg(long)]
    remain_after_exit: bool,
    /// Do not wait until it is there
    #[arg(long)]
    no_block: bool,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

pub(crate) fn kill(arguments: &Kill) -> anyhow::Result<ExitCode> {
    let whom = match arguments.whom {
        Processes::All => Whom::All,
        Processes::Main => Whom::Main,
        Processes::Control => Whom::Control,
    };
    let units = arguments.units.iter().map(|name| super::full_name(name)).collect();
    ask(&arguments.supervisor, &Request::Kill { units, signal: arguments.signal.clone(), whom })
}

pub(crate) fn reset_failed(arguments: &SomeUnits) -> anyhow::Result<ExitCode> {
    let units = arguments.units.iter().map(|name| super::full_name(name)).collect();
    ask(&arguments.supervisor, &Request::ResetFailed { units })
}

pub(crate) fn cancel(arguments: &Cancel) -> anyhow::Result<ExitCode> {
    ask(&arguments.supervisor, &Request::Cancel { jobs: arguments.jobs.clone() })
}

pub(crate) fn list_jobs(supervisor: &WhichSupervisor) -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    let replies = supervisor.connect()?.all(&Request::Jobs)?;
    if !replies.iter().any(|reply| matches!(reply, Reply::Job(_))) {
        writeln!(out, "No jobs running.")?;
    }
    for reply in replies {
        let Reply::Job(job) = reply else { continue };
        let verb = serde_json::to_value(job.verb)?;
        writeln!(out, "{:>8}  {:8} {}", job.job, verb.as_str().unwrap_or_default(), job.unit)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for something that is answered by nothing but that it is done.
pub(crate) fn ask(supervisor: &WhichSupervisor, request: &Request) -> anyhow::Result<ExitCode> {
    supervisor.connect()?.all(request)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let unit = match &arguments.unit {
        Some(unit) => super::full_name(unit),
        None => format!("run-{}.service", std::process::id()),
    };
    let description = arguments.description.clone().unwrap_or_else(|| arguments.command.join(" "));
    let command: Vec<_> = arguments.command.iter().map(|word| quoted(word)).collect();
    let mut text = format!("[Unit]\nDescription={}\n[Service]\n", one_line(&description));
    for property in &arguments.property {
        anyhow::ensure!(property.contains('='), "{property} is no DIRECTIVE=VALUE");
        text += &format!("{}\n", one_line(property));
    }
    if arguments.remain_after_exit {
        text += "RemainAfterExit=yes\n";
    }
    text += &format!("ExecStart={}\n", command.join(" "));
    let request = Request::Run { unit: unit.clone(), text, wait: !arguments.no_block };
    let mut failed = false;
    arguments.supervisor.connect()?.ask(&request, |reply| {
        if let Reply::Finished { outcome, .. } = reply {
            failed = !matches!(outcome, JobOutcome::Done | JobOutcome::Skipped);
        }
    })?;
    writeln!(stdout(), "{unit}")?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A unit file's lines are lines.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A word of a command line as it is meant: without variables, specifiers and breaks.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '%' => quoted.push_str("%%"),
            '$' => quoted.push_str("$$"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
