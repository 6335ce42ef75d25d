//! CADUs to packets on one core, beside the crate `ccsds`, on the same file.

use std::io::Cursor;

use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::receive::{ReceivedPacket, Receiver, Sink};
use perigee_ccsds::send::Sender;
use sha1::{Digest, Sha1};

use crate::measure::{Random, best_of, memory_read_bandwidth, process_cpu};
use crate::table::{Row, rate};

/// Suomi-NPP: AOS frames of 892 octets, RS(255,223) I=4 dual basis, 255-bit randomizer.
pub const LINK: &str = r#"
[sync]
asm = "1ACFFC1D"
[coding]
randomizer = "255"
reed_solomon = { code = "255,223", interleave = 4, basis = "dual", virtual_fill = 0 }
[frame]
type = "aos"
length = 892
scid = 157
[[vc]]
id = 16
service = "m_pdu"
"#;

/// Counts packets, idle ones apart, and their octets.
#[derive(Default)]
struct Count {
    packets: u64,
    octets: u64,
}

impl Sink for Count {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        if !is_idle(packet.octets) {
            self.packets += 1;
            self.octets += packet.octets.len() as u64;
        }
    }
}

fn is_idle(packet: &[u8]) -> bool {
    packet[0] & 0x07 == 0x07 && packet[1] == 0xFF
}

/// Digests packets, so that both decoders can be seen to agree.
struct Digests(Sha1);

impl Sink for Digests {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        if !is_idle(packet.octets) {
            self.0.update(packet.octets);
        }
    }
}

pub fn run() -> anyhow::Result<Vec<Row>> {
    let link = LinkParameters::from_toml(LINK)?;
    let file = recording(&link, 64 << 20)?;
    let mut digests = Digests(Sha1::new());
    Receiver::new(&link)?.receive(&file, &mut digests);
    let ours_digest = digests.0.finalize();
    let theirs_digest = peer_digest(&file);
    anyhow::ensure!(ours_digest[..] == theirs_digest[..], "the packets of the two decoders differ");

    let ours = best_of(
        5,
        || (),
        |()| {
            let mut receiver = Receiver::new(&link).expect("the link was good before");
            let mut count = Count::default();
            // As a socket or a file hands them over.
            for chunk in file.chunks(256 << 10) {
                receiver.receive(chunk, &mut count);
            }
            receiver.finish(&mut count);
            std::hint::black_box((count.packets, count.octets));
        },
    );
    // The peer works on several threads: its CPU time is that of the process.
    let mut theirs = f64::INFINITY;
    let sample = &file[..file.len() / 8];
    for _ in 0..3 {
        let begin = process_cpu();
        std::hint::black_box(peer_packets(sample).count());
        theirs = theirs.min((process_cpu() - begin).as_secs_f64() * 8.0);
    }
    let octets = file.len() as f64;
    Ok(vec![
        Row {
            work: "CADUs to packets, RS I=4".into(),
            ours: rate(octets / ours),
            peer: "crate ccsds".into(),
            theirs: rate(octets / theirs),
            ratio: theirs / ours,
            wanted: Some(4.0),
            limit: format!("memory read {}", rate(memory_read_bandwidth())),
        },
        Row {
            work: "CADUs to packets, against 400 MB/s".into(),
            ours: rate(octets / ours),
            peer: "target".into(),
            theirs: rate(400e6),
            ratio: octets / ours / 400e6,
            wanted: Some(1.0),
            limit: String::new(),
        },
    ])
}

/// Channel symbols of packets of mixed lengths, about `octets` of them.
pub fn recording(link: &LinkParameters, octets: usize) -> anyhow::Result<Vec<u8>> {
    let mut sender = Sender::new(link)?;
    let mut random = Random::new(16);
    let mut file = Vec::with_capacity(octets + 4096);
    let mut count = 0u16;
    while file.len() < octets {
        let data = 60 + random.below(1400);
        let mut packet = vec![0x08, 0x0B, 0xC0 | (count >> 8) as u8 & 0x3F, count as u8];
        packet.extend(((data - 1) as u16).to_be_bytes());
        packet.extend(random.octets(data));
        sender.push_packet(16, &packet)?;
        count = (count + 1) & 0x3FFF;
        while sender.frame_ready() {
            sender.poll_transmit(&mut file);
        }
    }
    sender.flush(&mut file);
    Ok(file)
}

fn peer_packets(file: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    use ccsds::framing::{
        DefaultDerandomizer, DefaultReedSolomon, Synchronizer, decode_framed_packets, decode_frames,
    };
    let cadus = Synchronizer::new(Cursor::new(file.to_vec()), 1020).into_iter().filter_map(Result::ok);
    let frames =
        decode_frames(cadus, Some(Box::new(DefaultReedSolomon::new(4))), Some(Box::new(DefaultDerandomizer)))
            .filter_map(Result::ok);
    decode_framed_packets(frames, 0, 0).map(|decoded| decoded.packet.data)
}

fn peer_digest(file: &[u8]) -> sha1::digest::Output<Sha1> {
    let mut digest = Sha1::new();
    for packet in peer_packets(file) {
        if !is_idle(&packet) {
            digest.update(&packet);
        }
    }
    digest.finalize()
}
