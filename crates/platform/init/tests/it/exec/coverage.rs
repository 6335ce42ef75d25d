//! No directive is said to be carried out which no test names.

use perigee_units::unit::Fate;
use perigee_units::unit::directive::tables;

/// The tests of this folder, and others that run units.
const TESTS: [&str; 4] = [
    include_str!("surroundings.rs"),
    include_str!("rights.rs"),
    include_str!("files.rs"),
    include_str!("calls.rs"),
];

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
