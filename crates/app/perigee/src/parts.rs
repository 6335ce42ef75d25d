//! The station's parts as units of a supervisor on a thread of its own: what each needs is its `BindsTo=` and `After=`,
//! and a part that falls is started again as any other unit.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use perigee_files::SearchPath;
use perigee_init::supervisor::{BeginError, Brought, Ending, Reports, Runner, Settings, Supervisor};
use perigee_part::node::{End, Order, Orders, Supervise};
use perigee_units::machine::{Event, Outcome, Relation, Restart, RestartPolicy, Spec};
use perigee_units::unit::UnitName;

/// The unit that wants all parts.
const TARGET: &str = "station.target";
/// The ending of the names of tasks.
const ENDING: &str = ".task";
/// How long a part may drain while the node goes on; then it is ended, and has as long again to let go.
const DRAIN: Duration = Duration::from_secs(5);

/// How long the supervisor has for its last words once the node has ended.
const FAREWELL: Duration = Duration::from_millis(200);

/// When parts are started again: at once, then after waits that double up to half a minute; a part that ran for a
/// minute has recovered.
fn restart() -> Restart {
    Restart {
        policy: RestartPolicy::Always,
        delay: Duration::from_millis(100),
        steps: 8,
        longest: Duration::from_secs(30),
        stable: Duration::from_secs(60),
        ..Restart::default()
    }
}

/// The units of these parts, each with the names of those that it needs, and the target that wants them all.
fn units(parts: &[(String, Vec<String>)], describe: impl Fn(&str) -> String) -> Vec<Brought> {
    let mut target = Spec { start_timeout: None, ..Spec::new(TARGET) };
    let mut units = Vec::with_capacity(parts.len() + 1);
    for (part, needs) in parts {
        let name = format!("{part}{ENDING}");
        target = target.with(Relation::Wants, &name).with(Relation::After, &name);
        let mut spec = Spec {
            start_timeout: None,
            stop_timeout: Some(DRAIN),
            restart: restart(),
            start_limit_interval: Duration::ZERO,
            comes_back: true,
            ..Spec::new(&name)
        };
        for needed in needs {
            let needed = format!("{needed}{ENDING}");
            spec = spec.with(Relation::BindsTo, &needed).with(Relation::After, &needed);
        }
        units.push(Brought { spec, description: describe(part) });
    }
    units.push(Brought { spec: target, description: "The station".to_owned() });
    units
}

/// Gives the orders of the supervisor to the node.
struct Parts {
    orders: Orders,
}

impl Parts {
    fn give(&self, unit: &str, order: impl FnOnce(String) -> Order) {
        let part = unit.strip_suffix(ENDING).unwrap_or(unit);
        if !self.orders.give(order(part.to_owned())) {
            tracing::debug!(target: "node", part, "the node has ended, and takes no orders");
        }
    }
}

impl Runner for Parts {
    fn start(&mut self, unit: &str) {
        self.give(unit, Order::Start);
    }

    fn stop(&mut self, unit: &str) {
        self.give(unit, Order::Drain);
    }

    fn kill(&mut self, unit: &str) {
        self.give(unit, Order::Kill);
    }

    /// No part reads its configuration again: none says that it can.
    fn reload(&mut self, _: &str) {}

    fn told(&mut self, line: &str) {
        tracing::info!(target: "node", "{line}");
    }
}

/// Tells the supervisor what became of parts.
struct Told(Reports);

impl Supervise for Told {
    fn ready(&self, part: &str) {
        let unit = format!("{part}{ENDING}");
        self.0.status(&unit, "");
        self.0.event(&unit, Event::Ready);
    }

    fn ended(&self, part: &str, end: &End) {
        let (outcome, status) = match end {
            End::Well => (Outcome::Success, ""),
            End::Failed(why) => (Outcome::ExitCode(1), why.as_str()),
            // As a program of Rust ends that has panicked.
            End::Panicked(why) => (Outcome::ExitCode(101), why.as_str()),
            End::Killed => (Outcome::Timeout, "did not drain in time"),
        };
        let unit = format!("{part}{ENDING}");
        self.0.status(&unit, status);
        self.0.event(&unit, Event::Ended(outcome));
    }

    fn patience(&self, part: &str, length: Duration) {
        self.0.event(&format!("{part}{ENDING}"), Event::Extend(length));
    }

    fn end(&self) {
        self.0.end();
    }
}

/// A supervisor at work, on its thread.
pub(crate) struct Supervised {
    reports: Reports,
    thread: JoinHandle<Result<Ending, BeginError>>,
}

impl Supervised {
    /// Starts the thread. Control is at a socket in `runtime`.
    pub(crate) fn begin(
        parts: &[(String, Vec<String>)],
        describe: impl Fn(&str) -> String,
        orders: Orders,
        runtime: &Path,
    ) -> anyhow::Result<Supervised> {
        let settings = Settings {
            search: SearchPath::new(Vec::new()),
            runtime: runtime.to_owned(),
            target: UnitName::parse(TARGET)?,
            is_first: false,
            console: false,
            system: Default::default(),
            log: None,
        };
        let mut supervisor = Supervisor::within(settings)?;
        let reports = supervisor.bring(units(parts, describe), move |_| Box::new(Parts { orders }))?;
        let thread = std::thread::Builder::new().name("supervisor".to_owned());
        let thread = thread.spawn(move || supervisor.run()).context("starting the supervisor")?;
        Ok(Supervised { reports, thread })
    }

    /// What the node tells its supervisor by.
    pub(crate) fn told(&self) -> impl Supervise + use<> {
        Told(self.reports.clone())
    }

    /// Takes in how the supervisor has ended, once the node has. One that still waits for parts which are late is
    /// left to the end of the process.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + FAREWELL;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = self.thread.join().map_err(|_| anyhow!("the supervisor has panicked"))?;
        ended.map(drop).context("the supervisor")
    }
}

#[cfg(test)]
mod tests;
