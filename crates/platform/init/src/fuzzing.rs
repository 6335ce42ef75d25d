//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use perigee_units::unit::{Host, Level, Source, Unit, UnitKind, UnitName};

use crate::bus;
use crate::control::Request;
use crate::exec::{Context, environment};
use crate::supervisor;
use crate::trigger::mount::{self, Mount};
use crate::trigger::socket::{Address, Listen, SocketSpec};

/// Octets from the message bus: what has a length is read or refused, and reads no further than that length.
pub fn bus(data: &[u8]) {
    let Ok(Some(length)) = bus::length(data) else { return };
    let Some(octets) = data.get(..length) else { return };
    let read = bus::parse(octets);
    // What follows is another message's.
    let mut more = octets.to_vec();
    more.extend([0xa5; 64]);
    if let Ok(message) = read {
        assert_eq!(bus::parse(&more), Ok(message));
    }
}

/// A line from the control socket: what is a request is the same one after it was written again.
pub fn control(data: &[u8]) {
    let Ok(request) = supervisor::parse(data) else { return };
    let text = serde_json::to_vec(&request).expect("a request has a text");
    assert_eq!(serde_json::from_slice::<Request>(&text).ok(), Some(request));
}

/// An fstab(5), and a table of mounts behind a line `%%%`: every unit that is made has no fault, and every mount has a
/// unit that says the same of it.
pub fn mounts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (lines, table) = text.split_once("\n%%%\n").unwrap_or((&text, ""));
    let (units, notes) = mount::read_fstab(lines);
    assert!(units.len() + notes.len() <= 8 * (lines.lines().count() + 1));
    for made in units {
        let unit = read(&made.name, made.text.into_bytes());
        let place = unit.name.kind() == UnitKind::Mount;
        assert!(!place || Mount::read(&unit).is_some(), "{}", made.name);
    }
    for mounted in mount::parse_mounts(table).into_values() {
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

/// A `.socket` file: what can be listened at is shown as it is read again.
pub fn socket(data: &[u8]) {
    let text = [b"[Socket]\n", data].concat();
    let name = UnitName::parse("a-b@c.socket").expect("a name");
    let unit = Unit::read(name, &[Source { path: "socket".into(), text }], &Host::default());
    let Ok(spec) = SocketSpec::read(&unit) else { return };
    for listen in &spec.listens {
        if let Listen::Stream(address) | Listen::Datagram(address) | Listen::Packet(address) = listen {
            assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(address));
        }
    }
}

/// A service's file, and a file of variables behind a line `%%%`: filters jump nowhere but forward and within, and end;
/// variables have names and no more text than was given.
pub fn exec(data: &[u8]) {
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
    assert!(wrong.len() + pairs.len() <= variables.lines().count() + 1);
}
