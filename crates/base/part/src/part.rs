//! The Part contract.
//!
//! A part has a name and two steps. *Build* checks its section of the configuration, binds its sockets
//! and registers its metrics; it spawns nothing, so a node whose last part cannot be built stops with
//! nothing to undo. *Run* says ready, works until it is told to drain, finishes what it has begun, and
//! returns. Each part has its own `build` function, since each is wired to different neighbours; the
//! built part is then handed to the node as a `Box<dyn Part>`.

use std::future::Future;
use std::pin::Pin;

use tokio_util::sync::CancellationToken;

/// A running part: resolves when it has drained, or failed.
pub type Running = Pin<Box<dyn Future<Output = Result<(), PartError>> + Send>>;

/// One capability of the node, built and waiting to run.
pub trait Part: Send + 'static {
    /// Name of the configuration table, metric prefix, log target and word on the command line.
    fn name(&self) -> &'static str;

    /// Works until `context.drain` is cancelled, then finishes and returns within the grace period.
    ///
    /// The part calls [`Context::ready`] once, when it can do its work. Dropping the future ends it at
    /// once; tasks that it spawned must end with it.
    fn run(self: Box<Self>, context: Context) -> Running;
}

/// What the node gives to a running part.
#[derive(Clone, Debug)]
pub struct Context {
    /// Cancelled when the part should stop taking work, finish and return.
    pub drain: CancellationToken,
    ready: CancellationToken,
}

impl Context {
    /// A context whose readiness is seen through `ready`.
    pub fn new(drain: CancellationToken, ready: CancellationToken) -> Self {
        Self { drain, ready }
    }

    /// Says that the part does its work from now on.
    pub fn ready(&self) {
        self.ready.cancel();
    }
}

/// Why a part could not be built or stopped running.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// Its section of the configuration is wrong.
    #[error("configuration: {0}")]
    Configuration(String),
    /// A system resource was refused: `what` was being done.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the address or path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else that ended the work.
    #[error("{0}")]
    Failed(String),
}
