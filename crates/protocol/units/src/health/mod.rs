//! Whether a service does its work: it is asked again and again, by a command, over HTTP or by a connection, and counts as
//! unhealthy when it has not answered well so often in a row. systemd has nothing of the kind; what is asked stands in a
//! section of its own, `[X-HealthCheck]`, which systemd passes over.
//!
//! [`HealthCheck`] is what the unit says, [`Health`] the state machine: it asks nobody and reads no clock. Whoever runs
//! it carries out each [`Order`] and tells by [`Health::answered`] what came of it. [`http`] is what is said on the wire.

pub mod http;
mod settings;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use settings::{HealthCheck, OnUnhealthy, Probe};

/// The longest text about an answer that is kept.
const LONGEST_ANSWER: usize = 256;

/// No check begins later than this after the service is there.
const FIRST: Duration = Duration::from_secs(1);

/// How a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is not known yet.
    #[default]
    Starting,
    /// It has answered well.
    Healthy,
    /// It has not, several times in a row.
    Unhealthy,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Standing::Starting => "starting",
            Standing::Healthy => "healthy",
            Standing::Unhealthy => "unhealthy",
        })
    }
}

/// What is to be done outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask, and give this number with the answer.
    Ask(u64),
    /// It takes too long: ask no more.
    GiveUp,
}

/// How a service has been since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    standing: Standing,
    /// It is asked as long as this is so.
    there: bool,
    /// When it began to be asked.
    began: Duration,
    /// Answers in a row of the kind that the last one was.
    well: u32,
    badly: u32,
    /// When it is asked next.
    next: Duration,
    /// What was asked and is not answered: its number, and until when it may be.
    asked: Option<(u64, Duration)>,
    /// The number of the last question.
    number: u64,
    /// How often it has become unhealthy since it was loaded.
    lapses: u64,
    /// What the last answer was, in words, and when it came.
    answer: String,
    answered: Option<Duration>,
}

impl Health {
    /// How it is.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// How often it has become unhealthy, over all its runs.
    pub fn lapses(&self) -> u64 {
        self.lapses
    }

    /// Answers in a row that were good, and that were not: one of them is 0.
    pub fn in_a_row(&self) -> (u32, u32) {
        (self.well, self.badly)
    }

    /// What the last answer was, in words.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// When the last answer came.
    pub fn answered_at(&self) -> Option<Duration> {
        self.answered
    }

    /// Whether it is being asked from time to time.
    pub fn is_there(&self) -> bool {
        self.there
    }

    /// The service is there: it is asked from now on.
    pub fn begin(&mut self, check: &HealthCheck, now: Duration) {
        let (lapses, number) = (self.lapses, self.number);
        let next = now.saturating_add(check.interval.min(FIRST));
        *self = Health { there: true, began: now, next, lapses, number, ..Health::default() };
    }

    /// The service goes: nothing is asked any more. How it was stays to be looked at.
    pub fn end(&mut self) {
        (self.there, self.asked) = (false, None);
    }

    /// What was asked by another copy of the program is asked again.
    pub fn ask_again(&mut self, now: Duration) {
        if self.asked.take().is_some() {
            self.next = now;
        }
    }

    /// When [`Health::tick`] must be called at the latest.
    pub fn timeout(&self) -> Option<Duration> {
        self.there.then(|| self.asked.map_or(self.next, |(_, deadline)| deadline))
    }

    /// What is due, and the standing if it has changed by that.
    pub fn tick(&mut self, check: &HealthCheck, now: Duration) -> (Option<Order>, Option<Standing>) {
        if self.timeout().is_none_or(|at| at > now) {
            return (None, None);
        }
        if self.asked.take().is_some() {
            let within = check.timeout.as_secs_f64();
            return (
                Some(Order::GiveUp),
                self.judge(check, Err(format!("no answer within {within} s")), now),
            );
        }
        self.number += 1;
        self.asked = Some((self.number, now.saturating_add(check.timeout)));
        // In even steps from the first one on; those that are over already are left out.
        while self.next <= now {
            self.next = self.next.saturating_add(check.interval);
        }
        (Some(Order::Ask(self.number)), None)
    }

    /// What came of a question, well or badly, in words; gives the standing if it has changed. An answer that nobody
    /// waits for any more says nothing.
    pub fn answered(
        &mut self,
        check: &HealthCheck,
        number: u64,
        answer: Result<String, String>,
        now: Duration,
    ) -> Option<Standing> {
        self.asked.take_if(|(asked, _)| *asked == number)?;
        self.judge(check, answer, now)
    }

    fn judge(
        &mut self,
        check: &HealthCheck,
        answer: Result<String, String>,
        now: Duration,
    ) -> Option<Standing> {
        let well = answer.is_ok();
        self.answer = answer.unwrap_or_else(|why| why).chars().take(LONGEST_ANSWER).collect();
        self.answered = Some(now);
        let before = self.standing;
        if well {
            (self.well, self.badly) = (self.well.saturating_add(1), 0);
            if self.well >= check.successes {
                self.standing = Standing::Healthy;
            }
        } else if before == Standing::Starting && now < self.began.saturating_add(check.start) {
            // It may need a while before it can answer; that counts neither for nor against it.
            self.well = 0;
        } else {
            (self.well, self.badly) = (0, self.badly.saturating_add(1));
            if self.badly >= check.failures {
                self.standing = Standing::Unhealthy;
            }
        }
        if self.standing == before {
            return None;
        }
        self.lapses += u64::from(self.standing == Standing::Unhealthy);
        Some(self.standing)
    }
}

#[cfg(test)]
mod tests;
