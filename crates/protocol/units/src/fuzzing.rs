//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use std::time::Duration;

use crate::calendar::{Calendar, TimeZone};
use crate::device::{self, Uevent};
use crate::health::http::{Address, LONGEST_HEAD, status};
use crate::notify::Message;
use crate::system::System;
use crate::tasks::{Fault, MOST_TASKS, Order, Said};
use crate::unit::{Host, Source, Unit, UnitKind, UnitName, Value};

/// A unit file of any kind, with a drop-in behind a line `%%%`: what is read has a line in its file, every
/// complaint too, and reading it twice gives the same.
pub fn unit_file(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let kind = UnitKind::ALL[usize::from(*first) % UnitKind::ALL.len()];
    let name = UnitName::parse(&format!("a-b@c\\x2dd.{}", kind.suffix())).expect("a name");
    let at = text.windows(5).position(|part| part == b"\n%%%\n").unwrap_or(text.len());
    let (text, dropin) = text.split_at(at);
    let sources = [("unit", text), ("dropin", dropin.strip_prefix(b"\n%%%\n").unwrap_or(dropin))]
        .map(|(path, text)| Source { path: path.into(), text: text.to_vec() });
    let host = Host::default();
    let unit = Unit::read(name.clone(), &sources, &host);
    let lines = sources.each_ref().map(|source| source.text.split(|octet| *octet == b'\n').count() as u32);
    for setting in &unit.settings {
        assert!((1..=lines[setting.file]).contains(&setting.line), "{setting:?}");
        if let Value::Commands(commands) = &setting.value {
            for command in commands {
                assert!(!command.program.is_empty() && !command.arguments.is_empty());
                command.substituted(|name| name.len().is_multiple_of(2).then_some("a 'b c"));
            }
        }
    }
    for complaint in &unit.complaints {
        let file =
            sources.iter().position(|source| source.path == complaint.file).expect("a file of the unit");
        assert!(complaint.line <= lines[file], "{complaint}");
        assert!(!complaint.to_string().is_empty());
    }
    let again = Unit::read(name, &sources, &host);
    assert_eq!((unit.settings, unit.complaints), (again.settings, again.complaints));
    let (_, complaints) = System::read(&sources);
    assert!(complaints.iter().all(|complaint| complaint.line <= lines[0].max(lines[1])));
}

/// A calendar expression: its normal form means the same, and time goes on.
pub fn calendar(data: &[u8]) {
    let Some((base, text)) = data.split_at_checked(6) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(calendar) = Calendar::parse(text) else { return };
    let normal = calendar.to_string();
    assert_eq!(Calendar::parse(&normal).as_ref(), Ok(&calendar), "{text} is {normal}");
    let utc = TimeZone::utc();
    let mut at = base.iter().fold(0, |at, octet| at << 8 | i64::from(*octet)) * 32;
    for _ in 0..4 {
        let Some(next) = calendar.next_after(at, &utc) else { return };
        assert!(next > at, "{normal} elapses at {next} after {at}");
        // Nothing lies between.
        assert_eq!(calendar.next_after(next - 1, &utc), Some(next), "{normal} at {at}");
        at = next;
    }
}

/// An answer to a health check: what is known of it after any number of its octets stays so when more come, and no more
/// of them count than are read.
pub fn health_answer(data: &[u8]) {
    let mut known = None;
    for length in 0..=data.len() {
        let found = status(&data[..length]);
        if let Some(known) = known {
            assert_eq!(found, known, "{length}");
        } else if found != Ok(None) {
            known = Some(found);
        }
    }
    assert!(known.is_some() || data.len() < LONGEST_HEAD);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = Address::http(text) {
        let request = address.request();
        assert_eq!(request.matches("\r\n").count(), 6, "{request}");
        assert_eq!(Address::http(&address.to_string()).as_ref(), Ok(&address));
    }
    if let Ok(address) = Address::tcp(text) {
        assert_eq!(Address::tcp(&address.to_string()), Ok(address));
    }
}

/// A notification: whatever was read, written again in the words of the protocol, is read as the same.
pub fn notify(data: &[u8]) {
    let message = Message::parse(data);
    let flags = [
        (message.ready, "READY=1"),
        (message.reloading, "RELOADING=1"),
        (message.stopping, "STOPPING=1"),
        (message.watchdog, "WATCHDOG=1"),
        (message.watchdog_trigger, "WATCHDOG=trigger"),
        (message.store, "FDSTORE=1"),
        (message.store_remove, "FDSTOREREMOVE=1"),
        (message.barrier, "BARRIER=1"),
    ];
    let mut lines: Vec<String> =
        flags.iter().filter(|(said, _)| *said).map(|(_, line)| (*line).to_owned()).collect();
    let micros =
        |name: &str, length: Option<Duration>| length.map(|length| format!("{name}={}", length.as_micros()));
    lines.extend(micros("MONOTONIC_USEC", message.monotonic));
    lines.extend(micros("WATCHDOG_USEC", message.watchdog_interval));
    lines.extend(micros("EXTEND_TIMEOUT_USEC", message.extend));
    lines.extend(message.status.as_ref().map(|status| format!("STATUS={status}")));
    lines.extend(message.errno.map(|errno| format!("ERRNO={errno}")));
    lines.extend(message.main_pid.map(|pid| format!("MAINPID={pid}")));
    lines.extend(message.descriptor_name.as_ref().map(|name| format!("FDNAME={name}")));
    assert_eq!(Message::parse(lines.join("\n").as_bytes()), message);
}

/// A packet about tasks, from either side: what was understood, written again, is understood as the same, and no task
/// needs one that does not stand before it.
pub fn tasks(data: &[u8]) {
    if let Ok(order) = Order::parse(data) {
        assert_eq!(Order::parse(&order.packet()), Ok(order));
    }
    let Ok(said) = Said::parse(data) else { return };
    match said.packet() {
        Ok(packet) => assert_eq!(Said::parse(&packet).as_ref(), Ok(&said)),
        // A task without a description is written with an empty one.
        Err(fault) => assert!(fault == Fault::Long && matches!(said, Said::Tasks(_)), "{said:?}"),
    }
    let Said::Tasks(tasks) = said else { return };
    assert!(tasks.len() <= MOST_TASKS);
    for (place, task) in tasks.iter().enumerate() {
        crate::unit::UnitName::parse(&task.unit()).expect("the name of a unit");
        assert!(task.needs.iter().all(|needed| tasks[..place].iter().any(|before| before.name == *needed)));
        assert_eq!(task.spec().relations.len(), 2 * task.needs.len());
    }
}

/// A message about a device: the units that it is about are units of devices, and the device is at one of the paths that
/// it says.
pub fn uevent(data: &[u8]) {
    let Ok(event) = Uevent::parse(data) else { return };
    assert!(data.len() <= device::LONGEST && event.path.starts_with('/'));
    for unit in event.units() {
        let places = device::places(&unit);
        assert!(!places.is_empty(), "{unit} is nowhere");
        let names = [Some(&event.path), event.old_path.as_ref(), event.node.as_ref()];
        let ends = |place: &String| {
            names.iter().flatten().any(|name| place.ends_with(name.rsplit('/').next().unwrap_or_default()))
        };
        assert!(places.iter().all(ends), "{places:?}");
        assert!(places.iter().all(|place| !place.contains("/../")), "{places:?}");
    }
}
