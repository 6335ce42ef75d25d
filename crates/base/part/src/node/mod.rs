//! The node: builds parts, and runs, drains and ends them as its supervisor asks.
//!
//! Parts are added in the order in which data should find them ready, receivers before sources; each is
//! built as it is added. Who starts when, what is started again after a fall and after how long, and who
//! is drained with whom is not decided here: a supervisor gives [`Order`]s and hears by [`Supervise`] what
//! became of them. A part that is started for the second time is built anew, and so are those that hold
//! its handle.
//!
//! When the node is to stop, all parts have one grace period together, and those that were late are named.

mod admin;
mod orders;
mod process;
mod readiness;
mod signals;
mod tasks;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::orders::{End, Order, Orders, Received, Supervise, orders};
pub use self::readiness::{PartStatus, Phase, Readiness};
pub use self::signals::stop_on_signals;
use self::tasks::Tasks;
use crate::{Part, PartError, Services, http};

/// The table `[admin]`: where `/health`, `/ready` and `/metrics` are answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port; the page's own address is shared.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: http::DEFAULT_ADDRESS }
    }
}

/// Builds a part; called again when the part is started again.
type Build = Box<dyn FnMut(&Site<'_>) -> Result<Box<dyn Part>, PartError> + Send>;

/// A set of parts that are wired to each other.
pub struct Node {
    services: Services,
    readiness: Readiness,
    parts: Vec<Entry>,
    grace: Duration,
}

/// A part, how to build it, and whom it needs.
struct Entry {
    name: String,
    build: Build,
    needs: BTreeSet<usize>,
    built: Option<Box<dyn Part>>,
}

/// The end of a wire: the handle of a part as it is at this moment.
#[derive(Debug)]
pub struct Wire<H> {
    part: usize,
    handle: Arc<Mutex<Option<H>>>,
}

impl<H> Clone for Wire<H> {
    fn clone(&self) -> Self {
        Self { part: self.part, handle: Arc::clone(&self.handle) }
    }
}

/// Where a part is built: what the node lends it, and the handles of its neighbours.
pub struct Site<'a> {
    services: &'a Services,
    needs: RefCell<BTreeSet<usize>>,
}

impl Site<'_> {
    /// What the node lends to this part.
    pub fn services(&self) -> &Services {
        self.services
    }

    /// The handle of a part that was added before. Asking for it ties this part's life to that one's.
    ///
    /// # Panics
    /// Never: a wire exists only once its part was built.
    pub fn handle<H: Clone>(&self, wire: &Wire<H>) -> H {
        self.needs.borrow_mut().insert(wire.part);
        let handle = wire.handle.lock().unwrap_or_else(PoisonError::into_inner);
        #[allow(clippy::expect_used)]
        handle.clone().expect("a wire's part is built first")
    }
}

/// How a node ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Parts that were still at work when the grace period was over.
    pub late: Vec<String>,
}

impl Node {
    /// An empty node. The admin endpoints are mounted, and so bound, here.
    pub fn new(services: Services, admin: &AdminConfig, grace: Duration) -> Result<Self, PartError> {
        let readiness = Readiness::default();
        let own = services.scoped("node");
        own.http.mount(admin.listen, admin::router(&own, &readiness))?;
        Ok(Self { services, readiness, parts: Vec::new(), grace })
    }

    /// Builds a part and adds it. `build` is called again whenever the part is started again.
    pub fn add<H: Send + 'static>(
        &mut self,
        name: &str,
        mut build: impl FnMut(&Site<'_>) -> Result<(Box<dyn Part>, H), PartError> + Send + 'static,
    ) -> Result<Wire<H>, PartError> {
        let wire = Wire { part: self.parts.len(), handle: Arc::new(Mutex::new(None)) };
        let handle = Arc::clone(&wire.handle);
        let mut entry = Entry {
            name: name.to_owned(),
            build: Box::new(move |site| {
                let (part, fresh) = build(site)?;
                *handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                Ok(part)
            }),
            needs: BTreeSet::new(),
            built: None,
        };
        entry.build(&self.services)?;
        self.readiness.add(name);
        self.parts.push(entry);
        Ok(wire)
    }

    /// What is ready and what is not, from now to the end.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The parts, with those whose handles they hold.
    pub fn parts(&self) -> Vec<(String, Vec<String>)> {
        let needs =
            |entry: &Entry| entry.needs.iter().map(|&needed| self.parts[needed].name.clone()).collect();
        self.parts.iter().map(|entry| (entry.name.clone(), needs(entry))).collect()
    }

    /// Carries out orders until `stop` resolves, or nobody is left to give any; then until everything has
    /// drained, or was ended after the grace period.
    pub async fn run(
        self,
        orders: Received,
        supervisor: impl Supervise,
        stop: impl Future<Output = ()>,
    ) -> Ended {
        Tasks::new(self, Arc::new(supervisor)).run(orders, stop).await
    }
}

impl Entry {
    fn build(&mut self, services: &Services) -> Result<(), PartError> {
        let scoped = services.scoped(&self.name);
        let site = Site { services: &scoped, needs: RefCell::default() };
        self.built = Some((self.build)(&site)?);
        self.needs = site.needs.into_inner();
        Ok(())
    }
}
