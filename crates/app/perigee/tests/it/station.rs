//! The station as a whole: started, asked, stopped in every way, and killed under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use perigee_testkit::Station;
use perigee_testkit::station::Signal;
use serde_json::{Value, json};

use crate::support::{PERIGEE, json, wait_for};

#[test]
fn it_needs_no_configuration_and_shows_what_the_satellite_sends() {
    let mut station = Station::start(PERIGEE, &[]);
    let health = station.get("/health");
    assert_eq!((health.status, health.text().as_str()), (200, "OK"));
    assert!(health.header("content-type").unwrap().starts_with("text/plain"));
    let ready = json(&station.get("/ready"));
    let parts: Vec<_> = ready["parts"].as_array().unwrap().iter().map(|part| part["name"].clone()).collect();
    assert_eq!(parts, ["telemetry", "simulator", "link", "fanout"]);

    let about = json(&station.get("/api/about"));
    let parameters = about["database"]["parameters"].as_u64().unwrap();
    assert!(parameters >= 200, "{parameters} parameters");
    wait_for("values", || {
        let latest = json(&station.get("/api/latest"));
        (latest["samples"].as_array().unwrap().len() > 50).then_some(())
    });
    let link = wait_for("frames", || {
        let links = json(&station.get("/api/links"));
        (links["links"][0]["frames"].as_u64().unwrap() > 0).then(|| links["links"][0].clone())
    });
    assert_eq!((&link["frame_lock"], &link["name"]), (&json!(true), &json!("PerigeeSat")));

    let metrics = station.get("/metrics").text();
    for name in ["perigee_link_frames_total", "perigee_telemetry_packets_total", "perigee_node_part_ready"] {
        assert!(metrics.contains(name), "{name} is not among the metrics:\n{metrics}");
    }
    let page = station.get("/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<!doctype html>"), "{}", page.text());
    assert!(station.terminate().success(), "{}", station.output());
}

#[test]
fn the_first_admin_logs_in_with_the_one_time_password_and_changes_it() {
    let station = Station::start(PERIGEE, &[]);
    let once = station.one_time_password().expect("a one-time password");
    let post = |path: &str, cookie: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("x-perigee-request", "1"), ("cookie", cookie)];
        station.request("POST", path, &headers, body.to_string().as_bytes())
    };
    let refused = post("/api/login", "", &json!({"name": "admin", "password": "not it at all"}));
    assert_eq!(refused.status, 401, "{}", refused.text());
    let login = post("/api/login", "", &json!({"name": "admin", "password": once}));
    assert_eq!(json(&login)["must_change_password"], json!(true));
    let cookie = login.header("set-cookie").unwrap();
    for word in ["HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(word), "{word} is not in the cookie");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let changed = post("/api/password", &cookie, &json!({"old": once, "new": "orbit of my own"}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let session = json(&station.request("GET", "/api/session", &[("cookie", &cookie)], b""));
    assert_eq!((&session["name"], &session["role"]), (&json!("admin"), &json!("admin")));

    let station = station.start_again();
    assert_eq!(station.one_time_password(), None, "printed only once");
    let audit = std::fs::read_to_string(station.state().join("audit.jsonl")).unwrap();
    assert!(audit.contains("account.password"), "{audit}");
    for secret in [once.as_str(), "orbit of my own", "not it at all"] {
        assert!(!audit.contains(secret) && !station.output().contains(secret), "a secret was written");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut station = Station::start(PERIGEE, &[]);
    // A request that has not come whole keeps the drain waiting.
    let mut slow = TcpStream::connect(station.address()).unwrap();
    slow.write_all(b"POST /api/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        .unwrap();
    sleep(Duration::from_millis(300));
    let pressed = Instant::now();
    station.signal(Signal::SIGINT);
    wait_for("sign of stopping", || station.output().contains("stopping").then_some(()));
    station.signal(nix::sys::signal::Signal::SIGTERM);
    let status = station.wait(Duration::from_secs(10));
    // It may have drained before the second signal came: then it ended well.
    assert!(status.code() == Some(143) || status.success(), "{status:?}");
    assert!(pressed.elapsed() < Duration::from_secs(4), "{:?}", pressed.elapsed());
}

#[test]
fn a_wrong_configuration_is_told_by_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("perigee.toml");
    std::fs::write(&file, "[telemetry]\ndatabse = 'x.xml'\n\n[fanout]\nlisten = 'nowhere'\n").unwrap();
    let output = Command::new(PERIGEE).arg("up").arg("--config").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("perigee.toml:2: `telemetry.databse`"), "{error}");
    assert!(error.contains("did you mean `database`?"), "{error}");
    assert!(error.contains("perigee.toml:5: `fanout.listen`"), "{error}");
}

#[test]
fn two_stations_do_not_share_a_state_directory() {
    let station = Station::start(PERIGEE, &[]);
    let arguments = ["up", "--listen", "127.0.0.1:0", "--state"];
    let second = Command::new(PERIGEE).args(arguments).arg(station.state()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another station runs"));
}

/// All that the archive says it received: packets by channel, and the time of the last.
fn received(station: &Station) -> Vec<(String, u64)> {
    let completeness = json(&station.get("/api/completeness?start=0&end=9000000000000"));
    let channels = completeness["channels"].as_array().unwrap().iter();
    channels
        .map(|channel| {
            let spans = channel["spans"].as_array().unwrap().iter();
            let name = format!("{} {} {}", channel["link"], channel["vcid"], channel["apid"]);
            (name, spans.map(|span| span[2].as_u64().unwrap()).sum())
        })
        .collect()
}

/// SIGKILL while the link is full; the archive then holds at least what it had shown before, and goes on.
#[test]
fn what_was_archived_survives_a_kill_under_load() {
    let rounds = if std::env::var_os("PERIGEE_SOAK").is_some() { 100 } else { 2 };
    let load = ["--set", "simulator.fill=true", "--set", "simulator.bit_rate=4000000"];
    let mut station = Station::start(PERIGEE, &load);
    for round in 0..rounds {
        let so_far: u64 = received(&station).iter().map(|(_, count)| count).sum();
        let before = wait_for("growing archive", || {
            let now = received(&station);
            (now.iter().map(|(_, count)| count).sum::<u64>() > so_far + 2000).then_some(now)
        });
        station.kill();
        station = station.start_again();
        assert!(!station.output().contains("corrupt"), "{}", station.output());
        let after = received(&station);
        for (channel, count) in &before {
            let kept = after.iter().find(|(name, _)| name == channel).map_or(0, |(_, count)| *count);
            assert!(kept >= *count, "round {round}: {channel} had {count}, has {kept}");
        }
    }
    assert!(station.terminate().success(), "{}", station.output());
}

/// The program in a directory tree that holds nothing but itself.
#[test]
fn it_runs_where_nothing_is_installed() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root may change the root directory");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(PERIGEE, root.path().join("perigee")).unwrap();
    let linked = Command::new("chroot").arg(root.path()).args(["/perigee", "version"]).output().unwrap();
    if !linked.status.success() && !cfg!(target_feature = "crt-static") {
        eprintln!("SKIPPED: this build needs the C library: `make test` links it in");
        return;
    }
    assert!(linked.status.success(), "{linked:?}");
    let mut child = Command::new("chroot")
        .arg(root.path())
        .args(["/perigee", "up", "--listen", "127.0.0.1:0", "--state", "/state"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    while !said.contains("http://") || !said.ends_with('\n') {
        let mut octets = [0; 256];
        let read = stdout.read(&mut octets).unwrap();
        assert_ne!(read, 0, "it ended: {said}");
        said.push_str(&String::from_utf8_lossy(&octets[..read]));
    }
    let address = said.split("http://").nth(1).unwrap().trim().trim_end_matches('/').to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (health, page) = (get("/health"), get("/"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("\r\n\r\nOK"), "{health}");
    assert!(page.contains("<!doctype html>"), "{page}");
}
