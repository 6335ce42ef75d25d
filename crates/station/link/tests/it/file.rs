//! Files: read at once, at a pace, and as they grow.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Instant;

use perigee_link::config::{Edge, Start};
use perigee_link::{Content, Kind, Parameters};

use crate::harness::{CODED, Running, Spacecraft, link};

#[test]
fn a_recording_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let mut spacecraft = Spacecraft::new();
    fs::write(&path, spacecraft.frames(2000)).unwrap();
    let mut file = link(Kind::File, Content::Frames);
    file.path = Some(path);
    let running = Running::start(file);
    running.until("at its end", |status| !status.connected && status.packets == 2000);
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_file_is_followed_as_it_grows_and_when_it_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let mut file = link(Kind::File, Content::Frames);
    file.path = Some(path.clone());
    file.follow = true;
    file.start = Start::Edge(Edge::End);
    fs::write(&path, Spacecraft::new().frames(100)).unwrap();
    let running = Running::start(file);
    running.until("open", |status| status.connected);
    std::thread::sleep(std::time::Duration::from_millis(300));

    let mut spacecraft = Spacecraft::new();
    let frames = spacecraft.frames(100);
    let mut growing = OpenOptions::new().append(true).open(&path).unwrap();
    // A frame is written in two goes.
    let (first, second) = frames.split_at(CODED * 3 + 100);
    growing.write_all(first).unwrap();
    running.until("partly read", |status| status.octets as usize == first.len());
    growing.write_all(second).unwrap();
    running.until("read", |status| status.packets == 100);

    fs::write(&path, spacecraft.frames(10)).unwrap();
    running.until("read anew", |status| status.packets == 110);
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_file_that_takes_the_place_of_another_is_read_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let mut file = link(Kind::File, Content::Frames);
    file.path = Some(path.clone());
    file.follow = true;
    let mut spacecraft = Spacecraft::new();
    fs::write(&path, spacecraft.frames(20)).unwrap();
    let running = Running::start(file);
    running.until("read", |status| status.packets == 20);
    let rest = spacecraft.frames(10);
    // The new one is longer than the old one, and the old one still grows after it was renamed.
    let next = directory.path().join("next");
    fs::write(&next, spacecraft.frames(100)).unwrap();
    let mut old = OpenOptions::new().append(true).open(&path).unwrap();
    fs::rename(&next, &path).unwrap();
    old.write_all(&rest).unwrap();
    running.until("read to the end of both", |status| status.packets == 130);
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_replay_of_bits_keeps_to_its_rate() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let frames = Spacecraft::new().frames(100);
    let bits: Vec<u8> =
        frames.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect();
    fs::write(&path, &bits).unwrap();
    let mut file = link(Kind::File, Content::Frames);
    let Some(Parameters::Inline(table)) = &mut file.parameters else { unreachable!() };
    table.insert("input".to_owned(), "symbols = 'bits'".parse::<toml::Table>().unwrap().into());
    file.path = Some(path);
    file.bit_rate = Some(bits.len() as u64);
    let begun = Instant::now();
    let running = Running::start(file);
    running.until("at its end", |status| !status.connected && status.packets == 100);
    let took = begun.elapsed().as_secs_f64();
    assert!((0.95..4.0).contains(&took), "{took:.2} s for a recording of one second");
}

#[test]
fn a_replay_keeps_to_its_rate() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let frames = Spacecraft::new().frames(600);
    let seconds = frames.len() as f64 / 125_000.0;
    fs::write(&path, frames).unwrap();
    let mut file = link(Kind::File, Content::Frames);
    file.path = Some(path);
    file.bit_rate = Some(500_000);
    file.speed = 2.0;
    let begun = Instant::now();
    let running = Running::start(file);
    running.until("at its end", |status| !status.connected && status.packets == 600);
    let took = begun.elapsed().as_secs_f64();
    assert!(took > seconds * 0.95, "{took:.2} s for a recording of {seconds:.2} s");
    assert!(took < seconds * 1.5 + 2.0, "{took:.2} s for a recording of {seconds:.2} s");
}
