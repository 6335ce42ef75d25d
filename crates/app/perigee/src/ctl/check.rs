//! `perigee ctl check`: units read as the supervisor reads them, and a line for everything that it does not do.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use perigee_files::{Files, SearchPath, host};
use perigee_units::unit::{Complaint, Host, Level, Unit};
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Units by name, such as nginx or getty@tty1.service, or unit files by path
    #[arg(required = true, value_name = "UNIT-OR-FILE")]
    units: Vec<String>,
    /// End with status 1 if there is anything to say
    #[arg(long)]
    strict: bool,
    /// Write a JSON array
    #[arg(long)]
    json: bool,
    /// Look for units in this folder instead of the system's; may be given again, the first one counts
    #[arg(long, value_name = "FOLDER")]
    path: Vec<PathBuf>,
}

/// A complaint, for programs.
#[derive(Serialize)]
struct Row<'a> {
    unit: &'a str,
    file: &'a Path,
    line: u32,
    directive: Option<&'a str>,
    level: Level,
    reason: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let search = super::search_path(&arguments.path);
    let host = host();
    let (mut units, mut missing) = (Vec::new(), false);
    for unit in &arguments.units {
        match read(unit, &search, &host) {
            Ok(unit) => units.push(unit),
            Err(error) => {
                eprintln!("perigee: {}", crate::told(&error));
                missing = true;
            }
        }
    }
    let all: Vec<_> = units.iter().flat_map(|unit| unit.complaints.iter().map(move |c| (unit, c))).collect();
    let mut out = stdout().lock();
    if arguments.json {
        let rows: Vec<_> = all.iter().map(|(unit, complaint)| row(unit, complaint)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        for (_, complaint) in &all {
            writeln!(out, "{complaint}")?;
        }
    }
    let failed = missing || arguments.strict && !all.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row<'a>(unit: &'a Unit, complaint: &'a Complaint) -> Row<'a> {
    Row {
        unit: unit.name.as_str(),
        file: &complaint.file,
        line: complaint.line,
        directive: complaint.directive.as_deref(),
        level: complaint.level(),
        reason: complaint.reason.to_string(),
    }
}

/// What has a slash is a file; a name without an ending is a service.
fn read(unit: &str, search: &SearchPath, host: &Host) -> anyhow::Result<Unit> {
    let files = if unit.contains('/') || Path::new(unit).is_file() {
        Files::beside(Path::new(unit)).with_context(|| format!("cannot check {unit}"))?
    } else {
        search.find(&super::unit_name(unit)?)?
    };
    let sources = files.sources()?;
    Ok(Unit::read(files.name, &sources, host))
}
