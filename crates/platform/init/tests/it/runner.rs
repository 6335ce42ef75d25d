//! Units that a program brings: a supervisor on a thread of it, asked over the control socket like any other.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use perigee_files::SearchPath;
use perigee_init::center::{Center, Item, KEPT, What};
use perigee_init::control::{Client, ListedUnit, Reply, Request, UnitStatus};
use perigee_init::supervisor::{Brought, Ending, Reports, Runner, Settings, Supervisor};
use perigee_units::machine::{
    Event, JobOutcome, Outcome, Relation, Restart, RestartPolicy, Spec, State, Verb,
};
use perigee_units::unit::UnitName;

type Diary = Arc<Mutex<Vec<String>>>;

/// Carries everything out at once, but for a unit named stubborn.task, which only force ends.
struct Willing {
    reports: Reports,
    diary: Diary,
}

impl Willing {
    fn write(&self, word: &str, unit: &str) {
        self.diary.lock().unwrap().push(format!("{word} {unit}"));
    }
}

impl Runner for Willing {
    fn start(&mut self, unit: &str) {
        self.write("start", unit);
        self.reports.status(unit, "at work");
        self.reports.event(unit, Event::Ready);
    }

    fn stop(&mut self, unit: &str) {
        self.write("stop", unit);
        if unit != "stubborn.task" {
            self.reports.event(unit, Event::Ended(Outcome::Success));
        }
    }

    fn kill(&mut self, unit: &str) {
        self.write("kill", unit);
        self.reports.event(unit, Event::Ended(Outcome::Timeout));
    }

    fn reload(&mut self, unit: &str) {
        self.write("reload", unit);
        self.reports.event(unit, Event::Reloaded(true));
    }

    fn told(&mut self, line: &str) {
        self.write("told:", line);
    }

    fn word(&self, state: State) -> &'static str {
        if state == State::Active { "humming" } else { "silent" }
    }
}

/// A program with three tasks: wave is bound to radio, stubborn stands alone.
struct Program {
    runtime: tempfile::TempDir,
    reports: Reports,
    diary: Diary,
    center: Center,
    thread: JoinHandle<Ending>,
}

fn task(name: &str) -> Spec {
    let restart =
        Restart { policy: RestartPolicy::Always, delay: Duration::from_millis(50), ..Restart::default() };
    // Only who does not stop is to be late: on a machine with other work a moment is soon over for the others too.
    let patience = if name == "stubborn.task" { Duration::from_millis(100) } else { Duration::from_secs(60) };
    Spec {
        restart,
        comes_back: true,
        stop_timeout: Some(patience),
        can_reload: name == "radio.task",
        ..Spec::new(name)
    }
}

impl Program {
    fn begin() -> Program {
        Program::begin_in(tempfile::tempdir().unwrap())
    }

    fn begin_in(runtime: tempfile::TempDir) -> Program {
        let settings = Settings {
            search: SearchPath::new(Vec::new()),
            runtime: runtime.path().to_owned(),
            target: UnitName::parse("station.target").unwrap(),
            is_first: false,
            console: false,
            system: Default::default(),
            fstab: None,
            log: None,
        };
        let mut supervisor = Supervisor::within(settings).unwrap();
        let tasks = [
            task("radio.task"),
            task("wave.task").with(Relation::BindsTo, "radio.task").with(Relation::After, "radio.task"),
            task("stubborn.task"),
        ];
        let mut target = Spec::new("station.target");
        for task in &tasks {
            target = target.with(Relation::Wants, &task.name).with(Relation::After, &task.name);
        }
        let units = tasks.into_iter().chain([target]);
        let units = units.map(|spec| Brought { description: format!("100% of {}", spec.name), spec });
        let diary = Diary::default();
        let reports = supervisor
            .bring(units.collect(), |reports| Box::new(Willing { reports, diary: Arc::clone(&diary) }))
            .unwrap();
        let center = supervisor.center();
        let thread = std::thread::spawn(move || supervisor.run().unwrap());
        let program = Program { runtime, reports, diary, center, thread };
        program.until("station.target", |unit| unit.active == "active");
        program
    }

    fn ask(&self, request: &Request) -> Result<Vec<Reply>, String> {
        Client::connect(self.runtime.path()).unwrap().all(request).map_err(|error| error.to_string())
    }

    fn list(&self) -> Vec<ListedUnit> {
        let listed = self.ask(&Request::List).unwrap().into_iter().filter_map(|reply| match reply {
            Reply::Listed(listed) => Some(listed),
            _ => None,
        });
        listed.collect()
    }

    fn status(&self, unit: &str) -> UnitStatus {
        let replies = self.ask(&Request::Status { units: vec![unit.to_owned()] }).unwrap();
        let Some(Reply::Unit(status)) = replies.into_iter().next() else { panic!("no status") };
        *status
    }

    fn until(&self, unit: &str, condition: impl Fn(&ListedUnit) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let list = self.list();
            if list.iter().any(|listed| listed.unit == unit && condition(listed)) {
                return;
            }
            assert!(Instant::now() < deadline, "{list:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn act(&self, verb: Verb, unit: &str) -> JobOutcome {
        let units = vec![unit.to_owned()];
        let request = Request::Do { verb, units, active_only: false, or_restart: false, wait: true };
        let replies = self.ask(&request).unwrap();
        let ended = replies.into_iter().find_map(|reply| match reply {
            Reply::Finished { outcome, .. } => Some(outcome),
            _ => None,
        });
        ended.unwrap()
    }

    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *self.diary.lock().unwrap())
    }

    fn end(self) -> Vec<String> {
        self.diary();
        self.reports.end();
        assert_eq!(self.thread.join().unwrap(), Ending::Exit(0));
        std::mem::take(&mut *self.diary.lock().unwrap())
    }
}

/// Other threads of the program read what its units do without asking the supervisor.
#[test]
fn the_state_centre_follows_the_units() {
    let program = Program::begin();
    let mut watch = program.center.watch(1).bounded(KEPT);
    let mut states = std::collections::BTreeMap::new();
    let mut told = 0;
    let mut follow = |until: State| {
        loop {
            let Some(Item::Event(event)) = watch.next(Duration::from_secs(10)) else { panic!("{states:?}") };
            told += 1;
            assert_eq!(event.sequence, told);
            if let (What::Changed { from, to, .. }, Some(unit)) = (&event.what, &event.unit) {
                let before = states.insert(unit.to_string(), *to).unwrap_or(State::Inactive);
                assert_eq!(before, *from, "{unit}");
                if &**unit == "wave.task" && *to == until {
                    break;
                }
            }
        }
    };
    follow(State::Active);
    let unit = program.center.unit("wave.task").unwrap();
    assert_eq!(
        (unit.snapshot().state, unit.snapshot().description.as_ref()),
        (State::Active, "100  of wave.task")
    );
    assert_eq!(program.center.units(), program.list().len());
    assert_eq!(program.act(Verb::Stop, "wave.task"), JobOutcome::Done);
    follow(State::Inactive);
    assert!(unit.look(|unit| unit.state == State::Inactive && unit.sequence <= program.center.sequence()));
    program.end();
}

#[test]
fn units_of_a_program_are_shown_and_asked_like_all_others() {
    let program = Program::begin();
    let starts = ["start radio.task", "start stubborn.task", "start wave.task"];
    let mut diary = program.diary();
    assert_eq!(diary.iter().position(|line| line == "start wave.task"), Some(2), "{diary:?}");
    diary.retain(|line| !line.starts_with("told: station.target and all of it after "));
    diary.sort();
    assert_eq!(diary, starts);
    let status = program.status("radio.task");
    let listed = &status.listed;
    let shown = (listed.active.as_str(), listed.sub.as_str(), listed.description.as_str());
    assert_eq!(shown, ("active", "humming", "100  of radio.task"));
    assert_eq!((status.status.as_str(), status.files.len()), ("at work", 0));
    assert_eq!(status.relations["BoundBy"], ["wave.task"]);

    assert_eq!(program.act(Verb::Reload, "radio.task"), JobOutcome::Done);
    assert_eq!(program.act(Verb::Restart, "wave.task"), JobOutcome::Done);
    assert_eq!(program.act(Verb::Stop, "stubborn.task"), JobOutcome::Done);
    let expected = [
        "reload radio.task",
        "stop wave.task",
        "start wave.task",
        "stop stubborn.task",
        "kill stubborn.task",
        "told: stubborn.task: has failed: timeout",
    ];
    assert_eq!(program.diary(), expected);
    assert_eq!(program.end(), ["told: stopping all units", "stop wave.task", "stop radio.task"]);
}

#[test]
fn what_falls_is_started_again_with_what_is_bound_to_it() {
    let program = Program::begin();
    program.diary();
    program.reports.event("radio.task", Event::Ended(Outcome::ExitCode(101)));
    // A word for a unit of nobody changes nothing.
    program.reports.event("nobody.task", Event::Ended(Outcome::ExitCode(101)));
    program.reports.event("station.target", Event::Ended(Outcome::ExitCode(101)));
    program.until("radio.task", |unit| unit.restarts == 1 && unit.active == "active");
    program.until("wave.task", |unit| unit.active == "active");
    assert_eq!(program.diary(), ["stop wave.task", "start radio.task", "start wave.task"]);
    assert_eq!(program.status("station.target").listed.active, "active");
    program.end();
}

#[test]
fn a_part_of_a_program_takes_nothing_from_its_process() {
    let program = Program::begin();
    let mask = std::thread::spawn(|| nix::sys::signal::SigSet::thread_get_mask().unwrap()).join().unwrap();
    assert!(!mask.contains(nix::sys::signal::Signal::SIGTERM));
    let mut child = std::process::Command::new("true").spawn().unwrap();
    assert!(child.wait().unwrap().success(), "its children are its own");
    let run = Request::Run {
        unit: "x.service".to_owned(),
        text: "[Service]\nExecStart=true\n".to_owned(),
        wait: true,
    };
    assert!(program.ask(&run).unwrap_err().contains("starts no processes"));
    assert!(program.ask(&Request::DaemonReexec).unwrap_err().contains("part of a program"));
    assert!(program.ask(&Request::PowerOff).unwrap_err().contains("no machine"));
    let start = Request::Do {
        verb: Verb::Start,
        units: vec!["cron.service".to_owned()],
        active_only: false,
        or_restart: false,
        wait: true,
    };
    assert!(program.ask(&start).is_err(), "files are no units here");
    program.end();
}

#[test]
fn a_folder_that_lies_deeper_than_addresses_are_long_will_do() {
    let long = tempfile::Builder::new().prefix(&"deep-".repeat(30)).tempdir().unwrap();
    let program = Program::begin_in(long);
    assert_eq!(program.status("radio.task").listed.active, "active");
    program.end();
}
