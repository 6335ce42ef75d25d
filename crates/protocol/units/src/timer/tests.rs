//! Timers: each kind by itself, clocks that jump, and a year of many.

use super::*;
use crate::unit::{Host, Source, Unit, UnitName};

/// 2024-01-01 00:00 UTC.
const NEW_YEAR: i64 = 1_704_067_200_000_000;
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn timer(text: &str) -> Timer {
    seeded(text, 7)
}

fn seeded(text: &str, seed: u64) -> Timer {
    let name = UnitName::parse("x.timer").expect("a name");
    let text = format!("[Timer]\nAccuracySec=1us\n{text}").into_bytes();
    let unit = Unit::read(name, &[Source { path: "x.timer".into(), text }], &Host::default());
    assert!(unit.complaints.iter().all(|said| said.line == 0 || !said.to_string().contains("is not a")));
    Timer::read(&unit, Some("0123"), seed)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(monotonic: u64) -> Moment {
    Moment { monotonic: seconds(monotonic), wall: NEW_YEAR + monotonic as i64 * 1_000_000 }
}

fn around() -> Around {
    Around { container: false, startup: at(10), zone: TimeZone::utc(), spread: 0 }
}

#[test]
fn what_each_kind_counts_from() {
    let next = |text: &str, around: &Around| {
        let mut timer = timer(text);
        timer.start(at(100), None, around);
        timer.next().monotonic.map(|at| at.as_secs())
    };
    let plain = around();
    let container = Around { container: true, ..around() };
    assert_eq!(next("OnActiveSec=5", &plain), Some(105));
    assert_eq!(next("OnBootSec=500", &plain), Some(500));
    assert_eq!(next("OnBootSec=500", &container), Some(510));
    assert_eq!(next("OnStartupSec=500", &plain), Some(510));
    assert_eq!(next("OnUnitActiveSec=5", &plain), None);
    assert_eq!(next("OnUnitInactiveSec=5", &plain), None);
    assert_eq!(next("OnActiveSec=500\nOnBootSec=200\nOnStartupSec=infinity", &plain), Some(200));
    assert_eq!(
        next("OnActiveSec=5\nOnActiveSec=\nOnBootSec=300", &plain),
        Some(300),
        "an empty value takes all back"
    );
}

#[test]
fn a_boot_time_that_is_over_elapses_at_once_and_once_only() {
    let (mut timer, around) = (timer("OnBootSec=50\nRemainAfterElapse=no"), around());
    timer.start(at(100), None, &around);
    assert!(timer.tick(at(100)));
    timer.unit_up(at(100), &around);
    timer.unit_down(at(101), &around);
    assert_eq!((timer.phase(), timer.next()), (Phase::Dead, Next::default()));
}

#[test]
fn again_and_again_after_the_unit_has_come_or_gone() {
    for (text, gap) in [("OnUnitActiveSec=30", 30), ("OnUnitInactiveSec=30", 35)] {
        let (mut timer, around) = (timer(&format!("OnActiveSec=10\n{text}")), around());
        timer.start(at(100), None, &around);
        let mut expected = 110;
        for _ in 0..5 {
            assert_eq!(timer.next().monotonic, Some(seconds(expected)), "{text}");
            assert!(!timer.tick(at(expected - 1)) && timer.tick(at(expected)));
            assert_eq!((timer.phase(), timer.next()), (Phase::Running, Next::default()));
            timer.unit_up(at(expected), &around);
            timer.unit_down(at(expected + 5), &around);
            expected += gap;
        }
        timer.stop();
        assert!(!timer.tick(at(9999)));
    }
    // A unit that was started by someone else counts too.
    let (mut timer, around) = (timer("OnUnitActiveSec=30"), around());
    timer.start(at(100), None, &around);
    assert_eq!(timer.phase(), Phase::Elapsed);
    timer.unit_up(at(200), &around);
    assert_eq!(timer.next().monotonic, Some(seconds(230)));
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let persistent = "OnCalendar=daily\nPersistent=yes";
    let stamp = Some(NEW_YEAR - 3 * DAY - HOUR);
    let around = around();
    let mut one = timer(persistent);
    one.start(at(100), stamp, &around);
    // Three midnights were missed; it counts as due when the supervisor was started.
    assert_eq!(one.next().wall, Some(at(10).wall));
    assert!(one.tick(at(100)));
    one.unit_down(at(101), &around);
    assert_eq!(one.next().wall, Some(NEW_YEAR + DAY));
    for (text, stamp) in [
        ("OnCalendar=daily", stamp),
        (persistent, None),
        (persistent, Some(NEW_YEAR + 10)),
        // A time in the future is no time.
        (persistent, Some(NEW_YEAR + 20 * DAY)),
    ] {
        let mut other = timer(text);
        other.start(at(100), stamp, &around);
        assert_eq!(other.next().wall, Some(NEW_YEAR + DAY), "{text} {stamp:?}");
    }
}

#[test]
fn the_clock_is_set() {
    let around = around();
    let set = |monotonic, wall| Moment { monotonic: seconds(monotonic), wall };
    let mut daily = timer("OnCalendar=daily\nOnActiveSec=1h");
    daily.start(at(100), None, &around);
    let (wall, monotonic) = (daily.next().wall, daily.next().monotonic);
    // Back by a month: the next midnight is near again, and the other clock knows nothing of it.
    assert!(!daily.clock_changed(set(200, NEW_YEAR - 30 * DAY + HOUR), &around));
    assert_eq!((daily.next().wall, daily.next().monotonic), (Some(NEW_YEAR - 29 * DAY), monotonic));
    assert_ne!(daily.next().wall, wall);
    // Forward over two midnights: it elapses once.
    daily.clock_changed(set(300, NEW_YEAR + 2 * DAY + HOUR), &around);
    assert!(daily.tick(set(300, NEW_YEAR + 2 * DAY + HOUR)));
    daily.unit_down(set(301, NEW_YEAR + 2 * DAY + HOUR), &around);
    assert_eq!(daily.next().wall, Some(NEW_YEAR + 3 * DAY));
    // Back again behind the last elapse: it elapses at the next midnight, not at the one after the last.
    daily.clock_changed(set(400, NEW_YEAR + HOUR), &around);
    assert_eq!(daily.next().wall, Some(NEW_YEAR + DAY));
    let mut on_change = timer("OnClockChange=yes");
    on_change.start(at(100), None, &around);
    assert_eq!((on_change.phase(), on_change.next()), (Phase::Waiting, Next::default()));
    assert!(!on_change.zone_changed(at(150), &around) && on_change.clock_changed(at(200), &around));
    on_change.unit_down(at(201), &around);
    assert!(on_change.clock_changed(at(300), &around), "every time");
    let mut on_zone = timer("OnTimezoneChange=yes\nOnCalendar=daily");
    on_zone.start(at(100), None, &around);
    assert!(!on_zone.clock_changed(at(150), &around) && on_zone.zone_changed(at(200), &around));
}

#[test]
fn another_zone_is_another_midnight() {
    let Some(zone) = TimeZone::named("Asia/Tokyo") else {
        eprintln!("SKIPPED another_zone_is_another_midnight: this machine has no database of time zones");
        return;
    };
    let (mut timer, around) = (timer("OnCalendar=daily"), around());
    timer.start(at(100), None, &around);
    assert!(!timer.zone_changed(at(200), &Around { zone, ..around.clone() }));
    assert_eq!(timer.next().wall, Some(NEW_YEAR + 15 * HOUR));
}

#[test]
fn delays_are_within_their_bounds_and_fixed_ones_stay() {
    let around = around();
    let delays = |text: &str, seed| {
        let mut timer = seeded(text, seed);
        timer.start(at(0), None, &around);
        let mut found = Vec::new();
        for day in 1..=300 {
            let wall = timer.next().wall.expect("it waits");
            found.push(wall - (NEW_YEAR + day * DAY));
            assert!(timer.tick(Moment { monotonic: Duration::from_micros((wall - NEW_YEAR) as u64), wall }));
            timer.unit_down(
                Moment { monotonic: Duration::from_micros((wall - NEW_YEAR) as u64), wall },
                &around,
            );
        }
        found
    };
    let random = delays("OnCalendar=daily\nRandomizedDelaySec=1h", 1);
    assert!(random.iter().all(|delay| (0..HOUR).contains(delay)), "{random:?}");
    let quarters: Vec<_> =
        (0..4).map(|n| random.iter().filter(|delay| **delay / (HOUR / 4) == n).count()).collect();
    assert!(quarters.iter().all(|count| (45..=105).contains(count)), "not even: {quarters:?}");
    assert_ne!(random, delays("OnCalendar=daily\nRandomizedDelaySec=1h", 2));
    let fixed = delays("OnCalendar=daily\nRandomizedDelaySec=1h\nFixedRandomDelay=yes", 1);
    assert!(fixed.iter().all(|delay| *delay == fixed[0]) && fixed[0] > 0);
    assert_eq!(fixed, delays("OnCalendar=daily\nRandomizedDelaySec=1h\nFixedRandomDelay=yes", 2));
}

#[test]
fn a_timer_goes_on_in_another_program() {
    let around = around();
    let text = "OnActiveSec=1h\nOnUnitActiveSec=10min\nOnCalendar=daily\nRandomizedDelaySec=5min";
    let mut first = timer(text);
    first.start(at(100), None, &around);
    assert!(first.tick(at(4100)));
    first.unit_up(at(4100), &around);
    first.unit_down(at(4101), &around);
    let kept = serde_json::to_string(first.kept()).expect("it is written");
    // Another seed, another start of the program: the same times.
    let mut second = seeded(text, 99);
    second.resume(serde_json::from_str(&kept).expect("it is read"), at(4200), &around);
    assert_eq!((second.next(), second.last()), (first.next(), first.last()));
    let mut running = timer(text);
    running.start(at(100), None, &around);
    running.tick(at(4100));
    let mut third = timer(text);
    third.resume(running.kept().clone(), at(4200), &around);
    assert_eq!((third.phase(), third.next()), (Phase::Running, Next::default()));
    third.unit_down(at(4300), &around);
    assert_eq!(third.phase(), Phase::Waiting);
}

#[test]
fn what_is_for_ever_is_no_fault() {
    let (mut timer, around) =
        (timer("OnActiveSec=1\nRandomizedDelaySec=infinity\nAccuracySec=infinity"), around());
    timer.start(at(100), None, &around);
    let next = timer.next().monotonic.expect("it waits");
    assert!(next > seconds(86400 * 365), "{next:?}");
}

#[test]
fn timers_that_need_not_be_exact_elapse_together() {
    for spread in [0, 1, 59_999_999, 17_345_678, u64::MAX] {
        for least in [0, 1, NEW_YEAR, NEW_YEAR + 12_345_678, -5] {
            for accuracy in [0, 1, 1000, 250_000, 1_000_000, MINUTE, DAY, i64::MAX] {
                let found = together(least, least.saturating_add(accuracy), spread);
                assert!(
                    (least..=least.saturating_add(accuracy)).contains(&found),
                    "{least} {accuracy} {spread}"
                );
            }
            // Within a minute there is always the place in the minute.
            let found = together(least, least + MINUTE, spread);
            assert_eq!(found.rem_euclid(MINUTE), (spread % MINUTE as u64) as i64);
        }
    }
}

/// Numbers that look random, from a seed that a failure prints.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0) % bound
    }
}

/// A year of a timer whose unit takes a while, on a machine that is off at times, with a clock that is set: it
/// elapses no earlier than its expression, no later than its delays allow, and misses nothing.
#[test]
fn a_year_of_timers() {
    let expressions =
        ["hourly", "daily", "Mon..Fri 09:30", "*-*-01,15 00/6:00", "*:0/15", "Sat *-*~07/1 18:00:00"];
    for seed in 0..60 {
        let mut random = Random(seed);
        let expression = expressions[random.below(expressions.len() as u64) as usize];
        let delay = [0, 20, 600][random.below(3) as usize];
        let accuracy = [0, 60, 300][random.below(3) as usize];
        let persistent = random.below(2) == 0;
        let text = format!(
            "OnCalendar={expression}\nRandomizedDelaySec={delay}\nAccuracySec={accuracy}s\nPersistent={persistent}"
        );
        let calendar = Calendar::parse(expression).expect(expression);
        let most = i64::from(delay + accuracy) * 1_000_000;
        let utc = TimeZone::utc();
        let mut now = Moment { monotonic: seconds(100), wall: NEW_YEAR };
        let mut around = Around { spread: random.below(1 << 40), startup: now, ..around() };
        let mut timer = seeded(&text, seed);
        let (mut since, mut stamp) = (now.wall, None);
        timer.start(now, stamp, &around);
        let mut elapsed = 0;
        while now.wall < NEW_YEAR + 366 * DAY {
            let wall = timer.next().wall.expect("it always elapses again");
            let due =
                calendar.next_after(since, &utc).expect("again").max(now.wall_at(around.startup.monotonic));
            assert!(wall >= due && wall <= due + most, "seed {seed}: {text}: {wall} for {due}");
            match random.below(40) {
                0 => {
                    // Off for some days; what was missed counts from the start.
                    let stamped = persistent.then_some(stamp).flatten();
                    now.wall += random.below(9 * DAY as u64) as i64;
                    now.monotonic = seconds(5);
                    around.startup = now;
                    timer = seeded(&text, seed);
                    timer.start(now, stamp, &around);
                    since = stamped.unwrap_or(now.wall);
                }
                1 => {
                    let jump = random.below(4 * HOUR as u64) as i64 - 2 * HOUR;
                    now.wall += jump;
                    assert!(!timer.clock_changed(now, &around));
                    since = since.min(now.wall);
                    stamp = stamp.map(|stamp: i64| stamp.min(now.wall));
                }
                2..=9 => {
                    // Woken in vain.
                    now =
                        now.after(Duration::from_micros(random.below(((wall - now.wall).max(2) - 1) as u64)));
                    assert!(now.wall >= wall || !timer.tick(now), "seed {seed}: too early");
                    if timer.phase() == Phase::Running {
                        timer.unit_down(now, &around);
                        (since, stamp) = (now.wall, Some(now.wall));
                    }
                }
                _ => {
                    now = now.after(Duration::from_micros((wall - now.wall).max(0) as u64));
                    assert!(timer.tick(now), "seed {seed}: {text} is not due at its time");
                    (since, stamp) = (now.wall, Some(now.wall));
                    elapsed += 1;
                    timer.unit_up(now, &around);
                    now = now.after(seconds(random.below(1200)));
                    timer.unit_down(now, &around);
                }
            }
        }
        assert!(elapsed >= 12, "seed {seed}: {expression} has elapsed {elapsed} times in a year");
    }
}
