//! The JPSS file through its mission database on one core, beside space_packet_parser, value for value.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use perigee_xtce::{Database, Decoder, LoadOptions, Plan, Values};
use sha1::{Digest, Sha1};

use crate::measure::best_of;
use crate::table::{Row, count};

/// Octets of each of the file's packets.
pub const JPSS_PACKET: usize = 71;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let database = jpss("jpss1_geolocation_xtce_v1.xml")?;
    let recording = jpss("J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1")?;
    let octets = std::fs::read(&recording)?;
    let mut decoder = Decoder::new(plan(&std::fs::read_to_string(&database)?)?);
    let packets = octets.len() / JPSS_PACKET;

    let (their_packets, theirs, their_digest) = peer(&database, &recording)?;
    anyhow::ensure!(
        packets == their_packets,
        "space_packet_parser found {their_packets} of {packets} packets"
    );
    let mut values = Values::default();
    let mut digest = Sha1::new();
    for packet in octets.chunks_exact(JPSS_PACKET) {
        values.clear();
        decoder.decode(packet, &mut values)?;
        for entry in &values.entries {
            digest.update(entry.eng.as_f64().context("a value is no number")?.to_be_bytes());
        }
    }
    let digest: String = digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
    anyhow::ensure!(digest == their_digest, "the values differ from those of space_packet_parser");

    let rounds = 40;
    let ours = best_of(
        5,
        || (),
        |()| {
            for _ in 0..rounds {
                for packet in octets.chunks_exact(JPSS_PACKET) {
                    values.clear();
                    let _ = std::hint::black_box(decoder.decode(packet, &mut values));
                }
            }
        },
    ) / f64::from(rounds);
    let per_second = packets as f64 / ours;
    let written = values.entries.len() * size_of::<perigee_xtce::Entry>();
    Ok(vec![
        Row {
            work: "XTCE decode of JPSS, identical values".into(),
            ours: count(per_second, "packets"),
            peer: "space_packet_parser".into(),
            theirs: count(packets as f64 / theirs, "packets"),
            ratio: theirs / ours,
            wanted: Some(100.0),
            limit: format!("{written} octets of values written for each {JPSS_PACKET} read"),
        },
        Row {
            work: "XTCE decode of JPSS, against 1,000,000 packets/s".into(),
            ours: count(per_second, "packets"),
            peer: "target".into(),
            theirs: count(1e6, "packets"),
            ratio: per_second / 1e6,
            wanted: Some(1.0),
            limit: String::new(),
        },
    ])
}

/// A file of the recordings that lie beside the project.
pub fn shared(path: &str) -> anyhow::Result<PathBuf> {
    let root = std::env::var_os("PERIGEE_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = root.join(path);
    anyhow::ensure!(file.exists(), "{} is not here: the benches need the shared recordings", file.display());
    Ok(file)
}

pub fn jpss(name: &str) -> anyhow::Result<PathBuf> {
    shared(&format!("space-packet-parser/{name}"))
}

pub fn plan(xml: &str) -> anyhow::Result<Arc<Plan>> {
    let loaded = Database::load(xml, LoadOptions::default())?;
    Ok(Arc::new(Plan::compile(&loaded.database, None)?))
}

/// A Python with the peers in it; `bench/run` makes one.
pub fn python(script: &str) -> anyhow::Result<Command> {
    let python =
        std::env::var("PERIGEE_BENCH_PYTHON").context("PERIGEE_BENCH_PYTHON is not set: use bench/run")?;
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script));
    Ok(command)
}

fn peer(database: &Path, recording: &Path) -> anyhow::Result<(usize, f64, String)> {
    let output = python("spp.py")?.arg(database).arg(recording).output()?;
    anyhow::ensure!(output.status.success(), "spp.py: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_ascii_whitespace();
    let mut word = || words.next().context("spp.py said too little");
    Ok((word()?.parse()?, word()?.parse()?, word()?.to_owned()))
}
