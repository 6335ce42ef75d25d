//! An archive that cannot be written, or is not ours, or is too large.

use std::time::Duration;

use perigee_part::Timestamp;
use perigee_telemetry::{ArchiveError, check};

use crate::satellite::{VALUES, housekeeping, usual};
use crate::station::{Station, config, eventually, numbers, second, send};

#[test]
fn without_a_place_for_the_archive_the_station_runs_live_and_recovers() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.path = "folder/archive.db".into();
    // A file stands where the folder should be.
    std::fs::write(state.path().join("folder"), "in the way").unwrap();
    let station = Station::start(state.path(), config, &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    send(&mut *link, &housekeeping(1, 2000, 1), second(1));
    link.flush();
    assert!(station.handle.latest(&[station.parameter("Counter")])[0].is_some(), "live values go on");
    eventually("the loss is counted", || station.handle.archive_status().unwrap().dropped_values > 0);
    assert!(station.handle.archive_status().unwrap().failing.is_some());
    let completeness = station.handle.completeness(second(0), second(10));
    assert!(matches!(completeness, Err(ArchiveError::NotOpen)), "{completeness:?}");
    std::fs::remove_file(state.path().join("folder")).unwrap();
    eventually("it recovers", || station.handle.archive_status().unwrap().failing.is_none());
    send(&mut *link, &housekeeping(2, 2000, 1), second(2));
    link.flush();
    assert_eq!(numbers(&station.history("Counter", 0, 10, None)), [2.0]);
    station.stop();
}

#[test]
fn an_archive_in_use_or_of_another_program_or_of_a_newer_one_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("archive.db");
    let refusal = || match Station::start(state.path(), config(), &usual()) {
        Ok(_) => panic!("taken"),
        Err(error) => error.to_string(),
    };
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    assert!(refusal().contains("in use"));
    station.stop();

    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(refusal().contains("newer"), "{}", refusal());
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection.pragma_update(None, "application_id", 7).unwrap();
    assert!(refusal().contains("not an archive of Perigee"), "{}", refusal());
    drop(connection);
    std::fs::write(&path, vec![b'x'; 5000]).unwrap();
    let refused = refusal();
    assert!(refused.contains("not a database"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 5000], "left as it was");
    assert!(matches!(check(&state.path().join("nothing.db")), Err(ArchiveError::Sqlite(_))));
}

#[test]
fn what_is_too_old_goes() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.keep = Duration::from_secs(86_400);
    config.archive.segment_rows = 16;
    let station = Station::start(state.path(), config, &usual()).unwrap();
    let now = Timestamp::now();
    let mut link = station.handle.downlink("tcp");
    for (run, days) in [3, 2, 0].into_iter().enumerate() {
        for at in 0..100u32 {
            let time = now.0 - days * 86_400_000_000_000 + i64::from(at) * 1_000_000;
            send(&mut *link, &housekeeping(run as u32 * 100 + at, 2000, 1), Timestamp(time));
        }
        link.flush();
        // Each run in segments of its own.
        std::thread::sleep(Duration::from_millis(100));
    }
    let from = now.0 / 1_000_000_000 - 5 * 86_400;
    eventually("the old days are gone", || {
        numbers(&station.history("Counter", from, from + 6 * 86_400, None)).first() == Some(&200.0)
    });
    station.stop();
}

#[test]
fn what_is_too_much_goes() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.keep_mib = 1;
    let station = Station::start(state.path(), config, &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 0..40_000u32 {
        send(&mut *link, &housekeeping(at, (at % 3000) as u16, 1), second(i64::from(at)));
        if at % 500 == 0 {
            link.flush();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    link.flush();
    eventually("the file is small again", || {
        let status = station.handle.archive_status().unwrap();
        status.removed_rows > 0 && status.octets < 2 << 20
    });
    let left = numbers(&station.history("Counter", 0, 100_000, Some(10)));
    assert_eq!(left.last(), Some(&39_999.0), "the latest stays");
    station.stop();
    assert_eq!(check(&state.path().join("archive.db")).unwrap().problems, Vec::<String>::new());
}

#[test]
fn many_rows_that_are_due_go_without_delay() {
    let state = tempfile::tempdir().unwrap();
    Station::start(state.path(), config(), &usual()).unwrap().stop();
    let archive = rusqlite::Connection::open(state.path().join("archive.db")).unwrap();
    archive
        .execute_batch(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40000)
             INSERT INTO frame SELECT n, 1, 1, n, n, 1, x'00' FROM n",
        )
        .unwrap();
    let mut config = config();
    config.archive.keep = Duration::from_secs(86_400);
    let station = Station::start(state.path(), config, &usual()).unwrap();
    // A step every two seconds would take more than two minutes.
    eventually("they are gone", || station.handle.archive_status().unwrap().removed_rows == 40_000);
    station.stop();
}

#[test]
fn what_a_killed_reprocessing_left_is_swept_up() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.segment_rows = 16;
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 0..32u32 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
    }
    link.flush();
    station.stop();
    drop(link);
    let archive = rusqlite::Connection::open(state.path().join("archive.db")).unwrap();
    let count = |query: &str| archive.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(archive.execute("UPDATE segment SET state = 1", []).unwrap(), 1);
    assert!(count("SELECT count(*) FROM series") > 0);
    let station = Station::start(state.path(), config, &usual()).unwrap();
    eventually("it is gone", || count("SELECT count(*) FROM segment") == 0);
    assert_eq!(count("SELECT count(*) FROM series"), 0);
    station.stop();
}

#[test]
fn a_transaction_that_is_rolled_back_hides_no_history() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.segment_rows = 16;
    let station = Station::start(state.path(), config, &usual()).unwrap();
    let status = || station.handle.archive_status().unwrap();
    let mut link = station.handle.downlink("tcp");
    let mut feed = |counters: std::ops::Range<u32>| {
        for at in counters {
            send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
        }
        link.flush();
    };
    feed(0..10);
    eventually("a journal is written", || status().values == 10 * VALUES);
    // The transaction that finishes the segment fails behind all that it inserts.
    let archive = rusqlite::Connection::open(state.path().join("archive.db")).unwrap();
    archive
        .execute_batch("CREATE TRIGGER full BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    feed(10..20);
    eventually("it fails", || status().failing.is_some_and(|reason| reason.contains("full")));
    archive.execute_batch("DROP TRIGGER full").unwrap();
    eventually("it recovers", || status().failing.is_none() && status().values == 20 * VALUES);
    let counters = numbers(&station.history("Counter", 0, 100, None));
    assert_eq!(counters, (0..20).map(f64::from).collect::<Vec<_>>());
    station.stop();
}
