//! What services say of themselves: the datagrams of sd_notify(3), lines of `NAME=VALUE`.

use std::time::Duration;

/// The longest datagram that is read.
pub const LONGEST_DATAGRAM: usize = 4096;

/// What one datagram says. Lines that mean nothing are passed over, as the protocol wants it; of lines that say the
/// same thing the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// `READY=1`.
    pub ready: bool,
    /// `RELOADING=1`.
    pub reloading: bool,
    /// `STOPPING=1`.
    pub stopping: bool,
    /// `MONOTONIC_USEC=`: when the reload began, on the monotonic clock.
    pub monotonic: Option<Duration>,
    /// `STATUS=`.
    pub status: Option<String>,
    /// `ERRNO=`.
    pub errno: Option<i32>,
    /// `MAINPID=`.
    pub main_pid: Option<u32>,
    /// `WATCHDOG=1`.
    pub watchdog: bool,
    /// `WATCHDOG=trigger`.
    pub watchdog_trigger: bool,
    /// `WATCHDOG_USEC=`: the new interval.
    pub watchdog_interval: Option<Duration>,
    /// `EXTEND_TIMEOUT_USEC=`.
    pub extend: Option<Duration>,
    /// `FDSTORE=1`: keep the descriptors that came along.
    pub store: bool,
    /// `FDSTOREREMOVE=1`: forget those of the name.
    pub store_remove: bool,
    /// `FDNAME=`.
    pub descriptor_name: Option<String>,
    /// `BARRIER=1`: close the descriptor that came along when all before this was taken in.
    pub barrier: bool,
}

impl Message {
    /// Reads a datagram.
    pub fn parse(datagram: &[u8]) -> Message {
        let mut message = Message::default();
        for line in datagram.split(|octet| *octet == b'\n') {
            let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once('='))
            else {
                continue;
            };
            message.take(name, value);
        }
        message
    }

    fn take(&mut self, name: &str, value: &str) {
        let micros = || value.parse().ok().map(Duration::from_micros);
        match (name, value) {
            ("READY", "1") => self.ready = true,
            ("RELOADING", "1") => self.reloading = true,
            ("STOPPING", "1") => self.stopping = true,
            ("WATCHDOG", "1") => self.watchdog = true,
            ("WATCHDOG", "trigger") => self.watchdog_trigger = true,
            ("FDSTORE", "1") => self.store = true,
            ("FDSTOREREMOVE", "1") => self.store_remove = true,
            ("BARRIER", "1") => self.barrier = true,
            ("MONOTONIC_USEC", _) => self.monotonic = micros().or(self.monotonic),
            ("WATCHDOG_USEC", _) => self.watchdog_interval = micros().or(self.watchdog_interval),
            ("EXTEND_TIMEOUT_USEC", _) => self.extend = micros().or(self.extend),
            ("STATUS", text) => self.status = Some(text.to_owned()),
            ("ERRNO", _) => self.errno = value.parse().ok().filter(|errno| *errno >= 0).or(self.errno),
            ("MAINPID", _) => self.main_pid = value.parse().ok().filter(|pid| *pid > 1).or(self.main_pid),
            ("FDNAME", name) if is_descriptor_name(name) => self.descriptor_name = Some(name.to_owned()),
            _ => {}
        }
    }
}

/// sd_listen_fds(3): printable, no colon, 255 characters at most.
fn is_descriptor_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_datagram_says() {
        let message = Message::parse(
            b"READY=1\nSTATUS=up, 3 = three\nMAINPID=77\nX_OWN=1\n\nERRNO=2\nWATCHDOG_USEC=20000000\n",
        );
        assert!(message.ready && !message.stopping);
        assert_eq!(message.status.as_deref(), Some("up, 3 = three"));
        assert_eq!((message.main_pid, message.errno), (Some(77), Some(2)));
        assert_eq!(message.watchdog_interval, Some(Duration::from_secs(20)));
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        let nothing =
            b"READY=0\nREADY=yes\nMAINPID=-1\nMAINPID=1\nERRNO=-5\nFDNAME=a:b\nSTATUS\n\xff=1\nWATCHDOG=2\n";
        assert_eq!(Message::parse(nothing), Message::default());
    }
}
