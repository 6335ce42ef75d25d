//! One run in a virtual machine.

use std::path::Path;

use anyhow::Context;
use perigee_testkit::Guest;

use super::place::{PATIENCE, Programs, bench_folder};

pub fn run(programs: &Programs, arguments: &[String]) -> anyhow::Result<Vec<String>> {
    let mut guest = Guest::new().context("no virtual machine")?;
    let plain = arguments[0] == "perigee" && arguments[1] == "boot";
    guest = guest.disk(if plain { &programs.plain_image } else { &programs.image });
    guest = guest.copy("/init", bench_folder().join("init/in-guest"));
    guest = guest.file("/bench/arguments", arguments.join(" "));
    guest = put(guest, programs.folder.path(), "/bench")?;
    let machine = guest.boot();
    machine.wait_for_report("end", PATIENCE);
    let lines = machine.report();
    machine.wait_for_end(PATIENCE);
    Ok(lines)
}

/// A folder of the host, with all below it.
fn put(mut guest: Guest, from: &Path, inside: &str) -> anyhow::Result<Guest> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let inside = format!("{inside}/{}", entry.file_name().display());
        guest = if entry.file_type()?.is_dir() {
            put(guest, &entry.path(), &inside)?
        } else {
            guest.copy(&inside, entry.path())
        };
    }
    Ok(guest)
}
