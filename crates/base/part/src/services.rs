//! What the node lends to every part while it is built.

use std::path::PathBuf;

use crate::http::Listeners;
use crate::metrics::Registry;

/// The node's services, as one part sees them.
#[derive(Clone, Debug)]
pub struct Services {
    /// HTTP listeners, shared by address.
    pub http: Listeners,
    /// Metrics, under the part's name.
    pub metrics: Registry,
    /// Where the node keeps what must outlive it; relative paths in the configuration start here.
    pub state: PathBuf,
}

impl Services {
    /// The same services under the name of `part`; what that part had mounted and registered before is
    /// forgotten.
    #[must_use]
    pub fn scoped(&self, part: &str) -> Self {
        Self { http: self.http.scoped(part), metrics: self.metrics.scoped(part), state: self.state.clone() }
    }
}
