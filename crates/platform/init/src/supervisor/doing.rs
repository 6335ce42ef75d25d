//! Starting, stopping, restarting and reloading by request: each unit on its own, since what keeps one from it is no
//! reason not to do it with the others.

use perigee_files::FindError;
use perigee_journal::Priority;
use perigee_units::machine::{JobId, Refusal, UnitId, Verb};
use perigee_units::unit::UnitName;

use super::requests::at_most;
use super::{Supervisor, now};
use crate::control::{Reason, Reply};

/// What is to be done with units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) verb: Verb,
    /// Only with those that are active.
    pub(super) active_only: bool,
    /// What cannot reload is restarted, and what is not active started.
    pub(super) or_restart: bool,
}

/// Why nothing is done with a unit.
pub(super) type Why = (Reason, String);

impl Supervisor {
    /// Makes jobs and tells of them; whether the answer is complete.
    pub(super) fn do_with(
        &mut self,
        number: u32,
        names: &[String],
        wish: Wish,
        wait: bool,
    ) -> Result<bool, String> {
        if self.stopping.is_some() && wish.verb != Verb::Stop {
            return Err("everything is being stopped".to_owned());
        }
        at_most(names)?;
        let (mut jobs, mut first) = (Vec::new(), None);
        for name in names {
            let units = match wish.active_only {
                true => self.active(name),
                false => self.named(name, wish.verb),
            };
            let asked = units.and_then(|units| self.ask_each(units, wish, &mut jobs));
            if let Err((reason, why)) = asked {
                let unit = name.clone();
                self.say(number, &Reply::NotDone { unit, reason, why: why.clone() });
                first.get_or_insert(why);
            }
        }
        match first {
            Some(why) if jobs.is_empty() => Err(why),
            _ => Ok(self.queued(number, &jobs, wait)),
        }
    }

    fn ask_each(
        &mut self,
        units: Vec<UnitId>,
        wish: Wish,
        jobs: &mut Vec<(JobId, UnitId, Verb)>,
    ) -> Result<(), Why> {
        for unit in units {
            if wish.active_only && self.machine.state(unit).is_down() {
                continue;
            }
            jobs.push(self.ask(unit, wish.verb, wish.or_restart)?);
        }
        Ok(())
    }

    /// Units that may be active, which those are that are loaded; that others exist is enough.
    fn active(&self, name: &str) -> Result<Vec<UnitId>, Why> {
        match self.loaded(&[name.to_owned()]) {
            Ok(units) => Ok(units),
            Err(_) => match UnitName::parse(name).map(|parsed| self.settings.search.find(&parsed)) {
                Ok(Err(error @ FindError::Missing(_))) => Err((Reason::NotFound, error.to_string())),
                _ => Ok(Vec::new()),
            },
        }
    }

    /// Units by name, loaded if need be; patterns mean those that are loaded.
    pub(super) fn named(&mut self, name: &str, verb: Verb) -> Result<Vec<UnitId>, Why> {
        if name.contains(['*', '?', '[']) {
            return Ok(self.matching(name));
        }
        let parsed = UnitName::parse(name).map_err(|error| (Reason::Other, error.to_string()))?;
        let unit = self.load(&parsed).map_err(|error| match error {
            FindError::Missing(_) if verb == Verb::Stop => {
                (Reason::NotFound, format!("{name} is not loaded"))
            }
            FindError::Missing(_) => (Reason::NotFound, error.to_string()),
            FindError::Masked(..) => (Reason::Masked, error.to_string()),
            _ => (Reason::Other, error.to_string()),
        })?;
        Ok(vec![unit])
    }

    /// Makes a job; gives it with its unit.
    pub(super) fn ask(
        &mut self,
        unit: UnitId,
        verb: Verb,
        or_restart: bool,
    ) -> Result<(JobId, UnitId, Verb), Why> {
        self.machine.may_ask(verb, unit).map_err(why)?;
        // Known before anything is stopped for it.
        if matches!(verb, Verb::Start | Verb::Restart)
            && let Some(why) = self.refusal(unit)
        {
            self.say_as(Some(unit), Priority::ERROR, "refused", &format!("is not started: {why}"));
            return Err((Reason::Other, format!("{} is not started: {why}", self.machine.name(unit))));
        }
        let at = now();
        let asked = match self.machine.request(verb, unit, at) {
            // What is not there is started.
            Err(Refusal::CannotReload(_) | Refusal::NotActive(_)) if or_restart => {
                self.machine.request(Verb::Restart, unit, at)
            }
            asked => asked,
        };
        asked.map(|job| (job, unit, verb)).map_err(why)
    }
}

/// Why the machine refuses.
fn why(refusal: Refusal) -> Why {
    let reason = match refusal {
        Refusal::Missing { .. } => Reason::Needs,
        Refusal::Manual(_) => Reason::NotPermitted,
        Refusal::CannotReload(_) => Reason::NotApplicable,
        _ => Reason::Other,
    };
    (reason, refusal.to_string())
}
