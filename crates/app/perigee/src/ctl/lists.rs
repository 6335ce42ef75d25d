//! `perigee ctl list-timers` and `list-sockets`: what starts units, in columns that scripts can cut.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use perigee_init::control::UnitStatus;
use perigee_units::value::{GlobKind, Span, glob_matches};

use super::act::WhichSupervisor;
use super::{declared, show, tree};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only units whose names match these patterns
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Those that are inactive too
    #[arg(long, short)]
    pub(crate) all: bool,
    /// Leave out the line above and the count below
    #[arg(long)]
    pub(crate) no_legend: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

/// Timers by when they elapse next.
pub(crate) fn timers(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let mut timers = units(arguments, ".timer")?;
    timers.sort_by_key(|timer| (timer.next.unwrap_or(u64::MAX), timer.listed.unit.clone()));
    let time = |at: Option<u64>| at.map_or("-".to_owned(), show::stamp);
    let row = |timer: &UnitStatus| {
        let left = timer.next.map(|next| match next.checked_sub(now) {
            Some(left) => format!("{} left", about(left)),
            None => format!("{} ago", about(now - next)),
        });
        let passed = timer.last.map(|last| format!("{} ago", about(now.saturating_sub(last))));
        let or_none = |words: Option<String>| words.unwrap_or_else(|| "-".to_owned());
        let unit = timer.listed.unit.clone();
        vec![time(timer.next), or_none(left), time(timer.last), or_none(passed), unit, triggered(timer)]
    };
    let headings = ["NEXT", "LEFT", "LAST", "PASSED", "UNIT", "ACTIVATES"];
    print(arguments, &headings, timers.iter().map(row).collect(), "timers")
}

/// Sockets by what they listen at, a line for each address.
pub(crate) fn sockets(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for socket in units(arguments, ".socket")? {
        for address in declared::addresses(&socket) {
            rows.push(vec![address, socket.listed.unit.clone(), triggered(&socket)]);
        }
    }
    rows.sort();
    print(arguments, &["LISTEN", "UNIT", "ACTIVATES"], rows, "sockets")
}

fn units(arguments: &Arguments, ending: &str) -> anyhow::Result<Vec<UnitStatus>> {
    let all: BTreeMap<String, UnitStatus> = tree::all(&arguments.supervisor)?;
    let fits = |name: &str| {
        arguments.patterns.is_empty()
            || arguments.patterns.iter().any(|pattern| glob_matches(pattern, name, GlobKind::Name))
    };
    let shown = |unit: &UnitStatus| arguments.all || unit.listed.active != "inactive";
    Ok(all
        .into_values()
        .filter(|unit| unit.listed.unit.ends_with(ending))
        .filter(|unit| fits(&unit.listed.unit) && shown(unit))
        .collect())
}

/// The unit that it starts.
fn triggered(unit: &UnitStatus) -> String {
    declared::properties(unit).remove("Triggers").unwrap_or_default()
}

/// A span in its two largest units.
fn about(micros: u64) -> String {
    let seconds = Duration::from_secs(micros / 1_000_000);
    let span = Span::Finite(seconds).to_string();
    span.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn print(
    arguments: &Arguments,
    headings: &[&str],
    rows: Vec<Vec<String>>,
    what: &str,
) -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    let count = rows.len();
    let headings = (!arguments.no_legend).then(|| headings.iter().map(|word| (*word).to_owned()).collect());
    let rows: Vec<Vec<String>> = headings.into_iter().chain(rows).collect();
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join(" ").trim_end())?;
    }
    if !arguments.no_legend {
        writeln!(out, "\n{count} {what} listed.")?;
    }
    Ok(ExitCode::SUCCESS)
}
