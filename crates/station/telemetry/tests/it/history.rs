//! History: no hole between the archive and the live values, and no extreme hidden.

use std::time::Duration;

use perigee_part::{Downlink, FrameReport, PacketReport, Timestamp};
use perigee_xtce::Value;
use proptest::prelude::*;

use crate::satellite::{database, housekeeping, science, usual};
use crate::station::{Station, config, number, numbers, second, send};

#[test]
fn history_reaches_up_to_the_last_flush_and_over_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let mut config = config();
    // Finished segments, journal and queue all hold a part of it.
    config.archive.segment_rows = 16;
    let station = Station::start(state.path(), config.clone(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 0..500u32 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(i64::from(at)));
        if at % 7 == 0 {
            link.flush();
            let seen = numbers(&station.history("Counter", 0, 1000, None));
            let expected: Vec<f64> = (0..=at).map(f64::from).collect();
            assert_eq!(seen, expected, "right after the flush of {at}");
        }
        if at % 50 == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    link.flush();
    let all: Vec<f64> = (0..500).map(f64::from).collect();
    assert_eq!(numbers(&station.history("Counter", 0, 1000, None)), all);
    assert_eq!(numbers(&station.history("Counter", 100, 110, None)), all[100..110]);
    station.stop();
    drop(link);
    let station = Station::start(state.path(), config, &usual()).unwrap();
    assert_eq!(numbers(&station.history("Counter", 0, 1000, None)), all);
    let names = station.history("Name", 498, 499, None);
    assert_eq!(names.samples[0].eng.span().unwrap().of(&names.arena), b"n498");
    station.stop();
}

#[test]
fn parameters_of_several_containers_stand_in_the_order_of_generation() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for at in 0..50u32 {
        send(&mut *link, &housekeeping(at, 2000, 1), second(10_000 + i64::from(at)));
        send(&mut *link, &science(at, 1.0), second(i64::from(at)));
    }
    link.flush();
    let apids = numbers(&station.history("Apid", 0, 20_000, None));
    assert_eq!(apids, [vec![2.0; 50], vec![1.0; 50]].concat());
    station.stop();
}

#[test]
fn labels_keep_their_meaning_under_another_database() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    for (at, mode) in [0, 1, 2].into_iter().enumerate() {
        send(&mut *link, &housekeeping(at as u32, 2000, mode), second(at as i64));
    }
    link.flush();
    station.stop();
    drop(link);
    let station = Station::start(state.path(), config(), &database(0.01, ["ON", "OFF", "SAFE"])).unwrap();
    let history = station.history("Mode", 0, 10, None);
    let labels: Vec<_> = history.samples.iter().map(|sample| sample.eng).collect();
    assert_eq!(labels[..2], [Value::Label(1), Value::Label(0)], "OFF and ON have changed places");
    assert_eq!(labels[2].span().unwrap().of(&history.arena), b"FAULT", "there is no such label any more");
    station.stop();
}

#[test]
fn gaps_are_seen_by_channel_and_while_the_station_is_down() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    let frame = |link: &mut dyn Downlink, count: u8, at: i64| {
        let octets = [0x01, 0x50, 0, count, 0, 0];
        link.frame(FrameReport {
            received: second(at),
            scid: 21,
            vcid: 3,
            vcfc: Some(count.into()),
            octets: &octets,
        });
    };
    for (at, sequence) in [0, 1, 2, 6, 7].into_iter().enumerate() {
        frame(&mut *link, sequence as u8, at as i64);
        send(&mut *link, &housekeeping(sequence, 2000, 1), second(at as i64));
    }
    link.flush();
    station.stop();
    drop(link);
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let mut link = station.handle.downlink("tcp");
    send(&mut *link, &housekeeping(10, 2000, 1), second(20));
    link.flush();
    station.stop();
    drop(link);
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let channels = station.handle.completeness(second(0), second(100)).unwrap().channels;
    let frames = channels.iter().find(|channel| channel.apid.is_none()).unwrap();
    assert_eq!((frames.vcid, frames.link.as_str()), (Some(3), "tcp"));
    assert_eq!(frames.spans.iter().map(|span| span.count).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(frames.gaps[0].missing, 3);
    let packets = channels.iter().find(|channel| channel.apid == Some(1)).unwrap();
    assert_eq!(packets.spans.iter().map(|span| span.count).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(packets.gaps.iter().map(|gap| gap.missing).collect::<Vec<_>>(), [3, 2]);
    station.stop();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the values, times, segments and buckets: each bucket has the extremes of its samples, and
    /// no sample is counted twice or forgotten.
    #[test]
    fn down_sampling_hides_no_extreme(
        values in prop::collection::vec((any::<f32>(), 0i64..3_000_000), 1..400),
        points in 1u32..40,
        rows in 16usize..64,
        (start, length) in (0i64..2_000, 1i64..3_000),
    ) {
        let state = tempfile::tempdir().unwrap();
        let mut config = config();
        config.archive.segment_rows = rows;
        let station = Station::start(state.path(), config, &usual()).unwrap();
        let mut link = station.handle.downlink("tcp");
        for (at, &(value, millis)) in values.iter().enumerate() {
            send(&mut *link, &science(at as u32, value), Timestamp::from_millis(millis));
            if at % 20 == 19 {
                link.flush();
                std::thread::sleep(Duration::from_millis(3));
            }
        }
        link.flush();
        let all = station.history("Temperature", start, start + length, None);
        let sampled = station.history("Temperature", start, start + length, Some(points));
        let (from, to) = (second(start).0, second(start + length).0);
        let within: Vec<_> = values
            .iter()
            .map(|&(value, millis)| (millis * 1_000_000, f64::from(value)))
            .filter(|(at, _)| (from..to).contains(at))
            .collect();
        prop_assert_eq!(all.samples.len(), within.len());
        prop_assert_eq!(sampled.sampled, within.len() > points as usize);
        if !sampled.sampled {
            prop_assert_eq!(sampled.samples.len(), within.len());
        } else {
            prop_assert!(sampled.samples.len() <= points as usize);
            prop_assert_eq!(sampled.samples.iter().map(|sample| sample.count).sum::<u64>(), within.len() as u64);
            let width = (to - from + i64::from(points) - 1) / i64::from(points);
            for sample in &sampled.samples {
                let bucket = (sample.generated.0 - from) / width;
                let inside: Vec<f64> = within
                    .iter()
                    .filter(|(at, _)| (at - from) / width == bucket)
                    .map(|(_, value)| *value)
                    .filter(|value| !value.is_nan())
                    .collect();
                if inside.is_empty() {
                    prop_assert_eq!((sample.min, sample.max), (Value::Absent, Value::Absent));
                } else {
                    prop_assert_eq!(number(sample.min), inside.iter().copied().fold(f64::INFINITY, f64::min));
                    prop_assert_eq!(number(sample.max), inside.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
        station.stop();
    }
}

#[test]
fn spacecraft_do_not_mix_and_frames_without_a_count_have_no_gaps() {
    let state = tempfile::tempdir().unwrap();
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    // An archive of layout 1 did not know the spacecraft.
    station.stop();
    let archive = rusqlite::Connection::open(state.path().join("archive.db")).unwrap();
    archive
        .execute_batch(
            "DROP INDEX span_by_reception; DROP INDEX alarm_by_end; ALTER TABLE span DROP COLUMN scid;
             ALTER TABLE span DROP COLUMN received; PRAGMA user_version = 1;
             INSERT INTO link VALUES (1, 'old');
             INSERT INTO span (id, link, first, last, count, sequence, missing) VALUES (1, 1, 0, 1000, 7, 1, 0)",
        )
        .unwrap();
    for run in 0..2 {
        let station = Station::start(state.path(), config(), &usual()).unwrap();
        let mut link = station.handle.downlink("tcp");
        for at in (run * 10)..(run * 10 + 10) {
            let uslp = [0xc0, 0, 0, 0, 0, 0, 0, 0];
            for (scid, vcid, vcfc, octets) in [
                (21, 3, Some(at), &[0x01, 0x50, 0, at as u8][..]),
                (22, 3, Some(100 + at), &[0x01, 0x60, 0, 100 + at as u8]),
                (23, 4, None, &uslp),
            ] {
                link.frame(FrameReport { received: second(at as i64), scid, vcid, vcfc, octets });
            }
            for scid in [21, 22] {
                let octets = housekeeping(at as u32 + scid * 100, 2000, 1);
                let received = second(at as i64);
                link.packet(PacketReport {
                    received,
                    scid: Some(scid as u16),
                    vcid: Some(3),
                    octets: &octets,
                });
            }
        }
        link.flush();
        station.stop();
    }
    let station = Station::start(state.path(), config(), &usual()).unwrap();
    let channels = station.handle.completeness(second(0), second(100)).unwrap().channels;
    let seen: Vec<_> = channels
        .iter()
        .map(|channel| {
            let counts: Vec<_> = channel.spans.iter().map(|span| span.count).collect();
            (channel.link.as_str(), channel.scid, channel.vcid, channel.apid, counts, channel.gaps.len())
        })
        .collect();
    let expected = [
        ("old", None, None, None, vec![7], 0),
        ("tcp", Some(21), Some(3), None, vec![20], 0),
        ("tcp", Some(21), Some(3), Some(1), vec![20], 0),
        ("tcp", Some(22), Some(3), None, vec![20], 0),
        ("tcp", Some(22), Some(3), Some(1), vec![20], 0),
        ("tcp", Some(23), Some(4), None, vec![20], 0),
    ];
    assert_eq!(seen, expected);
    station.stop();
}
