//! What the supervisor is made of, read from /proc: every process that is neither a unit, nor the observer, nor of the
//! kernel. So runsv and s6-supervise count, and whatever else a supervisor keeps beside itself.

use std::collections::BTreeMap;
use std::fs;

/// What all processes of a supervisor use together.
#[derive(Default)]
pub struct Use {
    pub processes: u64,
    pub rss_kib: u64,
    pub pss_kib: u64,
    pub names: BTreeMap<String, u64>,
}

/// The numbers of the processes of the supervisor. Units live in /bench/.
fn supervisors() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().into_string().ok());
    numbers
        .filter(|name| name.bytes().all(|octet| octet.is_ascii_digit()))
        .filter(|name| {
            // Those of the kernel have no program.
            let program = fs::read_link(format!("/proc/{name}/exe"));
            program.is_ok_and(|program| !program.starts_with("/bench"))
        })
        .collect()
}

pub fn measure() -> Use {
    let mut sum = Use::default();
    for process in supervisors() {
        let Ok(rollup) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else { continue };
        let field = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        sum.processes += 1;
        sum.rss_kib += field("Rss:").unwrap_or(0);
        sum.pss_kib += field("Pss:").unwrap_or(0);
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        *sum.names.entry(name.trim().to_owned()).or_default() += 1;
    }
    sum
}

/// Nanoseconds that the processes of the supervisor, as far as they live, have been on a processor.
pub fn cpu() -> u64 {
    let on_processor = |process: &String| -> Option<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(sum)
    };
    supervisors().iter().filter_map(on_processor).sum()
}
