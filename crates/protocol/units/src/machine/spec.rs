//! What the machine must know of a unit: whom it needs, in which order, and when it is started again.

use std::time::Duration;

use super::{Mode, Outcome};
use crate::unit::ExitStatuses;
use crate::value::Signal;

/// How units hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Started together; if the other fails to start this one is not started, and it stops with the other.
    Requires,
    /// The other must be there already.
    Requisite,
    /// The other is started too, and may fail.
    Wants,
    /// As `Requires`, and this one stops whenever the other ends.
    BindsTo,
    /// Stops and restarts with the other.
    PartOf,
    /// Never both: starting one stops the other.
    Conflicts,
    /// Starts after the other has, stops before the other does.
    After,
    /// The other is started when this one has failed.
    OnFailure,
    /// The other is started when this one has ended well.
    OnSuccess,
    /// The other is reloaded with this one.
    ReloadTo,
    /// The other is started whenever it is down while this one is there.
    Upholds,
    /// The two share namespaces of their own, where both have such.
    JoinsNamespaceOf,
}

impl Relation {
    /// How many there are.
    pub(super) const COUNT: usize = 12;
}

/// When a unit that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it has ended well.
    OnSuccess,
    /// When it has not.
    OnFailure,
    /// When it has ended by a signal or a time-out.
    OnAbnormal,
    /// When it has missed its watchdog.
    OnWatchdog,
    /// When it has ended by a signal that it did not ask for.
    OnAbort,
    /// Always, unless it was stopped.
    Always,
}

/// Starting again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// When.
    pub policy: RestartPolicy,
    /// How long after the end.
    pub delay: Duration,
    /// In so many steps the delay grows to `longest`; 0 for not at all.
    pub steps: u32,
    /// The delay after the last step.
    pub longest: Duration,
    /// A run of this length is a good one: the delay begins anew.
    pub stable: Duration,
    /// Ends after which it is not started again, whatever the policy.
    pub never: ExitStatuses,
    /// Ends after which it is, whatever the policy.
    pub ever: ExitStatuses,
}

impl Default for Restart {
    /// As systemd: never, after 100 ms.
    fn default() -> Restart {
        Restart {
            policy: RestartPolicy::No,
            delay: Duration::from_millis(100),
            steps: 0,
            longest: Duration::MAX,
            stable: Duration::from_secs(10),
            never: ExitStatuses::default(),
            ever: ExitStatuses::default(),
        }
    }
}

impl Restart {
    /// Whether a unit that has ended so is started again.
    pub fn wants(&self, outcome: Outcome) -> bool {
        let (code, signal) = match outcome {
            Outcome::ExitCode(code) => (Some(code), None),
            Outcome::Signal(signal) | Outcome::Core(signal) => (None, Some(signal)),
            Outcome::Success => (Some(0), None),
            _ => (None, None),
        };
        if matches!(outcome, Outcome::Skipped | Outcome::StartLimit | Outcome::Assert | Outcome::Refused)
            || self.never.contain(code, signal)
        {
            return false;
        }
        if self.ever.contain(code, signal) {
            return true;
        }
        let abort = matches!(outcome, Outcome::Signal(_) | Outcome::Core(_));
        match self.policy {
            RestartPolicy::No => false,
            RestartPolicy::Always => true,
            RestartPolicy::OnSuccess => outcome == Outcome::Success,
            RestartPolicy::OnFailure => outcome != Outcome::Success,
            RestartPolicy::OnAbnormal => {
                abort || matches!(outcome, Outcome::Timeout | Outcome::Watchdog | Outcome::Unhealthy)
            }
            // A check from outside is a watchdog too.
            RestartPolicy::OnWatchdog => matches!(outcome, Outcome::Watchdog | Outcome::Unhealthy),
            RestartPolicy::OnAbort => abort,
        }
    }

    /// The delay before the restart that follows `before` others: it grows by equal factors.
    pub fn delay_after(&self, before: u32) -> Duration {
        if self.steps == 0 || self.longest <= self.delay || self.longest == Duration::MAX {
            return self.delay;
        }
        if before >= self.steps {
            return self.longest;
        }
        let least = self.delay.max(Duration::from_micros(1)).as_secs_f64();
        let factor = (self.longest.as_secs_f64() / least).powf(f64::from(before) / f64::from(self.steps));
        Duration::try_from_secs_f64(least * factor).unwrap_or(self.longest).min(self.longest)
    }
}

/// A unit, as the machine sees it.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The name.
    pub name: String,
    /// The units that it refers to, by name; those that do not exist are left out, unless they are required.
    pub relations: Vec<(Relation, String)>,
    /// How long it may take to start; none for ever.
    pub start_timeout: Option<Duration>,
    /// How long it may take to stop, before it is stopped by force, and as long again then.
    pub stop_timeout: Option<Duration>,
    /// How long a job may wait and work; none for ever.
    pub job_timeout: Option<Duration>,
    /// How long a job may work once it has begun to; none for ever.
    pub job_running_timeout: Option<Duration>,
    /// Starting again.
    pub restart: Restart,
    /// No more than so many starts …
    pub start_limit_burst: u32,
    /// … in so long; zero for no limit.
    pub start_limit_interval: Duration,
    /// Whether it can be reloaded.
    pub can_reload: bool,
    /// Whether it comes back with a unit that it is bound to, when it went down with that one and that one is
    /// started again by itself. Units from files do not, as in systemd.
    pub comes_back: bool,
    /// It stops when no unit that is there needs it.
    pub stop_when_unneeded: bool,
    /// Only other units start it.
    pub refuse_manual_start: bool,
    /// Only other units stop it.
    pub refuse_manual_stop: bool,
    /// How the units of [`Relation::OnFailure`] are asked for.
    pub on_failure_mode: Mode,
    /// How the units of [`Relation::OnSuccess`] are asked for.
    pub on_success_mode: Mode,
    /// It is there or not by nobody's doing here, as devices are: a start waits until [`Event::Ready`] says that it is
    /// there, which may come at any time, and a stop has nothing to do.
    ///
    /// [`Event::Ready`]: super::Event::Ready
    pub appears: bool,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec::new("")
    }
}

impl Spec {
    /// A unit that refers to no other, with systemd's defaults.
    pub fn new(name: &str) -> Spec {
        Spec {
            name: name.to_owned(),
            relations: Vec::new(),
            start_timeout: Some(Duration::from_secs(90)),
            stop_timeout: Some(Duration::from_secs(90)),
            job_timeout: None,
            job_running_timeout: None,
            restart: Restart::default(),
            start_limit_burst: 5,
            start_limit_interval: Duration::from_secs(10),
            can_reload: false,
            comes_back: false,
            stop_when_unneeded: false,
            refuse_manual_start: false,
            refuse_manual_stop: false,
            on_failure_mode: Mode::Replace,
            on_success_mode: Mode::Fail,
            appears: false,
        }
    }

    /// A device: whoever waits for it waits no longer than 90 s.
    pub fn device(name: &str) -> Spec {
        let job_running_timeout = Some(Duration::from_secs(90));
        Spec { appears: true, job_running_timeout, ..Spec::new(name) }
    }

    /// The same, referring to another unit.
    #[must_use]
    pub fn with(mut self, relation: Relation, other: &str) -> Spec {
        self.relations.push((relation, other.to_owned()));
        self
    }
}

/// Signals by which a process that was not asked to end ends well all the same.
pub const CLEAN_SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE];
