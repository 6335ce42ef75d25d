//! What becomes of a unit that is ready, has reloaded or has ended: its job, those that need it, and whether it is
//! started again.

use std::time::Duration;

use super::{
    Cause, Effect, Event, JobId, JobOutcome, Machine, Mode, Outcome, Refusal, Relation, State, UnitId, Verb,
};

impl Machine {
    /// Takes what has happened to a unit. False if it does not fit the unit's state: it came too late, and says
    /// nothing any more.
    pub fn event(&mut self, unit: UnitId, event: Event, now: Duration) -> bool {
        self.now = now;
        let entry = &self.units[unit.index()];
        let waits = entry.restart_at.is_some() || entry.waits;
        match (entry.state, event) {
            (State::Inactive, Event::Ready) if entry.spec.appears => {
                self.appeared(unit);
            }
            (State::Active, Event::Ended(_)) if entry.spec.appears => self.down(unit, Cause::Vanished),
            (State::Activating, Event::Ready) if !waits => {
                self.change(unit, Cause::Ready, State::Active);
                self.end_running(unit, Verb::Start, JobOutcome::Done);
            }
            (State::Reloading, Event::Ready) => {
                self.change(unit, Cause::Reloaded, State::Active);
                self.end_running(unit, Verb::Reload, JobOutcome::Done);
            }
            (State::Reloading, Event::Reloaded(well)) => {
                self.change(unit, Cause::Reloaded, State::Active);
                self.end_running(
                    unit,
                    Verb::Reload,
                    if well { JobOutcome::Done } else { JobOutcome::Failed },
                );
            }
            (State::Active, Event::Reloading) if !entry.spec.appears => {
                self.change(unit, Cause::Reload, State::Reloading);
                let timeout = self.units[unit.index()].spec.start_timeout;
                self.entry(unit).deadline = timeout.map(|timeout| now.saturating_add(timeout));
            }
            (State::Activating, Event::Ended(_)) if waits => return false,
            (State::Inactive | State::Failed, _) => return false,
            (_, Event::Ended(outcome)) => self.ended(unit, outcome),
            (State::Activating | State::Deactivating | State::Reloading, Event::Extend(length)) if !waits => {
                let longer = now.saturating_add(length);
                let entry = self.entry(unit);
                entry.deadline = entry.deadline.map(|deadline| deadline.max(longer));
                // What is asked of it now is another thing than what it was too slow for.
                entry.killed = false;
            }
            (State::Activating, Event::Ending) if !waits => self.ending(unit),
            (State::Active | State::Reloading, Event::Ending) if !entry.spec.appears => self.ending(unit),
            _ => return false,
        }
        self.advance();
        true
    }

    /// A device is there. What it drags along was asked for with it; if nobody has asked, it is now.
    fn appeared(&mut self, unit: UnitId) {
        let asked = self.job_of(unit).is_some_and(|job| job.running);
        self.change(unit, Cause::Appeared, State::Active);
        self.end_running(unit, Verb::Start, JobOutcome::Done);
        let drags = [Relation::Requires, Relation::BindsTo, Relation::Wants];
        let dragged: Vec<_> =
            drags.into_iter().flat_map(|relation| self.graph.to(unit, relation).to_vec()).collect();
        for other in dragged {
            let idle = self.state(other).is_down() && self.job_of(other).is_none();
            if idle
                && !asked
                && let Err(why) = self.enqueue(Verb::Start, other)
            {
                self.effects.push_back(Effect::NotStarted(other, why));
            }
        }
    }

    /// Ends the job of a unit if it works on what has just come to its end.
    fn end_running(&mut self, unit: UnitId, verb: Verb, outcome: JobOutcome) {
        let job = self.job_of(unit).filter(|job| job.running && job.verb == verb).map(|job| job.id);
        if let Some(id) = job {
            self.finish(id, outcome);
        }
    }

    fn ending(&mut self, unit: UnitId) {
        self.change(unit, Cause::Ending, State::Deactivating);
        let (now, entry) = (self.now, self.entry(unit));
        entry.deadline = entry.spec.stop_timeout.map(|timeout| now.saturating_add(timeout));
        entry.killed = false;
    }

    fn ended(&mut self, unit: UnitId, outcome: Outcome) {
        let now = self.now;
        let stopping = self.job_of(unit).is_some_and(super::Job::stops);
        let entry = self.entry(unit);
        // What made it stop counts for more than how it went down.
        let outcome = entry.pending.take().unwrap_or(outcome);
        entry.outcome = outcome;
        if entry.state == State::Active && now.saturating_sub(entry.since) >= entry.spec.restart.stable {
            entry.restarts = 0;
        }
        let asked = std::mem::take(&mut entry.asked);
        if !stopping && !asked && entry.spec.restart.wants(outcome) {
            let delay = entry.spec.restart.delay_after(entry.restarts);
            self.change(unit, Cause::Restart, State::Activating);
            let entry = self.entry(unit);
            entry.restarts = entry.restarts.saturating_add(1);
            entry.all_restarts = entry.all_restarts.saturating_add(1);
            entry.restart_at = Some(now.saturating_add(delay));
            let followers = self.followers(unit);
            self.after_end(unit, outcome);
            followers.into_iter().for_each(|other| self.entry(other).follows = true);
            return;
        }
        let from = self.state(unit);
        let cause = match outcome {
            Outcome::Success if from == State::Deactivating && (asked || stopping) => Cause::Stopped,
            Outcome::Success => Cause::Done,
            Outcome::Skipped if from == State::Activating => Cause::Skipped,
            Outcome::Skipped if from == State::Deactivating => Cause::Stopped,
            Outcome::Skipped => Cause::Done,
            _ => Cause::Failure,
        };
        self.down(unit, cause);
    }

    /// The units that are bound to a unit, at first hand or through others.
    pub(super) fn bound_to(&self, unit: UnitId) -> Vec<UnitId> {
        let (mut found, mut next) = (Vec::new(), 0);
        let mut from = unit;
        loop {
            for other in self.graph.from(from, Relation::BindsTo) {
                if *other != unit && !found.contains(other) {
                    found.push(*other);
                }
            }
            let Some(other) = found.get(next) else { return found };
            (from, next) = (*other, next + 1);
        }
    }

    /// Those of them that are up, or about to be, and come back with it.
    fn followers(&self, unit: UnitId) -> Vec<UnitId> {
        let mut bound = self.bound_to(unit);
        bound.retain(|other| {
            let entry = &self.units[other.index()];
            let job = self.job_of(*other);
            let up = !entry.state.is_down() && job.is_none_or(|job| job.verb != Verb::Stop);
            entry.spec.comes_back && (up || job.is_some_and(super::Job::starts))
        });
        bound
    }

    /// A unit is started: those that went down with it are started too, each in its turn.
    pub(super) fn bring_back(&mut self, unit: UnitId) {
        for other in self.bound_to(unit) {
            if !std::mem::take(&mut self.entry(other).follows) {
                continue;
            }
            if let Err(why) = self.enqueue(Verb::Start, other) {
                self.effects.push_back(Effect::NotStarted(other, why));
            }
        }
    }

    /// A unit is down, and is not started again by itself.
    pub(super) fn down(&mut self, unit: UnitId, cause: Cause) {
        let to = match cause {
            Cause::Failure | Cause::GaveUp => State::Failed,
            _ => State::Inactive,
        };
        self.change(unit, cause, to);
        self.entry(unit).pending = None;
        let outcome = self.outcome(unit);
        self.after_end(unit, outcome);
        match to {
            State::Failed => self.trigger(unit, Relation::OnFailure),
            _ if cause == Cause::Done => self.trigger(unit, Relation::OnSuccess),
            _ => {}
        }
    }

    /// Ends the job of a unit that has gone, and tells those that need it.
    fn after_end(&mut self, unit: UnitId, outcome: Outcome) {
        let job = self.job_of(unit).map(|job| (job.id, job.verb, job.running));
        match job {
            Some((id, Verb::Stop, _)) => self.finish(id, JobOutcome::Done),
            Some((id, Verb::Restart, _)) => self.turn_to_start(id),
            Some((id, Verb::Reload, _)) => self.finish(id, JobOutcome::Failed),
            Some((id, Verb::Start, true)) => match outcome {
                Outcome::Success => self.finish(id, JobOutcome::Done),
                Outcome::Skipped => self.finish(id, JobOutcome::Skipped),
                _ => {
                    self.finish(id, JobOutcome::Failed);
                    self.fail_dependents(unit);
                }
            },
            Some((_, Verb::Start, false)) | None => {}
        }
        // Who is bound to it goes with it, unless it comes back at once.
        let back = self.job_of(unit).is_some_and(super::Job::starts);
        let bound: Vec<_> = self.graph.from(unit, Relation::BindsTo).to_vec();
        for other in bound.into_iter().filter(|_| !back) {
            let state = self.state(other);
            let stops = self.job_of(other).is_some_and(super::Job::stops);
            if !state.is_down() && state != State::Deactivating && !stops {
                self.enqueue_stop(other);
            }
        }
    }

    /// Jobs that start units which need this one, and wait, have failed.
    pub(super) fn fail_dependents(&mut self, unit: UnitId) {
        for relation in [Relation::Requires, Relation::BindsTo, Relation::Requisite] {
            for other in self.graph.from(unit, relation).to_vec() {
                let job = self.job_of(other).filter(|job| job.verb == Verb::Start && !job.running);
                let Some(id) = job.map(|job| job.id) else { continue };
                let entry = &self.units[other.index()];
                if entry.state.is_active() {
                    continue;
                }
                if entry.waits {
                    self.forget_restart(other);
                }
                self.is_without(id, other);
            }
        }
    }

    /// A unit is not started, since one that it needs is not there; it stays as it is. What follows on its failure
    /// follows on this too, but once at a time: it may need the same unit.
    pub(super) fn is_without(&mut self, id: JobId, unit: UnitId) {
        self.finish(id, JobOutcome::Dependency);
        self.fail_dependents(unit);
        let now = Some(self.now);
        if std::mem::replace(&mut self.entry(unit).told, now) != now {
            self.trigger(unit, Relation::OnFailure);
        }
    }

    /// Starts the units that follow on the end of this one.
    pub(super) fn trigger(&mut self, unit: UnitId, relation: Relation) {
        let spec = &self.units[unit.index()].spec;
        let mode = match relation {
            Relation::OnSuccess => spec.on_success_mode,
            _ => spec.on_failure_mode,
        };
        for other in self.graph.to(unit, relation).to_vec() {
            // Two units that start each other when they fail would do so for ever.
            let started = match self.is_at_limit(other) {
                true => Err(Refusal::StartLimit(self.name(other).to_owned())),
                false if mode == Mode::Isolate => {
                    self.effects.push_back(Effect::Isolate(other));
                    continue;
                }
                false => self.enqueue_as(Verb::Start, other, mode),
            };
            if let Err(why) = started {
                self.effects.push_back(Effect::NotStarted(other, why));
            }
        }
    }
}
