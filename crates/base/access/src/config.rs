//! The table `[access]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

/// How long people stay logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A session of the page ends after so long without a request.
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    /// A session ends after so long in any case.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        // A shift, and one login a day.
        Self { session_idle: HOUR * 12, session_lifetime: HOUR * 24 }
    }
}
