//! Leap seconds: TAI - UTC as announced by the IERS (Bulletin C). The last was inserted at the end of 2016; a
//! new one is a new line here.

use super::utc::Date;

/// (first UTC day with it, TAI - UTC in seconds).
const TABLE: [(Date, i64); 28] = [
    (Date::new(1972, 1, 1), 10),
    (Date::new(1972, 7, 1), 11),
    (Date::new(1973, 1, 1), 12),
    (Date::new(1974, 1, 1), 13),
    (Date::new(1975, 1, 1), 14),
    (Date::new(1976, 1, 1), 15),
    (Date::new(1977, 1, 1), 16),
    (Date::new(1978, 1, 1), 17),
    (Date::new(1979, 1, 1), 18),
    (Date::new(1980, 1, 1), 19),
    (Date::new(1981, 7, 1), 20),
    (Date::new(1982, 7, 1), 21),
    (Date::new(1983, 7, 1), 22),
    (Date::new(1985, 7, 1), 23),
    (Date::new(1988, 1, 1), 24),
    (Date::new(1990, 1, 1), 25),
    (Date::new(1991, 1, 1), 26),
    (Date::new(1992, 7, 1), 27),
    (Date::new(1993, 7, 1), 28),
    (Date::new(1994, 7, 1), 29),
    (Date::new(1996, 1, 1), 30),
    (Date::new(1997, 7, 1), 31),
    (Date::new(1999, 1, 1), 32),
    (Date::new(2006, 1, 1), 33),
    (Date::new(2009, 1, 1), 34),
    (Date::new(2012, 7, 1), 35),
    (Date::new(2015, 7, 1), 36),
    (Date::new(2017, 1, 1), 37),
];

/// TAI - UTC on a UTC day counted from 1958-01-01. Before 1972 UTC had no whole leap seconds; there 0 is taken,
/// the value of the day when the two began.
#[must_use]
pub fn tai_minus_utc(day: i64) -> i64 {
    let after = TABLE.partition_point(|(date, _)| date.days() <= day);
    if after == 0 { 0 } else { TABLE[after - 1].1 }
}

/// Whether the UTC day ends with a leap second.
pub(super) fn has_leap_second(day: i64) -> bool {
    // The step of 1972 is the beginning of the table, not an inserted second.
    TABLE[1..].iter().any(|(date, _)| date.days() == day + 1)
}
