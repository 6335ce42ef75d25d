//! The station's parts as units, asked by `perigee ctl` and by whoever has started the station.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output};
use std::time::Duration;

use perigee_testkit::Station;
use serde_json::{Value, json};

use crate::support::{PERIGEE, json, wait_for};

/// `perigee ctl` at the supervisor of a station.
fn ctl(station: &Station, words: &[&str]) -> Output {
    let runtime = station.state().join("run");
    Command::new(PERIGEE).arg("ctl").args(words).arg("--runtime").arg(runtime).output().unwrap()
}

fn units(station: &Station) -> Vec<Value> {
    let output = ctl(station, &["list-units", "--all", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn parts_are_listed_stopped_and_started_like_all_units() {
    let mut station = Station::start(PERIGEE, &[]);
    let of = |unit: &Value| format!("{} {} {}", unit["unit"], unit["active"], unit["sub"]).replace('"', "");
    let listed: Vec<_> = units(&station).iter().map(of).collect();
    let expected = [
        "fanout.task active running",
        "link.task active running",
        "simulator.task active running",
        "station.target active active",
        "telemetry.task active running",
    ];
    assert_eq!(listed, expected);

    let folder = station.state().join("run/log").display().to_string();
    let logs = || {
        let logs = ["ctl", "logs", "--folder", &folder, "-u", "link.task", "-o", "cat"];
        let output = Command::new(PERIGEE).args(logs).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    wait_for("the log of the link", || logs().contains("connected link=PerigeeSat").then_some(()));

    let stopped = ctl(&station, &["stop", "link.task"]);
    assert!(stopped.status.success(), "{stopped:?}");
    // The page needs the links, and goes with them; the telemetry stays.
    let state = |name: &str| {
        let units = units(&station);
        units.iter().find(|unit| unit["unit"] == json!(name)).unwrap()["active"].clone()
    };
    assert_eq!([state("link.task"), state("fanout.task")], [json!("inactive"), json!("inactive")]);
    assert_eq!(state("telemetry.task"), json!("active"));
    assert_eq!(ctl(&station, &["is-active", "link.task"]).status.code(), Some(3));
    let ready = station.get("/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains(r#"{"name":"link","state":"stopped","restarts":0}"#), "{}", ready.text());

    let started = ctl(&station, &["start", "fanout.task"]);
    assert!(started.status.success(), "{started:?}");
    assert_eq!(station.get("/ready").status, 200);
    let restarted = ctl(&station, &["restart", "telemetry.task"]);
    assert!(restarted.status.success(), "{restarted:?}");
    wait_for("the page", || (state("fanout.task") == json!("active")).then_some(()));
    wait_for("values", || {
        let latest = station.get("/api/latest");
        (latest.status == 200 && !json(&latest)["samples"].as_array().unwrap().is_empty()).then_some(())
    });
    assert!(station.terminate().success(), "{}", station.output());
}

#[test]
fn whoever_asks_to_be_told_is_told_when_it_is_ready_lives_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut child = Command::new(PERIGEE)
        .args(["up", "--listen", "127.0.0.1:0", "--state"])
        .arg(folder.path().join("state"))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let until = |start: &str| {
        (0..100).map(|_| hear()).find(|message| message.starts_with(start)).expect("said in time")
    };
    assert!(until("READY=1").contains("STATUS=page at http://127.0.0.1:"));
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    until("STOPPING=1");
    assert!(child.wait().unwrap().success());
}
