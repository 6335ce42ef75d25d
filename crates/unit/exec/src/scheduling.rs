//! Limits and scheduling: what a process gets of the machine, as steps of its beginning.

use std::ffi::CString;

use nix::sys::resource::{Resource, getrlimit};
use perigee_process::Step;
use perigee_units::value::{Limit, Span};

use super::Steps;
use super::reader::Reader;

/// Every directive for a limit, and what it limits.
const LIMITS: [(&str, Resource); 16] = [
    ("LimitCPU", Resource::RLIMIT_CPU),
    ("LimitFSIZE", Resource::RLIMIT_FSIZE),
    ("LimitDATA", Resource::RLIMIT_DATA),
    ("LimitSTACK", Resource::RLIMIT_STACK),
    ("LimitCORE", Resource::RLIMIT_CORE),
    ("LimitRSS", Resource::RLIMIT_RSS),
    ("LimitNOFILE", Resource::RLIMIT_NOFILE),
    ("LimitAS", Resource::RLIMIT_AS),
    ("LimitNPROC", Resource::RLIMIT_NPROC),
    ("LimitMEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("LimitLOCKS", Resource::RLIMIT_LOCKS),
    ("LimitSIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("LimitMSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("LimitNICE", Resource::RLIMIT_NICE),
    ("LimitRTPRIO", Resource::RLIMIT_RTPRIO),
    ("LimitRTTIME", Resource::RLIMIT_RTTIME),
];

/// The limit of descriptors of those that say nothing of it, soft and hard, as with systemd: the supervisor's own is
/// higher, and select(2) fails beyond the soft one.
const DESCRIPTORS: (u64, u64) = (1024, 524_288);

const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// Processors are no more than this.
const MOST_PROCESSORS: usize = 8192;

/// What a unit says of scheduling and limits.
#[derive(Clone, Debug, Default)]
pub(super) struct Scheduling {
    limits: Vec<(&'static str, Resource, Limit)>,
    nice: Option<i32>,
    oom_score: Option<i32>,
    core_filter: Option<u32>,
    io: Option<u32>,
    policy: Option<(u32, u32, bool)>,
    processors: Vec<usize>,
    memory: Option<(u32, u64)>,
    slack: Option<u64>,
    personality: Option<u64>,
}

impl Scheduling {
    pub(super) fn read(reader: &mut Reader<'_>) -> Scheduling {
        let mut limits = Vec::new();
        for (directive, resource) in LIMITS {
            limits.extend(reader.limit(directive).map(|limit| (directive, resource, limit)));
        }
        let number = |directive| reader.number(directive).map(|number| number as i32);
        let (nice, oom_score) = (number("Nice"), number("OOMScoreAdjust"));
        let (io, policy, memory) = (io(reader), policy(reader), memory(reader));
        let slack = reader.text("TimerSlackNSec").map(str::to_owned);
        let slack = slack.and_then(|text| {
            let nanoseconds = nanoseconds(&text);
            if nanoseconds.is_none() {
                reader.problem("TimerSlackNSec", &text, "it is not a length of time");
            }
            nanoseconds
        });
        let personality = reader.text("Personality").map(str::to_owned);
        let personality = personality.and_then(|name| {
            let known = personality_of(&name);
            if known.is_none() {
                reader.problem("Personality", &name, "this machine has no such personality");
            }
            known
        });
        let core_filter = core_filter(reader);
        let processors = processors(reader);
        Scheduling {
            limits,
            nice,
            oom_score,
            core_filter,
            io,
            policy,
            processors,
            memory,
            slack,
            personality,
        }
    }

    /// The personality that it runs with.
    pub(super) fn personality(&self) -> u64 {
        self.personality.unwrap_or(0)
    }

    /// Steps before the user changes. What only a privileged process may have, and this one may not hand out, is a
    /// note instead of a failure.
    ///
    /// The limit of descriptors comes last, when no more are opened: it is returned.
    pub(super) fn steps(&self, steps: &mut Steps<'_, '_>) -> Step {
        let highest = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
        let mut descriptors = (DESCRIPTORS.0.min(highest), DESCRIPTORS.1.min(highest));
        let may_raise = steps.capabilities & CAP_SYS_RESOURCE != 0;
        for (directive, resource, limit) in &self.limits {
            let (mut soft, mut hard) = (limit.soft.raw(), limit.hard.raw());
            let highest = getrlimit(*resource).map_or(u64::MAX, |(_, hard)| hard);
            if hard > highest && !may_raise {
                let shown = |bound: u64| match bound {
                    u64::MAX => "infinity".to_owned(),
                    bound => bound.to_string(),
                };
                steps.note(format!(
                    "{directive}= is {} instead of {}: without CAP_SYS_RESOURCE it cannot be raised",
                    shown(highest),
                    shown(hard)
                ));
                (soft, hard) = (soft.min(highest), highest);
            }
            // The steps that follow open files, and the new process has all descriptors of the supervisor still.
            if *resource == Resource::RLIMIT_NOFILE {
                if hard > highest {
                    steps.add(205, Step::Limit { resource: *resource as u32, soft: hard, hard });
                }
                (descriptors.0, descriptors.1) = (soft, hard);
                continue;
            }
            steps.add(205, Step::Limit { resource: *resource as u32, soft, hard });
        }
        if let Some(score) = self.oom_score {
            steps.try_to("OOMScoreAdjust", Step::OomScore(score));
        }
        if let Some(filter) = self.core_filter {
            let text = format!("0x{filter:x}").into_bytes();
            let path = CString::from(c"/proc/self/coredump_filter");
            steps.try_to("CoredumpFilter", Step::Write { path, text });
        }
        if let Some(nice) = self.nice {
            steps.try_to("Nice", Step::Nice(nice));
        }
        if let Some((policy, priority, reset_on_fork)) = self.policy {
            steps.try_to("CPUSchedulingPolicy", Step::Scheduler { policy, priority, reset_on_fork });
        }
        if !self.processors.is_empty() {
            steps.add(215, Step::Affinity(self.processors.clone()));
        }
        if let Some((mode, nodes)) = self.memory {
            steps.try_to("NUMAPolicy", Step::MemoryPolicy { mode, nodes });
        }
        if let Some(priority) = self.io {
            steps.try_to("IOSchedulingClass", Step::IoPriority(priority));
        }
        if let Some(slack) = self.slack {
            steps.add(212, Step::TimerSlack(slack));
        }
        if let Some(personality) = self.personality {
            steps.add(230, Step::Personality(personality));
        }
        let (soft, hard) = descriptors;
        Step::Limit { resource: Resource::RLIMIT_NOFILE as u32, soft, hard }
    }
}

/// Class and level, packed as ioprio_set(2) takes them.
fn io(reader: &Reader<'_>) -> Option<u32> {
    let (class, level) = (reader.text("IOSchedulingClass"), reader.number("IOSchedulingPriority"));
    if class.is_none() && level.is_none() {
        return None;
    }
    let class = match class {
        Some("realtime" | "1") => 1,
        Some("idle" | "3") => 3,
        Some("none" | "0") => 0,
        _ => 2,
    };
    let level = if class == 1 || class == 2 { level.unwrap_or(4) as u32 } else { 0 };
    Some(class << 13 | level)
}

/// Policy, priority, and whether children go back.
fn policy(reader: &Reader<'_>) -> Option<(u32, u32, bool)> {
    let reset = reader.is("CPUSchedulingResetOnFork");
    let priority = reader.number("CPUSchedulingPriority").map(|priority| priority as u32);
    // The numbers of sched(7).
    let policy = match reader.text("CPUSchedulingPolicy") {
        Some("fifo") => 1,
        Some("rr") => 2,
        Some("batch") => 3,
        Some("idle") => 5,
        None if priority.is_none() && !reset => return None,
        _ => 0,
    };
    let real_time = policy == 1 || policy == 2;
    Some((policy, if real_time { priority.unwrap_or(1).max(1) } else { 0 }, reset))
}

/// Mode and nodes, as set_mempolicy(2) takes them.
fn memory(reader: &mut Reader<'_>) -> Option<(u32, u64)> {
    let policy = reader.text("NUMAPolicy")?.to_owned();
    let mode = match policy.as_str() {
        "default" => 0,
        "preferred" => 1,
        "bind" => 2,
        "interleave" => 3,
        "local" => 4,
        _ => {
            reader.problem("NUMAPolicy", &policy, "there is no such policy");
            return None;
        }
    };
    let mut nodes = 0;
    for word in reader.words("NUMAMask") {
        match range(word, 64) {
            Some(range) => nodes |= range.fold(0, |set, node| set | 1 << node),
            None if word == "all" => nodes = u64::MAX,
            None => reader.problem("NUMAMask", word, "it is no list of nodes"),
        }
    }
    Some((mode, if mode == 0 || mode == 4 { 0 } else { nodes }))
}

/// A bit for each processor, in words of the machine.
fn processors(reader: &mut Reader<'_>) -> Vec<usize> {
    let mut mask = Vec::new();
    for word in reader.words("CPUAffinity").into_iter().flat_map(|word| word.split(',')) {
        let Some(range) = range(word, MOST_PROCESSORS) else {
            reader.problem("CPUAffinity", word, "it is no list of processors");
            continue;
        };
        for processor in range {
            let bits = usize::BITS as usize;
            if mask.len() <= processor / bits {
                mask.resize(processor / bits + 1, 0);
            }
            mask[processor / bits] |= 1 << (processor % bits);
        }
    }
    mask
}

/// `3` or `0-3`, below `end`.
fn range(word: &str, end: usize) -> Option<std::ops::RangeInclusive<usize>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < end).then_some(first..=last)
}

/// A plain number counts nanoseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if let Some(number) = text.strip_suffix("ns").or_else(|| text.strip_suffix("nsec")) {
        return number.trim().parse().ok();
    }
    match Span::parse(text).ok()? {
        Span::Finite(span) => u64::try_from(span.as_nanos()).ok(),
        Span::Infinity => Some(u64::MAX),
    }
}

/// The machine's own, or the narrower one beside it.
fn personality_of(name: &str) -> Option<u64> {
    match (std::env::consts::ARCH, name) {
        ("x86_64", "x86-64") | ("aarch64", "arm64") | ("powerpc64", "ppc64-le" | "ppc64") => Some(0),
        ("x86_64", "x86") | ("aarch64", "arm") | ("powerpc64", "ppc" | "ppc-le") => Some(8),
        _ => None,
    }
}

/// Kinds of memory in a core dump, core(5).
fn core_filter(reader: &mut Reader<'_>) -> Option<u32> {
    let words = reader.words("CoredumpFilter");
    if words.is_empty() {
        return None;
    }
    let mut filter = 0;
    for word in words {
        filter |= match word {
            "private-anonymous" => 1,
            "shared-anonymous" => 2,
            "private-file-backed" => 4,
            "shared-file-backed" => 8,
            "elf-headers" => 16,
            "private-huge" => 32,
            "shared-huge" => 64,
            "private-dax" => 128,
            "shared-dax" => 256,
            "all" => 0x1FF,
            "default" => 0x33,
            word => match u32::from_str_radix(word.trim_start_matches("0x"), 16) {
                Ok(bits) => bits,
                Err(_) => {
                    reader.problem("CoredumpFilter", word, "there is no such kind of memory");
                    0
                }
            },
        };
    }
    Some(filter)
}
