//! Fixed layouts in bulk on one core, beside ccsdspy, on the same files with the same fields.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use perigee_xtce::{Columns, Database, LoadOptions, Plan};

use crate::measure::best_of;
use crate::table::{Row, count};
use crate::xtce::{python, shared};

/// Recordings of housekeeping packets that hold numbers alone, with the octets of each packet: text has no
/// column with us.
const LAYOUTS: [(&str, &str, usize); 2] = [
    ("apid035", "SSAT1_2015-180-00-00-00_2015-180-01-59-59_35_1_sim.tlm", 51),
    ("apid895", "SSAT1_2015-180-00-00-00_2015-180-01-59-56_895_1_sim.tlm", 34),
];
const RUNS: usize = 7;

pub fn run() -> anyhow::Result<Vec<Row>> {
    LAYOUTS.iter().map(|(folder, file, octets)| layout(folder, file, *octets)).collect()
}

/// Both read the file and give one typed column for each field.
fn layout(folder: &str, file: &str, packet_octets: usize) -> anyhow::Result<Row> {
    let definition = shared(&format!("ccsdspy/hs/{folder}/defs.csv"))?;
    let recording = shared(&format!("ccsdspy/hs/{folder}/{file}"))?;
    let loaded = Database::load(&xtce(&std::fs::read_to_string(&definition)?)?, LoadOptions::default())?;
    let plan = Plan::compile(&loaded.database, None)?;
    let mut columns = Columns::new(&plan, plan.root())?;
    let packets = std::fs::metadata(&recording)?.len() as usize / packet_octets;

    let ours = best_of(
        RUNS,
        || (),
        |()| {
            let octets = std::fs::read(&recording).expect("it was there before");
            columns.clear();
            assert_eq!(columns.decode_strided(&octets, packet_octets), 0, "packets were refused");
        },
    );
    let (their_packets, theirs) = peer(&definition, &recording)?;
    anyhow::ensure!(packets == their_packets, "ccsdspy found {their_packets} of {packets} packets");
    let per_second = packets as f64 / ours;
    Ok(Row {
        work: format!("bulk decode of a fixed layout, {} columns", columns.columns().len()),
        ours: count(per_second, "packets"),
        peer: "ccsdspy".into(),
        theirs: count(packets as f64 / theirs, "packets"),
        ratio: theirs / ours,
        wanted: Some(2.0),
        limit: format!("reading the file included: {packet_octets} octets a packet"),
    })
}

fn peer(definition: &Path, recording: &Path) -> anyhow::Result<(usize, f64)> {
    let output = python("ccsdspy_bulk.py")?.arg(definition).arg(recording).arg(RUNS.to_string()).output()?;
    anyhow::ensure!(output.status.success(), "ccsdspy_bulk.py: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (packets, seconds) = text.trim().split_once(' ').context("ccsdspy_bulk.py said too little")?;
    Ok((packets.parse()?, seconds.parse()?))
}

/// The definition (name, data_type, bit_offset, bit_length) as XTCE, the primary header in front as ccsdspy has it.
fn xtce(definition: &str) -> anyhow::Result<String> {
    let header = [3, 1, 1, 11, 2, 14, 16];
    let mut fields = Vec::new();
    let mut at = 0;
    for (index, bits) in header.into_iter().enumerate() {
        fields.push((format!("HEADER_{index}"), "uint".to_owned(), at, bits));
        at += bits;
    }
    for line in definition.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [name, kind, offset, bits, ..] = cells[..] else { anyhow::bail!("not a field: {line}") };
        fields.push((name.replace(['[', ']'], "_"), kind.to_owned(), offset.parse()?, bits.parse()?));
    }
    let (mut types, mut parameters, mut entries) = (String::new(), String::new(), String::new());
    for (name, kind, at, bits) in fields {
        let (element, encoding) = match kind.as_str() {
            "float" => ("Float", format!("<FloatDataEncoding sizeInBits='{bits}'/>")),
            "int" => {
                ("Integer", format!("<IntegerDataEncoding sizeInBits='{bits}' encoding='twosComplement'/>"))
            }
            "uint" => ("Integer", format!("<IntegerDataEncoding sizeInBits='{bits}'/>")),
            other => anyhow::bail!("{name} is a {other}, which has no column"),
        };
        write!(types, "<{element}ParameterType name='{name}'>{encoding}</{element}ParameterType>")?;
        write!(parameters, "<Parameter name='{name}' parameterTypeRef='{name}'/>")?;
        write!(
            entries,
            "<ParameterRefEntry parameterRef='{name}'><LocationInContainerInBits \
             referenceLocation='containerStart'><FixedValue>{at}</FixedValue></LocationInContainerInBits>\
             </ParameterRefEntry>"
        )?;
    }
    Ok(format!(
        "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet>{types}</ParameterTypeSet>\
         <ParameterSet>{parameters}</ParameterSet><ContainerSet><SequenceContainer name='P'>\
         <EntryList>{entries}</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"
    ))
}
