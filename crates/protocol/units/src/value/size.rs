//! Sizes: octets with a suffix to the base of 1024, a share in percent, or no limit.

use super::ValueError;

/// How much a unit may have of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many octets, tasks or the like.
    Absolute(u64),
    /// Hundredths of a percent of what the machine has.
    Share(u32),
    /// No limit.
    Infinity,
}

/// A number of octets: `K`, `M`, `G`, `T`, `P`, `E` and `B` may follow, a fraction may stand before.
///
/// # Errors
/// No such size, or more than 64 bits hold.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    let wrong = || ValueError::Size(text.to_owned());
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let shift = match suffix.trim_start() {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        "E" => 60,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(wrong());
    }
    let too_large = || ValueError::TooLarge(text.to_owned());
    let unit = 1_u64 << shift;
    let whole = whole.parse::<u64>().map_err(|_| too_large())?.checked_mul(unit).ok_or_else(too_large)?;
    let (mut part, mut scale) = (0.0_f64, unit as f64);
    for digit in fraction.bytes() {
        scale /= 10.0;
        part += f64::from(digit - b'0') * scale;
    }
    whole.checked_add(part as u64).ok_or_else(too_large)
}

/// A size, a percentage up to 100 %, or `infinity`.
///
/// # Errors
/// None of them.
pub fn parse_amount(text: &str) -> Result<Amount, ValueError> {
    if text == "infinity" {
        return Ok(Amount::Infinity);
    }
    let Some(number) = text.strip_suffix('%') else { return parse_size(text).map(Amount::Absolute) };
    let share = parse_percent(number).filter(|share| *share <= 10_000);
    share.map(Amount::Share).ok_or_else(|| ValueError::Size(text.to_owned()))
}

/// Hundredths of a percent: `12`, `12.5`, `12.55`.
pub(crate) fn parse_percent(number: &str) -> Option<u32> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 2 {
        return None;
    }
    let hundredths = format!("{fraction:0<2}").parse::<u32>().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in
            [("0", 0), ("512", 512), ("4K", 4096), ("1.5G", 1_610_612_736), ("7B", 7), ("2 M", 2_097_152)]
        {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "K", "1.K", ".5K", "1k", "-1", "1.2.3", "5KB"] {
            assert_eq!(parse_size(text), Err(ValueError::Size(text.to_owned())), "{text}");
        }
        for text in ["16E", "99999999999999999999"] {
            assert_eq!(parse_size(text), Err(ValueError::TooLarge(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn amounts() {
        for (text, amount) in [
            ("infinity", Amount::Infinity),
            ("50%", Amount::Share(5000)),
            ("0.5%", Amount::Share(50)),
            ("100%", Amount::Share(10_000)),
            ("1G", Amount::Absolute(1 << 30)),
        ] {
            assert_eq!(parse_amount(text), Ok(amount), "{text}");
        }
        for text in ["101%", "%", "1.234%", "-3%", "many"] {
            assert_eq!(parse_amount(text), Err(ValueError::Size(text.to_owned())), "{text}");
        }
    }
}
