//! Supervisors: the same units under Perigee, systemd, s6, runit and openrc, each as the first process; beside
//! them the same processes started by a bare loop.
//!
//! On this machine in a process name space, where systemd does not run, and in a virtual machine without hardware
//! help, where everything is some ten times slower and only the ratios say something. Each figure is the best of
//! several runs. `PERIGEE_BENCH_UNITS` says how many units there are (1,000).

mod machine;
mod place;

use std::collections::BTreeMap;

use crate::table::Row;
use place::{Figures, Place};

/// How many units crash in a storm.
const STORM: u64 = 100;
/// Openrc takes seconds for what the others do in milliseconds; a tenth of the units is enough to see that.
const OPENRC_SHARE: u64 = 10;

/// All figures of one peer in one scenario, each the best of the runs.
type Best = BTreeMap<String, f64>;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let count = std::env::var("PERIGEE_BENCH_UNITS").ok().map_or(Ok(1_000), |text| text.parse())?;
    let mut rows = Vec::new();
    for place in Place::all()? {
        let mut report = Report { place, count, rows: &mut rows };
        for kind in ["once", "long"] {
            report.units(kind)?;
        }
        report.storm()?;
        report.boot()?;
    }
    Ok(rows)
}

struct Report<'a> {
    place: Place,
    count: u64,
    rows: &'a mut Vec<Row>,
}

impl Report<'_> {
    fn best(&self, peer: &str, scenario: &str, count: u64) -> Option<Best> {
        let mut best = Best::new();
        for _ in 0..self.place.runs() {
            let figures: Figures = match self.place.measure(peer, scenario, count) {
                Ok(figures) => figures,
                Err(error) => {
                    eprintln!("  {} {peer} {scenario}: {error:#}", self.place.name());
                    return None;
                }
            };
            eprintln!("  {} {peer} {scenario} {count}: {figures:?}", self.place.name());
            for (name, value) in figures {
                let kept = best.entry(name).or_insert(value);
                *kept = kept.min(value);
            }
        }
        Some(best)
    }

    fn row(
        &mut self,
        work: &str,
        name: &str,
        unit: &str,
        ours: &Best,
        peer: &str,
        theirs: &Best,
        limit: &str,
    ) {
        let (Some(&our), Some(&their)) = (ours.get(name), theirs.get(name)) else { return };
        self.rows.push(Row {
            work: format!("{work}, {}", self.place.name()),
            ours: format!("{our:.1} {unit}"),
            peer: peer.to_owned(),
            theirs: format!("{their:.1} {unit}"),
            ratio: their / our,
            wanted: Some(1.0),
            limit: limit.to_owned(),
        });
    }

    fn units(&mut self, kind: &str) -> anyhow::Result<()> {
        let Some(floor) = self.best("floor", kind, self.count) else { return Ok(()) };
        let Some(ours) = self.best("perigee", kind, self.count) else { return Ok(()) };
        let limit = format!("{:.1} ms for a bare loop", floor["ready_ms"]);
        let word = if kind == "once" { "one-shot" } else { "long-running" };
        for peer in self.place.peers() {
            let share = if *peer == "openrc" { OPENRC_SHARE } else { 1 };
            let Some(mut theirs) = self.best(peer, kind, self.count / share) else { continue };
            let shown = if share == 1 {
                (*peer).to_owned()
            } else {
                format!("{peer} (of {} units, times {share})", self.count / share)
            };
            for name in ["ready_ms", "done_ms"] {
                theirs.entry(name.to_owned()).and_modify(|value| *value *= share as f64);
            }
            let work = format!("{} {word} units, from nothing to all started", self.count);
            self.row(&work, "ready_ms", "ms", &ours, &shown, &theirs, &limit);
            self.row(
                &work.replace("started", "known to be ready"),
                "done_ms",
                "ms",
                &ours,
                &shown,
                &theirs,
                &limit,
            );
            if kind == "long" && share == 1 {
                let work = format!("resident memory of the supervisor with {} units", self.count);
                let processes = format!("{} and {} processes", ours["processes"], theirs["processes"]);
                self.row(&format!("{work} (PSS)"), "pss_kib", "KiB", &ours, peer, &theirs, &processes);
                self.row(&format!("{work} (RSS)"), "rss_kib", "KiB", &ours, peer, &theirs, &processes);
                self.row(
                    "one unit, from the command to its first instruction",
                    "start_min_ms",
                    "ms",
                    &ours,
                    peer,
                    &theirs,
                    "",
                );
                self.row(
                    "one unit, until the command returns",
                    "start_returned_min_ms",
                    "ms",
                    &ours,
                    peer,
                    &theirs,
                    "",
                );
            }
        }
        Ok(())
    }

    fn storm(&mut self) -> anyhow::Result<()> {
        let Some(ours) = self.best("perigee", "storm", STORM) else { return Ok(()) };
        for peer in self.place.peers().iter().filter(|peer| **peer != "openrc") {
            let Some(theirs) = self.best(peer, "storm", STORM) else { continue };
            let rates =
                format!("{:.0} and {:.0} restarts/s", ours["restarts_per_s"], theirs["restarts_per_s"]);
            let work = format!("{STORM} units that crash every 100 ms");
            self.row(
                &format!("{work}: CPU a restart"),
                "cpu_per_restart_us",
                "µs",
                &ours,
                peer,
                &theirs,
                &rates,
            );
            self.row(
                &format!("{work}: crash to start"),
                "latency_mean_ms",
                "ms",
                &ours,
                peer,
                &theirs,
                &rates,
            );
        }
        Ok(())
    }

    fn boot(&mut self) -> anyhow::Result<()> {
        if !self.place.boots() {
            return Ok(());
        }
        let Some(ours) = self.best("perigee", "boot", 0) else { return Ok(()) };
        let Some(theirs) = self.best("systemd", "boot", 0) else { return Ok(()) };
        self.row("from PID 1 to nginx and redis answering", "ready_ms", "ms", &ours, "systemd", &theirs, "");
        Ok(())
    }
}
