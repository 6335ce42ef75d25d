//! Running the parts: one loop that holds the state of each.

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Ended, Entry, Node, Phase, Readiness};
use crate::logging::panic_message;
use crate::{Context, PartError, Services};

/// Waits before a part is started again: the first, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// A part that ran for so long has recovered: its next fall counts as the first.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);
/// How long a part may drain because a neighbour fell.
const DRAIN_WITH_NEIGHBOUR: Duration = Duration::from_secs(5);
/// How long ended tasks have to let go.
const ABORT: Duration = Duration::from_millis(500);

pub(super) struct Supervisor {
    services: Services,
    readiness: Readiness,
    grace: Duration,
    parts: Vec<Supervised>,
    tasks: JoinSet<Result<(), PartError>>,
    by_task: HashMap<Id, usize>,
}

struct Supervised {
    entry: Entry,
    state: State,
    /// Falls in a row.
    falls: u32,
}

enum State {
    /// Its task runs. `give_up` is set once it is draining.
    Running { drain: CancellationToken, task: AbortHandle, since: Instant, give_up: Option<Instant> },
    /// Built anew at this time, when its neighbours are there.
    Waiting { until: Instant },
    /// Not started, or ended for good.
    Stopped,
}

impl Supervisor {
    pub(super) fn new(node: Node) -> Self {
        let parts = node.parts.into_iter();
        Self {
            services: node.services,
            readiness: node.readiness,
            grace: node.grace,
            parts: parts.map(|entry| Supervised { entry, state: State::Stopped, falls: 0 }).collect(),
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) -> Ended {
        let stop_listening = CancellationToken::new();
        let mut listening = JoinSet::new();
        listening.spawn(self.services.http.clone().serve(stop_listening.clone()));
        for part in 0..self.parts.len() {
            self.start(part);
        }
        tokio::pin!(stop);
        loop {
            let wake = self.next_deadline();
            tokio::select! {
                () = stop.as_mut() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.on_ended(ended),
                () = async { match wake { Some(at) => sleep_until(at).await, None => pending().await } } => {}
            }
            self.advance();
        }
        let deadline = Instant::now() + self.grace;
        let late = self.stop(deadline).await;
        stop_listening.cancel();
        // Answers to the last requests get a moment of their own, however late the parts were.
        let deadline = deadline.max(Instant::now() + Duration::from_millis(200));
        let _ = timeout_at(deadline, listening.join_next()).await;
        listening.shutdown().await;
        Ended { late }
    }

    /// Runs a part that has been built.
    fn start(&mut self, part: usize) {
        let supervised = &mut self.parts[part];
        let Some(built) = supervised.entry.built.take() else { return };
        let (drain, ready) = (CancellationToken::new(), CancellationToken::new());
        let running = built.run(Context::new(drain.clone(), ready.clone()));
        // Before the task can say that it is ready.
        self.readiness.set(part, Phase::Starting);
        let (readiness, draining) = (self.readiness.clone(), drain.clone());
        let task = self.tasks.spawn(async move {
            let became_ready = async {
                ready.cancelled().await;
                if !draining.is_cancelled() {
                    readiness.set(part, Phase::Ready);
                }
                pending::<()>().await;
            };
            tokio::select! {
                ended = running => ended,
                () = became_ready => Ok(()),
            }
        });
        self.by_task.insert(task.id(), part);
        supervised.state = State::Running { drain, task, since: Instant::now(), give_up: None };
    }

    fn on_ended(&mut self, ended: Result<(Id, Result<(), PartError>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, Ok(()))) => (id, Ok(())),
            Ok((id, Err(error))) => (id, Err(error.to_string())),
            Err(error) => (error.id(), Err(why(error))),
        };
        let Some(part) = self.by_task.remove(&id) else { return };
        let now = Instant::now();
        let State::Running { since, give_up, .. } = self.parts[part].state else { return };
        if give_up.is_some() {
            if let Err(error) = outcome {
                tracing::warn!(target: "node", part = self.name(part), error, "did not drain well");
            }
            self.parts[part].state = State::Waiting { until: now };
        } else {
            let error = outcome.err().unwrap_or_else(|| "ended by itself".to_owned());
            self.fell(part, &error, since);
            self.drain_dependents(part, now + DRAIN_WITH_NEIGHBOUR);
        }
        self.readiness.set(part, Phase::Waiting);
    }

    /// Puts a part that fell, or could not be built, on the list of those to be started again.
    fn fell(&mut self, part: usize, error: &str, since: Instant) {
        let now = Instant::now();
        let supervised = &mut self.parts[part];
        if now.duration_since(since) >= RECOVERED_AFTER {
            supervised.falls = 0;
        }
        let wait = BACK_OFF.0.saturating_mul(1 << supervised.falls.min(16)).min(BACK_OFF.1);
        supervised.falls = supervised.falls.saturating_add(1);
        supervised.state = State::Waiting { until: now + wait };
        let again_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(target: "node", part = self.name(part), error, again_in_ms, "fell");
    }

    fn drain_dependents(&mut self, part: usize, deadline: Instant) {
        for dependent in self.dependents(part) {
            if let State::Running { drain, give_up, .. } = &mut self.parts[dependent].state {
                drain.cancel();
                give_up.get_or_insert(deadline);
                self.readiness.set(dependent, Phase::Draining);
            }
        }
    }

    /// Does what is due: ends those who drain for too long, builds and starts those whose wait is over.
    fn advance(&mut self) {
        let now = Instant::now();
        for part in 0..self.parts.len() {
            match &self.parts[part].state {
                State::Running { task, give_up: Some(deadline), .. } if *deadline <= now => task.abort(),
                State::Waiting { until } if *until <= now && self.may_start(part) => self.start_again(part),
                _ => {}
            }
        }
    }

    /// Whether all neighbours are in place: those it needs at work, those that need it out of the way.
    fn may_start(&self, part: usize) -> bool {
        let runs = |part: usize| matches!(self.parts[part].state, State::Running { give_up: None, .. });
        self.parts[part].entry.needs.iter().all(|&needed| runs(needed))
            && !self
                .dependents(part)
                .iter()
                .any(|&dependent| matches!(self.parts[dependent].state, State::Running { .. }))
    }

    fn start_again(&mut self, part: usize) {
        self.readiness.count_restart(part);
        match self.parts[part].entry.build(&self.services) {
            Ok(()) => {
                tracing::info!(target: "node", part = self.name(part), "started again");
                self.start(part);
            }
            Err(error) => self.fell(part, &error.to_string(), Instant::now()),
        }
    }

    /// Stops all parts in reverse order; gives the names of those that were late.
    async fn stop(&mut self, deadline: Instant) -> Vec<String> {
        for part in (0..self.parts.len()).rev() {
            let State::Running { drain, give_up, .. } = &mut self.parts[part].state else {
                self.readiness.set(part, Phase::Stopped);
                continue;
            };
            drain.cancel();
            give_up.get_or_insert(deadline);
            self.readiness.set(part, Phase::Draining);
            // Half of what is left: a part that hangs leaves time to those below it.
            let patience = Instant::now() + deadline.duration_since(Instant::now()) / 2;
            self.join_until(patience, |this| !this.runs(part)).await;
        }
        self.join_until(deadline, |this| this.tasks.is_empty()).await;
        let late: Vec<_> = (0..self.parts.len()).filter(|&part| self.runs(part)).collect();
        let late: Vec<_> = late.into_iter().map(|part| self.name(part).to_owned()).collect();
        for part in &late {
            tracing::error!(target: "node", part, "did not drain within the grace period");
        }
        // A task that blocks its thread cannot be ended; the end of the process will.
        let _ = timeout_at(Instant::now() + ABORT, self.tasks.shutdown()).await;
        late
    }

    /// Takes in ended parts until `done` or the deadline.
    async fn join_until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            match timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(Some(ended)) => {
                    let part = match &ended {
                        Ok((id, _)) => self.by_task.get(id).copied(),
                        Err(error) => self.by_task.get(&error.id()).copied(),
                    };
                    self.on_ended(ended);
                    if let Some(part) = part {
                        self.parts[part].state = State::Stopped;
                        self.readiness.set(part, Phase::Stopped);
                    }
                }
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines =
            self.parts.iter().enumerate().filter_map(|(part, supervised)| match supervised.state {
                State::Running { give_up, .. } => give_up,
                // What waits for a neighbour goes on when that one changes, which is an event of its own.
                State::Waiting { until } => (until > Instant::now() || self.may_start(part)).then_some(until),
                State::Stopped => None,
            });
        deadlines.min()
    }

    fn runs(&self, part: usize) -> bool {
        matches!(self.parts[part].state, State::Running { .. })
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

fn why(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panic_message(&*payload)),
        Err(_) => "ended after draining for too long".to_owned(),
    }
}
