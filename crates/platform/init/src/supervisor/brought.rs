//! The tasks that services have brought: units that are declared over a socket, called there, and kept for the next run.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use perigee_journal::Priority;
use perigee_units::machine::{Event, Outcome, Relation, Restart, Spec, UnitId, Verb};
use perigee_units::tasks::{MOST_TASKS, Order, Task};
use perigee_units::unit::UnitName;

use super::node::{Known, LAST_BREATH};
use super::runner::{Call, RunnerWork, Whose, declared};
use super::table::{Loaded, Work};
use super::{Supervisor, now};

/// Tasks that are known of one service, those of its former runs among them.
const MOST_KNOWN: usize = 2 * MOST_TASKS;

impl Supervisor {
    /// Makes units of the tasks that a service has, and starts them.
    pub(super) fn bring_tasks(&mut self, unit: UnitId, tasks: Vec<Task>) -> Result<(), String> {
        if self.nodes.get(&unit).is_none_or(|node| node.brought) {
            return Err("it has said already which there are".to_owned());
        }
        let ends = matches!(self.machine.job(unit), Some((_, Verb::Stop | Verb::Restart)));
        if ends || self.stopping.is_some() || self.machine.state(unit).is_down() {
            // It is being stopped, and hears of that in another way.
            return Ok(());
        }
        // A service of a template is not the only one that has such parts.
        let own = UnitName::parse(self.machine.name(unit)).ok();
        let instance = own.as_ref().and_then(UnitName::instance).unwrap_or_default();
        let tasks: Vec<_> = tasks.into_iter().map(|task| task.of_instance(instance)).collect();
        for name in tasks.iter().map(Task::unit) {
            let other = self.table.find(&name).filter(|other| !self.is_task_of(*other, unit));
            if other.is_some() {
                return Err(format!("{name} is another unit already"));
            }
        }
        let brought = self.declare_tasks(unit, tasks)?;
        if let Some(node) = self.nodes.get_mut(&unit) {
            node.brought = true;
        }
        for task in brought {
            self.set_status(task, String::new());
            if let Err(why) = self.machine.request(Verb::Start, task, now()) {
                self.say_of(Some(task), Priority::WARNING, &format!("is not started: {why}"));
            }
        }
        Ok(())
    }

    fn is_task_of(&self, task: UnitId, service: UnitId) -> bool {
        matches!(&self.table.get(task).work, Work::Runner(work) if work.whose == Whose::Node(service))
    }

    /// Takes in the tasks of a service. Those of its former runs that are there no more give their places up, so that as
    /// many are kept as there were at a time.
    pub(super) fn declare_tasks(&mut self, service: UnitId, tasks: Vec<Task>) -> Result<Vec<UnitId>, String> {
        let declared_units = tasks.iter().map(|task| declared(&task.unit(), &task.description, &self.host));
        let declared_units: Vec<_> =
            declared_units.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let of = &self.nodes.entry(service).or_default().tasks;
        let before: BTreeMap<String, UnitId> =
            of.iter().map(|known| (known.task.unit(), known.unit)).collect();
        let new = |name: &str| tasks.iter().any(|task| task.unit() == name);
        let mut free: Vec<_> = before
            .iter()
            .filter(|(name, _)| !new(name))
            .map(|(_, unit)| *unit)
            .filter(|unit| self.machine.state(*unit).is_down() && self.machine.job(*unit).is_none())
            .collect();
        let added = tasks.iter().filter(|task| !before.contains_key(&task.unit())).count();
        if before.len() + added.saturating_sub(free.len()) > MOST_KNOWN {
            return Err("tasks of its former runs have not gone yet".to_owned());
        }
        for task in tasks.iter().filter(|task| !before.contains_key(&task.unit())) {
            let Some(place) = free.pop() else { break };
            let old = self.machine.name(place).to_owned();
            if self.machine.rename(place, &task.unit()) {
                self.table.forget(place);
                self.unpublish(&old);
            }
        }
        let of = self.nodes.get_mut(&service).map(|node| std::mem::take(&mut node.tasks));
        let mut known = of.unwrap_or_default();
        known.retain(|known| self.machine.name(known.unit) == known.task.unit() && !new(&known.task.unit()));
        for known in &mut known {
            (known.current, known.logs) = (false, false);
        }
        let away: Vec<_> = known.iter().map(|known| self.spec_of(service, &known.task, false)).collect();
        let specs: Vec<_> = tasks.iter().map(|task| self.spec_of(service, task, true)).collect();
        self.machine.load(away.into_iter().chain(specs).collect());
        let mut units = Vec::with_capacity(tasks.len());
        for (task, declared) in tasks.into_iter().zip(declared_units) {
            let Some(unit) = self.machine.unit(&task.unit()) else { continue };
            let work = Work::Runner(RunnerWork { whose: Whose::Node(service), status: String::new() });
            self.table.put(unit, Loaded::new(declared, work));
            known.push(Known { unit, task, current: true, logs: false });
            units.push(unit);
        }
        // Only now the machine knows no more units than the table.
        units.iter().for_each(|unit| self.publish_anew(*unit));
        self.nodes.entry(service).or_default().tasks = known;
        Ok(units)
    }

    /// A task, as the machine sees it: nothing without its service. One that is not there is not started again by itself.
    pub(super) fn spec_of(&self, service: UnitId, task: &Task, there: bool) -> Spec {
        let name = self.machine.name(service);
        let spec = task.spec().with(Relation::BindsTo, name).with(Relation::After, name);
        if there { spec } else { Spec { restart: Restart::default(), comes_back: false, ..spec } }
    }

    /// Goes on with a service whose tasks are declared already, from another copy of the program; `of` says of a task
    /// whether it is brought, has its log, and how it is.
    pub(super) fn resume_node(
        &mut self,
        service: UnitId,
        socket: Option<OwnedFd>,
        brought: bool,
        of: impl Fn(&str) -> Option<(bool, bool, String)>,
    ) {
        let Some(mut node) = self.nodes.remove(&service) else { return };
        // It may have been about to end.
        node.ends = (socket.is_none() && brought).then(|| now() + LAST_BREATH);
        (node.socket, node.brought) = (socket, brought);
        let mut away = Vec::new();
        for known in &mut node.tasks {
            let Some((current, logs, status)) = of(&known.task.name) else { continue };
            (known.current, known.logs) = (current, logs);
            if !(current && brought) {
                away.push(self.spec_of(service, &known.task, false));
            }
            if let Work::Runner(work) = &mut self.table.get_mut(known.unit).work {
                work.status = status;
            }
        }
        self.machine.load(away);
        self.nodes.insert(service, node);
    }

    pub(super) fn set_status(&mut self, task: UnitId, text: String) {
        if let Work::Runner(work) = &mut self.table.get_mut(task).work {
            work.status = text;
        }
        self.publish_details(task);
    }

    /// Asks for all tasks of a service to be stopped.
    pub(super) fn stop_tasks(&mut self, service: UnitId) {
        let tasks = self.nodes.get(&service).into_iter().flat_map(|node| &node.tasks);
        for task in tasks.map(|known| known.unit).collect::<Vec<_>>() {
            if !self.machine.state(task).is_down() || self.machine.job(task).is_some() {
                // Stopping is never refused.
                let _ = self.machine.request(Verb::Stop, task, now());
            }
        }
    }

    /// Something is to become of a task of a service.
    pub(super) fn call_node(&mut self, service: UnitId, task: UnitId, call: Call) {
        // What it has said before it was ready counts before that.
        if self.nodes.get(&service).is_some_and(|node| !node.brought) {
            self.hear_node(service);
        }
        let known = self.nodes.get(&service).filter(|node| node.socket.is_some());
        let name = known.and_then(|node| node.current(task)).map(|known| known.task.name.clone());
        let Some(name) = name else {
            let (outcome, status) = match call {
                Call::Start => (Outcome::Resources, "its service has not brought it"),
                _ => (Outcome::Success, ""),
            };
            self.set_status(task, status.to_owned());
            self.machine.event(task, Event::Ended(outcome), now());
            return;
        };
        match call {
            Call::Start => {
                let log = self.log_of(service, task);
                self.send_order(service, &Order::Start(name), log.as_ref().map(AsFd::as_fd));
            }
            Call::Stop => self.send_order(service, &Order::Drain(name), None),
            Call::Kill => self.send_order(service, &Order::Kill(name), None),
            Call::Reload => {
                self.machine.event(task, Event::Reloaded(false), now());
            }
        }
    }

    /// The way to the log of a task, if its service has not been given it yet.
    fn log_of(&mut self, service: UnitId, task: UnitId) -> Option<OwnedFd> {
        let invocation = self.table.service_ref(service)?.invocation.clone();
        let known = self.nodes.get_mut(&service)?.tasks.iter_mut().find(|known| known.unit == task)?;
        if std::mem::replace(&mut known.logs, true) {
            return None;
        }
        let name = self.machine.name(task).to_owned();
        self.log.stream_of_task(&name, &invocation, self.settings.console)
    }
}
