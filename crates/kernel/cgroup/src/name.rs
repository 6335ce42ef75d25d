//! Names and paths of groups: `a-b.slice` lies in `a.slice`, a unit in its slice.

use crate::GroupError;

/// The longest name of a file.
const LONGEST_NAME: usize = 255;
/// Groups lie in each other no deeper than this.
pub(crate) const DEEPEST: usize = 32;

/// What the kernel's own files in a group begin with, before a dot.
const RESERVED: [&str; 17] = [
    "cgroup",
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "io",
    "blkio",
    "pids",
    "devices",
    "freezer",
    "hugetlb",
    "rdma",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "debug",
];

/// The name of the group of a unit: its own, with `_` before it where the kernel's files could have that name.
pub fn escape(unit: &str) -> String {
    let reserved = unit.split_once('.').is_some_and(|(first, _)| RESERVED.contains(&first));
    let taken = matches!(unit, "tasks" | "notify_on_release" | "release_agent");
    if reserved || taken || unit.starts_with(['_', '.']) { format!("_{unit}") } else { unit.to_owned() }
}

/// The name of the unit of a group.
pub fn unescape(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

/// The path of the group of `unit` in `slice`. The root slice, `-.slice`, is the base itself.
///
/// # Errors
/// What is no name of a slice or of a unit.
pub fn group_path(slice: &str, unit: &str) -> Result<String, GroupError> {
    let mut path = String::new();
    if !slice.is_empty() && slice != "-.slice" {
        let wrong = || GroupError::Path(slice.to_owned());
        let stem = slice.strip_suffix(".slice").ok_or_else(wrong)?;
        if stem.split('-').any(str::is_empty) {
            return Err(wrong());
        }
        let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
        for end in ends {
            path.push_str(&escape(&format!("{}.slice", &stem[..end])));
            path.push('/');
        }
    }
    if unit == slice || (unit == "-.slice" && path.is_empty()) {
        path.pop();
    } else {
        path.push_str(&escape(unit));
    }
    check(&path)?;
    Ok(path)
}

/// Refuses a path that does not lie below the base.
pub(crate) fn check(path: &str) -> Result<(), GroupError> {
    let plain = |name: &str| {
        !name.is_empty() && name != "." && name != ".." && name.len() <= LONGEST_NAME && !name.contains('\0')
    };
    let depth = path.split('/').count();
    if !path.is_empty() && (depth > DEEPEST || !path.split('/').all(plain)) {
        return Err(GroupError::Path(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_lie_in_their_slices() {
        for (slice, unit, path) in [
            ("system.slice", "nginx.service", "system.slice/nginx.service"),
            (
                "system-getty.slice",
                "getty@tty1.service",
                "system.slice/system-getty.slice/getty@tty1.service",
            ),
            ("a-b-c.slice", "a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"),
            ("-.slice", "x.service", "x.service"),
            ("-.slice", "-.slice", ""),
            ("", "init.scope", "init.scope"),
            ("memory.slice", "cpu.service", "_memory.slice/_cpu.service"),
            ("", "_x.service", "__x.service"),
            ("", "..", "_.."),
        ] {
            assert_eq!(group_path(slice, unit).expect(slice), path);
            assert_eq!(path.rsplit('/').next().map(unescape), Some(if path.is_empty() { "" } else { unit }));
        }
    }

    #[test]
    fn what_is_no_path() {
        for slice in ["system", "a--b.slice", "-a.slice", "a-.slice", ".slice"] {
            assert!(group_path(slice, "x.service").is_err(), "{slice}");
        }
        let long = "x".repeat(256);
        let deep = ["a"; DEEPEST + 1].join("/");
        for path in ["/a", "a/", "a//b", "..", "a/../b", ".", "a\0", &long, &deep] {
            assert!(check(path).is_err(), "{path}");
        }
        for unit in ["", "a/../../b", "a\0"] {
            assert!(group_path("system.slice", unit).is_err(), "{unit:?}");
        }
    }
}
