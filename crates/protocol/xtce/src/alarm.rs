//! Alarms (XTCE 1.2 AlarmType): a pure verdict on one value. Counting violations, acknowledging and
//! keeping states is the caller's work; [`Assessment`] carries the counts that the database asks for.
//! Custom algorithms and string patterns are refused at load.

use crate::database::ParameterId;
use crate::database::criteria::{Criteria, Reading, Reference};
use crate::value::Value;

/// How bad a value is: the concern levels of XTCE, least to most.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// No alarm.
    #[default]
    Nominal,
    /// Least concern.
    Watch,
    /// Concern.
    Warning,
    /// Between warning and critical.
    Distress,
    /// High concern.
    Critical,
    /// Highest concern.
    Severe,
}

impl Severity {
    /// All levels, least to most.
    pub const ALL: [Severity; 6] = [
        Severity::Nominal,
        Severity::Watch,
        Severity::Warning,
        Severity::Distress,
        Severity::Critical,
        Severity::Severe,
    ];

    /// The word for it in interfaces.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Nominal => "nominal",
            Severity::Watch => "watch",
            Severity::Warning => "warning",
            Severity::Distress => "distress",
            Severity::Critical => "critical",
            Severity::Severe => "severe",
        }
    }
}

/// Where an alarm finds the values of other parameters, and earlier ones of its own.
pub trait Lookup {
    /// A value of `parameter`, `instance` samples back (zero: the latest), calibrated or raw;
    /// [`Value::Absent`] if there is none.
    fn value(&self, parameter: ParameterId, instance: u8, calibrated: bool) -> Reading<'_>;

    /// The parameter's own value some time back, for change alarms: the latest that is at least
    /// `samples` samples and `seconds` seconds old. `None` until there is one.
    fn before(&self, samples: u32, seconds: f64) -> Option<Earlier>;
}

/// A lookup that finds nothing: contexts do not match, changes are not judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn value(&self, _: ParameterId, _: u8, _: bool) -> Reading<'_> {
        Reading::default()
    }

    fn before(&self, _: u32, _: f64) -> Option<Earlier> {
        None
    }
}

/// An earlier value of the parameter itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier {
    /// The value then.
    pub value: f64,
    /// Seconds from then to now.
    pub seconds: f64,
    /// Samples from then to now.
    pub samples: u32,
}

/// What [`Alarm::assess`] says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// How bad it is.
    pub severity: Severity,
    /// Violations in a row before the alarm trips (`minViolations`).
    pub min_violations: u32,
    /// Good values in a row before it clears (`minConformance`).
    pub min_conformance: u32,
}

/// `DefaultAlarm` and `ContextAlarmList` of a parameter type.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// The first context that matches decides.
    pub(crate) contexts: Vec<(Criteria, Definition)>,
    pub(crate) default: Option<Definition>,
}

/// One alarm definition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    pub(crate) min_violations: u32,
    pub(crate) min_conformance: u32,
    /// XTCE 1.3 `@disabled`: no alarm while this definition is chosen.
    pub(crate) disabled: bool,
    /// `AlarmConditions`, most severe first.
    pub(crate) conditions: Vec<(Severity, Criteria)>,
    /// `StaticAlarmRanges`, most severe first.
    pub(crate) ranges: Vec<AlarmRange>,
    /// `ChangeAlarmRanges`.
    pub(crate) change: Option<Change>,
    /// `EnumerationAlarmList`: the level of each label.
    pub(crate) labels: Vec<Severity>,
    /// `@defaultAlarmLevel`, for raw values without a label.
    pub(crate) unlabelled: Severity,
}

/// A range of values and when it is violated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmRange {
    /// The level that a violation has.
    pub severity: Severity,
    /// Lowest value of the range.
    pub min: Option<f64>,
    /// The lowest value itself does not belong to the range.
    pub min_exclusive: bool,
    /// Highest value of the range.
    pub max: Option<f64>,
    /// The highest value itself does not belong to the range.
    pub max_exclusive: bool,
    /// Violated by values inside, not outside, the range (`rangeForm="inside"`).
    pub inside: bool,
}

impl AlarmRange {
    /// Whether `value` violates it. NaN is outside every range.
    #[inline]
    pub fn violated(&self, value: f64) -> bool {
        let above = self.min.is_none_or(|min| if self.min_exclusive { value > min } else { value >= min });
        let below = self.max.is_none_or(|max| if self.max_exclusive { value < max } else { value <= max });
        (above && below && !value.is_nan()) == self.inside
    }
}

/// `ChangeAlarmRanges`.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) ranges: Vec<AlarmRange>,
    pub(crate) per_second: bool,
    pub(crate) percentage: bool,
    pub(crate) samples: u32,
    pub(crate) seconds: f64,
}

impl Alarm {
    /// How bad `eng` is. `octets` are those of a text or octet string.
    pub fn assess(&self, eng: Value, lookup: &impl Lookup) -> Assessment {
        let find = |reference: Reference| {
            lookup.value(reference.parameter, reference.instance, reference.calibrated)
        };
        let chosen = self
            .contexts
            .iter()
            .find(|(context, _)| context.holds(&find))
            .map(|(_, definition)| definition)
            .or(self.default.as_ref());
        match chosen {
            Some(definition) if !definition.disabled => Assessment {
                severity: definition.severity(eng, lookup),
                min_violations: definition.min_violations,
                min_conformance: definition.min_conformance,
            },
            _ => Assessment { severity: Severity::Nominal, min_violations: 1, min_conformance: 1 },
        }
    }

    /// The static ranges of the default alarm, most severe first: the limits to draw and to show.
    pub fn limits(&self) -> &[AlarmRange] {
        self.default.as_ref().map_or(&[], |definition| &definition.ranges)
    }

    /// Whether the verdict depends on nothing but the value: no contexts, conditions or changes.
    pub fn is_static(&self) -> bool {
        self.contexts.is_empty()
            && self.default.as_ref().is_none_or(|d| d.conditions.is_empty() && d.change.is_none())
    }

    /// The interval in which every number is nominal, both ends in it, where the verdict depends on nothing
    /// but the number: what a caller may check for most values instead of [`Alarm::assess`].
    pub fn nominal_interval(&self) -> Option<(f64, f64)> {
        let definition = self.default.as_ref().filter(|_| self.is_static())?;
        if !definition.labels.is_empty() || definition.ranges.iter().any(|range| range.inside) {
            return None;
        }
        let everything = (f64::NEG_INFINITY, f64::INFINITY);
        Some(definition.ranges.iter().fold(everything, |(low, high), range| {
            let min = range.min.map_or(low, |min| if range.min_exclusive { min.next_up() } else { min });
            let max = range.max.map_or(high, |max| if range.max_exclusive { max.next_down() } else { max });
            (low.max(min), high.min(max))
        }))
    }

    /// Parameters whose values the alarm looks at.
    pub fn depends_on(&self) -> Vec<ParameterId> {
        let mut found = Vec::new();
        let mut note = |criteria: &Criteria| {
            let _ = criteria.map(&mut |reference: Reference| found.push(reference.parameter));
        };
        for (context, definition) in &self.contexts {
            note(context);
            definition.conditions.iter().for_each(|(_, criteria)| note(criteria));
        }
        if let Some(definition) = &self.default {
            definition.conditions.iter().for_each(|(_, criteria)| note(criteria));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The longest span that a change alarm looks back: samples and seconds.
    pub fn look_back(&self) -> Option<(u32, f64)> {
        self.contexts
            .iter()
            .map(|(_, definition)| definition)
            .chain(&self.default)
            .filter_map(|definition| definition.change.as_ref())
            .map(|change| (change.samples, change.seconds))
            .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }
}

impl Definition {
    fn severity(&self, eng: Value, lookup: &impl Lookup) -> Severity {
        let mut worst = Severity::Nominal;
        if let Some(number) = eng.as_f64() {
            if let Some(range) = self.ranges.iter().find(|range| range.violated(number)) {
                worst = range.severity;
            }
            if let Some(change) = &self.change {
                worst = worst.max(change.severity(number, lookup));
            }
        } else if let Value::Label(label) = eng {
            worst = self.labels.get(label as usize).copied().unwrap_or(self.unlabelled);
        } else if eng == Value::Absent && !self.labels.is_empty() {
            // A raw value without a label is an alarm case of its own (EnumerationAlarmType).
            worst = self.unlabelled.max(Severity::Watch);
        }
        let find = |reference: Reference| {
            lookup.value(reference.parameter, reference.instance, reference.calibrated)
        };
        match self.conditions.iter().find(|(_, criteria)| criteria.holds(&find)) {
            Some((severity, _)) => worst.max(*severity),
            None => worst,
        }
    }
}

impl Change {
    fn severity(&self, now: f64, lookup: &impl Lookup) -> Severity {
        let Some(earlier) = lookup.before(self.samples, self.seconds) else { return Severity::Nominal };
        let mut change = (now - earlier.value).abs();
        if self.percentage {
            change = change / earlier.value.abs() * 100.0;
        }
        if self.per_second {
            change /= earlier.seconds;
        } else {
            change /= f64::from(earlier.samples.max(1)) / f64::from(self.samples.max(1));
        }
        if change.is_nan() {
            return Severity::Nominal;
        }
        self.ranges
            .iter()
            .find(|range| range.violated(change))
            .map_or(Severity::Nominal, |range| range.severity)
    }
}

/// How bad an engineering value is under `alarm`: [`Alarm::assess`] without the counts.
pub fn evaluate(alarm: &Alarm, eng: Value, lookup: &impl Lookup) -> Severity {
    alarm.assess(eng, lookup).severity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(severity: Severity, min: f64, max: f64) -> AlarmRange {
        AlarmRange {
            severity,
            min: Some(min),
            max: Some(max),
            min_exclusive: false,
            max_exclusive: false,
            inside: false,
        }
    }

    #[test]
    fn the_most_severe_range_that_is_left_decides() {
        let alarm = Alarm {
            contexts: Vec::new(),
            default: Some(Definition {
                min_violations: 3,
                min_conformance: 2,
                ranges: vec![outside(Severity::Critical, 0.0, 10.0), outside(Severity::Watch, 2.0, 8.0)],
                ..Definition::default()
            }),
        };
        let severity = |value| evaluate(&alarm, Value::Float(value), &NoLookup);
        assert_eq!(severity(5.0), Severity::Nominal);
        assert_eq!(severity(8.0), Severity::Nominal);
        assert_eq!(severity(8.1), Severity::Watch);
        assert_eq!(severity(-0.1), Severity::Critical);
        assert_eq!(severity(f64::NAN), Severity::Critical);
        assert_eq!(alarm.assess(Value::Unsigned(9), &NoLookup).min_violations, 3);
    }

    #[test]
    fn exclusive_ends_and_inside_ranges() {
        let mut range = outside(Severity::Watch, 1.0, 2.0);
        range.min_exclusive = true;
        assert!(range.violated(1.0));
        range.inside = true;
        assert!(!range.violated(1.0));
        assert!(range.violated(1.5));
        assert!(!range.violated(f64::NAN));
    }

    #[test]
    fn the_nominal_interval_is_where_the_verdict_is_nominal() {
        let range = |severity, min, max, exclusive| AlarmRange {
            severity,
            min: Some(min),
            min_exclusive: exclusive,
            max: Some(max),
            max_exclusive: exclusive,
            inside: false,
        };
        let ranges =
            vec![range(Severity::Critical, -9.0, 9.0, false), range(Severity::Watch, -1.0, 1.0, true)];
        let definition = Definition { min_violations: 1, ranges, ..Definition::default() };
        let alarm = Alarm { contexts: Vec::new(), default: Some(definition) };
        let (low, high) = alarm.nominal_interval().expect("static ranges alone");
        for value in [low.next_down(), low, 0.0, high, high.next_up(), -1.0, 1.0, f64::INFINITY, f64::NAN] {
            let nominal = alarm.assess(Value::Float(value), &NoLookup).severity == Severity::Nominal;
            assert_eq!(nominal, low <= value && value <= high, "{value}");
        }
    }
}
