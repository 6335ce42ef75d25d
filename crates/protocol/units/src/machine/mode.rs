//! How a request deals with what is asked of units already, and with what belongs to the unit: the modes of
//! systemctl(1)'s `--job-mode=`, of which `OnFailureJobMode=` and `OnSuccessJobMode=` name one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::Job;
use super::{JobId, JobOutcome, Machine, Refusal, UnitId, Verb};

/// A mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Contrary jobs are cancelled.
    #[default]
    Replace,
    /// It is refused if there are contrary jobs.
    Fail,
    /// As `Replace`, and no later request cancels what is made by it.
    ReplaceIrreversibly,
    /// Everything that does not belong to the unit is stopped; whoever runs the machine knows what that is, and is
    /// told by [`Effect::Isolate`](super::Effect::Isolate).
    Isolate,
    /// All other jobs are cancelled.
    Flush,
    /// The unit alone, at once, whatever it needs and whatever it comes after.
    IgnoreDependencies,
    /// The unit alone, in its order, whatever it needs.
    IgnoreRequirements,
}

impl Mode {
    /// By the word of unit files and systemctl(1).
    pub fn named(word: &str) -> Option<Mode> {
        Some(match word {
            "replace" => Mode::Replace,
            "fail" => Mode::Fail,
            "replace-irreversibly" => Mode::ReplaceIrreversibly,
            "isolate" => Mode::Isolate,
            "flush" => Mode::Flush,
            "ignore-dependencies" => Mode::IgnoreDependencies,
            "ignore-requirements" => Mode::IgnoreRequirements,
            _ => return None,
        })
    }

    /// Whether the unit is dealt with and no other.
    pub(super) fn is_alone(self) -> bool {
        matches!(self, Mode::IgnoreDependencies | Mode::IgnoreRequirements)
    }
}

impl Job {
    /// Whether a request in this mode may not put another job in the place of this one.
    pub(super) fn withstands(&self, verb: Verb, mode: Mode) -> bool {
        let contrary = (self.verb == Verb::Stop) != (verb == Verb::Stop);
        contrary && (mode == Mode::Fail || self.mode == Mode::ReplaceIrreversibly)
    }
}

impl Machine {
    /// As [`Machine::request`], in a mode; to isolate a unit whoever runs the machine has to stop the others.
    ///
    /// # Errors
    /// It cannot be done; nothing has changed then.
    pub fn request_as(
        &mut self,
        verb: Verb,
        unit: UnitId,
        mode: Mode,
        now: Duration,
    ) -> Result<JobId, Refusal> {
        self.now = now;
        let id = self.enqueue_as(verb, unit, mode)?;
        if verb == Verb::Stop {
            // Whoever waited to come back with it, and it itself, stays away.
            for other in self.bound_to(unit).into_iter().chain([unit]) {
                self.entry(other).follows = false;
            }
        }
        self.advance();
        Ok(id)
    }

    /// From now on every job may be cancelled by a contrary request.
    pub fn give_way(&mut self) {
        for job in self.jobs.values_mut().filter(|job| job.mode == Mode::ReplaceIrreversibly) {
            job.mode = Mode::Replace;
        }
    }

    /// Cancels every job that was made before these.
    pub(super) fn flush(&mut self, kept: &[JobId]) {
        let others: Vec<_> = self.jobs.keys().copied().filter(|id| !kept.contains(id)).collect();
        for id in others {
            self.finish(id, JobOutcome::Cancelled);
        }
    }
}
