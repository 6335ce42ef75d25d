//! Fixed layouts in columns, against ccsdspy 2.0.1: its packet definitions, turned into XTCE here.

use std::fmt::Write as _;
use std::fs;

use perigee_testkit::shared_data;
use perigee_xtce::{Columns, Database, LoadOptions, Plan};

use crate::packets::packets;

/// Splits a line of CSV; quotes may hold commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            character => cells.last_mut().expect("one").push(character),
        }
    }
    cells
}

/// A ccsdspy definition as XTCE: the primary header, then each number at its bit; with the places that
/// the numbers have among ccsdspy's columns.
fn xtce(definition: &str) -> Option<(String, Vec<usize>)> {
    let header = [
        ("VERSION", 3),
        ("TYPE", 1),
        ("FLAG", 1),
        ("APID", 11),
        ("SEQUENCE", 2),
        ("COUNT", 14),
        ("LENGTH", 16),
    ];
    let mut fields: Vec<(String, String, u32, u32)> = Vec::new();
    let mut bit = 0;
    for (name, bits) in header {
        fields.push((name.into(), "uint".into(), bits, bit));
        bit += bits;
    }
    let mut lines = definition.lines();
    let columns = cells(lines.next()?);
    let column = |name| columns.iter().position(|own| own == name);
    let (name, kind, length) = (column("name")?, column("data_type")?, column("bit_length")?);
    for (index, line) in lines.enumerate() {
        let cells = cells(line);
        // ccsdspy counts `bit_offset` from the start of the packet; without it fields follow each other.
        let at = match column("bit_offset") {
            Some(offset) => cells[offset].parse::<u32>().ok()?,
            None => bit,
        };
        let bits = cells[length].parse().ok()?;
        bit = at + bits;
        let plain: String = cells[name].chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        fields.push((format!("{plain}_{index}"), cells[kind].clone(), bits, at));
    }
    let (mut types, mut parameters, mut entries) = (String::new(), String::new(), String::new());
    let mut kept = Vec::new();
    for (index, (name, kind, bits, at)) in fields.into_iter().enumerate() {
        let _ = match kind.as_str() {
            "float" => write!(
                types,
                "<FloatParameterType name='{name}'><FloatDataEncoding sizeInBits='{bits}'/></FloatParameterType>"
            ),
            "int" => write!(
                types,
                "<IntegerParameterType name='{name}'><IntegerDataEncoding sizeInBits='{bits}' encoding='twosComplement'/></IntegerParameterType>"
            ),
            "uint" => write!(
                types,
                "<IntegerParameterType name='{name}' signed='false'><IntegerDataEncoding sizeInBits='{bits}'/></IntegerParameterType>"
            ),
            // Strings have no column.
            _ => continue,
        };
        kept.push(index);
        let _ = write!(parameters, "<Parameter name='{name}' parameterTypeRef='{name}'/>");
        let _ = write!(
            entries,
            "<ParameterRefEntry parameterRef='{name}'><LocationInContainerInBits referenceLocation='containerStart'><FixedValue>{at}</FixedValue></LocationInContainerInBits></ParameterRefEntry>"
        );
    }
    let xtce = format!(
        "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet>{types}</ParameterTypeSet>\
         <ParameterSet>{parameters}</ParameterSet><ContainerSet><SequenceContainer name='P'>\
         <EntryList>{entries}</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"
    );
    Some((xtce, kept))
}

fn check(folder: &str) -> Option<()> {
    let folder_path = shared_data(format!("ccsdspy/hs/{folder}"))?;
    let definition = fs::read_to_string(folder_path.join("defs.csv")).expect("readable");
    let expected = fs::read_to_string(folder_path.join(format!("expected-{folder}.csv"))).expect("readable");
    let files = fs::read_dir(&folder_path).expect("readable").filter_map(Result::ok);
    let recording =
        files.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|own| own == "tlm"))?;
    let octets = fs::read(recording).expect("readable");

    let (xtce, kept) = xtce(&definition).expect("a definition");
    let loaded = Database::load(&xtce, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    let mut columns = Columns::new(&plan, plan.root()).expect("fixed");
    assert_eq!(columns.decode(packets(&octets, 0)), 0);

    let mut rows = expected.lines();
    rows.next()?;
    let mut compared = 0;
    for (row, line) in rows.enumerate() {
        let cells = cells(line);
        for (index, (_, column)) in kept.iter().zip(columns.columns()) {
            let own = column.get(row).as_f64().expect("a number");
            match cells[*index].parse::<f64>() {
                Ok(expected) => {
                    let same = own == expected || own.is_nan() && expected.is_nan();
                    assert!(same, "{folder} row {row} column {index}: {own} is not {expected}");
                }
                // Labels of ccsdspy's own conversions.
                Err(_) => continue,
            }
            compared += 1;
        }
    }
    println!("{folder}: {compared} values compared");
    assert!(compared > 1000);
    Some(())
}

#[test]
fn the_housekeeping_layouts_of_ccsdspy() {
    for folder in ["apid001", "apid010", "apid035", "apid130", "apid251", "apid895"] {
        check(folder);
    }
}
