//! Calendar expressions of `OnCalendar=`, in the grammar of systemd.time(7): `Mon..Fri *-*-* 09:00`,
//! `*-*~1`, `*:0/15`, `weekly Europe/Berlin`.
//!
//! Pure: the instant after which an expression elapses next is computed from a time and a zone that are
//! handed in. In a zone with summer time an expression means the clock on the wall: what the clock skips
//! does not elapse. When it is set back, an expression that names its hours elapses the first time only, one
//! of every hour goes on. (systemd leaves an hour out of the latter.)

mod component;
mod next;
mod parse;
mod show;
mod timestamp;
mod zone;

pub use timestamp::{TimestampError, parse_timestamp};
pub use zone::TimeZone;

use component::Chain;

/// When something happens, again and again.
///
/// ```
/// use perigee_units::calendar::{Calendar, TimeZone};
///
/// let calendar = Calendar::parse("Mon,Tue..Thu 9:30")?;
/// assert_eq!(calendar.to_string(), "Mon..Thu *-*-* 09:30:00");
/// let newyear = 1_577_836_800_000_000; // 2020-01-01 00:00 UTC, a Wednesday, in microseconds
/// assert_eq!(calendar.next_after(newyear, &TimeZone::utc()), Some(newyear + 34_200_000_000));
/// # Ok::<(), perigee_units::calendar::CalendarError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// A bit for each day of the week, from Monday; all of them where none is named.
    weekdays: u8,
    year: Chain,
    month: Chain,
    day: Chain,
    /// Days count from the end of the month, the last day being 1.
    from_end: bool,
    hour: Chain,
    minute: Chain,
    /// In microseconds.
    second: Chain,
    /// The zone of the expression; that of the machine where it names none.
    zone: Option<TimeZone>,
}

/// What is wrong with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// What stands where a day of the week is expected.
    #[error("the days of the week are not understood")]
    Weekday,
    /// A range of days of the week that begins and does not end, or ends before it begins.
    #[error("the range of days of the week has no end, or the end comes first")]
    WeekdayRange,
    /// The date is not `MM-DD` or `YYYY-MM-DD`.
    #[error("the date is not MM-DD or YYYY-MM-DD")]
    Date,
    /// The time is not `HH:MM` or `HH:MM:SS`.
    #[error("the time is not HH:MM or HH:MM:SS")]
    Time,
    /// A value that is no number.
    #[error("a value is no number")]
    Number,
    /// A value outside of what the field can be, a range that ends before it begins, or a repetition which
    /// does not fit into its range.
    #[error("a value, a range or a repetition is outside of what its field can be")]
    Range,
    /// More values in one field than are taken.
    #[error("a field has more than {} values", component::MOST_VALUES)]
    TooMany,
}

/// The last year that is looked at.
const LAST_YEAR: i64 = 2199;

/// All days of the week.
const EVERY_DAY: u8 = 0x7F;

#[cfg(test)]
mod tests;
