//! When a timer unit elapses, systemd.timer(5).
//!
//! Pure: both clocks are handed in, and what is random comes from a seed. Whoever runs it waits until [`Timer::next`],
//! calls [`Timer::tick`], starts the unit if that says so, and tells when the unit comes and goes. When the clock on
//! the wall was set, [`Timer::clock_changed`] reckons anew.
//!
//! ```
//! use std::time::Duration;
//! use perigee_units::calendar::TimeZone;
//! use perigee_units::timer::{Around, Moment, Timer};
//! use perigee_units::unit::{Host, Source, Unit, UnitName};
//!
//! let text = b"[Timer]\nOnCalendar=hourly\nAccuracySec=1us\n".to_vec();
//! let name = UnitName::parse("tidy.timer")?;
//! let unit = Unit::read(name, &[Source { path: "tidy.timer".into(), text }], &Host::default());
//! let mut timer = Timer::read(&unit, None, 0);
//! let begin = Moment { monotonic: Duration::from_secs(60), wall: 1_577_836_800_000_000 }; // 2020-01-01 00:00
//! let around = Around { container: false, startup: begin, zone: TimeZone::utc(), spread: 0 };
//! timer.start(begin, None, &around);
//! assert_eq!(timer.next().wall, Some(begin.wall + 3_600_000_000));
//! let hour = begin.after(Duration::from_secs(3600));
//! assert!(timer.tick(hour));
//! assert_eq!(timer.last(), Some(hour));
//! # Ok::<(), perigee_units::value::ValueError>(())
//! ```

mod read;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, TimeZone};
use crate::unit::UnitName;

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Since the machine was started.
    pub monotonic: Duration,
    /// Microseconds since 1970, UTC, as the clock on the wall shows it.
    pub wall: i64,
}

impl Moment {
    /// So much later, if nobody sets a clock.
    #[must_use]
    pub fn after(self, length: Duration) -> Moment {
        let monotonic = self.monotonic.saturating_add(length);
        Moment { monotonic, wall: self.wall.saturating_add(micros(length)) }
    }

    /// What the wall shows, or will show, at a time of the other clock.
    fn wall_at(self, monotonic: Duration) -> i64 {
        match self.monotonic.checked_sub(monotonic) {
            Some(before) => self.wall.saturating_sub(micros(before)),
            None => self.wall.saturating_add(micros(monotonic - self.monotonic)),
        }
    }
}

/// What a timer must know of the machine.
#[derive(Clone, Debug)]
pub struct Around {
    /// The machine is a container: it was started when the supervisor was, and not with the kernel.
    pub container: bool,
    /// When the supervisor was started.
    pub startup: Moment,
    /// The zone of calendar expressions that name none.
    pub zone: TimeZone,
    /// Where in a minute this machine likes to do what need not be exact: the same for all timers, so that it wakes
    /// once for many; another on each machine, so that not all machines do the same at once.
    pub spread: u64,
}

/// What a trigger counts from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Base {
    Calendar(Calendar),
    Active(Duration),
    Boot(Duration),
    Startup(Duration),
    UnitActive(Duration),
    UnitInactive(Duration),
}

/// One line of the unit that says when.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    base: Base,
    /// It has elapsed, and does so once only.
    done: bool,
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing: it was not started, was stopped, or has elapsed for the last time and does not remain after that.
    Dead,
    /// It waits.
    Waiting,
    /// It has elapsed, and its unit is up.
    Running,
    /// It will not elapse by itself any more, but remains.
    Elapsed,
}

/// When a timer elapses next, by each of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Since the machine was started.
    pub monotonic: Option<Duration>,
    /// Microseconds since 1970.
    pub wall: Option<i64>,
}

/// What a timer that goes on in another program has to know of the time before; all else stands in its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    phase: Phase,
    activated: Option<Moment>,
    last: Option<Moment>,
    /// The last elapse of an earlier run is known by the wall only.
    stamp: Option<i64>,
    unit_up: bool,
    unit_left_inactive: Option<Duration>,
    unit_went_inactive: Option<Duration>,
    delay: Duration,
}

/// A timer unit.
#[derive(Clone, Debug)]
pub struct Timer {
    unit: UnitName,
    triggers: Vec<Trigger>,
    on_clock_change: bool,
    on_zone_change: bool,
    persistent: bool,
    wakes: bool,
    remains: bool,
    accuracy: Duration,
    random: Duration,
    /// The random delay is always the same: this share of it, of 2^64.
    fixed: Option<u64>,
    seed: u64,

    kept: Kept,
    next: Next,
}

impl Timer {
    /// The unit that it starts.
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// What it does.
    pub fn phase(&self) -> Phase {
        self.kept.phase
    }

    /// When it elapses next; nothing unless it waits.
    pub fn next(&self) -> Next {
        if self.kept.phase == Phase::Waiting { self.next } else { Next::default() }
    }

    /// When it has elapsed last since it was started.
    pub fn last(&self) -> Option<Moment> {
        self.kept.last
    }

    /// The time of the last elapse is to be kept, and handed to [`Timer::start`] after the next boot.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// A machine that sleeps is to be woken for it.
    pub fn wakes(&self) -> bool {
        self.wakes
    }

    /// The unit is started. `stamp` is when it has elapsed last before, in microseconds since 1970; one in the
    /// future is passed over.
    pub fn start(&mut self, now: Moment, stamp: Option<i64>, around: &Around) {
        self.triggers.iter_mut().for_each(|trigger| trigger.done = false);
        (self.kept.activated, self.kept.last) = (Some(now), None);
        self.kept.stamp = stamp.filter(|stamp| self.persistent && *stamp < now.wall);
        self.draw();
        self.wait(now, around, false);
    }

    /// What goes on in another program.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Goes on where another program has stopped.
    pub fn resume(&mut self, kept: Kept, now: Moment, around: &Around) {
        self.kept = kept;
        if matches!(self.kept.phase, Phase::Waiting | Phase::Elapsed) {
            self.wait(now, around, false);
        }
    }

    /// The unit is stopped.
    pub fn stop(&mut self) {
        (self.kept.phase, self.kept.activated, self.next) = (Phase::Dead, None, Next::default());
    }

    /// Time has passed. True if the unit is to be started now; [`Timer::last`] is what to keep then.
    pub fn tick(&mut self, now: Moment) -> bool {
        let next = self.next();
        let due = next.monotonic.is_some_and(|at| at <= now.monotonic)
            || next.wall.is_some_and(|at| at <= now.wall);
        if due {
            self.elapse(now);
        }
        due
    }

    fn elapse(&mut self, now: Moment) {
        (self.kept.last, self.kept.stamp, self.kept.phase) = (Some(now), None, Phase::Running);
        self.draw();
    }

    /// The unit that it starts has left the state inactive.
    pub fn unit_up(&mut self, now: Moment, around: &Around) {
        (self.kept.unit_up, self.kept.unit_left_inactive) = (true, Some(now.monotonic));
        self.unit_changed(now, around);
    }

    /// The unit that it starts is inactive or failed, also where it could not be started.
    pub fn unit_down(&mut self, now: Moment, around: &Around) {
        if std::mem::take(&mut self.kept.unit_up) {
            self.kept.unit_went_inactive = Some(now.monotonic);
        }
        self.unit_changed(now, around);
        if self.kept.phase == Phase::Running {
            self.wait(now, around, false);
        }
    }

    fn unit_changed(&mut self, now: Moment, around: &Around) {
        for trigger in &mut self.triggers {
            trigger.done &= !matches!(trigger.base, Base::UnitActive(_) | Base::UnitInactive(_));
        }
        if matches!(self.kept.phase, Phase::Waiting | Phase::Elapsed) {
            self.wait(now, around, false);
        }
    }

    /// The clock on the wall was set. True if the unit is to be started for that.
    pub fn clock_changed(&mut self, now: Moment, around: &Around) -> bool {
        // What has happened in the future by now was before the clock was set back.
        if let Some(last) = &mut self.kept.last {
            last.wall = last.wall.min(now.wall);
        }
        self.kept.stamp = self.kept.stamp.map(|stamp| stamp.min(now.wall));
        self.changed(now, around, self.on_clock_change)
    }

    /// The zone of the machine is another one. True if the unit is to be started for that.
    pub fn zone_changed(&mut self, now: Moment, around: &Around) -> bool {
        self.changed(now, around, self.on_zone_change)
    }

    fn changed(&mut self, now: Moment, around: &Around, elapses: bool) -> bool {
        let waits = matches!(self.kept.phase, Phase::Waiting | Phase::Elapsed);
        if waits && elapses {
            self.elapse(now);
        } else if waits {
            self.wait(now, around, true);
        }
        waits && elapses
    }

    /// Reckons the next elapse.
    fn wait(&mut self, now: Moment, around: &Around, clock_changed: bool) {
        let (mut next, mut leave) = (Next::default(), false);
        // A time that the wall has not shown yet was before the clock was set back.
        let wall = self.kept.activated.map_or(now.wall, |activated| activated.wall.min(now.wall));
        let since = self.kept.last.map(|last| last.wall).or(self.kept.stamp).unwrap_or(wall);
        let has_elapsed = self.kept.last.is_some() || self.kept.stamp.is_some();
        let last = self.kept.last.map(|last| last.monotonic);
        let startup = around.startup.monotonic;
        for trigger in &mut self.triggers {
            if let Base::Calendar(calendar) = &trigger.base {
                let Some(at) = calendar.next_after(since, &around.zone) else { continue };
                // What was missed while the machine was off counts from its start, so that delays are kept then too.
                let at = at.max(now.wall_at(startup));
                next.wall = Some(next.wall.map_or(at, |other: i64| other.min(at)));
                continue;
            }
            if trigger.done {
                continue;
            }
            let (base, length) = match trigger.base {
                Base::Active(length) => (self.kept.activated.unwrap_or(now).monotonic, length),
                Base::Boot(length) if !around.container => (Duration::ZERO, length),
                Base::Boot(length) | Base::Startup(length) => (startup, length),
                Base::UnitActive(length) | Base::UnitInactive(length) => {
                    leave = true;
                    let changed = match trigger.base {
                        Base::UnitActive(_) => self.kept.unit_left_inactive,
                        _ => self.kept.unit_went_inactive,
                    };
                    let Some(base) = changed.max(last) else { continue };
                    (base, length)
                }
                Base::Calendar(_) => continue,
            };
            let at = base.saturating_add(length);
            let once = matches!(trigger.base, Base::Active(_) | Base::Boot(_) | Base::Startup(_));
            if once && has_elapsed && !clock_changed && at < now.monotonic {
                trigger.done = true;
                continue;
            }
            next.monotonic = Some(next.monotonic.map_or(at, |other: Duration| other.min(at)));
        }
        if next == Next::default() && !self.on_clock_change && !self.on_zone_change {
            self.kept.phase = if self.remains || leave { Phase::Elapsed } else { Phase::Dead };
            return;
        }
        let (accuracy, spread) = (micros(self.accuracy), around.spread);
        self.next = Next {
            monotonic: next.monotonic.map(|at| {
                let at = micros(at.saturating_add(self.kept.delay));
                Duration::from_micros(together(at, at.saturating_add(accuracy), spread).max(0) as u64)
            }),
            wall: next.wall.map(|at| {
                let at = at.saturating_add(micros(self.kept.delay));
                together(at, at.saturating_add(accuracy), spread)
            }),
        };
        self.kept.phase = Phase::Waiting;
    }

    /// Draws the delay until after the next elapse.
    fn draw(&mut self) {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let share = self.fixed.unwrap_or_else(|| mixed(self.seed));
        let most = u128::from(u64::try_from(self.random.as_micros()).unwrap_or(u64::MAX));
        self.kept.delay = Duration::from_micros(((most * u128::from(share)) >> 64) as u64);
    }
}

/// Microseconds, as many as there is room for.
fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The finaliser of SplitMix64: every bit of what goes in counts for every bit that comes out.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A time from `least` to `most`, in microseconds, at which other timers elapse too: the latest that lies on this
/// machine's place in a minute, or in ten seconds, a second, a quarter of a second.
fn together(least: i64, most: i64, spread: u64) -> i64 {
    if least >= most {
        return least;
    }
    for step in [60_000_000, 10_000_000, 1_000_000, 250_000] {
        let place = (spread % step as u64) as i64;
        let at = most.saturating_sub(place).div_euclid(step).saturating_mul(step).saturating_add(place);
        if at >= least && at <= most {
            return at;
        }
    }
    most
}

#[cfg(test)]
mod tests;
