//! The machine's watchdog: as long as the loop of PID 1 goes round it is set back, and when the loop hangs the machine
//! starts anew. At the end it guards the way to the next boot with a time of its own.
//!
//! It is opened when it is wanted, and looked for again where it is not there yet. Whoever hands over to another copy of
//! the program, and a machine that is switched off, stop it first.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perigee_process::watchdog::Watchdog as Device;
use perigee_units::system::{System, WatchdogTime};

/// Where it is looked for when nothing is said: each machine has the first one; older kernels the second one alone.
const DEVICES: [&str; 2] = ["/dev/watchdog0", "/dev/watchdog"];

/// How long to wait before one that could not be had is looked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// What is taken for the time of one that does not tell.
const UNTOLD: Duration = Duration::from_secs(10);

/// What a watchdog is asked for.
pub trait Card: fmt::Debug + Send {
    /// Sets how long it waits; gives what it has made of that.
    ///
    /// # Errors
    /// Its time is fixed, or it cannot wait that long.
    fn set_timeout(&mut self, timeout: Duration) -> io::Result<Duration>;
    /// How long it waits.
    ///
    /// # Errors
    /// It does not tell.
    fn timeout(&mut self) -> io::Result<Duration>;
    /// Sets it back.
    ///
    /// # Errors
    /// What the device says.
    fn ping(&mut self) -> io::Result<()>;
    /// Stops it and closes it.
    ///
    /// # Errors
    /// It could not be told.
    fn disarm(self: Box<Self>) -> io::Result<()>;
}

impl Card for Device {
    fn set_timeout(&mut self, timeout: Duration) -> io::Result<Duration> {
        Device::set_timeout(self, timeout)
    }

    fn timeout(&mut self) -> io::Result<Duration> {
        Device::timeout(self)
    }

    fn ping(&mut self) -> io::Result<()> {
        Device::ping(self)
    }

    fn disarm(self: Box<Self>) -> io::Result<()> {
        Device::disarm(*self)
    }
}

/// How a device becomes a watchdog.
pub type Open = fn(&Path) -> io::Result<Box<dyn Card>>;

/// The machine's watchdog, or none.
#[derive(Debug)]
pub struct Watchdog {
    wanted: WatchdogTime,
    reboot: WatchdogTime,
    device: Option<PathBuf>,
    open: Open,
    card: Option<(PathBuf, Box<dyn Card>)>,
    /// How long it waits now.
    timeout: Duration,
    /// When it was set back last.
    pinged: Option<Duration>,
    /// When it is to be set back, or to be looked for.
    next: Option<Duration>,
    /// The last trouble, told once.
    trouble: Option<String>,
}

impl Watchdog {
    /// What is set; nothing is opened yet.
    pub fn new(system: &System) -> Watchdog {
        Watchdog::with(system, |path| Ok(Box::new(Device::open(path)?)))
    }

    /// The same, with another way to open a device.
    pub fn with(system: &System, open: Open) -> Watchdog {
        Watchdog {
            wanted: system.watchdog,
            reboot: system.reboot_watchdog,
            device: system.watchdog_device.clone(),
            open,
            card: None,
            timeout: Duration::ZERO,
            pinged: None,
            next: (system.watchdog != WatchdogTime::Off).then_some(Duration::ZERO),
            trouble: None,
        }
    }

    /// What is set has changed.
    pub fn set(&mut self, system: &System) {
        if system.watchdog_device != self.device {
            self.disarm();
            self.device.clone_from(&system.watchdog_device);
        }
        self.reboot = system.reboot_watchdog;
        if system.watchdog != self.wanted {
            self.wanted = system.watchdog;
            match self.wanted {
                WatchdogTime::Off => self.disarm(),
                _ if self.card.is_some() => self.wait_for(self.wanted),
                _ => {}
            }
        }
        self.trouble = None;
        self.next = (self.wanted != WatchdogTime::Off).then_some(Duration::ZERO);
    }

    /// When [`Watchdog::tend`] must be called at the latest.
    pub fn due(&self) -> Option<Duration> {
        self.next
    }

    /// The device at work, with the time that it waits and when it was set back last.
    pub fn at_work(&self) -> Option<(&Path, Duration, Option<Duration>)> {
        self.card.as_ref().map(|(path, _)| (path.as_path(), self.timeout, self.pinged))
    }

    /// Opens it or sets it back, if that is due; gives what there is to tell.
    pub fn tend(&mut self, now: Duration) -> Option<String> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        if self.card.is_none() {
            return self.take(self.wanted, now);
        }
        self.ping(now)
    }

    /// The machine is to start anew: from now on it has the time for that. Gives what there is to tell.
    pub fn guard_reboot(&mut self, now: Duration) -> Option<String> {
        match self.reboot {
            WatchdogTime::Off => {
                self.disarm();
                None
            }
            time if self.card.is_some() => {
                self.wait_for(time);
                self.ping(now)
            }
            time => self.take(time, now),
        }
    }

    /// Stops it.
    pub fn disarm(&mut self) {
        if let Some((_, card)) = self.card.take() {
            // It goes on then, and whoever comes next has to set it back.
            let _ = card.disarm();
        }
        (self.next, self.pinged) = (None, None);
    }

    /// Looks for it again at once, where it is wanted.
    pub fn resume(&mut self) {
        self.next = (self.wanted != WatchdogTime::Off).then_some(Duration::ZERO);
    }

    fn take(&mut self, time: WatchdogTime, now: Duration) -> Option<String> {
        let mut first = None;
        let own = self.device.iter().map(PathBuf::as_path);
        let usual = DEVICES.iter().map(Path::new).filter(|_| self.device.is_none());
        let opened = own.chain(usual).find_map(|path| match (self.open)(path) {
            Ok(card) => Some((path.to_owned(), card)),
            Err(error) => {
                first.get_or_insert_with(|| format!("the watchdog {}: {error}", path.display()));
                None
            }
        });
        let Some((path, card)) = opened else {
            self.next = Some(now + AGAIN);
            return self.once(first?);
        };
        let name = path.display().to_string();
        self.card = Some((path, card));
        self.wait_for(time);
        let trouble = self.ping(now);
        trouble.or_else(|| self.once(format!("the watchdog {name} waits for {} s", self.timeout.as_secs())))
    }

    /// Sets how long it waits, as far as it lets itself be set.
    fn wait_for(&mut self, time: WatchdogTime) {
        let Some((_, card)) = &mut self.card else { return };
        let set = match time {
            WatchdogTime::After(timeout) => card.set_timeout(timeout).or_else(|_| card.timeout()),
            WatchdogTime::AsItIs | WatchdogTime::Off => card.timeout(),
        };
        self.timeout = set.unwrap_or(UNTOLD).max(Duration::from_secs(1));
    }

    fn ping(&mut self, now: Duration) -> Option<String> {
        let (path, card) = self.card.as_mut()?;
        // Twice in its time, so that one turn that takes long is none too many.
        self.next = Some(now + self.timeout / 2);
        match card.ping() {
            Ok(()) => {
                self.pinged = Some(now);
                None
            }
            Err(error) => {
                let trouble = format!("the watchdog {} is not set back: {error}", path.display());
                self.once(trouble)
            }
        }
    }

    /// The same is told once, until something else is.
    fn once(&mut self, told: String) -> Option<String> {
        let new = self.trouble.as_ref() != Some(&told);
        self.trouble = Some(told.clone());
        new.then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a watchdog was asked for, by its path.
    static ASKED: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());

    #[derive(Debug)]
    struct Fake {
        path: PathBuf,
        seconds: Arc<Mutex<u64>>,
    }

    impl Fake {
        fn note(&self, text: String) {
            ASKED.lock().unwrap().push((self.path.clone(), text));
        }
    }

    impl Card for Fake {
        fn set_timeout(&mut self, timeout: Duration) -> io::Result<Duration> {
            self.note(format!("set {}", timeout.as_secs()));
            // The longest that this one can.
            *self.seconds.lock().unwrap() = timeout.as_secs().min(60);
            self.timeout()
        }

        fn timeout(&mut self) -> io::Result<Duration> {
            Ok(Duration::from_secs(*self.seconds.lock().unwrap()))
        }

        fn ping(&mut self) -> io::Result<()> {
            self.note("ping".to_owned());
            if self.path.ends_with("broken") { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        }

        fn disarm(self: Box<Self>) -> io::Result<()> {
            self.note("disarm".to_owned());
            Ok(())
        }
    }

    fn open(path: &Path) -> io::Result<Box<dyn Card>> {
        if path.starts_with("/dev") || path.ends_with("missing") {
            return Err(io::ErrorKind::NotFound.into());
        }
        ASKED.lock().unwrap().push((path.to_owned(), "open".to_owned()));
        Ok(Box::new(Fake { path: path.to_owned(), seconds: Arc::new(Mutex::new(15)) }))
    }

    /// What the watchdog of this path was asked for since this was called last.
    fn asked(path: &str) -> Vec<String> {
        let mut all = ASKED.lock().unwrap();
        let (own, others) = all.drain(..).partition(|(of, _)| of == Path::new(path));
        *all = others;
        Vec::into_iter(own).map(|(_, text)| text).collect()
    }

    fn system(path: &str, watchdog: WatchdogTime) -> System {
        System { watchdog, watchdog_device: Some(path.into()), ..System::default() }
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_set_back_twice_in_its_time() {
        let mut watchdog = Watchdog::with(&system("/w/a", WatchdogTime::After(seconds(30))), open);
        assert_eq!(watchdog.due(), Some(Duration::ZERO));
        let told = watchdog.tend(seconds(100));
        assert_eq!(told.as_deref(), Some("the watchdog /w/a waits for 30 s"));
        assert_eq!(asked("/w/a"), ["open", "set 30", "ping"]);
        assert_eq!(watchdog.due(), Some(seconds(115)));
        assert_eq!(watchdog.tend(seconds(114)), None);
        assert_eq!(asked("/w/a"), [] as [&str; 0]);
        assert_eq!(watchdog.tend(seconds(116)), None);
        assert_eq!(asked("/w/a"), ["ping"]);
        assert_eq!(watchdog.at_work(), Some((Path::new("/w/a"), seconds(30), Some(seconds(116)))));
        // What the hardware has made of the time counts.
        watchdog.set(&system("/w/a", WatchdogTime::After(seconds(300))));
        watchdog.tend(seconds(117));
        assert_eq!(watchdog.due(), Some(seconds(147)));
        assert_eq!(asked("/w/a"), ["set 300", "ping"]);
    }

    #[test]
    fn one_that_is_not_wanted_is_left_alone_until_the_machine_starts_anew() {
        let mut watchdog = Watchdog::with(&system("/w/b", WatchdogTime::Off), open);
        assert_eq!((watchdog.due(), watchdog.tend(seconds(1))), (None, None));
        assert_eq!(asked("/w/b"), [] as [&str; 0]);
        assert!(watchdog.guard_reboot(seconds(5)).is_some());
        assert_eq!(asked("/w/b"), ["open", "set 600", "ping"]);
    }

    #[test]
    fn the_way_to_the_next_boot_has_its_own_time_and_none_stops_it() {
        let mut watchdog = Watchdog::with(&system("/w/c", WatchdogTime::AsItIs), open);
        watchdog.tend(seconds(1));
        assert_eq!(asked("/w/c"), ["open", "ping"]);
        assert_eq!(watchdog.due(), Some(seconds(1) + seconds(15) / 2));
        watchdog.guard_reboot(seconds(2));
        assert_eq!(asked("/w/c"), ["set 600", "ping"]);
        assert_eq!(watchdog.due(), Some(seconds(32)));
        let none = System { reboot_watchdog: WatchdogTime::Off, ..system("/w/c", WatchdogTime::AsItIs) };
        watchdog.set(&none);
        watchdog.guard_reboot(seconds(3));
        assert_eq!(asked("/w/c"), ["disarm"]);
        assert_eq!((watchdog.due(), watchdog.at_work()), (None, None));
    }

    #[test]
    fn another_copy_finds_it_stopped_and_this_one_takes_it_up_again() {
        let mut watchdog = Watchdog::with(&system("/w/d", WatchdogTime::AsItIs), open);
        watchdog.tend(seconds(1));
        watchdog.disarm();
        assert_eq!(asked("/w/d"), ["open", "ping", "disarm"]);
        assert_eq!(watchdog.tend(seconds(60)), None);
        watchdog.resume();
        watchdog.tend(seconds(61));
        assert_eq!(asked("/w/d"), ["open", "ping"]);
    }

    #[test]
    fn trouble_is_told_once_and_tried_again() {
        let mut watchdog = Watchdog::with(&system("/w/missing", WatchdogTime::AsItIs), open);
        assert!(watchdog.tend(seconds(1)).is_some_and(|told| told.starts_with("the watchdog /w/missing: ")));
        assert_eq!(watchdog.due(), Some(seconds(11)));
        assert_eq!(watchdog.tend(seconds(11)), None);
        watchdog.set(&system("/w/broken", WatchdogTime::AsItIs));
        let told = watchdog.tend(seconds(12));
        assert!(told.is_some_and(|told| told.starts_with("the watchdog /w/broken is not set back")));
        assert_eq!(watchdog.tend(seconds(30)), None);
        assert_eq!(asked("/w/broken"), ["open", "ping", "ping"]);
        watchdog.set(&system("/w/broken", WatchdogTime::Off));
        assert_eq!(asked("/w/broken"), ["disarm"]);
        assert_eq!(watchdog.due(), None);
    }

    #[test]
    fn the_usual_devices_are_looked_for_where_none_is_named() {
        let system = System { watchdog: WatchdogTime::AsItIs, ..System::default() };
        let mut watchdog = Watchdog::with(&system, open);
        assert!(watchdog.tend(seconds(1)).is_some_and(|told| told.contains("/dev/watchdog0")));
    }
}
