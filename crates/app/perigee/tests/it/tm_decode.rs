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

/// One container: a header, a calibrated voltage, a mode, a name with a comma, two octets.
const DATABASE: &str = r#"<SpaceSystem xmlns="http://www.omg.org/spec/XTCE/20180204" name="Sat"><TelemetryMetaData>
<ParameterTypeSet>
 <BinaryParameterType name="Header"><BinaryDataEncoding><SizeInBits><FixedValue>48</FixedValue></SizeInBits></BinaryDataEncoding></BinaryParameterType>
 <FloatParameterType name="Volts"><IntegerDataEncoding sizeInBits="16"><DefaultCalibrator><PolynomialCalibrator>
  <Term coefficient="0" exponent="0"/><Term coefficient="0.5" exponent="1"/></PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding></FloatParameterType>
 <EnumeratedParameterType name="Mode"><IntegerDataEncoding sizeInBits="8"/><EnumerationList>
  <Enumeration value="0" label="OFF"/><Enumeration value="1" label="ON"/></EnumerationList></EnumeratedParameterType>
 <StringParameterType name="Name"><StringDataEncoding><SizeInBits><Fixed><FixedValue>24</FixedValue></Fixed></SizeInBits></StringDataEncoding></StringParameterType>
</ParameterTypeSet>
<ParameterSet><Parameter name="Header" parameterTypeRef="Header"/><Parameter name="Voltage" parameterTypeRef="Volts"/>
 <Parameter name="Mode" parameterTypeRef="Mode"/><Parameter name="Name" parameterTypeRef="Name"/></ParameterSet>
<ContainerSet><SequenceContainer name="Housekeeping"><EntryList><ParameterRefEntry parameterRef="Header"/>
 <ParameterRefEntry parameterRef="Voltage"/><ParameterRefEntry parameterRef="Mode"/><ParameterRefEntry parameterRef="Name"/>
</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"#;

/// Three packets, each behind two octets of a recorder; the last is cut short.
fn recording() -> Vec<u8> {
    let packet = |count: u8, volts: u16, mode: u8| {
        let mut packet = vec![0xee, 0xee, 0x00, 0x05, 0xc0, count, 0x00, 0x05];
        packet.extend(volts.to_be_bytes());
        packet.push(mode);
        packet.extend(b"a,b");
        packet
    };
    let mut recording = [packet(0, 10, 0), packet(1, 21, 1), packet(2, 30, 1)].concat();
    recording.pop();
    recording
}

#[test]
fn every_format_has_the_same_values_and_a_short_file_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (database, packets) = (path("db.xml"), path("packets"));
    std::fs::write(&database, DATABASE).expect("written");
    std::fs::write(&packets, recording()).expect("written");
    let run = |more: &[&str]| {
        let all = [&["--xtce", &database, "--skip-header", "2", &packets], more].concat();
        let output = decode(&all);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("13 octets"), "{said}");
        output
    };
    let decoded = lines(&run(&[]));
    let eng: Vec<_> = decoded.iter().map(|packet| packet["values"]["Voltage"]["eng"].as_f64()).collect();
    assert_eq!(eng, [Some(5.0), Some(10.5)]);
    assert_eq!(decoded[1]["values"]["Header"]["raw"], "0005c0010005");
    assert_eq!(decoded[1]["container"], "Housekeeping");

    let output = run(&["--format", "csv"]);
    let csv = String::from_utf8_lossy(&output.stdout);
    assert!(csv.starts_with("packet,time,container,parameter,raw,eng\n"), "{csv}");
    assert!(csv.contains("1,,/Sat/Housekeeping,/Sat/Voltage,21,10.5\n"), "{csv}");
    assert!(csv.contains("0,,/Sat/Housekeeping,/Sat/Name,\"a,b\",\"a,b\"\n"), "{csv}");

    assert!(run(&["--format", "parquet", "-o", &path("out")]).status.success());
    let file = std::fs::File::open(path("out/Sat.Housekeeping.parquet")).expect("a file for the container");
    let reader = parquet::file::reader::SerializedFileReader::new(file).expect("Parquet");
    let rows: Vec<_> = reader.into_iter().map(|row| row.expect("a row").to_string()).collect();
    assert_eq!(rows.len(), 2);
    for part in [
        "/Sat/Voltage: 10.5",
        "/Sat/Voltage.raw: 21",
        "/Sat/Mode: \"ON\"",
        "/Sat/Name: \"a,b\"",
        "time: null",
    ] {
        assert!(rows[1].contains(part), "{part} in {}", rows[1]);
    }

    assert_eq!(run(&["--strict"]).status.code(), Some(3));
    let wrong = decode(&["--xtce", &packets, &packets]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(
        decode(&["--format", "parquet", "--xtce", "x", "y"]).status.code(),
        Some(2),
        "parquet needs --output"
    );
}
