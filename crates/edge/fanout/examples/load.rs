//! A measurement: values a second to live clients, their delay, and the processor time they cost. Packets are
//! decoded by the real processor, its archive switched off; the clients are on real sockets.
//!
//! `cargo run --release -p perigee-fanout --example load`

#![allow(clippy::unwrap_used, dead_code)]

#[path = "../tests/it/client.rs"]
mod client;
#[path = "../tests/it/rig.rs"]
mod rig;
#[path = "../tests/it/source.rs"]
mod source;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use perigee_fanout::Config;
use perigee_part::http::Limits;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::rig::Rig;
use crate::source::Packet;

const RUN: Duration = Duration::from_secs(10);
const PACKETS_A_BATCH: usize = 40;
const BATCHES_A_SECOND: usize = 1000;

/// Processor time so far of the threads whose names begin with `prefix`, in seconds.
fn processor_time(prefix: &str) -> f64 {
    let mut ticks = 0;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if let (true, Some((_, rest))) = (name.starts_with(prefix), stat.rsplit_once(") ")) {
            let fields: Vec<_> = rest.split(' ').collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / 100.0
}

/// Reads for the time of the run; gives how many octets came, and the delay of each message in seconds. What a
/// message holds is not decoded, but for the number of its last packet.
fn follow(
    address: std::net::SocketAddr,
    start: Instant,
    number: usize,
    packed: bool,
) -> (usize, usize, Vec<f64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = if packed { Client::msgpack(address).await } else { Client::json(address).await };
        client.say(json!({"op": "subscribe", "parameters": "*"})).await;
        let (mut octets, mut messages, mut delays) = (0, 0, Vec::new());
        let until = start + RUN + Duration::from_millis(500);
        while let Ok(Some(Ok(message))) = tokio::time::timeout_at(until.into(), client.socket.next()).await {
            let data = match message {
                Message::Text(text) => bytes::Bytes::from(text),
                Message::Binary(octets) => octets,
                _ => continue,
            };
            octets += data.len();
            messages += 1;
            if let Some(sent) = sent_at(&data, number, packed) {
                delays.push(start.elapsed().as_secs_f64() - sent);
            }
        }
        let _ = client.socket.close(None).await;
        (octets, messages, delays)
    })
}

/// The wide parameter carries the microseconds since the start.
fn sent_at(data: &[u8], number: usize, packed: bool) -> Option<f64> {
    let tail = &data[data.len().saturating_sub(600)..];
    let micros = if packed {
        let mark = [b"\x86\xa2id".as_slice(), &[number as u8]].concat();
        let at = tail.windows(mark.len()).rposition(|window| window == mark)?;
        let at = at + tail[at..].windows(2).position(|window| window == b"\xa1v")? + 2;
        match tail[at] {
            small @ 0..=0x7f => u64::from(small),
            0xcc => u64::from(tail[at + 1]),
            0xcd => u64::from(u16::from_be_bytes(tail[at + 1..at + 3].try_into().unwrap())),
            0xce => u64::from(u32::from_be_bytes(tail[at + 1..at + 5].try_into().unwrap())),
            0xcf => u64::from_be_bytes(tail[at + 1..at + 9].try_into().unwrap()),
            _ => return None,
        }
    } else {
        let text = std::str::from_utf8(tail).ok()?;
        let sample = &text[text.rfind(&format!("{{\"id\":{number},"))?..];
        let value = &sample[sample.find("\"v\":")? + 4..];
        value[..value.find(',')?].parse().ok()?
    };
    Some(micros as f64 / 1e6)
}

fn main() {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    for (clients, packed) in [(1, false), (1, true), (4, false), (4, true)] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("server")
            .enable_all()
            .build()
            .unwrap();
        let mut rig = {
            let archive = perigee_telemetry::ArchiveConfig { enabled: false, ..Default::default() };
            let telemetry = perigee_telemetry::Config { archive, ..Default::default() };
            runtime.block_on(Rig::build(Config::default(), telemetry, Limits::default()))
        };
        let number = runtime.block_on(rig.id("/Sat/Wide")) as usize;
        let (address, start) = (rig.address, Instant::now() + Duration::from_millis(300));
        let readers: Vec<_> = (0..clients)
            .map(|_| {
                let read = move || {
                    let got = follow(address, start, number, packed);
                    (got, processor_time("reader"))
                };
                thread::Builder::new().name("reader".into()).spawn(read).unwrap()
            })
            .collect();
        thread::sleep(start - Instant::now());
        let before = processor_time("server");
        let mut sent = 0;
        for batch in 0..RUN.as_secs() as usize * BATCHES_A_SECOND {
            let due = start + Duration::from_secs_f64(batch as f64 / BATCHES_A_SECOND as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let wide = start.elapsed().as_micros() as u64;
            let packets: Vec<_> = (0..PACKETS_A_BATCH)
                .map(|n| Packet { wide, voltage: (batch + n) as f32 * 0.37, ..Packet::new(n as u16) })
                .collect();
            rig.source.packets(&packets);
            sent += PACKETS_A_BATCH * rig.source.parameters();
        }
        let took = start.elapsed().as_secs_f64();
        let cost = processor_time("server") - before;
        let (mut delays, mut octets, mut messages) = (Vec::new(), 0, 0);
        for reader in readers {
            let ((some, count, more), _) = reader.join().unwrap();
            octets += some;
            messages += count;
            delays.extend(more);
        }
        delays.sort_by(f64::total_cmp);
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize] * 1e3;
        println!(
            "{clients} clients, {}: {:.0} values/s each, {:.1} MB/s in all, {:.0} messages/s each, missed {}, \
             delay p50 {:.1} p99 {:.1} max {:.1} ms, server {:.1} % of a core",
            if packed { "msgpack" } else { "JSON" },
            sent as f64 / took,
            octets as f64 / took / 1e6,
            messages as f64 / took / f64::from(clients),
            rig.metric("perigee_fanout_missed_total"),
            at(0.5),
            at(0.99),
            at(1.0),
            cost / took * 100.0,
        );
        runtime.block_on(rig.stop());
    }
}
