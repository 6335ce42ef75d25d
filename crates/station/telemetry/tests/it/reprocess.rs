//! Archived packets processed again under another database.

use std::sync::Arc;
use std::time::Duration;

use perigee_telemetry::{TimeConfig, check, reprocess, stats};
use perigee_xtce::{Database, LoadOptions, Plan};

use crate::satellite::{VALUES, database, housekeeping, unknown, usual};
use crate::station::{Station, config, numbers, second, send};

#[test]
fn values_of_the_range_are_replaced_and_others_stay() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    config.archive.segment_rows = 30;
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 0..200u32 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
        send(&mut *link, &unknown(at), second(i64::from(at)));
        if at % 20 == 19 {
            link.flush();
            std::thread::sleep(Duration::from_millis(25));
        }
    }
    link.flush();
    let path = state.path().join("archive.db");
    let new = database(0.02, ["OFF", "ON", "FAULT"]);
    let loaded = Arc::new(Database::load(&new, LoadOptions::default()).unwrap().database);
    let plan = Arc::new(Plan::compile(&loaded, None).unwrap());
    let run = |range| reprocess(&path, (&loaded, &plan), &TimeConfig::Reception {}, range, |_| {});
    let refused = run((second(0), second(1))).unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");
    station.stop();
    drop(link);

    let done = run((second(50), second(150))).unwrap();
    assert_eq!((done.packets, done.undecoded, done.values), (100, 100, 100 * VALUES));
    assert_eq!(check(&path).unwrap().problems, Vec::<String>::new());
    assert_eq!(stats(&path).unwrap().values, 200 * VALUES);
    let station = Station::start(state.path(), config, &new).unwrap();
    let volts = numbers(&station.history("Voltage", 0, 1000, None));
    assert_eq!(volts, [vec![20.0; 50], vec![40.0; 100], vec![20.0; 50]].concat());
    let counters = numbers(&station.history("Counter", 0, 1000, None));
    assert_eq!(counters, (0..200).map(f64::from).collect::<Vec<_>>());
    station.stop();
}

#[test]
fn values_without_packets_stay() {
    let state = tempfile::tempdir().unwrap();
    // One segment grows over all three runs; packets of the second are not kept.
    for (run, packets) in [true, false, true].into_iter().enumerate() {
        let mut config = config();
        config.archive.packets = packets;
        let station = Station::start(state.path(), config, &usual()).unwrap();
        let mut link = station.handle.downlink("tcp");
        for at in (run as u32 * 50)..(run as u32 * 50 + 50) {
            send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
        }
        link.flush();
        station.stop();
    }
    let path = state.path().join("archive.db");
    let new = database(0.02, ["OFF", "ON", "FAULT"]);
    let loaded = Arc::new(Database::load(&new, LoadOptions::default()).unwrap().database);
    let plan = Arc::new(Plan::compile(&loaded, None).unwrap());
    let range = (second(0), second(1000));
    let done = reprocess(&path, (&loaded, &plan), &TimeConfig::Reception {}, range, |_| {}).unwrap();
    assert_eq!(done.packets, 100);
    assert_eq!(check(&path).unwrap().problems, Vec::<String>::new());
    assert_eq!(stats(&path).unwrap().values, 150 * VALUES);
    let station = Station::start(state.path(), config(), &new).unwrap();
    let volts = numbers(&station.history("Voltage", 0, 1000, None));
    assert_eq!(volts, [vec![40.0; 50], vec![20.0; 50], vec![40.0; 50]].concat());
    station.stop();
}
