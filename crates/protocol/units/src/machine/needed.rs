//! Who is kept up by whom: units that others uphold are started again, and those that nobody needs any more stop.

use std::collections::BTreeSet;

use super::{Effect, Job, Machine, Refusal, Relation, State, UnitId, Verb};

/// Relations by which a unit needs another.
const NEEDS: [Relation; 5] =
    [Relation::Requires, Relation::Requisite, Relation::Wants, Relation::BindsTo, Relation::Upholds];

impl Machine {
    /// Whether any unit asks for what this file does; for all others it costs nothing.
    pub(super) fn keeps_any(&self) -> bool {
        self.units.iter().any(|entry| {
            let upholds = entry.spec.relations.iter().any(|(relation, _)| *relation == Relation::Upholds);
            entry.spec.stop_when_unneeded || upholds
        })
    }

    /// Something about a unit has changed that others may be kept up by.
    pub(super) fn moved(&mut self, unit: UnitId) {
        if self.keeps {
            self.moved.insert(unit);
        }
    }

    /// Makes the jobs that follow from what has changed. A unit is started once at most for one event from outside.
    pub(super) fn keep(&mut self, kept: &mut BTreeSet<UnitId>) {
        while let Some(unit) = self.moved.pop_first() {
            let around = NEEDS.into_iter().flat_map(|relation| self.graph.to(unit, relation));
            let around: BTreeSet<_> = around.copied().chain([unit]).collect();
            for other in around {
                if self.is_unneeded(other) {
                    self.enqueue_stop(other);
                } else if self.is_to_be_upheld(other)
                    && kept.insert(other)
                    && let Err(why) = self.enqueue(Verb::Start, other)
                {
                    self.effects.push_back(Effect::NotStarted(other, why));
                }
            }
        }
    }

    fn is_unneeded(&self, unit: UnitId) -> bool {
        let entry = &self.units[unit.index()];
        let stops = entry.spec.stop_when_unneeded && entry.state == State::Active && entry.job.is_none();
        stops
            && !NEEDS
                .into_iter()
                .flat_map(|relation| self.graph.from(unit, relation))
                .any(|other| !self.state(*other).is_down() || self.job_of(*other).is_some())
    }

    fn is_to_be_upheld(&self, unit: UnitId) -> bool {
        let entry = &self.units[unit.index()];
        let down = entry.state.is_down() && entry.job.is_none() && !self.is_at_limit(unit);
        down && self.graph.from(unit, Relation::Upholds).iter().any(|other| {
            self.state(*other).is_active() && self.job_of(*other).is_none_or(|job| !Job::stops(job))
        })
    }

    /// Whether a person may ask this of a unit; other units may ask for anything.
    ///
    /// # Errors
    /// The unit says that it is started, or stopped, with others only.
    pub fn may_ask(&self, verb: Verb, unit: UnitId) -> Result<(), Refusal> {
        let spec = &self.units[unit.index()].spec;
        let start = spec.refuse_manual_start && matches!(verb, Verb::Start | Verb::Restart);
        let stop = spec.refuse_manual_stop && matches!(verb, Verb::Stop | Verb::Restart);
        if start || stop { Err(Refusal::Manual(self.name(unit).to_owned())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Event, Outcome, Spec};
    use super::*;
    use crate::value::Signal;

    /// A machine in which every unit is ready, reloaded or gone as soon as it is asked.
    fn at_once(machine: &mut Machine, now: Duration) {
        while let Some(effect) = machine.effect() {
            match effect {
                Effect::Start(unit) => drop(machine.event(unit, Event::Ready, now)),
                Effect::Stop(unit) => drop(machine.event(unit, Event::Ended(Outcome::Success), now)),
                _ => {}
            }
        }
    }

    #[test]
    fn who_is_upheld_comes_back_and_not_too_often() {
        let mut machine = Machine::new(vec![
            Spec::new("a.service").with(Relation::Upholds, "b.service"),
            Spec::new("b.service"),
        ]);
        let (a, b) = (machine.unit("a.service").expect("a unit"), machine.unit("b.service").expect("a unit"));
        machine.request(Verb::Start, a, Duration::ZERO).expect("it starts");
        at_once(&mut machine, Duration::ZERO);
        assert_eq!(machine.state(b), State::Active, "it is started when the other is there");
        // Whatever takes it down, even a request.
        machine.request(Verb::Stop, b, Duration::ZERO).expect("it stops");
        at_once(&mut machine, Duration::ZERO);
        assert_eq!(machine.state(b), State::Active);
        for second in 0..20 {
            machine.event(b, Event::Ended(Outcome::ExitCode(1)), Duration::from_millis(second));
            at_once(&mut machine, Duration::from_millis(second));
        }
        assert_eq!(machine.state(b), State::Failed, "the limit of starts counts");
        machine.reset_failed(b, Duration::from_secs(1));
        at_once(&mut machine, Duration::from_secs(1));
        assert_eq!(machine.state(b), State::Active);
        // With the one that upholds it the reason is gone.
        machine.request(Verb::Stop, a, Duration::from_secs(1)).expect("it stops");
        machine.request(Verb::Stop, b, Duration::from_secs(1)).expect("it stops");
        at_once(&mut machine, Duration::from_secs(1));
        assert_eq!((machine.state(a), machine.state(b)), (State::Inactive, State::Inactive));
    }

    #[test]
    fn who_is_needed_no_more_stops() {
        let helper = Spec { stop_when_unneeded: true, ..Spec::new("helper.service") };
        let deeper = Spec { stop_when_unneeded: true, ..Spec::new("deeper.service") };
        let mut machine = Machine::new(vec![
            Spec::new("a.service").with(Relation::Wants, "helper.service"),
            Spec::new("b.service").with(Relation::Requires, "helper.service"),
            helper.with(Relation::Requires, "deeper.service"),
            deeper,
        ]);
        let unit = |machine: &Machine, name: &str| machine.unit(name).expect("a unit");
        let (a, b) = (unit(&machine, "a.service"), unit(&machine, "b.service"));
        let (helper, deeper) = (unit(&machine, "helper.service"), unit(&machine, "deeper.service"));
        let ask = |machine: &mut Machine, verb, unit| {
            machine.request(verb, unit, Duration::ZERO).expect("it can be done");
            at_once(machine, Duration::ZERO);
        };
        ask(&mut machine, Verb::Start, a);
        ask(&mut machine, Verb::Start, b);
        ask(&mut machine, Verb::Stop, a);
        assert_eq!(
            (machine.state(helper), machine.state(deeper)),
            (State::Active, State::Active),
            "one is left"
        );
        machine.event(b, Event::Ended(Outcome::Signal(Signal::KILL)), Duration::ZERO);
        at_once(&mut machine, Duration::ZERO);
        assert_eq!((machine.state(helper), machine.state(deeper)), (State::Inactive, State::Inactive));
        // Started by itself it is not needed either.
        ask(&mut machine, Verb::Start, deeper);
        assert_eq!(machine.state(deeper), State::Inactive);
    }

    #[test]
    fn some_units_are_not_asked_by_people() {
        let shy = Spec { refuse_manual_start: true, ..Spec::new("shy.target") };
        let bold = Spec { refuse_manual_stop: true, ..Spec::new("bold.target") };
        let machine = Machine::new(vec![shy, bold]);
        let may = |verb, name| machine.may_ask(verb, machine.unit(name).expect("a unit")).is_ok();
        let verbs = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Reload];
        assert_eq!(verbs.map(|verb| may(verb, "shy.target")), [false, true, false, true]);
        assert_eq!(verbs.map(|verb| may(verb, "bold.target")), [true, false, false, true]);
    }
}
