//! One story a test: what goes in, and the trace of what comes out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::unit::ExitStatuses;
use crate::value::Signal;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine that writes down what it does.
struct Story(Machine);

impl Story {
    fn of(specs: impl IntoIterator<Item = Spec>) -> Story {
        Story(Machine::new(specs.into_iter().collect()))
    }

    fn ask(&mut self, verb: Verb, unit: &str, at: u64) -> String {
        let unit = self.0.unit(unit).expect(unit);
        match self.0.request(verb, unit, seconds(at)) {
            Ok(_) => self.trace(),
            Err(refusal) => refusal.to_string(),
        }
    }

    fn ask_as(&mut self, verb: Verb, unit: &str, mode: Mode, at: u64) -> String {
        let unit = self.0.unit(unit).expect(unit);
        match self.0.request_as(verb, unit, mode, seconds(at)) {
            Ok(_) => self.trace(),
            Err(refusal) => refusal.to_string(),
        }
    }

    fn say(&mut self, unit: &str, event: Event, at: u64) -> String {
        let unit = self.0.unit(unit).expect(unit);
        self.0.event(unit, event, seconds(at));
        self.trace()
    }

    fn tick(&mut self, at: u64) -> String {
        self.0.tick(seconds(at));
        self.trace()
    }

    /// The effects since the last one, in short.
    fn trace(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(effect) = self.0.effect() {
            let name = |unit: UnitId| self.0.name(unit).to_owned();
            words.push(match effect {
                Effect::Start(unit) => format!("start {}", name(unit)),
                Effect::Stop(unit) => format!("stop {}", name(unit)),
                Effect::Kill(unit) => format!("kill {}", name(unit)),
                Effect::Reload(unit) => format!("reload {}", name(unit)),
                Effect::Changed(change) => format!("{}={}", name(change.unit), change.to),
                Effect::JobDone(_, unit, verb, outcome) => {
                    format!("{verb:?} {} {outcome:?}", name(unit)).to_lowercase()
                }
                Effect::Cycle(units, cut) => {
                    let units: Vec<_> = units.into_iter().map(name).collect();
                    format!("cycle {} without {}", units.join(","), cut.map_or("an order".to_owned(), name))
                }
                Effect::Isolate(unit) => format!("isolate {}", name(unit)),
                Effect::NotStarted(unit, why) => format!("{} not started: {why}", name(unit)),
            });
        }
        words.join("; ")
    }
}

use Relation::{
    After, BindsTo, Conflicts, OnFailure, OnSuccess, PartOf, ReloadTo, Requires, Requisite, Wants,
};

fn exit(code: u8) -> Event {
    Event::Ended(Outcome::ExitCode(code))
}

const DONE: Event = Event::Ended(Outcome::Success);

#[test]
fn one_unit_starts_reloads_and_stops() {
    let mut story = Story::of([Spec { can_reload: true, ..Spec::new("a") }]);
    assert_eq!(story.ask(Verb::Reload, "a", 0), "a is not active");
    assert_eq!(story.ask(Verb::Start, "a", 0), "a=activating; start a");
    assert_eq!(story.say("a", Event::Ready, 1), "a=active; start a done");
    assert_eq!(story.ask(Verb::Reload, "a", 2), "a=reloading; reload a");
    assert_eq!(story.say("a", Event::Reloaded(true), 3), "a=active; reload a done");
    assert_eq!(story.ask(Verb::Stop, "a", 4), "a=deactivating; stop a");
    assert_eq!(story.say("a", DONE, 5), "a=inactive; stop a done");
    assert_eq!(story.ask(Verb::Stop, "a", 6), "stop a done");
    assert_eq!(story.0.jobs().count(), 0);
    assert_eq!(story.say("a", Event::Ready, 7), "", "what comes too late says nothing");
}

#[test]
fn units_start_side_by_side_as_far_as_order_allows() {
    let mut story = Story::of([
        Spec::new("all").with(Wants, "a").with(Wants, "b").with(Wants, "c").with(After, "c"),
        Spec::new("a"),
        Spec::new("b"),
        Spec::new("c").with(After, "a").with(After, "b"),
    ]);
    assert_eq!(story.ask(Verb::Start, "all", 0), "a=activating; start a; b=activating; start b");
    assert_eq!(story.say("b", Event::Ready, 1), "b=active; start b done");
    assert_eq!(story.say("a", exit(1), 1), "a=failed; start a failed; c=activating; start c");
    assert_eq!(story.say("c", Event::Ready, 2), "c=active; start c done; all=activating; start all");
    assert_eq!(story.say("all", Event::Ready, 2), "all=active; start all done");
    // Stopping takes the order backwards.
    let stop = story.ask(Verb::Stop, "b", 3) + &story.ask(Verb::Stop, "c", 3);
    assert_eq!(stop, "b=deactivating; stop bc=deactivating; stop c");
}

#[test]
fn stopping_takes_the_order_backwards() {
    let specs = [Spec::new("a"), Spec::new("b").with(Requires, "a").with(After, "a")];
    let mut story = Story::of(specs);
    story.ask(Verb::Start, "b", 0);
    story.say("a", Event::Ready, 0);
    assert_eq!(story.say("b", Event::Ready, 0), "b=active; start b done");
    assert_eq!(story.ask(Verb::Stop, "a", 1), "b=deactivating; stop b");
    assert_eq!(story.say("b", DONE, 2), "b=inactive; stop b done; a=deactivating; stop a");
    assert_eq!(story.say("a", DONE, 3), "a=inactive; stop a done");
}

#[test]
fn who_requires_what_fails_is_not_started() {
    let mut story = Story::of([
        Spec::new("a"),
        Spec::new("b").with(Requires, "a").with(After, "a"),
        Spec::new("c").with(BindsTo, "b").with(After, "b"),
        Spec::new("d").with(Requires, "nowhere"),
        Spec::new("e").with(Wants, "d"),
        Spec::new("f").with(Requisite, "a"),
    ]);
    assert_eq!(story.ask(Verb::Start, "c", 0), "a=activating; start a");
    assert_eq!(
        story.say("a", exit(3), 0),
        "a=failed; start a failed; start b dependency; start c dependency"
    );
    assert_eq!(story.ask(Verb::Start, "d", 1), "d needs nowhere, which does not exist");
    assert_eq!(
        story.ask(Verb::Start, "e", 1),
        "d not started: d needs nowhere, which does not exist; e=activating; start e"
    );
    assert_eq!(story.ask(Verb::Start, "f", 1), "start f dependency");
}

#[test]
fn bound_units_go_together_required_ones_stop_together() {
    let mut story = Story::of([
        Spec::new("a"),
        Spec::new("bound").with(BindsTo, "a").with(After, "a"),
        Spec::new("needs").with(Requires, "a").with(After, "a"),
        Spec::new("part").with(PartOf, "a"),
    ]);
    for unit in ["bound", "needs", "part"] {
        story.ask(Verb::Start, unit, 0);
        story.say("a", Event::Ready, 0);
        story.say(unit, Event::Ready, 0);
    }
    assert_eq!(story.say("a", exit(1), 1), "a=failed; bound=deactivating; stop bound");
    assert_eq!(story.say("bound", DONE, 1), "bound=inactive; stop bound done");
    assert_eq!(
        story.ask(Verb::Stop, "a", 2),
        "needs=deactivating; stop needs; part=deactivating; stop part",
        "a waits for those that come after it"
    );
    assert_eq!(story.say("needs", DONE, 2), "needs=inactive; stop needs done; stop a done");
}

#[test]
fn restarting_takes_dependents_along() {
    let mut story = Story::of([
        Spec::new("a"),
        Spec::new("b").with(Requires, "a").with(After, "a"),
        Spec::new("c").with(PartOf, "a"),
    ]);
    story.ask(Verb::Start, "b", 0);
    story.say("a", Event::Ready, 0);
    story.say("b", Event::Ready, 0);
    assert_eq!(story.ask(Verb::Restart, "a", 1), "b=deactivating; stop b", "c is not there, and stays so");
    assert_eq!(story.say("b", DONE, 1), "b=inactive; a=deactivating; stop a");
    assert_eq!(story.say("a", DONE, 1), "a=inactive; a=activating; start a");
    assert_eq!(story.say("a", Event::Ready, 1), "a=active; start a done; b=activating; start b");
}

#[test]
fn units_that_exclude_each_other() {
    let mut story = Story::of([
        Spec::new("a").with(Conflicts, "b"),
        Spec::new("b"),
        Spec::new("both").with(Requires, "a").with(Requires, "b"),
        Spec::new("either").with(Requires, "a").with(Wants, "b"),
    ]);
    story.ask(Verb::Start, "b", 0);
    story.say("b", Event::Ready, 0);
    assert_eq!(story.ask(Verb::Start, "a", 1), "b=deactivating; stop b");
    assert_eq!(story.say("b", DONE, 2), "b=inactive; stop b done; a=activating; start a");
    // The other way round as well, also before it is there.
    assert_eq!(story.ask(Verb::Start, "b", 3), "start a cancelled; a=deactivating; stop a");
    assert_eq!(story.say("a", DONE, 4), "a=inactive; stop a done; b=activating; start b");
    assert_eq!(story.ask(Verb::Start, "both", 5), "both would have to be started and stopped at once");
    let story = story.ask(Verb::Start, "either", 5);
    assert!(story.starts_with("b not started: b would have to be"), "{story}");
}

#[test]
fn contrary_requests_cancel() {
    let mut story = Story::of([Spec::new("a")]);
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.ask(Verb::Stop, "a", 1), "start a cancelled; a=deactivating; stop a");
    assert_eq!(story.ask(Verb::Start, "a", 2), "stop a cancelled");
    assert_eq!(story.say("a", DONE, 3), "a=inactive; a=activating; start a");
    assert_eq!(story.ask(Verb::Start, "a", 4), "", "the same request is the same job");
    assert_eq!(story.say("a", Event::Ready, 5), "a=active; start a done");
}

#[test]
fn too_slow_to_start_and_too_slow_to_stop() {
    let mut story = Story::of([Spec::new("a")]);
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.0.timeout(), Some(seconds(90)));
    assert_eq!(story.say("a", Event::Extend(seconds(100)), 50), "");
    assert_eq!(story.tick(149), "");
    assert_eq!(story.tick(150), "a=deactivating; stop a");
    assert_eq!(story.tick(240), "kill a");
    assert_eq!(story.say("a", DONE, 241), "a=failed; start a failed");
    assert_eq!(story.0.outcome(story.0.unit("a").expect("a")), Outcome::Timeout);
    story.ask(Verb::Start, "a", 250);
    story.say("a", Event::Ready, 250);
    story.ask(Verb::Stop, "a", 300);
    story.tick(390);
    assert_eq!(story.tick(480), "a=failed; stop a done", "nothing helps, and nobody waits for ever");
    assert_eq!(story.0.timeout(), None);
}

#[test]
fn a_job_that_waits_too_long() {
    let slow = Spec { start_timeout: None, ..Spec::new("slow") };
    let mut story = Story::of([
        slow,
        Spec { job_timeout: Some(seconds(5)), ..Spec::new("a").with(Requires, "slow").with(After, "slow") },
    ]);
    assert_eq!(story.ask(Verb::Start, "a", 0), "slow=activating; start slow");
    assert_eq!(story.tick(5), "start a timeout");
}

fn restarting(policy: RestartPolicy) -> Spec {
    Spec { restart: Restart { policy, ..Restart::default() }, ..Spec::new("a") }
}

#[test]
fn a_job_that_works_for_too_long_has_timed_out_but_may_wait() {
    let slow = Spec { start_timeout: None, ..Spec::new("slow") };
    let works = Spec { start_timeout: None, job_running_timeout: Some(seconds(5)), ..Spec::new("a") };
    let mut story = Story::of([works.with(Requires, "slow").with(After, "slow"), slow]);
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.0.timeout(), None, "it waits");
    story.say("slow", Event::Ready, 60);
    assert_eq!(story.0.timeout(), Some(seconds(65)));
    assert_eq!(story.tick(65), "start a timeout");
    let a = story.0.unit("a").expect("a unit");
    assert_eq!(story.0.state(a), State::Activating, "what it has begun goes on");
}

#[test]
fn restarts_are_counted_until_it_is_started_from_being_down() {
    let restart = Restart { policy: RestartPolicy::Always, delay: seconds(1), ..Restart::default() };
    let mut story = Story::of([Spec { restart, start_limit_burst: 0, ..Spec::new("a") }]);
    let a = story.0.unit("a").expect("a unit");
    story.ask(Verb::Start, "a", 0);
    let mut at = 0;
    for count in 1..=4 {
        story.say("a", Event::Ready, at);
        // Runs that are long enough for the delay to begin anew count too.
        at += 60;
        story.say("a", Event::Ended(Outcome::ExitCode(1)), at);
        at += 1;
        story.tick(at);
        assert_eq!(story.0.restarts(a), count);
    }
    story.say("a", Event::Ready, at);
    story.ask(Verb::Restart, "a", at);
    story.say("a", DONE, at);
    assert_eq!(story.0.restarts(a), 0);
}

#[test]
fn restarts_have_a_limit_and_stopping_cancels_them() {
    let mut story = Story::of([restarting(RestartPolicy::Always).with(OnFailure, "b"), Spec::new("b")]);
    story.ask(Verb::Start, "a", 0);
    story.say("a", Event::Ready, 0);
    assert_eq!(story.say("a", exit(1), 0), "a=activating");
    assert_eq!(story.ask(Verb::Stop, "a", 0), "a=inactive; stop a done");
    assert_eq!((story.tick(9), story.0.timeout()), (String::new(), None));
    for start in 1..=4 {
        assert_eq!(story.ask(Verb::Start, "a", 9), "a=activating; start a", "start {start}");
        story.say("a", Event::Ready, 9);
        story.say("a", DONE, 9);
    }
    assert_eq!(story.tick(10), "a=activating; start a", "the first start is ten seconds ago");
    story.say("a", Event::Ready, 10);
    story.say("a", DONE, 10);
    assert_eq!(story.tick(11), "a=failed; start a failed; b=activating; start b");
    assert_eq!(story.ask(Verb::Start, "a", 11), "a=failed; start a failed");
    let a = story.0.unit("a").expect("a");
    story.0.reset_failed(a, seconds(12));
    assert_eq!(story.trace(), "a=inactive");
    assert_eq!(story.ask(Verb::Start, "a", 12), "a=activating; start a");
}

#[test]
fn the_delay_grows_and_begins_anew_after_a_good_run() {
    let mut spec = restarting(RestartPolicy::OnFailure);
    spec.start_limit_burst = 0;
    (spec.restart.delay, spec.restart.steps, spec.restart.longest) = (seconds(1), 3, seconds(64));
    spec.restart.stable = seconds(1000);
    let mut story = Story::of([spec]);
    story.ask(Verb::Start, "a", 0);
    let mut at = 0;
    let mut next = |story: &mut Story, run: u64| {
        story.say("a", Event::Ready, at);
        story.say("a", exit(1), at + run);
        let due = story.0.timeout().expect("it is started again").as_secs_f64().round() as u64;
        let delay = due - at - run;
        at = due + 1;
        assert_eq!(story.tick(at), "a=activating; start a");
        delay
    };
    let delays: Vec<_> = [0, 0, 999, 0, 0, 1000, 0].map(|run| next(&mut story, run)).into();
    assert_eq!(delays, [1, 4, 16, 64, 64, 1, 4]);
    assert_eq!(story.say("a", DONE, 9999), "a=inactive; start a done", "it has not failed");
}

#[test]
fn who_is_started_again_by_which_policy() {
    let sig = |text: &str| Signal::parse(text).expect(text);
    let outcomes = [
        Outcome::Success,
        Outcome::ExitCode(1),
        Outcome::Signal(sig("KILL")),
        Outcome::Core(sig("SEGV")),
        Outcome::Timeout,
        Outcome::Watchdog,
        Outcome::Unhealthy,
        Outcome::Resources,
        Outcome::Skipped,
        Outcome::StartLimit,
        Outcome::Refused,
    ];
    // The table of systemd.service(5); a check from outside counts as a watchdog does.
    for (policy, expected) in [
        (RestartPolicy::No, "00000000"),
        (RestartPolicy::Always, "11111111"),
        (RestartPolicy::OnSuccess, "10000000"),
        (RestartPolicy::OnFailure, "01111111"),
        (RestartPolicy::OnAbnormal, "00111110"),
        (RestartPolicy::OnAbort, "00110000"),
        (RestartPolicy::OnWatchdog, "00000110"),
    ] {
        let restart = Restart { policy, ..Restart::default() };
        let found: String =
            outcomes.map(|outcome| if restart.wants(outcome) { '1' } else { '0' }).iter().collect();
        assert_eq!(found, format!("{expected}000"), "{policy:?}");
    }
    let never = ExitStatuses { codes: vec![1], signals: vec![sig("KILL")] };
    let restart = Restart { policy: RestartPolicy::Always, never, ..Restart::default() };
    assert!(!restart.wants(Outcome::ExitCode(1)) && !restart.wants(Outcome::Signal(sig("KILL"))));
    let ever = ExitStatuses { codes: vec![7], signals: Vec::new() };
    let restart = Restart { ever, ..Restart::default() };
    assert!(restart.wants(Outcome::ExitCode(7)) && !restart.wants(Outcome::ExitCode(8)));
}

#[test]
fn circles_are_named_and_cut_where_least_is_lost() {
    let mut story = Story::of([
        Spec::new("all").with(Wants, "a").with(Wants, "b").with(Wants, "c").with(Requires, "d"),
        Spec::new("a").with(After, "b"),
        Spec::new("b").with(After, "c").with(After, "d"),
        Spec::new("c").with(After, "a").with(After, "x"),
        // A longer circle through the same units.
        Spec::new("d").with(After, "x"),
        Spec::new("x").with(After, "b").with(Requires, "b"),
        Spec::new("needs").with(Requires, "a").with(Requires, "b").with(Requires, "c"),
    ]);
    assert_eq!(
        story.ask(Verb::Start, "all", 0),
        "cycle a,b,c without a; all=activating; start all; c=activating; start c; d=activating; start d"
    );
    assert_eq!(
        story.ask(Verb::Start, "needs", 0),
        "the units come after each other in a circle: a after b after c"
    );
}

#[test]
fn stopping_in_a_circle_is_not_refused() {
    let mut story = Story::of([
        Spec::new("a").with(After, "b").with(Requires, "b"),
        Spec::new("b").with(After, "c"),
        Spec::new("c").with(After, "a").with(Requires, "a"),
    ]);
    for unit in ["b", "a", "c"] {
        // One after the other they are no circle.
        story.ask(Verb::Start, unit, 0);
        story.say(unit, Event::Ready, 0);
    }
    assert_eq!(story.ask(Verb::Stop, "b", 1), "cycle a,b,c without an order; b=deactivating; stop b");
    assert_eq!(story.say("b", DONE, 1), "b=inactive; stop b done; c=deactivating; stop c");
}

#[test]
fn what_follows_on_an_end() {
    let mut story = Story::of([
        Spec::new("a").with(OnFailure, "bad").with(OnSuccess, "good"),
        Spec::new("bad").with(OnFailure, "a"),
        Spec::new("good"),
        Spec { can_reload: true, ..Spec::new("r").with(ReloadTo, "s") },
        Spec { can_reload: true, ..Spec::new("s") },
    ]);
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.say("a", exit(1), 0), "a=failed; start a failed; bad=activating; start bad");
    // Each starts the other when it fails; the limit ends it.
    let mut starts = 2;
    for _ in 0..20 {
        for unit in ["bad", "a"] {
            starts += story.say(unit, exit(1), 0).matches("; start ").count() / 2;
        }
    }
    assert_eq!(starts, 10);
    let mut other = Story::of([Spec::new("a").with(OnSuccess, "good"), Spec::new("good")]);
    other.ask(Verb::Start, "a", 0);
    assert_eq!(other.say("a", DONE, 0), "a=inactive; start a done; good=activating; start good");
    for unit in ["r", "s"] {
        story.ask(Verb::Start, unit, 20);
        story.say(unit, Event::Ready, 20);
    }
    assert_eq!(story.ask(Verb::Reload, "r", 21), "r=reloading; reload r; s=reloading; reload s");
}

/// A unit that cannot be started for want of another has not failed itself; what follows on its failure follows all the
/// same.
#[test]
fn what_follows_does_so_in_a_mode() {
    let failing = |mode| Spec { on_failure_mode: mode, ..Spec::new("a") }.with(OnFailure, "f");
    let rest = || {
        [
            Spec::new("f").with(Requires, "g").with(After, "g").with(Conflicts, "c"),
            Spec::new("g"),
            Spec::new("c"),
            Spec::new("d"),
        ]
    };
    let run = |mode, before: &[(Verb, &str)]| {
        let mut story = Story::of([failing(mode)].into_iter().chain(rest()));
        story.ask(Verb::Start, "a", 0);
        for (verb, unit) in before {
            story.ask(*verb, unit, 0);
        }
        story.say("a", exit(1), 1)
    };
    let over = "a=failed; start a failed";
    assert_eq!(run(Mode::Replace, &[]), format!("{over}; g=activating; start g"));
    assert_eq!(run(Mode::Isolate, &[]), format!("{over}; isolate f"));
    // Whoever excludes it is about to start.
    let busy = [(Verb::Start, "c")];
    assert!(run(Mode::Replace, &busy).contains("start c cancelled"));
    let why = "c has a contrary job, which is not cancelled for this";
    assert_eq!(run(Mode::Fail, &busy), format!("{over}; f not started: {why}"));
    assert_eq!(run(Mode::IgnoreDependencies, &busy), format!("{over}; f=activating; start f"));
    let other = [(Verb::Start, "d")];
    assert!(!run(Mode::Replace, &other).contains("start d cancelled"));
    assert!(run(Mode::Flush, &other).contains("start d cancelled"));
    assert_eq!(Spec::new("a").on_success_mode, Mode::Fail);
}

#[test]
fn modes_of_requests() {
    let units = || {
        [
            Spec::new("a"),
            Spec::new("b").with(After, "a").with(Requires, "missing"),
            Spec::new("c").with(After, "a"),
        ]
    };
    // What may not be cancelled is not, and is as others at the end of everything.
    let mut story = Story::of(units());
    story.ask_as(Verb::Start, "a", Mode::ReplaceIrreversibly, 0);
    assert_eq!(story.ask(Verb::Stop, "a", 1), "a has a contrary job, which is not cancelled for this");
    story.0.give_way();
    assert_eq!(story.ask(Verb::Stop, "a", 1), "start a cancelled; a=deactivating; stop a");
    // A unit alone, in its order or not.
    let mut story = Story::of(units());
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.ask(Verb::Start, "b", 0), "b needs missing, which does not exist");
    assert_eq!(story.ask_as(Verb::Start, "b", Mode::IgnoreRequirements, 0), "");
    assert_eq!(story.ask_as(Verb::Start, "b", Mode::IgnoreDependencies, 0), "b=activating; start b");
    // All others are cancelled.
    let mut story = Story::of(units());
    story.ask(Verb::Start, "a", 0);
    assert_eq!(story.ask_as(Verb::Start, "c", Mode::Flush, 0), "start a cancelled; c=activating; start c");
    for word in [
        "replace",
        "fail",
        "replace-irreversibly",
        "isolate",
        "flush",
        "ignore-dependencies",
        "ignore-requirements",
    ] {
        let mode = Mode::named(word).expect(word);
        assert_eq!(serde_json::to_value(mode).expect(word), word);
    }
}

#[test]
fn what_follows_on_a_unit_that_is_missing() {
    let mut story = Story::of([
        Spec::new("local-fs").with(Requires, "srv").with(After, "srv").with(OnFailure, "emergency"),
        Spec::new("srv"),
        Spec::new("emergency"),
    ]);
    story.ask(Verb::Start, "local-fs", 0);
    assert_eq!(
        story.say("srv", exit(1), 0),
        "srv=failed; start srv failed; start local-fs dependency; emergency=activating; start emergency"
    );
    // Each follows on the other, and neither can ever be started, nor has a limit.
    let unlimited = |name: &str| Spec { start_limit_burst: 0, ..Spec::new(name) };
    let mut story = Story::of([
        unlimited("a").with(Requires, "gone").with(After, "gone").with(OnFailure, "b"),
        unlimited("b").with(Requires, "gone").with(After, "gone").with(OnFailure, "a"),
        Spec { start_limit_burst: 1, ..Spec::new("gone") },
    ]);
    story.ask(Verb::Start, "a", 0);
    let told = story.say("gone", exit(1), 0);
    assert!(told.starts_with("gone=failed; start gone failed; start a dependency"), "{told}");
    assert!(told.matches("dependency").count() <= 4, "{told}");
}

/// What follows on a failure may need the very unit that failed: it is not asked for without end.
#[test]
fn a_failure_that_needs_itself() {
    let mut story = Story::of([
        Spec { start_limit_burst: 1, ..Spec::new("a").with(OnFailure, "b") },
        Spec::new("b").with(Requires, "a").with(After, "a"),
    ]);
    story.ask(Verb::Start, "a", 0);
    assert_eq!(
        story.say("a", exit(1), 0),
        "a=failed; start a failed; a=failed; start a failed; start b dependency; a=failed; start a failed; start b dependency"
    );
}

#[test]
fn a_unit_may_reload_by_itself() {
    let mut story = Story::of([Spec::new("a")]);
    story.ask(Verb::Start, "a", 0);
    story.say("a", Event::Ready, 0);
    assert_eq!(story.say("a", Event::Reloading, 1), "a=reloading");
    assert_eq!(story.say("a", Event::Ready, 2), "a=active");
    story.say("a", Event::Reloading, 3);
    assert_eq!(story.tick(93), "a=active", "it has not said so in time");
}

#[test]
fn a_condition_that_does_not_hold() {
    let mut story = Story::of([Spec::new("a"), Spec::new("b").with(Requires, "a").with(After, "a")]);
    story.ask(Verb::Start, "b", 0);
    assert_eq!(
        story.say("a", Event::Ended(Outcome::Skipped), 0),
        "a=inactive; start a skipped; b=activating; start b"
    );
}

/// Every pair of states, with every cause: legal if and only if the table has it.
#[test]
fn the_table_is_the_only_truth() {
    let rows: BTreeSet<_> = TRANSITIONS.into_iter().collect();
    assert_eq!(rows.len(), TRANSITIONS.len(), "a row stands twice");
    // A cause leads from a state to one other only.
    let ways: BTreeSet<_> = TRANSITIONS.iter().map(|(from, cause, _)| (from, cause)).collect();
    assert_eq!(ways.len(), TRANSITIONS.len());
    for state in State::ALL {
        assert!(TRANSITIONS.iter().any(|(from, ..)| *from == state), "no way out of {state}");
        assert!(TRANSITIONS.iter().any(|(_, _, to)| *to == state), "no way into {state}");
    }
}

#[test]
fn devices_come_and_go_by_themselves() {
    let mut story = Story::of([
        Spec::device("a.device").with(Relation::Wants, "helper.service"),
        Spec::new("b.service").with(Relation::BindsTo, "a.device").with(Relation::After, "a.device"),
        Spec::new("helper.service"),
    ]);
    // A start waits for it; the state says that it is not there.
    assert_eq!(story.ask(Verb::Start, "b.service", 0), "helper.service=activating; start helper.service");
    let device = story.0.unit("a.device").expect("a unit");
    assert_eq!(story.0.state(device), State::Inactive);
    assert_eq!(story.0.timeout(), Some(seconds(90)));
    assert_eq!(
        story.say("a.device", Event::Ready, 1),
        "a.device=active; start a.device done; b.service=activating; start b.service"
    );
    story.say("b.service", Event::Ready, 1);
    story.say("helper.service", Event::Ready, 1);
    // Nobody can stop it, but who is bound to it goes; nor can it be started anew.
    assert_eq!(story.ask(Verb::Restart, "a.device", 2), "b.service=deactivating; stop b.service");
    assert_eq!(
        story.say("b.service", Event::Ended(Outcome::Success), 2),
        "b.service=inactive; restart a.device done; b.service=activating; start b.service"
    );
    story.say("b.service", Event::Ready, 2);
    // It says nothing else of itself.
    for event in [Event::Ready, Event::Ending, Event::Reloading, Event::Reloaded(true)] {
        assert_eq!(story.say("a.device", event, 3), "", "{event:?}");
    }
    // What is bound to it stops with it.
    assert_eq!(
        story.say("a.device", Event::Ended(Outcome::Success), 4),
        "a.device=inactive; b.service=deactivating; stop b.service"
    );
    story.say("b.service", Event::Ended(Outcome::Success), 4);
    story.say("helper.service", Event::Ended(Outcome::Success), 4);
    // Unasked for it brings what it wants, however often it comes: no limit of starts is its own.
    for second in 5..25 {
        let trace = story.say("a.device", Event::Ready, second * 100);
        assert_eq!(trace, "a.device=active; helper.service=activating; start helper.service");
        story.say("helper.service", Event::Ended(Outcome::Success), second * 100);
        assert_eq!(story.say("a.device", Event::Ended(Outcome::Success), second * 100), "a.device=inactive");
    }
}

#[test]
fn a_device_that_does_not_come_is_waited_for_no_longer_than_it_says() {
    let mut story = Story::of([
        Spec { job_running_timeout: Some(seconds(5)), ..Spec::device("a.device") },
        Spec::new("b.service").with(Relation::Requires, "a.device").with(Relation::After, "a.device"),
        Spec::new("c.service").with(Relation::Wants, "a.device").with(Relation::After, "a.device"),
    ]);
    assert_eq!(story.ask(Verb::Start, "b.service", 0), "");
    assert_eq!(story.ask(Verb::Start, "c.service", 1), "");
    assert_eq!(story.tick(4), "");
    assert_eq!(
        story.tick(5),
        "start a.device timeout; start b.service dependency; c.service=activating; start c.service"
    );
    // A stop takes back the waiting, and late is better than never.
    assert_eq!(story.ask(Verb::Start, "a.device", 6), "");
    assert_eq!(story.ask(Verb::Stop, "a.device", 7), "start a.device cancelled; stop a.device done");
    assert_eq!(story.say("a.device", Event::Ready, 8), "a.device=active");
    assert_eq!(story.ask(Verb::Stop, "a.device", 9), "stop a.device done");
    let device = story.0.unit("a.device").expect("a unit");
    assert_eq!(story.0.state(device), State::Active);
}

#[test]
fn units_are_taken_in_while_others_run() {
    let mut machine = Machine::new(vec![Spec::new("a.service")]);
    let a = machine.unit("a.service").expect("a unit");
    machine.request(Verb::Start, a, Duration::ZERO).expect("it starts");
    machine.event(a, Event::Ready, Duration::ZERO);
    let later =
        Spec::new("b.service").with(Relation::BindsTo, "a.service").with(Relation::After, "a.service");
    let known = Spec { can_reload: true, ..Spec::new("a.service") };
    machine.load(vec![later, known]);
    assert_eq!((machine.unit("a.service"), machine.state(a)), (Some(a), State::Active));
    let b = machine.unit("b.service").expect("a unit");
    machine.request(Verb::Start, b, Duration::ZERO).expect("it starts");
    assert_eq!(machine.state(b), State::Activating);
    machine.request(Verb::Reload, a, Duration::ZERO).expect("it can be reloaded now");
}

/// How long this thread has worked; the time on the clock counts other programs too.
fn worked() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

/// A target that wants so many services, from nothing to all ready.
fn boot(count: usize) -> Duration {
    let names: Vec<_> = (0..count).map(|number| format!("s{number}.service")).collect();
    let base = Spec::new("base.target");
    let mut all = Spec::new("all.target");
    let mut specs = vec![base];
    for name in &names {
        all = all.with(Relation::Wants, name).with(Relation::After, name);
        specs.push(
            Spec::new(name).with(Relation::Requires, "base.target").with(Relation::After, "base.target"),
        );
    }
    specs.push(all);
    let began = worked();
    let mut machine = Machine::new(specs);
    let target = machine.unit("all.target").expect("a unit");
    machine.request(Verb::Start, target, Duration::ZERO).expect("it starts");
    while let Some(effect) = machine.effect() {
        if let Effect::Start(unit) = effect {
            machine.event(unit, Event::Ready, Duration::ZERO);
        }
    }
    assert_eq!(machine.state(target), State::Active);
    worked() - began
}

#[test]
fn eight_times_the_units_take_about_eight_times_as_long() {
    let least = |count| (0..5).map(|_| boot(count)).min().expect("a time");
    // Others on the machine can make a measurement longer, and not each of them; a machine that looks at all units for
    // each of them takes 64 times as long every time.
    let mut measured = Vec::new();
    let linear = (0..8).any(|_| {
        let (few, many) = (least(500), least(4_000));
        measured.push((few, many));
        many < few * 8 * 4
    });
    assert!(linear, "500 units, 4,000 units: {measured:?}");
}

/// A chain of units, each bound to the one before it, that come back with it.
fn chain() -> [Spec; 3] {
    let bound = |name: &str, to: &str| {
        let spec = Spec::new(name).with(BindsTo, to).with(After, to);
        Spec { comes_back: true, restart: always(), ..spec }
    };
    [Spec { restart: always(), ..Spec::new("a") }, bound("b", "a"), bound("c", "b")]
}

fn always() -> Restart {
    Restart { policy: RestartPolicy::Always, delay: seconds(1), ..Restart::default() }
}

#[test]
fn what_is_bound_goes_down_with_a_unit_and_comes_back_with_it() {
    let mut story = Story::of(chain());
    story.ask(Verb::Start, "c", 0);
    for unit in ["a", "b", "c"] {
        story.say(unit, Event::Ready, 0);
    }
    assert_eq!(story.say("a", exit(1), 10), "a=activating; c=deactivating; stop c");
    // It waits for those that still hold what it was.
    assert_eq!(story.tick(11), "");
    assert_eq!(story.say("c", DONE, 12), "c=inactive; stop c done; b=deactivating; stop b");
    assert_eq!(story.say("b", DONE, 13), "b=inactive; stop b done; a=activating; start a");
    // It falls before it is there: they wait for the next time.
    assert_eq!(
        story.say("a", exit(1), 14),
        "a=activating; start a failed; start b dependency; start c dependency"
    );
    assert_eq!(story.tick(15), "a=activating; start a");
    assert_eq!(story.say("a", Event::Ready, 16), "a=active; start a done; b=activating; start b");
    assert_eq!(story.say("b", Event::Ready, 16), "b=active; start b done; c=activating; start c");
    story.say("c", Event::Ready, 16);
    // Who was told to stay away does.
    story.say("a", exit(1), 20);
    assert_eq!(story.ask(Verb::Stop, "b", 20), "");
    story.say("c", DONE, 20);
    assert_eq!(story.say("b", DONE, 20), "b=inactive; stop b done");
    assert_eq!(story.tick(21), "a=activating; start a");
    assert_eq!(story.say("a", Event::Ready, 21), "a=active; start a done");
    assert_eq!(story.0.jobs().count(), 0);
}

#[test]
fn a_unit_that_is_down_gives_its_place_to_another() {
    let mut machine = Machine::new(vec![Spec::new("a@1.service"), Spec::new("b.service")]);
    let place = machine.unit("a@1.service").expect("a unit");
    machine.request(Verb::Start, place, Duration::ZERO).expect("it starts");
    assert!(!machine.rename(place, "a@2.service"), "it is not down");
    machine.event(place, Event::Ended(Outcome::ExitCode(3)), Duration::ZERO);
    assert!(!machine.rename(place, "b.service"), "the name is another's");
    assert!(machine.rename(place, "a@2.service"));
    assert_eq!((machine.unit("a@1.service"), machine.unit("a@2.service")), (None, Some(place)));
    assert_eq!((machine.state(place), machine.outcome(place)), (State::Inactive, Outcome::Success));
    machine.request(Verb::Start, place, Duration::ZERO).expect("it starts anew");
}
