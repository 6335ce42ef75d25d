//! What a unit says of how its service is asked whether it does its work: the section `[X-HealthCheck]`.

use std::time::Duration;

use super::http::Address;
use crate::unit::{Command, Unit, Value};

/// The section.
const SECTION: &str = "X-HealthCheck";

/// The directives of which a check has one.
pub(crate) const PROBES: [&str; 3] = ["Exec", "HTTP", "TCP"];

/// No service is asked more often than this.
pub(crate) const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// How a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `Exec=`: a command that ends well.
    Exec(Command),
    /// `HTTP=`: a request that is answered with a status from 200 to 399.
    Http(Address),
    /// `TCP=`: a connection that is taken.
    Tcp(Address),
}

/// What becomes of a service that is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// It is stopped and has failed; `Restart=` says whether it comes back.
    #[default]
    Fail,
    /// It is shown, and nothing else.
    Show,
}

/// How a service is asked, and what counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// How it is asked.
    pub probe: Probe,
    /// `IntervalSec=`: from one question to the next.
    pub interval: Duration,
    /// `TimeoutSec=`: how long it has for an answer.
    pub timeout: Duration,
    /// `Failures=`: so many in a row make it unhealthy.
    pub failures: u32,
    /// `Successes=`: so many in a row make it healthy.
    pub successes: u32,
    /// `StartSec=`: so long after its start failures do not count, until it has been healthy once.
    pub start: Duration,
    /// `OnUnhealthy=`.
    pub on_unhealthy: OnUnhealthy,
}

impl HealthCheck {
    /// A check with what counts where nothing else is said.
    pub fn new(probe: Probe) -> HealthCheck {
        HealthCheck {
            probe,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            failures: 3,
            successes: 1,
            start: Duration::ZERO,
            on_unhealthy: OnUnhealthy::Fail,
        }
    }

    /// What the unit says; none if it says nothing of it.
    pub fn read(unit: &Unit) -> Option<HealthCheck> {
        let value = |name| unit.last(SECTION, name);
        let probe = match (value("Exec"), value("HTTP"), value("TCP")) {
            (Some(Value::Commands(commands)), ..) => Probe::Exec(commands.first()?.clone()),
            (_, Some(Value::Address(address)), _) => Probe::Http(address.clone()),
            (_, _, Some(Value::Address(address))) => Probe::Tcp(address.clone()),
            _ => return None,
        };
        let span = |name, before: Duration| match value(name) {
            Some(Value::Span(span)) => span.finite().unwrap_or(Duration::MAX),
            _ => before,
        };
        let count = |name, before| match value(name) {
            Some(Value::Number(count)) => u32::try_from(*count).unwrap_or(before),
            _ => before,
        };
        let usual = HealthCheck::new(probe);
        Some(HealthCheck {
            interval: span("IntervalSec", usual.interval).max(SHORTEST_INTERVAL),
            timeout: span("TimeoutSec", usual.timeout).max(Duration::from_millis(1)),
            failures: count("Failures", usual.failures),
            successes: count("Successes", usual.successes),
            start: span("StartSec", usual.start),
            on_unhealthy: match value("OnUnhealthy") {
                Some(Value::Text(word)) if word == "show" => OnUnhealthy::Show,
                _ => OnUnhealthy::Fail,
            },
            probe: usual.probe,
        })
    }

    /// What is wrong with it as a whole.
    pub(crate) fn problems(unit: &Unit) -> Vec<(Option<&'static str>, &'static str)> {
        let mut found = Vec::new();
        let said = PROBES.into_iter().filter(|name| unit.last(SECTION, name).is_some()).collect::<Vec<_>>();
        let any = unit.settings.iter().any(|setting| setting.section == SECTION);
        match said.as_slice() {
            [] if any => found.push((None, "its health check has neither Exec=, HTTP= nor TCP=")),
            [] | [_] => {}
            [.., last] => found.push((Some(*last), "a health check has one of Exec=, HTTP= and TCP=")),
        }
        let commands = unit.all(SECTION, "Exec").map(|value| match value {
            Value::Commands(commands) => commands.len(),
            _ => 0,
        });
        if commands.sum::<usize>() > 1 {
            found.push((Some("Exec"), "a health check has one command"));
        }
        let short = |name, least: Duration| match unit.last(SECTION, name) {
            Some(Value::Span(span)) => span.finite().is_some_and(|length| length < least),
            _ => false,
        };
        if short("IntervalSec", SHORTEST_INTERVAL) {
            found.push((Some("IntervalSec"), "a service is asked every 100 ms at most"));
        }
        if short("TimeoutSec", Duration::from_millis(1)) {
            found.push((Some("TimeoutSec"), "an answer needs some time"));
        }
        found
    }
}
