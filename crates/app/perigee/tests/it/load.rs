//! The station under load for as long as one likes: it neither grows, nor drops, nor slows down.
//!
//! Ten seconds in every run of the tests; with PERIGEE_SOAK set two hours, or PERIGEE_SOAK_HOURS.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use perigee_testkit::Station;

use crate::support::{PERIGEE, link};

/// What the archive may keep: little enough that an hour of load has to remove some.
const KEEP_MIB: u64 = 256;

fn how_long() -> Duration {
    if std::env::var_os("PERIGEE_SOAK").is_none() {
        return Duration::from_secs(10);
    }
    let hours = std::env::var("PERIGEE_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    Duration::from_secs_f64(3600.0 * hours.unwrap_or(2.0))
}

/// A client that reads every value as it comes, and how many messages it has read.
fn follow(station: &Station) -> Arc<AtomicU64> {
    let mut stream = TcpStream::connect(station.address()).unwrap();
    write!(stream, "GET /api/events?parameters=* HTTP/1.1\r\nhost: {}\r\n\r\n", station.address()).unwrap();
    let messages = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&messages);
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        for _ in lines.filter(|line| line.starts_with("event: values")) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    messages
}

/// The sum of a metric over all its labels.
fn metric(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn it_stays_as_it_is_under_load() {
    let keep = format!("telemetry.archive.keep_mib={KEEP_MIB}");
    let load = [
        ["--set", "simulator.fill=true"],
        ["--set", "simulator.bit_rate=2000000"],
        ["--set", "simulator.bit_error_rate=1e-4"],
        ["--set", &keep],
    ];
    let mut station = Station::start(PERIGEE, load.as_flattened());
    let messages = follow(&station);
    let (begin, duration) = (Instant::now(), how_long());
    let (mut frames, mut delivered, mut early_memory) = (0.0, 0, 0);
    while begin.elapsed() < duration {
        sleep((duration / 10).min(Duration::from_secs(30)));
        let metrics = station.get("/metrics").text();
        let now = (metric(&metrics, "perigee_link_frames_total"), messages.load(Ordering::Relaxed));
        assert!(now.0 > frames && now.1 > delivered, "it stands still at {now:?}");
        (frames, delivered) = now;
        for dropped in ["perigee_telemetry_archive_dropped", "perigee_fanout_missed_total"] {
            assert_eq!(metric(&metrics, dropped), 0.0, "{dropped} after {:?}", begin.elapsed());
        }
        let (link, dropped) = link(&station);
        assert!(dropped.is_empty() && link["gaps"] == 0, "{link}");
        if begin.elapsed() < duration / 3 {
            early_memory = station.resident_octets();
        }
    }
    // The archive fills its buffers for a while.
    let (memory, bound) = (station.resident_octets(), early_memory + early_memory / 4 + (32 << 20));
    assert!(memory < bound, "{memory} octets at the end, {early_memory} after a third");
    let expected = begin.elapsed().as_secs_f64() * 2e6 / (8.0 * 1279.0);
    assert!(frames > 0.9 * expected, "{frames} frames, {expected:.0} were sent");
    assert!(station.terminate().success(), "{}", station.output());
    let archive = std::fs::metadata(station.state().join("archive.db")).unwrap().len() >> 20;
    assert!(archive < KEEP_MIB + KEEP_MIB / 4, "the archive has {archive} MiB, {KEEP_MIB} were allowed");
}
