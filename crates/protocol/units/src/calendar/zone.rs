//! Time zones, from the database of the machine.

use jiff::{Timestamp, tz};

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeZone {
    name: String,
    pub(super) zone: tz::TimeZone,
}

impl TimeZone {
    /// Universal time.
    pub fn utc() -> TimeZone {
        TimeZone { name: "UTC".to_owned(), zone: tz::TimeZone::UTC }
    }

    /// The zone of this name in the machine's database (`/usr/share/zoneinfo`), such as `Europe/Berlin`; none
    /// where the machine does not have it. Names are taken as they are written.
    pub fn named(name: &str) -> Option<TimeZone> {
        let zone = tz::db().get(name).ok()?;
        (zone.iana_name() == Some(name)).then(|| TimeZone { name: name.to_owned(), zone })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The piece of time around `micros`, microseconds since 1970, in which the clock is not changed.
    pub(super) fn piece_at(&self, micros: i64) -> Option<Piece> {
        let time = Timestamp::from_microsecond(micros).ok()?;
        let offset = |time| i64::from(self.zone.to_offset(time).seconds());
        let change = self.zone.following(time).next();
        // Transitions are those strictly before a time, and one at this time counts.
        let after = Timestamp::from_microsecond(micros + 1).ok()?;
        let begin = self.zone.preceding(after).next().map(|begin| begin.timestamp().as_microsecond());
        let again_until = begin.and_then(|begin| {
            let before = Timestamp::from_microsecond(begin - 1).ok()?;
            Some(begin + (offset(before) - offset(time)) * 1_000_000)
        });
        Some(Piece {
            offset: offset(time),
            end: change.map(|change| change.timestamp().as_microsecond()),
            again_until: again_until.unwrap_or(i64::MIN),
        })
    }
}

/// A piece of time with one offset from UTC.
#[derive(Debug)]
pub(super) struct Piece {
    /// In seconds.
    pub(super) offset: i64,
    /// When the clock is changed next, in microseconds since 1970.
    pub(super) end: Option<i64>,
    /// Until when the clock shows again what it has shown before it was set back.
    pub(super) again_until: i64,
}
