//! Names of exit statuses: those of the C library and of LSB, and those which systemd gives where a process
//! could not be made as its unit says.

use crate::value::{Signal, ValueError};

/// Ways to end, as `SuccessExitStatus=` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitStatuses {
    /// Exit statuses.
    pub codes: Vec<u8>,
    /// Signals.
    pub signals: Vec<Signal>,
}

const NAMES: [(&str, u8); 67] = [
    ("SUCCESS", 0),
    ("FAILURE", 1),
    ("INVALIDARGUMENT", 2),
    ("NOTIMPLEMENTED", 3),
    ("NOPERMISSION", 4),
    ("NOTINSTALLED", 5),
    ("NOTCONFIGURED", 6),
    ("NOTRUNNING", 7),
    ("USAGE", 64),
    ("DATAERR", 65),
    ("NOINPUT", 66),
    ("NOUSER", 67),
    ("NOHOST", 68),
    ("UNAVAILABLE", 69),
    ("SOFTWARE", 70),
    ("OSERR", 71),
    ("OSFILE", 72),
    ("CANTCREAT", 73),
    ("IOERR", 74),
    ("TEMPFAIL", 75),
    ("PROTOCOL", 76),
    ("NOPERM", 77),
    ("CONFIG", 78),
    ("CHDIR", 200),
    ("NICE", 201),
    ("FDS", 202),
    ("EXEC", 203),
    ("MEMORY", 204),
    ("LIMITS", 205),
    ("OOM_ADJUST", 206),
    ("SIGNAL_MASK", 207),
    ("STDIN", 208),
    ("STDOUT", 209),
    ("CHROOT", 210),
    ("IOPRIO", 211),
    ("TIMERSLACK", 212),
    ("SECUREBITS", 213),
    ("SETSCHEDULER", 214),
    ("CPUAFFINITY", 215),
    ("GROUP", 216),
    ("USER", 217),
    ("CAPABILITIES", 218),
    ("CGROUP", 219),
    ("SETSID", 220),
    ("CONFIRM", 221),
    ("STDERR", 222),
    ("PAM", 224),
    ("NETWORK", 225),
    ("NAMESPACE", 226),
    ("NO_NEW_PRIVILEGES", 227),
    ("SECCOMP", 228),
    ("SELINUX_CONTEXT", 229),
    ("PERSONALITY", 230),
    ("APPARMOR", 231),
    ("ADDRESS_FAMILIES", 232),
    ("RUNTIME_DIRECTORY", 233),
    ("CHOWN", 235),
    ("SMACK_PROCESS_LABEL", 236),
    ("KEYRING", 237),
    ("STATE_DIRECTORY", 238),
    ("CACHE_DIRECTORY", 239),
    ("LOGS_DIRECTORY", 240),
    ("CONFIGURATION_DIRECTORY", 241),
    ("NUMA_POLICY", 242),
    ("CREDENTIALS", 243),
    ("BPF", 244),
    ("EXCEPTION", 255),
];

impl ExitStatuses {
    /// Numbers, names of statuses and names of signals, by whitespace.
    ///
    /// # Errors
    /// A word which is none of them.
    pub fn parse(text: &str) -> Result<ExitStatuses, ValueError> {
        let mut statuses = ExitStatuses::default();
        for word in text.split_whitespace() {
            let named = NAMES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code);
            let number = word.bytes().all(|octet| octet.is_ascii_digit());
            if let Some(code) = named {
                statuses.codes.push(code);
            } else if number {
                statuses.codes.push(word.parse().map_err(|_| ValueError::Number(word.to_owned()))?);
            } else {
                statuses.signals.push(Signal::parse(word)?);
            }
        }
        Ok(statuses)
    }

    /// Whether a process that exited with `code`, or ended by `signal`, is among them.
    pub fn contain(&self, code: Option<u8>, signal: Option<Signal>) -> bool {
        code.is_some_and(|code| self.codes.contains(&code))
            || signal.is_some_and(|signal| self.signals.contains(&signal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_names_and_signals() {
        let statuses = ExitStatuses::parse("TEMPFAIL 250 SIGKILL 1").expect("statuses");
        assert_eq!(
            (statuses.codes.as_slice(), statuses.signals.as_slice()),
            (&[75, 250, 1][..], &[Signal::KILL][..])
        );
        assert!(statuses.contain(Some(250), None) && statuses.contain(None, Some(Signal::KILL)));
        assert!(!statuses.contain(Some(2), None) && !statuses.contain(None, None));
        for text in ["256", "NOSUCH", "-1"] {
            assert!(ExitStatuses::parse(text).is_err(), "{text}");
        }
    }
}
