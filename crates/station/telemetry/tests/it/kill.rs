//! Kill -9 while the archive is written: the file opens again, whole up to the last transaction.
//!
//! A child (this test binary again) archives packets and says on its standard output up to which counter
//! they are durable. It is killed at a random moment; the archive must hold every packet and value up to
//! the last counter said, without a hole, and go on from there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perigee_telemetry::{check, stats};

use crate::satellite::{VALUES, housekeeping, usual};
use crate::station::{Station, config, eventually, numbers, second, send};

const CHILD: &str = "PERIGEE_TELEMETRY_KILL_CHILD";
/// Seconds that no test reaches.
const END: i64 = 1 << 32;

/// Not a test of its own: the child, when the parent starts it.
#[test]
fn child() {
    let Some(state) = std::env::var_os(CHILD) else { return };
    let mut config = config();
    config.archive.segment_rows = 64;
    let station = Station::start(Path::new(&state), config, &usual()).unwrap();
    let from = numbers(&station.history("Counter", 0, END, None)).last().map_or(0, |last| *last as u32 + 1);
    let mut link = station.handle.downlink("tcp");
    for counter in from..from + 90_000 {
        send(&mut *link, &housekeeping(counter, (counter % 5000) as u16, 1), second(i64::from(counter)));
        if counter % 25 == 0 {
            link.flush();
            std::thread::sleep(Duration::from_micros(500));
            // What is durable is a beginning of what was sent.
            let durable = station.handle.archive_status().unwrap().values / VALUES;
            println!("durable {}", u64::from(from) + durable);
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_at_most_the_open_transaction() {
    let state = tempfile::tempdir().unwrap();
    let archive = state.path().join("archive.db");
    let mut expected = 0;
    // The moments are spread over the life of a child; a failure prints the seed.
    let seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    println!("seed {seed}");
    for round in 0..6 {
        let wait = 20 + (seed >> (round * 4)) % 300;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture"])
            .env(CHILD, state.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("durable ")?.parse::<usize>().ok())
                .last()
        });
        eventually("the child has begun", || archive.exists());
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        expected = reader.join().unwrap().unwrap_or_default().max(expected);

        if stats(&archive).is_err() {
            // Killed before the tables were made: the next child makes them.
            continue;
        }
        let found = check(&archive).unwrap();
        assert_eq!(found.problems, Vec::<String>::new(), "round {round}, after {wait} ms");
        let station = Station::start(state.path(), config(), &usual()).unwrap();
        let counters = numbers(&station.history("Counter", 0, END, None));
        let whole: Vec<f64> = (0..counters.len()).map(|counter| counter as f64).collect();
        assert_eq!(counters, whole, "a hole or a double, round {round}");
        assert!(counters.len() >= expected, "{} of {expected} durable packets", counters.len());
        assert_eq!(found.values, counters.len() as u64 * VALUES);
        assert_eq!(found.packets, counters.len() as u64, "packets and values are of one transaction");
        station.stop();
    }
    assert!(expected > 0, "no child got as far as one transaction");
}
