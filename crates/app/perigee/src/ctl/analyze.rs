//! `perigee ctl analyze`: how long units took to start, what the last of them waited for, and a picture of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use perigee_init::control::UnitStatus;

use super::act::WhichSupervisor;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Units by how long they took to start, the slowest first
    Blame(WhichSupervisor),
    /// What a unit waited for, and what that waited for, back to the first one
    CriticalChain(Chain),
    /// A picture of all starts as SVG
    Plot(WhichSupervisor),
}

#[derive(Args)]
pub(crate) struct Chain {
    /// The unit that came last
    #[arg(value_name = "UNIT", default_value = "default.target")]
    unit: String,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

/// When a unit began to start, and how long it took, in microseconds.
#[derive(Clone, Copy)]
struct Start {
    began: u64,
    took: u64,
}

fn start(status: &UnitStatus) -> Option<Start> {
    Some(Start { began: status.began?, took: status.took? })
}

pub(crate) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    match verb {
        Verb::Blame(supervisor) => {
            let units = super::tree::all(supervisor)?;
            let mut starts: Vec<_> =
                units.iter().filter_map(|(name, status)| Some((start(status)?.took, name))).collect();
            starts.sort_by(|one, other| other.cmp(one));
            for (took, name) in starts {
                writeln!(out, "{:>12} {name}", length(took))?;
            }
        }
        Verb::CriticalChain(chain) => {
            let units = super::tree::all(&chain.supervisor)?;
            let mut unit = super::full_name(&chain.unit);
            anyhow::ensure!(units.contains_key(&unit), "{unit} is not loaded");
            let mut seen = BTreeSet::new();
            let mut indent = String::new();
            while seen.insert(unit.clone()) {
                let times = units.get(&unit).and_then(start);
                let times = times.map_or(String::new(), |start| {
                    format!(" @{} +{}", length(start.began), length(start.took))
                });
                writeln!(out, "{indent}{unit}{times}")?;
                let Some(next) = waited_for(&units, &unit) else { break };
                unit = next;
                indent = if indent.is_empty() { "└─".to_owned() } else { format!("  {indent}") };
            }
        }
        Verb::Plot(supervisor) => write!(out, "{}", plot(&super::tree::all(supervisor)?))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Of the units that one comes after, the one that was there last.
fn waited_for(units: &BTreeMap<String, UnitStatus>, unit: &str) -> Option<String> {
    let own = units.get(unit).and_then(start)?;
    let after = units.get(unit)?.relations.get("After")?.iter();
    let ready = after.filter_map(|name| {
        let start = start(units.get(name)?)?;
        Some((start.began + start.took, name))
    });
    // What was there only after this one began is nothing that it waited for, unless this one is a target.
    let ready = ready.filter(|(at, _)| *at <= own.began + own.took);
    ready.max().map(|(_, name)| name.clone())
}

fn length(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}.{:01}ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{:03}s", micros / 1_000_000, micros % 1_000_000 / 1_000),
    }
}

/// A bar for each unit, in the order in which they began.
fn plot(units: &BTreeMap<String, UnitStatus>) -> String {
    const ROW: u64 = 20;
    const WIDTH: f64 = 1000.0;
    let mut starts: Vec<_> = units
        .iter()
        .filter_map(|(name, status)| Some((start(status)?, name, status.listed.active.as_str())))
        .collect();
    starts.sort_by_key(|(start, name, _)| (start.began, *name));
    let end = starts.iter().map(|(start, ..)| start.began + start.took).max().unwrap_or(1).max(1);
    let scale = WIDTH / end as f64;
    let height = (starts.len() as u64 + 2) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1400\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for tenth in 0..=10_u64 {
        let x = WIDTH * tenth as f64 / 10.0 + 10.0;
        let label = length(end * tenth / 10);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{ROW}\" x2=\"{x:.1}\" y2=\"{height}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"14\" fill=\"#666\">{label}</text>"
        );
    }
    for (row, (start, name, active)) in starts.iter().enumerate() {
        let y = (row as u64 + 1) * ROW + 4;
        let x = start.began as f64 * scale + 10.0;
        let width = (start.took as f64 * scale).max(1.5);
        let colour = if *active == "failed" { "#c0392b" } else { "#2e86c1" };
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{} ({})</text>",
            x + width + 4.0,
            y + 11,
            escaped(name),
            length(start.took)
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, began: u64, took: u64, after: &[&str]) -> (String, UnitStatus) {
        let mut status = UnitStatus { began: Some(began), took: Some(took), ..UnitStatus::default() };
        status.listed.unit = name.to_owned();
        status.relations.insert("After".to_owned(), after.iter().map(|name| (*name).to_owned()).collect());
        (name.to_owned(), status)
    }

    #[test]
    fn the_chain_leads_to_what_was_there_last() {
        let units = BTreeMap::from([
            unit("quick.service", 0, 10, &[]),
            unit("slow.service", 0, 500, &[]),
            unit("late.service", 400, 900, &[]),
            unit("all.target", 500, 1, &["quick.service", "slow.service", "late.service"]),
        ]);
        assert_eq!(waited_for(&units, "all.target").as_deref(), Some("slow.service"));
        assert_eq!(waited_for(&units, "slow.service"), None);
    }

    #[test]
    fn every_start_is_in_the_picture() {
        let units = BTreeMap::from([unit("a&b.service", 0, 10, &[]), unit("c.service", 5, 10, &[])]);
        let svg = plot(&units);
        assert!(svg.contains("a&amp;b.service (10us)") && svg.contains("c.service (10us)"), "{svg}");
        assert_eq!(svg.matches("#2e86c1").count(), 2);
    }

    #[test]
    fn lengths_are_told_in_their_size() {
        assert_eq!([999, 1_500, 2_345_678].map(length), ["999us", "1.5ms", "2.345s"]);
    }
}
