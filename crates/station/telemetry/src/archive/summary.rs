//! What a long range is drawn from: least, greatest and last value of a column, and the worst severity.

use std::cmp::Ordering;

use perigee_xtce::{Severity, Value};

use super::lane::Lane;
use super::segment::Column;
use super::wire::{Corrupt, Reader, put_signed, put_varint};
use crate::value::move_to;

/// Values of one parameter over some time, in few words.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) worst: Severity,
    /// Least number; `Absent` where there is none.
    pub(crate) min: Value,
    pub(crate) max: Value,
    /// The last by generation time, and when it was generated.
    pub(crate) last: Value,
    pub(crate) last_at: i64,
    /// What the last points into.
    pub(crate) arena: Vec<u8>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: 0,
            worst: Severity::Nominal,
            min: Value::Absent,
            max: Value::Absent,
            last: Value::Absent,
            last_at: i64::MIN,
            arena: Vec::new(),
        }
    }
}

/// Orders numbers of any kind; `None` where one is none (or not a number at all).
pub(crate) fn compare(one: Value, other: Value) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => number(one)?.partial_cmp(&number(other)?),
    }
}

fn number(value: Value) -> Option<f64> {
    match value {
        Value::Label(index) => Some(f64::from(index)),
        Value::Time(time) => Some(time as f64),
        value => value.as_f64(),
    }
}

fn is_number(value: Value) -> bool {
    number(value).is_some_and(|number| !number.is_nan())
}

impl Summary {
    /// Of all values in a column of a segment with these generation times.
    pub(crate) fn of(column: &Column, generated: &[i64]) -> Self {
        let mut summary = Self::default();
        let mut arena = Vec::new();
        column.cells(&mut arena, |cell, arena| {
            let at = generated.get(cell.row).copied().unwrap_or(i64::MIN);
            summary.add(at, cell.eng, cell.severity, arena);
        });
        summary
    }

    /// Takes one more value in.
    pub(crate) fn add(&mut self, at: i64, eng: Value, severity: Severity, arena: &[u8]) {
        self.merge_parts(1, severity, (eng, eng), (at, eng), arena);
    }

    /// Takes the values of another summary in.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_parts(
            other.count,
            other.worst,
            (other.min, other.max),
            (other.last_at, other.last),
            &other.arena,
        );
    }

    fn merge_parts(
        &mut self,
        count: u64,
        worst: Severity,
        (min, max): (Value, Value),
        (at, last): (i64, Value),
        arena: &[u8],
    ) {
        // Counts in a damaged file may be anything.
        self.count = self.count.saturating_add(count);
        self.worst = self.worst.max(worst);
        if is_number(min) && (self.min == Value::Absent || compare(min, self.min) == Some(Ordering::Less)) {
            self.min = min;
        }
        if is_number(max) && (self.max == Value::Absent || compare(max, self.max) == Some(Ordering::Greater))
        {
            self.max = max;
        }
        if at >= self.last_at {
            self.last_at = at;
            self.arena.clear();
            self.last = move_to(last, arena, &mut self.arena);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.worst as u8];
        put_varint(&mut out, self.count);
        put_signed(&mut out, self.last_at);
        for value in [self.min, self.max, self.last] {
            let mut lane = Lane::default();
            lane.push(value, &self.arena);
            lane.encode(0, false, &mut out);
        }
        out
    }

    pub(crate) fn decode(block: &[u8]) -> Result<Self, Corrupt> {
        let mut from = Reader::new(block);
        let worst = super::segment::severity_of(from.octet()?)?;
        let (count, last_at) = (from.varint()?, from.signed()?);
        let mut arena = Vec::new();
        let mut value = || {
            let mut lane = Lane::default();
            lane.decode(1, &mut from)?;
            arena.clear();
            Ok(lane.value(0, &mut arena))
        };
        let (min, max, last) = (value()?, value()?, value()?);
        Ok(Self { count, worst, min, max, last, last_at, arena })
    }
}
