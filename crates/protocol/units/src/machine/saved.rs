//! A machine on its way from one program to the next: everything but what is declared, which is read anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Entry, Job, JobId, Machine, UnitId};

/// What a machine knows of its units beside what was declared of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    units: Vec<(String, Entry)>,
    jobs: Vec<Job>,
    last_job: u64,
    sequence: u64,
    given_up: Vec<(UnitId, UnitId)>,
}

impl Saved {
    /// The names of its units.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.units.iter().map(|(name, _)| name.as_str())
    }
}

impl Machine {
    /// Everything but what is declared. Effects that were not taken are lost: take them first.
    pub fn save(&self) -> Saved {
        Saved {
            units: self.units.iter().map(|entry| (entry.spec.name.clone(), entry.clone())).collect(),
            jobs: self.jobs.values().cloned().collect(),
            last_job: self.last_job,
            sequence: self.sequence,
            given_up: self.given_up.iter().copied().collect(),
        }
    }

    /// Goes on where another machine was saved. Units that are not loaded here are left out, their jobs too.
    pub fn restore(&mut self, saved: Saved, now: Duration) {
        self.now = now;
        let mut place: BTreeMap<UnitId, UnitId> = BTreeMap::new();
        for (index, (name, entry)) in saved.units.into_iter().enumerate() {
            let Some(unit) = self.unit(&name) else { continue };
            place.insert(UnitId(index as u32), unit);
            let known = &mut self.units[unit.index()];
            let spec = std::mem::take(&mut known.spec);
            *known = Entry { spec, ..entry };
        }
        let here = |unit: UnitId| place.get(&unit).copied();
        let jobs = saved
            .jobs
            .into_iter()
            .filter_map(|job| Some(Job { unit: here(job.unit)?, waits_for: None, looked_at: 0, ..job }));
        self.jobs = jobs.map(|job| (job.id, job)).collect();
        self.last_job = saved.last_job;
        self.sequence = saved.sequence;
        let given_up = saved.given_up.into_iter().filter_map(|(one, other)| Some((here(one)?, here(other)?)));
        self.given_up = given_up.collect();
        let jobs: BTreeSet<JobId> = self.jobs.keys().copied().collect();
        for entry in &mut self.units {
            entry.job = entry.job.filter(|job| jobs.contains(job));
        }
        self.candidates = jobs;
        self.advance();
    }
}
