//! What each part is doing, for `/ready` and for whoever waits.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// What a part is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Built, or running but not ready yet.
    Starting,
    /// At work.
    Ready,
    /// Finishing what it has begun.
    Draining,
    /// Fell over, and waits to be started again.
    Waiting,
    /// Ended.
    Stopped,
}

/// One part as `/ready` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: Phase,
    /// How often it was started again.
    pub restarts: u64,
}

/// The state of all parts; clones see the same.
#[derive(Clone, Debug)]
pub struct Readiness {
    parts: Arc<watch::Sender<Vec<PartStatus>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { parts: Arc::new(watch::Sender::new(Vec::new())) }
    }
}

impl Readiness {
    /// All parts in their order.
    pub fn parts(&self) -> Vec<PartStatus> {
        self.parts.borrow().clone()
    }

    /// Whether every part is at work.
    pub fn is_ready(&self) -> bool {
        all_ready(&self.parts.borrow())
    }

    /// Waits until every part is at work.
    pub async fn ready(&self) {
        // The sender lives in `self`.
        let _ = self.parts.subscribe().wait_for(|parts| all_ready(parts)).await;
    }

    pub(super) fn add(&self, name: &str) {
        let status = PartStatus { name: name.to_owned(), state: Phase::Starting, restarts: 0 };
        self.parts.send_modify(|parts| parts.push(status));
    }

    pub(super) fn set(&self, part: usize, state: Phase) {
        self.parts.send_modify(|parts| {
            if let Some(status) = parts.get_mut(part) {
                status.state = state;
            }
        });
    }

    pub(super) fn count_restart(&self, part: usize) {
        self.parts.send_modify(|parts| {
            if let Some(status) = parts.get_mut(part) {
                status.restarts += 1;
            }
        });
    }
}

fn all_ready(parts: &[PartStatus]) -> bool {
    parts.iter().all(|part| part.state == Phase::Ready)
}
