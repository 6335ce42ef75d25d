//! 120 MB/s of coded frames into a running station over TCP, for as long as asked, with nothing dropped.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Context;
use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::send::Sender;
use serde_json::Value;

use super::perigee;
use super::server::http_get;
use crate::table::{Row, rate};
use crate::xtce::{JPSS_PACKET, jpss};

/// TM frames: their counters repeat after 256, so that a recording of a multiple can be sent without end.
const LINK: &str = r#"
[sync]
asm = "1ACFFC1D"
[coding]
randomizer = "255"
reed_solomon = { code = "255,223", interleave = 5, basis = "dual", virtual_fill = 0 }
[frame]
type = "tm"
length = 1115
scid = 157
fecf = true
[[vc]]
id = 1
service = "m_pdu"
"#;
const CADU: usize = 1279;
/// Frames in the recording: a multiple of 256 for the counters, and of the packets' length, so that the
/// last packet ends where the last frame does.
const FRAMES: usize = 256 * JPSS_PACKET;
/// The virtual channel of the packets.
const VCID: u8 = 1;
const WANTED: f64 = 120e6;
/// Octets written at once; at the wanted rate, every 4 ms.
const WRITE: usize = 480_000;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let seconds: u64 = if std::env::var_os("PERIGEE_BENCH_LONG").is_some() { 600 } else { 20 };
    let link = LinkParameters::from_toml(LINK)?;
    let packets = std::fs::read(jpss("J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1")?)?;
    let recording = whole_frames(&link, &packets)?;

    let folder = tempfile::tempdir()?;
    let xtce = super::database(folder.path())?;
    let server = perigee::start_with_frames(folder.path(), &xtce, LINK)?;
    let mut socket = TcpStream::connect(("127.0.0.1", perigee::FRAMES_PORT))?;
    let cpu = server.cpu()?;
    let begin = Instant::now();
    let mut sent = 0usize;
    let mut late = Duration::ZERO;
    while begin.elapsed().as_secs() < seconds {
        let due = Duration::from_secs_f64(sent as f64 / WANTED);
        match due.checked_sub(begin.elapsed()) {
            Some(early) => std::thread::sleep(early),
            None => late = late.max(begin.elapsed() - due),
        }
        let at = sent % recording.len();
        let end = recording.len().min(at + WRITE);
        socket.write_all(&recording[at..end])?;
        sent += end - at;
    }
    let took = begin.elapsed().as_secs_f64();
    // Whole frames only, so that the end is no gap.
    let rest = (CADU - sent % CADU) % CADU;
    let at = sent % recording.len();
    socket.write_all(&recording[at..at + rest])?;
    sent += rest;
    std::thread::sleep(Duration::from_secs(1));

    let (_, body) = http_get(&perigee::api("links")).context("the station does not tell its links")?;
    let status = serde_json::from_str::<Value>(&body)?["links"][0].clone();
    let dropped = status["rejections"].to_string();
    let frames = status["frames"].as_u64().unwrap_or(0);
    anyhow::ensure!(frames == (sent / CADU) as u64, "{frames} frames of {} arrived", sent / CADU);
    anyhow::ensure!(dropped == "{}" && status["gaps"] == 0, "dropped: {dropped}, gaps: {}", status["gaps"]);
    let reached = sent as f64 / took;
    Ok(vec![Row {
        work: format!(
            "live frames held for {seconds} s, nothing dropped, at most {} ms late",
            late.as_millis()
        ),
        ours: rate(reached),
        peer: "target".into(),
        theirs: rate(WANTED),
        ratio: reached / WANTED,
        // The last write may end a little after its time.
        wanted: Some(0.999),
        limit: format!("{:.2} cores used", (server.cpu()? - cpu) / took),
    }])
}

/// Frames filled with packets to the last octet.
fn whole_frames(link: &LinkParameters, packets: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut sender = Sender::new(link)?;
    let mut recording = Vec::with_capacity(FRAMES * CADU);
    for packet in packets.chunks_exact(JPSS_PACKET).cycle() {
        if recording.len() >= FRAMES * CADU {
            break;
        }
        sender.push_packet(VCID, packet)?;
        while sender.frame_ready() {
            sender.poll_transmit(&mut recording);
        }
    }
    anyhow::ensure!(recording.len() == FRAMES * CADU && !sender.pending(), "the recording is not whole");
    Ok(recording)
}
