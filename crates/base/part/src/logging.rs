//! Logs: key and value, to standard error, as logfmt for people or JSON for machines.
//!
//! Targets are the names of parts (`link`, `telemetry`) and of the node's own rooms (`node`, `http`,
//! `audit`); events carry fields and hardly any prose.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::PanicHookInfo;

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::MakeWriterExt;
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

/// Something that is said, for whoever keeps it beside standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Who says it.
    pub target: &'a str,
    /// The part that it is about, if it says so (the field `part`).
    pub part: Option<&'a str>,
    /// As syslog has it: 3 error, 4 warning, 6 information, 7 what developers want to know.
    pub priority: u8,
    /// The message, then the fields as `key=value`.
    pub text: &'a str,
}

/// Starts logging for the whole process, panics included; `keep` is shown every line too, and must not wait. What a
/// target says that goes `elsewhere` is shown to `keep` alone. Fails where logging was started before.
pub fn start(
    config: &Config,
    elsewhere: impl Fn(&str) -> bool + Send + Sync + 'static,
    keep: impl Fn(&Said<'_>) + Send + Sync + 'static,
) -> Result<(), TryInitError> {
    let targets = config.targets.iter().map(|(target, level)| (target, LevelFilter::from(*level)));
    let filter = Targets::new().with_default(LevelFilter::from(config.level)).with_targets(targets);
    let writer = std::io::stderr.with_filter(move |about| !elsewhere(about.target()));
    let lines = match config.format {
        Format::Logfmt => tracing_logfmt::builder().with_span_path(false).layer().with_writer(writer).boxed(),
        Format::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
        }
    };
    let kept = Keep(keep).with_filter(filter.clone());
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(kept).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Shows lines to somebody else.
struct Keep<F>(F);

impl<F: Fn(&Said<'_>) + Send + Sync + 'static, S: Subscriber> Layer<S> for Keep<F> {
    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let priority = match *event.metadata().level() {
            tracing::Level::ERROR => 3,
            tracing::Level::WARN => 4,
            tracing::Level::INFO => 6,
            _ => 7,
        };
        let text = words.message + &words.fields;
        let target = event.metadata().target();
        (self.0)(&Said { target, part: words.part.as_deref(), priority, text: text.trim_start() });
    }
}

/// The words of an event.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
    part: Option<String>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            name => {
                if name == "part" {
                    self.part = Some(value.to_owned());
                }
                let quoted = value.is_empty() || value.contains([' ', '"', '=', '\n']);
                // Writing to a string never fails.
                let _ = if quoted {
                    write!(self.fields, " {name}={value:?}")
                } else {
                    write!(self.fields, " {name}={value}")
                };
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_are_shown_with_their_fields_and_the_part_that_they_are_about() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let keep = Keep(move |said: &Said<'_>| {
            let line = format!("{} {} {:?} {}", said.priority, said.target, said.part, said.text);
            ear.lock().expect("an ear").push(line);
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(keep), || {
            tracing::warn!(target: "link", link = "north mast", octets = 3, "lost");
            tracing::error!(target: "node", part = "telemetry", error = %"no = luck", "fell");
            tracing::info!(target: "audit", who = "olga");
        });
        let expected = [
            "4 link None lost link=\"north mast\" octets=3",
            "3 node Some(\"telemetry\") fell part=telemetry error=\"no = luck\"",
            "6 audit None who=olga",
        ];
        assert_eq!(*heard.lock().expect("an ear"), expected);
    }
}
