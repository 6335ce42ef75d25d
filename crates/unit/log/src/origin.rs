//! Whose process it is: the unit, by the control group.

use std::collections::HashMap;
use std::fs;

use perigee_units::unit::UnitName;

/// Answers that are remembered.
const MOST_KNOWN: usize = 1024;
/// How long, in microseconds: long enough for a burst, too short for a process number to come again.
const KNOWN_FOR: u64 = 1_000_000;

/// Units by process number, remembered for a moment.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashMap<u32, (u64, String)>,
}

impl Origins {
    /// The unit of a process; empty where it is in none, or has gone.
    pub(super) fn unit(&mut self, pid: u32, now: u64) -> &str {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let known = self.known.entry(pid).or_insert((0, String::new()));
        if known.0 == 0 || now.saturating_sub(known.0) > KNOWN_FOR {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            *known = (now.max(1), unit_of(&groups).unwrap_or_default().to_owned());
        }
        &known.1
    }
}

/// The unit that /proc/PID/cgroup names: of the unified hierarchy if it has one, else of a named one, else of any.
fn unit_of(groups: &str) -> Option<&str> {
    let lines: Vec<_> = groups
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let rank = if controllers.is_empty() {
                0
            } else if controllers.starts_with("name=") {
                1
            } else {
                2
            };
            Some((rank, unit_in_path(path)?))
        })
        .collect();
    lines.into_iter().min_by_key(|(rank, _)| *rank).map(|(_, unit)| unit)
}

/// The last part of a path that is the name of a unit, slices apart: groups below it are the unit's own.
fn unit_in_path(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| {
        let plausible = part.contains('.') && !part.ends_with(".slice");
        plausible && UnitName::parse(part).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_name_units() {
        for (groups, unit) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            ("0::/system.slice/system-getty.slice/getty@tty1.service/own\n", Some("getty@tty1.service")),
            (
                "12:pids:/other.service\n1:name=systemd:/system.slice/cron.service\n0::/\n",
                Some("cron.service"),
            ),
            ("3:cpu,cpuacct:/system.slice/a.service\n", Some("a.service")),
            ("0::/system.slice\n", None),
            ("0::/user.slice/whatever\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(groups), unit, "{groups}");
        }
    }

    #[test]
    fn a_process_that_is_gone_has_no_unit() {
        assert_eq!(Origins::default().unit(u32::MAX, 5), "");
    }
}
