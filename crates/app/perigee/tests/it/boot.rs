//! Perigee as the first process of a real kernel, in a virtual machine: what only a machine can show.
//!
//! `make soak` makes the same tests long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use perigee_testkit::{End, Guest, Machine};

use crate::support::PERIGEE;

/// How long anything may take where processors are emulated and shared.
const LIMIT: Duration = Duration::from_secs(150);

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest")
}

/// A machine with Perigee as `/init`, the units of the tests, and what they call; or none.
fn guest() -> Option<Guest> {
    let mut guest = Guest::new()?
        .program("/bin/perigee", PERIGEE)
        .compiled("/bin/helper", files().join("helper.c"))
        .copy("/tests/checks", files().join("checks"))
        .copy("/tests/services", files().join("services"));
    for (folder, inside) in [("units", "/etc/systemd/system"), ("debian", "/debian")] {
        for unit in std::fs::read_dir(files().join(folder)).unwrap().map(Result::unwrap) {
            guest = guest.copy(&format!("{inside}/{}", unit.file_name().display()), unit.path());
        }
    }
    Some(guest)
}

fn soak() -> bool {
    std::env::var_os("PERIGEE_SOAK").is_some()
}

/// Every check in the guest has passed, and these were among them.
fn passed(machine: &Machine, wanted: &[&str]) {
    let report = machine.report();
    let failed: Vec<_> = report.iter().filter(|line| line.starts_with("FAILED")).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{machine}");
    for name in wanted {
        let found = report.iter().any(|line| line.split_whitespace().take(2).eq(["ok", name]));
        assert!(found, "{name} was not checked\n{machine}");
    }
}

/// The first process is told so by these signals, of which C libraries use the first two themselves.
const POWER_OFF: u32 = 34 + 4;
const REBOOT: u32 = 34 + 5;

#[test]
fn a_bare_machine_is_kept_and_ended_in_order() {
    let Some(guest) = guest() else { return };
    let (orphans, kills) = if soak() { (200_000, 2_000) } else { (2_000, 20) };
    let machine = guest
        .link("/init", "bin/perigee")
        .link("/etc/systemd/system/default.target", "tests.target")
        .file("/tests/settings", format!("ORPHANS={orphans} KILLS={kills} END={POWER_OFF}\n"))
        .boot();
    machine.wait_for_report("end", if soak() { 20 * LIMIT } else { LIMIT });
    assert_eq!(machine.wait_for_end(LIMIT), End::PoweredOff, "{machine}");
    passed(
        &machine,
        &[
            "first-process",
            "mounted",
            "own-group",
            "failure",
            "stubborn",
            "memory-limit",
            "tasks-limit",
            "orphans",
            "kill-storm",
        ],
    );
    let report = machine.report();
    let stops: Vec<_> = report.iter().filter(|line| line.starts_with("stopped")).collect();
    assert_eq!(stops, ["stopped second", "stopped first"], "{machine}");
}

#[test]
fn a_small_debian_runs_its_packaged_services_and_a_station() {
    let Some(guest) = guest() else { return };
    let machine = guest
        .copy("/init", files().join("into-debian"))
        .file("/tests/settings", format!("END={REBOOT}\n"))
        .debian()
        .boot();
    machine.wait_for_report("end", LIMIT);
    assert_eq!(machine.wait_for_end(LIMIT), End::Reset, "{machine}");
    assert!(!machine.console().contains("Kernel panic"), "{machine}");
    passed(&machine, &["as-packaged", "redis", "nginx", "station", "stopped"]);
}
