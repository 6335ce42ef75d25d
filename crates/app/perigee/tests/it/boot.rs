//! Perigee as the first process of a real kernel, in a virtual machine: what only a machine can show.
//!
//! `make soak` makes the same tests long.

use std::path::{Path, PathBuf};
use std::process::Command;
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
        .file("/tests/settings", "");
    for script in ["words", "checks", "services", "faults", "hangs"] {
        guest = guest.copy(&format!("/tests/{script}"), files().join(script));
    }
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
    // What was counted and measured, for who reads the run.
    for line in report.iter().filter(|line| line.starts_with("ok ") && line.contains('=')) {
        eprintln!("{} after {:.0} s", line.trim_start_matches("ok "), machine.up_for().as_secs_f64());
    }
    assert!(failed.is_empty(), "{failed:#?}\n{machine}");
    for name in wanted {
        let found = report.iter().any(|line| line.split_whitespace().take(2).eq(["ok", name]));
        assert!(found, "{name} was not checked\n{machine}");
    }
}

/// The first process is told so by these signals, of which C libraries use the first two themselves.
const END_IN_ORDER: u32 = 34 + 3;
const POWER_OFF: u32 = 34 + 4;
const REBOOT: u32 = 34 + 5;

#[test]
fn a_bare_machine_is_kept_and_ended_in_order() {
    let Some(guest) = guest() else { return };
    let (orphans, kills) = if soak() { (200_000, 2_000) } else { (2_000, 20) };
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let machine = guest
        .link("/init", "bin/perigee")
        .link("/etc/systemd/system/default.target", "tests.target")
        .file("/tests/settings", format!("ORPHANS={orphans} KILLS={kills} END={POWER_OFF}\n"))
        .new_disk(&disk, 32)
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
            "cpu-limit",
            "io-limit",
            "orphans",
            "kill-storm",
        ],
    );
    stopped_in_order(&machine);
    is_clean(&disk, &machine);
}

fn stopped_in_order(machine: &Machine) {
    let report = machine.report();
    let stops: Vec<_> = report.iter().filter(|line| line.starts_with("stopped")).collect();
    assert_eq!(stops, ["stopped second", "stopped first"], "{machine}");
}

/// The file system was mounted and written to, and let go of as a whole.
fn is_clean(disk: &Path, machine: &Machine) {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(disk).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, header) = told("dumpe2fs", &["-h"]);
    let line =
        |name: &str| header.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!(line("Filesystem state:"), "clean", "{header}\n{machine}");
    assert_ne!(line("Mount count:"), "0", "{header}\n{machine}");
    assert!(!line("Filesystem features:").contains("needs_recovery"), "{header}\n{machine}");
    let (sound, found) = told("e2fsck", &["-f", "-n"]);
    assert!(sound, "{found}\n{machine}");
    let (_, written) = told("debugfs", &["-R", "stat careless"]);
    assert!(written.contains("Type: regular"), "{written}\n{machine}");
}

/// Whatever happens to it, its services do not notice more of it than they must; Ctrl-Alt-Del ends it in order.
#[test]
fn a_machine_goes_on_through_faults_and_ctrl_alt_del_ends_it() {
    let Some(guest) = guest() else { return };
    let mut machine =
        guest.link("/init", "bin/perigee").link("/etc/systemd/system/default.target", "faults.target").boot();
    machine.wait_for_report("end", LIMIT);
    machine.press(&["ctrl", "alt", "delete"]);
    assert_eq!(machine.wait_for_end(LIMIT), End::Reset, "{machine}");
    passed(
        &machine,
        &["exchanged", "sockets", "stored", "no-processes", "clock", "full-disk", "bomb", "log"],
    );
    stopped_in_order(&machine);
}

/// Who sits before a machine that has nothing to start gets a shell, and the machine starts anew after it.
fn no_first_unit(target: &str, told: &str) {
    let Some(guest) = guest() else { return };
    let mut machine =
        guest.link("/init", "bin/perigee").link("/etc/systemd/system/default.target", target).boot();
    machine.wait_for_console(&format!("cannot load default.target: {told}"), LIMIT);
    machine.wait_for_console("this is a shell to look into it", LIMIT);
    machine.type_in("echo I see $((40 + 2)) from $PPID\n");
    machine.wait_for_console("I see 42 from 1", LIMIT);
    machine.type_in("exit\n");
    assert_eq!(machine.wait_for_end(LIMIT), End::Reset, "{machine}");
    assert!(!machine.console().contains("Kernel panic"), "{machine}");
}

#[test]
fn a_boot_without_a_first_unit_gives_a_shell() {
    no_first_unit("missing.target", "/etc/systemd/system/default.target: No such file or directory");
}

#[test]
fn a_boot_whose_first_unit_is_masked_gives_a_shell() {
    no_first_unit("/dev/null", "default.target is masked by /etc/systemd/system/default.target");
}

/// A machine that a unit ends by its failure, when what is started before that is at work.
fn ended_by(action: &str, end: End) {
    let Some(guest) = guest() else { return };
    let fatal = format!(
        "[Unit]\nAfter=second.service\nFailureAction={action}\nRebootArgument=recovery mode\n[Service]\nType=oneshot\nExecStart=/bin/false\n"
    );
    let machine = guest
        .link("/init", "bin/perigee")
        .file("/etc/systemd/system/fatal.service", fatal)
        .file("/etc/systemd/system/default.target", "[Unit]\nWants=second.service fatal.service\n")
        .boot();
    assert_eq!(machine.wait_for_end(LIMIT), end, "{machine}");
    let told = format!("fatal.service: has failed: FailureAction={action}");
    // There is no time left to say it in where everything is left out.
    assert!(machine.console().contains(&told) || action.ends_with("-immediate"), "{told}\n{machine}");
    assert!(!machine.console().contains("Kernel panic"), "{machine}");
    if action.starts_with("reboot") {
        // The firmware is told what for; the kernel says what it was told.
        assert!(machine.console().contains("Restarting system with command 'recovery mode'"), "{machine}");
    }
    let report = machine.report();
    let stops: Vec<_> = report.iter().filter(|line| line.starts_with("stopped")).collect();
    match action.split_once('-') {
        None => assert_eq!(stops, ["stopped second", "stopped first"], "{machine}"),
        // Their commands may begin, and nobody waits for them.
        Some((_, "force")) => {
            assert!(machine.console().contains("could not be stopped in time"), "{machine}");
        }
        Some(_) => assert!(stops.is_empty() && !machine.console().contains("stopping all"), "{machine}"),
    }
}

#[test]
fn a_unit_that_fails_starts_the_machine_anew() {
    ended_by("reboot", End::Reset);
    if soak() {
        ended_by("reboot-force", End::Reset);
        ended_by("reboot-immediate", End::Reset);
        ended_by("poweroff-force", End::PoweredOff);
        ended_by("poweroff-immediate", End::PoweredOff);
    }
}

/// A file system that a boot cannot do without, on a disk that cannot be had: a shell, and when that has ended the boot
/// goes on, until a unit that fails switches the machine off.
#[test]
fn a_mount_that_fails_gives_a_shell_and_the_boot_goes_on_after_it() {
    let Some(guest) = guest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let marker =
        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'ls /srv >/dev/ttyS1; echo reached >/dev/ttyS1'\n";
    let fatal = "[Unit]\nAfter=marker.service\nFailureAction=poweroff\n[Service]\nType=oneshot\nExecStart=/bin/false\n";
    let mut machine = guest
        .link("/init", "bin/perigee")
        .file("/etc/fstab", "/dev/vda /srv ext4 defaults 0 2\n")
        .file("/etc/systemd/system/marker.service", marker)
        .file("/etc/systemd/system/fatal.service", fatal)
        .link("/etc/systemd/system/multi-user.target.wants/marker.service", "../marker.service")
        .link("/etc/systemd/system/multi-user.target.wants/fatal.service", "../fatal.service")
        .new_disk(folder.path().join("disk"), 16)
        .boot();
    machine.wait_for_console("srv.mount: has failed", LIMIT);
    machine.wait_for_console("# ", LIMIT);
    machine.type_in("echo I see $((40 + 2))\n");
    machine.wait_for_console("I see 42", LIMIT);
    assert_eq!(machine.report(), [""; 0], "{machine}");
    machine.type_in("perigee ctl start modules; exit\n");
    machine.wait_for_report("reached", LIMIT);
    assert_eq!(machine.report(), ["lost+found", "reached"], "{machine}");
    assert_eq!(machine.wait_for_end(LIMIT), End::PoweredOff, "{machine}");
    assert!(machine.console().contains("fatal.service: has failed: FailureAction=poweroff"), "{machine}");
}

/// A machine whose watchdog waits three seconds, and which does this once it is at work.
fn guarded(what: &str) -> Option<Machine> {
    const INIT: &str = "#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
umount /proc
exec /sbin/init
";
    let machine = guest()?
        .file("/init", INIT)
        .link("/sbin/init", "../bin/perigee")
        .file("/etc/systemd/system/default.target", "[Unit]\nWants=hangs.service\n")
        .file("/etc/systemd/system.conf", "[Manager]\nRuntimeWatchdogSec=3\n")
        .file("/tests/settings", format!("DO={what} END={END_IN_ORDER}\n"))
        .boot();
    machine.wait_for_report("waited", LIMIT);
    Some(machine)
}

#[test]
fn a_first_process_that_hangs_is_found_by_the_watchdog() {
    let Some(machine) = guarded("hang") else { return };
    assert_eq!(machine.wait_for_end(LIMIT), End::Reset, "{machine}");
    assert!(!machine.console().contains("Kernel panic"), "{machine}");
    assert!(!machine.console().contains("stopping all units"), "{machine}");
    passed(&machine, &["guarded"]);
}

#[test]
fn the_watchdog_lets_another_copy_take_over_and_a_machine_switch_itself_off() {
    if !soak() {
        return;
    }
    let Some(machine) = guarded("off") else { return };
    machine.wait_for_report("end", LIMIT);
    assert_eq!(machine.wait_for_end(LIMIT), End::PoweredOff, "{machine}");
    passed(&machine, &["guarded"]);
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
    passed(&machine, &["as-packaged", "redis", "nginx", "station", "parts", "stopped"]);
}
