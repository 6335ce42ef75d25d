//! JPSS, CTIM and SUDA, value by value against space_packet_parser 6.2.0.

use std::fs;
use std::sync::Arc;

use perigee_testkit::shared_data;
use perigee_xtce::{Database, Decoder, LoadOptions, PacketWriter, Plan, Values};
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
