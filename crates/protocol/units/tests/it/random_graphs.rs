//! Random graphs of units, random events, and a model that knows only what a unit may do: no illegal state, no
//! lost job, no two units that exclude each other, nobody who waits for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use perigee_units::machine::{
    Cause, Effect, Event, JobId, Machine, Mode, Outcome, Relation, Restart, RestartPolicy, Spec, State,
    TRANSITIONS, UnitId, Verb, is_legal,
};

/// What the outside does for a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    Starting,
    Running,
    Reloading,
    Stopping,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

const RELATIONS: [Relation; 14] = [
    Relation::Requires,
    Relation::Requisite,
    Relation::Wants,
    Relation::Wants,
    Relation::BindsTo,
    Relation::PartOf,
    Relation::Conflicts,
    Relation::After,
    Relation::After,
    Relation::After,
    Relation::OnFailure,
    Relation::OnSuccess,
    Relation::ReloadTo,
    Relation::Upholds,
];

/// Units are asked for with all that they need, else they may be there beside those that they exclude; and no job is
/// cancelled whose unit goes on to start, since nobody waits for that then.
const MODES: [Mode; 7] = [
    Mode::Replace,
    Mode::Replace,
    Mode::Replace,
    Mode::Replace,
    Mode::Replace,
    Mode::Fail,
    Mode::ReplaceIrreversibly,
];

const POLICIES: [RestartPolicy; 4] =
    [RestartPolicy::No, RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::OnSuccess];

fn specs(random: &mut Random) -> Vec<Spec> {
    let count = 2 + random.below(7);
    let name = |unit: usize| format!("u{unit}");
    let mut specs: Vec<_> = (0..count)
        .map(|unit| match random.below(8) {
            0 => Spec::device(&name(unit)),
            _ => Spec {
                restart: Restart { policy: random.of(&POLICIES), ..Restart::default() },
                can_reload: random.below(2) == 0,
                stop_when_unneeded: random.below(6) == 0,
                on_failure_mode: random.of(&MODES),
                on_success_mode: random.of(&MODES),
                start_timeout: random.of(&[None, Some(Duration::from_secs(5))]),
                stop_timeout: Some(Duration::from_secs(5)),
                ..Spec::new(&name(unit))
            },
        })
        .collect();
    for _ in 0..random.below(3 * count) {
        // One that does not exist, now and then.
        let beyond = usize::from(random.below(20) == 0);
        let (unit, other) = (random.below(count), random.below(count + beyond));
        specs[unit].relations.push((random.of(&RELATIONS), name(other)));
    }
    specs
}

struct World {
    machine: Machine,
    specs: Vec<Spec>,
    units: Vec<UnitId>,
    work: Vec<Work>,
    states: Vec<State>,
    /// Starts and conflicts are looked up here: the machine is not asked for them.
    after: BTreeSet<(usize, usize)>,
    excluded: BTreeSet<(usize, usize)>,
    /// Who needs whom, and who stops when nobody does.
    needs: BTreeSet<(usize, usize)>,
    stops_alone: Vec<bool>,
    now: Duration,
    sequence: u64,
    done: BTreeSet<JobId>,
    last_job: u64,
    /// There were jobs that may not be cancelled.
    fixed: bool,
}

impl World {
    fn new(specs: Vec<Spec>) -> World {
        let index = |name: &str| specs.iter().position(|spec| spec.name == name);
        let pairs = |wanted: Relation| -> BTreeSet<(usize, usize)> {
            let all = specs
                .iter()
                .enumerate()
                .flat_map(|(unit, spec)| spec.relations.iter().map(move |r| (unit, r)));
            let of_kind = all.filter(|(_, (relation, _))| *relation == wanted);
            let pairs = of_kind.filter_map(|(unit, (_, name))| Some((unit, index(name)?)));
            pairs.filter(|(unit, other)| unit != other).collect()
        };
        let (after, mut excluded) = (pairs(Relation::After), pairs(Relation::Conflicts));
        // Nobody can take a device away.
        excluded.retain(|(one, other)| !specs[*one].appears && !specs[*other].appears);
        let needs =
            [Relation::Requires, Relation::Requisite, Relation::Wants, Relation::BindsTo, Relation::Upholds];
        let needs = needs.into_iter().flat_map(pairs).collect();
        let stops_alone = specs.iter().map(|spec| spec.stop_when_unneeded).collect();
        let modes = specs.iter().flat_map(|spec| [spec.on_failure_mode, spec.on_success_mode]);
        let fixed = modes.into_iter().any(|mode| mode == Mode::ReplaceIrreversibly);
        let machine = Machine::new(specs.clone());
        let units: Vec<_> = machine.units().collect();
        World {
            work: vec![Work::Nothing; units.len()],
            states: vec![State::Inactive; units.len()],
            machine,
            specs,
            units,
            after,
            excluded,
            needs,
            stops_alone,
            now: Duration::ZERO,
            sequence: 0,
            done: BTreeSet::new(),
            last_job: 0,
            fixed,
        }
    }

    fn place(&self, unit: UnitId) -> usize {
        self.units.iter().position(|known| *known == unit).expect("a unit of the machine")
    }

    /// Carries out what the machine wants, and holds it to the model.
    fn settle(&mut self, seen: &mut BTreeSet<(State, Cause, State)>) {
        while let Some(effect) = self.machine.effect() {
            match effect {
                Effect::Start(unit) => {
                    let unit = self.place(unit);
                    assert_eq!(self.work[unit], Work::Nothing, "u{unit} is started");
                    for (_, before) in self.after.iter().filter(|(one, _)| *one == unit) {
                        assert_ne!(self.work[*before], Work::Starting, "u{unit} does not wait for u{before}");
                    }
                    self.work[unit] = Work::Starting;
                }
                Effect::Stop(unit) => {
                    let unit = self.place(unit);
                    assert!(!matches!(self.work[unit], Work::Nothing | Work::Stopping), "u{unit} is stopped");
                    self.work[unit] = Work::Stopping;
                }
                Effect::Kill(unit) => assert_eq!(self.work[self.place(unit)], Work::Stopping),
                Effect::Reload(unit) => {
                    let unit = self.place(unit);
                    assert_eq!(self.work[unit], Work::Running, "u{unit} is reloaded");
                    self.work[unit] = Work::Reloading;
                }
                Effect::Changed(change) => {
                    let unit = self.place(change.unit);
                    assert!(is_legal(change.from, change.cause, change.to), "{change:?}");
                    assert_eq!(self.states[unit], change.from, "a change of u{unit} was not told");
                    self.sequence += 1;
                    assert_eq!(change.sequence, self.sequence, "a number was left out");
                    self.states[unit] = change.to;
                    seen.insert((change.from, change.cause, change.to));
                    match (change.cause, change.to) {
                        // What was given up, or came too late, does not answer any more.
                        (Cause::GaveUp, _) => self.work[unit] = Work::Nothing,
                        (Cause::Reloaded, _) => self.work[unit] = Work::Running,
                        _ => {}
                    }
                }
                Effect::JobDone(id, ..) => assert!(self.done.insert(id), "{id:?} is done twice"),
                Effect::Cycle(units, _) => assert!(units.len() > 1, "a circle of one"),
                Effect::Isolate(_) | Effect::NotStarted(..) => {}
            }
        }
        for (one, other) in &self.excluded {
            let up =
                |unit: usize| matches!(self.work[unit], Work::Starting | Work::Running | Work::Reloading);
            assert!(!(up(*one) && up(*other)), "u{one} and u{other} exclude each other");
        }
        for (unit, id) in self.units.iter().enumerate() {
            assert_eq!(self.machine.state(*id), self.states[unit], "u{unit}");
        }
        let open = self.machine.jobs().map(|(id, ..)| id).collect::<BTreeSet<_>>();
        assert!(open.is_disjoint(&self.done), "a job that is done is not");
        self.last_job = open.iter().chain(&self.done).map(|id| id.0).max().unwrap_or(0);
        // Every job that was ever made is either done or not.
        assert_eq!((open.len() + self.done.len()) as u64, self.last_job, "a job was lost");
        let busy =
            self.work.iter().any(|work| matches!(work, Work::Starting | Work::Stopping | Work::Reloading));
        let busy = busy || self.awaited().is_some();
        assert!(
            busy || open.is_empty(),
            "jobs wait for nobody: {:?}",
            self.machine.jobs().collect::<Vec<_>>()
        );
    }

    /// A device that is not there and is waited for.
    fn awaited(&self) -> Option<usize> {
        let first = self.machine.awaited().next().map(|unit| self.place(unit));
        assert!(first.is_none_or(|unit| self.specs[unit].appears && self.work[unit] == Work::Nothing));
        first
    }

    /// A device comes or goes, which may be at any time.
    fn turn_up(&mut self, unit: usize) {
        let (event, work) = match self.work[unit] {
            Work::Nothing => (Event::Ready, Work::Running),
            _ => (Event::Ended(Outcome::Success), Work::Nothing),
        };
        self.work[unit] = work;
        assert!(self.machine.event(self.units[unit], event, self.now), "u{unit}: {event:?} in its time");
    }

    /// Another machine goes on where this one was: nothing is to be seen of it.
    fn exchange(&mut self) {
        let saved = serde_json::to_string(&self.machine.save()).unwrap();
        self.machine = Machine::new(self.specs.clone());
        self.machine.restore(serde_json::from_str(&saved).unwrap(), self.now);
    }

    /// Ends what is being done for a unit, well or in another way.
    fn answer(&mut self, unit: usize, random: &mut Random, well: bool) {
        if self.specs[unit].appears {
            return self.turn_up(unit);
        }
        let ends = [
            Event::Ended(Outcome::Success),
            Event::Ended(Outcome::ExitCode(1)),
            Event::Ended(Outcome::Resources),
            Event::Ended(Outcome::Skipped),
        ];
        let event = match (self.work[unit], well) {
            (Work::Nothing, _) => return,
            (Work::Starting, true) => Event::Ready,
            (Work::Starting, false) => {
                random.of(&[ends[0], ends[1], ends[2], ends[3], Event::Ready, Event::Ending])
            }
            (Work::Running, _) => random.of(&[ends[0], ends[1], ends[3], Event::Reloading, Event::Ending]),
            (Work::Reloading, true) => Event::Reloaded(true),
            (Work::Reloading, false) => {
                random.of(&[Event::Reloaded(false), Event::Ready, Event::Ending, ends[0], ends[1]])
            }
            (Work::Stopping, true) => ends[0],
            (Work::Stopping, false) => random.of(&[ends[0], ends[1]]),
        };
        self.work[unit] = match event {
            Event::Ended(_) => Work::Nothing,
            Event::Reloading => Work::Reloading,
            Event::Ending => Work::Stopping,
            _ => Work::Running,
        };
        assert!(self.machine.event(self.units[unit], event, self.now), "u{unit}: {event:?} in its time");
    }
}

/// One graph, with random events, until all is quiet.
fn run(seed: u64, seen: &mut BTreeSet<(State, Cause, State)>) {
    let mut random = Random(seed);
    let mut world = World::new(specs(&mut random));
    let count = world.units.len();
    for _ in 0..60 {
        let unit = random.below(count);
        match random.below(13) {
            0..4 => {
                let verb = random.of(&[Verb::Start, Verb::Start, Verb::Stop, Verb::Restart, Verb::Reload]);
                let jobs: Vec<_> = world.machine.jobs().collect();
                let mode = random.of(&MODES);
                let fixed = world.fixed || mode == Mode::Fail;
                world.fixed |= mode == Mode::ReplaceIrreversibly;
                if world.machine.request_as(verb, world.units[unit], mode, world.now).is_err() {
                    assert_eq!(jobs, world.machine.jobs().collect::<Vec<_>>(), "a refusal changed something");
                    assert!(fixed || verb != Verb::Stop, "stopping was refused");
                }
            }
            4..9 => world.answer(unit, &mut random, false),
            9 => {
                // What comes too late, or was never asked for.
                let stale = matches!(world.work[unit], Work::Nothing) && !world.specs[unit].appears;
                let event =
                    random.of(&[Event::Ready, Event::Ended(Outcome::ExitCode(9)), Event::Reloaded(true)]);
                if stale {
                    assert!(!world.machine.event(world.units[unit], event, world.now), "u{unit}: {event:?}");
                }
            }
            10 => {
                let due = world.machine.timeout().filter(|_| random.below(2) == 0);
                world.now = due.unwrap_or(world.now + Duration::from_millis(700)).max(world.now);
                world.machine.tick(world.now);
            }
            11 => world.machine.reset_failed(world.units[unit], world.now),
            _ => world.exchange(),
        }
        world.settle(seen);
    }
    // Everything is answered, and answered well: then nothing may be left to do.
    for _ in 0..400 {
        let busy = |work: &Work| matches!(work, Work::Starting | Work::Stopping | Work::Reloading);
        let Some(unit) = world.work.iter().position(busy).or_else(|| world.awaited()) else { break };
        world.answer(unit, &mut random, true);
        world.settle(seen);
    }
    assert_eq!(world.machine.jobs().count(), 0, "it does not come to rest");
    for (unit, state) in world.states.iter().enumerate().filter(|(unit, _)| world.stops_alone[*unit]) {
        let needed = world.needs.iter().any(|(by, of)| of == &unit && !world.states[*by].is_down());
        assert!(needed || *state != State::Active, "u{unit} is there for nobody");
    }
}

#[test]
fn random_graphs() {
    let soak = std::env::var_os("PERIGEE_SOAK").is_some();
    let graphs = if soak { 1_000_000 } else { 2_000 };
    let mut seen = BTreeSet::new();
    for seed in 0..graphs {
        let graph = std::panic::AssertUnwindSafe(|| run(seed, &mut seen));
        if std::panic::catch_unwind(graph).is_err() {
            panic!("the graph of seed {seed}");
        }
    }
    // The table has no row that nothing leads to.
    let unused: Vec<_> = TRANSITIONS.iter().filter(|row| !seen.contains(row)).collect();
    assert!(unused.is_empty(), "never seen: {unused:?}");
}

/// The book has the same table.
#[test]
fn the_book_has_every_transition() {
    let page = std::fs::read_to_string(perigee_testkit::workspace_root().join("docs/units.md")).unwrap();
    let row = |line: &&str| State::ALL.iter().any(|state| line.starts_with(&format!("| {state} |")));
    let written: Vec<_> = page.lines().filter(row).collect();
    let rows = TRANSITIONS.map(|(from, cause, to)| {
        let cause = serde_json::to_value(cause).unwrap();
        format!("| {from} | {} | {to} |", cause.as_str().unwrap())
    });
    assert_eq!(written, rows);
}
