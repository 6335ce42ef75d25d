//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use perigee_units::unit::{Host, Level, Source, Unit, UnitKind, UnitName};

use crate::{Mount, parse_mounts, read_fstab};

/// An fstab(5), and a table of mounts behind a line `%%%`: every unit that is made has no fault, and every mount has a
/// unit that says the same of it.
pub fn mounts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (lines, table) = text.split_once("\n%%%\n").unwrap_or((&text, ""));
    let (units, notes) = read_fstab(lines);
    assert!(units.len() + notes.len() <= 8 * (lines.lines().count() + 1));
    for made in units {
        let unit = read(&made.name, made.text.into_bytes());
        let place = unit.name.kind() == UnitKind::Mount;
        assert!(!place || Mount::read(&unit).is_some(), "{}", made.name);
    }
    for mounted in parse_mounts(table).into_values() {
        let Some(name) = mounted.name() else { continue };
        let unit = Unit::read(name, &[mounted.source()], &Host::default());
        if let Some(mount) = Mount::read(&unit) {
            assert!(mount.is_found());
        }
    }
}

fn read(name: &str, text: Vec<u8>) -> Unit {
    let name = UnitName::parse(name).expect("a name");
    let unit = Unit::read(name, &[Source { path: "fstab".into(), text }], &Host::default());
    let fault = unit.complaints.iter().find(|complaint| complaint.level() >= Level::Ignored);
    assert!(fault.is_none(), "{fault:?}");
    unit
}
