//! Generation time: when the spacecraft made a packet, from where the configuration says.

use perigee_ccsds::time::{AsciiA, CdsFormat, CucFormat, Epoch, Submillisecond, Time, TimeCode};
use perigee_part::Timestamp;
use perigee_xtce::{Database, ParameterId, Value, Values};

use crate::config::TimeConfig;

/// A checked [`TimeConfig`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum GenerationTime {
    FirstTime,
    Reception,
    Parameter(ParameterId),
    Code { offset: usize, code: TimeCode },
}

impl GenerationTime {
    pub(crate) fn new(config: &TimeConfig, database: &Database) -> Result<Self, String> {
        Ok(match config {
            TimeConfig::Database {} => Self::FirstTime,
            TimeConfig::Reception {} => Self::Reception,
            TimeConfig::Parameter { name } => {
                let found = database.find_parameter(name);
                Self::Parameter(found.ok_or_else(|| format!("telemetry.time: no parameter named {name:?}"))?)
            }
            TimeConfig::Cuc { offset, coarse, fine, epoch } => {
                let format = CucFormat { epoch: agency(epoch)?, coarse: *coarse, fine: *fine };
                format.check().map_err(|error| format!("telemetry.time: {error}"))?;
                Self::Code { offset: *offset, code: TimeCode::Cuc(format) }
            }
            TimeConfig::Cds { offset, day, submillisecond, epoch } => {
                let submillisecond = match submillisecond {
                    0 => Submillisecond::None,
                    2 => Submillisecond::Microseconds,
                    4 => Submillisecond::Picoseconds,
                    _ => return Err("telemetry.time: submillisecond is 0, 2 or 4".into()),
                };
                if !matches!(day, 2 | 3) {
                    return Err("telemetry.time: day is 2 or 3".into());
                }
                let format = CdsFormat { epoch: agency(epoch)?, long_day: *day == 3, submillisecond };
                Self::Code { offset: *offset, code: TimeCode::Cds(format) }
            }
            TimeConfig::PField { offset, epoch } => {
                Self::Code { offset: *offset, code: TimeCode::PField(agency(epoch)?.time()) }
            }
        })
    }

    /// The time of a packet whose values begin at `first`; `None` where it has none that is valid.
    #[inline]
    pub(crate) fn of(&self, packet: &[u8], values: &Values, first: usize) -> Option<Timestamp> {
        match self {
            Self::FirstTime => values.first_time(first).map(Timestamp),
            Self::Reception => None,
            Self::Parameter(parameter) => {
                values.entries.get(first..)?.iter().find_map(|entry| match entry.eng {
                    Value::Time(time) if entry.parameter == *parameter => Some(Timestamp(time)),
                    _ => None,
                })
            }
            Self::Code { offset, code } => {
                let has_secondary_header = packet.first().is_some_and(|octet| octet & 0xe8 == 0x08);
                let octets = packet.get(*offset..).filter(|_| has_secondary_header)?;
                code.decode(octets).ok()?.unix_nanoseconds().map(Timestamp)
            }
        }
    }
}

fn agency(epoch: &Option<String>) -> Result<Epoch, String> {
    let Some(epoch) = epoch else { return Ok(Epoch::Ccsds) };
    let instant = AsciiA::parse(epoch.as_bytes())
        .map_err(|error| format!("telemetry.time: epoch {epoch:?}: {error}"))?;
    Ok(Epoch::Agency(Time::from(instant.0)))
}

#[cfg(test)]
mod tests {
    use perigee_xtce::{Entry, LoadOptions};

    use super::*;

    /// 2020-01-01T00:00:00 UTC in nanoseconds of the Unix epoch: TAI is 37 s ahead.
    const YEAR_2020: i64 = 1_577_836_800_000_000_000;
    /// The same as seconds of TAI from 1958 on, and as days from 1958 on.
    const CUC_2020: [u8; 4] = [0x74, 0x9E, 0x3F, 0xA5];
    const CDS_2020: [u8; 2] = [0x58, 0x75];

    fn source(toml: &str) -> Result<GenerationTime, String> {
        let xml = "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet><AbsoluteTimeParameterType name='t'><Encoding>\
                   <IntegerDataEncoding/></Encoding></AbsoluteTimeParameterType></ParameterTypeSet><ParameterSet>\
                   <Parameter name='A' parameterTypeRef='t'/><Parameter name='B' parameterTypeRef='t'/></ParameterSet>\
                   </TelemetryMetaData></SpaceSystem>";
        let database = Database::load(xml, LoadOptions::default()).unwrap().database;
        GenerationTime::new(&toml::from_str(toml).unwrap(), &database)
    }

    /// A space packet with this behind its primary header, and a secondary header or not.
    fn packet(secondary: bool, data: &[u8]) -> Vec<u8> {
        let mut packet = vec![if secondary { 0x08 } else { 0 }, 1, 0xC0, 0, 0, data.len() as u8 - 1];
        packet.extend_from_slice(data);
        packet
    }

    fn time(toml: &str, data: &[u8]) -> Option<i64> {
        let source = source(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
        source.of(&packet(true, data), &Values::default(), 0).map(|time| time.0)
    }

    #[test]
    fn unsegmented_codes() {
        let cuc = |fine: &[u8]| [&CUC_2020, fine].concat();
        let half = Some(YEAR_2020 + 500_000_000);
        assert_eq!(time("kind = 'cuc'\ncoarse = 4\nfine = 0", &cuc(&[])), Some(YEAR_2020));
        assert_eq!(time("kind = 'cuc'\ncoarse = 4\nfine = 2", &cuc(&[0x80, 0])), half);
        // A 65,536th of a second is 15,258.79 ns.
        let least = time("kind = 'cuc'\ncoarse = 4\nfine = 2", &cuc(&[0, 1])).map(|time| time - YEAR_2020);
        assert!(matches!(least, Some(15_258..=15_259)), "{least:?}");
        // Behind two octets of something else; an epoch of the agency's own.
        let own = "kind = 'cuc'\noffset = 8\ncoarse = 3\nfine = 1\nepoch = '2019-12-31T23:59:50'";
        assert_eq!(time(own, &[9, 9, 0, 0, 10, 0x80]), half);
        // Seconds of the count are SI seconds: one of them was the leap second at the end of 2016.
        let over_the_leap = "kind = 'cuc'\ncoarse = 4\nfine = 0\nepoch = '2016-12-31T23:59:58'";
        assert_eq!(time(over_the_leap, &[0, 0, 0, 3]), Some(1_483_228_800_000_000_000));
    }

    #[test]
    fn day_segmented_codes() {
        let cds = |rest: &[u8]| [&CDS_2020, rest].concat();
        // 01:00:00.001, and 250 microseconds or picoseconds.
        let at = YEAR_2020 + 3_600_001_000_000;
        let milliseconds = 3_600_001u32.to_be_bytes();
        assert_eq!(time("kind = 'cds'", &cds(&milliseconds)), Some(at));
        let fine = [&milliseconds[..], &[0, 250]].concat();
        assert_eq!(time("kind = 'cds'\nsubmillisecond = 2", &cds(&fine)), Some(at + 250_000));
        let finest = [&milliseconds[..], &250_000u32.to_be_bytes()].concat();
        assert_eq!(time("kind = 'cds'\nsubmillisecond = 4", &cds(&finest)), Some(at + 250));
        // Three octets of days, 7,305 of them from 2000 on.
        let long = [&[0, 0x1C, 0x89][..], &milliseconds].concat();
        assert_eq!(time("kind = 'cds'\nday = 3\nepoch = '2000-01-01T00:00:00'", &long), Some(at));
        // No day has so many milliseconds.
        assert_eq!(time("kind = 'cds'", &cds(&[0xFF; 4])), None);
    }

    #[test]
    fn codes_that_tell_their_format() {
        let p_field = "kind = 'p-field'";
        let coded = |p_field: &[u8], time: &[u8]| [p_field, time].concat();
        // CUC of 4 and 2 octets, with one octet of P-field and with two.
        assert_eq!(
            time(p_field, &coded(&[0x1E], &[&CUC_2020[..], &[0x80, 0]].concat())),
            Some(YEAR_2020 + 500_000_000)
        );
        let extended = coded(&[0x9F, 0x04], &[&CUC_2020[..], &[0x80, 0, 0, 0]].concat());
        assert_eq!(time(p_field, &extended), Some(YEAR_2020 + 500_000_000));
        assert_eq!(time(p_field, &coded(&[0x40], &[0x58, 0x75, 0, 0, 0, 1])), Some(YEAR_2020 + 1_000_000));
        // CCS: year, month, day, hour, minute, second.
        assert_eq!(
            time(p_field, &[0x50, 0x20, 0x20, 0x01, 0x01, 0, 0, 0x07]),
            Some(YEAR_2020 + 7_000_000_000)
        );
        // An agency's epoch counts only where the P-field says so.
        let own = "kind = 'p-field'\nepoch = '2020-01-01T00:00:00'";
        assert_eq!(time(own, &[0x2C, 0, 0, 0, 9]), Some(YEAR_2020 + 9_000_000_000));
        assert_eq!(time(own, &coded(&[0x1C], &CUC_2020)), Some(YEAR_2020));
        assert_eq!(time(p_field, &[0x70, 0, 0, 0, 0]), None, "no such code");
    }

    #[test]
    fn packets_without_the_time_have_none() {
        let cuc = source("kind = 'cuc'\ncoarse = 4\nfine = 0").unwrap();
        let of = |packet: &[u8]| cuc.of(packet, &Values::default(), 0);
        assert!(of(&packet(true, &CUC_2020)).is_some());
        assert_eq!(of(&packet(false, &CUC_2020)), None, "no secondary header");
        assert_eq!(of(&packet(true, &CUC_2020[..3])), None, "cut short");
        assert_eq!(of(&[0xE0; 12]), None, "an encapsulation packet");
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn times_of_the_database() {
        let entry = |parameter, time| Entry {
            parameter: ParameterId(parameter),
            raw: Value::Absent,
            eng: Value::Time(time),
        };
        let values = Values { entries: vec![entry(0, 1), entry(0, 2), entry(1, 3)], arena: Vec::new() };
        let of = |toml: &str, first| source(toml).unwrap().of(&[], &values, first).map(|time| time.0);
        // The packet's values begin at `first`; those before it are of another packet.
        assert_eq!((of("kind = 'database'", 0), of("kind = 'database'", 1)), (Some(1), Some(2)));
        assert_eq!(
            (of("kind = 'parameter'\nname = 'B'", 1), of("kind = 'parameter'\nname = 'A'", 2)),
            (Some(3), None)
        );
        assert_eq!(of("kind = 'reception'", 0), None);
    }

    #[test]
    fn formats_that_no_p_field_could_name_are_refused() {
        for (toml, word) in [
            ("kind = 'cuc'\ncoarse = 0\nfine = 0", "coarse"),
            ("kind = 'cuc'\ncoarse = 8\nfine = 0", "coarse"),
            ("kind = 'cuc'\ncoarse = 4\nfine = 11", "fine"),
            ("kind = 'cds'\nday = 4", "day"),
            ("kind = 'cds'\nsubmillisecond = 3", "submillisecond"),
            ("kind = 'p-field'\nepoch = 'noon'", "noon"),
            ("kind = 'parameter'\nname = 'C'", "no parameter named"),
        ] {
            let error = source(toml).err().unwrap_or_else(|| panic!("{toml} is taken"));
            assert!(error.contains(word) && error.starts_with("telemetry.time"), "{error}");
        }
    }
}
