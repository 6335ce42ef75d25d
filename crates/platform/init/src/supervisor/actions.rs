//! What a unit may do to the whole machine by its end: `FailureAction=` and its kin. As PID 1 the machine, or the
//! container, ends; another supervisor ends its process.

use std::path::Path;

use perigee_journal::Priority;
use perigee_units::machine::{Cause, Change, State, UnitId};
use perigee_units::service::Ended;
use perigee_units::unit::Value;

use super::{Ending, Supervisor};
use crate::pid1;

/// How much of an orderly end is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// Nothing: units are stopped in their order.
    Orderly,
    /// Units are not stopped in their order; their processes are ended, and file systems are unmounted.
    Forced,
    /// Everything.
    Immediate,
}

impl Supervisor {
    /// A unit has changed its state: what follows for the machine.
    pub(super) fn act_on_change(&mut self, change: &Change) {
        let gone = !change.from.is_down() && change.to == State::Inactive && change.cause != Cause::Skipped;
        if change.cause == Cause::StartLimit {
            self.act(change.unit, "StartLimitAction", "FailureActionExitStatus", "was started too often");
        }
        if change.to == State::Failed && change.from != State::Failed {
            self.act(change.unit, "FailureAction", "FailureActionExitStatus", "has failed");
        } else if gone {
            self.act(change.unit, "SuccessAction", "SuccessActionExitStatus", "has ended");
        }
    }

    /// The job of a unit has taken too long.
    pub(super) fn act_on_timeout(&mut self, unit: UnitId) {
        self.act(unit, "JobTimeoutAction", "FailureActionExitStatus", "has a job that took too long");
    }

    fn act(&mut self, unit: UnitId, directive: &'static str, status: &'static str, why: &str) {
        let declared = &self.table.get(unit).unit;
        let Some(Value::Text(word)) = declared.last("Unit", directive) else { return };
        // What ends already needs no reason to.
        if word == "none" || self.stopping.is_some() {
            return;
        }
        let (what, haste) = match word.split_once('-') {
            Some((what, "force")) => (what, Haste::Forced),
            Some((what, _)) => (what, Haste::Immediate),
            None => (word.as_str(), Haste::Orderly),
        };
        let status = match (declared.last("Unit", status), directive) {
            (Some(Value::Number(status)), _) => u8::try_from(*status).unwrap_or(1),
            (_, "SuccessAction") => 0,
            _ => match self.table.service_ref(unit).and_then(|service| service.life.main_ended()) {
                Some(Ended::Exit(status)) if status != 0 => status,
                _ => 1,
            },
        };
        let ending = match what {
            "reboot" => Ending::Reboot,
            "poweroff" => Ending::PowerOff,
            _ => Ending::Exit(status),
        };
        let argument = match directive {
            "JobTimeoutAction" => "JobTimeoutRebootArgument",
            _ => "RebootArgument",
        };
        let argument = match declared.last("Unit", argument) {
            Some(Value::Text(argument)) if ending == Ending::Reboot => Some(argument.clone()),
            _ => None,
        };
        let text = format!("{why}: {directive}={word}");
        self.say_as(Some(unit), Priority::CRITICAL, "action", &text);
        if let Some(argument) = argument.filter(|_| self.settings.is_first && pid1::is_machine())
            && let Err(error) = pid1::keep_argument(Path::new("/"), &argument)
        {
            let text = format!("the machine starts anew without `{argument}`: {error}");
            self.say_of(Some(unit), Priority::ERROR, &text);
        }
        if haste == Haste::Immediate && self.settings.is_first && pid1::is_machine() {
            pid1::end_now(ending);
        }
        self.end(ending);
        // Who ends as an ordinary process leaves nothing behind to end its units.
        if haste != Haste::Orderly && self.settings.is_first {
            self.end_without_waiting();
        }
    }
}
