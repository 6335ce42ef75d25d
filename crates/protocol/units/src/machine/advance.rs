//! Jobs that can work begin to; time passes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Cause, Effect, JobId, JobOutcome, Machine, Mode, Outcome, Relation, State, UnitId, Verb};

impl Machine {
    /// Lets every job begin that waits for no other, until none is left that can.
    pub(super) fn advance(&mut self) {
        let mut kept = BTreeSet::new();
        loop {
            while let Some(id) = self.candidates.pop_first() {
                let waits = self.jobs.get(&id).is_some_and(|job| !job.running);
                if waits && self.may_begin(id) {
                    self.begin(id);
                }
            }
            self.keep(&mut kept);
            if self.candidates.is_empty() {
                return;
            }
        }
    }

    /// Whether the order lets a job begin.
    fn may_begin(&mut self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id) else { return false };
        let unit = job.unit;
        if job.mode == Mode::IgnoreDependencies {
            return true;
        }
        // Whom it has waited for last it most likely still waits for.
        if !job.stops()
            && job.waits_for.is_some_and(|other| self.job_of(other).is_some_and(super::Job::starts))
        {
            return false;
        }
        let after = self.graph.to(unit, Relation::After);
        let before = self.graph.from(unit, Relation::After);
        if job.stops() {
            // Those that come after it stop first.
            return !before.iter().any(|other| {
                let given_up = self.given_up.contains(&(*other, unit));
                !given_up && self.job_of(*other).is_some_and(super::Job::stops)
            });
        }
        let begin = job.looked_at.min(after.len());
        let mut places = (begin..after.len()).chain(0..begin);
        let waits = places.find(|place| self.job_of(after[*place]).is_some_and(super::Job::starts));
        if let Some(place) = waits {
            let waits_for = Some(after[place]);
            if let Some(job) = self.jobs.get_mut(&id) {
                (job.waits_for, job.looked_at) = (waits_for, place);
            }
            return false;
        }
        let waits_for_stop =
            after.iter().chain(before).any(|other| self.job_of(*other).is_some_and(super::Job::stops));
        let conflicts = self.graph.to(unit, Relation::Conflicts).iter();
        let mut conflicts = conflicts.chain(self.graph.from(unit, Relation::Conflicts));
        // Whom it excludes must be gone, whatever the order.
        let excluded = conflicts.any(|other| self.job_of(*other).is_some_and(|job| job.verb == Verb::Stop));
        !waits_for_stop && !excluded
    }

    /// Begins a job, unless the state of the unit lets it wait.
    fn begin(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (unit, verb) = (job.unit, job.verb);
        let entry = &self.units[unit.index()];
        let waits = entry.restart_at.is_some() || entry.waits;
        match (verb, entry.state) {
            // It comes and goes by itself: what is left to do is to wait for it.
            (Verb::Start, State::Inactive) if entry.spec.appears => self.run(id),
            (Verb::Stop | Verb::Restart, State::Active) if entry.spec.appears => {
                self.finish(id, JobOutcome::Done);
            }
            (Verb::Stop, State::Inactive | State::Failed) => self.finish(id, JobOutcome::Done),
            (Verb::Stop, State::Activating) if waits => {
                self.forget_restart(unit);
                self.finish(id, JobOutcome::Done);
            }
            (Verb::Restart, State::Inactive | State::Failed) => self.turn_to_start(id),
            (Verb::Restart, State::Activating) if waits => self.turn_to_start(id),
            (Verb::Stop | Verb::Restart, State::Deactivating) => {
                self.run(id);
                self.entry(unit).asked = true;
            }
            (Verb::Stop | Verb::Restart, _) => {
                self.run(id);
                self.entry(unit).asked = true;
                self.stop(unit, Cause::Stop);
            }
            (Verb::Start, State::Active | State::Reloading) => self.finish(id, JobOutcome::Done),
            (Verb::Start, State::Activating) if !waits => self.run(id),
            (Verb::Start, State::Deactivating) => {}
            (Verb::Start, _) => self.start(id, unit),
            (Verb::Reload, State::Active) => {
                self.run(id);
                self.change(unit, Cause::Reload, State::Reloading);
                let entry = self.entry(unit);
                entry.deadline = entry.spec.start_timeout;
                self.count_from_now(unit);
                self.effects.push_back(Effect::Reload(unit));
            }
            (Verb::Reload, State::Inactive | State::Failed) => self.finish(id, JobOutcome::Failed),
            (Verb::Reload, State::Activating) if waits => self.finish(id, JobOutcome::Failed),
            (Verb::Reload, _) => {}
        }
    }

    fn run(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.running = true;
        let works = self.units[job.unit.index()].spec.job_running_timeout;
        let until = works.map(|timeout| self.now.saturating_add(timeout));
        job.deadline = job.deadline.into_iter().chain(until).min();
    }

    /// The unit of a restart is down: what is left is to start it.
    pub(super) fn turn_to_start(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            (job.verb, job.running) = (Verb::Start, false);
            let unit = job.unit;
            self.look_again(unit);
        }
    }

    /// Deadlines are set as lengths; this counts them from now.
    fn count_from_now(&mut self, unit: UnitId) {
        let now = self.now;
        let entry = self.entry(unit);
        entry.deadline = entry.deadline.map(|length| now.saturating_add(length));
    }

    pub(super) fn stop(&mut self, unit: UnitId, cause: Cause) {
        self.change(unit, cause, State::Deactivating);
        let entry = self.entry(unit);
        (entry.deadline, entry.killed) = (entry.spec.stop_timeout, false);
        self.count_from_now(unit);
        self.effects.push_back(Effect::Stop(unit));
    }

    fn start(&mut self, id: JobId, unit: UnitId) {
        let alone = self.jobs.get(&id).is_some_and(|job| job.mode.is_alone());
        let requisites = self.graph.to(unit, Relation::Requisite).iter().filter(|_| !alone);
        let bound = self.graph.to(unit, Relation::BindsTo).iter();
        let bound = bound.filter(|other| self.graph.to(unit, Relation::After).contains(other));
        if requisites.chain(bound).any(|other| !self.state(*other).is_active()) {
            self.forget_restart(unit);
            self.is_without(id, unit);
            return;
        }
        if self.is_at_limit(unit) {
            // It may be asked for again by what follows on its failure; that follows once.
            let told = self.state(unit) == State::Failed && self.outcome(unit) == Outcome::StartLimit;
            self.entry(unit).outcome = Outcome::StartLimit;
            self.change(unit, Cause::StartLimit, State::Failed);
            self.finish(id, JobOutcome::Failed);
            self.fail_dependents(unit);
            if !told {
                self.trigger(unit, Relation::OnFailure);
            }
            return;
        }
        self.count_start(unit);
        self.run(id);
        if self.state(unit).is_down() {
            self.entry(unit).all_restarts = 0;
        }
        self.change(unit, Cause::Start, State::Activating);
        let entry = self.entry(unit);
        (entry.deadline, entry.pending, entry.asked) = (entry.spec.start_timeout, None, false);
        entry.follows = false;
        self.count_from_now(unit);
        self.effects.push_back(Effect::Start(unit));
        self.bring_back(unit);
    }

    /// Whether it was started as often as it may be.
    pub(super) fn is_at_limit(&self, unit: UnitId) -> bool {
        let entry = &self.units[unit.index()];
        let (burst, interval) = (entry.spec.start_limit_burst as usize, entry.spec.start_limit_interval);
        let lately = entry.starts.iter().filter(|start| self.now.saturating_sub(**start) < interval);
        !interval.is_zero() && burst > 0 && lately.count() >= burst
    }

    /// Counts a start.
    fn count_start(&mut self, unit: UnitId) {
        let now = self.now;
        let entry = self.entry(unit);
        let burst = entry.spec.start_limit_burst as usize;
        entry.starts.push_back(now);
        while entry.starts.len() > burst {
            entry.starts.pop_front();
        }
    }

    /// Does what is due at this time.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        let due = |time: Option<Duration>| time.is_some_and(|time| time <= now);
        let late: Vec<_> = self.jobs.values().filter(|job| due(job.deadline)).map(|job| job.id).collect();
        for id in late {
            let unit = self.jobs.get(&id).map(|job| (job.unit, job.starts()));
            self.finish(id, JobOutcome::Timeout);
            let Some((unit, starts)) = unit else { continue };
            if self.units[unit.index()].waits {
                self.forget_restart(unit);
            }
            if starts {
                self.fail_dependents(unit);
            }
        }
        for unit in self.units() {
            let entry = &self.units[unit.index()];
            if due(entry.restart_at) {
                self.start_again(unit);
            } else if due(entry.deadline) {
                self.too_late(unit);
            }
        }
        self.advance();
    }

    /// A unit has waited long enough to be started again.
    fn start_again(&mut self, unit: UnitId) {
        let entry = self.entry(unit);
        (entry.restart_at, entry.waits) = (None, true);
        if self.job_of(unit).is_some() {
            return;
        }
        if let Err(why) = self.enqueue(Verb::Start, unit) {
            self.effects.push_back(Effect::NotStarted(unit, why));
            self.change(unit, Cause::Failure, State::Failed);
            self.trigger(unit, Relation::OnFailure);
        }
    }

    fn too_late(&mut self, unit: UnitId) {
        let job = self.units[unit.index()].job;
        let entry = self.entry(unit);
        match entry.state {
            State::Activating => {
                (entry.outcome, entry.pending) = (Outcome::Timeout, Some(Outcome::Timeout));
                self.stop(unit, Cause::Timeout);
            }
            State::Deactivating if !entry.killed => {
                (entry.killed, entry.deadline) = (true, entry.spec.stop_timeout);
                self.count_from_now(unit);
                self.effects.push_back(Effect::Kill(unit));
            }
            State::Deactivating => {
                entry.outcome = Outcome::Timeout;
                self.down(unit, Cause::GaveUp);
            }
            State::Reloading => {
                self.change(unit, Cause::Reloaded, State::Active);
                if let Some(id) = job.filter(|id| self.jobs.get(id).is_some_and(|job| job.running)) {
                    self.finish(id, JobOutcome::Timeout);
                }
            }
            State::Inactive | State::Active | State::Failed => entry.deadline = None,
        }
    }
}
