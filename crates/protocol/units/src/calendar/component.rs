//! One field of a calendar expression: the values it may take.

use super::CalendarError;

/// Values of one field are no more than this.
pub(super) const MOST_VALUES: usize = 240;

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;

/// A value, a range, or a value that repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Component {
    pub(super) start: i64,
    pub(super) stop: Option<i64>,
    /// The step; 0 where there is one value only.
    pub(super) repeat: i64,
}

/// The values that a field may take; any where none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(pub(super) Vec<Component>);

impl Component {
    pub(super) fn one(start: i64) -> Component {
        Component { start, stop: None, repeat: 0 }
    }

    /// A range ends on a step; what happens once is no range.
    fn normalize(&mut self) {
        let Some(stop) = self.stop else { return };
        if stop > self.start && self.repeat > 0 {
            self.stop = Some(stop - (stop - self.start) % self.repeat);
        }
        let once = stop > self.start && self.repeat > 0 && self.start + self.repeat > stop;
        if once || stop == self.start {
            (self.stop, self.repeat) = (None, 0);
        }
    }

    /// Whether all of it lies in the field. Days from the end repeat towards the end, which is 1.
    fn fits(&self, least: i64, most: i64, from_end: bool) -> bool {
        // Not every month has more than 28 days to count back.
        let most = if from_end { most - 3 } else { most };
        let within = |value: i64| (least..=most).contains(&value);
        if !within(self.start) || self.repeat > most - least {
            return false;
        }
        match self.stop {
            Some(stop) => within(stop) && self.start + self.repeat <= stop,
            None if from_end => self.start - self.repeat >= least,
            None => self.start + self.repeat <= most,
        }
    }
}

impl Chain {
    pub(super) fn of(values: &[i64]) -> Chain {
        Chain(values.iter().map(|value| Component::one(*value)).collect())
    }

    /// Every full second.
    pub(super) fn every_second() -> Chain {
        Chain(vec![Component { start: 0, stop: None, repeat: SECOND }])
    }

    /// In order, each once, each range ending on a step.
    ///
    /// # Errors
    /// A value, a range or a step that is not within the bounds.
    pub(super) fn normalized(
        mut self,
        least: i64,
        most: i64,
        from_end: bool,
    ) -> Result<Chain, CalendarError> {
        for component in &mut self.0 {
            component.normalize();
            if !component.fits(least, most, from_end) {
                return Err(CalendarError::Range);
            }
        }
        self.0.sort_unstable_by_key(|part| (part.start, part.stop.unwrap_or(-1), part.repeat));
        self.0.dedup();
        Ok(self)
    }

    /// The least value not below `from` and not above `most`.
    pub(super) fn next(&self, from: i64, most: i64) -> Option<i64> {
        if self.0.is_empty() {
            return (from <= most).then_some(from);
        }
        self.0
            .iter()
            .filter_map(|part| step(part.start, part.stop, part.repeat, from))
            .min()
            .filter(|at| *at <= most)
    }

    /// As [`Chain::next`], for days of a month that has `length` of them and counts them from its end.
    pub(super) fn next_from_end(&self, from: i64, length: i64) -> Option<i64> {
        let day = |value: i64| length + 1 - value;
        let steps = self.0.iter().filter_map(|part| match part.stop {
            Some(stop) => step(day(stop), Some(day(part.start)), part.repeat, from),
            None => step(day(part.start), None, part.repeat, from),
        });
        steps.min().filter(|at| *at <= length)
    }
}

/// The least of `start`, `start + repeat` … that is not below `from`.
fn step(start: i64, stop: Option<i64>, repeat: i64, from: i64) -> Option<i64> {
    if start >= from {
        return Some(start);
    }
    if repeat == 0 {
        return None;
    }
    let steps = (from - start + repeat - 1) / repeat;
    let at = start + steps * repeat;
    stop.is_none_or(|stop| at <= stop).then_some(at)
}
