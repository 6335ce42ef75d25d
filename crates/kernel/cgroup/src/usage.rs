//! What a group has used, and how much it has had to wait for it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::Controller;
use crate::{Group, Mode};

/// What a group, with all below it, has used. What is not counted here is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Octets of memory now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The most octets of memory so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak: Option<u64>,
    /// The most octets of memory that it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u64>,
    /// Octets of swap space now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<u64>,
    /// Time of processors, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_microseconds: Option<u64>,
    /// Time for which it was held back by a quota, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_microseconds: Option<u64>,
    /// Processes and threads now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// The most processes and threads that it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks_max: Option<u64>,
    /// How often a process could not be made because of `TasksMax=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks_refused: Option<u64>,
    /// Octets that went to and from devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<Io>,
    /// How often the kernel has killed one of its processes because memory was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
    /// How long it has waited for processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_pressure: Option<Pressure>,
    /// How long it has waited for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_pressure: Option<Pressure>,
    /// How long it has waited for devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_pressure: Option<Pressure>,
}

/// What went to and from devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    /// Octets that were read.
    pub read: u64,
    /// Octets that were written.
    pub written: u64,
    /// Requests to read.
    pub reads: u64,
    /// Requests to write.
    pub writes: u64,
}

/// Pressure stall information: how long tasks have waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Share,
    /// All tasks that were not idle waited.
    pub full: Share,
}

/// A share of time, in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Of the last 10 s.
    pub avg10_hundredths: u32,
    /// Of the last minute.
    pub avg60_hundredths: u32,
    /// Of the last five minutes.
    pub avg300_hundredths: u32,
    /// Microseconds of it in all.
    pub total_microseconds: u64,
}

impl Group {
    /// What the group has used so far. A number that cannot be read is none.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        if self.hierarchy.unified().is_some() {
            let dir = self.dir();
            usage.take_unified(&dir);
            usage.cpu_pressure = pressure(&dir.join("cpu.pressure"));
            usage.memory_pressure = pressure(&dir.join("memory.pressure"));
            usage.io_pressure = pressure(&dir.join("io.pressure"));
        }
        for controller in Controller::ALL {
            if self.hierarchy.has(controller) == Some(Mode::Legacy)
                && let Some(tree) = self.hierarchy.tree_of(controller)
            {
                usage.take_legacy(controller, &self.in_tree(tree));
            }
        }
        usage
    }
}

impl Group {
    /// How often the kernel has killed a process of the group because memory was over; none where it is not counted.
    pub fn oom_kills(&self) -> Option<u64> {
        match self.hierarchy.tree_of(Controller::Memory) {
            Some(tree) => field(&self.in_tree(tree).join("memory.oom_control"), "oom_kill"),
            None => field(&self.dir().join("memory.events"), "oom_kill"),
        }
    }
}

impl Usage {
    fn take_unified(&mut self, dir: &Path) {
        self.memory = number(&dir.join("memory.current"));
        self.memory_peak = number(&dir.join("memory.peak"));
        self.memory_max = number(&dir.join("memory.max"));
        self.swap = number(&dir.join("memory.swap.current"));
        self.oom_kills = field(&dir.join("memory.events"), "oom_kill");
        self.cpu_microseconds = field(&dir.join("cpu.stat"), "usage_usec");
        self.throttled_microseconds = field(&dir.join("cpu.stat"), "throttled_usec");
        self.tasks = number(&dir.join("pids.current"));
        self.tasks_max = number(&dir.join("pids.max"));
        self.tasks_refused = field(&dir.join("pids.events"), "max");
        if let Ok(text) = fs::read_to_string(dir.join("io.stat")) {
            self.io = Some(io_unified(&text));
        }
    }

    fn take_legacy(&mut self, controller: Controller, dir: &Path) {
        match controller {
            Controller::Memory => {
                self.memory = number(&dir.join("memory.usage_in_bytes"));
                self.memory_peak = number(&dir.join("memory.max_usage_in_bytes"));
                // No limit is the largest number of pages that the kernel can count.
                self.memory_max = number(&dir.join("memory.limit_in_bytes")).filter(|most| *most < 1 << 62);
                let both = number(&dir.join("memory.memsw.usage_in_bytes"));
                self.swap = both.zip(self.memory).map(|(both, memory)| both.saturating_sub(memory));
                self.oom_kills = field(&dir.join("memory.oom_control"), "oom_kill");
            }
            Controller::CpuAccounting => {
                let spent = number(&dir.join("cpuacct.usage")).map(|nanoseconds| nanoseconds / 1000);
                // Version 2 counts it too, beside version 1; the group may lie in one of them only.
                self.cpu_microseconds = spent.or(self.cpu_microseconds);
            }
            Controller::Cpu => {
                let throttled = field(&dir.join("cpu.stat"), "throttled_time");
                self.throttled_microseconds = throttled.map(|nanoseconds| nanoseconds / 1000);
            }
            Controller::Pids => {
                self.tasks = number(&dir.join("pids.current"));
                self.tasks_max = number(&dir.join("pids.max"));
                self.tasks_refused = field(&dir.join("pids.events"), "max");
            }
            Controller::Io => {
                let read = |file: &str| fs::read_to_string(dir.join(file)).ok();
                let octets = read("blkio.throttle.io_service_bytes_recursive");
                let requests = read("blkio.throttle.io_serviced_recursive");
                if let (Some(octets), Some(requests)) = (octets, requests) {
                    let (read, written) = io_legacy(&octets);
                    let (reads, writes) = io_legacy(&requests);
                    self.io = Some(Io { read, written, reads, writes });
                }
            }
            Controller::CpuSet | Controller::Devices | Controller::Freezer => {}
        }
    }

    /// The time of processors.
    pub fn cpu(&self) -> Option<Duration> {
        self.cpu_microseconds.map(Duration::from_micros)
    }
}

/// A file with one number in it.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A number behind its name, in a file with one on each line.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0` for each device.
fn io_unified(text: &str) -> Io {
    let mut io = Io::default();
    for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
        let value = value.parse::<u64>().unwrap_or(0);
        match name {
            "rbytes" => io.read += value,
            "wbytes" => io.written += value,
            "rios" => io.reads += value,
            "wios" => io.writes += value,
            _ => {}
        }
    }
    io
}

/// `8:0 Read 1` and so on for each device, with a sum at the end: what was read and what was written.
fn io_legacy(text: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let (kind, value) = (words.next(), words.next().and_then(|value| value.parse::<u64>().ok()));
        match (kind, value) {
            (Some("Read"), Some(value)) => sum.0 += value,
            (Some("Write"), Some(value)) => sum.1 += value,
            _ => {}
        }
    }
    sum
}

fn pressure(path: &Path) -> Option<Pressure> {
    // Where it is switched off the file is there, but cannot be read.
    let text = fs::read_to_string(path).ok()?;
    let share = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let value = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        // Always with two decimals.
        let share =
            |name: &str| value(name).and_then(|value| value.replace('.', "").parse().ok()).unwrap_or(0);
        let total_microseconds = value("total")?.parse().ok()?;
        Some(Share {
            avg10_hundredths: share("avg10"),
            avg60_hundredths: share("avg60"),
            avg300_hundredths: share("avg300"),
            total_microseconds,
        })
    };
    Some(Pressure { some: share("some")?, full: share("full").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_version_2() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect(name);
        write("memory.current", "4096\n");
        write("memory.peak", "8192\n");
        write("memory.max", "max\n");
        write("pids.max", "12\n");
        write("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 1\n");
        write("cpu.stat", "usage_usec 1500000\nuser_usec 1\nthrottled_usec 7\n");
        write("pids.current", "3\n");
        write("pids.events", "max 9\n");
        write("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=x\n");
        let mut usage = Usage::default();
        usage.take_unified(dir.path());
        let io = Io { read: 11, written: 20, reads: 1, writes: 2 };
        let expected = Usage {
            memory: Some(4096),
            memory_peak: Some(8192),
            cpu_microseconds: Some(1_500_000),
            throttled_microseconds: Some(7),
            tasks: Some(3),
            tasks_max: Some(12),
            tasks_refused: Some(9),
            oom_kills: Some(2),
            io: Some(io),
            ..Usage::default()
        };
        assert_eq!(usage, expected);
        assert_eq!(usage.cpu(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn pressure_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("memory.pressure");
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=12345\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=99\n";
        fs::write(&path, text).expect("written");
        let read = pressure(&path).expect("pressure");
        let some = read.some;
        assert_eq!(
            (some.avg10_hundredths, some.avg60_hundredths, some.total_microseconds),
            (150, 25, 12_345)
        );
        assert_eq!(read.full.total_microseconds, 99);
        fs::write(&path, "nonsense\n").expect("written");
        assert_eq!(pressure(&path), None);
    }

    #[test]
    fn devices_are_summed_once() {
        assert_eq!(io_legacy("8:0 Read 5\n8:0 Write 7\n8:0 Total 12\n8:16 Read 1\nTotal 13\n"), (6, 7));
    }
}
