//! Time codes (CCSDS 301.0-B-4): CUC, CDS, CCS, ASCII A and B, with their P-fields, and the way between TAI and
//! UTC.
//!
//! Each code has a format (what its P-field tells) and a value (what its T-field holds); both round-trip. An
//! instant is a [`Time`]. Nothing here reads a clock.

mod ascii;
mod ccs;
mod cds;
mod code;
mod cuc;
mod leap;
mod utc;

pub use ascii::{AsciiA, AsciiB};
pub use ccs::{Calendar, Ccs, CcsFormat};
pub use cds::{Cds, CdsFormat, Submillisecond};
pub use code::TimeCode;
pub use cuc::{Cuc, CucFormat};
pub use leap::tai_minus_utc;
pub use utc::{Date, Utc};

pub(crate) use utc::DAY;

/// Picoseconds in a second.
pub const PICOSECONDS: u64 = 1_000_000_000_000;

/// Where a count of time begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Epoch {
    /// 1958-01-01, the CCSDS epoch.
    #[default]
    Ccsds,
    /// An epoch of the agency's own.
    Agency(Time),
}

impl Epoch {
    /// The instant at which the count is zero.
    #[must_use]
    pub const fn time(self) -> Time {
        match self {
            Self::Ccsds => Time::CCSDS_EPOCH,
            Self::Agency(time) => time,
        }
    }

    /// The epoch that the bit of a P-field names; the agency's is not told there.
    const fn from_bit(agency: bool, agency_epoch: Time) -> Self {
        if agency { Self::Agency(agency_epoch) } else { Self::Ccsds }
    }
}

/// An instant: TAI since 1958-01-01T00:00:00 TAI, to the picosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    seconds: i64,
    picoseconds: u64,
}

impl Time {
    /// 1958-01-01T00:00:00 TAI.
    pub const CCSDS_EPOCH: Self = Self { seconds: 0, picoseconds: 0 };

    /// So many TAI seconds and picoseconds after the CCSDS epoch; `picoseconds` may exceed a second.
    #[must_use]
    pub const fn from_tai(seconds: i64, picoseconds: u64) -> Self {
        Self {
            seconds: seconds.saturating_add((picoseconds / PICOSECONDS) as i64),
            picoseconds: picoseconds % PICOSECONDS,
        }
    }

    /// TAI seconds since the CCSDS epoch.
    #[must_use]
    pub const fn tai_seconds(self) -> i64 {
        self.seconds
    }

    /// Picoseconds of the second.
    #[must_use]
    pub const fn picoseconds(self) -> u64 {
        self.picoseconds
    }

    /// This instant and so much more.
    #[must_use]
    pub const fn plus(self, seconds: i64, picoseconds: u64) -> Self {
        let carry = picoseconds / PICOSECONDS;
        let sum = self.picoseconds + picoseconds % PICOSECONDS;
        Self::from_tai(self.seconds.saturating_add(seconds).saturating_add(carry as i64), sum)
    }

    /// Seconds and picoseconds from `epoch` to this instant.
    #[must_use]
    pub const fn since(self, epoch: Self) -> (i64, u64) {
        let seconds = self.seconds.saturating_sub(epoch.seconds);
        if self.picoseconds >= epoch.picoseconds {
            (seconds, self.picoseconds - epoch.picoseconds)
        } else {
            (seconds.saturating_sub(1), self.picoseconds + PICOSECONDS - epoch.picoseconds)
        }
    }
}

/// What is wrong with a time code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Fewer octets than the format takes.
    #[error("{have} octets, the time code takes {need}")]
    TooShort {
        /// Octets needed.
        need: usize,
        /// Octets there are.
        have: usize,
    },
    /// The P-field names another code, or a form that does not exist.
    #[error("P-field {0:#04x} does not name this time code")]
    PField(u8),
    /// A field out of its range.
    #[error("{field} {value} is out of range")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A character that does not belong there.
    #[error("unexpected character at offset {offset}")]
    Character {
        /// Offset in the text.
        offset: usize,
    },
}

/// A big-endian unsigned number of up to 16 octets.
fn read_uint(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |value, octet| value << 8 | u128::from(*octet))
}

/// Appends the low octets of a number, big-endian.
fn write_uint(value: u128, octets: usize, out: &mut Vec<u8>) {
    out.extend(&value.to_be_bytes()[16 - octets..]);
}

/// Cuts so many octets off the front.
fn take(octets: &[u8], need: usize) -> Result<&[u8], TimeError> {
    octets.get(..need).ok_or(TimeError::TooShort { need, have: octets.len() })
}

/// Refuses a value above the largest.
fn at_most(field: &'static str, value: u64, max: u64) -> Result<(), TimeError> {
    if value <= max { Ok(()) } else { Err(TimeError::Range { field, value }) }
}
