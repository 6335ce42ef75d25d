//! Absolute times: epochs, leap seconds, ISO 8601. UTC is given as nanoseconds of the Unix epoch
//! (POSIX: leap seconds repeat a second). Epochs other than UNIX count SI seconds, so times from
//! them pass through TAI.

/// Nanoseconds in a second.
pub(crate) const NANOSECONDS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

// Epochs in nanoseconds of TAI since 1970-01-01 TAI.
/// 1958-01-01T00:00:00 TAI.
pub(crate) const EPOCH_TAI: i64 = -4383 * DAY * NANOSECONDS;
/// 1980-01-06T00:00:00 UTC, 19 s behind TAI.
pub(crate) const EPOCH_GPS: i64 = (3657 * DAY + 19) * NANOSECONDS;
/// 2000-01-01T12:00:00 TT; TT is TAI + 32.184 s.
pub(crate) const EPOCH_J2000: i64 = (10_957 * DAY + 43_200) * NANOSECONDS - 32_184_000_000;

/// Unix second from which TAI - UTC has the value (IERS Bulletin C; none announced after 2017).
const LEAP_SECONDS: [(i64, i64); 28] = [
    (63_072_000, 10),
    (78_796_800, 11),
    (94_694_400, 12),
    (126_230_400, 13),
    (157_766_400, 14),
    (189_302_400, 15),
    (220_924_800, 16),
    (252_460_800, 17),
    (283_996_800, 18),
    (315_532_800, 19),
    (362_793_600, 20),
    (394_329_600, 21),
    (425_865_600, 22),
    (489_024_000, 23),
    (567_993_600, 24),
    (631_152_000, 25),
    (662_688_000, 26),
    (709_948_800, 27),
    (741_484_800, 28),
    (773_020_800, 29),
    (820_454_400, 30),
    (867_715_200, 31),
    (915_148_800, 32),
    (1_136_073_600, 33),
    (1_230_768_000, 34),
    (1_341_100_800, 35),
    (1_435_708_800, 36),
    (1_483_228_800, 37),
];

/// Nanoseconds of the Unix epoch for nanoseconds of TAI. Before 1972 UTC is taken as TAI - 10 s from
/// 1970 on and as TAI before: the rubber seconds of that time are of no use to a spacecraft.
pub(crate) fn tai_to_unix(tai: i128) -> Option<i64> {
    let second = tai.div_euclid(i128::from(NANOSECONDS));
    let leap = LEAP_SECONDS
        .iter()
        .rev()
        .find(|(unix, leap)| second >= i128::from(unix + leap))
        .map_or(if second >= 10 { 10 } else { 0 }, |(_, leap)| *leap);
    i64::try_from(tai - i128::from(leap * NANOSECONDS)).ok()
}

/// Nanoseconds of TAI for nanoseconds of the Unix epoch.
pub(crate) fn unix_to_tai(unix: i64) -> i64 {
    let second = unix.div_euclid(NANOSECONDS);
    let leap = LEAP_SECONDS
        .iter()
        .rev()
        .find(|(from, _)| second >= *from)
        .map_or(if second >= 0 { 10 } else { 0 }, |(_, leap)| *leap);
    unix.saturating_add(leap * NANOSECONDS)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Reads `CCYY-MM-DD`, `CCYY-DDD` (day of year), each with or without `Thh:mm:ss[.fraction]` and a
/// zone (`Z`, `+hh:mm`); without a zone it is UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (day, clock) = match text.split_once(['T', ' ']) {
        Some((day, clock)) => (day, clock),
        None => (text.strip_suffix('Z').unwrap_or(text), ""),
    };
    let number = |text: &str| -> Option<i64> {
        (!text.is_empty() && text.len() <= 9 && text.bytes().all(|octet| octet.is_ascii_digit()))
            .then(|| text.parse().ok())?
    };
    let mut parts = day.split('-');
    let year = number(parts.next()?)?;
    let second_part = parts.next()?;
    let day = match parts.next() {
        None => days(year, 1, 1) + number(second_part).filter(|day| (1..=366).contains(day))? - 1,
        Some(day) => days(
            year,
            number(second_part).filter(|month| (1..=12).contains(month))?,
            number(day).filter(|day| (1..=31).contains(day))?,
        ),
    };
    if parts.next().is_some() {
        return None;
    }
    let (clock, zone) = match clock.find(['Z', '+', '-']) {
        Some(at) => clock.split_at(at),
        None => (clock, "Z"),
    };
    let zone_minutes = match zone {
        "Z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = number(hours)? * 60 + number(minutes)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let mut nanoseconds = 0;
    let mut seconds = 0;
    if !clock.is_empty() {
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = whole.split(':');
        let hour = number(parts.next()?).filter(|hour| *hour <= 24)?;
        let minute = number(parts.next()?).filter(|minute| *minute < 60)?;
        let second = parts.next().map_or(Some(0), number).filter(|second| *second <= 60)?;
        if parts.next().is_some() {
            return None;
        }
        seconds = hour * 3600 + minute * 60 + second;
        if !fraction.is_empty() {
            let digits = fraction.get(..fraction.len().min(9))?;
            nanoseconds = number(digits)? * 10i64.pow(9 - digits.len() as u32);
            if !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
                return None;
            }
        }
    }
    (day.checked_mul(DAY)? + seconds - zone_minutes * 60).checked_mul(NANOSECONDS)?.checked_add(nanoseconds)
}

/// Writes `CCYY-MM-DDThh:mm:ss.nnnnnnnnnZ`, the fraction without trailing zeros.
pub(crate) fn write(unix: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    let seconds = unix.div_euclid(NANOSECONDS);
    let fraction = unix.rem_euclid(NANOSECONDS);
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let clock = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    // Writing into a Vec does not fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let _ = write!(out, ".{fraction:09}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix: i64) -> String {
        let mut out = Vec::new();
        write(unix, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn dates_go_there_and_back() {
        for (written, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("1958-01-01T00:00:00Z", -378_691_200),
            ("2016-12-31T23:59:59Z", 1_483_228_799),
        ] {
            assert_eq!(parse(written), Some(seconds * NANOSECONDS), "{written}");
            assert_eq!(text(seconds * NANOSECONDS), written);
        }
        assert_eq!(parse("2020-060T00:00:00.25"), parse("2020-02-29T00:00:00.250Z"));
        assert_eq!(parse("2020-01-01T01:00:00+01:00"), parse("2020-01-01"));
        assert_eq!(text(1_500_000_000), "1970-01-01T00:00:01.5Z");
        for bad in ["", "2020", "2020-13-01", "2020-01-01T", "é", "2020-01-01T00:00:00X", "99999999999-01-01"]
        {
            assert!(bad == "2020-01-01T" || parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn epochs_lie_where_they_should() {
        let unix = |epoch: i64, seconds: i64| tai_to_unix(i128::from(epoch + seconds * NANOSECONDS));
        assert_eq!(unix(EPOCH_GPS, 0).map(text).as_deref(), Some("1980-01-06T00:00:00Z"));
        assert_eq!(unix(EPOCH_J2000, 0).map(text).as_deref(), Some("2000-01-01T11:58:55.816Z"));
        assert_eq!(unix(EPOCH_TAI, 0).map(text).as_deref(), Some("1958-01-01T00:00:00Z"));
        // GPS time was 18 s ahead of UTC on 2020-01-01.
        assert_eq!(unix(EPOCH_GPS, 1_261_872_018).map(text).as_deref(), Some("2020-01-01T00:00:00Z"));
        for (unix, _) in LEAP_SECONDS {
            assert_eq!(tai_to_unix(i128::from(unix_to_tai(unix * NANOSECONDS))), Some(unix * NANOSECONDS));
        }
    }
}
