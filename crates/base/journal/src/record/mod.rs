//! One record: what was said, by whom, when.
//!
//! On disk a record is a JSON object on a line of its own; `seq` and `time` come first. What has no value is left out.
//!
//! | key | what it is | journald's name |
//! | --- | --- | --- |
//! | `seq` | number of the record in this log; goes up, gaps are records that were lost | `__SEQNUM` |
//! | `time` | when it was taken, wall clock, RFC 3339 in UTC with microseconds | `__REALTIME_TIMESTAMP` |
//! | `mono` | the same in microseconds since boot | `__MONOTONIC_TIMESTAMP` |
//! | `boot` | identity of the boot, 32 hexadecimal digits | `_BOOT_ID` |
//! | `unit` | the unit | `_SYSTEMD_UNIT`, `UNIT` |
//! | `run` | identity of this run of the unit | `_SYSTEMD_INVOCATION_ID` |
//! | `pid`, `uid` | the process that wrote it and its user, as the kernel says | `_PID`, `_UID` |
//! | `from` | `stdout`, `stderr`, `syslog`, `journal`, `notify` or `supervisor` | `_TRANSPORT` |
//! | `prio` | 0 (emergency) to 7 (debug) | `PRIORITY` |
//! | `facility` | of a syslog message | `SYSLOG_FACILITY` |
//! | `id` | `SyslogIdentifier=`, or what the message says itself | `SYSLOG_IDENTIFIER` |
//! | `msg` | the text | `MESSAGE` |
//! | `msg_base64` | the octets of the text, only where they are not UTF-8; `msg` has U+FFFD in their place | |
//! | `cut` | `true`: the line was too long and goes on in the next record of the same process | `_LINE_BREAK` |
//! | `fields` | further values by name, of `LogExtraFields=` or of the message | by their names |
//! | `fields_base64` | those that are not UTF-8 | |

mod decode;
mod encode;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::time::Time;

pub use decode::RecordError;
pub(crate) use decode::head;
pub(crate) use encode::decimal;

/// How urgent, as syslog has it: the smaller the more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
pub struct Priority(u8);

impl From<u8> for Priority {
    fn from(number: u8) -> Priority {
        Priority::new(number)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

impl Priority {
    /// The system cannot be used.
    pub const EMERGENCY: Priority = Priority(0);
    /// Something must be done at once.
    pub const ALERT: Priority = Priority(1);
    /// Critical.
    pub const CRITICAL: Priority = Priority(2);
    /// An error.
    pub const ERROR: Priority = Priority(3);
    /// A warning.
    pub const WARNING: Priority = Priority(4);
    /// Usual, but worth a look.
    pub const NOTICE: Priority = Priority(5);
    /// For the record; what a unit prints, unless it says otherwise.
    pub const INFO: Priority = Priority(6);
    /// For whoever looks for a fault.
    pub const DEBUG: Priority = Priority(7);

    /// Of a number from 0 to 7; others are held at 7.
    pub fn new(number: u8) -> Priority {
        Priority(number.min(7))
    }

    /// 0 to 7.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The short name: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info`, `debug`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

const NAMES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Neither a name of a priority nor a number from 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no priority: one of emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7")]
pub struct PriorityError;

impl FromStr for Priority {
    type Err = PriorityError;

    fn from_str(text: &str) -> Result<Priority, PriorityError> {
        if let [digit @ b'0'..=b'7'] = text.as_bytes() {
            return Ok(Priority(digit - b'0'));
        }
        let other = match text {
            "panic" => Some("emerg"),
            "error" => Some("err"),
            "warn" => Some("warning"),
            _ => None,
        };
        let name = other.unwrap_or(text);
        NAMES.iter().position(|known| *known == name).map(|at| Priority(at as u8)).ok_or(PriorityError)
    }
}

/// Which way a record came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Standard output of a unit.
    Stdout,
    /// Its standard error.
    Stderr,
    /// A datagram to /dev/log.
    Syslog,
    /// A datagram in journald's own protocol.
    Journal,
    /// `STATUS=` and the like, told over the notify socket.
    Notify,
    /// The supervisor or the log process itself.
    Supervisor,
}

impl Source {
    const ALL: [Source; 6] =
        [Source::Stdout, Source::Stderr, Source::Syslog, Source::Journal, Source::Notify, Source::Supervisor];

    /// The word on disk.
    pub fn name(self) -> &'static str {
        match self {
            Source::Stdout => "stdout",
            Source::Stderr => "stderr",
            Source::Syslog => "syslog",
            Source::Journal => "journal",
            Source::Notify => "notify",
            Source::Supervisor => "supervisor",
        }
    }

    /// The other way round.
    pub fn from_name(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.name() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One record. Borrowed while it is written, owned when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Number in the log; given when it is written.
    pub sequence: u64,
    /// When it was taken.
    pub time: Time,
    /// The same since boot, in microseconds.
    pub monotonic: u64,
    /// The boot that `monotonic` counts from.
    pub boot: Id,
    /// The unit; empty where it is not known.
    pub unit: Cow<'a, str>,
    /// The run of the unit.
    pub invocation: Option<Id>,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Which way it came.
    pub source: Source,
    /// How urgent it is.
    pub priority: Priority,
    /// Of a syslog message.
    pub facility: Option<u8>,
    /// Who says it, in short; empty where nobody said.
    pub identifier: Cow<'a, str>,
    /// What is said: text in UTF-8, if the unit is civil.
    pub message: Cow<'a, [u8]>,
    /// The line was too long and goes on in the next record.
    pub cut: bool,
    /// Further values by name.
    pub fields: Cow<'a, [(String, Vec<u8>)]>,
}

impl<'a> Record<'a> {
    /// A record that says `message` about `unit`, with nothing else known.
    pub fn new(unit: &'a str, source: Source, priority: Priority, message: &'a [u8]) -> Record<'a> {
        Record {
            sequence: 0,
            time: Time(0),
            monotonic: 0,
            boot: Id(0),
            unit: Cow::Borrowed(unit),
            invocation: None,
            pid: None,
            uid: None,
            source,
            priority,
            facility: None,
            identifier: Cow::Borrowed(""),
            message: Cow::Borrowed(message),
            cut: false,
            fields: Cow::Borrowed(&[]),
        }
    }

    /// The text, with U+FFFD for what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.message)
    }

    /// With nothing borrowed.
    pub fn into_owned(self) -> Record<'static> {
        Record {
            unit: Cow::Owned(self.unit.into_owned()),
            identifier: Cow::Owned(self.identifier.into_owned()),
            message: Cow::Owned(self.message.into_owned()),
            fields: Cow::Owned(self.fields.into_owned()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
