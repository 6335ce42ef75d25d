//! A supervisor on a thread of its own: the machine that decides about the processes of a computer decides about the
//! parts of this program.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use perigee_files::SearchPath;
use perigee_init::supervisor::{BeginError, Brought, Ending, Reports, Runner, Settings, Supervisor};
use perigee_part::node::{Order, Orders};
use perigee_units::machine::{Event, Relation, Spec};
use perigee_units::tasks::{ENDING, Said, Task};
use perigee_units::unit::UnitName;

/// The unit that wants all parts.
const TARGET: &str = "station.target";

/// How long the supervisor has for its last words once the node has ended.
const FAREWELL: Duration = Duration::from_millis(200);

/// The units of these parts, and the target that wants them all.
pub(super) fn units(tasks: &[Task]) -> Vec<Brought> {
    let mut target = Spec { start_timeout: None, ..Spec::new(TARGET) };
    let mut units = Vec::with_capacity(tasks.len() + 1);
    for task in tasks {
        target = target.with(Relation::Wants, &task.unit()).with(Relation::After, &task.unit());
        units.push(Brought { spec: task.spec(), description: task.description.clone() });
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
pub(super) struct Told(Reports);

impl Told {
    pub(super) fn say(&self, said: Said) {
        let unit = |part: String| format!("{part}{ENDING}");
        match said {
            Said::Ready(part) => {
                let unit = unit(part);
                self.0.status(&unit, "");
                self.0.event(&unit, Event::Ready);
            }
            Said::Ended(part, end, why) => {
                let unit = unit(part);
                self.0.status(&unit, &why);
                self.0.event(&unit, Event::Ended(end.outcome()));
            }
            Said::Patience(part, length) => self.0.event(&unit(part), Event::Extend(length)),
            Said::Status(part, text) => self.0.status(&unit(part), &text),
            Said::End => self.0.end(),
            Said::Tasks(_) => {}
        }
    }
}

/// A supervisor at work, on its thread.
pub(crate) struct Own {
    reports: Reports,
    thread: JoinHandle<Result<Ending, BeginError>>,
}

impl Own {
    /// Starts the thread. Control is at a socket in `runtime`.
    pub(super) fn begin(tasks: &[Task], orders: Orders, runtime: &Path) -> anyhow::Result<Own> {
        let settings = Settings {
            search: SearchPath::new(Vec::new()),
            runtime: runtime.to_owned(),
            target: UnitName::parse(TARGET)?,
            is_first: false,
            console: false,
            system: Default::default(),
            fstab: None,
            log: None,
        };
        let mut supervisor = Supervisor::within(settings)?;
        let reports = supervisor.bring(units(tasks), move |_| Box::new(Parts { orders }))?;
        let thread = std::thread::Builder::new().name("supervisor".to_owned());
        let thread = thread.spawn(move || supervisor.run()).context("starting the supervisor")?;
        Ok(Own { reports, thread })
    }

    pub(super) fn told(&self) -> Told {
        Told(self.reports.clone())
    }

    /// Takes in how the supervisor has ended, once the node has. One that still waits for parts which are late is
    /// left to the end of the process.
    pub(super) fn end(self) -> anyhow::Result<()> {
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
