//! Live values, alarms and rejections.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use perigee_part::stream::Next;
use perigee_part::{Rejection, Timestamp};
use perigee_telemetry::{AcknowledgeError, AlarmEvent};
use perigee_xtce::{Severity, Value};

use crate::satellite::{housekeeping, science, unknown, usual};
use crate::station::{Station, config, eventually, second, send};

#[test]
fn values_are_published_with_severities_and_kept_as_latest() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut follower = station.handle.stream().subscribe();
    let mut link = station.handle.downlink("tcp");
    for (at, volts) in [2000, 2100, 4000].into_iter().enumerate() {
        send(&mut *link, &housekeeping(at as u32, volts, 1), second(at as i64));
    }
    send(&mut *link, &science(0, 21.5), second(3));
    assert!(follower.try_next().is_none(), "nothing before the flush");
    link.flush();
    let Some(Next::Record(batch)) = follower.try_next() else { panic!("no batch") };
    assert_eq!(batch.packets.len(), 4);
    let voltage = station.parameter("Voltage");
    let entries = batch.values.entries.iter().zip(&batch.severities);
    let seen: Vec<_> = entries
        .filter(|(entry, _)| entry.parameter == voltage)
        .map(|(entry, severity)| (entry.eng, *severity))
        .collect();
    let volts = |volts, severity| (Value::Float(volts), severity);
    let (nominal, critical) = (Severity::Nominal, Severity::Critical);
    assert_eq!(seen, [volts(20.0, nominal), volts(21.0, nominal), volts(40.0, critical)]);
    let names = ["Voltage", "Temperature", "Name", "Apid"].map(|name| station.parameter(name));
    let latest: Vec<_> = station.handle.latest(&names).into_iter().map(Option::unwrap).collect();
    assert_eq!((latest[0].eng, latest[0].generated), (Value::Float(40.0), second(2)));
    assert_eq!(latest[1].eng, Value::Float(21.5));
    assert_eq!(latest[2].eng.span().unwrap().of(&latest[2].arena), b"n002");
    assert_eq!(latest[3].eng, Value::Unsigned(2), "the header of the last packet");
    station.stop();
}

#[test]
fn an_alarm_lives_from_its_trip_to_its_end() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let voltage = station.parameter("Voltage");
    let mut changes = station.handle.alarm_changes().subscribe();
    let mut events = || {
        let mut events = Vec::new();
        while let Some(Next::Record(change)) = changes.try_next() {
            events.push((change.event, change.alarm.severity, change.alarm.count));
        }
        events
    };
    let mut link = station.handle.downlink("tcp");
    let mut at = 0;
    let mut feed = |centivolts: u16| {
        send(&mut *link, &housekeeping(at, centivolts, 1), second(i64::from(at)));
        link.flush();
        at += 1;
    };
    for centivolts in [900, 900, 2000, 900, 900] {
        feed(centivolts);
    }
    assert_eq!(events(), [], "never three in a row");
    feed(900);
    assert_eq!(events(), [(AlarmEvent::Raised, Severity::Warning, 3)]);
    feed(400);
    assert_eq!(events(), [(AlarmEvent::Worsened, Severity::Critical, 4)]);
    let alarm = station.handle.alarms().remove(0);
    assert_eq!((alarm.limit.as_str(), alarm.value.clone()), ("critical below 5", 4.0.into()));
    for _ in 0..3 {
        feed(2000);
    }
    assert_eq!(events(), [(AlarmEvent::Cleared, Severity::Critical, 4)]);
    assert!(!station.handle.alarms()[0].is_active(), "kept until somebody has acknowledged it");
    station.stop();

    // It survives the night, and so does the acknowledgement of the next one.
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    assert_eq!(station.handle.alarms()[0].count, 4);
    let alarm = station.handle.acknowledge(voltage, "ops", "seen").unwrap();
    assert_eq!(alarm.acknowledged.unwrap().by, "ops");
    assert_eq!(station.handle.alarms(), []);
    assert_eq!(station.handle.acknowledge(voltage, "ops", ""), Err(AcknowledgeError::NoAlarm));
    let mut link = station.handle.downlink("tcp");
    for at in 20..24 {
        send(&mut *link, &housekeeping(at, 900, 1), second(i64::from(at)));
    }
    link.flush();
    station.handle.acknowledge(voltage, "night", "known").unwrap();
    station.stop();

    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let alarm = station.handle.alarms().remove(0);
    assert!(alarm.is_active());
    assert_eq!(alarm.acknowledged.unwrap().comment, "known");
    let again = station.handle.acknowledge(voltage, "day", "");
    assert_eq!(again, Err(AcknowledgeError::Already("night".into())));
    let mut link = station.handle.downlink("tcp");
    for at in 30..33 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
    }
    link.flush();
    assert_eq!(station.handle.alarms(), [], "acknowledged before, so it ended when it cleared");
    station.stop();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    assert_eq!(station.handle.alarms(), []);
    station.stop();
}

#[test]
fn what_was_not_decoded_says_why() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("udp");
    send(&mut *link, &unknown(1), second(1));
    send(&mut *link, &housekeeping(1, 2000, 1)[..12], second(2));
    link.rejected(Rejection {
        received: Timestamp(5),
        vcid: Some(9),
        reason: "uncorrectable",
        length: 100,
        octets: &[0xab; 100],
    });
    link.flush();
    let rejections = station.handle.rejections();
    assert_eq!(rejections.total, 3);
    assert_eq!(rejections.by_reason["no-container"], 1);
    assert_eq!(rejections.by_reason["packet-too-short"], 1);
    let [frame, short, unknown] = &rejections.recent[..] else { panic!("{rejections:?}") };
    assert_eq!((frame.vcid, frame.length, frame.octets.len(), &*frame.link), (Some(9), 100, 32, "udp"));
    assert_eq!(short.apid, Some(1));
    assert_eq!(unknown.apid, Some(77));
    assert!(unknown.detail.contains("no container"), "{}", unknown.detail);
    assert_eq!(station.handle.counters().undecoded, 2);
    station.stop();
}

#[test]
fn the_gauge_counts_the_alarms_on_the_list() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    let mut at = 0;
    let mut feed = |centivolts: u16| {
        for _ in 0..3 {
            send(&mut *link, &housekeeping(at, centivolts, 1), second(i64::from(at)));
            at += 1;
        }
        link.flush();
        station.metric("alarms")
    };
    // Raised, cleared and raised again is one alarm.
    assert_eq!([900, 2000, 900, 2000, 900].map(&mut feed), [1.0; 5]);
    station.handle.acknowledge(station.parameter("Voltage"), "ops", "").unwrap();
    assert_eq!(feed(2000), 0.0);
    assert_eq!(feed(900), 1.0);
    feed(2000);
    station.handle.acknowledge(station.parameter("Voltage"), "ops", "").unwrap();
    assert_eq!(station.metric("alarms"), 0.0);
    station.stop();
}

#[test]
fn changes_of_an_alarm_are_told_in_their_order() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    // Without it an acknowledgement does not wait for the disk.
    config.archive.enabled = false;
    let station = Station::start(state.path(), config, &usual()).unwrap();
    let voltage = station.parameter("Voltage");
    let mut changes = station.handle.alarm_changes().subscribe();
    let mut link = station.handle.downlink("tcp");
    let done = AtomicBool::new(false);
    let mut heard = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let _ = station.handle.acknowledge(voltage, "ops", "");
                std::thread::yield_now();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        let (mut at, mut ended) = (0, 0);
        while ended < 300 && Instant::now() < deadline {
            let centivolts = if at / 3 % 2 == 0 { 900 } else { 2000 };
            send(&mut *link, &housekeeping(at, centivolts, 1), second(i64::from(at)));
            link.flush();
            at += 1;
            while let Some(Next::Record(change)) = changes.try_next() {
                ended += u32::from(change.event == AlarmEvent::Ended);
                heard.push((change.alarm.id, change.event, change.alarm.acknowledged.is_some()));
            }
        }
        done.store(true, Relaxed);
    });
    assert!(heard.len() > 100, "{} changes", heard.len());
    // Numbers ascend, an acknowledgement stays, nothing follows the end.
    for pair in heard.windows(2) {
        let [(id, event, acknowledged), (next, _, still)] = *pair else { unreachable!() };
        let whole = next > id || next == id && event != AlarmEvent::Ended && (still || !acknowledged);
        assert!(whole, "{:?} overtakes {:?}", pair[0], pair[1]);
    }
    station.stop();
}

#[test]
fn an_archive_that_opens_late_keeps_its_alarms_and_gets_the_new_ones() {
    let state = tempfile::tempdir().unwrap();
    let (folder, away) = (state.path().join("folder"), state.path().join("away"));
    let mut config = config();
    config.archive.path = "folder/archive.db".into();
    let raise = |station: &Station, from: i64| {
        let mut link = station.handle.downlink("tcp");
        for at in from..from + 3 {
            send(&mut *link, &housekeeping(at as u32, 900, 1), second(at));
        }
        link.flush();
        station.handle.alarms()[0].id
    };
    let hide = || {
        std::fs::rename(&folder, &away).unwrap();
        std::fs::write(&folder, "in the way").unwrap();
    };
    let show = |station: &Station| {
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&away, &folder).unwrap();
        eventually("the archive is open", || station.handle.archive_status().unwrap().commits > 0);
    };
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let before = raise(&station, 0);
    station.stop();

    // One that was raised and has ended before the archive is there; the one in the archive comes back.
    hide();
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let meanwhile = raise(&station, 10);
    station.handle.acknowledge(station.parameter("Voltage"), "ops", "seen").unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 20..23 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
    }
    link.flush();
    assert_eq!((station.handle.alarms(), station.metric("alarms")), (Vec::new(), 0.0));
    let mut changes = station.handle.alarm_changes().subscribe();
    show(&station);
    eventually("the alarm of before is back", || !station.handle.alarms().is_empty());
    let alarm = station.handle.alarms().remove(0);
    assert_eq!((alarm.id, alarm.triggered), (before, second(2)));
    let Some(Next::Record(change)) = changes.try_next() else { panic!("nobody was told") };
    assert_eq!((change.event, change.alarm.id), (AlarmEvent::Raised, before));
    assert_eq!(station.metric("alarms"), 1.0);
    drop(link);
    station.stop();

    // One that is still raised takes the place of the one in the archive.
    hide();
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let later = raise(&station, 30);
    show(&station);
    station.stop();
    let archive = rusqlite::Connection::open(folder.join("archive.db")).unwrap();
    let mut rows = archive.prepare("SELECT id, triggered, ended IS NULL FROM alarm ORDER BY id").unwrap();
    let rows: Vec<(i64, i64, bool)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let expected =
        [(before, second(2).0, false), (meanwhile, second(12).0, false), (later, second(32).0, true)];
    assert_eq!(rows, expected);
    let station = Station::start(state.path(), config, &usual()).unwrap();
    assert_eq!(station.handle.alarms()[0].id, later);
    station.stop();
}
