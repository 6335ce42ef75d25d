//! What groups do, in whatever view of the control groups this program runs.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use perigee_cgroup::{Controller, Killed, Limits, Machine, Mode, Watcher, group_path};
use perigee_units::value::{Amount, Signal};

use crate::yard::{Yard, run, until};

const ALL: [Controller; 3] = [Controller::Memory, Controller::Pids, Controller::CpuAccounting];

#[test]
fn processes_are_known_and_killed_together() {
    let Some(yard) = Yard::open("processes_are_known_and_killed_together") else { return };
    let path = group_path("system-x.slice", "nginx.service").expect("a path");
    let group = yard.group(&path, &ALL);
    assert!(group.exists() && !group.is_populated().expect("read"));
    assert_eq!(group.kill_all().map(|_| ()).map_err(|error| error.to_string()), Ok(()), "an empty group");
    let mut child = run(&group, "sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000' & wait");
    until("five processes", || group.processes().expect("read").len() == 5);
    assert!(group.is_populated().expect("read"));
    let above = yard.hierarchy.group("system.slice").expect("a group");
    assert_eq!(above.processes().expect("read"), group.processes().expect("read"));
    assert_eq!(yard.hierarchy.group_of(child.id() as i32), Some(path.clone()));
    let found = yard.hierarchy.list().expect("a list");
    let found: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.populated)).collect();
    let slices = ["system.slice", "system.slice/system-x.slice"];
    assert_eq!(found, [(slices[0], true), (slices[1], true), (&path, true)]);
    assert!(group.remove().is_err(), "processes are in it");
    let killed = group.kill_all().expect("killed");
    match yard.hierarchy.mode() {
        Mode::Legacy => assert_eq!(killed, Killed::Frozen(5)),
        _ => assert_eq!(killed, Killed::Together),
    }
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    until("nobody is left", || !group.is_populated().expect("read"));
    assert_eq!(group.processes().expect("read"), []);
    yard.hierarchy.group("system.slice").and_then(|slice| slice.remove()).expect("removed");
    assert!(!group.exists());
    assert_eq!(yard.hierarchy.list().expect("a list"), []);
    assert_eq!(yard.hierarchy.group_of(child.id() as i32), None);
}

#[test]
fn a_signal_reaches_everyone_but_those_spared() {
    let Some(yard) = Yard::open("a_signal_reaches_everyone_but_those_spared") else { return };
    let group = yard.group("a.service", &[]);
    let mut first = run(&group, "exec sleep 1000");
    let mut second = run(&group, "exec sleep 1000");
    let spared = [first.id() as i32];
    until("both run", || group.processes().expect("read").len() == 2);
    assert_eq!(group.signal_except(Signal::TERM, &spared).expect("sent"), 1);
    assert_eq!(second.wait().expect("ended").signal(), Some(15));
    let real_time = Signal::parse("RTMIN+3").expect("a signal");
    assert_eq!(group.signal(real_time).expect("sent"), 1);
    assert_eq!(first.wait().expect("ended").signal(), Some(37));
    assert_eq!(group.signal(Signal::TERM).expect("sent"), 0);
}

#[test]
fn a_frozen_group_stands_still() {
    let Some(yard) = Yard::open("a_frozen_group_stands_still") else { return };
    let group = yard.group("a.service", &[]);
    let mut child = run(&group, "i=0; while :; do i=$((i+1)); echo $i; done");
    let mut out = child.stdout.take().expect("a pipe");
    let mut some = [0; 64];
    out.read_exact(&mut some).expect("it counts");
    assert!(!group.is_frozen().expect("read"));
    assert!(group.freeze().expect("frozen"));
    assert!(group.is_frozen().expect("read"));
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a process");
        let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split(' ').map(str::to_owned).collect();
        fields[12].clone()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(ticks(), before);
    group.thaw().expect("thawed");
    until("it goes on", || !group.is_frozen().expect("read"));
    assert!(group.freeze().expect("frozen"));
    group.kill_all().expect("killed while it is frozen");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
}

#[test]
fn emptiness_is_told() {
    let Some(yard) = Yard::open("emptiness_is_told") else { return };
    let (one, other) = (yard.group("a.slice/one.service", &[]), yard.group("a.slice/other.service", &[]));
    let mut watcher = Watcher::new().expect("inotify");
    let watch = watcher.add(&one).expect("watched");
    if yard.hierarchy.mode() == Mode::Legacy {
        assert_eq!(watch, None);
        return;
    }
    let watched = watcher.add(&other).expect("watched").expect("version 2");
    let slice = watcher.add(&yard.hierarchy.group("a.slice").expect("a group")).expect("watched");
    let mut children = [run(&one, "exec sleep 1000"), run(&other, "exec sleep 1000")];
    assert_eq!(watcher.emptied(), []);
    children[0].kill().expect("killed");
    children[0].wait().expect("ended");
    let mut told = Vec::new();
    until("one is empty", || {
        told.extend(watcher.emptied());
        !told.is_empty()
    });
    let watch = watch.expect("version 2");
    assert!(told.iter().all(|told| *told == watch), "{told:?}");
    watcher.remove(watched);
    children[1].kill().expect("killed");
    children[1].wait().expect("ended");
    let slice = slice.expect("version 2");
    // The first may be told again: the kernel speaks of the same change more than once.
    until("the slice is empty", || watcher.emptied().contains(&slice));
}

#[test]
fn too_much_memory_is_a_kill_by_the_kernel() {
    let test = "too_much_memory_is_a_kill_by_the_kernel";
    let Some(yard) = Yard::open(test) else { return };
    let limits = Limits {
        memory_max: Some(Amount::Absolute(24 << 20)),
        swap_max: Some(Amount::Absolute(0)),
        ..Limits::default()
    };
    let group = yard.group("a.slice/hungry.service", &limits.controllers());
    let unmet = group.apply(&limits, None, &Machine::read());
    if !yard.has(test, Controller::Memory) {
        let unmet: Vec<_> = unmet.iter().map(ToString::to_string).collect();
        assert_eq!(unmet[0], "MemoryMax=: there is no memory controller here");
        return;
    }
    assert_eq!(unmet, []);
    // A string that doubles, in the shell itself.
    let mut child = run(&group, "x=0123456789abcdef; while :; do x=$x$x; done");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    let usage = group.usage();
    assert_eq!(usage.oom_kills, Some(1), "{usage:?}");
    assert!(usage.memory_peak.is_some_and(|peak| peak <= 24 << 20), "{usage:?}");
    assert!(usage.cpu().is_some_and(|time| !time.is_zero()), "{usage:?}");
    // Lifted, it may have as much as it wants.
    let unmet = group.apply(&Limits::default(), Some(&limits), &Machine::read());
    assert_eq!(unmet, []);
    let mut child = run(&group, "head -c 40000000 /dev/zero | tail -c 40000000 | wc -c");
    assert!(child.wait().expect("ended").success());
    assert!(group.usage().memory_peak.is_some_and(|peak| peak > 24 << 20));
}

#[test]
fn a_fork_bomb_stays_within_its_limit_and_can_be_killed() {
    let test = "a_fork_bomb_stays_within_its_limit_and_can_be_killed";
    let Some(yard) = Yard::open(test) else { return };
    if !yard.has(test, Controller::Pids) {
        return;
    }
    let limits = Limits { tasks_max: Some(Amount::Absolute(40)), ..Limits::default() };
    let group = yard.group("bomb.service", &limits.controllers());
    assert_eq!(group.apply(&limits, None, &Machine::read()), []);
    let mut child = run(&group, "bomb() { bomb & bomb & wait; }; while :; do bomb; done");
    until("forks are refused", || group.usage().tasks_refused.is_some_and(|refused| refused > 0));
    assert!(group.usage().tasks.is_some_and(|tasks| tasks <= 40));
    group.kill_all().expect("killed");
    child.wait().expect("ended");
    until("nobody is left", || !group.is_populated().expect("read"));
}

#[test]
fn processor_time_is_held_to_its_quota() {
    let test = "processor_time_is_held_to_its_quota";
    let Some(yard) = Yard::open(test) else { return };
    if !yard.has(test, Controller::Cpu) {
        return;
    }
    let limits = Limits { cpu_quota: Some(1000), cpus: Some("0".to_owned()), ..Limits::default() };
    let group = yard.group("a.slice/busy.service", &limits.controllers());
    assert_eq!(group.apply(&limits, None, &Machine::read()), []);
    let mut child = run(&group, "while :; do :; done");
    until("it is held back", || group.usage().throttled_microseconds.is_some_and(|held| held > 0));
    let before = group.usage().cpu().expect("counted");
    std::thread::sleep(Duration::from_secs(1));
    let spent = group.usage().cpu().expect("counted") - before;
    // A tenth of one processor, and one period more at most.
    assert!(spent <= Duration::from_millis(130), "{spent:?}");
    let allowed = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    assert!(allowed.contains("Cpus_allowed_list:\t0\n"), "{allowed}");
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn the_limit_of_a_slice_holds_for_all_in_it() {
    let test = "the_limit_of_a_slice_holds_for_all_in_it";
    let Some(yard) = Yard::open(test) else { return };
    if !yard.has(test, Controller::Pids) {
        return;
    }
    let limits = Limits { tasks_max: Some(Amount::Absolute(3)), ..Limits::default() };
    let slice = yard.group(&group_path("a.slice", "a.slice").expect("a path"), &limits.controllers());
    assert_eq!(slice.apply(&limits, None, &Machine::read()), []);
    let path = group_path("a-b.slice", "x.service").expect("a path");
    let group = yard.group(&path, &limits.controllers());
    let mut child = run(&group, "sleep 1000 & sleep 1000 & sleep 1000 & wait");
    until("a fork is refused", || {
        let refused = |group: &perigee_cgroup::Group| group.usage().tasks_refused.unwrap_or(0);
        refused(&slice) + refused(&group) > 0
    });
    assert!(group.processes().expect("read").len() <= 3);
    slice.kill_all().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn only_the_devices_that_are_allowed_can_be_opened() {
    use perigee_cgroup::DevicePolicy;
    use perigee_units::value::{DeviceValue, OfDevice};
    let test = "only_the_devices_that_are_allowed_can_be_opened";
    let Some(yard) = Yard::open(test) else { return };
    if !yard.has(test, Controller::Devices) {
        return;
    }
    let allow = |device: &str, write| OfDevice {
        device: device.to_owned(),
        value: DeviceValue::Access { read: true, write, make: false },
    };
    let script = "for d in null zero full; do \
        (: </dev/$d) 2>/dev/null && echo r $d; (: >/dev/$d) 2>/dev/null && echo w $d; done; true";
    let everything = "r null w null r zero w zero r full w full";
    let strict = Limits {
        device_policy: DevicePolicy::Strict,
        devices: vec![allow("/dev/zero", false), allow("/dev/null", true)],
        ..Limits::default()
    };
    let other =
        Limits { devices: vec![allow("/dev/full", true), allow("/dev/null", true)], ..strict.clone() };
    let auto = Limits { devices: vec![allow("/dev/full", false)], ..Limits::default() };
    let missing = Limits { devices: vec![allow("/dev/no such", false)], ..Limits::default() };
    let group = yard.group("a.service", &strict.controllers());
    let mut before = None;
    for (limits, expected, told) in [
        (&strict, "r null w null r zero", 0),
        (&other, "r null w null r full w full", 0),
        (&auto, everything, 0),
        (&missing, everything, 1),
        (&Limits::default(), everything, 0),
    ] {
        let unmet = group.apply(limits, before, &Machine::read());
        assert_eq!(unmet.len(), told, "{unmet:?}");
        let mut child = run(&group, script);
        let mut said = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("text");
        child.wait().expect("ended");
        let said: Vec<_> = said.split_whitespace().collect();
        assert_eq!(said.join(" "), expected, "{limits:?}");
        before = Some(limits);
    }
}
