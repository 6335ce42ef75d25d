//! HTTP for every part: one stack, one set of limits, listeners shared by address.
//!
//! A part mounts an axum [`Router`] on an address while it is built; parts that name the same address
//! share its listener. Every listener has time-outs and limits ([`Limits`]), with event streams and
//! upgraded connections (WebSocket) exempt from the time-outs once they have begun. HTTP/1.1 in the
//! clear only: TLS and HTTP/2 are the gateway's business.

mod answer;
mod body;
mod serve;
mod socket;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use axum;
pub use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

pub use self::answer::Refusal;
use crate::PartError;

/// Where the page, the API and the admin endpoints are served unless configured otherwise.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Limits of every HTTP listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A request must arrive whole within this time; an idle connection is kept for as long.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// A response must begin within this time, and in each such period the client must take 64 KiB of it.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// For so long the client of an event stream or an upgraded connection may take nothing at all.
    #[serde(with = "humantime_serde")]
    pub stream_timeout: Duration,
    /// Octets of a request's line and headers; up to twice as many may slip in with one read.
    pub header_octets: usize,
    /// Octets of a request's body.
    pub body_octets: usize,
    /// Connections at once, all listeners together; further ones are answered 503 and closed.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            stream_timeout: Duration::from_secs(60),
            header_octets: 32 * 1024,
            body_octets: 1024 * 1024,
            connections: 1024,
        }
    }
}

/// The HTTP listeners of the node, seen by one part. Clones share them.
#[derive(Clone, Debug)]
pub struct Listeners {
    node: Arc<Node>,
    part: String,
}

#[derive(Debug)]
struct Node {
    limits: Limits,
    places: Arc<Semaphore>,
    listeners: Mutex<BTreeMap<SocketAddr, Listener>>,
    /// Wakes the server when a listener was added.
    opened: Notify,
}

#[derive(Debug)]
struct Listener {
    local: SocketAddr,
    /// Taken by the server when it starts to accept.
    socket: Option<TcpListener>,
    by_part: BTreeMap<String, Router>,
    routes: Routes,
}

/// The merged routes of one listener, as they are at this moment.
#[derive(Clone, Debug, Default)]
struct Routes(Arc<Mutex<Router>>);

impl Routes {
    fn current(&self) -> Router {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, router: Router) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = router;
    }
}

impl Listeners {
    /// No listener yet.
    pub fn new(limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let node = Node { limits, places, listeners: Mutex::default(), opened: Notify::new() };
        Self { node: Arc::new(node), part: String::new() }
    }

    /// The same listeners as `part` sees them, with whatever that part had mounted before taken down.
    #[must_use]
    pub fn scoped(&self, part: &str) -> Self {
        for listener in self.lock().values_mut() {
            if listener.by_part.remove(part).is_some() {
                // What is left was merged before without a clash.
                let _ = listener.merge();
            }
        }
        Self { node: Arc::clone(&self.node), part: part.to_owned() }
    }

    /// Serves `router` at `address` beside what other parts mount there, and gives the address in use
    /// (they differ where the port is 0).
    ///
    /// The socket is bound here; connections wait in its backlog until the node runs.
    pub fn mount(&self, address: SocketAddr, router: Router) -> Result<SocketAddr, PartError> {
        let mut listeners = self.lock();
        if let std::collections::btree_map::Entry::Vacant(vacant) = listeners.entry(address) {
            vacant.insert(Listener::bind(address)?);
        }
        let Some(listener) = listeners.get_mut(&address) else { return Ok(address) };
        listener.by_part.insert(self.part.clone(), router);
        if let Err(clash) = listener.merge() {
            listener.by_part.remove(&self.part);
            return Err(clash);
        }
        self.node.opened.notify_one();
        Ok(listener.local)
    }

    /// The address in use for a configured one, once something is mounted there.
    pub fn local_address(&self, address: SocketAddr) -> Option<SocketAddr> {
        self.lock().get(&address).map(|listener| listener.local)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Listener>> {
        self.node.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn bind(address: SocketAddr) -> Result<Self, PartError> {
        let io = |source| PartError::Io { what: format!("listening on {address}"), source };
        let socket = TcpListener::bind(address).map_err(io)?;
        socket.set_nonblocking(true).map_err(io)?;
        let local = socket.local_addr().map_err(io)?;
        Ok(Self { local, socket: Some(socket), by_part: BTreeMap::new(), routes: Routes::default() })
    }

    fn merge(&self) -> Result<(), PartError> {
        let routers = self.by_part.values().cloned();
        // axum panics when two routers answer the same path.
        let merged = catch_unwind(AssertUnwindSafe(|| routers.fold(Router::new(), Router::merge)));
        let merged = merged.map_err(|_| {
            let parts: Vec<_> = self.by_part.keys().map(String::as_str).collect();
            PartError::Configuration(format!(
                "two of the parts {} answer the same path at {}",
                parts.join(", "),
                self.local
            ))
        })?;
        // `Upload` limits every body alike; axum's own limit would come on top.
        self.routes.replace(merged.layer(axum::extract::DefaultBodyLimit::disable()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
