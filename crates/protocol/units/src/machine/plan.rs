//! A request becomes a plan: the jobs of all units that it touches, or a refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Cause, Effect, Job, JobId, JobOutcome, Machine, Mode, Relation, State, UnitId, Verb};

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A unit that is needed does not exist.
    #[error("{unit} needs {needs}, which does not exist")]
    Missing {
        /// Who needs it.
        unit: String,
        /// What does not exist.
        needs: String,
    },
    /// A unit would have to be started and stopped.
    #[error("{0} would have to be started and stopped at once")]
    Contradiction(String),
    /// What is asked for is contrary to what is asked for already and must not be cancelled.
    #[error("{0} has a contrary job, which is not cancelled for this")]
    Contrary(String),
    /// Units come after each other in a circle, and none of them can be left out.
    #[error("the units come after each other in a circle: {}", .0.join(" after "))]
    Cycle(Vec<String>),
    /// A unit that knows no reloading.
    #[error("{0} cannot be reloaded")]
    CannotReload(String),
    /// A unit that was started too often.
    #[error("{0} was started too often")]
    StartLimit(String),
    /// A unit that is started or stopped with others only.
    #[error("{0} is started and stopped with other units only")]
    Manual(String),
    /// A unit that is not there cannot reload.
    #[error("{0} is not active")]
    NotActive(String),
}

/// What is planned for a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Planned {
    verb: Verb,
    /// The request fails without it.
    needed: bool,
}

/// A plan in the making; what a wanted unit has added can be taken back.
struct Plan<'a> {
    machine: &'a Machine,
    mode: Mode,
    /// No job withstands it.
    must: bool,
    jobs: BTreeMap<UnitId, Planned>,
    undo: Vec<(UnitId, Option<Planned>)>,
    left_out: Vec<(UnitId, Refusal)>,
}

impl Machine {
    /// Asks something of a unit, and of every unit that it drags along. The job is done when
    /// [`Effect::JobDone`] says so.
    ///
    /// # Errors
    /// It cannot be done; nothing has changed then.
    pub fn request(&mut self, verb: Verb, unit: UnitId, now: Duration) -> Result<JobId, Refusal> {
        self.request_as(verb, unit, Mode::Replace, now)
    }

    /// Plans a request and makes its jobs.
    pub(super) fn enqueue(&mut self, verb: Verb, unit: UnitId) -> Result<JobId, Refusal> {
        self.enqueue_as(verb, unit, Mode::Replace)
    }

    pub(super) fn enqueue_as(&mut self, verb: Verb, unit: UnitId, mode: Mode) -> Result<JobId, Refusal> {
        self.make_jobs(verb, unit, mode, false)
    }

    /// Stops a unit, since what has happened leaves nothing else: no job withstands that.
    pub(super) fn enqueue_stop(&mut self, unit: UnitId) {
        // Stopping alone is never a contradiction, and nothing is missing for it.
        let _ = self.make_jobs(Verb::Stop, unit, Mode::Replace, true);
    }

    fn make_jobs(&mut self, verb: Verb, unit: UnitId, mode: Mode, must: bool) -> Result<JobId, Refusal> {
        let down = self.units[unit.index()].state.is_down();
        let verb = match verb {
            Verb::Restart if down && self.job_of(unit).is_none_or(|job| !job.starts()) => Verb::Start,
            Verb::Reload if !self.units[unit.index()].spec.can_reload => {
                return Err(Refusal::CannotReload(self.name(unit).to_owned()));
            }
            // What is down, or is to go, does not reload.
            Verb::Reload if self.job_of(unit).map_or(down, |job| !job.starts()) => {
                return Err(Refusal::NotActive(self.name(unit).to_owned()));
            }
            verb => verb,
        };
        let mut plan =
            Plan { machine: self, mode, must, jobs: BTreeMap::new(), undo: Vec::new(), left_out: Vec::new() };
        match mode.is_alone() {
            true => plan.set(unit, Planned { verb, needed: true })?,
            false => plan.add(unit, verb, true)?,
        }
        let mut effects: Vec<_> =
            plan.left_out.drain(..).map(|(unit, why)| Effect::NotStarted(unit, why)).collect();
        let mut jobs = plan.jobs;
        // What is there already needs no job, and nobody waits for it.
        jobs.retain(|planned, job| {
            let idle = self.units[planned.index()].job.is_none();
            *planned == unit || job.verb != Verb::Start || !idle || !self.state(*planned).is_active()
        });
        if mode != Mode::IgnoreDependencies {
            effects.extend(self.cut_cycles(&mut jobs, unit)?);
        }
        self.effects.extend(effects);
        let (mut id, mut all) = (None, Vec::new());
        for (planned, job) in jobs {
            let made = self.install(planned, job.verb, mode);
            all.push(made);
            if planned == unit {
                id = Some(made);
            }
        }
        if mode == Mode::Flush {
            self.flush(&all);
        }
        // The unit that was asked for is in its own plan.
        Ok(id.unwrap_or(JobId(0)))
    }

    /// Leaves wanted units out until no units that start come after each other in a circle.
    fn cut_cycles(
        &mut self,
        jobs: &mut BTreeMap<UnitId, Planned>,
        anchor: UnitId,
    ) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        loop {
            let starting = self.among(jobs, |verb| verb != Verb::Stop);
            let Some(cycle) = self.graph.cycle(&starting, |_, _| false) else { break };
            let cuts = cycle.iter().filter_map(|unit| {
                let dropped = self.without(jobs, *unit, anchor)?;
                Some((dropped.len(), *unit, dropped))
            });
            let Some((_, cut, dropped)) = cuts.min_by_key(|(count, unit, _)| (*count, *unit)) else {
                return Err(Refusal::Cycle(cycle.iter().map(|unit| self.name(*unit).to_owned()).collect()));
            };
            jobs.retain(|unit, _| !dropped.contains(unit));
            effects.push(Effect::Cycle(cycle, Some(cut)));
        }
        // Stopping is never refused: an order that cannot be kept is given up.
        loop {
            let stopping = self.among(jobs, |verb| matches!(verb, Verb::Stop | Verb::Restart));
            let cycle = self.graph.cycle(&stopping, |unit, other| self.given_up.contains(&(unit, other)));
            let Some(cycle) = cycle else { return Ok(effects) };
            self.given_up.insert((cycle[0], cycle[1]));
            self.look_again(cycle[1]);
            effects.push(Effect::Cycle(cycle, None));
        }
    }

    /// The units with jobs of a kind, planned and made.
    fn among(&self, jobs: &BTreeMap<UnitId, Planned>, kind: impl Fn(Verb) -> bool) -> Vec<UnitId> {
        let planned = jobs.iter().filter(|(_, job)| kind(job.verb)).map(|(unit, _)| *unit);
        // What keeps no order is in no circle.
        let ordered = self.jobs.values().filter(|job| job.mode != Mode::IgnoreDependencies);
        let made = ordered.filter(|job| kind(job.verb)).map(|job| job.unit);
        let made = made.filter(|unit| !jobs.contains_key(unit));
        planned.chain(made).collect()
    }

    /// The units that are not started if this one is not; none if the request would fail by it.
    fn without(&self, jobs: &BTreeMap<UnitId, Planned>, unit: UnitId, anchor: UnitId) -> Option<Vec<UnitId>> {
        let (mut dropped, mut queue) = (Vec::new(), vec![unit]);
        while let Some(unit) = queue.pop() {
            if dropped.contains(&unit) {
                continue;
            }
            let planned = jobs.get(&unit).filter(|job| job.verb == Verb::Start)?;
            if planned.needed || unit == anchor {
                return None;
            }
            dropped.push(unit);
            for relation in [Relation::Requires, Relation::BindsTo] {
                let dependents = self.graph.from(unit, relation).iter();
                queue.extend(
                    dependents.filter(|other| jobs.get(other).is_some_and(|job| job.verb == Verb::Start)),
                );
            }
        }
        Some(dropped)
    }

    /// Makes a job, or lets it become one with that which the unit has.
    fn install(&mut self, unit: UnitId, verb: Verb, mode: Mode) -> JobId {
        if let Some(job) = self.job_of(unit) {
            let (id, same) = (
                job.id,
                match (job.verb, verb) {
                    (Verb::Restart, Verb::Start) | (Verb::Start | Verb::Restart, Verb::Reload) => true,
                    // What has not begun to start needs no stop before it.
                    (Verb::Start, Verb::Restart) => !job.running && self.units[unit.index()].state.is_down(),
                    (old, new) => old == new,
                },
            );
            if same {
                if let Some(job) = self.jobs.get_mut(&id).filter(|_| mode != Mode::Replace) {
                    job.mode = mode;
                    self.look_again(unit);
                }
                return id;
            }
            self.finish(id, JobOutcome::Cancelled);
        }
        self.last_job += 1;
        let id = JobId(self.last_job);
        let entry = &mut self.units[unit.index()];
        entry.job = Some(id);
        // A unit whose start goes on, since its stop was cancelled before it began, works on this job already.
        let waits = entry.restart_at.is_some() || entry.waits;
        let running = verb == Verb::Start && entry.state == State::Activating && !waits;
        let deadline = entry.spec.job_timeout.map(|timeout| self.now.saturating_add(timeout));
        self.jobs.insert(id, Job { id, unit, verb, running, deadline, waits_for: None, looked_at: 0, mode });
        self.look_again(unit);
        id
    }
}

impl Plan<'_> {
    fn add(&mut self, unit: UnitId, verb: Verb, needed: bool) -> Result<(), Refusal> {
        match verb {
            Verb::Start => self.start(unit, needed),
            Verb::Stop => self.stop(unit, needed),
            Verb::Restart => {
                self.restart(unit, needed)?;
                self.drag(unit, needed)
            }
            Verb::Reload => {
                self.set(unit, Planned { verb, needed })?;
                for other in self.machine.graph.to(unit, Relation::ReloadTo) {
                    let entry = &self.machine.units[other.index()];
                    let stays = self.machine.job_of(*other).is_none_or(Job::starts);
                    if entry.state.is_active()
                        && stays
                        && entry.spec.can_reload
                        && !self.jobs.contains_key(other)
                    {
                        self.add(*other, Verb::Reload, false)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn set(&mut self, unit: UnitId, planned: Planned) -> Result<(), Refusal> {
        let withstands = |job: &Job| !self.must && job.withstands(planned.verb, self.mode);
        if self.machine.job_of(unit).is_some_and(withstands) {
            return Err(Refusal::Contrary(self.machine.name(unit).to_owned()));
        }
        self.undo.push((unit, self.jobs.insert(unit, planned)));
        Ok(())
    }

    fn contradiction(&self, unit: UnitId) -> Refusal {
        Refusal::Contradiction(self.machine.name(unit).to_owned())
    }

    fn start(&mut self, unit: UnitId, needed: bool) -> Result<(), Refusal> {
        match self.jobs.get(&unit) {
            Some(planned) if planned.verb == Verb::Stop => return Err(self.contradiction(unit)),
            Some(planned) if planned.needed || !needed => return Ok(()),
            Some(planned) => self.set(unit, Planned { verb: planned.verb, needed })?,
            None => self.set(unit, Planned { verb: Verb::Start, needed })?,
        }
        self.drag(unit, needed)
    }

    /// What starting a unit drags along.
    fn drag(&mut self, unit: UnitId, needed: bool) -> Result<(), Refusal> {
        let machine = self.machine;
        if let Some(needs) = machine.graph.missing(unit) {
            return Err(Refusal::Missing { unit: machine.name(unit).to_owned(), needs: needs.to_owned() });
        }
        for relation in [Relation::Requires, Relation::BindsTo] {
            for other in machine.graph.to(unit, relation) {
                self.start(*other, needed)?;
            }
        }
        let conflicts = machine.graph.to(unit, Relation::Conflicts).iter();
        for other in conflicts.chain(machine.graph.from(unit, Relation::Conflicts)) {
            self.stop_if_up(*other, needed)?;
        }
        for other in machine.graph.to(unit, Relation::Wants) {
            let mark = self.undo.len();
            if let Err(why) = self.start(*other, false) {
                // It is only wanted: as if nothing had been said of it.
                for (unit, before) in self.undo.drain(mark..).rev() {
                    match before {
                        Some(before) => self.jobs.insert(unit, before),
                        None => self.jobs.remove(&unit),
                    };
                }
                self.left_out.push((*other, why));
            }
        }
        Ok(())
    }

    fn stop(&mut self, unit: UnitId, needed: bool) -> Result<(), Refusal> {
        match self.jobs.get(&unit) {
            Some(planned) if planned.verb != Verb::Stop => return Err(self.contradiction(unit)),
            Some(planned) if planned.needed || !needed => return Ok(()),
            _ => self.set(unit, Planned { verb: Verb::Stop, needed })?,
        }
        for relation in [Relation::Requires, Relation::Requisite, Relation::BindsTo, Relation::PartOf] {
            for other in self.machine.graph.from(unit, relation) {
                self.stop_if_up(*other, needed)?;
            }
        }
        Ok(())
    }

    /// Whether the unit runs, or is about to, without this plan.
    fn is_up(&self, unit: UnitId) -> bool {
        let job = self.machine.job_of(unit);
        !self.machine.units[unit.index()].state.is_down() || job.is_some_and(Job::starts)
    }

    fn stop_if_up(&mut self, unit: UnitId, needed: bool) -> Result<(), Refusal> {
        let planned = self.jobs.get(&unit).is_some_and(|planned| planned.verb != Verb::Stop);
        if planned || self.is_up(unit) { self.stop(unit, needed) } else { Ok(()) }
    }

    fn restart(&mut self, unit: UnitId, needed: bool) -> Result<(), Refusal> {
        match self.jobs.get(&unit) {
            Some(planned) if planned.verb == Verb::Stop => return Err(self.contradiction(unit)),
            Some(planned) if planned.verb == Verb::Restart => return Ok(()),
            _ => self.set(unit, Planned { verb: Verb::Restart, needed })?,
        }
        for relation in [Relation::Requires, Relation::BindsTo, Relation::PartOf] {
            for other in self.machine.graph.from(unit, relation) {
                // What is to go does not come back by this.
                let stays = self.machine.job_of(*other).is_none_or(Job::starts);
                if stays && self.is_up(*other) {
                    self.restart(*other, needed)?;
                }
            }
        }
        Ok(())
    }
}

impl Machine {
    /// Ends a job.
    pub(super) fn finish(&mut self, id: JobId, outcome: JobOutcome) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let entry = self.entry(job.unit);
        if entry.job == Some(id) {
            entry.job = None;
        }
        self.look_again(job.unit);
        self.moved(job.unit);
        self.effects.push_back(Effect::JobDone(id, job.unit, job.verb, outcome));
    }

    /// A unit that waited to be started again waits no more.
    pub(super) fn forget_restart(&mut self, unit: UnitId) {
        if self.units[unit.index()].state == State::Activating {
            self.change(unit, Cause::Stopped, State::Inactive);
        }
    }
}
