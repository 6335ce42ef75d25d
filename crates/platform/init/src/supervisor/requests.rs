//! What is asked on the control socket is done, and answered.

use perigee_journal::Priority;
use perigee_units::machine::{self, JobId, JobOutcome, State, UnitId, Verb};
use perigee_units::service::Role;
use perigee_units::unit::{Source, Unit, UnitName};
use perigee_units::value::{GlobKind, Signal, glob_matches};

use super::doing::Wish;
use super::{Ending, Supervisor, now, wall};
use crate::control::{Change, Job, Reply, Request, Signalled, Whom};

/// Changes of state that are kept for watchers who come later.
const MOST_KEPT: usize = 4096;

/// Names and patterns of one request.
const MOST_NAMES: usize = 1024;

/// Octets of a pattern.
const LONGEST_PATTERN: usize = 255;

/// The last changes of state.
#[derive(Debug, Default)]
pub(super) struct History(std::collections::VecDeque<Change>);

impl History {
    fn push(&mut self, change: Change) {
        if self.0.len() == MOST_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }

    /// The changes from a number on, and the number that is kept of them at least.
    fn from(&self, sequence: u64) -> (u64, impl Iterator<Item = &Change>) {
        let first = self.0.front().map_or(sequence, |change| change.sequence);
        (first, self.0.iter().filter(move |change| change.sequence >= sequence))
    }
}

impl Supervisor {
    pub(super) fn answer(&mut self, number: u32, request: Request) {
        let may = self.connections.get_mut(number).is_some_and(|connection| connection.may_change);
        if !may && changes(&request) {
            let why = "this is for root, and for the user whose supervisor it is".to_owned();
            return self.say(number, &Reply::Refused { why });
        }
        match self.carry_out_request(number, request) {
            Ok(true) => self.say(number, &Reply::Done),
            Ok(false) => {}
            Err(why) => self.say(number, &Reply::Refused { why }),
        }
    }

    /// Whether the answer is complete.
    fn carry_out_request(&mut self, number: u32, request: Request) -> Result<bool, String> {
        match request {
            Request::Do { verb, units, active_only, or_restart, wait } => {
                let wish = Wish { verb, active_only, or_restart };
                self.do_with(number, &units, wish, wait)
            }
            Request::Isolate { unit, wait } => self.isolate(number, &unit, wait),
            Request::Kill { units, signal, whom } => {
                let signal = Signal::parse(&signal).map_err(|error| error.to_string())?;
                for unit in self.loaded(&units)? {
                    let processes = self.kill(unit, signal, whom)?;
                    let unit = self.machine.name(unit).to_owned();
                    self.say(number, &Reply::Signalled(Signalled { unit, processes }));
                }
                Ok(true)
            }
            Request::ResetFailed { units } => {
                let units = match units.is_empty() {
                    true => self.machine.units().collect(),
                    false => self.loaded(&units)?,
                };
                units.into_iter().for_each(|unit| self.machine.reset_failed(unit, now()));
                Ok(true)
            }
            Request::Status { units } => {
                at_most(&units)?;
                for name in &units {
                    // Who has asked for more than waits for a reader is gone by now.
                    if self.connections.get_mut(number).is_none() {
                        break;
                    }
                    let status = match self.loaded(std::slice::from_ref(name)) {
                        Ok(units) => units.into_iter().map(|unit| self.status_of(unit)).collect(),
                        Err(_) => vec![self.not_loaded(name)],
                    };
                    for status in status {
                        self.say(number, &Reply::Unit(Box::new(status)));
                    }
                }
                Ok(true)
            }
            Request::List => {
                for unit in self.machine.units() {
                    let listed = self.listed(unit);
                    self.say(number, &Reply::Listed(listed));
                }
                Ok(true)
            }
            Request::Manager => {
                let manager = self.manager();
                self.say(number, &Reply::Manager(manager));
                Ok(true)
            }
            Request::Jobs => {
                let jobs: Vec<_> =
                    self.machine.jobs().map(|(id, unit, verb)| self.job(id, unit, verb)).collect();
                jobs.into_iter().for_each(|job| self.say(number, &Reply::Job(job)));
                Ok(true)
            }
            Request::Watch { from } => {
                self.watch(number, from);
                Ok(false)
            }
            Request::Run { .. } if self.signals.is_none() => {
                Err("this supervisor is a part of a program, and starts no processes".to_owned())
            }
            Request::Run { unit, text, wait } => {
                let unit = self.transient(&unit, &text)?;
                let job = self.ask(unit, Verb::Start, false).map_err(|(_, why)| why)?;
                Ok(self.queued(number, &[(job.0, unit, Verb::Start)], wait))
            }
            Request::Cancel { jobs } => {
                for job in jobs {
                    self.machine.cancel(JobId(job), now());
                }
                Ok(true)
            }
            Request::Environment => {
                let variables = self.environment.lines();
                self.say(number, &Reply::Environment { variables });
                Ok(true)
            }
            Request::SetEnvironment { set, unset } => {
                self.environment.change(&set, &unset)?;
                Ok(true)
            }
            Request::SetProperty { unit, settings, runtime } => {
                self.set_property(&unit, &settings, runtime)?;
                Ok(true)
            }
            Request::LogLevel { level } => {
                if let Some(level) = level {
                    self.set_log_level(&level)?;
                }
                let level = self.log_level.name().to_owned();
                self.say(number, &Reply::LogLevel { level });
                Ok(true)
            }
            Request::DaemonReload => {
                self.reload_all();
                Ok(true)
            }
            Request::DaemonReexec if self.signals.is_none() => {
                Err("this supervisor is a part of a program that goes on as it is".to_owned())
            }
            Request::DaemonReexec => {
                self.reexec = true;
                Ok(true)
            }
            Request::PowerOff => self.end_by_request(Ending::PowerOff),
            Request::Reboot => self.end_by_request(Ending::Reboot),
            Request::Halt => self.end_by_request(Ending::Halt),
            Request::Exit { status } => self.end_by_request(Ending::Exit(status)),
        }
    }

    fn end_by_request(&mut self, ending: Ending) -> Result<bool, String> {
        if self.signals.is_none() && !matches!(ending, Ending::Exit(_)) {
            return Err("this supervisor has no machine, only the units of a program".to_owned());
        }
        self.end(ending);
        Ok(true)
    }

    /// Units that are loaded.
    pub(super) fn loaded(&self, names: &[String]) -> Result<Vec<UnitId>, String> {
        let mut units = Vec::new();
        at_most(names)?;
        for name in names {
            match self.table.find(name) {
                Some(unit) => units.push(unit),
                None if name.contains(['*', '?', '[']) => units.extend(self.matching(name)),
                None => return Err(format!("{name} is not loaded")),
            }
        }
        Ok(units)
    }

    pub(super) fn matching(&self, pattern: &str) -> Vec<UnitId> {
        // No name is longer, and comparing takes the product of the two lengths.
        if pattern.len() > LONGEST_PATTERN {
            return Vec::new();
        }
        self.machine
            .units()
            .filter(|unit| glob_matches(pattern, self.machine.name(*unit), GlobKind::Name))
            .collect()
    }

    /// Tells of jobs that were made; whether the answer is complete.
    pub(super) fn queued(&mut self, number: u32, jobs: &[(JobId, UnitId, Verb)], wait: bool) -> bool {
        for (id, unit, verb) in jobs {
            let job = self.job(*id, *unit, *verb);
            self.say(number, &Reply::Queued(job));
        }
        let Some(connection) = self.connections.get_mut(number) else { return true };
        if wait {
            connection.awaits.extend(jobs.iter().map(|(id, ..)| *id));
        }
        // Jobs that are done already are told of when the effects are carried out, which comes after this.
        !wait || jobs.is_empty()
    }

    fn job(&self, id: JobId, unit: UnitId, verb: Verb) -> Job {
        Job { job: id.0, unit: self.machine.name(unit).to_owned(), verb }
    }

    /// A machine whose first unit cannot be had gives a shell to whoever sits before it.
    fn is_boot_over(&mut self, unit: UnitId, verb: Verb, outcome: JobOutcome) {
        let failed = !matches!(outcome, JobOutcome::Done | JobOutcome::Skipped | JobOutcome::Cancelled);
        let first = self.machine.name(unit) == self.settings.target.as_str() && verb == Verb::Start;
        if !failed || !first || self.booted.is_some() || !self.settings.is_first || !crate::pid1::is_machine()
        {
            return;
        }
        self.say_of(Some(unit), Priority::CRITICAL, "the boot has failed; emergency.target gives a shell");
        let started = UnitName::parse("emergency.target").map_err(|error| error.to_string());
        if let Err(why) = started.and_then(|name| self.start_triggered(&name)) {
            self.say_of(None, Priority::CRITICAL, &format!("there is no emergency.target: {why}"));
        }
    }

    /// Tells those who wait for a job that it is done.
    pub(super) fn job_done(&mut self, id: JobId, unit: UnitId, verb: Verb, outcome: JobOutcome) {
        self.is_boot_over(unit, verb, outcome);
        if outcome == JobOutcome::Timeout {
            self.act_on_timeout(unit);
        }
        let job = self.job(id, unit, verb);
        for number in self.connections.awaiting(id) {
            self.say(number, &Reply::Finished { job: job.clone(), outcome });
            let Some(connection) = self.connections.get_mut(number) else { continue };
            connection.awaits.retain(|other| *other != id);
            if connection.awaits.is_empty() {
                self.say(number, &Reply::Done);
            }
            self.write_to(number);
        }
    }

    /// Tells those who watch of a change.
    pub(super) fn changed(&mut self, change: machine::Change) {
        let change = Change {
            sequence: change.sequence,
            at: wall(change.at),
            unit: self.machine.name(change.unit).to_owned(),
            from: change.from,
            to: change.to,
            cause: change.cause,
            result: change.outcome.to_string(),
        };
        for number in self.connections.watching() {
            self.tell_change(number, &change);
            self.write_to(number);
        }
        self.history.push(change);
    }

    /// One change to one watcher; what it is too slow for it is told of later.
    fn tell_change(&mut self, number: u32, change: &Change) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        if !connection.has_room() {
            connection.missed.get_or_insert(change.sequence);
            return;
        }
        let missed = connection.missed.take();
        if let Some(from) = missed {
            self.say(number, &Reply::Missed { from, to: change.sequence - 1 });
        }
        self.say(number, &Reply::Change(change.clone()));
    }

    fn watch(&mut self, number: u32, from: Option<u64>) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        connection.watches = Some(from.unwrap_or(0));
        let Some(from) = from else { return };
        let (first, changes) = self.history.from(from);
        let changes: Vec<_> = changes.cloned().collect();
        if first > from {
            self.say(number, &Reply::Missed { from, to: first - 1 });
        }
        for change in changes {
            self.tell_change(number, &change);
        }
    }

    fn kill(&mut self, unit: UnitId, signal: Signal, whom: Whom) -> Result<usize, String> {
        let name = self.machine.name(unit).to_owned();
        let Some(service) = self.table.service_ref(unit) else {
            return Err(format!("{name} has no processes"));
        };
        let (main, control) = (service.life.main(), service.life.control());
        let mut count = 0;
        for (role, there) in [(Role::Main, main), (Role::Control, control)] {
            let meant = match whom {
                Whom::All => true,
                Whom::Main => role == Role::Main,
                Whom::Control => role == Role::Control,
            };
            if meant && there.is_some() {
                self.signal(unit, role, signal);
                count += 1;
            }
        }
        if whom == Whom::All {
            let group = self.table.service_ref(unit).and_then(|service| service.group.as_ref());
            count = count.max(group.and_then(|group| group.processes().ok()).map_or(0, |pids| pids.len()));
            self.signal_rest(unit, signal);
        }
        Ok(count)
    }

    /// A unit that has no file.
    fn transient(&mut self, name: &str, text: &str) -> Result<UnitId, String> {
        let name = UnitName::parse(name).map_err(|error| error.to_string())?;
        if self.table.find(name.as_str()).is_some_and(|unit| !self.machine.state(unit).is_down()) {
            return Err(format!("{name} runs already"));
        }
        let path = self.settings.runtime.join("transient").join(name.as_str());
        let write = || {
            std::fs::create_dir_all(self.settings.runtime.join("transient"))?;
            std::fs::write(&path, text)
        };
        write().map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        let source = Source { path, text: text.as_bytes().to_vec() };
        let unit = Unit::read(name.clone(), &[source], &self.host);
        let refused = unit.complaints.iter().find(|complaint| {
            use perigee_units::unit::Level;
            matches!(complaint.level(), Level::Wrong | Level::Refused)
        });
        if let Some(complaint) = refused {
            return Err(complaint.to_string());
        }
        self.load_passing(&name).map_err(|error| error.to_string())
    }

    /// Whether units that have failed are there.
    pub(super) fn failed(&self) -> usize {
        self.machine.units().filter(|unit| self.machine.state(*unit) == State::Failed).count()
    }
}

pub(super) fn at_most(names: &[String]) -> Result<(), String> {
    if names.len() > MOST_NAMES {
        return Err(format!("no more than {MOST_NAMES} units can be named at once; a pattern may name more"));
    }
    Ok(())
}

/// Whether a request changes something.
fn changes(request: &Request) -> bool {
    !matches!(
        request,
        Request::Status { .. }
            | Request::List
            | Request::Manager
            | Request::Jobs
            | Request::Watch { .. }
            | Request::LogLevel { level: None }
    )
}
