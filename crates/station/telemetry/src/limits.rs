//! Limit checking: the severity of each value, and the alarms that follow from it.
//!
//! The mission database judges single values; here is the memory that it asks for: violations in a row
//! before an alarm trips (`minViolations`), good values in a row before it clears (`minConformance`),
//! earlier values for change alarms, and the latest values of the parameters that contexts look at.
//! Only parameters that have an alarm cost more than one look into a table, and those only while a value
//! is out of limits or an alarm is raised.

use std::collections::VecDeque;
use std::sync::Arc;

use perigee_part::Timestamp;
use perigee_xtce::{
    Alarm, Assessment, Database, Earlier, Entry, Lookup, ParameterId, Reading, Severity, Value,
};

use crate::alarms::{AcknowledgeError, Acknowledgement, AlarmChange, AlarmEvent, AlarmRecord, AlarmState};
use crate::batch::Batch;
use crate::value::{move_to, to_json};

/// Earlier samples of a parameter that contexts may look back at.
const MAX_INSTANCES: usize = 17;
/// Earlier samples that a change alarm may look back at.
const MAX_LOOK_BACK: usize = 65_536;
/// An alarm that goes on being violated is said again after so long.
const REPEAT_NS: i64 = 1_000_000_000;

/// What a parameter is to limit checking. Most are nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Role {
    /// Index into `watched`, plus one.
    watched: u32,
    /// Index into `remembered`, plus one.
    remembered: u32,
}

/// The numbers of a parameter that change nothing: nominal, while no alarm is raised and none is coming.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    low: f64,
    high: f64,
}

impl Quiet {
    const ALWAYS: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
    const NEVER: Self = Self { low: f64::NAN, high: f64::NAN };

    #[inline]
    fn covers(self, value: Value) -> bool {
        let number = match value {
            Value::Float(number) => number,
            Value::Unsigned(number) => number as f64,
            Value::Signed(number) => number as f64,
            _ => return false,
        };
        self.low <= number && number <= self.high
    }
}

/// A parameter with an alarm.
#[derive(Debug)]
struct Watched {
    parameter: ParameterId,
    alarm: Alarm,
    /// Violations in a row.
    violations: u32,
    /// Good values in a row.
    conforming: u32,
    look_back: Option<(u32, f64)>,
    /// Earlier values, latest last, as far as the alarm looks back.
    earlier: VecDeque<(Timestamp, f64)>,
    raised: Option<AlarmState>,
    /// When followers last heard of it.
    said: Timestamp,
}

/// A parameter whose value decides about alarms of others.
#[derive(Debug)]
struct Remembered {
    /// Latest first.
    samples: VecDeque<Sample>,
}

#[derive(Debug, Default)]
struct Sample {
    raw: Value,
    eng: Value,
    arena: Vec<u8>,
}

/// The limits of every parameter, and the list of alarms.
#[derive(Debug)]
pub(crate) struct Limits {
    database: Arc<Database>,
    roles: Vec<Role>,
    /// For each parameter.
    quiet: Vec<Quiet>,
    watched: Vec<Watched>,
    remembered: Vec<Remembered>,
    next_alarm: i64,
}

impl Limits {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let mut roles = vec![Role::default(); database.parameters().len()];
        let mut quiet = vec![Quiet::ALWAYS; roles.len()];
        let mut watched = Vec::new();
        let mut remembered = Vec::new();
        for index in 0..database.parameters().len() as u32 {
            let parameter = ParameterId(index);
            let Some(alarm) = database.alarm(parameter) else { continue };
            for seen in alarm.depends_on() {
                if let Some(role @ Role { remembered: 0, .. }) = roles.get_mut(seen.0 as usize) {
                    remembered.push(Remembered { samples: VecDeque::new() });
                    role.remembered = remembered.len() as u32;
                }
            }
            let new = Watched::new(parameter, alarm.clone());
            quiet[index as usize] = new.quiet();
            watched.push(new);
            roles[index as usize].watched = watched.len() as u32;
        }
        Self { database, roles, quiet, watched, remembered, next_alarm: 1 }
    }

    /// Puts alarms back that had not ended when the program did, and tells each. Gives those of parameters
    /// that are gone or have another alarm.
    pub(crate) fn restore(
        &mut self,
        alarms: Vec<AlarmRecord>,
        next_alarm: i64,
        mut changed: impl FnMut(AlarmChange),
    ) -> Vec<AlarmRecord> {
        self.next_alarm = self.next_alarm.max(next_alarm);
        let mut gone = Vec::new();
        for alarm in alarms {
            let parameter = self.database.find_parameter(&alarm.parameter);
            match parameter.and_then(|parameter| watched(&self.roles, &mut self.watched, parameter)) {
                Some(watched) if watched.raised.is_none() => {
                    let alarm = alarm.state(watched.parameter);
                    watched.raised = Some(alarm.clone());
                    self.quiet[watched.parameter.0 as usize] = watched.quiet();
                    let event = if alarm.is_active() { AlarmEvent::Raised } else { AlarmEvent::Cleared };
                    changed(AlarmChange { event, alarm });
                }
                _ => gone.push(alarm),
            }
        }
        gone
    }

    /// Sets the severity of every value of the batch and tells the changes of alarms that follow.
    pub(crate) fn check(&mut self, batch: &mut Batch, mut changed: impl FnMut(AlarmChange)) {
        batch.severities.clear();
        batch.severities.resize(batch.values.entries.len(), Severity::Nominal);
        if self.watched.is_empty() {
            return;
        }
        let (entries, arena) = (&batch.values.entries, &batch.values.arena);
        for (at, packet) in batch.packets.iter().enumerate() {
            let first = packet.first as usize;
            let end = batch.packets.get(at + 1).map_or(entries.len(), |next| next.first as usize);
            if !self.remembered.is_empty() {
                self.remember(&entries[first..end], arena);
            }
            for (entry, severity) in entries[first..end].iter().zip(&mut batch.severities[first..end]) {
                let index = entry.parameter.0 as usize;
                if self.quiet.get(index).is_some_and(|quiet| quiet.covers(entry.eng)) {
                    continue;
                }
                let role = self.roles.get(index).copied().unwrap_or_default();
                let Some(watched) =
                    (role.watched as usize).checked_sub(1).and_then(|at| self.watched.get_mut(at))
                else {
                    continue;
                };
                let around = Around {
                    roles: &self.roles,
                    remembered: &self.remembered,
                    earlier: &watched.earlier,
                    now: packet.generated,
                };
                let assessment = watched.alarm.assess(entry.eng, &around);
                *severity = assessment.severity;
                let value = || {
                    let labels =
                        self.database.parameter(entry.parameter).map_or(&[][..], |known| &known.labels);
                    to_json(entry.eng, arena, labels)
                };
                watched.note(
                    assessment,
                    entry.eng,
                    packet.generated,
                    value,
                    &mut self.next_alarm,
                    &mut changed,
                );
                self.quiet[index] = watched.quiet();
            }
        }
    }

    fn remember(&mut self, entries: &[Entry], arena: &[u8]) {
        for entry in entries {
            let role = self.roles.get(entry.parameter.0 as usize).copied().unwrap_or_default();
            if let Some(remembered) =
                (role.remembered as usize).checked_sub(1).and_then(|at| self.remembered.get_mut(at))
            {
                remembered.push(entry, arena);
            }
        }
    }

    /// Every alarm on the list.
    pub(crate) fn alarms(&self) -> Vec<AlarmState> {
        self.watched.iter().filter_map(|watched| watched.raised.clone()).collect()
    }

    /// How many alarms are on the list.
    pub(crate) fn raised(&self) -> i64 {
        self.watched.iter().filter(|watched| watched.raised.is_some()).count() as i64
    }

    /// Somebody takes note of the alarm of a parameter.
    pub(crate) fn acknowledge(
        &mut self,
        parameter: ParameterId,
        acknowledgement: Acknowledgement,
    ) -> Result<AlarmChange, AcknowledgeError> {
        let watched = watched(&self.roles, &mut self.watched, parameter).ok_or(AcknowledgeError::NoAlarm)?;
        let alarm = watched.raised.as_mut().ok_or(AcknowledgeError::NoAlarm)?;
        if let Some(before) = &alarm.acknowledged {
            return Err(AcknowledgeError::Already(before.by.clone()));
        }
        alarm.acknowledged = Some(acknowledgement);
        let alarm = alarm.clone();
        if alarm.is_active() {
            return Ok(AlarmChange { event: AlarmEvent::Acknowledged, alarm });
        }
        watched.raised = None;
        Ok(AlarmChange { event: AlarmEvent::Ended, alarm })
    }
}

fn watched<'a>(roles: &[Role], all: &'a mut [Watched], parameter: ParameterId) -> Option<&'a mut Watched> {
    let role = roles.get(parameter.0 as usize)?;
    all.get_mut((role.watched as usize).checked_sub(1)?)
}

impl Watched {
    fn new(parameter: ParameterId, alarm: Alarm) -> Self {
        Self {
            parameter,
            look_back: alarm.look_back(),
            alarm,
            violations: 0,
            conforming: 0,
            earlier: VecDeque::new(),
            raised: None,
            said: Timestamp(i64::MIN),
        }
    }

    /// The numbers that need no note: only those of an alarm at rest.
    fn quiet(&self) -> Quiet {
        match self.alarm.nominal_interval() {
            Some((low, high))
                if self.raised.is_none() && self.violations == 0 && self.look_back.is_none() =>
            {
                Quiet { low, high }
            }
            _ => Quiet::NEVER,
        }
    }

    fn note(
        &mut self,
        assessment: Assessment,
        eng: Value,
        generated: Timestamp,
        value: impl Fn() -> serde_json::Value,
        next_alarm: &mut i64,
        changed: &mut impl FnMut(AlarmChange),
    ) {
        self.keep_earlier(eng, generated);
        if assessment.severity == Severity::Nominal {
            self.violations = 0;
            self.conforming = self.conforming.saturating_add(1);
            if self.conforming >= assessment.min_conformance {
                self.clear(generated, changed);
            }
            return;
        }
        self.conforming = 0;
        self.violations = self.violations.saturating_add(1);
        let tripped = self.violations >= assessment.min_violations;
        let event = match &mut self.raised {
            None if !tripped => return,
            None => {
                self.raised = Some(AlarmState {
                    id: *next_alarm,
                    parameter: self.parameter,
                    severity: assessment.severity,
                    value: value(),
                    limit: self.describe(assessment.severity, eng),
                    triggered: generated,
                    latest: generated,
                    count: u64::from(self.violations),
                    cleared: None,
                    acknowledged: None,
                });
                *next_alarm += 1;
                AlarmEvent::Raised
            }
            Some(alarm) if !alarm.is_active() && !tripped => return,
            Some(alarm) => {
                let again = alarm.cleared.take().is_some();
                let worse = assessment.severity > alarm.severity;
                alarm.count += if again { u64::from(self.violations) } else { 1 };
                alarm.latest = generated;
                alarm.value = value();
                if worse {
                    alarm.severity = assessment.severity;
                    // It was acknowledged when it was not so bad.
                    alarm.acknowledged = None;
                    alarm.limit = describe(&self.alarm, assessment.severity, eng);
                }
                match (again, worse) {
                    (true, _) => AlarmEvent::Raised,
                    (false, true) => AlarmEvent::Worsened,
                    (false, false) => AlarmEvent::Violated,
                }
            }
        };
        if event == AlarmEvent::Violated
            && generated.0.saturating_sub(self.said.0).saturating_abs() < REPEAT_NS
        {
            return;
        }
        self.said = generated;
        if let Some(alarm) = &self.raised {
            changed(AlarmChange { event, alarm: alarm.clone() });
        }
    }

    fn clear(&mut self, generated: Timestamp, changed: &mut impl FnMut(AlarmChange)) {
        let Some(alarm) = self.raised.as_mut().filter(|alarm| alarm.is_active()) else { return };
        alarm.cleared = Some(generated);
        let alarm = alarm.clone();
        if alarm.acknowledged.is_some() {
            self.raised = None;
            changed(AlarmChange { event: AlarmEvent::Ended, alarm });
        } else {
            changed(AlarmChange { event: AlarmEvent::Cleared, alarm });
        }
    }

    fn keep_earlier(&mut self, eng: Value, generated: Timestamp) {
        let (Some((samples, seconds)), Some(number)) = (self.look_back, eng.as_f64()) else { return };
        self.earlier.push_back((generated, number));
        // One more than the alarm looks back in samples, and one older than it does in seconds.
        let enough = |earlier: &VecDeque<(Timestamp, f64)>| {
            earlier.len() > samples as usize + 1
                && earlier.get(1).is_some_and(|(at, _)| seconds_between(*at, generated) >= seconds)
        };
        while self.earlier.len() > MAX_LOOK_BACK || enough(&self.earlier) {
            self.earlier.pop_front();
        }
    }

    fn describe(&self, severity: Severity, eng: Value) -> String {
        describe(&self.alarm, severity, eng)
    }
}

/// The violated limit in words.
fn describe(alarm: &Alarm, severity: Severity, eng: Value) -> String {
    let number = eng.as_f64();
    let violated = |range: &&perigee_xtce::AlarmRange| {
        range.severity == severity && number.is_some_and(|number| range.violated(number))
    };
    let Some(range) = alarm.limits().iter().find(violated) else { return severity.name().to_owned() };
    let word = severity.name();
    match (range.min, range.max, number) {
        (Some(min), Some(max), _) if range.inside => format!("{word} between {min} and {max}"),
        (Some(min), _, Some(number)) if !range.inside && number <= min => format!("{word} below {min}"),
        (_, Some(max), Some(number)) if !range.inside && number >= max => format!("{word} above {max}"),
        (Some(min), None, _) if range.inside => format!("{word} above {min}"),
        (None, Some(max), _) if range.inside => format!("{word} below {max}"),
        _ => word.to_owned(),
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e9
}

impl Remembered {
    fn push(&mut self, entry: &Entry, arena: &[u8]) {
        let mut sample = if self.samples.len() == MAX_INSTANCES { self.samples.pop_back() } else { None }
            .unwrap_or_default();
        sample.arena.clear();
        sample.raw = move_to(entry.raw, arena, &mut sample.arena);
        sample.eng = move_to(entry.eng, arena, &mut sample.arena);
        self.samples.push_front(sample);
    }
}

/// What an alarm sees of other parameters and of its own past.
struct Around<'a> {
    roles: &'a [Role],
    remembered: &'a [Remembered],
    earlier: &'a VecDeque<(Timestamp, f64)>,
    now: Timestamp,
}

impl Lookup for Around<'_> {
    fn value(&self, parameter: ParameterId, instance: u8, calibrated: bool) -> Reading<'_> {
        let sample = self.roles.get(parameter.0 as usize).and_then(|role| {
            let remembered = self.remembered.get((role.remembered as usize).checked_sub(1)?)?;
            remembered.samples.get(usize::from(instance))
        });
        sample.map_or_else(Reading::default, |sample| Reading {
            value: if calibrated { sample.eng } else { sample.raw },
            octets: if calibrated { sample.eng } else { sample.raw }
                .span()
                .map_or(&[], |span| span.of(&sample.arena)),
        })
    }

    fn before(&self, samples: u32, seconds: f64) -> Option<Earlier> {
        // The earlier values end before this one: the latest is one sample back.
        self.earlier.iter().rev().enumerate().find_map(|(back, &(at, value))| {
            let back = back as u32 + 1;
            let age = seconds_between(at, self.now);
            (back >= samples && age >= seconds).then_some(Earlier { value, seconds: age, samples: back })
        })
    }
}

#[cfg(test)]
mod tests;
