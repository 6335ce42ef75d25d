//! `perigee ctl show-environment` and its kin, `set-property`, `log-level` and `list-machines`: what is changed of the
//! supervisor and of units while they run.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use perigee_init::control::{Manager, RUNTIME, Reply, Request};

use super::act::WhichSupervisor;
use super::manage::ask;

#[derive(Args)]
pub(crate) struct Show {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Set {
    /// Variables and their values
    #[arg(required = true, value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Unset {
    /// Variables by name, or with a value that they must have
    #[arg(required = true, value_name = "NAME[=VALUE]")]
    pub(crate) variables: Vec<String>,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Import {
    /// Variables by name; all that are set here if none is named
    #[arg(value_name = "NAME")]
    pub(crate) variables: Vec<String>,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Property {
    /// The unit by name; a name without an ending is a service
    #[arg(value_name = "UNIT")]
    pub(crate) unit: String,
    /// What is set
    #[arg(required = true, value_name = "DIRECTIVE=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Until the next boot only
    #[arg(long)]
    pub(crate) runtime: bool,
    /// The folder of run-time files of the supervisor
    #[arg(long, value_name = "FOLDER", default_value = RUNTIME)]
    pub(crate) supervisor: PathBuf,
}

#[derive(Args)]
pub(crate) struct Level {
    /// emerg, alert, crit, err, warning, notice, info or debug; what is less urgent is not said
    #[arg(value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

#[derive(Args)]
pub(crate) struct Machines {
    /// Leave out the line above and the count below
    #[arg(long)]
    pub(crate) no_legend: bool,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

pub(crate) fn show(arguments: &Show) -> anyhow::Result<ExitCode> {
    let replies = arguments.supervisor.connect()?.all(&Request::Environment)?;
    let variables = replies.into_iter().find_map(|reply| match reply {
        Reply::Environment { variables } => Some(variables),
        _ => None,
    });
    let variables = variables.unwrap_or_default();
    let mut out = stdout().lock();
    if arguments.json {
        let pairs = variables.iter().filter_map(|line| line.split_once('='));
        let pairs: std::collections::BTreeMap<_, _> = pairs.collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&pairs)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in variables {
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        writeln!(out, "{name}={}", quoted(value))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A value as a shell reads it, where it is more than a word.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::from("$'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

pub(crate) fn set(arguments: &Set) -> anyhow::Result<ExitCode> {
    let set = arguments.variables.clone();
    ask(&arguments.supervisor, &Request::SetEnvironment { set, unset: Vec::new() })
}

pub(crate) fn unset(arguments: &Unset) -> anyhow::Result<ExitCode> {
    let unset = arguments.variables.clone();
    ask(&arguments.supervisor, &Request::SetEnvironment { set: Vec::new(), unset })
}

pub(crate) fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let set: Vec<String> = match arguments.variables.as_slice() {
        [] => {
            let all = std::env::vars_os().filter_map(|(name, value)| {
                // What is no text, and names that are none, stay here.
                let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
                let known = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
                let text = !value.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
                (known && text && !name.starts_with(|c: char| c.is_ascii_digit()))
                    .then(|| format!("{name}={value}"))
            });
            all.collect()
        }
        names => {
            let here = names.iter().map(|name| {
                let value = std::env::var(name).with_context(|| format!("{name} is not set here"))?;
                Ok(format!("{name}={value}"))
            });
            here.collect::<anyhow::Result<_>>()?
        }
    };
    ask(&arguments.supervisor, &Request::SetEnvironment { set, unset: Vec::new() })
}

pub(crate) fn set_property(arguments: &Property) -> anyhow::Result<ExitCode> {
    let (unit, settings) = (super::full_name(&arguments.unit), arguments.settings.clone());
    let supervisor = WhichSupervisor { runtime: arguments.supervisor.clone() };
    ask(&supervisor, &Request::SetProperty { unit, settings, runtime: arguments.runtime })
}

pub(crate) fn log_level(arguments: &Level) -> anyhow::Result<ExitCode> {
    let request = Request::LogLevel { level: arguments.level.clone() };
    for reply in arguments.supervisor.connect()?.all(&request)? {
        if let Reply::LogLevel { level } = reply
            && arguments.level.is_none()
        {
            writeln!(stdout(), "{level}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn list_machines(arguments: &Machines) -> anyhow::Result<ExitCode> {
    let replies = arguments.supervisor.connect()?.all(&Request::Manager)?;
    let manager = replies.into_iter().find_map(|reply| match reply {
        Reply::Manager(manager) => Some(manager),
        _ => None,
    });
    let Some(Manager { state, failed, jobs, .. }) = manager else { bail!("the supervisor says nothing") };
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = format!("{} (host)", name.trim());
    let mut out = stdout().lock();
    if arguments.json {
        let row = serde_json::json!([{ "name": name, "state": state, "failed": failed, "jobs": jobs }]);
        writeln!(out, "{}", serde_json::to_string_pretty(&row)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (width, states) = (name.chars().count().max(4), state.len().max(5));
    if !arguments.no_legend {
        writeln!(out, "{:width$} {:states$} FAILED JOBS", "NAME", "STATE")?;
    }
    writeln!(out, "{name:width$} {state:states$} {failed:>6} {jobs:>4}")?;
    if !arguments.no_legend {
        writeln!(out, "\n1 machines listed.")?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_as_a_shell_reads_them() {
        for (value, expected) in [
            ("", ""),
            ("/usr/bin:/bin", "/usr/bin:/bin"),
            ("a b", "$'a b'"),
            ("it's\n\\x", "$'it\\'s\\n\\\\x'"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }
}
