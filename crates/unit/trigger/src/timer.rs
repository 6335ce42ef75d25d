//! Timers at work: the clocks of the kernel wake the supervisor for [`perigee_units::timer`].
//!
//! All timers share three descriptors: one for each clock, and one that tells of another time zone. The clock on the
//! wall is waited for in a way that the kernel breaks off when somebody sets it. When a persistent timer has elapsed
//! last is the time of a file, `/var/lib/systemd/timers/stamp-NAME`, where systemd has it too.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};
use perigee_units::calendar::TimeZone;
use perigee_units::timer::{Around, Kept, Moment, Phase, Timer};
use perigee_units::unit::UnitName;

/// The latest time that the kernel is asked to wait for, on either clock; it counts nanoseconds in 63 bits.
const LATEST: Duration = Duration::from_secs(9_000_000_000);

/// What the clocks show now.
///
/// # Errors
/// The kernel has no such clock; it always does.
pub fn now() -> io::Result<Moment> {
    let monotonic = Duration::from(clock_gettime(Clock::CLOCK_MONOTONIC)?);
    Ok(Moment { monotonic, wall: wall_of(SystemTime::now()) })
}

/// The zone of this machine, by where `/etc/localtime` below `root` leads; UTC where it leads nowhere.
pub fn zone(root: &Path) -> TimeZone {
    let link = fs::read_link(root.join("etc/localtime")).ok();
    let name = link.as_ref().and_then(|link| link.to_str()?.split_once("/zoneinfo/")).map(|(_, name)| name);
    name.and_then(TimeZone::named).unwrap_or_else(TimeZone::utc)
}

/// A timer that has elapsed: this unit is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The timer.
    pub timer: UnitName,
    /// What it starts.
    pub unit: UnitName,
}

/// All timers that were started.
#[derive(Debug)]
pub struct Timers {
    timers: BTreeMap<UnitName, Timer>,
    around: Around,
    stamps: PathBuf,
    root: PathBuf,
    monotonic: TimerFd,
    wall: TimerFd,
    zone: Inotify,
    /// Clocks that wake a machine which sleeps, made when the first timer asks for it.
    alarms: Option<[TimerFd; 2]>,
    notes: Vec<String>,
}

impl Timers {
    /// No timers yet. Stamps and `/etc/localtime` are looked for below `root`.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new(root: &Path, around: Around) -> io::Result<Timers> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let zone = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let changes = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_CLOSE_WRITE;
        let mut timers = Timers {
            timers: BTreeMap::new(),
            around,
            stamps: root.join("var/lib/systemd/timers"),
            root: root.to_owned(),
            monotonic: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?,
            wall: TimerFd::new(ClockId::CLOCK_REALTIME, flags)?,
            zone,
            alarms: None,
            notes: Vec::new(),
        };
        if let Err(error) = timers.zone.add_watch(&root.join("etc"), changes) {
            timers.notes.push(format!("changes of the time zone are not seen: /etc: {error}"));
        }
        timers.arm()?;
        Ok(timers)
    }

    /// What to wait for: readable, with the index that [`Timers::ready`] takes. These stay the same until a timer with
    /// `WakeSystem=` is started for the first time.
    pub fn fds(&self) -> Vec<(usize, BorrowedFd<'_>)> {
        let alarms = self.alarms.iter().flatten().map(TimerFd::as_fd);
        [self.monotonic.as_fd(), self.wall.as_fd(), self.zone.as_fd()]
            .into_iter()
            .chain(alarms)
            .enumerate()
            .collect()
    }

    /// What could not be done as it should, in words; each is told once.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// A timer unit is started. `up` says whether its unit is up already.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn start(&mut self, name: UnitName, mut timer: Timer, up: bool, now: Moment) -> io::Result<()> {
        let stamp = if timer.is_persistent() { self.stamp(&name, now) } else { None };
        if up {
            timer.unit_up(now, &self.around);
        }
        if timer.wakes() && self.alarms.is_none() {
            self.make_alarms();
        }
        timer.start(now, stamp, &self.around);
        self.timers.insert(name, timer);
        self.arm()
    }

    /// A timer unit goes on that was started by the program before this one.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn resume(&mut self, name: UnitName, mut timer: Timer, kept: Kept, now: Moment) -> io::Result<()> {
        if timer.wakes() && self.alarms.is_none() {
            self.make_alarms();
        }
        timer.resume(kept, now, &self.around);
        self.timers.insert(name, timer);
        self.arm()
    }

    /// A timer unit is stopped.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn stop(&mut self, name: &UnitName) -> io::Result<()> {
        self.timers.remove(name);
        self.arm()
    }

    /// A timer that was started.
    pub fn get(&self, name: &UnitName) -> Option<&Timer> {
        self.timers.get(name)
    }

    /// The timers that have elapsed for the last time, and do not remain: their units have ended.
    pub fn over(&self) -> Vec<UnitName> {
        let over = self.timers.iter().filter(|(_, timer)| timer.phase() == Phase::Dead);
        over.map(|(name, _)| name.clone()).collect()
    }

    /// A descriptor is readable.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn ready(&mut self, index: usize, now: Moment) -> io::Result<Vec<Due>> {
        let fired: fn(&mut Timer, Moment, &Around) -> bool = match index {
            1 if read_timer(&self.wall) == Err(Errno::ECANCELED) => Timer::clock_changed,
            2 => {
                while self.zone.read_events().is_ok_and(|events| !events.is_empty()) {}
                let zone = zone(&self.root);
                if zone == self.around.zone {
                    return Ok(Vec::new());
                }
                self.around.zone = zone;
                Timer::zone_changed
            }
            _ => |timer, now, _| timer.tick(now),
        };
        let clocks = self.alarms.iter().flatten().chain([&self.monotonic]);
        // What they say is looked at by the time.
        for clock in clocks {
            let _ = read_timer(clock);
        }
        let mut due = Vec::new();
        for (name, timer) in &mut self.timers {
            if fired(timer, now, &self.around) || timer.tick(now) {
                due.push(Due { timer: name.clone(), unit: timer.unit().clone() });
            }
        }
        for Due { timer: name, .. } in &due {
            if self.timers.get(name).is_some_and(Timer::is_persistent)
                && let Err(error) = self.touch(name, now)
            {
                self.notes.push(format!("{name}: when it has elapsed is not kept: {error}"));
            }
        }
        self.arm()?;
        Ok(due)
    }

    /// A unit has left the state inactive.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn unit_up(&mut self, unit: &UnitName, now: Moment) -> io::Result<()> {
        self.changed(unit, |timer, around| timer.unit_up(now, around))
    }

    /// A unit is inactive or failed, or could not be started.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn unit_down(&mut self, unit: &UnitName, now: Moment) -> io::Result<()> {
        self.changed(unit, |timer, around| timer.unit_down(now, around))
    }

    fn changed(&mut self, unit: &UnitName, change: impl Fn(&mut Timer, &Around)) -> io::Result<()> {
        let mut any = false;
        for timer in self.timers.values_mut().filter(|timer| timer.unit() == unit) {
            change(timer, &self.around);
            any = true;
        }
        if any { self.arm() } else { Ok(()) }
    }

    /// Clocks that wake the machine; without the right to them a timer waits until it is awake.
    fn make_alarms(&mut self) {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let make = |clock| TimerFd::new(clock, flags);
        match (make(ClockId::CLOCK_BOOTTIME_ALARM), make(ClockId::CLOCK_REALTIME_ALARM)) {
            (Ok(boot), Ok(wall)) => self.alarms = Some([boot, wall]),
            (Err(error), _) | (_, Err(error)) => {
                self.notes.push(format!("WakeSystem=: a machine that sleeps is not woken: {error}"));
            }
        }
    }

    /// Sets the clocks to what comes first.
    fn arm(&self) -> io::Result<()> {
        let (alarms, awake): (Vec<&Timer>, Vec<&Timer>) =
            self.timers.values().partition(|timer| timer.wakes() && self.alarms.is_some());
        let monotonic = |timers: &[&Timer]| timers.iter().filter_map(|timer| timer.next().monotonic).min();
        let wall = |timers: &[&Timer]| timers.iter().filter_map(|timer| timer.next().wall).min();
        set(&self.monotonic, monotonic(&awake), false)?;
        // Always waited for, if only to see that the clock is set.
        let until = wall(&awake).map_or(LATEST, since_1970);
        set(&self.wall, Some(until), true)?;
        if let Some([boot, real]) = &self.alarms {
            // The other clock has stood still while the machine slept.
            let slept = Duration::from(clock_gettime(Clock::CLOCK_BOOTTIME)?)
                .saturating_sub(Duration::from(clock_gettime(Clock::CLOCK_MONOTONIC)?));
            set(boot, monotonic(&alarms).map(|at| at.saturating_add(slept)), false)?;
            set(real, wall(&alarms).map(since_1970), false)?;
        }
        Ok(())
    }

    /// When a persistent timer has elapsed last. One that never has begins now.
    fn stamp(&mut self, name: &UnitName, now: Moment) -> Option<i64> {
        match fs::metadata(self.stamps.join(format!("stamp-{name}"))).and_then(|stamp| stamp.modified()) {
            Ok(time) => Some(wall_of(time)),
            Err(error) => {
                let made = match error.kind() {
                    io::ErrorKind::NotFound => self.touch(name, now),
                    _ => Err(error),
                };
                made.unwrap_or_else(|error| self.notes.push(format!("{name}: Persistent=: {error}")));
                None
            }
        }
    }

    fn touch(&self, name: &UnitName, now: Moment) -> io::Result<()> {
        fs::create_dir_all(&self.stamps)?;
        let file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.stamps.join(format!("stamp-{name}")))?;
        file.set_modified(UNIX_EPOCH + since_1970(now.wall))
    }
}

fn since_1970(wall: i64) -> Duration {
    Duration::from_micros(u64::try_from(wall).unwrap_or(0))
}

fn wall_of(time: SystemTime) -> i64 {
    let micros = |length: Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -micros(before.duration()), micros)
}

/// Reads a timer, so that it is readable no more. `ECANCELED` says that the clock was set.
fn read_timer(timer: &TimerFd) -> Result<(), Errno> {
    nix::unistd::read(timer, &mut [0; 8]).map(drop)
}

/// Sets a timer to a time of its clock, or to none.
fn set(timer: &TimerFd, at: Option<Duration>, cancel: bool) -> io::Result<()> {
    let Some(at) = at else { return Ok(timer.unset()?) };
    let mut flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
    if cancel {
        flags |= TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    }
    // Zero would be none, and what is later than the kernel can count is as good as never.
    let at = at.clamp(Duration::from_nanos(1), LATEST);
    match timer.set(Expiration::OneShot(TimeSpec::from_duration(at)), flags) {
        // The clock was set in between; the timer is set all the same, and tells of it.
        Ok(()) | Err(Errno::ECANCELED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
