//! What is said on the control socket.

use std::collections::BTreeMap;
use std::path::PathBuf;

use perigee_cgroup::Usage;
use perigee_units::health::Standing;
use perigee_units::machine::{Cause, JobOutcome, State, Verb};
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Start, stop, restart or reload units.
    Do {
        /// What.
        verb: Verb,
        /// Their names; patterns for units that are loaded.
        units: Vec<String>,
        /// Only those that are active.
        #[serde(default)]
        active_only: bool,
        /// Restart what cannot reload.
        #[serde(default)]
        or_restart: bool,
        /// Answer when the jobs are done, not when they are made.
        #[serde(default)]
        wait: bool,
    },
    /// Start a unit with all that it drags along, and stop everything else.
    Isolate {
        /// The unit.
        unit: String,
        /// Answer when it is there, or has failed.
        #[serde(default)]
        wait: bool,
    },
    /// Send a signal to processes of units.
    Kill {
        /// The units.
        units: Vec<String>,
        /// By name or number.
        signal: String,
        /// To which of their processes.
        #[serde(default)]
        whom: Whom,
    },
    /// Forget failures; of all units, if none is named.
    ResetFailed {
        /// The units.
        units: Vec<String>,
    },
    /// Everything about these units.
    Status {
        /// The units.
        units: Vec<String>,
    },
    /// A line about every unit that is loaded.
    List,
    /// The supervisor itself.
    Manager,
    /// Jobs that are not done.
    Jobs,
    /// Every change of state from this number on, without end.
    Watch {
        /// The first number; from now on if there is none.
        #[serde(default)]
        from: Option<u64>,
    },
    /// Make a unit that lives until it ends, and start it.
    Run {
        /// Its name.
        unit: String,
        /// The text of its unit file.
        text: String,
        /// Answer when it is there, or has failed.
        #[serde(default)]
        wait: bool,
    },
    /// Cancel jobs.
    Cancel {
        /// Their numbers.
        jobs: Vec<u64>,
    },
    /// The variables that all services get, for those who may change them.
    Environment,
    /// Change them.
    SetEnvironment {
        /// To be set, as `NAME=VALUE`.
        #[serde(default)]
        set: Vec<String>,
        /// To be taken out before, by name, or as `NAME=VALUE` if they have this value.
        #[serde(default)]
        unset: Vec<String>,
    },
    /// Set limits of a unit, at once and by drop-ins.
    SetProperty {
        /// The unit.
        unit: String,
        /// As `DIRECTIVE=VALUE`.
        settings: Vec<String>,
        /// Until the next boot only.
        #[serde(default)]
        runtime: bool,
    },
    /// How much the supervisor says of itself.
    LogLevel {
        /// What it is to be; without it nothing changes.
        #[serde(default)]
        level: Option<String>,
    },
    /// Read unit files again.
    DaemonReload,
    /// Go on in a new copy of the program.
    DaemonReexec,
    /// Stop everything, then end this machine.
    PowerOff,
    /// Stop everything, then start this machine anew.
    Reboot,
    /// Stop everything, then halt.
    Halt,
    /// Stop everything, then end the supervisor with this status.
    Exit {
        /// The exit status.
        #[serde(default)]
        status: u8,
    },
}

/// Which processes of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// All.
    #[default]
    All,
    /// The main process.
    Main,
    /// The control process.
    Control,
}

/// A line of an answer. The last one is `done` or `refused`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// That was all.
    Done,
    /// It cannot be done.
    Refused {
        /// Why.
        why: String,
    },
    /// The variables that all services get.
    Environment {
        /// As `NAME=VALUE`, in order.
        variables: Vec<String>,
    },
    /// How much the supervisor says of itself.
    LogLevel {
        /// A level of syslog(3).
        level: String,
    },
    /// A job that was made.
    Queued(Job),
    /// A unit for which no job was made; those of the others are. Where there is none at all, the answer is refused.
    NotDone {
        /// The unit, as it was asked for.
        unit: String,
        /// Why, for programs.
        reason: Reason,
        /// Why, in words.
        why: String,
    },
    /// A job that is done.
    Finished {
        /// The job.
        #[serde(flatten)]
        job: Job,
        /// How it has ended.
        outcome: JobOutcome,
    },
    /// A unit.
    Unit(Box<UnitStatus>),
    /// A line of the list.
    Listed(ListedUnit),
    /// The supervisor.
    Manager(Manager),
    /// A job that is not done.
    Job(Job),
    /// A change of state.
    Change(Change),
    /// Changes that a slow watcher has missed, from and to.
    Missed {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Processes that got a signal.
    Signalled(Signalled),
    /// Something to know that is no failure.
    Note {
        /// What.
        text: String,
    },
}

/// Why nothing was done with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// There is no such unit.
    NotFound,
    /// There is no unit of a name that it needs.
    Needs,
    /// It is masked.
    Masked,
    /// Units of its kind, or with its settings, do not do this.
    NotApplicable,
    /// It is started and stopped with other units only.
    NotPermitted,
    /// Another reason.
    Other,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub job: u64,
    /// Its unit.
    pub unit: String,
    /// What it does.
    pub verb: Verb,
}

/// Processes that got a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signalled {
    /// The unit.
    pub unit: String,
    /// How many.
    pub processes: usize,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counts up without gaps.
    pub sequence: u64,
    /// When: microseconds since 1970, UTC.
    pub at: u64,
    /// The unit.
    pub unit: String,
    /// Its state before.
    pub from: State,
    /// Its state now.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How it has ended last.
    pub result: String,
}

/// A unit in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedUnit {
    /// Its name.
    pub unit: String,
    /// `loaded`, `not-found`, `masked`, `bad-setting`.
    pub load: String,
    /// The state.
    pub active: String,
    /// The state in its kind's own words.
    pub sub: String,
    /// What it is.
    pub description: String,
    /// Its job, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Verb>,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
    /// Whether it does its work, where it is asked for that and is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Standing>,
    /// Octets of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Microseconds of processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u64>,
    /// Units that it wants and requires, for a tree.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Everything about a unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// What the list has too.
    #[serde(flatten)]
    pub listed: ListedUnit,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// Since when it has its state: microseconds since 1970, UTC; 0 for never.
    pub since: u64,
    /// How long its last start took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// When its last start began, in microseconds since the supervisor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// How it has ended last.
    pub result: String,
    /// The main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_pid: Option<u32>,
    /// The control process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_pid: Option<u32>,
    /// How the main process has ended last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_ended: Option<String>,
    /// The same as waitid(2) has it: 1 exited, 2 killed or 3 dumped, and its exit status or the number of the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_exit: Option<(u8, i32)>,
    /// What it says of itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Its control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its processes.
    #[serde(default)]
    pub processes: Vec<Process>,
    /// How many tasks it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// What its control group has used, and how long it has waited for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it is asked to see whether it does its work, and what it has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthStatus>,
    /// The identity of this run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub invocation: String,
    /// When it starts again, or elapses: microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// When it has elapsed last: microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Relations to other units, by the names of their directives.
    #[serde(default)]
    pub relations: BTreeMap<String, Vec<String>>,
    /// What of the unit is not done as it says, and why.
    #[serde(default)]
    pub complaints: Vec<String>,
}

/// Whether a service does its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// What it is asked: a command, or an address.
    pub check: String,
    /// How it is; none while it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Good answers in a row.
    pub well: u32,
    /// Bad answers in a row.
    pub badly: u32,
    /// How often it has become unhealthy since it was loaded.
    pub lapses: u64,
    /// The last answer, in words.
    pub answer: String,
    /// When it came: microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
}

/// A process of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// The supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// Of the program.
    pub version: String,
    /// `starting`, `running`, `degraded`, `stopping`, as systemctl is-system-running has them.
    pub state: String,
    /// The process.
    pub pid: u32,
    /// Since when it runs: microseconds since 1970, UTC.
    pub since: u64,
    /// How many units are loaded.
    pub units: usize,
    /// How many of them have failed.
    pub failed: usize,
    /// How many jobs are not done.
    pub jobs: usize,
    /// Processes that it has reaped without having started them.
    pub orphans: u64,
    /// What of the machine's groups it can use.
    pub groups: String,
    /// The number of the last change of state.
    pub sequence: u64,
    /// The machine's watchdog, where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<MachineWatchdog>,
}

/// The machine's watchdog at work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineWatchdog {
    /// Its device.
    pub device: PathBuf,
    /// How long it waits, in microseconds.
    pub timeout: u64,
    /// When it was set back last: microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinged: Option<u64>,
}
