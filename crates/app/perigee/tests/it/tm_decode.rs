//! `perigee tm decode` held against what space_packet_parser makes of the same packets and databases.

use std::path::Path;
use std::process::{Command, Output};

use perigee_testkit::shared_data;
use serde_json::Value;

fn decode(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perigee"))
        .args(["tm", "decode"])
        .args(arguments)
        .output()
        .expect("it starts")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object on each line")).collect()
}

/// Octets are hexadecimal in both; numbers are compared as numbers, so that 7 and 7.0 are the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Decodes `packets` and compares the first of them with the expected values of every parameter.
fn check(database: &str, packets: &str, expected: &str, more: &[&str], total: usize) {
    let folder = Path::new("space-packet-parser");
    let Some(folder) = shared_data(folder) else { return };
    let file = |name: &str| folder.join(name).display().to_string();
    let mut arguments = vec!["--xtce".to_owned(), file(database)];
    arguments.extend(more.iter().map(ToString::to_string));
    arguments.push(file(packets));
    let output = decode(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decoded = lines(&output);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join(expected)).expect("expected values"))
            .expect("JSON");
    let expected = expected.as_array().expect("a list of packets");
    assert_eq!(decoded.len(), total, "packets");
    let mut differences = Vec::new();
    for (index, (packet, expected)) in decoded.iter().zip(expected).enumerate() {
        let values = packet["values"].as_object().expect("values");
        let expected = expected.as_object().expect("parameters");
        assert_eq!(values.len(), expected.len(), "parameters of packet {index}");
        for (name, pair) in expected {
            let found = &values[name];
            if !same(&found["raw"], &pair["raw"]) || !same(&found["eng"], &pair["derived"]) {
                differences.push(format!("packet {index}, {name}: {found}, expected {pair}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}

#[test]
fn jpss() {
    check(
        "jpss1_geolocation_xtce_v1.xml",
        "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
        "expected-jpss.json",
        &[],
        7200,
    );
}

#[test]
fn ctim() {
    check(
        "ctim_xtce_v1.xml",
        "ccsds_2021_155_14_39_51",
        "expected-ctim.json",
        &["--root", "CCSDSTelemetryPacket"],
        1499,
    );
}

#[test]
fn suda_behind_a_header_of_four_octets() {
    check(
        "suda_combined_science_definition.xml",
        "sciData_2022_130_17_41_53.spl",
        "expected-suda.json",
        &["--skip-header", "4"],
        13,
    );
}
