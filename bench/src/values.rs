//! Frames to published values on one core: synchronisation, Reed-Solomon, frames, packets, XTCE, limits,
//! publication. The peer is the best figure that we know to be published for this chain.

use std::time::Instant;

use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::receive::{ReceivedPacket, Receiver, Sink};
use perigee_ccsds::send::Sender;
use perigee_part::metrics::Registry;
use perigee_part::stream::Next;
use perigee_part::{Downlink, PacketReport, Services, Timestamp, http::Listeners};
use perigee_telemetry::{ArchiveConfig, Config};

use crate::chain::LINK;
use crate::measure::{memory_read_bandwidth, thread_cpu};
use crate::table::{Row, rate};
use crate::xtce::{JPSS_PACKET, jpss};

/// Published for this chain elsewhere: octets a second, and mean seconds from frame to value.
const PUBLISHED: (f64, f64) = (136.7e6, 47e-6);
/// Octets that one read of a socket brings when the frames arrive one by one.
const ONE_CADU: usize = 1024;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let link = LinkParameters::from_toml(LINK)?;
    let octets = std::fs::read(jpss("J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1")?)?;
    let file = frames(&link, &octets, 32 << 20)?;

    let folder = tempfile::tempdir()?;
    let database = folder.path().join("jpss.xml");
    std::fs::write(
        &database,
        with_limits(&std::fs::read_to_string(jpss("jpss1_geolocation_xtce_v1.xml")?)?),
    )?;
    let services = Services {
        http: Listeners::new(perigee_part::http::Limits::default()),
        metrics: Registry::new(),
        state: folder.path().to_owned(),
    };
    let config = Config {
        database: Some(database),
        archive: ArchiveConfig { enabled: false, ..ArchiveConfig::default() },
        ..Config::default()
    };
    let (_part, handle) = perigee_telemetry::build(config, "", &services)?;
    let mut follower = handle.stream().subscribe();

    let mut best = f64::INFINITY;
    let mut values = 0;
    for _ in 0..5 {
        let mut chain = Chain { downlink: handle.downlink("bench"), received: Timestamp::now() };
        let mut receiver = Receiver::new(&link)?;
        values = 0;
        let begin = thread_cpu();
        for chunk in file.chunks(64 << 10) {
            receiver.receive(chunk, &mut chain);
            chain.downlink.flush();
            values += drain(&mut follower)?;
        }
        best = best.min((thread_cpu() - begin).as_secs_f64());
    }
    let throughput = file.len() as f64 / best;

    let mut chain = Chain { downlink: handle.downlink("bench"), received: Timestamp::now() };
    let mut receiver = Receiver::new(&link)?;
    let mut latency = 0.0;
    for cadu in file.chunks(ONE_CADU) {
        let begin = Instant::now();
        receiver.receive(cadu, &mut chain);
        chain.downlink.flush();
        latency += begin.elapsed().as_secs_f64();
        drain(&mut follower)?;
    }
    let mean = latency / file.chunks(ONE_CADU).len() as f64;
    Ok(vec![
        Row {
            work: format!("frames to published values ({:.1} M values/s)", values as f64 / best / 1e6),
            ours: rate(throughput),
            peer: "published figure".into(),
            theirs: rate(PUBLISHED.0),
            ratio: throughput / PUBLISHED.0,
            wanted: Some(1.0),
            limit: format!("40 octets a value written; memory {}", rate(memory_read_bandwidth())),
        },
        Row {
            work: "frame to published values, mean latency".into(),
            ours: format!("{:.1} µs", mean * 1e6),
            peer: "published figure".into(),
            theirs: format!("{:.1} µs", PUBLISHED.1 * 1e6),
            ratio: PUBLISHED.1 / mean,
            wanted: Some(1.0),
            limit: "one frame of 12.5 packets".into(),
        },
    ])
}

/// Reads what was published; nothing may be missed.
fn drain(follower: &mut perigee_part::Subscriber<perigee_telemetry::Batch>) -> anyhow::Result<usize> {
    let mut values = 0;
    while let Some(next) = follower.try_next() {
        match next {
            Next::Record(batch) => values += batch.values.entries.len(),
            Next::Missed(count) => anyhow::bail!("{count} batches were missed"),
            Next::End => break,
        }
    }
    Ok(values)
}

struct Chain {
    downlink: Box<dyn Downlink>,
    received: Timestamp,
}

impl Sink for Chain {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        if packet.octets[0] & 0x07 != 0x07 || packet.octets[1] != 0xFF {
            let received = self.received;
            self.downlink.packet(PacketReport {
                received,
                scid: Some(packet.scid),
                vcid: Some(packet.vcid),
                octets: packet.octets,
            });
        }
    }
}

/// The packets of the recording over and over, in coded frames.
pub fn frames(link: &LinkParameters, packets: &[u8], octets: usize) -> anyhow::Result<Vec<u8>> {
    let mut sender = Sender::new(link)?;
    let mut file = Vec::with_capacity(octets + 4096);
    for packet in packets.chunks_exact(JPSS_PACKET).cycle() {
        if file.len() >= octets {
            break;
        }
        sender.push_packet(16, packet)?;
        while sender.frame_ready() {
            sender.poll_transmit(&mut file);
        }
    }
    sender.flush(&mut file);
    Ok(file)
}

/// The recording's database has no limits: every floating-point parameter gets some.
pub fn with_limits(xml: &str) -> String {
    let limits = "<xtce:DefaultAlarm><xtce:StaticAlarmRanges>\
        <xtce:WarningRange minInclusive=\"-9e6\" maxInclusive=\"9e6\"/>\
        <xtce:CriticalRange minInclusive=\"-9e7\" maxInclusive=\"9e7\"/>\
        </xtce:StaticAlarmRanges></xtce:DefaultAlarm></xtce:FloatParameterType>";
    xml.replace("</xtce:FloatParameterType>", limits)
}
