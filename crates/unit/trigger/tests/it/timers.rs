//! Timers with the clocks of the kernel, and the stamps of persistent ones.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use perigee_trigger::timer::{Due, Timers, now, zone};
use perigee_units::timer::{Around, Timer};
use perigee_units::unit::{Host, Source, Unit, UnitName};

fn name(name: &str) -> UnitName {
    UnitName::parse(name).unwrap()
}

fn timer(unit: &str, text: &str) -> Timer {
    let text = format!("[Timer]\nAccuracySec=1us\n{text}").into_bytes();
    let unit = Unit::read(name(unit), &[Source { path: unit.into(), text }], &Host::default());
    let wrong: Vec<_> = unit.complaints.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    Timer::read(&unit, None, 1)
}

fn timers(root: &std::path::Path) -> Timers {
    fs::create_dir_all(root.join("etc")).unwrap();
    let around = Around { container: false, startup: now().unwrap(), zone: zone(root), spread: 0 };
    Timers::new(root, around).unwrap()
}

/// Waits, for five seconds at most, and says what has elapsed.
fn wait(timers: &mut Timers) -> Vec<Due> {
    wait_for(timers, 50)
}

/// The same, for so many tenths of a second.
fn wait_for(timers: &mut Timers, tenths: u32) -> Vec<Due> {
    for _ in 0..tenths {
        let fds = timers.fds();
        let mut polled: Vec<_> =
            fds.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut polled, PollTimeout::from(100_u8)).unwrap();
        let ready = polled.iter().position(|fd| fd.any() == Some(true));
        if let Some(index) = ready {
            let due = timers.ready(index, now().unwrap()).unwrap();
            if !due.is_empty() {
                return due;
            }
        }
    }
    Vec::new()
}

#[test]
fn both_clocks_wake() {
    let root = tempfile::tempdir().unwrap();
    let mut timers = timers(root.path());
    let begin = now().unwrap();
    timers
        .start(name("a.timer"), timer("a.timer", "OnActiveSec=150ms\nOnUnitActiveSec=100ms\n"), false, begin)
        .unwrap();
    timers.start(name("b.timer"), timer("b.timer", "OnActiveSec=1h\nUnit=c.target\n"), false, begin).unwrap();
    let due = Due { timer: name("a.timer"), unit: name("a.service") };
    assert_eq!(wait(&mut timers), std::slice::from_ref(&due));
    let elapsed = now().unwrap().monotonic - begin.monotonic;
    assert!(elapsed >= Duration::from_millis(150), "{elapsed:?}");
    timers.unit_up(&name("a.service"), now().unwrap()).unwrap();
    timers.unit_down(&name("a.service"), now().unwrap()).unwrap();
    assert_eq!(wait(&mut timers), [due], "again, since the unit was up");
    timers.stop(&name("a.timer")).unwrap();
    timers.start(name("w.timer"), timer("w.timer", "OnCalendar=*:*:*\n"), false, now().unwrap()).unwrap();
    assert_eq!(wait(&mut timers), [Due { timer: name("w.timer"), unit: name("w.service") }]);
    let wall = now().unwrap().wall;
    assert!(wall % 1_000_000 < 900_000, "a second has just begun: {wall}");
    // A unit that could not be started: its timer goes on.
    timers.unit_down(&name("w.service"), now().unwrap()).unwrap();
    assert_eq!(wait(&mut timers).len(), 1);
    assert!(timers.over().is_empty() && timers.notes().is_empty());
}

#[test]
fn a_timer_that_does_not_remain_is_over() {
    let root = tempfile::tempdir().unwrap();
    let mut timers = timers(root.path());
    let once = timer("a.timer", "OnActiveSec=1ms\nRemainAfterElapse=no\n");
    timers.start(name("a.timer"), once, false, now().unwrap()).unwrap();
    assert_eq!(wait(&mut timers).len(), 1);
    timers.unit_up(&name("a.service"), now().unwrap()).unwrap();
    assert!(timers.over().is_empty());
    timers.unit_down(&name("a.service"), now().unwrap()).unwrap();
    assert_eq!(timers.over(), [name("a.timer")]);
}

#[test]
fn stamps_outlive_the_supervisor() {
    let root = tempfile::tempdir().unwrap();
    let stamp = root.path().join("var/lib/systemd/timers/stamp-a.timer");
    let daily = || timer("a.timer", "OnCalendar=daily\nPersistent=yes\n");
    let mut first = timers(root.path());
    first.start(name("a.timer"), daily(), false, now().unwrap()).unwrap();
    let made = fs::metadata(&stamp).unwrap().modified().unwrap();
    assert!(made.elapsed().unwrap() < Duration::from_secs(60), "the first start makes the stamp");
    drop(first);
    let old = SystemTime::now() - Duration::from_secs(3 * 86400);
    File::options().write(true).open(&stamp).unwrap().set_modified(old).unwrap();
    let mut second = timers(root.path());
    second.start(name("a.timer"), daily(), false, now().unwrap()).unwrap();
    assert_eq!(wait(&mut second).len(), 1, "it was missed, so it elapses at once");
    assert!(fs::metadata(&stamp).unwrap().modified().unwrap() > old + Duration::from_secs(86400));
    let mut third = timers(root.path());
    third.start(name("a.timer"), daily(), false, now().unwrap()).unwrap();
    assert!(third.get(&name("a.timer")).unwrap().next().wall.unwrap() > now().unwrap().wall);
    // A folder that cannot be written is told, and the timer runs.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("var"), "no folder").unwrap();
    let mut fourth = timers(other.path());
    fourth.start(name("a.timer"), daily(), false, now().unwrap()).unwrap();
    assert!(fourth.notes()[0].starts_with("a.timer: Persistent=: ") && fourth.notes().is_empty());
}

#[test]
fn another_zone_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let mut timers = timers(root.path());
    let unit = timer("a.timer", "OnTimezoneChange=yes\n");
    timers.start(name("a.timer"), unit, false, now().unwrap()).unwrap();
    let link = |zone: &str| {
        let new = root.path().join("etc/new");
        std::os::unix::fs::symlink(format!("/usr/share/zoneinfo/{zone}"), &new).unwrap();
        fs::rename(new, root.path().join("etc/localtime")).unwrap();
    };
    link("Europe/Berlin");
    if zone(root.path()).name() != "Europe/Berlin" {
        eprintln!("SKIPPED another_zone_is_seen: this machine has no database of time zones");
        return;
    }
    assert_eq!(wait(&mut timers), [Due { timer: name("a.timer"), unit: name("a.service") }]);
    timers.unit_down(&name("a.service"), now().unwrap()).unwrap();
    // Anything else in the folder is no other zone.
    fs::write(root.path().join("etc/passwd"), "x").unwrap();
    link("Europe/Berlin");
    assert_eq!(wait_for(&mut timers, 3), []);
}

#[test]
fn clocks_that_wake_a_machine() {
    let root = tempfile::tempdir().unwrap();
    let mut timers = timers(root.path());
    let unit = timer("a.timer", "OnActiveSec=50ms\nWakeSystem=yes\n");
    timers.start(name("a.timer"), unit, false, now().unwrap()).unwrap();
    let notes = timers.notes();
    if timers.fds().len() == 5 {
        assert!(notes.is_empty());
    } else {
        assert!(notes[0].starts_with("WakeSystem=: "), "without the right to it that is told: {notes:?}");
    }
    assert_eq!(wait(&mut timers).len(), 1);
}
