//! From raw values to engineering values: calibration, labels, times; and strings, whose end the
//! string itself may tell.

use super::{DecodeError, Packet, bits, number, span_from, text as charset};
use crate::database::criteria::Reading;
use crate::database::types::{Engineering, Origin, StringCoding, TimeCoding};
use crate::plan::{Coding, RawCoding, Slot};
use crate::time::{self, NANOSECONDS};
use crate::value::{Value, Values};

impl Coding {
    /// The raw value of a coded number.
    pub(crate) fn raw_number(&self, coded: u64) -> Value {
        match &self.raw {
            RawCoding::Integer { bits, coding, order } => {
                number::integer(bits::reorder(coded, *bits, order), *bits, *coding)
            }
            RawCoding::Float { bits, coding, order } => {
                Value::Float(number::float(bits::reorder(coded, *bits, order), *bits, *coding))
            }
            _ => Value::Absent,
        }
    }

    /// The engineering value of a raw one.
    pub(crate) fn engineering_value<'a>(
        &self,
        raw: Value,
        lookup: &impl Fn(Slot) -> Reading<'a>,
        arena: &[u8],
    ) -> Value {
        let written = match raw {
            Value::Text(span) => std::str::from_utf8(span.of(arena)).unwrap_or_default(),
            _ => "",
        };
        match &self.engineering {
            Engineering::String | Engineering::Binary => raw,
            Engineering::Boolean { zero, one } => match raw {
                Value::Text(_) if written == one || written.eq_ignore_ascii_case("true") => {
                    Value::Boolean(true)
                }
                Value::Text(_) if written == zero || written.eq_ignore_ascii_case("false") => {
                    Value::Boolean(false)
                }
                raw => self
                    .calibrated(raw, lookup)
                    .as_f64()
                    .map_or(Value::Absent, |value| Value::Boolean(value != 0.0)),
            },
            Engineering::Integer { signed } => {
                let value = match raw {
                    Value::Text(_) => number_of(written),
                    raw => self.calibrated(raw, lookup),
                };
                integer(value, *signed)
            }
            Engineering::Float => match raw {
                Value::Text(_) => written.trim().parse().map_or(Value::Absent, Value::Float),
                raw => self.calibrated(raw, lookup).as_f64().map_or(Value::Absent, Value::Float),
            },
            Engineering::Enumerated(enumeration) => {
                let value = integer(self.calibrated(raw, lookup), true);
                let label = value.as_i128().and_then(|value| enumeration.label(i64::try_from(value).ok()?));
                label.map_or(Value::Absent, Value::Label)
            }
            Engineering::AbsoluteTime(_) if matches!(raw, Value::Text(_)) => {
                time::parse(written).map_or(Value::Absent, Value::Time)
            }
            Engineering::AbsoluteTime(coding) => {
                let elapsed = nanoseconds(self.calibrated(raw, lookup), coding);
                let origin = self.origin.map(|slot| lookup(slot).value);
                elapsed
                    .and_then(|elapsed| absolute(elapsed, coding, origin))
                    .map_or(Value::Absent, Value::Time)
            }
            Engineering::RelativeTime(coding) => {
                let elapsed = nanoseconds(self.calibrated(raw, lookup), coding);
                let origin = match self.origin.map(|slot| lookup(slot).value) {
                    None => Some(0.0),
                    Some(value) => value.as_f64(),
                };
                match elapsed.zip(origin) {
                    Some((elapsed, origin)) => Value::Float(elapsed as f64 / NANOSECONDS as f64 + origin),
                    None => Value::Absent,
                }
            }
        }
    }

    /// The raw value after the calibrator whose context matches first, else the default one.
    fn calibrated<'a>(&self, raw: Value, lookup: &impl Fn(Slot) -> Reading<'a>) -> Value {
        let context = self.contexts.iter().find(|(context, _)| context.holds(lookup)).map(|(_, own)| own);
        let Some(calibrator) = context.or(self.calibrator.as_ref()) else { return raw };
        let find = |slot| lookup(slot).value.as_f64();
        raw.as_f64().and_then(|raw| calibrator.apply(raw, &find)).map_or(Value::Absent, Value::Float)
    }
}

fn number_of(written: &str) -> Value {
    let written = written.trim();
    if let Ok(value) = written.parse() {
        return Value::Signed(value);
    }
    if let Ok(value) = written.parse() {
        return Value::Unsigned(value);
    }
    written.parse().map_or(Value::Absent, Value::Float)
}

/// An engineering integer: a calibrated fraction is cut off, as XTCE gives no rule of rounding.
fn integer(value: Value, signed: bool) -> Value {
    match (value, signed) {
        (Value::Unsigned(own), true) => i64::try_from(own).map_or(value, Value::Signed),
        (Value::Signed(own), false) => u64::try_from(own).map_or(value, Value::Unsigned),
        (Value::Float(own), _) if own.is_nan() => Value::Absent,
        (Value::Float(own), false) if own > -1.0 && own < 18_446_744_073_709_551_616.0 => {
            Value::Unsigned(own as u64)
        }
        (Value::Float(own), _) if own.abs() < 9_223_372_036_854_775_808.0 => Value::Signed(own as i64),
        (Value::Float(_), _) => Value::Absent,
        (value, _) => value,
    }
}

/// `Encoding/@scale`, `@offset` and `@units`, without losing nanoseconds where the scale is a whole
/// number or one over a whole number.
fn nanoseconds(value: Value, coding: &TimeCoding) -> Option<i128> {
    let whole = coding.scale * coding.unit_nanoseconds;
    if let Some(count) = value.as_i128()
        && coding.offset == 0.0
        && whole != 0.0
    {
        if whole.fract() == 0.0 && whole.abs() < 1e15 {
            return count.checked_mul(whole as i128);
        }
        // Seconds in 65,536ths: the nanoseconds of a unit divided by a whole number.
        let divisor = (1.0 / coding.scale).round();
        if coding.unit_nanoseconds.fract() == 0.0
            && divisor.abs() < 1e15
            && (divisor * coding.scale - 1.0).abs() < 1e-12
        {
            let product = count.checked_mul(coding.unit_nanoseconds as i128)?;
            return Some(product.div_euclid(divisor as i128));
        }
    }
    let units = value.as_f64()? * coding.scale + coding.offset;
    let (whole, fraction) = (units.floor(), units - units.floor());
    let total = whole * coding.unit_nanoseconds;
    if !total.is_finite() || total.abs() > 1e30 {
        return None;
    }
    // The whole units exactly, if their length is a whole number of nanoseconds.
    let exact = if coding.unit_nanoseconds.fract() == 0.0 {
        (whole as i128).checked_mul(coding.unit_nanoseconds as i128)?
    } else {
        total as i128
    };
    exact.checked_add((fraction * coding.unit_nanoseconds).round() as i128)
}

fn absolute(elapsed: i128, coding: &TimeCoding, origin: Option<Value>) -> Option<i64> {
    match (&coding.origin, origin) {
        (Origin::Unix, _) => i64::try_from(elapsed).ok(),
        (Origin::Tai(epoch), _) => time::tai_to_unix(elapsed.checked_add(i128::from(*epoch))?),
        (Origin::OffsetFrom(_), Some(Value::Time(from))) => {
            time::tai_to_unix(elapsed.checked_add(i128::from(time::unix_to_tai(from)))?)
        }
        (Origin::OffsetFrom(_), _) => None,
    }
}

/// A string at the cursor, decoded into the arena.
pub(super) fn text(
    coding: &StringCoding,
    buffer: Option<u64>,
    packet: &mut Packet<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Values,
) -> Result<Value, DecodeError> {
    let start = packet.at;
    let mark = out.arena.len();
    // The space that the string may take, and what it takes.
    let limit = match buffer {
        Some(bits) => {
            packet.need(start.saturating_add(bits))?;
            start + bits
        }
        None => packet.bits.min(start.saturating_add(coding.max_bits.unwrap_or(u64::MAX))),
    };
    let mut first = start;
    let mut end = limit;
    if let Some(tag) = coding.leading_size {
        first = start + u64::from(tag);
        if buffer.is_some() && first > limit {
            return Err(packet.bad_size());
        }
        packet.need(first)?;
        // The tag counts octets, as in Pascal (LeadingSizeType).
        end = first + bits::extract(packet.octets, start, tag) * 8;
        if buffer.is_some() && end > limit {
            return Err(packet.bad_size());
        }
        packet.need(end)?;
        packet.at = buffer.map_or(end, |_| limit);
    } else {
        packet.at = limit;
    }
    if first > end || first > packet.bits {
        return Err(packet.bad_size());
    }
    packet.charge((end - first) / 8)?;
    // Octets that are aligned are borrowed; others are shifted into place first.
    let octets = packet.octets;
    let mut octets = if first.is_multiple_of(8) && end.is_multiple_of(8) {
        octets.get((first / 8) as usize..(end / 8) as usize).unwrap_or_default()
    } else {
        scratch.clear();
        bits::copy(octets, first, end - first, scratch);
        &scratch[..]
    };
    if let Some(termination) = &coding.termination {
        match charset::terminated(octets, termination, coding.charset.unit()) {
            Some(at) => {
                octets = &octets[..at];
                if buffer.is_none() {
                    packet.at = first + (at + termination.len()) as u64 * 8;
                    // The bits that fill up a last octet are no part of a terminator.
                    packet.need(packet.at)?;
                }
            }
            // Without an end the string takes its whole buffer; without a buffer it has none.
            None if buffer.is_none() => {
                return Err(DecodeError::TooShort {
                    container: packet.container,
                    needed: limit + 8,
                    available: packet.bits,
                });
            }
            None => {}
        }
    }
    coding.charset.decode(octets, &mut out.arena);
    Ok(Value::Text(span_from(mark, out)?))
}
