//! Real recordings and what independent decoders made of them.

use perigee_ccsds::Reason;
use perigee_ccsds::coding::randomizer::Randomizer;
use perigee_ccsds::coding::reed_solomon::{Basis, Code, ReedSolomon};
use perigee_ccsds::packet::SpaceHeader;
use perigee_ccsds::receive::Fec;
use perigee_ccsds::sync::ASM;
use perigee_testkit::shared_data;
use serde_json::Value;

use crate::collect::{Collect, link, receive, receive_units, sha1};

/// The file's octets, or `None`, said loudly, where the shared data is not there.
fn read(path: &str) -> Option<Vec<u8>> {
    shared_data(path).map(|path| std::fs::read(path).expect("readable"))
}

fn text(path: &str) -> Option<String> {
    read(path).map(|octets| String::from_utf8(octets).expect("text"))
}

/// Rows of a CSV file as (column, value) lookups; quoted values hold no quotes.
fn rows(path: &str) -> Option<Vec<std::collections::HashMap<String, String>>> {
    let text = text(path)?;
    let split = |line: &str| -> Vec<String> {
        line.split('"')
            .enumerate()
            .map(|(i, part)| if i % 2 == 1 { part.replace(',', ";") } else { part.to_owned() })
            .collect::<String>()
            .split(',')
            .map(str::to_owned)
            .collect()
    };
    let mut lines = text.lines();
    let columns = split(lines.next()?);
    Some(lines.map(|line| columns.iter().cloned().zip(split(line)).collect()).collect())
}

/// Compares all frames with a CSV of expected ones; columns that this file does not have are left out.
fn check_frames(seen: &Collect, path: &str) {
    let Some(expected) = rows(path) else { return };
    assert_eq!(seen.frames.len(), expected.len(), "{path}");
    for (i, (frame, row)) in seen.frames.iter().zip(&expected).enumerate() {
        let shown = &frame.shown;
        let number = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
        let pairs = [
            ("i", shown.index.to_string()),
            ("tfvn", number(shown.tfvn.map(u64::from))),
            ("scid", number(shown.scid.map(u64::from))),
            ("vcid", number(shown.vcid.map(u64::from))),
            ("mcfc", number(shown.mcfc.map(u64::from))),
            ("vcfc", number(shown.vcfc)),
            ("fhp", number(shown.first_header_pointer.map(u64::from))),
            ("clcw", shown.ocf.map_or(String::new(), |ocf| format!("{:08x}", u32::from_be_bytes(ocf)))),
            ("fecf_ok", number(shown.fecf.map(u64::from))),
        ];
        for (column, value) in pairs {
            if let Some(expected) = row.get(column) {
                assert_eq!(&value, expected, "{path}: frame {i}, {column}");
            }
        }
        let expected = &row["sha1"];
        assert_eq!(&frame.sha1[..expected.len()], expected, "{path}: frame {i}");
        if row.contains_key("rs") {
            assert_eq!(shown.fec, Fec::Corrected(0), "{path}: frame {i}");
        }
    }
}

/// Compares the packets with rows of expected ones.
fn check_packets(seen: &Collect, expected: &[(u64, [u64; 6], String)], name: &str) {
    assert_eq!(seen.packets.len(), expected.len(), "{name}");
    for (i, ((vcid, _, octets), (expected_vcid, fields, hash))) in
        seen.packets.iter().zip(expected).enumerate()
    {
        let header = SpaceHeader::parse(octets).expect("space packet");
        assert_eq!(u64::from(*vcid), *expected_vcid, "{name}: packet {i}");
        let found = [
            header.apid.into(),
            header.packet_type as u64,
            header.secondary_header.into(),
            header.sequence_flags as u64,
            header.sequence_count.into(),
            octets.len() as u64,
        ];
        assert_eq!(found, *fields, "{name}: packet {i}");
        assert_eq!(&sha1(octets)[..hash.len()], hash, "{name}: packet {i}");
    }
}

const PACKET_FIELDS: [&str; 6] = ["apid", "type", "shf", "seqflags", "seq", "len"];

fn packets_csv(path: &str) -> Option<Vec<(u64, [u64; 6], String)>> {
    let number = |text: &str| text.parse().expect("number");
    let rows = rows(path)?;
    Some(
        rows.iter()
            .map(|row| {
                (number(&row["vcid"]), PACKET_FIELDS.map(|field| number(&row[field])), row["sha1"].clone())
            })
            .collect(),
    )
}

fn packets_json(path: &str) -> Option<Vec<(u64, [u64; 6], String)>> {
    let value: Value = serde_json::from_str(&text(path)?).expect("JSON");
    let number = |value: &Value| value.as_u64().expect("number");
    let packets = value.as_array().expect("list").iter();
    Some(
        packets
            .map(|packet| {
                let fields = PACKET_FIELDS.map(|field| number(&packet[field]));
                (number(&packet["vcid"]), fields, packet["sha1"].as_str().expect("text").to_owned())
            })
            .collect(),
    )
}

#[test]
fn snpp_cadus_give_the_frames_and_packets_that_two_decoders_agree_on() {
    for (name, gaps) in [("snpp_synchronized_cadus", 1), ("snpp_7cadus_2vcids", 0)] {
        let Some(input) = read(&format!("snpp-cadu/{name}.dat")) else { return };
        for piece in [input.len(), 1000] {
            let (seen, counters) = receive(&link("snpp.toml"), &input, piece);
            check_frames(&seen, &format!("snpp-cadu/expected-{name}-frames.csv"));
            let expected = packets_json(&format!("snpp-cadu/expected-{name}-packets.json")).expect("there");
            check_packets(&seen, &expected, name);
            assert_eq!(counters.vc_gaps, gaps, "{name}");
            assert_eq!(counters.vc_missing, gaps, "{name}: one frame is missing");
            // One packet was open at the gap, and no other was lost to it.
            assert_eq!(seen.count(Reason::VcGap) as u64, gaps, "{name}");
        }
    }
}

#[test]
fn deep_space_frames_and_packets() {
    let folder = "destevez-deep-space";
    for (file, toml, packets, gaps) in [
        ("hera_low_rate", "hera.toml", true, 0),
        ("dart_tm_1113", "dart.toml", true, 53 + 49),
        ("mars2020_frames", "mars2020.toml", true, 6),
        ("emm_hope_tm_223", "emm.toml", false, 0),
        ("integral_tm_890", "integral.toml", false, 0),
        ("aditya_l1_tm_221", "aditya-l1.toml", false, 0),
    ] {
        let Some(input) = read(&format!("{folder}/{file}.u8")) else { return };
        let (seen, counters) = receive(&link(toml), &input, 4096);
        check_frames(&seen, &format!("{folder}/expected-{file}-frames.csv"));
        if packets {
            let expected = packets_csv(&format!("{folder}/expected-{file}-packets.csv")).expect("there");
            check_packets(&seen, &expected, file);
            assert_eq!(counters.vc_gaps, gaps, "{file}");
        } else {
            assert_eq!(seen.packets.len(), 0, "{file} carries no packets");
            assert!(!seen.units.is_empty(), "{file}");
        }
        assert_eq!(counters.octets as usize, input.len());
    }
}

#[test]
fn segmented_packets_are_refused_with_their_reason_where_the_link_file_does_not_know_of_them() {
    let Some(input) = read("destevez-deep-space/integral_tm_890.u8") else { return };
    let mut link = link("integral.toml");
    link.channels.clear();
    let (seen, _) = receive(&link, &input, 4096);
    check_frames(&seen, "destevez-deep-space/expected-integral_tm_890-frames.csv");
    assert_eq!(seen.packets.len(), 0);
    assert!(seen.rejected.iter().all(|reason| *reason == Reason::SegmentedData), "{:?}", seen.rejected);
}

#[test]
fn four_mars_2020_frames_fail_their_fecf() {
    let Some(input) = read("destevez-deep-space/mars2020_frames.u8") else { return };
    let (seen, counters) = receive(&link("mars2020.toml"), &input, 1 << 20);
    assert_eq!((counters.frames, counters.good_frames), (950, 946));
    assert_eq!(seen.count(Reason::BadFecf), 4);
}

#[test]
fn summary_of_the_deep_space_recordings() {
    let Some(text) = text("destevez-deep-space/expected-summary.json") else { return };
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    for entry in summary.as_array().expect("list") {
        let file = entry["file"].as_str().expect("name");
        let toml = match file {
            "hera_low_rate.u8" => "hera.toml",
            "dart_tm_1113.u8" => "dart.toml",
            "mars2020_frames.u8" => "mars2020.toml",
            "emm_hope_tm_223.u8" => "emm.toml",
            "integral_tm_890.u8" => "integral.toml",
            _ => "aditya-l1.toml",
        };
        let input = read(&format!("destevez-deep-space/{file}")).expect("there");
        let link = link(toml);
        assert_eq!(entry["frame_len"], link.frame.length, "{file}");
        let mut receiver = perigee_ccsds::receive::Receiver::new(&link).expect("link");
        let mut seen = Collect::default();
        receiver.receive(&input, &mut seen);
        receiver.finish(&mut seen);
        assert_eq!(entry["frames"], receiver.counters().frames, "{file}");
        if let Some(good) = entry["fecf_good"].as_u64() {
            assert_eq!(seen.frames.iter().filter(|f| f.shown.fecf == Some(true)).count() as u64, good);
        }
        if let Some(packets) = entry["packets"].as_u64() {
            assert_eq!(receiver.counters().packets, packets, "{file}");
        }
        for (vcid, expected) in entry["vcs"].as_object().into_iter().flatten() {
            let (_, channel) = receiver
                .channels()
                .find(|(id, _)| id.vcid.to_string() == *vcid)
                .unwrap_or_else(|| panic!("{file}: no channel {vcid}"));
            assert_eq!(expected["packets"], channel.packets, "{file} {vcid}");
            assert_eq!(expected["vc_gaps"], channel.gaps, "{file} {vcid}");
        }
    }
}

#[test]
fn damaged_hera_cadus() {
    let Some(input) = read("derived-cadu/hera_cadu_i5_rand_errors.bin") else { return };
    let expected: Vec<Value> =
        serde_json::from_str(&text("derived-cadu/expected-hera_cadu.json").expect("there")).expect("JSON");
    for piece in [input.len(), 777, 1] {
        let (seen, counters) = receive(&link("hera-cadu.toml"), &input, piece);
        assert_eq!(seen.frames.len(), expected.len());
        for (frame, expected) in seen.frames.iter().zip(&expected) {
            let i = expected["i"].as_u64().expect("index");
            assert_eq!(frame.shown.index, i);
            assert_eq!(frame.shown.offset, expected["offset"].as_u64().expect("offset"), "frame {i}");
            if expected["decoded_ok"] == true {
                let corrected: i64 = expected["rs_corrections"]
                    .as_array()
                    .expect("list")
                    .iter()
                    .map(|n| n.as_i64().expect("number"))
                    .sum();
                assert_eq!(frame.shown.fec, Fec::Corrected(corrected as u32), "frame {i}");
                assert_eq!(frame.shown.status, Ok(()), "frame {i}");
                assert_eq!(frame.shown.mcfc.map(u64::from), expected["mcfc"].as_u64(), "frame {i}");
                assert_eq!(frame.shown.vcid.map(u64::from), expected["vcid"].as_u64(), "frame {i}");
                assert_eq!(frame.sha1, expected["sha1"].as_str().expect("text"), "frame {i}");
            } else {
                assert_eq!(frame.shown.status, Err(Reason::Uncorrectable), "frame {i}");
            }
        }
        assert_eq!(counters.good_frames, 42);
        // The octets in front of the first marker, and those after the twentieth block.
        assert_eq!(seen.count(Reason::NotSynchronised), 2);
    }
}

#[test]
fn hera_cadus_through_the_noisy_convolutional_code() {
    let Some(input) = read("derived-cadu/hera_conv_soft_i8_ebn0_4dB.bin") else { return };
    let (seen, _) = receive(&link("hera-soft.toml"), &input, 1000);
    let good: Vec<_> = seen.frames.iter().filter(|frame| frame.shown.status.is_ok()).collect();
    let text = text("derived-cadu/expected-hera_conv.json").expect("there");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    // The expected hash is over the eight blocks as sent, markers included: they are made again from the frames.
    let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0).expect("code");
    let mut sent = Vec::new();
    for frame in good {
        let mut block = frame.octets.clone();
        block.resize(code.block_len(), 0);
        code.encode(&mut block);
        Randomizer::Period255.apply(&mut block);
        sent.extend(ASM);
        sent.extend(block);
    }
    assert_eq!(sha1(&sent), expected["sha1_of_8_cadus"].as_str().expect("text"));
}

#[test]
fn bluewalker_3_soft_symbols_and_viterbi_output() {
    let Some(frames) = read("destevez-deep-space/bw3_frames_355.u8") else { return };
    let known: std::collections::HashSet<_> = frames.chunks(355).map(sha1).collect();
    for (file, toml, offset) in
        [("bw3_viterbi_out_1.u8", "bw3-bits.toml", Some(180)), ("bw3_soft_symbols.f32", "bw3.toml", None)]
    {
        let input = read(&format!("destevez-deep-space/{file}")).expect("there");
        let (seen, _) = receive(&link(toml), &input, 1 << 16);
        // 152 markers; behind the last one there is no whole frame.
        assert_eq!(seen.frames.len(), 151, "{file}");
        let right = seen.frames.iter().filter(|frame| known.contains(&frame.sha1)).count();
        assert_eq!(right, 151, "{file}");
        for pair in seen.frames.windows(2) {
            assert_eq!(pair[1].shown.offset - pair[0].shown.offset, 2872, "{file}");
        }
        if let Some(offset) = offset {
            assert_eq!(seen.frames[0].shown.offset, offset, "{file}");
        }
    }
}

/// One unit for each line of hexadecimal digits.
fn units(name: &str) -> Option<Vec<Vec<u8>>> {
    let text = text(&format!("dariol83-frames/{name}.hex"))?;
    let octet = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Some(lines.map(|line| (0..line.len()).step_by(2).map(|at| octet(line, at)).collect()).collect())
}

#[test]
fn simulated_tm_frames() {
    let link = link("dariol83-tm.toml");
    // 152 lines of marker, frame and 160 octets that are no parity: the frame is cut out by hand.
    let Some(lines) = units("dumpFile_tm_1") else { return };
    let frames: Vec<_> = lines.iter().map(|line| line[4..1119].to_vec()).collect();
    let (seen, counters) = receive_units(&link, &frames);
    assert_eq!((counters.frames, counters.good_frames), (152, 152));
    assert_eq!((counters.mc_gaps, counters.vc_gaps), (0, 0));
    assert_eq!(counters.rejected.total(), seen.count(Reason::Unfinished) as u64, "{:?}", seen.rejected);
    let (again, _) = receive_units(
        &link,
        &units("dumpFile_tm_1_empty_lines")
            .expect("there")
            .iter()
            .map(|l| l[4..1119].to_vec())
            .collect::<Vec<_>>(),
    );
    assert_eq!(again.packets, seen.packets);
    // Every octet of the packet zones is in a packet, or in the one that the recording ends in.
    let packets: usize = seen.packets.iter().map(|(.., octets)| octets.len()).sum();
    let dropped: usize = seen.rejected_octets.iter().sum();
    assert_eq!(packets + dropped, (152 - counters.idle_frames as usize) * (1115 - 6 - 4));
    assert!(seen.packets.len() > 100, "{}", seen.packets.len());
}

#[test]
fn simulated_tm_gaps_drop_only_the_open_packet() {
    let link = link("dariol83-tm.toml");
    let Some(whole) = units("dumpFile_tm_encapsulation") else { return };
    let (all, counters) = receive_units(&link, &whole);
    assert_eq!((counters.frames, counters.vc_gaps), (11, 0));
    let (gap, counters) = receive_units(&link, &units("dumpFile_tm_encapsulation_gap").expect("there"));
    // Frame 3 is missing; it held the middle of a packet and nothing else.
    assert_eq!((counters.frames, counters.vc_gaps, counters.vc_missing), (10, 1, 1));
    assert_eq!((gap.count(Reason::VcGap), gap.count(Reason::NoStart)), (1, 1));
    assert_eq!(gap.packets.len(), all.packets.len() - 1);
    let kept = gap.packets.iter().all(|(.., octets)| all.packets.iter().any(|(.., other)| other == octets));
    assert!(kept, "every packet received in spite of the gap is one of the whole recording");

    let (_, counters) = receive_units(&link, &units("dumpFile_tm_gap_1").expect("there"));
    // Frames 4, 7, 9 and 10 are missing.
    assert_eq!((counters.frames, counters.vc_gaps, counters.vc_missing), (11, 3, 4));
    assert_eq!((counters.mc_gaps, counters.mc_missing), (3, 4));
    let (_, counters) = receive_units(&link, &units("dumpFile_tm_encapsulation_gap_2").expect("there"));
    assert_eq!(counters.frames, 9);
    assert!(counters.vc_gaps > 0);
}

#[test]
fn simulated_packets_longer_than_frames() {
    let link = link("dariol83-tm.toml");
    let Some(large) = units("dumpFile_tm_large_packets") else { return };
    let (seen, counters) = receive_units(&link, &large);
    assert_eq!((counters.frames, counters.vc_gaps), (60, 0));
    // The recording starts inside a packet; from the first header on everything fits together.
    assert!(seen.count(Reason::NoStart) > 0);
    assert_eq!(seen.count(Reason::PointerMismatch), 0);
    assert!(seen.packets.iter().any(|(.., octets)| octets.len() > 10 * 1115), "{:?}", seen.lengths(0));

    let (seen, counters) = receive_units(&link, &units("dumpFile_tm_segmentation_bug").expect("there"));
    assert_eq!((counters.frames, counters.vc_gaps), (3, 0));
    assert_eq!(seen.count(Reason::PointerMismatch), 0);
    assert_eq!(seen.count(Reason::BadPacketVersion), 0);
}

#[test]
fn simulated_vca_units_behind_reed_solomon() {
    let Some(lines) = units("dumpFile_tm_user_data") else { return };
    let (seen, counters) = receive_units(&link("dariol83-tm-user-data.toml"), &lines);
    assert_eq!((counters.frames, counters.good_frames, counters.idle_frames), (30, 30, 10));
    assert!(seen.frames.iter().all(|frame| frame.shown.fec == Fec::Corrected(0)));
    assert_eq!(seen.units.len(), 20);
    assert!(seen.units.iter().all(|(_, bits, octets)| octets.len() == 1105 && *bits == 8840));
    assert_eq!(counters.rejected.total(), 0);
}

#[test]
fn simulated_aos_packets_bitstream_and_encapsulation() {
    let Some(lines) = units("dumpFile_aos_1") else { return };
    let (seen, counters) = receive_units(&link("dariol83-aos.toml"), &lines);
    assert_eq!((counters.frames, counters.good_frames, counters.idle_frames), (30, 30, 13));
    assert_eq!(counters.vc_gaps, 0);
    // Packets of 406 octets, one behind the other.
    assert_eq!(seen.count(Reason::PointerMismatch), 0);
    assert!(seen.lengths(0).iter().all(|length| *length == 406), "{:?}", seen.lengths(0));
    assert!(!seen.lengths(1).is_empty());

    let lines = units("dumpFile_aos_bitstream").expect("there");
    let (seen, counters) = receive_units(&link("dariol83-aos-bitstream.toml"), &lines);
    assert_eq!((counters.frames, counters.idle_frames, counters.rejected.total()), (30, 10, 0));
    // Pointers 0x963 and 0x1367 name the last bits.
    let bits: Vec<_> = seen.units.iter().map(|(vcid, bits, _)| (*vcid, *bits)).collect();
    assert_eq!(bits, [(0, 0x964), (1, 0x1368)].repeat(10));

    let lines = units("dumpFile_aos_1_encapsulation").expect("there");
    let (seen, counters) = receive_units(&link("dariol83-aos-encapsulation.toml"), &lines);
    assert_eq!((counters.frames, counters.vc_gaps), (11, 0));
    assert!(seen.packets.iter().all(|(.., octets)| octets[0] >> 5 == 7));
    assert!(seen.packets.len() > 5);
    assert_eq!(seen.count(Reason::PointerMismatch) + seen.count(Reason::BadPacketVersion), 0);
}
