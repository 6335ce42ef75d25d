//! Writes calendar expressions in their normal form.

use std::fmt;

use super::component::{Chain, SECOND};
use super::{Calendar, EVERY_DAY};

/// Names of the days of the week, from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl fmt::Display for Calendar {
    /// The normal form, which every equal expression has: `Mon..Fri *-*-* 09:00:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weekdays != EVERY_DAY {
            write_weekdays(f, self.weekdays)?;
            f.write_str(" ")?;
        }
        write_chain(f, &self.year, 4)?;
        f.write_str("-")?;
        write_chain(f, &self.month, 2)?;
        f.write_str(if self.from_end { "~" } else { "-" })?;
        write_chain(f, &self.day, 2)?;
        f.write_str(" ")?;
        write_chain(f, &self.hour, 2)?;
        f.write_str(":")?;
        write_chain(f, &self.minute, 2)?;
        f.write_str(":")?;
        write_seconds(f, &self.second)?;
        match &self.zone {
            Some(zone) => write!(f, " {}", zone.name()),
            None => Ok(()),
        }
    }
}

/// Three and more days in a row are a range.
fn write_weekdays(f: &mut fmt::Formatter<'_>, days: u8) -> fmt::Result {
    let (mut day, mut separator) = (0, "");
    while day < 7 {
        let run = (day..7).take_while(|day| days & (1 << day) != 0).count();
        match run {
            0 => {
                day += 1;
                continue;
            }
            1 => write!(f, "{separator}{}", DAYS[day])?,
            2 => write!(f, "{separator}{},{}", DAYS[day], DAYS[day + 1])?,
            _ => write!(f, "{separator}{}..{}", DAYS[day], DAYS[day + run - 1])?,
        }
        separator = ",";
        day += run;
    }
    Ok(())
}

fn write_chain(f: &mut fmt::Formatter<'_>, chain: &Chain, width: usize) -> fmt::Result {
    if chain.0.is_empty() {
        return f.write_str("*");
    }
    for (index, part) in chain.0.iter().enumerate() {
        write!(f, "{}{:0width$}", if index > 0 { "," } else { "" }, part.start)?;
        if let Some(stop) = part.stop {
            write!(f, "..{stop:0width$}")?;
        }
        if part.repeat > 0 && !(part.stop.is_some() && part.repeat == 1) {
            write!(f, "/{}", part.repeat)?;
        }
    }
    Ok(())
}

fn write_seconds(f: &mut fmt::Formatter<'_>, chain: &Chain) -> fmt::Result {
    if *chain == Chain::every_second() {
        return f.write_str("*");
    }
    let fraction = |micros: i64| match micros % SECOND {
        0 => String::new(),
        fraction => format!(".{fraction:06}"),
    };
    for (index, part) in chain.0.iter().enumerate() {
        let (separator, start) = (if index > 0 { "," } else { "" }, part.start);
        write!(f, "{separator}{:02}{}", start / SECOND, fraction(start))?;
        if let Some(stop) = part.stop {
            write!(f, "..{:02}{}", stop / SECOND, fraction(stop))?;
        }
        if part.repeat > 0 && !(part.stop.is_some() && part.repeat == SECOND) {
            write!(f, "/{}{}", part.repeat / SECOND, fraction(part.repeat))?;
        }
    }
    Ok(())
}
