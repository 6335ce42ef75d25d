//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use perigee_units::unit::{Host, Source, Unit, UnitName};

use crate::{Context, environment};

/// A service's file, and a file of variables behind a line `%%%`: filters jump nowhere but forward and within, and end;
/// variables have names and no more text than was given.
pub fn service(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, variables) = text.split_once("\n%%%\n").unwrap_or((&text, ""));
    let name = UnitName::parse("a@b.service").expect("a name");
    let source = Source { path: "a@.service".into(), text: file.as_bytes().to_vec() };
    let context = Context::read(&Unit::read(name, &[source], &Host::default()));
    for program in context.filters() {
        for (place, instruction) in program.iter().enumerate() {
            let farthest = match instruction.code {
                0x05 => instruction.k as usize,
                0x15 | 0x35 | 0x45 => usize::from(instruction.jt.max(instruction.jf)),
                _ => 0,
            };
            let returns = instruction.code == 0x06;
            assert!(returns || place + farthest + 1 < program.len(), "{place} of {}", program.len());
        }
    }
    let (pairs, wrong) = environment::parse(variables);
    assert!(pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= variables.len());
    assert!(pairs.iter().all(|(name, _)| !name.is_empty() && !name.contains(['=', '\n'])));
    // A carriage return ends a line too, with or without a new line behind it.
    assert!(wrong.len() + pairs.len() <= variables.split(['\n', '\r']).count());
}
