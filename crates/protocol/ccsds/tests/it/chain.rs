//! Corners of the receive chain, on frames made here by hand.

use perigee_ccsds::Reason;
use perigee_ccsds::coding::reed_solomon::{Basis, Code, ReedSolomon};
use perigee_ccsds::coding::{crc, fhec};
use perigee_ccsds::frame::{AosHeader, FirstHeader, Rule, ScidBits, TmHeader, Upid, UslpBody, UslpHeader};
use perigee_ccsds::link::{
    AsmParameters, Fecf, FrameType, LinkParameters, PacketTime, ReedSolomonParameters, Service,
};
use perigee_ccsds::receive::Fec;
use perigee_ccsds::sync::Alignment;
use perigee_ccsds::time::TimeCode;

use crate::collect::{link, receive, receive_units};

/// A space packet of so many octets.
fn packet(length: usize) -> Vec<u8> {
    let mut octets = vec![0x01, 0x23, 0xC0, 0x42];
    octets.extend(((length - 7) as u16).to_be_bytes());
    octets.extend((6..length).map(|i| i as u8));
    octets
}

fn tm_header(count: u8, first: FirstHeader) -> Vec<u8> {
    let header = TmHeader {
        scid: 7,
        vcid: 1,
        ocf: false,
        mcfc: count,
        vcfc: count,
        secondary_header: false,
        sync: false,
        packet_order: false,
        segment_length_id: 3,
        first_header_pointer: first.to_field().expect("in range"),
    };
    header.to_octets().expect("in range").to_vec()
}

fn aos_frame(header: AosHeader, first: FirstHeader, zone: &[u8], fhec_on: bool) -> Vec<u8> {
    let mut frame = header.to_octets(ScidBits::Ten).expect("in range").to_vec();
    if fhec_on {
        let identifiers = u16::from_be_bytes([frame[0], frame[1]]);
        frame.extend(fhec::encode(identifiers, frame[5]).to_be_bytes());
    }
    frame.extend(first.to_field().expect("in range").to_be_bytes());
    frame.extend(zone);
    frame
}

const AOS: AosHeader = AosHeader { scid: 0x321, vcid: 9, vcfc: 0, replay: false, cycle_use: false, cycle: 0 };

#[test]
fn a_miscorrection_is_caught_by_the_fecf() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 223);
    link.reed_solomon =
        Some(ReedSolomonParameters { code: Code::Rs255_223, interleave: 1, basis: Basis::Dual });
    link.frame.fecf = Fecf::Crc16;
    let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 0).expect("code");
    // A codeword of another frame than the one whose FECF it carries: what a decoder that was led astray gives.
    let mut block = tm_header(0, FirstHeader::At(0));
    block.extend(packet(215));
    block.extend(crc::crc16(&block).to_be_bytes());
    block[100] ^= 0x40;
    block.resize(255, 0);
    code.encode(&mut block);
    for at in [3, 77, 240] {
        block[at] ^= 0xA5;
    }
    let (seen, counters) = receive(&link, &block, 255);
    let shown = &seen.frames[0].shown;
    assert_eq!((shown.fec, shown.fecf, shown.status), (Fec::Corrected(3), Some(false), Err(Reason::BadFecf)));
    assert_eq!((counters.good_frames, seen.packets.len()), (0, 0));
}

#[test]
fn header_error_control_repairs_the_header_before_the_fecf_is_checked() {
    let frame_type = FrameType::Aos { scid_bits: ScidBits::Ten, header_error_control: true };
    let mut link = LinkParameters::plain(frame_type, 6 + 2 + 2 + 20 + 2);
    link.frame.fecf = Fecf::Crc16;
    let mut frame = aos_frame(AOS, FirstHeader::At(0), &packet(20), true);
    frame.extend(crc::crc16(&frame).to_be_bytes());
    let whole = frame.clone();
    frame[0] ^= 0x0F;
    frame[5] ^= 0x90;
    let (seen, counters) = receive(&link, &frame, 7);
    assert_eq!((seen.frames[0].shown.status, &seen.frames[0].octets), (Ok(()), &whole));
    assert_eq!((seen.lengths(9), counters.corrected_header_nibbles), (vec![20], 2));
    frame[1] ^= 0xFF;
    let (seen, _) = receive(&link, &frame, 7);
    assert!(matches!(seen.frames[0].shown.status, Err(Reason::BadFecf | Reason::BadFhec)));
}

#[test]
fn the_frame_count_cycle_carries_the_count_over_its_wrap() {
    let link = LinkParameters::plain(
        FrameType::Aos { scid_bits: ScidBits::Ten, header_error_control: false },
        6 + 2 + 20,
    );
    let frame = |cycle, vcfc| {
        let header = AosHeader { vcfc, cycle, cycle_use: true, ..AOS };
        aos_frame(header, FirstHeader::At(0), &packet(20), false)
    };
    let input = [frame(2, 0xFF_FFFF), frame(3, 0), frame(4, 1)].concat();
    let (seen, counters) = receive(&link, &input, 100);
    let gaps: Vec<_> = seen.frames.iter().map(|frame| frame.shown.gap).collect();
    assert_eq!(gaps, [None, None, Some(1 << 24)]);
    assert_eq!((counters.vc_gaps, counters.vc_missing), (1, 1 << 24));
}

#[test]
fn frames_of_others_and_of_other_kinds_are_refused_by_name() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 26);
    link.frame.scid = Some(7);
    let mut other = [tm_header(1, FirstHeader::At(0)), packet(20)].concat();
    other[1] ^= 0x10;
    let mut aos = other.clone();
    aos[0] |= 0x40;
    let good = [tm_header(0, FirstHeader::At(0)), packet(20)].concat();
    let input = [good, other, aos, vec![1, 2, 3]].concat();
    let (seen, counters) = receive(&link, &input, 11);
    assert_eq!(seen.rejected, [Reason::WrongScid, Reason::WrongVersion, Reason::Truncated]);
    assert_eq!((counters.frames, counters.good_frames, counters.packets), (3, 1, 1));
}

#[test]
fn noise_on_a_link_without_error_control_opens_no_end_of_channels() {
    let link = LinkParameters::plain(FrameType::Uslp { truncated_length: None, count_length: 0 }, 12);
    let frame = |scid, pointer: u16, zone: [u8; 2]| {
        let body = UslpBody {
            length: 12,
            bypass: true,
            control_command: false,
            ocf: false,
            count_length: 0,
            vcfc: 0,
        };
        let header = UslpHeader { scid, destination: false, vcid: 0, map: 0, body: Some(body) };
        let mut frame = Vec::new();
        header.write(&mut frame).expect("in range");
        frame.push((Rule::SpanningPackets as u8) << 5);
        frame.extend(pointer.to_be_bytes());
        frame.extend(zone);
        frame
    };
    // A packet begins, and noise takes its channel's place. Then the spacecraft is heard again.
    let noise = (0..1000).flat_map(|scid| frame(scid, 0, [0xE0, 0xE0]));
    let begins = frame(0xAAAA, 0, [0xE5, 9]);
    let input: Vec<u8> =
        begins.into_iter().chain(noise).chain(frame(0xAAAA, 0, [0xE1, 2]).repeat(3)).collect();
    let (seen, counters) = receive(&link, &input, 500);
    assert_eq!((counters.good_frames, counters.rejected.total()), (1004, 1));
    assert_eq!(seen.count(Reason::TooManyChannels), 1, "the open packet");
    assert_eq!(seen.rejected_octets, [2]);
    assert_eq!(seen.packets.iter().filter(|(.., octets)| octets[..] == [0xE1, 2]).count(), 3);
}

#[test]
fn a_frame_that_a_network_delivers_twice_is_one_frame() {
    let link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 26);
    let frame = |count| [tm_header(count, FirstHeader::At(0)), packet(20)].concat();
    let units: Vec<_> = [0, 1, 1, 2, 2, 3].map(frame).into();
    let (seen, counters) = receive_units(&link, &units);
    assert_eq!((counters.good_frames, counters.packets), (4, 4));
    assert_eq!((counters.vc_gaps, counters.mc_gaps), (0, 0));
    assert_eq!(seen.rejected, [Reason::Duplicate; 2]);
    // Overtaken frames are gaps, but no hundreds of missing frames.
    let units: Vec<_> = [0, 2, 1, 3].map(frame).into();
    let (_, counters) = receive_units(&link, &units);
    assert_eq!((counters.good_frames, counters.vc_gaps, counters.vc_missing), (4, 3, 2));
    assert_eq!((counters.mc_gaps, counters.mc_missing), (3, 2));
    // The same count with other octets is another frame.
    let mut other = frame(5);
    other[25] ^= 1;
    let (_, counters) = receive_units(&link, &[frame(5), other]);
    assert_eq!((counters.good_frames, counters.packets, counters.vc_missing), (2, 2, 0));
}

#[test]
fn a_damaged_header_blames_no_channel() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 28);
    link.frame.fecf = Fecf::Crc16;
    let frame = [tm_header(0, FirstHeader::At(0)), packet(20), vec![1, 2]].concat();
    let (seen, _) = receive(&link, &frame, 28);
    assert_eq!((seen.rejected, seen.rejected_channels), (vec![Reason::BadFecf], vec![None]));
}

#[test]
fn a_recording_of_packed_bits_may_begin_at_any_bit() {
    let mut link = link("hera-cadu.toml");
    let mut sender = perigee_ccsds::send::Sender::new(&link).expect("link");
    let mut channel = Vec::new();
    for _ in 0..20 {
        sender.push_packet(0, &packet(1000)).expect("room");
        sender.flush(&mut channel);
    }
    let frames = channel.len() / link.unit_length();
    // Three bits of something else stand in front.
    let shifted: Vec<u8> = core::iter::once(0)
        .chain(channel.iter().copied())
        .zip(channel.iter().copied().chain([0]))
        .map(|(before, octet)| before << 5 | octet >> 3)
        .collect();
    let (_, counters) = receive(&link, &shifted, 1000);
    assert_eq!(counters.good_frames, 0, "octet by octet nothing is found");
    link.asm.as_mut().expect("marker").alignment = Alignment::Bit;
    for piece in [1, 1000, shifted.len()] {
        let (seen, counters) = receive(&link, &shifted, piece);
        assert_eq!((counters.good_frames as usize, seen.frames[0].shown.offset), (frames, 3));
        assert_eq!(seen.packets.iter().filter(|(.., octets)| *octets == packet(1000)).count(), 20);
    }
}

#[test]
fn a_cut_symbol_is_counted() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 26);
    link.symbols = perigee_ccsds::link::Symbols::F32;
    let frame = [tm_header(0, FirstHeader::At(0)), packet(20)].concat();
    let bits = frame.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
    let mut input: Vec<u8> =
        bits.flat_map(|bit| (if bit == 1 { 1f32 } else { -1.0 }).to_le_bytes()).collect();
    input.extend([0, 0, 0x80]);
    let (seen, counters) = receive(&link, &input, 77);
    assert_eq!((counters.good_frames, seen.rejected), (1, vec![Reason::Truncated]));
    assert_eq!(seen.rejected_octets, [3]);
}

/// A USLP frame of variable length, as a unit.
fn uslp(count: u64, map: u8, rule: Rule, upid: Upid, pointer: Option<u16>, zone: &[u8]) -> Vec<u8> {
    let mut field = vec![(rule as u8) << 5 | upid.0];
    field.extend(pointer.into_iter().flat_map(u16::to_be_bytes));
    field.extend(zone);
    let body = UslpBody {
        length: 8 + field.len(),
        bypass: false,
        control_command: false,
        ocf: false,
        count_length: 1,
        vcfc: count,
    };
    let header = UslpHeader { scid: 7, destination: false, vcid: 1, map, body: Some(body) };
    let mut frame = Vec::new();
    header.write(&mut frame).expect("in range");
    frame.extend(field);
    frame
}

#[test]
fn every_construction_rule_of_uslp() {
    let link = LinkParameters::plain(FrameType::Uslp { truncated_length: Some(9), count_length: 1 }, 200);
    let (ten, twenty) = (packet(10), packet(20));
    let sdu = Upid::MAPA_SDU;
    let units = [
        uslp(0, 0, Rule::SpanningPackets, Upid::PACKETS, Some(0), &[&ten[..], &twenty[..5]].concat()),
        // Another MAP comes in between.
        uslp(1, 1, Rule::NoSegmentation, Upid::PACKETS, None, &[&ten[..], &ten[..]].concat()),
        uslp(2, 0, Rule::SpanningPackets, Upid::PACKETS, Some(0xFFFF), &twenty[5..]),
        uslp(3, 2, Rule::StartOfSdu, sdu, Some(0xFFFF), b"abc"),
        uslp(4, 2, Rule::ContinuedSdu, sdu, Some(1), b"dexx"),
        uslp(5, 2, Rule::StartOfSdu, sdu, Some(3), b"whole"),
        uslp(6, 3, Rule::OctetStream, sdu, None, b"stream"),
        uslp(7, 4, Rule::StartingSegment, Upid::PACKETS, None, &twenty[..3]),
        uslp(8, 4, Rule::ContinuingSegment, Upid::PACKETS, None, &twenty[3..9]),
        uslp(9, 4, Rule::LastSegment, Upid::PACKETS, None, &twenty[9..]),
        uslp(10, 4, Rule::StartingSegment, sdu, None, b"never"),
        uslp(11, 4, Rule::StartingSegment, sdu, None, b"ended"),
        uslp(12, 5, Rule::ContinuingSegment, sdu, None, b"no start"),
        uslp(13, 5, Rule::StartOfSdu, sdu, Some(9), b"beyond"),
        // A frame is missing: the segment that is open on MAP 4 goes with it.
        uslp(15, 6, Rule::NoSegmentation, Upid::IDLE, None, b"idle"),
        // Truncated: four octets of header, no count, no length.
        vec![0xC0, 0x00, 0x70, 0x2F, 0xE5, 1, 2, 3, 4],
    ];
    let (seen, counters) = receive_units(&link, &units);
    assert_eq!(seen.lengths(1), [10, 10, 10, 20, 20]);
    let found: Vec<_> = seen.units.iter().map(|(.., octets)| &octets[..]).collect();
    assert_eq!(found, [&b"abcde"[..], b"whol", b"stream", &[1, 2, 3, 4]]);
    assert_eq!(seen.rejected, [Reason::BrokenSegments, Reason::NoStart, Reason::BadPointer, Reason::VcGap]);
    assert_eq!((counters.frames, counters.good_frames, counters.idle_frames), (16, 16, 1));
}

#[test]
fn units_may_bring_their_marker() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 26);
    link.asm = Some(AsmParameters::default());
    let frame = |count| [tm_header(count, FirstHeader::At(0)), packet(20)].concat();
    let marked = |marker: [u8; 4]| [marker.to_vec(), frame(1)].concat();
    let units = [
        frame(0),
        marked([0x1A, 0xCF, 0xFC, 0x1C]),
        marked([0x1A, 0xCF, 0xFC, 0xE2]),
        frame(2)[..25].to_vec(),
        frame(2),
    ];
    let (seen, counters) = receive_units(&link, &units);
    assert_eq!(seen.rejected, [Reason::NotSynchronised, Reason::WrongUnitLength]);
    assert_eq!((counters.packets, counters.vc_gaps), (3, 0));
}

#[test]
fn a_segment_length_other_than_three_is_no_packet_zone() {
    let mut link = LinkParameters::plain(FrameType::Tm { secondary_header: 0 }, 26);
    let mut frame = [tm_header(0, FirstHeader::At(0)), packet(20)].concat();
    frame[4] ^= 0x10;
    let (seen, _) = receive(&link, &frame, 26);
    assert_eq!((seen.packets.len(), &seen.rejected[..]), (0, &[Reason::SegmentedData][..]));
    link.channels.push(perigee_ccsds::link::ChannelParameters { vcid: 1, service: Service::Vca });
    let (seen, _) = receive(&link, &frame, 26);
    assert_eq!((seen.units.len(), seen.rejected.len()), (1, 0));
}

#[test]
fn the_time_of_a_packet_stands_where_the_link_file_says() {
    let code = TimeCode::from_p_field(&[0x1C], perigee_ccsds::time::Time::CCSDS_EPOCH)
        .expect("CUC of four octets")
        .0;
    let time = PacketTime { code, offset: 2 };
    let mut octets = packet(14);
    assert_eq!(time.of(&octets), None, "without secondary header");
    octets[0] |= 0x08;
    octets[8..12].copy_from_slice(&(30u32 * 86400).to_be_bytes());
    assert_eq!(time.of(&octets).map(|utc| utc.to_string()).as_deref(), Some("1958-01-31T00:00:00Z"));
    assert_eq!(time.of(&octets[..11]), None, "cut short");
}
