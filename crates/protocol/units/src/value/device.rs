//! Values that are for one device: `/dev/sda 5M`, `/var 200`, `char-pts rw`.

use super::{Amount, Span, ValueError, parse_number, parse_size};

/// What stands behind the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Octets a second, to the base of 1000, or `infinity`.
    Octets,
    /// Requests a second, to the base of 1000, or `infinity`.
    Requests,
    /// A weight from 1 to 10,000.
    Weight,
    /// A time span.
    Latency,
    /// Any of `r`, `w`, `m`; all where nothing stands there.
    Access,
}

/// A value for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfDevice {
    /// A path, or for access a class too, as `char-pts` and `block-*`.
    pub device: String,
    /// The value.
    pub value: DeviceValue,
}

/// What is said of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceValue {
    /// So much a second, or a weight.
    Amount(Amount),
    /// A time.
    Latency(Span),
    /// What may be done with it.
    Access {
        /// Reading.
        read: bool,
        /// Writing.
        write: bool,
        /// Making its file.
        make: bool,
    },
}

impl OfDevice {
    /// Reads a device and what is said of it.
    ///
    /// # Errors
    /// No device, or no such value.
    pub fn parse(text: &str, kind: DeviceKind) -> Result<OfDevice, ValueError> {
        let mut words = text.split_whitespace();
        let device = words.next().ok_or(ValueError::Empty)?.to_owned();
        let class =
            ["char-", "block-"].iter().any(|class| device.len() > class.len() && device.starts_with(class));
        if !(device.starts_with('/') || class && kind == DeviceKind::Access) {
            return Err(ValueError::Path(device));
        }
        let word = words.next();
        if words.next().is_some() {
            return Err(ValueError::Other { value: text.to_owned(), expected: "a device and one value" });
        }
        let value = match (kind, word) {
            (DeviceKind::Access, word) => access(word.unwrap_or("rwm"))?,
            (_, None) => return Err(ValueError::Empty),
            (DeviceKind::Octets | DeviceKind::Requests, Some(word)) => DeviceValue::Amount(rate(word)?),
            (DeviceKind::Weight, Some(word)) => {
                DeviceValue::Amount(Amount::Absolute(parse_number(word, 1, 10_000)? as u64))
            }
            (DeviceKind::Latency, Some(word)) => DeviceValue::Latency(Span::parse(word)?),
        };
        Ok(OfDevice { device, value })
    }
}

fn access(word: &str) -> Result<DeviceValue, ValueError> {
    let expected = "any of the letters r, w and m";
    if word.is_empty() || word.chars().any(|letter| !"rwm".contains(letter)) {
        return Err(ValueError::Other { value: word.to_owned(), expected });
    }
    let has = |letter| word.contains(letter);
    Ok(DeviceValue::Access { read: has('r'), write: has('w'), make: has('m') })
}

/// Rates count to the base of 1000, unlike sizes; systemd.resource-control(5).
fn rate(word: &str) -> Result<Amount, ValueError> {
    if word == "infinity" {
        return Ok(Amount::Infinity);
    }
    let digits = word.trim_end_matches(['K', 'M', 'G', 'T', 'P', 'E']);
    let power = match &word[digits.len()..] {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return Err(ValueError::Size(word.to_owned())),
    };
    let octets = if digits.contains('.') {
        // A fraction of a unit, as of sizes.
        let thousandths = parse_size(&format!("{digits}K"))?;
        (thousandths as f64 / 1024.0 * 1000_f64.powi(power)) as u64
    } else {
        let too_large = || ValueError::TooLarge(word.to_owned());
        parse_size(digits)?.checked_mul(1000_u64.pow(power as u32)).ok_or_else(too_large)?
    };
    Ok(Amount::Absolute(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_what_is_said_of_them() {
        let amount = |number| DeviceValue::Amount(Amount::Absolute(number));
        let access = |read, write, make| DeviceValue::Access { read, write, make };
        for (text, kind, device, value) in [
            ("/dev/sda 5M", DeviceKind::Octets, "/dev/sda", amount(5_000_000)),
            ("/dev/sda  1.5K", DeviceKind::Octets, "/dev/sda", amount(1500)),
            ("/var infinity", DeviceKind::Requests, "/var", DeviceValue::Amount(Amount::Infinity)),
            ("/dev/sda 200", DeviceKind::Weight, "/dev/sda", amount(200)),
            ("/dev/null", DeviceKind::Access, "/dev/null", access(true, true, true)),
            ("char-pts rw", DeviceKind::Access, "char-pts", access(true, true, false)),
            ("block-* m", DeviceKind::Access, "block-*", access(false, false, true)),
        ] {
            assert_eq!(
                OfDevice::parse(text, kind),
                Ok(OfDevice { device: device.to_owned(), value }),
                "{text}"
            );
        }
        let latency = OfDevice::parse("/dev/sda 25ms", DeviceKind::Latency).expect("a latency");
        assert_eq!(latency.value, DeviceValue::Latency(Span::parse("25ms").expect("a span")));
    }

    #[test]
    fn what_is_no_value_of_a_device() {
        for (text, kind) in [
            ("", DeviceKind::Access),
            ("sda 5M", DeviceKind::Octets),
            ("/dev/sda", DeviceKind::Octets),
            ("/dev/sda 5M 6M", DeviceKind::Octets),
            ("/dev/sda 5MB", DeviceKind::Octets),
            ("/dev/sda 99999999999999999999", DeviceKind::Octets),
            ("/dev/sda 99999E", DeviceKind::Requests),
            ("/dev/sda 0", DeviceKind::Weight),
            ("/dev/sda 10001", DeviceKind::Weight),
            ("/dev/sda x", DeviceKind::Access),
            ("char-", DeviceKind::Access),
            ("char-pts 5", DeviceKind::Octets),
            ("pts rw", DeviceKind::Access),
        ] {
            assert!(OfDevice::parse(text, kind).is_err(), "{text}");
        }
    }
}
