//! The table `[access]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long people stay logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Minutes without a request after which a session of the page ends.
    pub session_idle_min: u64,
    /// Hours after which a session ends in any case.
    pub session_lifetime_h: u64,
}

impl Default for Config {
    fn default() -> Self {
        // A shift, and one login a day.
        Self { session_idle_min: 12 * 60, session_lifetime_h: 24 }
    }
}

impl Config {
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_min.saturating_mul(60))
    }

    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs(self.session_lifetime_h.saturating_mul(3600))
    }
}
