//! `perigee archive`: the station's archive, looked at and worked on without a station.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use perigee_ccsds::time::{AsciiA, Utc};
use perigee_part::Timestamp;
use perigee_telemetry::{Progress, Stats, check, reprocess, stats};
use perigee_xtce::{Database, LoadOptions, Plan};

use crate::configuration::{Configuration, Sources};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Count what is in the archive: frames, packets, values, gaps; a station may write to it meanwhile
    Stats(StatsArguments),
    /// Read all of the archive and hold it against itself; ends with status 1 if something is wrong
    Check(Place),
    /// Decode archived packets again under another mission database, and replace the values
    ///
    /// The station must be stopped. Readers see all of the new values or none; a kill changes nothing. Values
    /// received before the oldest archived packet stay as they are.
    Reprocess(ReprocessArguments),
}

/// Which archive.
#[derive(Args)]
pub(crate) struct Place {
    #[command(flatten)]
    sources: Sources,
    /// The archive's file; left out: that of the configuration
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct StatsArguments {
    #[command(flatten)]
    place: Place,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ReprocessArguments {
    #[command(flatten)]
    place: Place,
    /// Mission database to decode by, XTCE 1.2
    #[arg(long, value_name = "NEW.xml")]
    xtce: PathBuf,
    /// The container that every packet is one of; left out: that of the configuration, or the only one
    #[arg(long, value_name = "CONTAINER")]
    root: Option<String>,
    /// Load what can be loaded of a database with parts that are not supported
    #[arg(long)]
    lenient: bool,
    /// Packets received from this time on, such as 2026-03-01T12:00:00
    #[arg(long, value_name = "UTC", value_parser = time)]
    start: Option<Timestamp>,
    /// Packets received before this time
    #[arg(long, value_name = "UTC", value_parser = time)]
    end: Option<Timestamp>,
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Stats(arguments) => run_stats(&arguments),
        Verb::Check(place) => run_check(&place),
        Verb::Reprocess(arguments) => run_reprocess(&arguments),
    }
}

impl Place {
    fn find(&self) -> anyhow::Result<(Configuration, PathBuf)> {
        let (configuration, _) = self.sources.read()?;
        let path = match &self.archive {
            Some(path) => path.clone(),
            None => configuration.telemetry.archive.file(&configuration.node.state),
        };
        anyhow::ensure!(path.exists(), "there is no archive at {}", path.display());
        Ok((configuration, path))
    }
}

/// A time in ASCII code A (CCSDS 301.0-B-4, 3.5.1.1).
fn time(text: &str) -> Result<Timestamp, String> {
    let utc = AsciiA::parse(text.as_bytes()).map_err(|error| error.to_string())?.0;
    utc.unix_nanoseconds().map(Timestamp).ok_or_else(|| "too far from 1970".to_owned())
}

fn run_stats(arguments: &StatsArguments) -> anyhow::Result<ExitCode> {
    let (_, path) = arguments.place.find()?;
    let found = stats(&path).with_context(|| path.display().to_string())?;
    if arguments.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        write!(stdout(), "{}", table(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(stats: &Stats) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text += &format!("{name:<16}{value}\n");
    let at = |time| Utc::from_unix_nanoseconds(time).to_string();
    line("octets", stats.octets.to_string());
    if let Some((first, last)) = stats.received {
        line("received", format!("{} to {}", at(first), at(last)));
    }
    line("frames", stats.frames.to_string());
    line("packets", stats.packets.to_string());
    line("values", stats.values.to_string());
    if stats.values > 0 {
        line("octets a value", format!("{:.2}", stats.values_octets as f64 / stats.values as f64));
    }
    line("segments", stats.segments.to_string());
    line("growing values", stats.growing_values.to_string());
    line("alarms", stats.alarms.to_string());
    if !stats.channels.is_empty() {
        text += &format!("\n{:<16}{:>5}{:>7}{:>12}{:>10}\n", "link", "vcid", "apid", "count", "missing");
    }
    for channel in &stats.channels {
        let number = |number: Option<u16>| number.map_or("-".to_owned(), |number| number.to_string());
        text += &format!(
            "{:<16}{:>5}{:>7}{:>12}{:>10}\n",
            channel.link,
            number(channel.vcid.map(u16::from)),
            number(channel.apid),
            channel.count,
            channel.missing
        );
    }
    text
}

fn run_check(place: &Place) -> anyhow::Result<ExitCode> {
    let (_, path) = place.find()?;
    let found = check(&path).with_context(|| path.display().to_string())?;
    for problem in &found.problems {
        writeln!(stdout(), "{problem}")?;
    }
    let read = format!("{} frames, {} packets, {} values read", found.frames, found.packets, found.values);
    if found.problems.is_empty() {
        writeln!(stdout(), "whole: {read}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(stdout(), "damaged: {read}")?;
    Ok(ExitCode::FAILURE)
}

fn run_reprocess(arguments: &ReprocessArguments) -> anyhow::Result<ExitCode> {
    let (configuration, path) = arguments.place.find()?;
    let telemetry = &configuration.telemetry;
    let name = arguments.xtce.display();
    let xml = std::fs::read_to_string(&arguments.xtce)
        .with_context(|| format!("cannot read mission database {name}"))?;
    let options = LoadOptions { lenient: arguments.lenient || telemetry.lenient };
    let loaded = Database::load(&xml, options).with_context(|| format!("mission database {name}"))?;
    for notice in &loaded.notices {
        eprintln!("perigee: {name}: {notice}");
    }
    let database = Arc::new(loaded.database);
    let root = arguments.root.as_deref().or(telemetry.root.as_deref());
    let plan = Arc::new(Plan::compile(&database, root).with_context(|| format!("mission database {name}"))?);
    let range =
        (arguments.start.unwrap_or(Timestamp(i64::MIN)), arguments.end.unwrap_or(Timestamp(i64::MAX)));
    let bar = bar();
    let show = |progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let outcome = reprocess(&path, (&database, &plan), &telemetry.time, range, show);
    bar.finish_and_clear();
    let done = outcome.with_context(|| path.display().to_string())?;
    writeln!(
        stdout(),
        "{} packets decoded, {} not; {} values written, {} segments replaced",
        done.packets,
        done.undecoded,
        done.values,
        done.replaced
    )?;
    Ok(ExitCode::SUCCESS)
}

fn bar() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} packets {per_sec} {eta}") {
        Ok(style) => ProgressBar::new(0).with_style(style),
        Err(_) => ProgressBar::new(0),
    }
}
