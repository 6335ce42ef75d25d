//! The machine's watchdog: a clock in its hardware that starts the machine anew unless somebody sets it back in time
//! (the watchdog API of the kernel, linux/watchdog.h).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use crate::raw;

/// `WDIOC_…` of linux/watchdog.h; the C library does not have them. Each takes a pointer to one `int`.
const SET_OPTIONS: usize = 0x8004_5704;
const KEEP_ALIVE: usize = 0x8004_5705;
const SET_TIMEOUT: usize = 0xC004_5706;
const GET_TIMEOUT: usize = 0x8004_5707;

/// `WDIOS_…`: the clock is stopped, or started.
const DISABLE_CARD: i32 = 1;
const ENABLE_CARD: i32 = 2;

/// A watchdog that runs from the moment on in which it was opened. Closing it does not stop it:
/// [`Watchdog::disarm`] does, where the hardware lets itself be stopped.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Opens its device.
    ///
    /// # Errors
    /// There is none, this process may not, or somebody else has it.
    pub fn open(path: &Path) -> io::Result<Watchdog> {
        // A pipe in its place keeps nobody waiting.
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let device = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        let watchdog = Watchdog { device };
        // Some start when they are opened and know no other way; what is no watchdog at all knows neither.
        match watchdog.ask(SET_OPTIONS, ENABLE_CARD) {
            Ok(_) | Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOTTY) => {}
            Err(errno) => return Err(errno.into()),
        }
        watchdog.ping()?;
        Ok(watchdog)
    }

    /// How long it waits.
    ///
    /// # Errors
    /// It does not tell.
    pub fn timeout(&self) -> io::Result<Duration> {
        let seconds = self.ask(GET_TIMEOUT, 0)?;
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Sets how long it waits, in whole seconds, at least one; gives what it has made of that.
    ///
    /// # Errors
    /// Its time is fixed, or it cannot wait that long.
    pub fn set_timeout(&self, timeout: Duration) -> io::Result<Duration> {
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds.max(1)).unwrap_or(i32::MAX);
        let seconds = self.ask(SET_TIMEOUT, seconds)?;
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Sets it back: it begins to wait anew.
    ///
    /// # Errors
    /// What the device says.
    pub fn ping(&self) -> io::Result<()> {
        match self.ask(KEEP_ALIVE, 0) {
            // Any letter but the farewell does it where there is no request for it.
            Err(Errno::EOPNOTSUPP) => (&self.device).write_all(b"\0"),
            asked => Ok(asked.map(drop)?),
        }
    }

    /// Stops it, so that nothing happens when it is closed: by its option, and by the letter that it takes for a
    /// farewell.
    ///
    /// # Errors
    /// It cannot be written. One that is made never to stop says nothing.
    pub fn disarm(mut self) -> io::Result<()> {
        let _ = self.ask(SET_OPTIONS, DISABLE_CARD);
        self.device.write_all(b"V")
    }

    /// One request; gives the number that the device has answered with.
    fn ask(&self, request: usize, mut number: i32) -> Result<i32, Errno> {
        let arguments = [self.device.as_raw_fd() as usize, request, (&raw mut number) as usize, 0, 0, 0];
        // SAFETY: each of the requests above reads and writes one `int`, which is what the pointer leads to.
        unsafe { raw::call(libc::SYS_ioctl, arguments) }.map_err(Errno::from_raw)?;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers as linux/ioctl.h makes them: direction, size, letter and number.
    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        let number =
            |direction: usize, number: usize| direction << 30 | 4 << 16 | (b'W' as usize) << 8 | number;
        assert_eq!([SET_OPTIONS, KEEP_ALIVE, GET_TIMEOUT], [4, 5, 7].map(|at| number(2, at)));
        assert_eq!(SET_TIMEOUT, number(3, 6));
    }

    #[test]
    fn what_is_no_watchdog_is_refused_and_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("none");
        assert_eq!(Watchdog::open(&missing).expect_err("missing").kind(), io::ErrorKind::NotFound);
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        let error = Watchdog::open(&file).expect_err("a file");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_eq!(Watchdog::open(&pipe).expect_err("a pipe").raw_os_error(), Some(libc::ENXIO));
    }
}
