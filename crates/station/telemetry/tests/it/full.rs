//! A disk without room: the station runs live, counts what it cannot keep, and goes on when there is room again.
//!
//! A child (this test binary again) runs the station, as the room is taken from a whole process: in one test by the
//! limit on the size of its files, in the other by a small file system of its own that fills up.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use perigee_telemetry::check;

use crate::satellite::{VALUES, housekeeping, usual};
use crate::station::{Station, config, eventually, numbers, second, send};

const STATE: &str = "PERIGEE_TELEMETRY_FULL_STATE";
const HOW: &str = "PERIGEE_TELEMETRY_FULL_HOW";
/// Seconds that no packet reaches.
const END: i64 = 1 << 32;
/// Packets that are more than the station holds in memory while it cannot write.
const FLOOD: u32 = 45_000;

/// Takes all room away, or gives it back.
fn room(state: &Path, there_is: bool) {
    if std::env::var_os(HOW).is_some_and(|how| how == "limit") {
        let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, if there_is { most } else { 0 }, most).unwrap();
        return;
    }
    let ballast = state.join("ballast");
    if there_is {
        return std::fs::remove_file(ballast).unwrap();
    }
    let mut ballast = File::create(ballast).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while ballast.write_all(&vec![7; size]).is_ok() {}
    }
}

/// Not a test of its own: the child, when a test starts it.
#[test]
fn child() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let state = Path::new(&state);
    let mut config = config();
    config.archive.segments_mib = 1;
    config.archive.queue_mib = 1;
    config.archive.wait = Duration::ZERO;
    let station = Station::start(state, config, &usual()).unwrap();
    let status = || station.handle.archive_status().unwrap();
    let counter = station.parameter("Counter");
    let mut link = station.handle.downlink("tcp");
    let mut sent = 0;
    let mut more = |packets: u32| {
        for _ in 0..packets {
            send(&mut *link, &housekeeping(sent, (sent % 3000) as u16, 1), second(i64::from(sent)));
            sent += 1;
            if sent % 100 == 0 {
                link.flush();
            }
        }
        link.flush();
        sent
    };
    let before = more(1000);
    eventually("the first are durable", || status().values == u64::from(before) * VALUES);

    room(state, false);
    let full = more(1000);
    eventually("it says that it cannot write", || status().failing.is_some());
    let reason = status().failing.unwrap();
    println!("failing: {reason}");
    assert!(["full", "disk I/O error"].iter().any(|word| reason.contains(word)), "{reason}");
    assert_eq!(status().dropped_values, 0, "what fits into memory waits");
    let known = numbers(&station.history("Counter", 0, END, None));
    assert_eq!(known.len(), full as usize, "history has what is on the disk and what waits");
    let flooded = more(FLOOD);
    let latest = station.handle.latest(&[counter]).remove(0).unwrap();
    assert_eq!(latest.eng.as_f64(), Some(f64::from(flooded - 1)), "live values go on");
    eventually("what has no room is counted", || status().dropped_values > 0 && status().dropped_records > 0);
    assert!(status().failing.is_some());
    assert!(status().values <= u64::from(full) * VALUES, "nothing was written");

    room(state, true);
    eventually("it recovers", || status().failing.is_none());
    let all = more(1000);
    eventually("the last are durable", || {
        let status = status();
        status.values + status.dropped_values == u64::from(all) * VALUES
    });
    let dropped = status().dropped_values;
    println!("dropped: {dropped} of {}", u64::from(all) * VALUES);
    station.stop();

    let path = state.join("archive.db");
    assert_eq!(check(&path).unwrap().problems, Vec::<String>::new());
    let station = Station::start(state, self::config(), &usual()).unwrap();
    let kept = numbers(&station.history("Counter", 0, END, None));
    assert_eq!(kept.len() as u64 + dropped / VALUES, u64::from(all), "each is kept or counted");
    assert!(kept.is_sorted_by(|one, other| one < other), "in order and none twice");
    let (first, last) = (0..full, flooded..all);
    assert!(kept.starts_with(&first.map(f64::from).collect::<Vec<_>>()), "what waited was written");
    assert!(kept.ends_with(&last.map(f64::from).collect::<Vec<_>>()));
    station.stop();
}

fn run(mut command: Command, how: &str, state: &Path) {
    let child = std::env::current_exe().unwrap();
    let output = command
        .arg(child)
        .args(["full::child", "--exact", "--nocapture"])
        .env(STATE, state)
        .env(HOW, how)
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    println!("{said}");
    assert!(said.contains("dropped: "), "the child has done nothing: {said}\n{wrong}");
}

#[test]
fn files_that_may_not_grow() {
    let state = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    // Without the signal that would end it, the child sees an error when it writes.
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    run(shell, "limit", state.path());
}

#[test]
fn a_file_system_that_is_full() {
    let state = tempfile::tempdir().unwrap();
    let own_mounts = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("mount -t tmpfs -o size=24m tmpfs \"${STATE}\" && {script}")).arg("sh");
        command.env(STATE, state.path());
        command
    };
    // Some machines let nobody mount anything; the other test is there for them.
    if !own_mounts("true").output().is_ok_and(|output| output.status.success()) {
        return println!("not run: no file system of its own for an unprivileged process here");
    }
    run(own_mounts("exec \"$@\""), "tmpfs", state.path());
}
