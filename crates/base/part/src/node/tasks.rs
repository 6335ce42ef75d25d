//! Running the parts: each is a task; one loop takes orders and hears of their ends.

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::orders::{End, Order, Received, Supervise};
use super::{Ended, Entry, Node, Phase, Readiness};
use crate::logging::panic_message;
use crate::{Context, PartError, Services};

/// How long ended tasks have to let go.
const ABORT: Duration = Duration::from_millis(500);

pub(super) struct Tasks {
    services: Services,
    readiness: Readiness,
    grace: Duration,
    parts: Vec<Running>,
    tasks: JoinSet<Result<(), PartError>>,
    by_task: HashMap<Id, usize>,
    supervisor: Arc<dyn Supervise>,
    /// By when all must have drained, once the node stops.
    deadline: Option<Instant>,
}

/// A part, and its task while it runs.
struct Running {
    entry: Entry,
    task: Option<Task>,
    /// It has run before.
    again: bool,
}

struct Task {
    drain: CancellationToken,
    abort: AbortHandle,
    /// After this its supervisor need not wait for it, while the node stops.
    patience: Option<Instant>,
}

impl Tasks {
    pub(super) fn new(node: Node, supervisor: Arc<dyn Supervise>) -> Self {
        let parts = node.parts.into_iter();
        Self {
            services: node.services,
            readiness: node.readiness,
            grace: node.grace,
            parts: parts.map(|entry| Running { entry, task: None, again: false }).collect(),
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
            supervisor,
            deadline: None,
        }
    }

    pub(super) async fn run(mut self, mut orders: Received, stop: impl Future<Output = ()>) -> Ended {
        let stop_listening = CancellationToken::new();
        let mut listening = JoinSet::new();
        listening.spawn(self.services.http.clone().serve(stop_listening.clone()));
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = stop.as_mut() => break,
                order = orders.0.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => break,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.on_ended(ended),
            }
        }
        let deadline = Instant::now() + self.grace;
        let late = self.stop(&mut orders, deadline).await;
        stop_listening.cancel();
        // Answers to the last requests get a moment of their own, however late the parts were.
        let deadline = deadline.max(Instant::now() + Duration::from_millis(200));
        let _ = timeout_at(deadline, listening.join_next()).await;
        listening.shutdown().await;
        Ended { late }
    }

    fn carry_out(&mut self, order: Order) {
        let find = |name: &str| self.parts.iter().position(|part| part.entry.name == name);
        match order {
            Order::Start(name) => match find(&name) {
                Some(part) => self.start(part),
                None => self.supervisor.ended(&name, &End::Failed("there is no such part".to_owned())),
            },
            Order::Drain(name) => find(&name).into_iter().for_each(|part| self.drain(part)),
            Order::Kill(name) => {
                let task = find(&name).and_then(|part| self.parts[part].task.as_ref());
                task.into_iter().for_each(|task| task.abort.abort());
            }
        }
    }

    fn start(&mut self, part: usize) {
        if let Err(why) = self.try_start(part) {
            tracing::error!(target: "node", part = self.name(part), error = why, "cannot be started");
            self.readiness.set(part, Phase::Waiting);
            self.supervisor.ended(self.name(part), &End::Failed(why));
        }
    }

    fn try_start(&mut self, part: usize) -> Result<(), String> {
        if self.parts[part].task.is_some() {
            return Err("its last run has not ended".to_owned());
        }
        if self.deadline.is_some() {
            return Err("the node stops".to_owned());
        }
        if self.parts[part].again {
            self.readiness.count_restart(part);
        }
        if self.parts[part].entry.built.is_none() {
            self.parts[part].entry.build(&self.services).map_err(|error| error.to_string())?;
            // Those that hold its handle hold the one of a part that is gone.
            for dependent in self.dependents(part) {
                self.parts[dependent].entry.built = None;
            }
        }
        let Some(built) = self.parts[part].entry.built.take() else { return Ok(()) };
        if std::mem::replace(&mut self.parts[part].again, true) {
            tracing::info!(target: "node", part = self.name(part), "started again");
        }
        let (drain, ready) = (CancellationToken::new(), CancellationToken::new());
        let running = built.run(Context::new(drain.clone(), ready.clone()));
        // Before the task can say that it is ready.
        self.readiness.set(part, Phase::Starting);
        let (readiness, draining) = (self.readiness.clone(), drain.clone());
        let (supervisor, name) = (Arc::clone(&self.supervisor), self.name(part).to_owned());
        let task = self.tasks.spawn(async move {
            let became_ready = async {
                ready.cancelled().await;
                if !draining.is_cancelled() {
                    readiness.set(part, Phase::Ready);
                    supervisor.ready(&name);
                }
                pending::<()>().await;
            };
            tokio::select! {
                ended = running => ended,
                () = became_ready => Ok(()),
            }
        });
        self.by_task.insert(task.id(), part);
        self.parts[part].task = Some(Task { drain, abort: task, patience: None });
        Ok(())
    }

    fn drain(&mut self, part: usize) {
        let Some(task) = &mut self.parts[part].task else {
            // It has ended meanwhile, and that was told.
            return;
        };
        task.drain.cancel();
        self.readiness.set(part, Phase::Draining);
        if let Some(deadline) = self.deadline {
            // Half of what is left: a part that hangs leaves time to those below it.
            let left = deadline.duration_since(Instant::now());
            task.patience.get_or_insert(Instant::now() + left / 2);
            self.supervisor.patience(self.name(part), left);
        }
    }

    fn on_ended(&mut self, ended: Result<(Id, Result<(), PartError>), JoinError>) {
        let (id, end) = match ended {
            Ok((id, Ok(()))) => (id, End::Well),
            Ok((id, Err(error))) => (id, End::Failed(error.to_string())),
            Err(error) => (error.id(), why(error)),
        };
        let Some(part) = self.by_task.remove(&id) else { return };
        let Some(task) = self.parts[part].task.take() else { return };
        let (name, error) = (self.name(part), told(&end));
        let drained = task.drain.is_cancelled();
        match (&end, drained) {
            (End::Well, true) => {}
            (_, true) => tracing::warn!(target: "node", part = name, error, "did not drain well"),
            (_, false) => tracing::error!(target: "node", part = name, error, "fell"),
        }
        self.readiness.set(part, if drained { Phase::Stopped } else { Phase::Waiting });
        self.supervisor.ended(self.name(part), &end);
    }

    /// Lets all parts be stopped; gives the names of those that were late.
    async fn stop(&mut self, orders: &mut Received, deadline: Instant) -> Vec<String> {
        self.deadline = Some(deadline);
        self.supervisor.end();
        while !self.tasks.is_empty() {
            let next = self.parts.iter().filter_map(|part| part.task.as_ref()?.patience).min();
            let mut supervised = true;
            tokio::select! {
                () = sleep_until(next.map_or(deadline, |next| next.min(deadline))) => {}
                order = orders.0.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => supervised = false,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.on_ended(ended),
            }
            if Instant::now() >= deadline {
                break;
            }
            self.give_up();
            if !supervised {
                // Nobody says any more who is next.
                (0..self.parts.len()).for_each(|part| self.drain(part));
                while let Ok(Some(ended)) = timeout_at(deadline, self.tasks.join_next_with_id()).await {
                    self.on_ended(ended);
                }
                break;
            }
        }
        let late: Vec<_> = (0..self.parts.len()).filter(|&part| self.parts[part].task.is_some()).collect();
        let late: Vec<_> = late.into_iter().map(|part| self.name(part).to_owned()).collect();
        for part in &late {
            tracing::error!(target: "node", part, "did not drain within the grace period");
        }
        // A task that blocks its thread cannot be ended; the end of the process will.
        let _ = timeout_at(Instant::now() + ABORT, self.tasks.shutdown()).await;
        late
    }

    /// Lets the supervisor go on without those whose patience is over; they may still drain.
    fn give_up(&mut self) {
        let now = Instant::now();
        for part in &mut self.parts {
            let Some(task) = &mut part.task else { continue };
            if task.patience.take_if(|patience| *patience <= now).is_some() {
                self.supervisor.ended(&part.entry.name, &End::Killed);
            }
        }
    }

    /// Everything that needs `part`, at first hand or through others.
    fn dependents(&self, part: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        // Needs point to parts that were added before.
        for (index, candidate) in self.parts.iter().enumerate().skip(part + 1) {
            if candidate.entry.needs.iter().any(|needed| *needed == part || found.contains(needed)) {
                found.insert(index);
            }
        }
        found
    }

    fn name(&self, part: usize) -> &str {
        &self.parts[part].entry.name
    }
}

fn told(end: &End) -> &str {
    match end {
        End::Well => "ended by itself",
        End::Failed(error) | End::Panicked(error) => error,
        End::Killed => "ended after draining for too long",
    }
}

fn why(error: JoinError) -> End {
    match error.try_into_panic() {
        Ok(payload) => End::Panicked(format!("panicked: {}", panic_message(&*payload))),
        Err(_) => End::Killed,
    }
}
