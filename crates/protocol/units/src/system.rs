//! What is set for the supervisor as a whole, in the syntax of systemd-system.conf(5): the machine's watchdog, in
//! `[Manager]`, and what is Perigee's own, in `[X-Perigee]`, which systemd passes over.

use std::path::PathBuf;
use std::time::Duration;

use crate::unit::{Complaint, Reason, Source, parse};
use crate::value::{Span, ValueError, parse_bool, parse_path};

/// How long the machine's watchdog waits for the next sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchdogTime {
    /// It is not used.
    #[default]
    Off,
    /// As long as its device is set to.
    AsItIs,
    /// So long.
    After(Duration),
}

/// What is set for the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// `RuntimeWatchdogSec=`: while units run.
    pub watchdog: WatchdogTime,
    /// `RebootWatchdogSec=`: once they are stopped and the machine is to start anew.
    pub reboot_watchdog: WatchdogTime,
    /// `WatchdogDevice=`; the usual ones if nothing is said.
    pub watchdog_device: Option<PathBuf>,
    /// `Strict=`: units of which something is not carried out are not started.
    pub strict: bool,
}

impl Default for System {
    /// As systemd: no watchdog but for the way to the next boot.
    fn default() -> System {
        System {
            watchdog: WatchdogTime::Off,
            reboot_watchdog: WatchdogTime::After(Duration::from_secs(600)),
            watchdog_device: None,
            strict: false,
        }
    }
}

/// Directives that are carried out, by their sections.
const CARRIED_OUT: [(&str, &str); 4] = [
    ("Manager", "RuntimeWatchdogSec"),
    ("Manager", "RebootWatchdogSec"),
    ("Manager", "WatchdogDevice"),
    ("X-Perigee", "Strict"),
];

/// The other directives that `[Manager]` has in systemd 252.
const OTHERS: [&str; 61] = [
    "LogLevel",
    "LogTarget",
    "LogColor",
    "LogLocation",
    "LogTime",
    "DumpCore",
    "CrashChangeVT",
    "CrashShell",
    "CrashReboot",
    "ShowStatus",
    "StatusUnitFormat",
    "CPUAffinity",
    "NUMAPolicy",
    "NUMAMask",
    "CtrlAltDelBurstAction",
    "JoinControllers",
    "RuntimeWatchdogPreSec",
    "RuntimeWatchdogPreGovernor",
    "ShutdownWatchdogSec",
    "KExecWatchdogSec",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "SystemCallArchitectures",
    "TimerSlackNSec",
    "DefaultTimerAccuracySec",
    "DefaultStandardOutput",
    "DefaultStandardError",
    "DefaultTimeoutStartSec",
    "DefaultTimeoutStopSec",
    "DefaultTimeoutAbortSec",
    "DefaultDeviceTimeoutSec",
    "DefaultRestartSec",
    "DefaultStartLimitInterval",
    "DefaultStartLimitIntervalSec",
    "DefaultStartLimitBurst",
    "DefaultEnvironment",
    "ManagerEnvironment",
    "DefaultCPUAccounting",
    "DefaultIOAccounting",
    "DefaultIPAccounting",
    "DefaultMemoryAccounting",
    "DefaultTasksAccounting",
    "DefaultTasksMax",
    "DefaultLimitCPU",
    "DefaultLimitFSIZE",
    "DefaultLimitDATA",
    "DefaultLimitSTACK",
    "DefaultLimitCORE",
    "DefaultLimitRSS",
    "DefaultLimitNOFILE",
    "DefaultLimitAS",
    "DefaultLimitNPROC",
    "DefaultLimitMEMLOCK",
    "DefaultLimitLOCKS",
    "DefaultLimitSIGPENDING",
    "DefaultLimitMSGQUEUE",
    "DefaultLimitNICE",
    "DefaultLimitRTPRIO",
    "DefaultLimitRTTIME",
    "DefaultOOMPolicy",
    "DefaultOOMScoreAdjust",
];

impl System {
    /// Reads the file and its drop-ins, in the order in which they count, and what there is to know about them.
    pub fn read(sources: &[Source]) -> (System, Vec<Complaint>) {
        let (mut system, mut complaints) = (System::default(), Vec::new());
        for source in sources {
            let about = |line, directive: Option<&str>, reason| Complaint {
                file: source.path.clone(),
                line,
                directive: directive.map(str::to_owned),
                reason,
            };
            let parsed = parse(&source.text);
            complaints.extend(
                parsed.faults.into_iter().map(|(line, fault)| about(line, None, Reason::Syntax(fault))),
            );
            for (section, line) in parsed.sections {
                if section != "Manager" && !section.starts_with("X-") {
                    complaints.push(about(line, None, Reason::Section(section)));
                }
            }
            for assignment in parsed.assignments {
                let (section, key, line) =
                    (assignment.section.as_str(), assignment.key.as_str(), assignment.line);
                if CARRIED_OUT.contains(&(section, key)) {
                    if let Err(error) = system.take(key, &assignment.value) {
                        complaints.push(about(line, Some(key), Reason::Value(error)));
                    }
                    continue;
                }
                let reason = match section {
                    "Manager" if OTHERS.contains(&key) => {
                        Reason::NotCarriedOut("this supervisor has no such setting yet")
                    }
                    "Manager" | "X-Perigee" if !key.starts_with("X-") => {
                        Reason::Unknown { section: section.to_owned(), similar: None }
                    }
                    _ => continue,
                };
                complaints.push(about(line, Some(key), reason));
            }
        }
        (system, complaints)
    }

    /// One value; an empty one takes back what was said before.
    fn take(&mut self, key: &str, value: &str) -> Result<(), ValueError> {
        let before = System::default();
        let time = |before| if value.is_empty() { Ok(before) } else { watchdog_time(value) };
        match key {
            "RuntimeWatchdogSec" => self.watchdog = time(before.watchdog)?,
            "RebootWatchdogSec" => self.reboot_watchdog = time(before.reboot_watchdog)?,
            "WatchdogDevice" if value.is_empty() => self.watchdog_device = None,
            "WatchdogDevice" => self.watchdog_device = Some(parse_path(value)?.into()),
            _ => self.strict = !value.is_empty() && parse_bool(value)?,
        }
        Ok(())
    }
}

fn watchdog_time(value: &str) -> Result<WatchdogTime, ValueError> {
    Ok(match value {
        "off" => WatchdogTime::Off,
        "default" => WatchdogTime::AsItIs,
        _ => match Span::parse(value)? {
            Span::Finite(Duration::ZERO) => WatchdogTime::Off,
            Span::Finite(length) => WatchdogTime::After(length),
            Span::Infinity => WatchdogTime::AsItIs,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> (System, Vec<String>) {
        let source = |text: &&str| Source { path: "system.conf".into(), text: text.as_bytes().to_vec() };
        let (system, complaints) = System::read(&texts.iter().map(source).collect::<Vec<_>>());
        (system, complaints.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_said_is_as_systemd_has_it() {
        assert_eq!(read(&[]), (System::default(), Vec::new()));
        assert_eq!(System::default().reboot_watchdog, WatchdogTime::After(Duration::from_secs(600)));
    }

    #[test]
    fn later_files_count_and_empty_values_take_back() {
        let first =
            "[Manager]\nRuntimeWatchdogSec=30s\nWatchdogDevice=/dev/watchdog1\n[X-Perigee]\nStrict=yes\n";
        let (system, complaints) = read(&[first]);
        assert_eq!(complaints, [] as [&str; 0]);
        let expected = System {
            watchdog: WatchdogTime::After(Duration::from_secs(30)),
            watchdog_device: Some("/dev/watchdog1".into()),
            strict: true,
            ..System::default()
        };
        assert_eq!(system, expected);
        let (system, _) =
            read(&[first, "[Manager]\nRuntimeWatchdogSec=\nWatchdogDevice=\nRebootWatchdogSec=default\n"]);
        let expected = System { reboot_watchdog: WatchdogTime::AsItIs, strict: true, ..System::default() };
        assert_eq!(system, expected);
    }

    #[test]
    fn times_of_a_watchdog() {
        for (text, expected) in [
            ("off", Some(WatchdogTime::Off)),
            ("0", Some(WatchdogTime::Off)),
            ("default", Some(WatchdogTime::AsItIs)),
            ("infinity", Some(WatchdogTime::AsItIs)),
            ("1min 30s", Some(WatchdogTime::After(Duration::from_secs(90)))),
            ("soon", None),
        ] {
            assert_eq!(watchdog_time(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn whatever_else_stands_there_is_named() {
        let text = "[Manager]\nDefaultTimeoutStopSec=5s\nRuntimeWatchdog=5s\nX-Mine=1\nWatchdogDevice=dev\n\
                    [Service]\nx=1\n[X-Other]\ny=1\n[X-Perigee]\nStrickt=1\nStrict=very\n";
        let (system, complaints) = read(&[text]);
        assert_eq!(system, System::default());
        let lines: Vec<_> =
            complaints.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
        assert_eq!(
            lines,
            [
                "system.conf:6: files of this kind have no section [Service]",
                "system.conf:2: DefaultTimeoutStopSec=",
                "system.conf:3: RuntimeWatchdog=",
                "system.conf:5: WatchdogDevice=",
                "system.conf:11: Strickt=",
                "system.conf:12: Strict=",
            ]
        );
    }
}
