//! Tests of the state centre: many readers beside one writer, held against what was written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use perigee_units::machine::{Cause, Machine, Outcome, Spec, State, UnitId};

use super::*;

/// A change of a unit, as the machine tells it.
fn change(unit: UnitId, sequence: u64, to: State) -> Change {
    let at = Duration::from_micros(sequence);
    let from = State::Inactive;
    Change { sequence, at, unit, from, to, cause: Cause::Start, outcome: Outcome::Success }
}

fn unit() -> UnitId {
    Machine::new(vec![Spec::new("x.service")]).unit("x.service").expect("a unit")
}

fn sequences(watch: &mut Watch) -> Vec<Item> {
    std::iter::from_fn(|| watch.try_next()).collect()
}

#[test]
fn what_a_unit_does_is_read_and_told() {
    let (mut publisher, center) = open_after(41);
    publisher.add(["a.service", "b.service"].map(Snapshot::new));
    let mut watch = center.watch_new();
    let held = center.unit("a.service").expect("a unit");
    let number = publisher.changed("a.service", &change(unit(), 1, State::Activating), |unit| {
        unit.main_pid = Some(7);
    });
    assert_eq!((number, center.sequence()), (42, 42));
    let snapshot = held.snapshot();
    assert_eq!((snapshot.state, snapshot.main_pid, snapshot.sequence), (State::Activating, Some(7), 42));
    assert!(publisher.update("a.service", |unit| unit.status = Some("hot".into())));
    assert!(!publisher.update("c.service", |_| ()));
    assert_eq!(held.look(|unit| unit.status.clone()).as_deref(), Some("hot"));
    publisher.note(Duration::from_secs(1), None, "cycle", "a and b come after each other");
    let Some(Item::Event(first)) = watch.try_next() else { panic!("an event") };
    assert_eq!((first.sequence, first.unit.as_deref()), (42, Some("a.service")));
    let json = serde_json::to_value(&*first).expect("JSON");
    let expected = serde_json::json!({
        "sequence": 42, "at": {"secs": 0, "nanos": 1000}, "unit": "a.service",
        "changed": {"from": "inactive", "to": "activating", "cause": "start", "outcome": "success"},
    });
    assert_eq!(json, expected);
    let Some(Item::Event(second)) = watch.try_next() else { panic!("an event") };
    assert_eq!((second.sequence, second.unit.clone()), (43, None));
    assert_eq!(watch.try_next(), None);
    // Units come and go; who holds one goes on seeing it.
    publisher.add([Snapshot { restarts: 3, ..Snapshot::new("a.service") }]);
    assert_eq!(held.snapshot().restarts, 3);
    publisher.remove(["a.service"]);
    assert_eq!(center.look("b.service", |unit| unit.state), Some(State::Inactive));
    assert_eq!(center.look("a.service", |unit| unit.state), None);
    assert!(center.unit("a.service").is_none() && held.snapshot().restarts == 3);
    let names: Vec<_> = center.snapshots().iter().map(|unit| unit.name.to_string()).collect();
    assert_eq!((names.as_slice(), center.units()), (&["b.service".to_owned()][..], 1));
}

#[test]
fn who_is_too_slow_is_told_exactly_what_it_missed() {
    let (mut publisher, center) = open();
    let mut patient = center.watch(1).bounded(KEPT);
    let mut usual = center.watch(1);
    let mut later = center.watch(100);
    let mut note = |count: u64| {
        for _ in 0..count {
            publisher.note(Duration::ZERO, None, "x", "");
        }
    };
    note(64);
    assert_eq!(sequences(&mut center.watch(1)).len(), 64);
    note(1);
    assert_eq!(usual.try_next(), Some(Item::Missed(1..=1)));
    let Some(Item::Event(event)) = usual.try_next() else { panic!("an event") };
    assert_eq!(event.sequence, 2);
    note(99);
    assert_eq!(usual.try_next(), Some(Item::Missed(3..=100)));
    assert_eq!(later.try_next(), Some(Item::Missed(100..=100)));
    assert_eq!(sequences(&mut later).len(), 64);
    assert_eq!(sequences(&mut patient).len(), 164);
    note(10_000);
    let told = sequences(&mut patient);
    assert_eq!(told[0], Item::Missed(165..=10_164 - KEPT));
    assert_eq!(told.len() as u64, KEPT + 1);
    assert_eq!(sequences(&mut center.watch(20_000)), []);
}

#[test]
fn a_sleeper_is_woken_and_a_time_out_ends() {
    let (mut publisher, center) = open();
    let mut watch = center.watch_new();
    let before = Instant::now();
    assert_eq!(watch.next(Duration::from_millis(30)), None);
    assert!(before.elapsed() >= Duration::from_millis(30));
    let thread = std::thread::spawn(move || watch.next(Duration::from_secs(60)));
    std::thread::sleep(Duration::from_millis(20));
    publisher.note(Duration::ZERO, None, "x", "");
    assert!(matches!(thread.join(), Ok(Some(Item::Event(_)))));
    assert!(before.elapsed() < Duration::from_secs(30), "it was woken, and did not time out");

    let mut watch = center.watch_new();
    let woken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&woken);
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    assert!(watch.arm(Arc::clone(&wake)));
    publisher.note(Duration::ZERO, None, "x", "");
    publisher.note(Duration::ZERO, None, "x", "");
    assert_eq!(woken.load(Ordering::SeqCst), 1, "once for each time that it was armed");
    assert!(!watch.arm(wake), "there is something to be told already");
    assert_eq!(sequences(&mut watch).len(), 2);
}

/// A reader of the crowd: it holds what it is told against what must come.
struct Reader {
    watch: Watch,
    random: u64,
    next: u64,
    /// The last event of each unit that it has seen.
    last: BTreeMap<Arc<str>, u64>,
    seen: u64,
    missed: u64,
}

const UNITS: u64 = 50;

impl Reader {
    /// Seeded: where it begins, how far it may fall behind, and how often it dawdles.
    fn new(center: &Center, seed: u64, transitions: u64) -> Reader {
        let mut reader = Reader {
            watch: center.watch(1),
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            next: 1,
            last: BTreeMap::new(),
            seen: 0,
            missed: 0,
        };
        let bound = [1, 64, 64, KEPT][reader.roll(4) as usize];
        reader.next = 1 + reader.roll(2) * reader.roll(transitions / 2);
        reader.watch = center.watch(reader.next).bounded(bound);
        reader
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % sides
    }

    fn take(&mut self, center: &Center, item: Item, transitions: u64) {
        match item {
            Item::Event(event) => {
                assert_eq!(event.sequence, self.next);
                let name = event.unit.clone().expect("a unit");
                assert_eq!(*name, *format!("unit-{}.service", self.next % UNITS));
                self.last.insert(name, self.next);
                self.seen += 1;
                self.next += 1;
            }
            Item::Missed(range) => {
                assert_eq!(*range.start(), self.next);
                assert!(range.end() >= range.start() && *range.end() < transitions);
                self.missed += range.end() - range.start() + 1;
                self.next = range.end() + 1;
            }
        }
        let choice = self.roll(UNITS) as usize;
        if self.roll(16) == 0
            && let Some((name, sequence)) = self.last.iter().nth(choice)
        {
            let snapshot = center.snapshot(name).expect("a unit");
            assert!(snapshot.sequence >= *sequence, "{name} is older than its event");
            assert_eq!(snapshot.since, Duration::from_micros(snapshot.sequence));
        }
    }
}

/// Every reader sees every event in order, or is told exactly that it missed it; and a snapshot that it reads after an
/// event is not older than that event.
fn crowd(threads: u64, each: u64, transitions: u64) {
    let names: Vec<String> = (0..UNITS).map(|number| format!("unit-{number}.service")).collect();
    let (mut publisher, center) = open();
    publisher.add(names.iter().map(|name| Snapshot::new(name)));
    let started = AtomicU64::new(0);
    let totals = [const { AtomicU64::new(0) }; 3];
    let begin = Instant::now();
    let mut written = Duration::ZERO;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (center, started, totals) = (&center, &started, &totals);
            scope.spawn(move || {
                let mut readers: Vec<_> =
                    (0..each).map(|index| Reader::new(center, thread * each + index, transitions)).collect();
                started.fetch_add(1, Ordering::SeqCst);
                while !readers.is_empty() {
                    let mut idle = true;
                    for reader in &mut readers {
                        // It dawdles, or takes a few.
                        for _ in 0..reader.roll(8) {
                            let Some(item) = reader.watch.try_next() else { break };
                            idle = false;
                            reader.take(center, item, transitions);
                        }
                    }
                    readers.retain(|reader| {
                        let done = reader.next > transitions;
                        if done {
                            assert_eq!(reader.watch.position(), transitions + 1);
                            totals[0].fetch_add(reader.seen, Ordering::Relaxed);
                            totals[1].fetch_add(reader.missed, Ordering::Relaxed);
                        }
                        !done
                    });
                    if let Some(reader) = readers.iter_mut().min_by_key(|reader| reader.next).filter(|_| idle)
                    {
                        totals[2].fetch_add(1, Ordering::Relaxed);
                        let item = reader.watch.next(Duration::from_secs(60)).expect("woken in time");
                        reader.take(center, item, transitions);
                    }
                }
            });
        }
        while started.load(Ordering::SeqCst) < threads {
            std::thread::yield_now();
        }
        let (unit, begin) = (unit(), Instant::now());
        for number in 1..=transitions {
            let to = State::ALL[(number % 6) as usize];
            let name = &names[(number % UNITS) as usize];
            assert_eq!(publisher.changed(name, &change(unit, number, to), |_| ()), number);
        }
        written = begin.elapsed();
    });
    let [seen, missed, slept] = totals.map(AtomicU64::into_inner);
    eprintln!(
        "{} readers in {threads} threads: {transitions} transitions written in {:.2} s, {seen} seen, {missed} missed, \
         slept {slept} times, {:.2} s in all",
        threads * each,
        written.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    );
    assert!(seen >= threads * each, "everyone has seen something");
}

#[test]
fn four_thousand_readers_beside_a_hundred_thousand_transitions() {
    crowd(8, 512, 100_000);
}

#[test]
fn readers_that_sleep_in_threads_of_their_own() {
    crowd(64, 1, 3_000);
}

/// The writer goes on while readers hold snapshots and watches and do nothing.
#[test]
fn readers_who_hold_on_stop_nobody_and_keep_little() {
    let (mut publisher, center) = open();
    publisher.add([Snapshot::new("x.service")]);
    publisher.note(Duration::ZERO, None, "x", "");
    let mut watches: Vec<_> = (0..100).map(|_| center.watch(1)).collect();
    watches.iter_mut().for_each(|watch| drop(watch.try_next()));
    let held = center.snapshot("x.service").expect("a unit");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            center.unit("x.service").expect("a unit").look(|_| {
                while !stop.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            });
        });
        let unit = unit();
        for number in 2..=20_000 {
            publisher.changed("x.service", &change(unit, number, State::Active), |_| ());
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!((held.state, held.sequence), (State::Inactive, 0));
    for watch in &mut watches {
        assert_eq!(watch.try_next(), Some(Item::Missed(2..=19_936)));
    }
}
