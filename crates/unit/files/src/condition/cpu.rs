//! Tests of processors and memory.

use perigee_units::value::parse_size;

use super::{Tested, World, compare};

/// Flags that the kernel calls otherwise.
const RENAMED: [(&str, &str); 3] = [("pclmul", "pclmulqdq"), ("fma3", "fma"), ("osxsave", "xsave")];

/// Whether the processor has a feature.
pub(super) fn feature(world: &World, parameter: &str) -> bool {
    let wanted = parameter.to_ascii_lowercase();
    let wanted = RENAMED.iter().find(|(theirs, _)| *theirs == wanted).map_or(wanted.as_str(), |(_, own)| own);
    let text = world.read("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|flag| flag == wanted))
}

/// Processors that the supervisor may run on.
pub(super) fn count(world: &World, parameter: &str) -> Tested {
    let mask = world.status("Cpus_allowed").unwrap_or_default();
    let count =
        mask.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| u64::from(digit.count_ones())).sum();
    compare::number(count, parameter, |text| text.parse().ok())
}

/// Octets of memory, less where a control group around the machine allows less.
pub(super) fn memory(world: &World, parameter: &str) -> Tested {
    let total = world.read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    let total = total.unwrap_or(0).saturating_mul(1024);
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().filter_map(|path| world.read(path)?.parse::<u64>().ok()).min();
    compare::number(total.min(limit.unwrap_or(u64::MAX)), parameter, |text| parse_size(text).ok())
}
