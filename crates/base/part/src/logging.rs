//! Logs: key and value, to standard error, as logfmt for people or JSON for machines.
//!
//! Targets are the names of parts (`link`, `telemetry`) and of the node's own rooms (`node`, `http`,
//! `audit`); events carry fields and hardly any prose.

use std::collections::BTreeMap;
use std::panic::PanicHookInfo;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The table `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `logfmt` or `json`.
    pub format: Format,
    /// The least level that is written: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: Level,
    /// Levels of single targets, such as `link = "debug"`.
    pub targets: BTreeMap<String, Level>,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `ts=… level=info target=link msg=… key=value`
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Off,
    /// What someone must see to.
    Error,
    /// What someone should know.
    Warn,
    /// What the station does.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Starts logging for the whole process, panics included. Fails where logging was started before.
pub fn start(config: &Config) -> Result<(), TryInitError> {
    let targets = config.targets.iter().map(|(target, level)| (target, LevelFilter::from(*level)));
    let filter = Targets::new().with_default(LevelFilter::from(config.level)).with_targets(targets);
    let lines = match config.format {
        Format::Logfmt => {
            tracing_logfmt::builder().with_span_path(false).layer().with_writer(std::io::stderr).boxed()
        }
        Format::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(target: "panic", message = panic_message(panic.payload()), %place);
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
