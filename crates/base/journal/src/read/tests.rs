//! Records are found in closed, compressed and open files, from either end, and while they are written.

use std::io::Write;
use std::time::Duration;

use super::*;
use crate::record::{Priority, Source};
use crate::time::Now;
use crate::write::{Journal, Settings};

fn now(second: u64) -> Now {
    Now { wall: Time(1_800_000_000_000_000 + second as i64 * 1_000_000), monotonic: second * 1_000_000 }
}

fn settings(folder: &std::path::Path) -> Settings {
    Settings { file_bytes: 4096, total_bytes: 1 << 30, ..Settings::new(folder) }
}

fn write(journal: &mut Journal, seconds: std::ops::Range<u64>) {
    for second in seconds {
        let text = format!("line {second}");
        let unit = if second % 3 == 0 { "three.service" } else { "other.service" };
        let mut record = Record::new(unit, Source::Stdout, Priority::INFO, text.as_bytes());
        (record.time, record.monotonic) = (now(second).wall, now(second).monotonic);
        journal.write(record);
        journal.flush(now(second));
    }
}

fn forward(reader: &Reader, query: &Query) -> Vec<u64> {
    let mut found = Vec::new();
    reader
        .forward(query, |record| {
            found.push(record.sequence);
            ControlFlow::Continue(())
        })
        .expect("readable");
    found
}

fn last(reader: &Reader, most: usize, query: &Query) -> Vec<u64> {
    let (found, newest) = reader.last(most, query).expect("readable");
    assert_eq!(newest, 300);
    found.iter().map(|record| record.sequence).collect()
}

#[test]
fn from_either_end_through_every_kind_of_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(settings(folder.path()), now(0));
    write(&mut journal, 1..251);
    journal.close(now(250));
    // The last files stay as they are.
    let plain = Settings { compress: false, ..settings(folder.path()) };
    let mut journal = Journal::open(plain, now(251));
    write(&mut journal, 251..301);
    journal.close(now(300));
    let closed = names::closed(folder.path()).expect("a folder");
    assert!(closed.iter().filter(|file| file.compressed).count() > 3);
    assert!(closed.iter().filter(|file| !file.compressed).count() > 1);

    let reader = Reader::new([folder.path(), std::path::Path::new("/nowhere/at/all")]);
    assert_eq!(forward(&reader, &Query::default()), (1..=300).collect::<Vec<_>>());
    let threes = Query::default().unit("three.service");
    assert_eq!(forward(&reader, &threes), (1..=100).map(|n| n * 3).collect::<Vec<_>>());
    assert_eq!(forward(&reader, &Query::default().unit("thr*")).len(), 100);
    let between = Query { since: Some(now(100).wall), until: Some(now(110).wall), ..Query::default() };
    assert_eq!(forward(&reader, &between), (100..=110).collect::<Vec<_>>());
    assert_eq!(last(&reader, 3, &between), [108, 109, 110]);
    assert_eq!(last(&reader, 5, &Query::default()), [296, 297, 298, 299, 300]);
    assert_eq!(last(&reader, 2, &threes), [297, 300]);
    assert_eq!(last(&reader, 1000, &Query::default()).len(), 300);
    assert_eq!(last(&reader, 0, &Query::default()), [0; 0]);
    assert_eq!(reader.boots().expect("readable").len(), 1);
    assert_eq!(reader.boots().expect("readable")[0].id, Id::of_this_boot());
}

#[test]
fn what_is_no_record_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(settings(folder.path()), now(0));
    write(&mut journal, 1..6);
    journal.close(now(6));
    let path = folder.path().join(CURRENT);
    let mut text = std::fs::read(&path).expect("readable");
    let middle = text.iter().position(|octet| *octet == b'\n').expect("a line") + 1;
    text.splice(middle..middle, b"\0\0\0not a record\n{\"seq\":99,\"time\":\"x\"}\n".iter().copied());
    text.extend_from_slice(b"{\"seq\":6,\"time\":\"2026");
    std::fs::write(&path, text).expect("writable");
    let reader = Reader::new([folder.path()]);
    assert_eq!(forward(&reader, &Query::default()), [1, 2, 3, 4, 5]);
    let (found, newest) = reader.last(9, &Query::default()).expect("readable");
    assert_eq!((found.len(), newest), (5, 5));
}

#[test]
fn a_file_with_long_lines_reads_backwards_as_forwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(Settings::new(folder.path()), now(0));
    for length in [1, 300_000, 0, 600_000, 262_144, 5] {
        let text = vec![b'x'; length];
        journal.write(Record::new("a.service", Source::Stdout, Priority::INFO, &text));
    }
    journal.close(now(0));
    let reader = Reader::new([folder.path()]);
    let (found, _) = reader.last(100, &Query::default()).expect("readable");
    let lengths: Vec<_> = found.iter().map(|record| record.message.len()).collect();
    assert_eq!(lengths, [1, 300_000, 0, 600_000, 262_144, 5]);
}

#[test]
fn following_survives_rotation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let reader = Reader::new([&path]);
    let mut follower = reader.follow(0);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        let mut journal = Journal::open(settings(&path), now(0));
        for second in 1..1001 {
            write(&mut journal, second..second + 1);
            if second % 50 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        journal.close(now(1001));
    });
    let mut found = Vec::new();
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while found.len() < 1000 && std::time::Instant::now() < limit {
        let flow = follower.read(&Query::default(), &mut |record| {
            found.push(record.sequence);
            ControlFlow::Continue(())
        });
        assert!(flow.expect("readable").is_continue());
        follower.wait(Duration::from_millis(100)).expect("waits");
    }
    writer.join().expect("writes");
    assert_eq!(found, (1..=1000).collect::<Vec<_>>());
}

#[test]
fn a_torn_compressed_file_gives_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(settings(folder.path()), now(0));
    write(&mut journal, 1..101);
    journal.close(now(101));
    let file = names::closed(folder.path()).expect("a folder").remove(1);
    let octets = std::fs::read(&file.path).expect("readable");
    let mut torn = std::fs::File::create(&file.path).expect("writable");
    torn.write_all(&octets[..octets.len() - 12]).expect("writable");
    let reader = Reader::new([folder.path()]);
    assert!(forward(&reader, &Query::default()).len() > 80);
    assert!(reader.last(100, &Query::default()).expect("readable").0.len() > 80);
}
