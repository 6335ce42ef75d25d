//! What a supervisor asks of parts, and what it hears of them.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Orders that wait. A supervisor gives a part at most one of each kind before it hears of it, so that this is
/// reached by no station.
const MOST_WAITING: usize = 1024;

/// What is asked of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Run it; build it before, unless it was built and has not run yet.
    Start(String),
    /// Let it finish what it has begun, and return.
    Drain(String),
    /// End it where it stands.
    Kill(String),
}

/// How the run of a part has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It has returned, and nothing was wrong.
    Well,
    /// It could not be built, or has returned an error.
    Failed(String),
    /// It has panicked.
    Panicked(String),
    /// It was ended where it stood, or nobody waits for it any more.
    Killed,
}

/// Whoever decides about the parts. Its functions are called from the tasks of the node, and do not wait.
pub trait Supervise: Send + Sync + 'static {
    /// A part does its work from now on.
    fn ready(&self, part: &str);

    /// The run of a part has ended.
    fn ended(&self, part: &str, end: &End);

    /// A part may take this long to drain.
    fn patience(&self, part: &str, length: Duration);

    /// Everything is to stop.
    fn end(&self);
}

/// Where orders are given.
#[derive(Clone, Debug)]
pub struct Orders(Sender<Order>);

/// Where the node finds them.
#[derive(Debug)]
pub struct Received(pub(super) Receiver<Order>);

/// The way from a supervisor to a node.
pub fn orders() -> (Orders, Received) {
    let (sender, receiver) = channel(MOST_WAITING);
    (Orders(sender), Received(receiver))
}

impl Orders {
    /// Gives an order, from any thread; false if the node does not take it.
    #[must_use]
    pub fn give(&self, order: Order) -> bool {
        self.0.try_send(order).is_ok()
    }
}
