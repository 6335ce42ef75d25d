//! The supervisor as one pure state machine: requests, events of units and time go in, effects come out.
//!
//! It starts no process and reads no clock. Whoever runs it carries out each [`Effect`], says by [`Event`]s what came
//! of it, and calls [`Machine::tick`] when [`Machine::timeout`] has come. The same requests, events and times give
//! the same effects.
//!
//! - [`TRANSITIONS`] lists every way from one [`State`] to another; nothing else changes a state.
//! - A unit has one job at most. A contrary request cancels it; every job ends exactly once.
//! - A job that starts a unit waits for the jobs of the units that it comes after; one that stops waits for those
//!   that come after it. Stopping comes before starting.
//!
//! ```
//! use std::time::Duration;
//! use perigee_units::machine::{Effect, Event, Machine, Relation, Spec, State, Verb};
//!
//! let radio = Spec::new("radio.service");
//! let beacon = Spec::new("beacon.service").with(Relation::Requires, "radio.service").with(Relation::After, "radio.service");
//! let mut machine = Machine::new(vec![radio, beacon]);
//! let (radio, beacon) = (machine.unit("radio.service").unwrap(), machine.unit("beacon.service").unwrap());
//! machine.request(Verb::Start, beacon, Duration::ZERO)?;
//! let starts = |machine: &mut Machine| -> Vec<_> {
//!     std::iter::from_fn(|| machine.effect()).filter(|effect| matches!(effect, Effect::Start(_))).collect()
//! };
//! assert_eq!(starts(&mut machine), [Effect::Start(radio)]);
//! machine.event(radio, Event::Ready, Duration::from_secs(1));
//! assert_eq!(starts(&mut machine), [Effect::Start(beacon)]);
//! assert_eq!(machine.state(radio), State::Active);
//! # Ok::<(), perigee_units::machine::Refusal>(())
//! ```

mod advance;
mod ended;
mod graph;
mod job;
mod mode;
mod needed;
mod plan;
mod saved;
mod spec;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use job::{JobId, JobOutcome, Verb};
pub use mode::Mode;
pub use plan::Refusal;
pub use saved::Saved;
pub use spec::{CLEAN_SIGNALS, Relation, Restart, RestartPolicy, Spec};
pub use state::{Cause, Outcome, State, TRANSITIONS, is_legal};

use serde::{Deserialize, Serialize};

use graph::Graph;
use job::Job;

/// A unit of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitId(u32);

impl UnitId {
    /// Its place among the units of its machine, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start the unit: answer with [`Event::Ready`] or [`Event::Ended`].
    Start(UnitId),
    /// Stop it, or end its start: answer with [`Event::Ended`] when nothing of it is left.
    Stop(UnitId),
    /// Stop it by force; it has been asked to already.
    Kill(UnitId),
    /// Reload it: answer with [`Event::Reloaded`].
    Reload(UnitId),
    /// It has changed its state.
    Changed(Change),
    /// A job is done.
    JobDone(JobId, UnitId, Verb, JobOutcome),
    /// Units come after each other in a circle. A unit that was only wanted was left out of the request; where there
    /// was none, the order of the first and the last was given up for stopping.
    Cycle(Vec<UnitId>, Option<UnitId>),
    /// A unit follows on the end of another one in the mode [`Mode::Isolate`]: start it, and stop what does not belong
    /// to it.
    Isolate(UnitId),
    /// A unit that was wanted, or that follows a failure, cannot be started.
    NotStarted(UnitId, Refusal),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Counts up from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Duration,
    /// The unit.
    pub unit: UnitId,
    /// Its state before.
    pub from: State,
    /// Its state now.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How it has ended last.
    pub outcome: Outcome,
}

/// What has happened to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there, after it was started or has reloaded by itself.
    Ready,
    /// It reloads by itself.
    Reloading,
    /// It was reloaded, well or not.
    Reloaded(bool),
    /// It goes down by itself; [`Event::Ended`] follows.
    Ending,
    /// Nothing of it is left.
    Ended(Outcome),
    /// It needs longer: what it does now may take this long from now on.
    Extend(Duration),
}

/// What is known of one unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(skip)]
    spec: Spec,
    state: State,
    outcome: Outcome,
    /// When it came into its state.
    since: Duration,
    /// Until when it must have done what it does.
    deadline: Option<Duration>,
    /// It is activating, but waits for this time to be started again.
    restart_at: Option<Duration>,
    /// It is activating, has waited, and waits for its job.
    waits: bool,
    /// It was killed already.
    killed: bool,
    /// It is being stopped because a job has asked for it.
    asked: bool,
    /// It went down with a unit that it is bound to, and is started when that one is.
    follows: bool,
    /// Why it is being stopped, if not by a job.
    pending: Option<Outcome>,
    /// How often it was started again by itself since it ran well, for the delay.
    restarts: u32,
    /// How often since it was started from being down.
    #[serde(default)]
    all_restarts: u32,
    /// When it was started, as far back as the limit looks.
    starts: VecDeque<Duration>,
    /// When it was last told to those that follow on its failure that a unit which it needs is not there.
    #[serde(skip)]
    told: Option<Duration>,
    job: Option<JobId>,
}

/// The supervisor's state.
#[derive(Clone, Debug)]
pub struct Machine {
    units: Vec<Entry>,
    names: BTreeMap<String, UnitId>,
    graph: Graph,
    jobs: BTreeMap<JobId, Job>,
    /// Jobs that may be able to begin, since something around them has changed.
    candidates: BTreeSet<JobId>,
    last_job: u64,
    effects: VecDeque<Effect>,
    sequence: u64,
    /// Whether any unit is kept up by others, or stops without them.
    keeps: bool,
    /// Units that have changed, if so.
    moved: BTreeSet<UnitId>,
    /// Orders that are not kept in stopping, since they go in a circle.
    given_up: BTreeSet<(UnitId, UnitId)>,
    now: Duration,
}

impl Entry {
    fn new(spec: Spec) -> Entry {
        Entry {
            spec,
            state: State::Inactive,
            outcome: Outcome::Success,
            since: Duration::ZERO,
            deadline: None,
            restart_at: None,
            waits: false,
            killed: false,
            asked: false,
            follows: false,
            pending: None,
            restarts: 0,
            all_restarts: 0,
            starts: VecDeque::new(),
            told: None,
            job: None,
        }
    }
}

impl Machine {
    /// A machine with these units, all inactive. Of units with the same name the first one counts.
    pub fn new(specs: Vec<Spec>) -> Machine {
        let mut machine = Machine {
            units: Vec::with_capacity(specs.len()),
            names: BTreeMap::new(),
            graph: Graph::default(),
            jobs: BTreeMap::new(),
            candidates: BTreeSet::new(),
            last_job: 0,
            effects: VecDeque::new(),
            sequence: 0,
            keeps: false,
            moved: BTreeSet::new(),
            given_up: BTreeSet::new(),
            now: Duration::ZERO,
        };
        let mut seen = BTreeSet::new();
        machine.load(specs.into_iter().filter(|spec| seen.insert(spec.name.clone())).collect());
        machine
    }

    /// Takes in units: those that are new are inactive, of those that are known only what was declared of them
    /// changes. Units keep their [`UnitId`]s.
    pub fn load(&mut self, specs: Vec<Spec>) {
        for spec in specs {
            match self.names.get(&spec.name) {
                Some(unit) => self.units[unit.index()].spec = spec,
                None => {
                    self.names.insert(spec.name.clone(), UnitId(self.units.len() as u32));
                    self.units.push(Entry::new(spec));
                }
            }
        }
        self.graph = Graph::new(self.units.iter().map(|entry| &entry.spec), &self.names);
        self.candidates.extend(self.jobs.keys());
        self.keeps = self.keeps_any();
    }

    /// Gives the place of a unit that is down, and of which nothing is asked, to one of another name, which is as if it
    /// had never been started; [`Machine::load`] says what is declared of it. False if it is not down, or the name is
    /// another unit's.
    pub fn rename(&mut self, unit: UnitId, name: &str) -> bool {
        let entry = &self.units[unit.index()];
        if !entry.state.is_down() || entry.job.is_some() || self.names.contains_key(name) {
            return false;
        }
        self.names.remove(&entry.spec.name);
        self.names.insert(name.to_owned(), unit);
        self.units[unit.index()] = Entry::new(Spec::new(name));
        self.graph = Graph::new(self.units.iter().map(|entry| &entry.spec), &self.names);
        self.keeps = self.keeps_any();
        true
    }

    /// The unit of this name.
    pub fn unit(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// All units.
    pub fn units(&self) -> impl Iterator<Item = UnitId> + use<> {
        (0..self.units.len() as u32).map(UnitId)
    }

    /// The name of a unit.
    pub fn name(&self, unit: UnitId) -> &str {
        &self.units[unit.index()].spec.name
    }

    /// The state of a unit.
    pub fn state(&self, unit: UnitId) -> State {
        self.units[unit.index()].state
    }

    /// Since when it has this state.
    pub fn since(&self, unit: UnitId) -> Duration {
        self.units[unit.index()].since
    }

    /// How it has ended last.
    pub fn outcome(&self, unit: UnitId) -> Outcome {
        self.units[unit.index()].outcome
    }

    /// How often it was started again by itself since it was started from being down.
    pub fn restarts(&self, unit: UnitId) -> u32 {
        self.units[unit.index()].all_restarts
    }

    /// When it will be started again, if it waits for that.
    pub fn restart_at(&self, unit: UnitId) -> Option<Duration> {
        self.units[unit.index()].restart_at
    }

    /// The job of a unit.
    pub fn job(&self, unit: UnitId) -> Option<(JobId, Verb)> {
        let job = self.jobs.get(&self.units[unit.index()].job?)?;
        Some((job.id, job.verb))
    }

    /// The units that a unit refers to.
    pub fn related(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        self.graph.to(unit, relation)
    }

    /// The units that refer to a unit.
    pub fn referring(&self, unit: UnitId, relation: Relation) -> &[UnitId] {
        self.graph.from(unit, relation)
    }

    /// The number of the last change of state.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Jobs that are not done.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, UnitId, Verb)> {
        self.jobs.values().map(|job| (job.id, job.unit, job.verb))
    }

    /// Devices that are waited for: their jobs work, and nothing can be done for them.
    pub fn awaited(&self) -> impl Iterator<Item = UnitId> {
        let waits = |job: &&Job| {
            let unit = &self.units[job.unit.index()];
            job.running && unit.spec.appears && unit.state.is_down()
        };
        self.jobs.values().filter(waits).map(|job| job.unit)
    }

    /// The next thing to be done outside.
    pub fn effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Machine::tick`] must be called at the latest.
    pub fn timeout(&self) -> Option<Duration> {
        let units = self.units.iter().flat_map(|unit| [unit.deadline, unit.restart_at]);
        units.chain(self.jobs.values().map(|job| job.deadline)).flatten().min()
    }

    /// Forgets the failure of a unit, and how often it was started.
    pub fn reset_failed(&mut self, unit: UnitId, now: Duration) {
        self.now = now;
        let entry = &mut self.units[unit.index()];
        entry.starts.clear();
        (entry.restarts, entry.all_restarts) = (0, 0);
        if entry.state == State::Failed {
            entry.outcome = Outcome::Success;
            self.change(unit, Cause::Reset, State::Inactive);
        }
        self.advance();
    }

    /// Cancels a job; what it has begun goes on.
    pub fn cancel(&mut self, job: JobId, now: Duration) {
        self.now = now;
        self.finish(job, JobOutcome::Cancelled);
        self.advance();
    }

    /// The only place where a state changes.
    fn change(&mut self, unit: UnitId, cause: Cause, to: State) {
        let entry = &mut self.units[unit.index()];
        debug_assert!(
            is_legal(entry.state, cause, to),
            "{} is {}: {cause:?} to {to}",
            entry.spec.name,
            entry.state
        );
        let from = std::mem::replace(&mut entry.state, to);
        entry.since = self.now;
        self.candidates.extend(entry.job);
        let entry = &mut self.units[unit.index()];
        (entry.deadline, entry.restart_at, entry.waits) = (None, None, false);
        self.moved(unit);
        let entry = &mut self.units[unit.index()];
        self.sequence += 1;
        let (sequence, at, outcome) = (self.sequence, self.now, entry.outcome);
        self.effects.push_back(Effect::Changed(Change { sequence, at, unit, from, to, cause, outcome }));
    }

    /// Something about the job of a unit has changed: it, and those that wait for it, are looked at again.
    fn look_again(&mut self, unit: UnitId) {
        let graph = &self.graph;
        let around = [Relation::After, Relation::Conflicts].into_iter();
        let around =
            around.flat_map(|relation| graph.to(unit, relation).iter().chain(graph.from(unit, relation)));
        let units = &self.units;
        let jobs = around.chain([&unit]).filter_map(|other| units[other.index()].job);
        self.candidates.extend(jobs);
    }

    fn entry(&mut self, unit: UnitId) -> &mut Entry {
        &mut self.units[unit.index()]
    }

    fn job_of(&self, unit: UnitId) -> Option<&Job> {
        self.jobs.get(&self.units[unit.index()].job?)
    }
}

#[cfg(test)]
mod tests;
