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
            TimeConfig::Database => Self::FirstTime,
            TimeConfig::Reception => Self::Reception,
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
