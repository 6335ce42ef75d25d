//! No directive is said to be carried out which no test names.

use perigee_exec::Context;
use perigee_units::unit::directive::tables;
use perigee_units::unit::{Fate, Host, Source, Unit, UnitName};

/// The tests of this folder, and others that run units.
const TESTS: [&str; 7] = [
    include_str!("surroundings.rs"),
    include_str!("rights.rs"),
    include_str!("files.rs"),
    include_str!("calls.rs"),
    include_str!("sharing.rs"),
    include_str!("../../../log/tests/it/logging.rs"),
    include_str!("../../../../platform/init/tests/it/sharing.rs"),
];

/// What the packages of this machine say of their processes is understood, every word.
#[test]
fn the_services_of_this_machine_are_understood() {
    let folder = std::path::Path::new("/lib/systemd/system");
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("SKIPPED the_services_of_this_machine_are_understood: {} is not there", folder.display());
        return;
    };
    let mut problems = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(name) = path.file_name().and_then(|name| UnitName::parse(name.to_str()?).ok()) else {
            continue;
        };
        let Ok(text) = std::fs::read(&path) else { continue };
        let unit = Unit::read(name, &[Source { path: path.clone(), text }], &Host::default());
        let context = Context::read(&unit);
        problems.extend(context.problems().iter().map(|problem| format!("{}: {problem}", path.display())));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_is_carried_out_is_tested() {
    let rows = tables("Service").into_iter().find(|table| table.iter().any(|row| row.name == "PrivateTmp"));
    let carried: Vec<_> =
        rows.unwrap().iter().filter(|row| row.fate == Fate::CarriedOut).map(|row| row.name).collect();
    assert!(carried.len() > 100, "{} directives are carried out", carried.len());
    let named = |name: &&&str| {
        TESTS.iter().any(|test| test.contains(&format!("{name}=")) || test.contains(&format!("\"{name}\"")))
    };
    // A kind of folder stands for five directives there.
    let made = |name: &&&str| name.ends_with("Directory") || name.ends_with("DirectoryMode");
    let untested: Vec<_> = carried.iter().filter(|name| !named(name) && !made(name)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
