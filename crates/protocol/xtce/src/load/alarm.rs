//! Alarms (XTCE 1.2 AlarmType and those derived from it). Custom alarms and string patterns are refused.

use super::types::Inherited;
use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1};
use crate::alarm::{Alarm, AlarmRange, Change, Definition, Severity};
use crate::database::types::Engineering;

/// The five ranges and conditions, most severe first.
const LEVELS: [(Severity, &str, &str); 5] = [
    (Severity::Severe, "SevereRange", "SevereAlarm"),
    (Severity::Critical, "CriticalRange", "CriticalAlarm"),
    (Severity::Distress, "DistressRange", "DistressAlarm"),
    (Severity::Warning, "WarningRange", "WarningAlarm"),
    (Severity::Watch, "WatchRange", "WatchAlarm"),
];

impl<'a> Loader<'a> {
    /// The alarms of a parameter type.
    pub(super) fn alarm(
        &mut self,
        chain: &Inherited<'a>,
        place: Place<'_>,
        engineering: &Engineering,
    ) -> Result1<Option<Alarm>> {
        let default = match chain.child(&["DefaultAlarm"]) {
            Some((node, system)) => {
                Some(self.definition(node, Place { system, ..place }, engineering, false)?)
            }
            None => None,
        };
        let mut contexts = Vec::new();
        if let Some((list, system)) = chain.child(&["ContextAlarmList", "BinaryContextAlarmList"]) {
            let place = Place { system, ..place };
            self.only(list, place, &[], &["ContextAlarm"])?;
            for node in xml::named(list, "ContextAlarm") {
                let definition = self.definition(node, place, engineering, true)?;
                let Some(context) = xml::child(node, "ContextMatch") else {
                    return Err(self.refuse(
                        node,
                        place.name,
                        "the ContextMatch of the ContextAlarm is missing",
                    ));
                };
                contexts.push((self.criteria(context, place)?, definition));
            }
        }
        Ok((default.is_some() || !contexts.is_empty()).then_some(Alarm { contexts, default }))
    }

    fn definition(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        engineering: &Engineering,
        context: bool,
    ) -> Result1<Definition> {
        let mut attributes = vec!["name", "minViolations", "minConformance", "disabled"];
        let mut children = vec!["AlarmConditions"];
        match engineering {
            Engineering::Integer { .. } | Engineering::Float | Engineering::RelativeTime(_) => {
                children.extend(["StaticAlarmRanges", "ChangeAlarmRanges", "AlarmMultiRanges"]);
                children.push("ChangePerSecondAlarmRanges");
            }
            Engineering::Enumerated(_) => {
                attributes.push("defaultAlarmLevel");
                children.push("EnumerationAlarmList");
            }
            _ => {}
        }
        if context {
            children.push("ContextMatch");
        }
        self.only(node, place, &attributes, &children)?;
        let count = |text: &str| {
            xml::integer(text).and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
        };
        self.choice(node, place, &["ChangeAlarmRanges", "ChangePerSecondAlarmRanges"])?;
        let times: &[&str] = match engineering {
            Engineering::RelativeTime(_) => &["name", "rangeForm", "timeUnits"],
            _ => &["name", "rangeForm"],
        };
        let min_violations = self.attribute(node, place, "minViolations", count)?.unwrap_or(1);
        let min_conformance = self.attribute(node, place, "minConformance", count)?;
        let mut definition = Definition {
            min_violations,
            min_conformance: min_conformance.unwrap_or(min_violations),
            disabled: self.attribute(node, place, "disabled", xml::boolean)?.unwrap_or(false),
            ..Definition::default()
        };
        if let Some(conditions) = xml::child(node, "AlarmConditions") {
            self.only(conditions, place, &[], &LEVELS.map(|(_, _, name)| name))?;
            for (severity, _, name) in LEVELS {
                if let Some(condition) = xml::child(conditions, name) {
                    definition.conditions.push((severity, self.criteria(condition, place)?));
                }
            }
        }
        if let Some(ranges) = xml::child(node, "StaticAlarmRanges") {
            let unit = self.time_units(ranges, place, engineering)?;
            self.only(ranges, place, times, &LEVELS.map(|(_, name, _)| name))?;
            definition.ranges = self.ranges(ranges, place, unit)?;
        }
        if let Some(multi) = xml::child(node, "AlarmMultiRanges") {
            self.only(multi, place, &["name"], &["Range"])?;
            for range in xml::named(multi, "Range") {
                let attributes =
                    ["minInclusive", "minExclusive", "maxInclusive", "maxExclusive", "rangeForm", "level"];
                self.only(range, place, &attributes, &[])?;
                let level = self.attribute(range, place, "level", level)?.unwrap_or_default();
                let inside = self.range_form(range, place)?;
                let range = self.range(range, place, level, inside, 1.0)?;
                definition.ranges.push(range);
            }
            definition.ranges.sort_by_key(|range| std::cmp::Reverse(range.severity));
        }
        if let Some(ranges) = xml::child(node, "ChangeAlarmRanges") {
            let attributes = [
                "name",
                "rangeForm",
                "changeType",
                "changeBasis",
                "spanOfInterestInSamples",
                "spanOfInterestInSeconds",
            ];
            self.only(ranges, place, &attributes, &LEVELS.map(|(_, name, _)| name))?;
            let per_second = self.attribute(ranges, place, "changeType", |word| match word {
                "changePerSecond" => Some(true),
                "changePerSample" => Some(false),
                _ => None,
            })?;
            let percentage = self.attribute(ranges, place, "changeBasis", |word| match word {
                "absoluteChange" => Some(false),
                "percentageChange" => Some(true),
                _ => None,
            })?;
            let seconds = |text: &str| xml::double(text).filter(|seconds| (0.0..1e9).contains(seconds));
            definition.change = Some(Change {
                ranges: self.ranges(ranges, place, 1.0)?,
                per_second: per_second.unwrap_or(true),
                percentage: percentage.unwrap_or(false),
                samples: self.attribute(ranges, place, "spanOfInterestInSamples", count)?.unwrap_or(1),
                seconds: self.attribute(ranges, place, "spanOfInterestInSeconds", seconds)?.unwrap_or(0.0),
            });
        }
        if let Some(ranges) = xml::child(node, "ChangePerSecondAlarmRanges") {
            let unit = self.time_units(ranges, place, engineering)?;
            self.only(ranges, place, times, &LEVELS.map(|(_, name, _)| name))?;
            let ranges = self.ranges(ranges, place, unit)?;
            definition.change =
                Some(Change { ranges, per_second: true, percentage: false, samples: 1, seconds: 0.0 });
        }
        if let Engineering::Enumerated(enumeration) = engineering {
            let default = self.attribute(node, place, "defaultAlarmLevel", level)?.unwrap_or_default();
            definition.unlabelled = default;
            definition.labels = vec![default; enumeration.labels.len()];
            if let Some(list) = xml::child(node, "EnumerationAlarmList") {
                self.only(list, place, &[], &["EnumerationAlarm"])?;
                for alarm in xml::named(list, "EnumerationAlarm") {
                    self.only(alarm, place, &["alarmLevel", "enumerationLabel", "enumerationValue"], &[])?;
                    self.required(alarm, place, "alarmLevel")?;
                    let severity = self.attribute(alarm, place, "alarmLevel", level)?.ok_or(Refused)?;
                    // XTCE 1.1 calls the label a value.
                    let label = alarm
                        .attribute("enumerationLabel")
                        .or_else(|| alarm.attribute("enumerationValue"))
                        .unwrap_or_default();
                    match enumeration.labels.iter().position(|own| own == label) {
                        Some(index) => definition.labels[index] = severity,
                        None => {
                            return Err(self.refuse(
                                alarm,
                                place.name,
                                format!("there is no label `{label}`"),
                            ));
                        }
                    }
                }
            }
        }
        Ok(definition)
    }

    /// AlarmRangesType, most severe first.
    fn ranges(&mut self, node: Node<'a>, place: Place<'_>, unit: f64) -> Result1<Vec<AlarmRange>> {
        let inside = self.range_form(node, place)?;
        let mut ranges = Vec::new();
        for (severity, name, _) in LEVELS {
            if let Some(range) = xml::child(node, name) {
                self.only(
                    range,
                    place,
                    &["minInclusive", "minExclusive", "maxInclusive", "maxExclusive"],
                    &[],
                )?;
                ranges.push(self.range(range, place, severity, inside, unit)?);
            }
        }
        Ok(ranges)
    }

    fn range(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        severity: Severity,
        inside: bool,
        unit: f64,
    ) -> Result1<AlarmRange> {
        let mut bound = |inclusive, exclusive| -> Result1<(Option<f64>, bool)> {
            let number =
                |text: &str| xml::double(text).filter(|value| !value.is_nan()).map(|value| value * unit);
            match (
                self.attribute(node, place, inclusive, number)?,
                self.attribute(node, place, exclusive, number)?,
            ) {
                (Some(_), Some(_)) => {
                    Err(self.refuse(node, place.name, format!("both {inclusive} and {exclusive}")))
                }
                (Some(value), None) => Ok((Some(value), false)),
                (None, value) => Ok((value, value.is_some())),
            }
        };
        let (min, min_exclusive) = bound("minInclusive", "minExclusive")?;
        let (max, max_exclusive) = bound("maxInclusive", "maxExclusive")?;
        Ok(AlarmRange { severity, min, min_exclusive, max, max_exclusive, inside })
    }

    fn range_form(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<bool> {
        let form = self.attribute(node, place, "rangeForm", |word| match word {
            "outside" => Some(false),
            "inside" => Some(true),
            _ => None,
        })?;
        Ok(form.unwrap_or(false))
    }

    /// `timeUnits` of TimeAlarmRangesType, in seconds.
    fn time_units(&mut self, node: Node<'a>, place: Place<'_>, engineering: &Engineering) -> Result1<f64> {
        if !matches!(engineering, Engineering::RelativeTime(_)) {
            return Ok(1.0);
        }
        let units = self.attribute(node, place, "timeUnits", |word| match word {
            "seconds" => Some(1.0),
            "picoSeconds" | "picoseconds" => Some(1e-12),
            "days" => Some(86_400.0),
            _ => None,
        })?;
        Ok(units.unwrap_or(1.0))
    }
}

fn level(word: &str) -> Option<Severity> {
    match word {
        "normal" => Some(Severity::Nominal),
        word => Severity::ALL.into_iter().skip(1).find(|severity| severity.name() == word),
    }
}
