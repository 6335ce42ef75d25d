//! Which limit belongs into which file, in version 2 and in version 1; Documentation/admin-guide/cgroup-v2.rst and
//! cgroup-v1/ of the kernel.

use std::time::Duration;

use perigee_units::value::Amount;

use super::{Limits, Machine, Weight};
use crate::Controller;

/// The period in which a quota of processor time counts, unless said otherwise.
const PERIOD: Duration = Duration::from_millis(100);
/// The kernel takes no period below and above these, and no quota below the first.
const PERIODS: (u64, u64) = (1_000, 1_000_000);

/// A text for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// Names that the file has, one of which is there; it depends on the kernel which.
    pub(super) files: &'static [&'static str],
    pub(super) text: String,
    /// Nothing is lost where it fails, as long as another one of the same directive does not.
    pub(super) optional: bool,
}

/// What one directive comes to; an error says why there is no such thing in this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) directive: &'static str,
    pub(super) controller: Controller,
    pub(super) unified: Result<Vec<Write>, &'static str>,
    pub(super) legacy: Result<Vec<Write>, &'static str>,
}

fn one(files: &'static [&'static str], text: impl ToString) -> Result<Vec<Write>, &'static str> {
    Ok(vec![Write { files, text: text.to_string(), optional: false }])
}

/// What version 1 lacks.
const ONLY_UNIFIED: &str = "version 1 of control groups has nothing like it";

/// The files that a limit stands in, and what lifts it there.
const LIFTED: [(&str, &str); 19] = [
    ("memory.min", "0"),
    ("memory.low", "0"),
    ("memory.high", "max"),
    ("memory.max", "max"),
    ("memory.swap.max", "max"),
    ("memory.zswap.max", "max"),
    ("memory.oom.group", "0"),
    ("memory.limit_in_bytes", "-1"),
    ("memory.memsw.limit_in_bytes", "-1"),
    ("cpu.max", "max 100000"),
    ("cpu.weight", "100"),
    ("cpu.idle", "0"),
    ("cpu.shares", "1024"),
    ("cpu.cfs_quota_us", "-1"),
    ("cpu.cfs_period_us", "100000"),
    ("pids.max", "max"),
    ("io.weight", "default 100"),
    ("io.bfq.weight", "100"),
    ("blkio.bfq.weight", "100"),
];

impl Setting {
    /// What undoes it.
    pub(super) fn lift(mut self) -> Setting {
        for write in [&mut self.unified, &mut self.legacy].into_iter().flatten().flatten() {
            let default = LIFTED.iter().find(|(file, _)| write.files.contains(file));
            // An empty list of processors is all of those above.
            write.text = default.map(|(_, text)| (*text).to_owned()).unwrap_or_else(|| "\n".to_owned());
        }
        self
    }
}

impl Limits {
    /// What belongs where, in the order in which it is to be written.
    pub(super) fn settings(&self, machine: &Machine) -> Vec<Setting> {
        let mut all = Vec::new();
        self.memory(machine, &mut all);
        self.cpu(&mut all);
        if let Some(amount) = self.tasks_max {
            let text =
                Machine::resolve(amount, machine.tasks).map_or("max".to_owned(), |most| most.to_string());
            let file: &[&str] = &["pids.max"];
            all.push(Setting {
                directive: "TasksMax",
                controller: Controller::Pids,
                unified: one(file, &text),
                legacy: one(file, &text),
            });
        }
        if let Some(weight) = self.io_weight {
            all.push(Setting {
                directive: "IOWeight",
                controller: Controller::Io,
                unified: Ok(vec![
                    Write { files: &["io.weight"], text: format!("default {weight}"), optional: true },
                    Write { files: &["io.bfq.weight"], text: bfq(weight), optional: true },
                ]),
                legacy: one(&["blkio.bfq.weight", "blkio.weight"], bfq(weight)),
            });
        }
        for (directive, list, file) in [
            ("AllowedCPUs", &self.cpus, &["cpuset.cpus"]),
            ("AllowedMemoryNodes", &self.memory_nodes, &["cpuset.mems"]),
        ] {
            if let Some(list) = list {
                let (unified, legacy) = (one(file, list), one(file, list));
                all.push(Setting { directive, controller: Controller::CpuSet, unified, legacy });
            }
        }
        all
    }

    fn memory(&self, machine: &Machine, all: &mut Vec<Setting>) {
        let octets = |amount: Amount, whole| {
            Machine::resolve(amount, whole).map_or("max".to_owned(), |n| n.to_string())
        };
        let signed = |amount: Option<u64>| amount.map_or("-1".to_owned(), |octets| octets.to_string());
        let most = self.memory_max.and_then(|amount| Machine::resolve(amount, machine.memory));
        let mut push = |directive, unified, legacy| {
            all.push(Setting { directive, controller: Controller::Memory, unified, legacy });
        };
        for (directive, amount, file) in [
            ("MemoryMin", self.memory_min, &["memory.min"]),
            ("MemoryLow", self.memory_low, &["memory.low"]),
            ("MemoryHigh", self.memory_high, &["memory.high"]),
        ] {
            if let Some(amount) = amount {
                push(directive, one(file, octets(amount, machine.memory)), Err(ONLY_UNIFIED));
            }
        }
        if let Some(amount) = self.memory_max {
            let legacy = vec![
                // The limit with swap must never be below the other one: it makes room first.
                Write { files: &["memory.memsw.limit_in_bytes"], text: "-1".to_owned(), optional: true },
                Write { files: &["memory.limit_in_bytes"], text: signed(most), optional: false },
            ];
            push("MemoryMax", one(&["memory.max"], octets(amount, machine.memory)), Ok(legacy));
        }
        if let Some(amount) = self.swap_max {
            let swap = Machine::resolve(amount, machine.swap);
            // Version 1 limits the sum of both.
            let sum = match (most, swap) {
                (Some(most), Some(swap)) => one(&["memory.memsw.limit_in_bytes"], most.saturating_add(swap)),
                (None, Some(_)) => {
                    Err("version 1 of control groups limits swap only together with MemoryMax=")
                }
                (_, None) => one(&["memory.memsw.limit_in_bytes"], "-1"),
            };
            push("MemorySwapMax", one(&["memory.swap.max"], octets(amount, machine.swap)), sum);
        }
        if let Some(amount) = self.zswap_max {
            push(
                "MemoryZSwapMax",
                one(&["memory.zswap.max"], octets(amount, machine.swap)),
                Err(ONLY_UNIFIED),
            );
        }
        if self.oom_group {
            push("OOMPolicy", one(&["memory.oom.group"], 1), Err(ONLY_UNIFIED));
        }
    }

    fn cpu(&self, all: &mut Vec<Setting>) {
        let controller = Controller::Cpu;
        if let Some(share) = self.cpu_quota {
            let (quota, period) = quota(share, self.cpu_period.unwrap_or(PERIOD));
            let legacy = vec![
                // A quota that was there may be too large for the new period.
                Write { files: &["cpu.cfs_quota_us"], text: "-1".to_owned(), optional: true },
                Write { files: &["cpu.cfs_period_us"], text: period.to_string(), optional: false },
                Write { files: &["cpu.cfs_quota_us"], text: quota.to_string(), optional: false },
            ];
            let unified = one(&["cpu.max"], format!("{quota} {period}"));
            all.push(Setting { directive: "CPUQuota", controller, unified, legacy: Ok(legacy) });
        }
        match (self.cpu_weight, self.cpu_shares) {
            (Some(Weight::Idle), _) => {
                let idle = || one(&["cpu.idle"], 1);
                all.push(Setting { directive: "CPUWeight", controller, unified: idle(), legacy: idle() });
            }
            (Some(Weight::Of(weight)), _) => all.push(Setting {
                directive: "CPUWeight",
                controller,
                unified: one(&["cpu.weight"], weight.clamp(1, 10_000)),
                legacy: one(&["cpu.shares"], (weight * 1024 / 100).clamp(2, 262_144)),
            }),
            (None, Some(shares)) => all.push(Setting {
                directive: "CPUShares",
                controller,
                unified: one(&["cpu.weight"], (shares * 100 / 1024).clamp(1, 10_000)),
                legacy: one(&["cpu.shares"], shares.clamp(2, 262_144)),
            }),
            (None, None) => {}
        }
    }
}

/// Microseconds of quota and of period for a share of one processor in hundredths of a percent. A share that is
/// too small for the period gets a longer one.
fn quota(share: u32, period: Duration) -> (u64, u64) {
    let share = u64::from(share.max(1));
    let (least, most) = PERIODS;
    let period = u64::try_from(period.as_micros()).unwrap_or(most).clamp(least, most);
    let period = period.max((least * 10_000).div_ceil(share)).min(most);
    ((period * share / 10_000).max(least), period)
}

/// A weight as the BFQ scheduler takes it, which knows 1 to 1,000: up to the usual 100 as it is, above it in
/// proportion.
fn bfq(weight: u64) -> String {
    let weight = weight.clamp(1, 10_000);
    let scaled = if weight <= 100 { weight } else { 100 + (weight - 100) * 900 / 9_900 };
    scaled.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { memory: 8 << 30, swap: 1 << 30, tasks: 1000 };

    fn shown(writes: &Result<Vec<Write>, &'static str>) -> String {
        match writes {
            Ok(writes) => {
                let each = |write: &Write| format!("{}={}", write.files[0], write.text);
                writes.iter().map(each).collect::<Vec<_>>().join(" ")
            }
            Err(_) => "-".to_owned(),
        }
    }

    fn check(limits: Limits, expected: &[(&str, &str, &str)]) {
        let settings = limits.settings(&MACHINE);
        let found: Vec<_> =
            settings.iter().map(|s| (s.directive, shown(&s.unified), shown(&s.legacy))).collect();
        let found: Vec<_> = found.iter().map(|(d, u, l)| (*d, u.as_str(), l.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn memory() {
        let limits = Limits {
            memory_min: Some(Amount::Absolute(1)),
            memory_low: Some(Amount::Absolute(2)),
            memory_high: Some(Amount::Share(2500)),
            memory_max: Some(Amount::Absolute(1 << 20)),
            swap_max: Some(Amount::Absolute(4096)),
            oom_group: true,
            ..Limits::default()
        };
        check(
            limits,
            &[
                ("MemoryMin", "memory.min=1", "-"),
                ("MemoryLow", "memory.low=2", "-"),
                ("MemoryHigh", "memory.high=2147483648", "-"),
                (
                    "MemoryMax",
                    "memory.max=1048576",
                    "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=1048576",
                ),
                ("MemorySwapMax", "memory.swap.max=4096", "memory.memsw.limit_in_bytes=1052672"),
                ("OOMPolicy", "memory.oom.group=1", "-"),
            ],
        );
        let limits = Limits {
            memory_max: Some(Amount::Infinity),
            swap_max: Some(Amount::Absolute(0)),
            ..Limits::default()
        };
        check(
            limits,
            &[
                ("MemoryMax", "memory.max=max", "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=-1"),
                ("MemorySwapMax", "memory.swap.max=0", "-"),
            ],
        );
    }

    #[test]
    fn processors_tasks_and_weights() {
        let limits = Limits {
            cpu_quota: Some(15_000),
            cpu_weight: Some(Weight::Of(200)),
            tasks_max: Some(Amount::Share(1500)),
            io_weight: Some(200),
            cpus: Some("0-1".to_owned()),
            ..Limits::default()
        };
        check(
            limits,
            &[
                (
                    "CPUQuota",
                    "cpu.max=150000 100000",
                    "cpu.cfs_quota_us=-1 cpu.cfs_period_us=100000 cpu.cfs_quota_us=150000",
                ),
                ("CPUWeight", "cpu.weight=200", "cpu.shares=2048"),
                ("TasksMax", "pids.max=150", "pids.max=150"),
                ("IOWeight", "io.weight=default 200 io.bfq.weight=109", "blkio.bfq.weight=109"),
                ("AllowedCPUs", "cpuset.cpus=0-1", "cpuset.cpus=0-1"),
            ],
        );
        let limits = Limits { cpu_shares: Some(512), ..Limits::default() };
        check(limits, &[("CPUShares", "cpu.weight=50", "cpu.shares=512")]);
        let limits = Limits { cpu_weight: Some(Weight::Idle), ..Limits::default() };
        check(limits, &[("CPUWeight", "cpu.idle=1", "cpu.idle=1")]);
    }

    #[test]
    fn quotas_that_the_kernel_takes() {
        for (share, period, expected) in [
            (10_000, 100, (100_000, 100_000)),
            (100, 100, (1_000, 100_000)),
            // A tenth of a percent is a millisecond in a second.
            (10, 100, (1_000, 1_000_000)),
            (1, 1, (1_000, 1_000_000)),
            (0, 100, (1_000, 1_000_000)),
            (10_000, 0, (1_000, 1_000)),
            (20_000, 5_000, (2_000_000, 1_000_000)),
        ] {
            assert_eq!(quota(share, Duration::from_millis(period)), expected, "{share} in {period} ms");
        }
    }

    #[test]
    fn what_is_lifted_gets_its_default() {
        let limits = Limits {
            memory_max: Some(Amount::Absolute(1)),
            cpu_quota: Some(1),
            tasks_max: Some(Amount::Absolute(1)),
            cpus: Some("0".to_owned()),
            io_weight: Some(1),
            ..Limits::default()
        };
        let lifted: Vec<_> = limits.settings(&MACHINE).into_iter().map(Setting::lift).collect();
        let unified: Vec<_> = lifted.iter().map(|setting| shown(&setting.unified)).collect();
        assert_eq!(
            unified,
            [
                "memory.max=max",
                "cpu.max=max 100000",
                "pids.max=max",
                "io.weight=default 100 io.bfq.weight=100",
                "cpuset.cpus=\n"
            ]
        );
    }
}
