//! Services are asked whether they do their work, as `[X-HealthCheck]` has it: `protocol/units` says when and what
//! counts; here processes are made for it, and connections, of which none is waited for.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use perigee_journal::Priority;
use perigee_process::epoll::EpollEvent;
use perigee_process::wait::Exit;
use perigee_units::health::{Health, HealthCheck, OnUnhealthy, Order, Probe, Standing};
use perigee_units::machine::UnitId;
use perigee_units::service::{Ended, Phase, Service};

use super::processes::ended;
use super::service::{ServiceWork, told};
use super::{Source, Supervisor, now, wall};
use crate::control::HealthStatus;
use crate::health::{Answer, Asking};
use perigee_exec::Making;

/// A question that is not answered.
#[derive(Debug)]
pub(super) enum Open {
    /// Over the network.
    Connection(u64, Box<Asking>),
    /// By a process; its number stays until it is reaped, also when nobody waits for its answer any more.
    Process(u64, u32),
}

impl ServiceWork {
    fn check(&self) -> Option<Arc<Service>> {
        let service = self.life.service();
        service.health.is_some().then(|| service.clone())
    }

    /// What its unit says has changed: a check that is new begins, one that is gone ends.
    pub(super) fn health_declared(&mut self) {
        let there = matches!(self.life.phase(), Phase::Running | Phase::Reload | Phase::Exited);
        match &self.life.service().health {
            Some(check) if there && !self.health.is_there() => self.health.begin(check, now()),
            None => self.health.end(),
            Some(_) => {}
        }
    }

    /// How it is, if it is asked; a service that is down is neither healthy nor unhealthy.
    pub(super) fn standing(&self) -> Option<Standing> {
        (self.life.service().health.is_some() && self.health.is_there()).then(|| self.health.standing())
    }

    /// All about it.
    pub(super) fn health_status(&self) -> Option<HealthStatus> {
        let check = self.life.service().health.as_ref()?;
        let (well, badly) = self.health.in_a_row();
        Some(HealthStatus {
            check: words(&check.probe),
            standing: self.standing(),
            well,
            badly,
            lapses: self.health.lapses(),
            answer: self.health.answer().to_owned(),
            answered: self.health.answered_at().map(wall),
        })
    }
}

impl Supervisor {
    /// A service is doing something else: it is asked as long as it is there.
    pub(super) fn health_follows(&mut self, unit: UnitId, phase: Phase) {
        let Some(service) = self.table.service(unit) else { return };
        match phase {
            Phase::Running | Phase::Exited => {
                if let Some(declared) = service.check()
                    && let Some(check) = &declared.health
                    && !service.health.is_there()
                {
                    service.health.begin(check, now());
                }
            }
            Phase::Reload => {}
            _ => {
                service.health.end();
                self.give_up(unit);
            }
        }
    }

    /// Asks who is to be asked, and gives up who has not answered in time.
    pub(super) fn tend_health(&mut self, at: Duration) {
        for unit in self.table.health_due(at) {
            let Some(service) = self.table.service(unit) else { continue };
            let Some(declared) = service.check() else {
                service.health.end();
                self.give_up(unit);
                continue;
            };
            let Some(check) = &declared.health else { continue };
            let (order, changed) = service.health.tick(check, at);
            match order {
                Some(Order::Ask(number)) => self.ask_health(unit, check, number),
                Some(Order::GiveUp) => self.give_up(unit),
                None => {}
            }
            self.health_changed(unit, check, changed);
        }
    }

    fn ask_health(&mut self, unit: UnitId, check: &HealthCheck, number: u64) {
        let Some(service) = self.table.service(unit) else { return };
        if service.asking.is_some() {
            return self.health_answered(unit, number, Err("the command for it does not end".to_owned()));
        }
        let asked = match &check.probe {
            Probe::Exec(command) => {
                let made = self.begin(unit, None, command, None).and_then(Making::finish);
                made.map_err(|error| told(&error)).map(|made| {
                    let pid = made.pid as u32;
                    self.processes.add(pid, unit);
                    Open::Process(number, pid)
                })
            }
            Probe::Http(address) | Probe::Tcp(address) => Asking::begin(address).and_then(|asking| {
                let event = EpollEvent::new(asking.interest(), Source::Health(unit.index() as u32).token());
                let added = self.epoll.add(asking.as_fd(), event);
                added
                    .map_err(|errno| errno.desc().to_owned())
                    .map(|()| Open::Connection(number, Box::new(asking)))
            }),
        };
        match asked {
            Ok(open) => {
                if let Some(service) = self.table.service(unit) {
                    service.asking = Some(open);
                }
            }
            Err(why) => self.health_answered(unit, number, Err(why)),
        }
    }

    /// Something has come of a connection.
    pub(super) fn take_in_health(&mut self, place: u32) {
        let Some(unit) = self.machine.units().nth(place as usize) else { return };
        let Some(service) = self.table.service(unit) else { return };
        let Some(Open::Connection(number, asking)) = &mut service.asking else { return };
        let number = *number;
        match asking.step() {
            Some(answer) => {
                // Closed, it is not waited for any more.
                service.asking = None;
                self.health_answered(unit, number, answer);
            }
            None => {
                let mut event = EpollEvent::new(asking.interest(), Source::Health(place).token());
                let _ = self.epoll.modify(asking.as_fd(), &mut event);
            }
        }
    }

    /// A process of a unit has ended; it may have been one that was to answer.
    pub(super) fn health_process_ended(&mut self, unit: UnitId, pid: u32, exit: Exit) {
        let Some(service) = self.table.service(unit) else { return };
        let is_it = |open: &mut Open| matches!(open, Open::Process(_, known) if *known == pid);
        let Some(Open::Process(number, _)) = service.asking.take_if(is_it) else { return };
        let ignored = match service.life.service().health.as_ref().map(|check| &check.probe) {
            Some(Probe::Exec(command)) => command.ignore_failure,
            _ => false,
        };
        let how = ended(exit);
        let text = super::report::words(how);
        let answer = if how == Ended::Exit(0) || ignored { Ok(text) } else { Err(text) };
        self.health_answered(unit, number, answer);
    }

    fn health_answered(&mut self, unit: UnitId, number: u64, answer: Answer) {
        let Some(service) = self.table.service(unit) else { return };
        let Some(declared) = service.check() else { return };
        let Some(check) = &declared.health else { return };
        let changed = service.health.answered(check, number, answer, now());
        self.health_changed(unit, check, changed);
    }

    /// Nobody waits for the answer any more: a connection is closed, a process killed.
    fn give_up(&mut self, unit: UnitId) {
        let Some(service) = self.table.service(unit) else { return };
        match &service.asking {
            Some(Open::Connection(..)) => service.asking = None,
            Some(Open::Process(_, pid)) => {
                // It has a session of its own, and so has what it has started; as long as it is not reaped, the number
                // is no other's.
                let _ = kill(Pid::from_raw(-(*pid as i32)), Signal::SIGKILL);
            }
            None => {}
        }
    }

    /// A service has become healthy or unhealthy: it is told, and may be the end of it.
    fn health_changed(&mut self, unit: UnitId, check: &HealthCheck, changed: Option<Standing>) {
        let Some(standing) = changed else { return };
        let Some(service) = self.table.service_ref(unit) else { return };
        let (answer, lapses) = (service.health.answer().to_owned(), service.health.lapses());
        let (priority, text) = match standing {
            Standing::Unhealthy => {
                (Priority::WARNING, format!("is unhealthy: {answer} ({} in a row)", check.failures))
            }
            _ if lapses > 0 => (Priority::NOTICE, format!("is healthy again: {answer}")),
            _ => (Priority::INFO, format!("is healthy: {answer}")),
        };
        self.say_as(Some(unit), priority, "health", &text);
        if standing == Standing::Unhealthy && check.on_unhealthy == OnUnhealthy::Fail {
            if let Some(service) = self.table.service(unit) {
                service.life.unhealthy(now());
            }
            self.live(unit);
        }
        self.publish_details(unit);
    }

    /// Goes on with what the copy of the program before this one has known. Questions that it had asked are asked again;
    /// a process that was to answer one of them has nobody to answer to.
    pub(super) fn resume_health(&mut self, unit: UnitId, health: Health) {
        let Some(service) = self.table.service(unit) else { return };
        service.health = health;
        service.health.ask_again(now());
        service.health_declared();
    }
}

/// How it is asked, in words.
fn words(probe: &Probe) -> String {
    match probe {
        Probe::Exec(command) => command.arguments.join(" ").chars().take(256).collect(),
        Probe::Http(address) | Probe::Tcp(address) => address.to_string(),
    }
}
