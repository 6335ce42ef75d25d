//! Units over HTTP, with a real supervisor behind them whose units do nothing.

use std::thread::JoinHandle;

use perigee_access::Role;
use perigee_files::SearchPath;
use perigee_init::supervisor::{Brought, Ending, Reports, Runner, Settings, Supervisor};
use perigee_journal::{Journal, Now, Priority, Record, Source};
use perigee_units::machine::{Event, Outcome, Relation, Restart, RestartPolicy, Spec};
use perigee_units::unit::UnitName;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig};

struct Idle(Reports);

impl Runner for Idle {
    fn start(&mut self, unit: &str) {
        self.0.event(unit, Event::Ready);
    }

    fn stop(&mut self, unit: &str) {
        self.0.event(unit, Event::Ended(Outcome::Success));
    }

    fn kill(&mut self, _: &str) {}

    fn reload(&mut self, _: &str) {}

    fn told(&mut self, _: &str) {}
}

/// A supervisor beside the station of a rig, with two units: wave needs radio.
struct Beside {
    reports: Reports,
    thread: JoinHandle<Ending>,
}

impl Beside {
    fn begin(rig: &Rig) -> Beside {
        let settings = Settings {
            search: SearchPath::new(Vec::new()),
            runtime: rig.folder().join("run"),
            target: UnitName::parse("wave.task").unwrap(),
            is_first: false,
            console: false,
            system: Default::default(),
            fstab: None,
            log: None,
        };
        let restart = Restart { policy: RestartPolicy::Always, ..Restart::default() };
        let radio = Spec { restart, ..Spec::new("radio.task") };
        let wave =
            Spec::new("wave.task").with(Relation::Requires, "radio.task").with(Relation::After, "radio.task");
        let mut supervisor = Supervisor::within(settings).unwrap();
        let units = [radio, wave].map(|spec| Brought { description: format!("the {}", spec.name), spec });
        let reports = supervisor.bring(units.to_vec(), |reports| Box::new(Idle(reports))).unwrap();
        let thread = std::thread::spawn(move || supervisor.run().unwrap());
        Beside { reports, thread }
    }

    fn end(self) {
        self.reports.end();
        assert_eq!(self.thread.join().unwrap(), Ending::Exit(0));
    }
}

/// Waits until both units are active.
async fn both_active(rig: &Rig) {
    let waited = timeout(PATIENCE, async {
        loop {
            let units = rig.get("/api/units").await.json()["units"].clone();
            let active = |unit: &serde_json::Value| unit["active"] == "active";
            if units.as_array().unwrap().iter().filter(|unit| active(unit)).count() == 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("both become active");
}

/// What a stream says.
struct Heard {
    stream: TcpStream,
    text: String,
}

impl Heard {
    async fn open(rig: &Rig, headers: &str) -> Heard {
        Heard::at(rig, "/api/units/events", headers).await
    }

    async fn at(rig: &Rig, path: &str, headers: &str) -> Heard {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", rig.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = Heard { stream, text: String::new() };
        heard.until("event: begin").await;
        heard
    }

    async fn until(&mut self, wanted: &str) {
        let mut buffer = [0; 4096];
        while !self.text.contains(wanted) {
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("in time").unwrap();
            assert!(read > 0, "closed after {}", self.text);
            self.text += &String::from_utf8_lossy(&buffer[..read]);
        }
    }

    async fn end(mut self) {
        let ended = timeout(PATIENCE, self.stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the stream ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_are_shown_stopped_and_started_and_it_is_recorded_who_did() {
    let rig = Rig::new().await;
    let beside = Beside::begin(&rig);
    both_active(&rig).await;
    let all = rig.get("/api/units").await.json();
    assert_eq!(all["silent"], json!([]));
    let wave = &all["units"][1];
    assert_eq!(
        (&wave["unit"], &wave["supervisor"], &wave["sub"]),
        (&json!("wave.task"), &json!("station"), &json!("running"))
    );
    assert_eq!((&wave["needs"], &wave["description"]), (&json!(["radio.task"]), &json!("the wave.task")));
    let one = rig.get("/api/units/radio.task").await.json();
    assert_eq!(
        (&one["unit"], &one["relations"]["RequiredBy"]),
        (&json!("radio.task"), &json!(["wave.task"]))
    );

    let mut heard = Heard::open(&rig, "").await;
    let stop = "/api/units/radio.task/stop";
    assert_eq!(rig.post(stop, &[], &json!({})).await.refusal(), (401, "unauthorised".into()));
    let observer = format!("Bearer {}", rig.token("olga", Role::Observer));
    assert_eq!(rig.post(stop, &[("authorization", &observer)], &json!({})).await.refusal().0, 403);
    let operator = format!("Bearer {}", rig.token("otto", Role::Operator));
    let operator = [("authorization", operator.as_str())];
    let before = rig.audit().len();
    let done = rig.post(stop, &operator, &json!({})).await;
    assert_eq!((done.status, &done.json()["jobs"][0]["verb"]), (200, &json!("stop")));
    for change in [
        r#""unit":"wave.task","from":"active","to":"deactivating","cause":"stop""#,
        r#""unit":"radio.task","from":"deactivating","to":"inactive","cause":"stopped""#,
    ] {
        heard.until(change).await;
    }
    let record = rig.audit().pop().unwrap();
    assert_eq!(
        (&record["who"], &record["what"], &record["subject"], &record["detail"]),
        (&json!("otto"), &json!("unit.stop"), &json!("radio.task"), &json!("supervisor station"))
    );
    assert_eq!(rig.audit().len(), before + 1, "who was refused has changed nothing");

    assert_eq!(rig.post("/api/units/wave.task/start", &operator, &json!({})).await.status, 200);
    both_active(&rig).await;
    beside.reports.event("radio.task", Event::Ended(Outcome::ExitCode(101)));
    heard.until(r#""cause":"restart","result":"exit-code 101""#).await;
    heard.until(r#""unit":"radio.task","from":"activating","to":"active""#).await;

    for (path, code) in [
        ("/api/units/nobody.task/start", 404),
        ("/api/units/radio/start", 404),
        ("/api/units/radio.task/explode", 404),
        // There is no machine here whose units these could be.
        ("/api/units/cron.service/start", 404),
    ] {
        assert_eq!(rig.post(path, &operator, &json!({})).await.refusal().0, code, "{path}");
    }
    assert_eq!(rig.get("/api/units/nobody.task").await.refusal(), (404, "not-found".into()));
    // Who was cut off asks for what has happened since: all of it, in order, then what happens.
    let mut again = Heard::at(&rig, "/api/units/events?station=1", "").await;
    again.until(r#""cause":"restart","result":"exit-code 101""#).await;
    let first = again.text.find(r#""sequence":1,"#).expect("the first change");
    assert!(first < again.text.find(r#""sequence":2,"#).expect("the second"), "{}", again.text);
    let mut later = Heard::at(&rig, "/api/units/events?station=2", "").await;
    later.until(r#""sequence":2,"#).await;
    assert!(!later.text.contains(r#""sequence":1,"#), "{}", later.text);
    assert_eq!(rig.get("/api/units/events?from=1").await.status, 400);
    drop((again, later));
    // The supervisor goes: its stream ends, and that is told from an empty list.
    beside.end();
    heard.end().await;
    assert_eq!(rig.get("/api/units").await.json(), json!({"units": [], "silent": ["station"]}));
    assert_eq!(rig.get("/api/units/radio.task").await.refusal(), (503, "unreachable".into()));
    assert_eq!(rig.get("/api/units/events").await.refusal(), (503, "unreachable".into()));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_station_ends_the_stream() {
    let rig = Rig::new().await;
    let beside = Beside::begin(&rig);
    both_active(&rig).await;
    let heard = Heard::open(&rig, "").await;
    rig.drain.cancel();
    heard.end().await;
    rig.stop().await;
    beside.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_unit_prints_is_followed_by_those_who_may() {
    let rig = Rig::new().await;
    let beside = Beside::begin(&rig);
    both_active(&rig).await;
    let folder = rig.folder().join("run/log");
    let mut journal = Journal::open(perigee_journal::Settings::new(folder), Now::read());
    let mut say = |unit: &str, text: &str| {
        let now = Now::read();
        let record = Record::new(unit, Source::Stderr, Priority::WARNING, text.as_bytes());
        journal.write(Record { time: now.wall, monotonic: now.monotonic, ..record });
        journal.flush(now);
    };
    say("radio.task", "no carrier");
    say("radio.task", "a carrier");
    say("wave.task", "not of this unit");
    let path = "/api/units/radio.task/log?lines=1";
    assert_eq!(rig.get(path).await.refusal().0, 401);
    let observer = format!("Bearer {}", rig.token("olga", Role::Observer));
    assert_eq!(rig.ask("GET", path, &[("authorization", &observer)], None).await.refusal().0, 403);
    let token = rig.token("otto", Role::Operator);
    let bearer = format!("Bearer {token}");
    let authorised = [("authorization", bearer.as_str())];
    let asked = rig.ask("GET", "/api/units/radio.task/log?lines=1001", &authorised, None);
    assert_eq!(asked.await.refusal().0, 400);
    let mut heard = Heard::at(&rig, path, &format!("authorization: {bearer}\r\n")).await;
    heard.until(r#""msg":"a carrier""#).await;
    say("wave.task", "not of this unit either");
    say("radio.task", "locked");
    heard.until(r#""msg":"locked""#).await;
    assert_eq!(heard.text.matches("event: record\ndata: {").count(), 2, "{}", heard.text);
    assert!(!heard.text.contains("no carrier") && !heard.text.contains("not of this"), "{}", heard.text);
    // A token that is revoked ends what it has opened.
    rig.access.revoke_token("test", "otto", "test").unwrap();
    heard.end().await;
    beside.end();
    rig.stop().await;
}
