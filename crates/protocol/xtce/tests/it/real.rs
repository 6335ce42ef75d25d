//! JPSS, CTIM and SUDA, value by value against space_packet_parser 6.2.0.

use std::fs;
use std::sync::Arc;

use perigee_testkit::shared_data;
use perigee_xtce::{Database, DecodeError, Decoder, LoadOptions, PacketWriter, Plan, Value, Values};
use serde_json::Value as Json;

use crate::packets::packets;

/// Decodes every packet; compares the first with the expected ones. Returns how many were decoded.
fn check(xtce: &str, root: Option<&str>, data: &str, skip: usize, expected: &str) -> Option<(usize, usize)> {
    let read = |name| Some(fs::read(shared_data(format!("space-packet-parser/{name}"))?).expect("readable"));
    let xml = String::from_utf8(read(xtce)?).expect("UTF-8");
    let octets = read(data)?;
    let expected: Vec<Json> = serde_json::from_slice(&read(expected)?).expect("JSON");

    let loaded = Database::load(&xml, LoadOptions::default()).expect("loads");
    let plan = Plan::compile(&loaded.database, root).expect("compiles");
    let mut decoder = Decoder::new(Arc::new(plan));
    let mut writer = PacketWriter::new(&loaded.database);
    let (mut values, mut line) = (Values::default(), Vec::new());
    let (mut decoded, mut refused, mut compared) = (0, 0, 0);
    for packet in packets(&octets, skip) {
        values.clear();
        let Ok(container) = decoder.decode(packet, &mut values) else {
            refused += 1;
            continue;
        };
        if let Some(expected) = expected.get(decoded) {
            line.clear();
            writer.write(container, None, &values, 0..values.entries.len(), &mut line);
            let own: Json = serde_json::from_slice(&line).expect("JSON");
            let own = own["values"].as_object().expect("an object");
            let expected = expected.as_object().expect("an object");
            assert_eq!(own.len(), expected.len(), "packet {decoded}");
            for (name, value) in expected {
                same(&own[name]["raw"], &value["raw"], &format!("packet {decoded} {name} raw"));
                same(&own[name]["eng"], &value["derived"], &format!("packet {decoded} {name} eng"));
                compared += 1;
            }
        }
        decoded += 1;
    }
    assert!(decoded >= expected.len());
    println!("{xtce}: {decoded} packets decoded, {refused} refused, {compared} values compared");
    Some((decoded, refused))
}

/// Numbers are equal as numbers, to the last bit; everything else as it is written.
fn same(own: &Json, expected: &Json, what: &str) {
    let equal = match (own.as_f64(), expected.as_f64()) {
        (Some(own), Some(expected)) => own == expected,
        _ => own == expected,
    };
    assert!(equal, "{what}: {own} is not {expected}");
}

#[test]
fn jpss_attitude_and_ephemeris() {
    let counts = check(
        "jpss1_geolocation_xtce_v1.xml",
        None,
        "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
        0,
        "expected-jpss.json",
    );
    assert!(counts.is_none_or(|counts| counts == (7200, 0)));
}

#[test]
fn ctim_housekeeping_and_science() {
    let root = Some("CCSDSTelemetryPacket");
    let counts = check("ctim_xtce_v1.xml", root, "ccsds_2021_155_14_39_51", 0, "expected-ctim.json");
    assert!(counts.is_none_or(|counts| counts.0 >= 1490), "{counts:?}");
}

#[test]
fn suda_science_behind_four_octets() {
    let data = "sciData_2022_130_17_41_53.spl";
    let counts = check("suda_combined_science_definition.xml", None, data, 4, "expected-suda.json");
    assert!(counts.is_none_or(|counts| counts == (13, 0)), "{counts:?}");
}

#[test]
fn the_same_packets_under_other_definitions() {
    for xtce in [
        "test_xtce.xml",
        "test_xtce_default_namespace.xml",
        "test_xtce_no_namespace.xml",
        "contrived_inheritance_structure.xml",
    ] {
        let root = Some("CCSDSPacket");
        let counts = check(xtce, root, "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1", 0, "expected-jpss.json");
        assert!(counts.is_none_or(|counts| counts == (7200, 0)), "{xtce}: {counts:?}");
    }
}

/// A database that no recording comes with, and a decoder for its packets.
fn small(xtce: &str) -> Option<(Database, Decoder)> {
    let path = shared_data(format!("space-packet-parser/{xtce}"))?;
    let xml = fs::read_to_string(path).expect("readable");
    let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    Some((loaded.database, Decoder::new(Arc::new(plan))))
}

#[test]
fn packets_of_four_octets() {
    let Some((database, mut decoder)) = small("test_xtce_4byte.xml") else { return };
    assert_eq!(
        (database.name(), database.parameters().len(), database.containers().len()),
        ("TestSystem", 1, 1)
    );
    let id = database.find_parameter("/TestSystem/PKT_VALUE");
    let mut values = Values::default();
    for (packet, expected) in [([0; 4], 0), ([0xFF; 4], u64::from(u32::MAX)), ([1, 2, 3, 4], 0x0102_0304)] {
        values.clear();
        let container = decoder.decode(&packet, &mut values).expect("decodes");
        assert_eq!(database.find_container("PKT_CONTAINER"), Some(container));
        let [entry] = values.entries[..] else { panic!("{:?}", values.entries) };
        let value = Value::Unsigned(expected);
        assert_eq!((Some(entry.parameter), entry.raw, entry.eng), (id, value, value));
    }
    let cut = decoder.decode(&[1, 2, 3], &mut values);
    assert!(matches!(cut, Err(DecodeError::TooShort { needed: 32, available: 24, .. })), "{cut:?}");
}

#[test]
fn udp_datagrams() {
    let Some((database, mut decoder)) = small("udp_packet.xml") else { return };
    let length = database.find_parameter("UDP_LENGTH").and_then(|id| database.parameter(id)).expect("there");
    assert_eq!((length.unit.as_str(), database.version()), ("byte", "1.0"));
    let datagram = |length: u16, data: &[u8]| {
        let header = [12345, 80, length, 0x1234].map(u16::to_be_bytes).concat();
        [&header, data].concat()
    };
    let mut values = Values::default();
    // The datagram ends where its length says; what follows in the packet is not of it.
    for (data, behind) in [(&b""[..], &b""[..]), (b"Hello, World!", b""), (b"ab", b"cd")] {
        let length = 8 + data.len() as u16;
        values.clear();
        decoder.decode(&[&datagram(length, data), behind].concat(), &mut values).expect("decodes");
        let raw: Vec<Value> = values.entries[..4].iter().map(|entry| entry.raw).collect();
        assert_eq!(raw, [12345, 80, length.into(), 0x1234].map(Value::Unsigned));
        let [entry] = values.entries[4..] else { panic!("{:?}", values.entries) };
        assert_eq!(Some(entry.parameter), database.find_parameter("DATA"));
        assert!(matches!((entry.raw, entry.eng), (Value::Binary(_), Value::Binary(_))));
        assert_eq!(values.octets(entry.eng), data);
    }
    let mut refused = |length| decoder.decode(&datagram(length, b"abc"), &mut Values::default());
    assert!(matches!(refused(7), Err(DecodeError::BadSize { .. })), "shorter than its header");
    assert!(matches!(refused(12), Err(DecodeError::TooShort { needed: 96, available: 88, .. })));
}
