//! The live chain: packets over UDP through decode, limits, archive and WebSocket, on the same machine,
//! with the same mission database and the same packets, for Perigee and for Yamcs.
//!
//! Every packet carries its number in a 32-bit field; the client finds it again in the values it is sent,
//! so that latency is taken from the socket that sends to the socket that receives, in one process.

pub mod client;
pub mod hold;
pub mod perigee;
pub mod server;
pub mod yamcs;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use crate::measure::{Random, thread_cpu};
use crate::table::{Row, count};
use crate::values::with_limits;
use crate::xtce::{JPSS_PACKET, jpss};
use client::Arrivals;
use server::Server;

/// Carries the number of the packet; 32 bits behind the primary header and the day.
const NUMBER: &str = "/JPSS_Geolocation_Packets/MSEC";
const NUMBER_AT: usize = 8;
/// Packets a second that both are asked to carry for the comparison: the first of these at which Yamcs loses
/// no more than one in a hundred.
const COMPARED_RATES: [u64; 4] = [1_000, 500, 250, 125];
/// 200,000 values a second and a little more.
const FULL_RATE: u64 = 7_700;
/// Nothing comes for so long: the rest was lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a run of the live chain gave.
pub struct Outcome {
    pub sent: u64,
    /// Packets whose number came back to the client.
    pub delivered: u64,
    /// Values that the client received.
    pub values: u64,
    pub seconds: f64,
    /// CPU seconds of the server during the run.
    pub cpu: f64,
    /// Peak resident memory of the server, in octets: before the first packet, and after the last.
    pub idle_memory: u64,
    pub memory: u64,
    /// Latencies in seconds, sorted.
    pub latencies: Vec<f64>,
}

impl Outcome {
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn packets_per_cpu_second(&self) -> f64 {
        self.delivered as f64 / self.cpu
    }

    pub fn values_per_second(&self) -> f64 {
        self.values as f64 / self.seconds
    }
}

/// The packets to send: a template whose number field is overwritten.
pub struct Load {
    pub packets: Vec<Vec<u8>>,
    /// Octet offset of the 32-bit number in each packet.
    pub number_at: usize,
    pub per_second: u64,
    pub seconds: u64,
}

/// Sends the load with an even pace in steps of a millisecond; returns when each packet was sent.
pub fn send(load: &Load, to: SocketAddr) -> anyhow::Result<Vec<Instant>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    let total = load.per_second * load.seconds;
    let mut sent_at = Vec::with_capacity(total as usize);
    // Which packet comes when is not periodic, as on a real link.
    let mut random = Random::new(7);
    let mut packet = Vec::new();
    let begin = Instant::now();
    while (sent_at.len() as u64) < total {
        let due = (begin.elapsed().as_secs_f64() * load.per_second as f64) as u64;
        while (sent_at.len() as u64) < due.min(total) {
            let number = sent_at.len() as u32;
            packet.clone_from(&load.packets[random.below(load.packets.len())]);
            packet[load.number_at..load.number_at + 4].copy_from_slice(&number.to_be_bytes());
            // The number is visible to the receiver only after this call, so the time is taken before it.
            sent_at.push(Instant::now());
            if let Err(error) = socket.send(&packet)
                && error.kind() != std::io::ErrorKind::ConnectionRefused
            {
                return Err(error.into());
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(sent_at)
}

/// Both servers under a load that both carry, then Perigee under the full one.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let xtce = database(folder.path())?;
    let load = |per_second| -> anyhow::Result<Load> {
        let recording = std::fs::read(jpss("J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1")?)?;
        let packets = recording.chunks_exact(JPSS_PACKET).map(<[u8]>::to_vec).collect();
        Ok(Load { packets, number_at: NUMBER_AT, per_second, seconds: 20 })
    };
    let lost = |outcome: &Outcome| outcome.sent - outcome.delivered;
    let mut rates = COMPARED_RATES.into_iter();
    let mut rate = 0;
    let theirs = loop {
        rate = rates.next().unwrap_or(rate);
        let theirs = yamcs_under(&load(rate)?, folder.path(), &xtce)?;
        if lost(&theirs) * 100 <= theirs.sent || rates.len() == 0 {
            break theirs;
        }
        eprintln!("Yamcs lost {} of {} packets at {rate}/s", lost(&theirs), theirs.sent);
    };
    let received = bare_receiving(&load(rate)?)?;
    let ours = perigee_under(&load(rate)?, folder.path(), &xtce)?;
    let full = perigee_under(&load(FULL_RATE)?, folder.path(), &xtce)?;
    let milliseconds = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let megabytes = |octets: u64| format!("{:.0} MB", octets as f64 / 1e6);
    Ok(vec![
        Row {
            work: format!(
                "live, {rate} packets/s: packets a CPU-second (lost {} and {})",
                lost(&ours),
                lost(&theirs)
            ),
            ours: count(ours.packets_per_cpu_second(), "packets"),
            peer: "Yamcs".into(),
            theirs: count(theirs.packets_per_cpu_second(), "packets"),
            ratio: ours.packets_per_cpu_second() / theirs.packets_per_cpu_second(),
            wanted: Some(10.0),
            limit: format!("{} only received", count(received, "packets")),
        },
        Row {
            work: "live: memory".into(),
            ours: megabytes(ours.memory),
            peer: "Yamcs".into(),
            theirs: megabytes(theirs.memory),
            ratio: theirs.memory as f64 / ours.memory as f64,
            wanted: Some(10.0),
            limit: format!(
                "before the first packet {} and {}",
                megabytes(ours.idle_memory),
                megabytes(theirs.idle_memory)
            ),
        },
        Row {
            work: format!("live, {rate} packets/s: p99 latency, socket to client"),
            ours: milliseconds(ours.percentile(0.99)),
            peer: "Yamcs".into(),
            theirs: milliseconds(theirs.percentile(0.99)),
            ratio: theirs.percentile(0.99) / ours.percentile(0.99),
            wanted: None,
            limit: "4 ms are waited to fill a message".into(),
        },
        Row {
            work: format!(
                "live, {:.0} values/s (lost {} packets): p99 latency, p50 {}",
                full.values_per_second(),
                lost(&full),
                milliseconds(full.percentile(0.5))
            ),
            ours: milliseconds(full.percentile(0.99)),
            peer: "target".into(),
            theirs: "20.0 ms".into(),
            ratio: 0.02 / full.percentile(0.99),
            wanted: Some(1.0),
            limit: count(full.packets_per_cpu_second(), "packets of a CPU-second"),
        },
    ])
}

/// From the start of the process to its ready page, with an empty archive.
pub fn start() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let xtce = database(folder.path())?;
    let best = |name: &str, start: fn(&Path, &Path) -> anyhow::Result<Server>| -> anyhow::Result<f64> {
        let mut best = f64::INFINITY;
        for run in 0..3 {
            let place = folder.path().join(format!("{name}-start-{run}"));
            std::fs::create_dir(&place)?;
            best = best.min(start(&place, &xtce)?.start_to_ready.as_secs_f64());
        }
        Ok(best)
    };
    let (ours, theirs) = (best("perigee", perigee::start)?, best("yamcs", yamcs::start)?);
    Ok(vec![Row {
        work: "start to ready, empty archive".into(),
        ours: format!("{:.0} ms", ours * 1e3),
        peer: "Yamcs".into(),
        theirs: format!("{:.0} ms", theirs * 1e3),
        ratio: theirs / ours,
        wanted: Some(50.0),
        limit: format!("{:.1} ms to start and end the program", start_and_end()? * 1e3),
    }])
}

/// Seconds from the start to the end of the program when it only says its version.
fn start_and_end() -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let begin = Instant::now();
        anyhow::ensure!(perigee::command()?.arg("version").output()?.status.success());
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Packets of a CPU-second when they are taken from the socket one by one and thrown away.
fn bare_receiving(load: &Load) -> anyhow::Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let to = socket.local_addr()?;
    let load = Load { packets: load.packets.clone(), seconds: 3, ..*load };
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || send(&load, to));
        let begin = thread_cpu();
        let (mut received, mut octets) = (0u64, [0; 2048]);
        while socket.recv(&mut octets).is_ok() {
            received += 1;
        }
        let cpu = thread_cpu() - begin;
        sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        Ok(received as f64 / cpu.as_secs_f64())
    })
}

/// The database of the recording, in words that both servers understand, with limits.
fn database(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let xml = std::fs::read_to_string(jpss("jpss1_geolocation_xtce_v1.xml")?)?;
    let path = folder.join("jpss.xml");
    // Yamcs knows the encoding by the name of XTCE 1.1 only.
    std::fs::write(&path, with_limits(&xml).replace("encoding=\"IEEE754\"", "encoding=\"IEEE754_1985\""))?;
    Ok(path)
}

fn perigee_under(load: &Load, folder: &Path, xtce: &Path) -> anyhow::Result<Outcome> {
    let place = folder.join(format!("perigee-{}", load.per_second));
    std::fs::create_dir(&place)?;
    let server = perigee::start(&place, xtce)?;
    let mut reader = perigee::Reader::new(NUMBER)?;
    let to = SocketAddr::from(([127, 0, 0, 1], perigee::UDP_PORT));
    let read = move |message: &Message| reader.read(message);
    under(load, &server, to, &perigee::websocket(), perigee::SUBPROTOCOL, perigee::subscription()?, read)
}

fn yamcs_under(load: &Load, folder: &Path, xtce: &Path) -> anyhow::Result<Outcome> {
    let place = folder.join(format!("yamcs-{}", load.per_second));
    std::fs::create_dir(&place)?;
    let server = yamcs::start(&place, xtce)?;
    let mut reader = yamcs::Reader::new(NUMBER);
    let to = SocketAddr::from(([127, 0, 0, 1], yamcs::UDP_PORT));
    let read = move |message: &Message| reader.read(message);
    under(load, &server, to, &yamcs::websocket(), "json", yamcs::subscription()?, read)
}

/// Warms the server up with a quarter of the load, then measures.
fn under(
    load: &Load,
    server: &Server,
    to: SocketAddr,
    websocket: &str,
    subprotocol: &str,
    subscription: Message,
    mut read: impl FnMut(&Message) -> Arrivals,
) -> anyhow::Result<Outcome> {
    let warm_up = Load { packets: load.packets.clone(), seconds: (load.seconds / 4).max(1), ..*load };
    let idle_memory = server.peak_memory()?;
    send(&warm_up, to)?;
    std::thread::sleep(Duration::from_secs(1));
    let total = load.per_second * load.seconds;
    let (go, wait) = mpsc::channel();
    let cpu_before = server.cpu()?;
    let begin = Instant::now();
    let (seen, sent_at) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let sender =
            scope.spawn(move || wait.recv().map_err(anyhow::Error::from).and_then(|()| send(load, to)));
        let ready = move || {
            let _ = go.send(());
        };
        let seen =
            client::follow(websocket, subprotocol, subscription, total as usize, PATIENCE, &mut read, ready);
        let sent_at = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        Ok((seen?, sent_at))
    })?;
    let cpu = server.cpu()? - cpu_before;
    let mut latencies: Vec<f64> = seen
        .arrived
        .iter()
        .zip(&sent_at)
        .filter_map(|(arrived, sent)| arrived.map(|arrived| (arrived - *sent).as_secs_f64()))
        .collect();
    latencies.sort_by(f64::total_cmp);
    let seconds = sent_at.last().map_or(1.0, |last| (*last - begin).as_secs_f64());
    let delivered = latencies.len() as u64;
    anyhow::ensure!(delivered > 0, "nothing was delivered: see {}", server.folder().display());
    let memory = server.peak_memory()?;
    Ok(Outcome { sent: total, delivered, values: seen.values, seconds, cpu, idle_memory, memory, latencies })
}
