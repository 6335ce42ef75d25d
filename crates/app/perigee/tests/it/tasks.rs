//! Task units of a service under `perigee init`: those of the station, and those of a program that says what it is told
//! to say, right or wrong.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use perigee_init::control::{Change, Reply, Request, UnitStatus, Whom};
use perigee_process::pidfd::received;
use perigee_units::machine::{JobOutcome, State, Verb};

use crate::init::{Init, may_run};
use crate::storms::Storm;
use crate::support::PERIGEE;

const STATION: [&str; 4] = ["telemetry.task", "simulator.task", "link.task", "fanout.task"];

/// Everything that has changed so far.
fn changes(init: &Init) -> Vec<Change> {
    let mut watcher = init.try_client().unwrap();
    watcher.send(&Request::Watch { from: Some(1) }).unwrap();
    let Reply::Manager(manager) = init.ask(&Request::Manager).remove(0) else { panic!("no manager") };
    let told = (0..manager.sequence).map(|_| match watcher.next_reply().unwrap() {
        Reply::Change(change) => change,
        other => panic!("{other:?}"),
    });
    told.collect()
}

/// Whether two moments are one; they are told in microseconds of a clock that runs beside the one that counts.
fn is_same(one: u64, other: u64) -> bool {
    one.abs_diff(other) < 5_000
}

fn kill(init: &Init, unit: &str, signal: &str) {
    let units = vec![unit.to_owned()];
    init.ask(&Request::Kill { units, signal: signal.to_owned(), whom: Whom::Main });
}

fn logs(init: &Init, unit: &str) -> String {
    let folder = init.path("run/log");
    let output = Command::new(PERIGEE)
        .args(["ctl", "logs", "-o", "cat", "-u", unit, "--folder"])
        .arg(folder)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The station of the packaged unit, with all of its parts at work, and its address.
fn boot_station(change: impl Fn(String) -> String) -> (Init, String) {
    let unit = include_str!("../../../../../packaging/perigee.service");
    let unit = unit.replace("/usr/bin/perigee up", "PROGRAM up --listen 127.0.0.1:0 --state DIR/state");
    let unit = change(unit.replace("PROGRAM", PERIGEE).replace("StateDirectory=perigee\n", ""));
    let init = Init::boot("perigee.service", &[("perigee.service", &unit)]);
    let address = station_is_up(&init);
    (init, address)
}

fn station_is_up(init: &Init) -> String {
    for unit in ["perigee.service"].into_iter().chain(STATION) {
        init.wait_for(unit, State::Active);
    }
    init.wait("the page is told of", || init.status("perigee.service").status.starts_with("page at http://"));
    let status = init.status("perigee.service").status;
    status.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_parts_of_the_station_are_units_of_the_supervisor_that_has_started_it() {
    if !may_run("the_parts_of_the_station_are_units_of_the_supervisor_that_has_started_it") {
        return;
    }
    let (mut init, address) = boot_station(|unit| unit.replace("WatchdogSec=30", "WatchdogSec=2"));
    let service = init.status("perigee.service");
    let link = init.status("link.task");
    assert_eq!(link.listed.description, "Receives frames and packets (with telemetry)");
    let mut needs = link.relations["BindsTo"].clone();
    needs.sort();
    assert_eq!(needs, ["perigee.service", "simulator.task", "telemetry.task"]);
    assert!(!init.path("state/run/control.sock").exists(), "the station has no supervisor of its own");

    // What a part says is in its own log, and nowhere else.
    init.wait("the log of the link", || logs(&init, "link.task").contains("connected link=PerigeeSat"));
    assert!(
        !logs(&init, "perigee.service").contains("connected link="),
        "{}",
        logs(&init, "perigee.service")
    );

    // Over HTTP the parts stand there once, as the station's.
    let units = get(&address, "/api/units");
    for unit in [
        r#"{"supervisor":"machine","unit":"perigee.service""#,
        r#"{"supervisor":"station","unit":"link.task""#,
    ] {
        assert!(units.contains(unit), "{unit} is not in {units}");
    }
    assert_eq!(units.matches(r#""unit":"link.task""#).count(), 1, "{units}");
    assert!(get(&address, "/api/units/link.task").contains(r#""supervisor":"station""#));
    let own = get(&address, "/api/units/perigee.service");
    assert!(own.contains(&format!("\"main_pid\":{}", service.main_pid.unwrap())), "{own}");
    let log = get(&address, "/api/units/perigee.service/log");
    assert!(log.starts_with("HTTP/1.1 401"), "it may hold a one-time password");

    // What has changed is told under the same name.
    let mut events = TcpStream::connect(&address).unwrap();
    events.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET /api/units/events?machine=1 HTTP/1.1\r\nhost: {address}\r\n\r\n");
    events.write_all(request.as_bytes()).unwrap();
    let mut told = String::new();
    let mut hear = |what: &str| {
        let mut octets = [0; 1024];
        while !told.contains(what) {
            let count = events.read(&mut octets).unwrap();
            assert_ne!(count, 0, "{what} is not in {told}");
            told.push_str(&String::from_utf8_lossy(&octets[..count]));
        }
    };
    hear("event: begin");
    hear(r#"data: {"supervisor":"machine","#);
    hear(r#"data: {"supervisor":"station","#);

    // One part is started again, with those that need it; the others are not touched.
    let since = |unit: &str| init.status(unit).since;
    let before = STATION.map(since);
    assert_eq!(init.act(Verb::Restart, "link.task"), JobOutcome::Done);
    init.wait_for("fanout.task", State::Active);
    let after = STATION.map(since);
    assert!(is_same(before[0], after[0]) && is_same(before[1], after[1]), "{before:?} {after:?}");
    assert!(before[2] < after[2] && before[3] < after[3], "{before:?} {after:?}");
    assert_eq!(init.status("perigee.service").main_pid, service.main_pid);

    // Longer than the watchdog waits.
    sleep(Duration::from_millis(2500));
    let later = init.status("perigee.service");
    assert_eq!((later.main_pid, later.listed.restarts), (service.main_pid, 0), "{later:?}");

    // They stop before their service does, in their order, and start with it.
    assert_eq!(init.act(Verb::Stop, "perigee.service"), JobOutcome::Done);
    let told = changes(&init);
    let down = |unit: &str| {
        let last = told.iter().rev().find(|change| change.unit == unit).unwrap();
        assert_eq!((last.to, last.result.as_str()), (State::Inactive, "success"), "{last:?}");
        last.sequence
    };
    let order = ["fanout.task", "link.task", "telemetry.task", "perigee.service"].map(down);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(init.act(Verb::Start, "telemetry.task"), JobOutcome::Done);
    station_is_up(&init);
    assert_eq!(init.act(Verb::Restart, "perigee.service"), JobOutcome::Done);
    station_is_up(&init);
    assert_eq!(init.end(), Some(7));
}

#[test]
fn a_station_that_is_killed_takes_its_parts_along_and_nothing_else() {
    if !may_run("a_station_that_is_killed_takes_its_parts_along_and_nothing_else") {
        return;
    }
    let (mut init, _) = boot_station(|unit| unit.replace("RestartSec=1\n", "RestartSec=300ms\n"));
    let before = init.status("perigee.service").main_pid;
    kill(&init, "perigee.service", "KILL");
    init.wait("another process", || {
        let now = init.status("perigee.service").main_pid;
        now.is_some() && now != before
    });
    station_is_up(&init);
    let told = changes(&init);
    for unit in STATION {
        let of_unit: Vec<_> = told.iter().filter(|change| change.unit == unit).collect();
        let fell = of_unit.iter().find(|change| change.to == State::Failed);
        assert_eq!(fell.map(|change| change.result.as_str()), Some("signal SIGKILL"), "{of_unit:?}");
        assert_eq!(of_unit.last().map(|change| change.to), Some(State::Active), "{of_unit:?}");
        assert_eq!(init.status(unit).listed.restarts, 0, "it was brought anew, not started again");
    }
    assert_eq!(init.status("perigee.service").listed.restarts, 1);
    // Who is told to end by somebody else drains, and is started again.
    let before = init.status("perigee.service").main_pid;
    kill(&init, "perigee.service", "TERM");
    init.wait("another process", || {
        let now = init.status("perigee.service").main_pid;
        now.is_some() && now != before
    });
    station_is_up(&init);
    let last = changes(&init).into_iter().rev().filter(|change| change.unit == "telemetry.task");
    let ends = last.filter(|change| change.to.is_down()).map(|change| change.result).next();
    assert_eq!(ends.as_deref(), Some("success"));
    assert_eq!(init.end(), Some(7));
}

/// Two of a template under one supervisor: each has its own parts, and what becomes of one is nothing to the other.
#[test]
fn two_stations_have_their_own_parts() {
    if !may_run("two_stations_have_their_own_parts") {
        return;
    }
    let unit = include_str!("../../../../../packaging/perigee.service");
    let unit = unit.replace("/usr/bin/perigee up", "PROGRAM up --listen 127.0.0.1:0 --state DIR/state-%i");
    let unit = unit.replace("PROGRAM", PERIGEE).replace("StateDirectory=perigee\n", "");
    let both = ["east", "west"];
    let names = both.map(|one| format!("perigee@{one}.service"));
    let mut init = Init::boot(&names.join(" "), &[("perigee@.service", &unit)]);
    let parts = |one: &str| STATION.map(|part| part.replace(".task", &format!("@{one}.task")));
    let are_up = |init: &Init| {
        for one in both {
            init.wait_for(&format!("perigee@{one}.service"), State::Active);
            parts(one).iter().for_each(|part| init.wait_for(part, State::Active));
        }
    };
    are_up(&init);
    let mut needs = init.status("link@west.task").relations["BindsTo"].clone();
    needs.sort();
    assert_eq!(needs, ["perigee@west.service", "simulator@west.task", "telemetry@west.task"]);

    // The page of each calls its own parts the station's, and those of the other the machine's.
    let told = || init.status("perigee@west.service").status;
    init.wait("the page is told of", || told().starts_with("page at http://"));
    let address = told().split("http://").nth(1).unwrap().trim_end_matches('/').to_owned();
    let units = get(&address, "/api/units");
    for unit in [
        r#"{"supervisor":"station","unit":"link@west.task""#,
        r#"{"supervisor":"machine","unit":"link@east.task""#,
    ] {
        assert!(units.contains(unit), "{unit} is not in {units}");
    }

    // Another copy of the supervisor has them by the same names.
    let since = |init: &Init, one: &str| parts(one).map(|part| init.status(&part).since);
    let before = both.map(|one| since(&init, one));
    init.ask(&Request::DaemonReexec);
    init.wait("another copy", || init.text("log").contains("goes on as another copy"));
    init.wait("it answers", || init.try_client().is_some());
    let after = both.map(|one| since(&init, one));
    let same =
        before.as_flattened().iter().zip(after.as_flattened()).all(|(one, other)| is_same(*one, *other));
    assert!(same, "{before:?} {after:?}");

    // One is killed with its parts; the other does not notice.
    let main = |init: &Init| init.status("perigee@east.service").main_pid;
    let killed = main(&init);
    kill(&init, "perigee@east.service", "KILL");
    init.wait("another process", || main(&init).is_some_and(|pid| Some(pid) != killed));
    are_up(&init);
    let later = since(&init, "west");
    assert!(after[1].iter().zip(&later).all(|(one, other)| is_same(*one, *other)), "{after:?} {later:?}");
    let anew = since(&init, "east");
    assert!(after[0].iter().zip(&anew).all(|(one, other)| one < other), "{after:?} {anew:?}");
    assert_eq!(init.end(), Some(7));
}

#[test]
fn another_copy_of_the_supervisor_goes_on_with_the_same_station() {
    if !may_run("another_copy_of_the_supervisor_goes_on_with_the_same_station") {
        return;
    }
    let (mut init, _) = boot_station(|unit| unit);
    let seen = |init: &Init| {
        let statuses = STATION.map(|unit| init.status(unit));
        let main = init.status("perigee.service").main_pid;
        (main, statuses.map(|status: UnitStatus| (status.since, status.listed.active)))
    };
    let before = seen(&init);
    init.ask(&Request::DaemonReexec);
    init.wait("another copy", || init.text("log").contains("goes on as another copy"));
    init.wait("it answers", || init.try_client().is_some());
    assert_eq!(seen(&init).0, before.0);
    for ((since, active), (later, still)) in before.1.iter().zip(&seen(&init).1) {
        assert!(is_same(*since, *later) && active == still, "{before:?} {:?}", seen(&init));
    }
    assert_eq!(init.act(Verb::Restart, "link.task"), JobOutcome::Done);
    init.wait_for("fanout.task", State::Active);
    assert_eq!(seen(&init).0, before.0);
    kill(&init, "perigee.service", "KILL");
    init.wait("another process", || seen(&init).0.is_some_and(|pid| Some(pid) != before.0));
    station_is_up(&init);
    assert_eq!(init.end(), Some(7));
}

/// The station of a supervisor that is not the first process, and is killed: it ends by itself, and whoever comes next
/// finds it, and starts it anew with its parts.
#[test]
fn a_station_whose_supervisor_is_killed_is_started_anew_by_the_next() {
    let unit = include_str!("../../../../../packaging/perigee.service");
    let unit = unit.replace("/usr/bin/perigee up", "PROGRAM up --listen 127.0.0.1:0 --state DIR/state");
    let unit = unit.replace("PROGRAM", PERIGEE).replace("StateDirectory=perigee\n", "");
    let units = [("perigee.service".to_owned(), unit)];
    let script = "while [ ! -e DIR/over ]; do INIT; done";
    let test = "a_station_whose_supervisor_is_killed_is_started_anew_by_the_next";
    let Some(storm) = Storm::begin(test, script, &units) else { return };
    let up = |than: Option<u32>| {
        let active = |unit: &str| storm.status(unit).is_some_and(|unit| unit.listed.active == "active");
        let main = storm.status("perigee.service")?.main_pid?;
        (Some(main) != than && STATION.iter().all(|unit| active(unit))).then_some(main)
    };
    let mut main = storm.wait("station", || up(None));
    for _ in 0..2 {
        let supervisor = storm.wait("supervisor", || storm.supervisor());
        let _ = Command::new("kill").args(["-9", &supervisor.to_string()]).status();
        main = storm.wait("station with another supervisor", || up(Some(main)));
    }
    let log = storm.text("run/log/current.jsonl");
    assert!(log.contains("the supervisor is gone"), "{log}");
    assert!(!log.contains("another station runs"), "no two at a time: {log}");
}

/// Started by a supervisor under test: says what stands in the files `say` of its folder, packets with an empty line
/// between, and writes to `orders` what it hears. It does what it is told at once.
#[test]
fn a_program_with_tasks() {
    let Some(folder) = std::env::var_os("PERIGEE_TASKS_FOLDER").map(PathBuf::from) else { return };
    let number = std::env::var("PERIGEE_TASKS").unwrap().parse().unwrap();
    let mut says = File::from(received(number));
    let mut hears = says.try_clone().unwrap();
    let mut answers = says.try_clone().unwrap();
    let mut orders = File::options().create(true).append(true).open(folder.join("orders")).unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 4096];
        loop {
            let count = hears.read(&mut packet).unwrap_or(0);
            let order = String::from_utf8_lossy(&packet[..count]).into_owned();
            writeln!(orders, "{}", if count == 0 { "(end)" } else { &order }).unwrap();
            let (what, task) = order.split_once('=').unwrap_or_default();
            let answer = match what {
                "START" => format!("READY={task}"),
                "DRAIN" | "KILL" => format!("ENDED={task}\nRESULT=well"),
                _ => std::process::exit(9),
            };
            let _ = answers.write(answer.as_bytes());
        }
    });
    let mut say = |packet: &str| match packet.strip_prefix("FLOOD ") {
        Some(count) => (0..count.trim().parse::<u32>().unwrap()).for_each(|number| {
            let _ = says.write(format!("STATUS=a\nTEXT={number}").as_bytes());
        }),
        None if packet == "EAT" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1_u8; 1 << 20]);
            }
        }
        None => drop(says.write(packet.as_bytes())),
    };
    fs::read_to_string(folder.join("first")).unwrap_or_default().split("\n\n").for_each(&mut say);
    loop {
        if let Ok(text) = fs::read_to_string(folder.join("say"))
            && fs::remove_file(folder.join("say")).is_ok()
        {
            text.split("\n\n").for_each(&mut say);
        }
        sleep(Duration::from_millis(5));
    }
}

fn program(folder: &str) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=TEST --exact tasks::a_program_with_tasks --nocapture\nRestart=always\nRestartSec=50ms\nMemoryMax=100M\nMemorySwapMax=0\n\
         Environment=PERIGEE_TASKS_FOLDER=DIR/{folder}\n[X-Perigee]\nTasks=yes\n"
    )
}

/// Lets such a program say something.
fn say(folder: &Path, packets: &str) {
    fs::write(folder.join("new"), packets).unwrap();
    fs::rename(folder.join("new"), folder.join("say")).unwrap();
}

const TWO: &str = "TASKS=1\nTASK=a\nDESCRIPTION=the first\nTASK=b\nNEEDS=a";

/// A supervisor with two such programs, of which the second is not started, and a service like any other.
fn boot_programs() -> Init {
    let units = [
        ("one.service", program("one")),
        ("two.service", program("two")),
        ("other.service", "[Service]\nExecStart=/bin/sleep 600\n".to_owned()),
    ];
    let units: Vec<_> = units.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let init = Init::boot("other.service", &units);
    for folder in ["one", "two"] {
        fs::create_dir(init.path(folder)).unwrap();
        fs::write(init.path(folder).join("first"), TWO).unwrap();
    }
    assert_eq!(init.act(Verb::Start, "one.service"), JobOutcome::Done);
    init.wait_for("b.task", State::Active);
    init
}

#[test]
fn what_a_program_says_counts_for_its_own_tasks_alone() {
    if !may_run("what_a_program_says_counts_for_its_own_tasks_alone") {
        return;
    }
    let init = boot_programs();
    let one = init.path("one");
    let main = |unit: &str| init.status(unit).main_pid;
    let before = main("one.service");

    // A part that panics is started again, with those that need it.
    say(&one, "ENDED=a\nRESULT=panicked\nWHY=out of luck");
    init.wait("a.task has come back", || init.status("a.task").listed.restarts == 1);
    init.wait_for("b.task", State::Active);
    let result = changes(&init)
        .into_iter()
        .rev()
        .find(|change| change.unit == "a.task" && change.to == State::Activating);
    assert!(result.is_some());
    assert_eq!(main("one.service"), before);

    // Units of others are not its own to speak of, whatever it calls them.
    let other = init.status("other.service");
    say(&one, "ENDED=other\nRESULT=failed\n\nENDED=other.service\nRESULT=failed\n\nREADY=two");
    init.wait("it is told of", || {
        init.status("one.service").complaints.iter().any(|line| line.contains("it has brought no other"))
    });
    assert!(is_same(init.status("other.service").since, other.since));

    // What is one's cannot be another's.
    assert_eq!(init.act(Verb::Start, "two.service"), JobOutcome::Done);
    init.wait("a refusal", || init.text("two/orders").contains("REFUSED=a.task is another unit already"));
    init.wait("it ends, and comes back", || init.status("two.service").listed.restarts > 0);
    let active = |unit: &str| init.status(unit).listed.active;
    assert_eq!([active("a.task"), active("b.task")], ["active", "active"]);
    assert_eq!(init.act(Verb::Stop, "two.service"), JobOutcome::Done);
    assert_eq!(main("one.service"), before);

    // Who says nothing but nonsense is not listened to; then its tasks have ended.
    say(&one, &vec!["\u{1}nonsense"; 40].join("\n\n"));
    init.wait("another run", || main("one.service").is_some_and(|pid| Some(pid) != before));
    init.wait_for("b.task", State::Active);
    let fell =
        changes(&init).into_iter().find(|change| change.unit == "b.task" && change.to == State::Failed);
    assert_eq!(fell.map(|change| change.result).as_deref(), Some("protocol"));
    // A list that comes twice is worth as much.
    let before = main("one.service");
    say(&one, TWO);
    init.wait("another run", || main("one.service").is_some_and(|pid| Some(pid) != before));
    init.wait_for("b.task", State::Active);
}

#[test]
fn a_program_that_falls_over_tells_no_more_and_its_tasks_say_why() {
    if !may_run("a_program_that_falls_over_tells_no_more_and_its_tasks_say_why") {
        return;
    }
    let init = boot_programs();
    let last_fall = || {
        let fell = |change: &Change| change.unit == "b.task" && change.to == State::Failed;
        let told = changes(&init);
        let fell = told.iter().rev().find(|change| fell(change));
        fell.map(|change| change.result.clone()).unwrap_or_default()
    };
    let fall = |how: &dyn Fn()| {
        let main = || init.status("one.service").main_pid;
        let before = main();
        how();
        init.wait("another run", || main().is_some_and(|pid| Some(pid) != before));
        init.wait_for("b.task", State::Active);
        last_fall()
    };
    // As a program ends that has panicked, and is built so that a panic ends it.
    let aborted = fall(&|| kill(&init, "one.service", "ABRT"));
    assert!(["signal SIGABRT", "core-dump SIGABRT"].contains(&aborted.as_str()), "{aborted}");
    let limited = init.status("one.service").usage.is_some_and(|usage| usage.memory_max.is_some());
    if !limited {
        eprintln!("SKIPPED in part: memory cannot be limited here");
        return;
    }
    assert_eq!(fall(&|| say(&init.path("one"), "EAT")), "oom-kill");
    // A kill follows within the same group, and is another matter.
    assert_eq!(fall(&|| kill(&init, "one.service", "KILL")), "signal SIGKILL");
}

#[test]
fn a_program_that_says_too_much_waits_and_nobody_waits_for_it() {
    if !may_run("a_program_that_says_too_much_waits_and_nobody_waits_for_it") {
        return;
    }
    let init = boot_programs();
    let begun = Instant::now();
    say(&init.path("one"), "FLOOD 3000");
    let mut longest = Duration::ZERO;
    let heard = || init.status("a.task").status.parse::<u64>().unwrap_or(0);
    while begun.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let heard = heard();
        longest = longest.max(asked.elapsed());
        // As many as may come at once, and those of the time since.
        let most = 512 + (begun.elapsed().as_secs_f64() * 128.0) as u64 + 1;
        assert!(heard <= most, "{heard} after {:?}", begun.elapsed());
        sleep(Duration::from_millis(20));
    }
    assert!(heard() >= 512, "{}", heard());
    assert!(longest < Duration::from_secs(1), "an answer took {longest:?}");
    // Nor does its end wait until all was heard.
    kill(&init, "one.service", "KILL");
    init.wait("it comes back", || init.status("a.task").status.is_empty());
    init.wait_for("b.task", State::Active);
}

#[test]
fn another_copy_of_the_supervisor_knows_tasks_that_are_down_and_hears_those_who_say_too_much() {
    if !may_run("another_copy_of_the_supervisor_knows_tasks_that_are_down_and_hears_those_who_say_too_much") {
        return;
    }
    let init = boot_programs();
    let copies = std::cell::Cell::new(0);
    let reexec = || {
        copies.set(copies.get() + 1);
        init.ask(&Request::DaemonReexec);
        let said = || init.text("log").matches("goes on as another copy").count();
        init.wait("another copy", || said() == copies.get() && init.try_client().is_some());
    };
    // Some that are brought no more, and some that are stopped.
    fs::write(init.path("one/first"), "TASKS=1\nTASK=a").unwrap();
    let main = || init.status("one.service").main_pid;
    let before = main();
    kill(&init, "one.service", "KILL");
    init.wait("another run", || main().is_some_and(|pid| Some(pid) != before));
    init.wait_for("a.task", State::Active);
    reexec();
    assert_eq!(init.act(Verb::Start, "b.task"), JobOutcome::Failed);
    assert_eq!(init.act(Verb::Stop, "one.service"), JobOutcome::Done);
    reexec();
    let active = |unit: &str| init.status(unit).listed.active;
    assert_eq!([active("a.task"), active("b.task")], ["inactive", "failed"]);
    fs::write(init.path("one/first"), TWO).unwrap();
    assert_eq!(init.act(Verb::Start, "one.service"), JobOutcome::Done);
    init.wait_for("b.task", State::Active);
    // One that is not listened to just then.
    say(&init.path("one"), "FLOOD 1500");
    let heard = || init.status("a.task").status.parse::<u64>().unwrap_or(0);
    init.wait("it has said too much", || heard() > 400);
    let before = main();
    reexec();
    init.wait("all is heard in the end", || heard() == 1499);
    assert_eq!(init.act(Verb::Restart, "a.task"), JobOutcome::Done);
    init.wait_for("b.task", State::Active);
    assert_eq!(main(), before);
}

#[test]
fn tasks_that_are_brought_no_more_leave_their_places_to_others() {
    if !may_run("tasks_that_are_brought_no_more_leave_their_places_to_others") {
        return;
    }
    let init = boot_programs();
    let units = || init.ask(&Request::List).len();
    let before = units();
    for round in 0..6 {
        let names = [format!("x{round}"), format!("y{round}")];
        fs::write(
            init.path("one/first"),
            format!("TASKS=1\nTASK={}\nTASK={}\nNEEDS={0}", names[0], names[1]),
        )
        .unwrap();
        kill(&init, "one.service", "KILL");
        init.wait_for(&format!("y{round}.task"), State::Active);
        assert_eq!(units(), before);
        assert_eq!(init.status("a.task").listed.load, "not-found");
    }
    // Without its tasks the service is a service like any other, and the old ones say why they are not there.
    fs::write(init.path("one/first"), "TASKS=1").unwrap();
    let main = || init.status("one.service").main_pid;
    let before = main();
    kill(&init, "one.service", "KILL");
    init.wait("it comes back", || main().is_some() && main() != before);
    init.wait("they have ended", || init.status("y5.task").listed.active != "active");
    assert_eq!(init.act(Verb::Start, "x5.task"), JobOutcome::Failed);
    assert_eq!(init.status("x5.task").status, "its service has not brought it");
}
