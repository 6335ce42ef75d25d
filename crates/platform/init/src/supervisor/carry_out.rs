//! What the machine and the lives of the services ask for is carried out, until they ask for nothing more.

use perigee_journal::Priority;
use perigee_units::machine::{Effect, Event, Outcome, State, UnitId, Verb};
use perigee_units::service::{Action, Phase};

use super::mounts::Wish;
use super::runner::Call;
use super::table::Work;
use super::{LULL, Supervisor, now};
use perigee_files::condition;

impl Supervisor {
    /// Carries out everything that is asked for.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(effect) = self.machine.effect() {
                self.carry_out(effect);
            }
            if !self.look_at_makings() {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(unit) => {
                // A supervisor on a thread shares its memory with others, who are at work.
                self.lull = self.signals.is_some().then(|| now() + LULL);
                self.start_unit(unit);
            }
            Effect::Stop(unit) => self.stop_unit(unit),
            Effect::Kill(unit) => {
                self.finish_makings_of(unit);
                if let Some(service) = self.table.service(unit) {
                    service.life.kill(now());
                }
                self.call(unit, Call::Kill);
                self.kill_helper(unit);
                self.live(unit);
            }
            Effect::Reload(unit) => {
                self.finish_makings_of(unit);
                if let Some(service) = self.table.service(unit) {
                    service.life.reload(now());
                    self.live(unit);
                } else if matches!(self.table.get(unit).work, Work::Mount(_)) {
                    self.mount(unit, Wish::Reload);
                } else if matches!(self.table.get(unit).work, Work::Runner(_)) {
                    self.call(unit, Call::Reload);
                } else {
                    self.machine.event(unit, Event::Reloaded(true), now());
                }
            }
            Effect::Changed(change) => {
                let loaded = self.table.get_mut(change.unit);
                match change.to {
                    State::Activating => (loaded.began, loaded.ready) = (Some(change.at), None),
                    State::Active if change.from == State::Activating => loaded.ready = Some(change.at),
                    State::Inactive if change.from == State::Activating => loaded.ready = Some(change.at),
                    _ => {}
                }
                // A reload that took too long is over for the machine, and must be for the service.
                let over = (change.from, change.to) == (State::Reloading, State::Active);
                if let Some(service) = self.table.service(change.unit).filter(|_| over) {
                    service.life.reload_is_over(now());
                    self.live(change.unit);
                }
                if change.to == State::Failed {
                    let text = format!("has failed: {}", change.outcome);
                    self.say_of(Some(change.unit), Priority::WARNING, &text);
                }
                self.tell_bus(&change);
                self.tell_triggers(&change);
                self.remember(change.unit);
                self.publish(&change);
                self.act_on_change(&change);
                self.let_go(change.unit);
                self.changed(change);
            }
            Effect::JobDone(id, unit, verb, outcome) => {
                self.let_go(unit);
                self.job_done(id, unit, verb, outcome);
            }
            Effect::Cycle(units, cut) => {
                let names: Vec<_> = units.iter().map(|unit| self.machine.name(*unit)).collect();
                let cut = cut.map_or("the order of the last two", |unit| self.machine.name(unit));
                let text = format!(
                    "units come after each other in a circle: {}; given up: {cut}",
                    names.join(" after ")
                );
                self.say_of(None, Priority::WARNING, &text);
            }
            Effect::Isolate(unit) => {
                if let Err(why) = self.isolate_unit(unit) {
                    self.say_of(Some(unit), Priority::WARNING, &format!("is not isolated: {why}"));
                }
            }
            Effect::NotStarted(unit, why) => {
                self.say_of(Some(unit), Priority::WARNING, &format!("is not started: {why}"));
            }
        }
    }

    /// Why the files of a unit do not let it start.
    pub(super) fn refusal(&self, unit: UnitId) -> Option<String> {
        if self.table.get(unit).gone {
            return Some(format!("there is no unit {}", self.machine.name(unit)));
        }
        self.table.get(unit).unit.refusal(self.system.strict).map(ToString::to_string)
    }

    /// Whether its files, conditions and assertions let a unit start; else the machine is told.
    fn is_to_start(&mut self, unit: UnitId) -> bool {
        if let Some(why) = self.refusal(unit) {
            self.say_as(Some(unit), Priority::ERROR, "refused", &format!("is not started: {why}"));
            self.table.get_mut(unit).note(format!("it was not started: {why}"));
            self.machine.event(unit, Event::Ended(Outcome::Refused), now());
            return false;
        }
        let (event, unmet) = match condition::check(&self.table.get(unit).unit, &self.world) {
            condition::Outcome::Holds => return true,
            condition::Outcome::ConditionFailed(unmet) => (Event::Ended(Outcome::Skipped), unmet),
            condition::Outcome::AssertFailed(unmet) => (Event::Ended(Outcome::Assert), unmet),
        };
        self.say_of(Some(unit), Priority::INFO, &format!("is not started: {unmet}"));
        self.table.get_mut(unit).note(unmet.to_string());
        self.machine.event(unit, event, now());
        false
    }

    fn start_unit(&mut self, unit: UnitId) {
        self.table.get_mut(unit).notes.clear();
        // What runs already was let start.
        if !self.is_found(unit) && !self.is_to_start(unit) {
            return;
        }
        if !matches!(self.table.get(unit).work, Work::Service(_) | Work::Socket(_)) {
            self.is_taken(unit);
        }
        match self.table.get(unit).work {
            Work::Service(_) => self.start_service(unit),
            Work::Socket(_) => self.start_sockets(unit),
            Work::Timer => self.start_timer(unit),
            Work::Path(_) => self.start_paths(unit),
            Work::Mount(_) => self.mount(unit, Wish::Start),
            Work::Runner(_) => self.call(unit, Call::Start),
            Work::Broken(ref why) => {
                let why = why.clone();
                self.say_of(Some(unit), Priority::ERROR, &why);
                self.machine.event(unit, Event::Ended(Outcome::Resources), now());
            }
            Work::Plain => {
                self.machine.event(unit, Event::Ready, now());
            }
        }
    }

    fn stop_unit(&mut self, unit: UnitId) {
        self.finish_makings_of(unit);
        let restarts = matches!(self.machine.job(unit), Some((_, Verb::Restart)));
        if let Some(service) = self.table.service(unit) {
            service.life.stop(restarts, now());
            return self.live(unit);
        }
        match &mut self.table.get_mut(unit).work {
            // It was stopped above.
            Work::Service(_) => {}
            Work::Socket(_) => self.stop_sockets(unit, Outcome::Success),
            Work::Timer => self.stop_timer(unit),
            Work::Path(_) => self.stop_paths(unit, Outcome::Success),
            Work::Mount(_) => self.mount(unit, Wish::Stop),
            Work::Runner(_) => self.call(unit, Call::Stop),
            Work::Plain | Work::Broken(_) => {
                self.machine.event(unit, Event::Ended(Outcome::Success), now());
            }
        }
    }

    /// Carries out what the life of a service asks for.
    pub(super) fn live(&mut self, unit: UnitId) {
        let mut dead = false;
        while let Some(action) = self.table.service(unit).and_then(|service| service.life.action()) {
            match action {
                Action::Spawn(role, exec, place) => {
                    self.spawn(unit, role, exec, place);
                }
                Action::Signal(role, signal) => self.signal(unit, role, signal),
                Action::SignalRest(signal) => self.signal_rest(unit, signal),
                Action::FindMain => self.find_main(unit),
                Action::AwaitEmpty => self.await_empty(unit),
                Action::Open => {
                    let outcome = self.open_sockets(unit);
                    if let Some(commands) = self.table.service(unit) {
                        commands.life.opened(outcome, now());
                    }
                }
                Action::Close => self.close_sockets(unit),
                Action::Report(event) => {
                    self.machine.event(unit, event, now());
                }
                Action::Phase(phase) => {
                    self.health_follows(unit, phase);
                    dead = phase == Phase::Dead;
                    self.sockets_follow(unit);
                    if phase == Phase::Exited
                        && let Some(service) = self.table.service(unit)
                    {
                        // Nobody prints any more; those that stop it have streams of their own again.
                        service.output = None;
                    }
                    if !dead {
                        self.remember(unit);
                    }
                }
                Action::Watchdog(_) => {}
            }
        }
        // Whether it comes back, and what stays for that, is known only when its end is told.
        if dead {
            self.clean(unit);
        }
    }
}
