//! The units of the machine at hand.

use std::collections::BTreeMap;

use perigee_files::{SearchPath, host};
use perigee_mount::Mount;
use perigee_trigger::{path::Paths, socket::SocketSpec, timer::now};
use perigee_units::calendar::TimeZone;
use perigee_units::timer::{Around, Next, Timer};
use perigee_units::unit::Unit;

/// The triggers that come with the distribution are understood, each of them.
#[test]
fn every_trigger_of_this_machine() {
    let search = SearchPath::system();
    let names = search.names().unwrap();
    let mut seen = BTreeMap::<&str, u32>::new();
    for name in names.into_iter().filter(|name| !name.is_template()) {
        let Ok(files) = search.find(&name) else { continue };
        let unit = Unit::read(files.name.clone(), &files.sources().unwrap(), &host());
        match name.kind().suffix() {
            "socket" => {
                let spec = SocketSpec::read(&unit).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(!spec.listens.is_empty(), "{name}");
            }
            "timer" => {
                let around =
                    Around { container: false, startup: now().unwrap(), zone: TimeZone::utc(), spread: 0 };
                let mut timer = Timer::read(&unit, None, 0);
                timer.start(around.startup, None, &around);
                assert_ne!(timer.next(), Next::default(), "{name}");
            }
            "path" => assert!(Paths::read(&unit).unit().kind().suffix() == "service", "{name}"),
            "mount" => assert!(Mount::read(&unit).unwrap().stop(&Default::default()).is_ok(), "{name}"),
            _ => continue,
        }
        *seen.entry(name.kind().suffix()).or_default() += 1;
    }
    if seen.len() < 4 {
        eprintln!("SKIPPED part of every_trigger_of_this_machine: it has only {seen:?}");
    }
}
