//! What is sent is received: over random links, with every coding, through errors that the coding can correct.

use std::collections::BTreeMap;

use perigee_ccsds::coding::convolutional::Rate;
use perigee_ccsds::coding::randomizer::Randomizer;
use perigee_ccsds::coding::reed_solomon::{Basis, Code};
use perigee_ccsds::frame::ScidBits;
use perigee_ccsds::link::{
    AsmParameters, ChannelParameters, Fecf, FrameType, LinkParameters, ReedSolomonParameters, Service,
    Symbols,
};
use perigee_ccsds::packet::{PacketType, SequenceFlags, SpaceHeader, is_idle};
use perigee_ccsds::receive::Fec;
use perigee_ccsds::send::Sender;
use proptest::prelude::*;
use proptest::sample::select;

use crate::collect::{Collect, receive};

/// The channel that carries data units.
const VCA: u8 = 3;
/// The channel that carries a bitstream.
const BITS: u8 = 5;

fn frame_type() -> impl Strategy<Value = FrameType> {
    let scid_bits = select(vec![ScidBits::Eight, ScidBits::Ten]);
    prop_oneof![
        select(vec![0usize, 2, 9, 64]).prop_map(|secondary_header| FrameType::Tm { secondary_header }),
        (scid_bits, any::<bool>())
            .prop_map(|(scid_bits, header_error_control)| FrameType::Aos { scid_bits, header_error_control }),
        (0u8..=7).prop_map(|count_length| FrameType::Uslp { truncated_length: None, count_length }),
    ]
}

fn reed_solomon() -> impl Strategy<Value = Option<ReedSolomonParameters>> {
    proptest::option::of(
        (
            select(vec![Code::Rs255_223, Code::Rs255_239]),
            select(vec![1usize, 2, 3, 4, 5, 8]),
            select(vec![Basis::Dual, Basis::Conventional]),
        )
            .prop_map(|(code, interleave, basis)| ReedSolomonParameters { code, interleave, basis }),
    )
}

/// Any link that can be.
fn links() -> impl Strategy<Value = LinkParameters> {
    let framing = (frame_type(), 100usize..1200, any::<u8>(), 0usize..9, any::<bool>(), 0u8..3);
    let rates = select(vec![Rate::R1_2, Rate::R2_3, Rate::R3_4, Rate::R5_6, Rate::R7_8]);
    let coding = (
        reed_solomon(),
        proptest::option::of(select(vec![Randomizer::Period255, Randomizer::Period131071])),
        proptest::option::weighted(0.3, rates),
        select(vec![Symbols::Octets, Symbols::Bits, Symbols::I8, Symbols::F32]),
        any::<bool>(),
    );
    (framing, coding).prop_map(|(framing, coding)| {
        let (frame_type, length, scid, insert_zone, ocf, fecf) = framing;
        let (reed_solomon, randomizer, convolutional, symbols, marked) = coding;
        let length = match &reed_solomon {
            // What the codewords hold, shortened by a virtual fill.
            Some(rs) => rs.interleave * (255 - rs.code.parity_len() - length % 80),
            None => length,
        };
        let mut link = LinkParameters::plain(frame_type, length);
        link.symbols = symbols;
        link.asm = (marked || convolutional.is_some()).then(AsmParameters::default);
        link.reed_solomon = reed_solomon;
        // Without a randomiser idle zeros would leave the Viterbi decoder nothing to find its phase by.
        link.randomizer = randomizer.or(convolutional.map(|_| Randomizer::Period131071));
        link.convolutional = convolutional;
        link.frame.scid = Some(scid.into());
        link.frame.ocf = ocf;
        link.frame.insert_zone = if matches!(frame_type, FrameType::Tm { .. }) { 0 } else { insert_zone };
        link.frame.fecf = match (fecf, frame_type) {
            (0, _) => Fecf::None,
            (2, FrameType::Uslp { .. }) => Fecf::Crc32,
            _ => Fecf::Crc16,
        };
        link.channels.push(ChannelParameters { vcid: VCA, service: Service::Vca });
        if matches!(frame_type, FrameType::Aos { .. }) {
            link.channels.push(ChannelParameters { vcid: BITS, service: Service::BPdu });
        }
        link
    })
}

/// Packets on channels 0 to 2, of lengths up to several frames.
fn packets() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let packet = (0u8..3, 0u16..2047, proptest::collection::vec(any::<u8>(), 1..2500), any::<bool>());
    let packet = packet.prop_map(|(vcid, apid, data, encapsulated)| {
        let mut octets = if encapsulated {
            let mut header = vec![0xF2, 0];
            header.extend((data.len() as u16 + 4).to_be_bytes());
            header
        } else {
            let header = SpaceHeader {
                packet_type: PacketType::Telemetry,
                secondary_header: false,
                apid,
                sequence_flags: SequenceFlags::Unsegmented,
                sequence_count: 0,
                data_length: data.len(),
            };
            header.to_octets().expect("in range").to_vec()
        };
        octets.extend(data);
        (vcid, octets)
    });
    proptest::collection::vec(packet, 1..12)
}

/// Sends everything, with an idle frame in front and behind.
fn send(link: &LinkParameters, packets: &[(u8, Vec<u8>)], unit: &[u8]) -> (Vec<u8>, Vec<u8>, usize) {
    let mut sender = Sender::new(link).expect("link");
    let mut channel = Vec::new();
    sender.set_ocf([1, 2, 3, 4]);
    sender.set_insert_zone(&vec![0x49; link.frame.insert_zone]).expect("as managed");
    let mut frames = 1;
    assert!(sender.poll_transmit(&mut channel).idle);
    for (vcid, packet) in packets {
        sender.push_packet(*vcid, packet).expect("room");
        while sender.frame_ready() {
            sender.poll_transmit(&mut channel);
            frames += 1;
        }
    }
    let mut length = unit.len();
    if !matches!(link.frame.frame_type, FrameType::Uslp { .. }) {
        // A data unit of TM and AOS fills the field; its length is told when it is wrong.
        let error = sender.push_data(VCA, &[]).expect_err("no data field is empty");
        let perigee_ccsds::send::SendError::Length { need, .. } = error else { panic!("{error}") };
        length = need;
    }
    let unit: Vec<u8> = unit.iter().copied().cycle().take(length).collect();
    sender.push_data(VCA, &unit).expect("as long as the field");
    if matches!(link.frame.frame_type, FrameType::Aos { .. }) {
        sender.push_bits(BITS, &unit[..5], 37).expect("room");
    }
    while sender.pending() {
        sender.poll_transmit(&mut channel);
        frames += 1;
    }
    // The convolutional code needs something behind the last frame to decide by.
    assert!(sender.poll_transmit(&mut channel).idle);
    frames += 1 + sender.flush(&mut channel);
    (channel, unit, frames)
}

fn check(link: &LinkParameters, seen: &Collect, packets: &[(u8, Vec<u8>)], unit: &[u8]) {
    let mut sent: BTreeMap<u8, Vec<&[u8]>> = BTreeMap::new();
    let mut received = sent.clone();
    for (vcid, packet) in packets {
        sent.entry(*vcid).or_default().push(packet);
    }
    for (vcid, _, packet) in seen.packets.iter().filter(|(.., packet)| !is_idle(packet)) {
        received.entry(*vcid).or_default().push(packet);
    }
    assert!(received == sent, "packets differ");
    let units: Vec<_> = seen.units.iter().map(|(vcid, bits, octets)| (*vcid, *bits, &octets[..])).collect();
    let mut expected = vec![(VCA, unit.len() * 8, unit)];
    if matches!(link.frame.frame_type, FrameType::Aos { .. }) {
        expected.push((BITS, 37, &unit[..5]));
    }
    expected.sort_unstable();
    let mut units = units;
    units.sort_unstable();
    assert!(units == expected, "data units differ");
}

/// Few cases where nobody asks for more (`PROPTEST_CASES`).
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    ProptestConfig { cases: if asked { default.cases } else { 48 }, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_sent_is_received(
        link in links(),
        packets in packets(),
        unit in proptest::collection::vec(any::<u8>(), 5..3000),
        piece in 1usize..5000,
    ) {
        prop_assume!(link.check().is_ok());
        let (channel, unit, frames) = send(&link, &packets, &unit);
        let (seen, counters) = receive(&link, &channel, piece);
        // Where the Viterbi decoder has nothing more to go by, its last bits, in the last frame, are doubtful.
        let sure = if link.convolutional.is_none() { frames } else { frames - 1 };
        prop_assert!(seen.frames.len() >= sure, "{} of {frames} frames", seen.frames.len());
        prop_assert!(seen.frames[..sure].iter().all(|frame| frame.shown.status.is_ok()));
        prop_assert_eq!(counters.vc_gaps, 0);
        if link.convolutional.is_none() {
            prop_assert_eq!(&seen.rejected, &[]);
        }
        if link.frame.ocf {
            prop_assert!(seen.frames[..sure].iter().all(|frame| frame.shown.ocf == Some([1, 2, 3, 4])));
        }
        check(&link, &seen, &packets, &unit);
    }

    #[test]
    fn errors_within_correction_change_nothing(
        mut link in links(),
        code in select(vec![Code::Rs255_223, Code::Rs255_239]),
        packets in packets(),
        unit in proptest::collection::vec(any::<u8>(), 5..3000),
        seed in any::<u64>(),
    ) {
        let (interleave, basis) = (1 + (seed % 5) as usize, Basis::Dual);
        link.frame.length = interleave * (255 - code.parity_len());
        link.reed_solomon = Some(ReedSolomonParameters { code, interleave, basis });
        link.asm = Some(AsmParameters::default());
        (link.convolutional, link.symbols) = (None, Symbols::Octets);
        prop_assume!(link.check().is_ok());
        let (mut channel, unit, frames) = send(&link, &packets, &unit);
        // E wrong symbols in each codeword, and a wrong bit in each marker.
        let unit_length = link.unit_length();
        let mut random = seed | 1;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        for frame in channel.chunks_mut(unit_length) {
            frame[next(4)] ^= 1 << next(8);
            for codeword in 0..interleave {
                let start = next(255);
                for symbol in 0..code.correctable() {
                    let at = (start + symbol * 7) % 255;
                    frame[4 + codeword + at * interleave] ^= 1 + next(255) as u8;
                }
            }
        }
        let (seen, counters) = receive(&link, &channel, 4096);
        prop_assert_eq!(counters.frames as usize, frames);
        let symbols = (interleave * code.correctable()) as u32;
        prop_assert!(seen.frames.iter().all(|frame| frame.shown.fec == Fec::Corrected(symbols)));
        check(&link, &seen, &packets, &unit);
    }
}
