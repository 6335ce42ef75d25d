//! Octets printed in the Blue Books, from a public catalogue of vectors.

use perigee_ccsds::coding::{crc, fhec};
use perigee_ccsds::frame::{
    AosFrame, AosHeader, AosLayout, Clcw, OidFill, OperationalControl, Rule, ScidBits, TmFrame, TmHeader,
    Upid, UslpBody, UslpFrame, UslpHeader, UslpLayout,
};
use perigee_ccsds::packet::{PacketType, SequenceFlags, SpaceHeader, SpacePacket};
use perigee_testkit::shared_data;
use serde_json::Value;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

#[test]
fn header_vectors() {
    let Some(path) = shared_data("coding-vectors/expected-header-vectors.json") else { return };
    let text = std::fs::read_to_string(path).expect("readable");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let mut uplink = Vec::new();
    for vector in file["vectors"].as_array().expect("list") {
        let id = vector["id"].as_str().expect("id");
        let expected = octets(vector["hex"].as_str().expect("hex"));
        let made = match id.split_whitespace().next().expect("word") {
            "tm/aos/uslp" => oid(),
            "tm" => tm(),
            "space" => space(),
            "clcw" => clcw(&expected),
            "fecf" => crc::crc16(&[1, 2, 3, 4]).to_be_bytes().to_vec(),
            "AOS" if id.contains("0x1234") => fhec::encode(0x1234, 0x56).to_be_bytes().to_vec(),
            "AOS" if id.contains("0x369C") => fhec::encode(0x369C, 0xFA).to_be_bytes().to_vec(),
            "AOS" => aos(),
            "USLP" if id.contains("truncated") => uslp_truncated(),
            "USLP" => uslp(),
            // Telecommand frames, segments, CLTUs and COP-1 directives belong to the uplink, which is not built yet.
            _ => {
                uplink.push(id.to_owned());
                continue;
            }
        };
        assert_eq!(made, expected, "{id}");
    }
    let expected = ["bch", "bch", "tc", "ldpc(128,64)", "tc", "tc", "unlock", "set"];
    let words: Vec<_> = uplink.iter().filter_map(|id| id.split_whitespace().next()).collect();
    assert_eq!(words, expected, "vectors of the uplink");
}

fn oid() -> Vec<u8> {
    let mut octets = vec![0; 20];
    OidFill::default().fill(&mut octets);
    octets
}

fn tm() -> Vec<u8> {
    let header = TmHeader {
        scid: 1,
        vcid: 2,
        ocf: false,
        mcfc: 9,
        vcfc: 7,
        secondary_header: false,
        sync: false,
        packet_order: false,
        segment_length_id: 3,
        first_header_pointer: 0,
    };
    let mut octets = header.to_octets().expect("in range").to_vec();
    octets.extend([1, 2, 3, 4]);
    let frame = TmFrame::new(&octets, 0).expect("frame");
    assert_eq!((*frame.header(), frame.data()), (header, &[1, 2, 3, 4][..]));
    octets
}

fn space() -> Vec<u8> {
    let header = SpaceHeader {
        packet_type: PacketType::Telemetry,
        secondary_header: false,
        apid: 0x123,
        sequence_flags: SequenceFlags::Unsegmented,
        sequence_count: 0x42,
        data_length: 3,
    };
    let mut octets = header.to_octets().expect("in range").to_vec();
    octets.extend([0xAA, 0xBB, 0xCC]);
    assert_eq!(*SpacePacket::new(&octets).expect("packet").header(), header);
    octets
}

fn clcw(expected: &[u8]) -> Vec<u8> {
    let clcw = Clcw {
        status: 5,
        cop: 1,
        vcid: 17,
        no_rf_available: true,
        lockout: true,
        retransmit: true,
        farm_b: 2,
        report_value: 99,
        ..Clcw::default()
    };
    let word = expected.try_into().expect("four octets");
    assert_eq!(OperationalControl::parse(word), OperationalControl::Clcw(clcw));
    clcw.to_octets().expect("in range").to_vec()
}

fn aos() -> Vec<u8> {
    let header = AosHeader { scid: 0x321, vcid: 5, vcfc: 0xA0_B0C0, replay: true, cycle_use: true, cycle: 9 };
    let mut octets = header.to_octets(ScidBits::Ten).expect("in range").to_vec();
    octets.extend([0xAA, 0xBB]);
    let layout = AosLayout { scid_bits: ScidBits::Ten, ..AosLayout::default() };
    let frame = AosFrame::new(&octets, &layout).expect("frame");
    assert_eq!((*frame.header(), frame.data()), (header, &[0xAA, 0xBB][..]));
    octets
}

fn uslp() -> Vec<u8> {
    let header = UslpHeader {
        scid: 0x1234,
        destination: true,
        vcid: 0x15,
        map: 0xA,
        body: Some(UslpBody {
            length: 12,
            bypass: false,
            control_command: false,
            ocf: false,
            count_length: 2,
            vcfc: 0xBEEF,
        }),
    };
    let mut octets = Vec::new();
    header.write(&mut octets).expect("in range");
    octets.extend([0xE5, 0xAA, 0xBB]);
    let frame = UslpFrame::new(&octets, &UslpLayout::default()).expect("frame");
    assert_eq!(*frame.header(), header);
    assert_eq!(
        (frame.rule(), frame.upid(), frame.zone()),
        (Rule::NoSegmentation, Upid(5), &[0xAA, 0xBB][..])
    );
    octets
}

fn uslp_truncated() -> Vec<u8> {
    let header = UslpHeader { scid: 0x1234, destination: false, vcid: 5, map: 6, body: None };
    let mut octets = Vec::new();
    header.write(&mut octets).expect("in range");
    octets.extend([0xE5, 1, 2, 3]);
    let frame = UslpFrame::new(&octets, &UslpLayout::default()).expect("frame");
    assert_eq!((*frame.header(), frame.upid(), frame.zone()), (header, Upid(5), &[1, 2, 3][..]));
    octets
}
