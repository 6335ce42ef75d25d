//! The state centre: snapshots read a second by one and by two threads while a writer publishes, beside the same table
//! behind one lock.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perigee_init::center::{self, Snapshot, Unit};

use crate::measure::thread_cpu;
use crate::table::{Row, count};

const UNITS: usize = 1000;
/// How long each run takes, and how many there are of each; the best counts.
const TIME: Duration = Duration::from_millis(300);
const RUNS: usize = 5;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let names: Vec<String> = (0..UNITS).map(|number| format!("unit-{number}.service")).collect();
    let (mut publisher, center) = center::open();
    publisher.add(names.iter().map(|name| Snapshot::new(name)));
    let table: HashMap<String, Snapshot> =
        names.iter().map(|name| (name.clone(), Snapshot::new(name))).collect();
    let table = Mutex::new(table);
    let mut rows = Vec::new();
    // Alternately, so that what else the machine does falls on both.
    let units: HashMap<&str, _> =
        names.iter().filter_map(|name| Some((name.as_str(), center.unit(name)?))).collect();
    let held: Vec<_> = names.iter().map(|name| (name.clone(), units.get(name.as_str()))).collect();
    for (threads, writes, is_held) in [
        (1, false, false),
        (2, false, false),
        (2, true, false),
        (1, false, true),
        (2, false, true),
        (2, true, true),
    ] {
        let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
        for _ in 0..RUNS {
            let read = |(name, unit): &(String, Option<&Arc<Unit>>)| match unit.filter(|_| is_held) {
                Some(unit) => Some(unit.look(|unit| (unit.state, unit.sequence))),
                None => center.look(name, |unit| (unit.state, unit.sequence)),
            };
            let write = |name: &str| {
                publisher.update(name, |unit| unit.restarts += 1);
            };
            ours = ours.max(reads(threads, writes, &held, read, write));
            let read = |(name, _): &(String, Option<&Arc<Unit>>)| {
                let table = table.lock().ok()?;
                table.get(name).map(|unit| (unit.state, unit.sequence))
            };
            let write = |name: &str| {
                if let Some(unit) = table.lock().ok().as_mut().and_then(|table| table.get_mut(name)) {
                    unit.restarts += 1;
                }
            };
            theirs = theirs.max(reads(threads, writes, &held, read, write));
        }
        let beside = if writes { ", beside a writer" } else { "" };
        rows.push(Row {
            work: format!(
                "state of a unit {}, read by {threads} thread{}{beside}",
                if is_held { "at hand" } else { "by name" },
                if threads == 1 { "" } else { "s" }
            ),
            ours: count(ours, "reads"),
            peer: "one lock around a table".to_owned(),
            theirs: count(theirs, "reads"),
            ratio: ours / theirs,
            wanted: None,
            limit: String::new(),
        });
    }
    Ok(rows)
}

/// Reads a second by all threads together, for each second of processor time that a thread has had: these machines are
/// shared. Who waits for a lock uses none, so this flatters the lock where threads really run at once.
fn reads<T>(
    threads: usize,
    writes: bool,
    names: &[(String, Option<&Arc<Unit>>)],
    read: impl Fn(&(String, Option<&Arc<Unit>>)) -> T + Sync,
    mut write: impl FnMut(&str),
) -> f64 {
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|thread| {
                let (stop, read) = (&stop, &read);
                scope.spawn(move || {
                    let (mut count, begin) = (0_u64, thread_cpu());
                    while !stop.load(Ordering::Relaxed) {
                        for name in names.iter().cycle().skip(thread * 37).take(names.len()) {
                            black_box(read(name));
                        }
                        count += names.len() as u64;
                    }
                    count as f64 / (thread_cpu() - begin).as_secs_f64()
                })
            })
            .collect();
        let mut next = 0;
        while begin.elapsed() < TIME {
            if writes {
                // A busy supervisor: some ten thousand changes a second.
                write(&names[next % names.len()].0);
                next += 1;
                std::thread::sleep(Duration::from_micros(50));
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap_or(0.0)).sum()
    })
}
