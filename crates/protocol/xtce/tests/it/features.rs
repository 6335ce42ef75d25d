//! The database that uses every feature: what its packets mean, value by value.

use std::sync::Arc;

use perigee_xtce::fuzzing::FEATURES;
use perigee_xtce::{Database, DecodeError, Decoder, Encoder, LoadOptions, PacketWriter, Plan, Value, Values};
use serde_json::{Value as Json, json};

fn features() -> (Database, Arc<Plan>) {
    let loaded = Database::load(FEATURES, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("CommandMetaData"));
    // The included containers are no roots.
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    assert_eq!(
        loaded.database.container(plan.root()).map(|root| root.name.as_str()),
        Some("/Features/Packet")
    );
    (loaded.database, Arc::new(plan))
}

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

/// Decodes a packet and gives its values as JSON.
fn decode(hex: &str) -> Json {
    let (database, plan) = features();
    let mut decoder = Decoder::new(plan);
    let mut values = Values::default();
    let container = decoder.decode(&octets(hex), &mut values).unwrap_or_else(|error| panic!("{error}"));
    let mut line = Vec::new();
    let time = values.first_time(0);
    PacketWriter::new(&database).write(container, time, &values, 0..values.entries.len(), &mut line);
    serde_json::from_slice(&line)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line)))
}

/// Compares engineering values by name.
fn engineering(packet: &Json, expected: &Json) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&packet["values"][name]["eng"], value, "{name}");
    }
}

#[test]
fn integers_in_every_coding_and_order() {
    let packet = decode("01 BFFFFFFFFFFFFFFE FFFFFFFFFFFFFFFF FF FFE 801 0102 1234 0D0C0B0A 0B0A0D0C 01");
    assert_eq!(packet["container"], "Integers");
    engineering(
        &packet,
        &json!({
            "U3": 5, "I61": -2, "U64": u64::MAX, "S8": -1, "Ones12": -1, "Mag12": -1, "Bcd": 12, "Packed": 1234,
            "Le32": 0x0A0B_0C0D, "Mixed32": 0x0A0B_0C0D, "Lsb8": 128,
        }),
    );
}

#[test]
fn floats_in_every_coding() {
    let packet = decode("02 3C00 40490FDB 4009 21FB54442D18 182D4454FB210940 50000004 400000000000");
    engineering(
        &packet,
        &json!({
            "F16": 1.0, "F32": f64::from(std::f32::consts::PI), "F64": std::f64::consts::PI,
            "F64le": std::f64::consts::PI, "Mil32": 10.0, "Mil48": 0.5,
        }),
    );
}

#[test]
fn calibrators_labels_and_validity() {
    // Flag OPEN, Mode 5 = ON, Mode16 = 20, Count = 3, Linear raw -4, Spline raw 150, Context raw 7, Valid 9.
    let packet = decode("03 85 0014 03 FFFC 96 07 09");
    engineering(
        &packet,
        &json!({
            "Flag": true, "Mode": "ON", "Mode16": "SAFE", "Count": 3, "Linear": -12.0, "Spline": 5.0,
            "Context": 100.0, "Valid": 9,
        }),
    );
    assert_eq!(packet["values"]["Linear"]["raw"], -4);
    // Mode 20 = SAFE: the default math operation, (7 + 3) * 2; Mode16 without a label; outside the spline; not valid.
    let packet = decode("C8 14 000A 03 FFFC C9 07 09");
    engineering(
        &packet,
        &json!({ "Flag": false, "Mode16": null, "Spline": null, "Context": 20.0, "Valid": null }),
    );
    assert_eq!(packet["values"]["Valid"]["raw"], 9);
}

#[test]
fn texts_and_octets_of_every_size_form() {
    let packet = decode("04 02 41424344 616200FFFFFF 02 47F6 0041 0000 0042 0043 787A79 ABC F001 0");
    engineering(
        &packet,
        &json!({
            "FixedText": "ABCD", "PaddedText": "ab", "PascalText": "Gö", "CText": "A", "LookupText": "xzy",
            "FixedBlob": "abc0", "Blob": "f001",
        }),
    );
}

#[test]
fn times_of_every_epoch() {
    // 2020-01-01T00:00:00.5 UTC is 1,261,872,018.5 s of GPS time.
    let milliseconds = 1_261_872_018_500u64;
    let unix = f64::to_bits(1.25);
    let packet = decode(&format!("05 {milliseconds:012X} 8000 {unix:016X} 0001 03"));
    engineering(
        &packet,
        &json!({
            "Gps": "2020-01-01T00:00:00.5Z", "Fine": "2020-01-01T00:00:01Z", "Unix": "1970-01-01T00:00:01.25Z",
            "Dated": "1958-01-02T00:00:00Z", "Span": 2.5,
        }),
    );
    assert_eq!(packet["time"], "2020-01-01T00:00:00.5Z");
}

#[test]
fn aggregates_and_arrays() {
    let packet = decode("06 02  07 0018  010203040506  0A 0000 0B 0002  0809");
    engineering(
        &packet,
        &json!({
            "Pair": { "a": 7, "b": 2.0 },
            "List": [{ "a": 10, "b": -10.0 }, { "a": 11, "b": -9.0 }],
            "Grid": [[null, null, null], [8, 9, null]],
        }),
    );
    assert_eq!(packet["values"]["Grid"]["earlier"][0]["raw"], json!([[1, 2, 3], [4, 5, 6]]));
    assert_eq!(packet["values"]["List"]["raw"], json!([{ "a": 10, "b": 0 }, { "a": 11, "b": 2 }]));
    let (database, _) = features();
    let names: Vec<&str> = database.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert!(names.contains(&"/Features/Pair.b") && names.contains(&"/Features/Grid[1][2]"));
}

#[test]
fn places_conditions_repeats_and_included_heirs() {
    // Count = 2; Extra at bit 8 of its container, which begins at 16; U3 after five bits, Flag after it;
    // two blocks from bit 40 with four bits between; two S8; Tail at the very end.
    let packet = decode("07 02 00 2A 07 01FE 0 02 0203 05 06 F 1234");
    engineering(
        &packet,
        &json!({ "Count": 2, "Extra": 42, "U3": 7, "Flag": false, "S8": 6, "Tail": 0x1234 }),
    );
    assert_eq!(packet["values"]["S8"]["earlier"], json!([{ "raw": -2, "eng": -2 }, { "raw": 5, "eng": 5 }]));
    assert_eq!(packet["values"]["Kind"]["eng"], 2);
}

#[test]
fn the_next_entry_and_values_of_earlier_packets() {
    let (database, plan) = features();
    let mut decoder = Decoder::new(plan);
    let mut values = Values::default();
    let last = database.find_parameter("Last").expect("there");
    for (count, expected) in [(7, Value::Absent), (9, Value::Unsigned(7))] {
        values.clear();
        decoder.decode(&[8, 0, 55, 0, count, 1], &mut values).expect("decodes");
        let extra =
            values.entries.iter().find(|entry| Some(entry.parameter) == database.find_parameter("Extra"));
        assert_eq!(extra.map(|entry| entry.eng), Some(Value::Unsigned(55)));
        let entry = values.entries.iter().find(|entry| entry.parameter == last).expect("there");
        if count == 9 {
            assert_eq!(entry.eng, expected);
        }
    }
}

#[test]
fn bad_packets_have_reasons_and_leave_nothing() {
    let (_, plan) = features();
    let mut decoder = Decoder::new(plan);
    let mut values = Values::default();
    let mut error = |hex: &str| {
        let error = decoder.decode(&octets(hex), &mut values).expect_err("no packet");
        assert!(values.entries.is_empty() && values.arena.is_empty());
        error
    };
    assert!(matches!(error(""), DecodeError::TooShort { needed: 8, available: 0, .. }));
    assert!(matches!(error("FF"), DecodeError::NoContainer { .. }));
    assert!(matches!(error("01 00"), DecodeError::TooShort { .. }));
    // A Pascal string longer than its buffer; a list of minus one elements is empty, of more than there is too short.
    assert!(matches!(error("04 01 41424344 616200FFFFFF 09 47"), DecodeError::BadSize { .. }));
    assert!(matches!(error("06 FF 07 0018 010203040506 0A"), DecodeError::TooShort { .. }));
}

#[test]
fn encoding_is_the_way_back() {
    let (database, plan) = features();
    let encoder = Encoder::new(&database, Arc::clone(&plan));
    let mut decoder = Decoder::new(plan);
    for hex in [
        "01 BFFFFFFFFFFFFFFE FFFFFFFFFFFFFFFF FF FFE 801 0102 1234 0D0C0B0A 0B0A0D0C 01",
        "02 3C00 40490FDB 4009 21FB54442D18 182D4454FB210940 50000004 400000000000",
        "03 85 0014 03 FFFC 96 07 09",
        "04 02 41424344 616200000000 02 47F6 0041 0000 0000 0000 787A79 ABC F001 0",
        "05 0000000003E8 8000 3FF0000000000000 0001 03",
    ] {
        let packet = octets(hex);
        let mut values = Values::default();
        let container = decoder.decode(&packet, &mut values).expect("decodes");
        let raw: Vec<_> = values.entries.iter().map(|entry| (entry.parameter, entry.raw)).collect();
        assert_eq!(encoder.encode(container, &raw, &values.arena).as_deref(), Ok(&packet[..]), "{hex}");
    }
    // What the restrictions demand is filled in, the rest is zero.
    let floats = database.find_container("Floats").expect("there");
    let packet = encoder.encode(floats, &[], &[]).expect("encodes");
    assert_eq!((packet[0], packet.len()), (2, 33));
    let linear = database.find_parameter("Linear").expect("there");
    assert_eq!(database.to_raw(linear, Value::Float(-12.0)), Some(Value::Signed(-4)));
}
