//! Time types (XTCE 1.2 BaseTimeDataType): encoding, units, epochs, and the ISO 8601 forms of constants.

use super::types::{ENCODINGS, Inherited};
use super::xml::{self, Node};
use super::{Loader, Place, Result1};
use crate::database::types::{Origin, TimeCoding};
use crate::time::{self, NANOSECONDS};

impl<'a> Loader<'a> {
    /// `Encoding` (scale, offset, units) and `ReferenceTime`.
    pub(super) fn time_coding(
        &mut self,
        chain: &Inherited<'a>,
        place: Place<'_>,
        absolute: bool,
    ) -> Result1<TimeCoding> {
        let mut coding = TimeCoding {
            scale: 1.0,
            offset: 0.0,
            unit_nanoseconds: NANOSECONDS as f64,
            origin: Origin::Unix,
        };
        if let Some((node, _)) = chain.child(&["Encoding"]) {
            self.only(node, place, &["units", "scale", "offset"], &ENCODINGS)?;
            self.written(node, place)?;
            let finite = |text: &str| xml::double(text).filter(|value| value.is_finite());
            coding.scale = self.attribute(node, place, "scale", finite)?.unwrap_or(1.0);
            coding.offset = self.attribute(node, place, "offset", finite)?.unwrap_or(0.0);
            // Months and years have no fixed length and are refused; 1.3 adds the units in between.
            let units = self.attribute(node, place, "units", |word| {
                Some(match word {
                    "seconds" => 1e9,
                    "picoSeconds" | "picoseconds" => 1e-3,
                    "nanoseconds" => 1.0,
                    "microseconds" => 1e3,
                    "milliseconds" => 1e6,
                    "minutes" => 60e9,
                    "hours" => 3600e9,
                    "days" => 86_400e9,
                    _ => return None,
                })
            })?;
            coding.unit_nanoseconds = units.unwrap_or(1e9);
        }
        let written = chain
            .child(&["Encoding"])
            .is_some_and(|(node, _)| xml::child(node, "StringDataEncoding").is_some());
        let Some((node, system)) = chain.child(&["ReferenceTime"]) else {
            if absolute && !written {
                self.notice(chain.own(), place.name, "without ReferenceTime: counted from the UNIX epoch");
            }
            return Ok(coding);
        };
        self.only(node, place, &[], &["OffsetFrom", "Epoch"])?;
        if absolute && written {
            self.notice(node, place.name, "ReferenceTime is passed over: the time is written as a date");
        }
        coding.origin = match (xml::child(node, "OffsetFrom"), xml::child(node, "Epoch")) {
            (Some(offset), None) => Origin::OffsetFrom(self.instance(offset, Place { system, ..place })?),
            (None, Some(epoch)) => match &*xml::text(epoch) {
                "UNIX" => Origin::Unix,
                "TAI" => Origin::Tai(time::EPOCH_TAI),
                "GPS" => Origin::Tai(time::EPOCH_GPS),
                "J2000" => Origin::Tai(time::EPOCH_J2000),
                text => match parse_absolute(text) {
                    Some(unix) => Origin::Tai(time::unix_to_tai(unix)),
                    None => {
                        return Err(self.refuse(
                            epoch,
                            place.name,
                            format!("epoch `{text}` is not supported"),
                        ));
                    }
                },
            },
            _ => return Err(self.refuse(node, place.name, "ReferenceTime needs OffsetFrom or Epoch")),
        };
        Ok(coding)
    }

    /// A time written as a date has no unit that it could be counted in.
    fn written(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<()> {
        let counted = ["units", "scale", "offset"].iter().find(|attribute| node.has_attribute(**attribute));
        match (xml::child(node, "StringDataEncoding"), counted) {
            (Some(_), Some(attribute)) => Err(self.refuse(
                node,
                place.name,
                format!("attribute `{attribute}` of a time that is written as text is not supported"),
            )),
            _ => Ok(()),
        }
    }
}

/// `xs:date` or `xs:dateTime`, in UTC unless it says its zone; nanoseconds of the Unix epoch.
pub(super) fn parse_absolute(text: &str) -> Option<i64> {
    time::parse(text)
}

/// `xs:duration` in seconds. Years and months have no fixed length and are refused.
pub(super) fn parse_duration(text: &str) -> Option<f64> {
    let (sign, rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.trim()),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = match days {
        "" => 0.0,
        days => days.strip_suffix('D')?.parse::<u32>().ok().map(f64::from)? * 86_400.0,
    };
    let mut rest = clock;
    for (unit, length) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some((number, after)) = rest.split_once(unit) {
            seconds += xml::double(number).filter(|value| value.is_finite() && *value >= 0.0)? * length;
            rest = after;
        }
    }
    rest.is_empty().then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("PT1.5S"), Some(1.5));
        assert_eq!(parse_duration("-P1DT1H1M1S"), Some(-90_061.0));
        assert_eq!(parse_duration("P1Y"), None);
        assert_eq!(parse_duration("1"), None);
    }
}
