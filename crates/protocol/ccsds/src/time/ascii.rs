//! ASCII calendar time codes A and B (301.0-B-4 §3.5): `1988-01-18T17:20:43.123456Z`, `1988-018T17:20:43.123456Z`.
//!
//! The terminator is optional. The shortened forms without date or without time are not read.

use super::{Date, PICOSECONDS, TimeError, Utc};

/// Code A: year, month and day of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsciiA(pub Utc);

/// Code B: year and day of the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsciiB(pub Utc);

impl AsciiA {
    /// Reads a time code that fills the text.
    ///
    /// # Errors
    /// Another form, or a time that does not exist.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let mut reader = Reader { text, at: 0 };
        let year = reader.digits(4)?;
        reader.expect(b'-')?;
        let month = reader.digits(2)?;
        reader.expect(b'-')?;
        let day = reader.digits(2)?;
        let date = Date::checked(year as i32, month as u8, day as u8)?;
        Ok(Self(reader.time_of_day(date)?))
    }

    /// Appends the code with so many decimals, up to 12, and its terminator.
    ///
    /// # Errors
    /// A year beyond 0 to 9999.
    pub fn write(&self, decimals: u8, out: &mut Vec<u8>) -> Result<(), TimeError> {
        let Date { year, month, day } = self.0.date();
        write(&self.0, format_args!("{year:04}-{month:02}-{day:02}"), decimals, out)
    }
}

impl AsciiB {
    /// Reads a time code that fills the text.
    ///
    /// # Errors
    /// Another form, or a time that does not exist.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let mut reader = Reader { text, at: 0 };
        let year = reader.digits(4)?;
        reader.expect(b'-')?;
        let day = reader.digits(3)?;
        let date = Date::from_day_of_year(year as i32, day as u16)?;
        Ok(Self(reader.time_of_day(date)?))
    }

    /// Appends the code with so many decimals, up to 12, and its terminator.
    ///
    /// # Errors
    /// A year beyond 0 to 9999.
    pub fn write(&self, decimals: u8, out: &mut Vec<u8>) -> Result<(), TimeError> {
        let date = self.0.date();
        write(&self.0, format_args!("{:04}-{:03}", date.year, date.day_of_year()), decimals, out)
    }
}

fn write(
    utc: &Utc,
    date: core::fmt::Arguments<'_>,
    decimals: u8,
    out: &mut Vec<u8>,
) -> Result<(), TimeError> {
    let year = utc.date().year;
    if !(0..=9999).contains(&year) {
        return Err(TimeError::Range { field: "year", value: year.unsigned_abs().into() });
    }
    let [hour, minute, second] = utc.clock();
    let mut text = format!("{date}T{hour:02}:{minute:02}:{second:02}");
    if decimals > 0 {
        let fraction = format!(".{:012}", utc.picoseconds());
        text.push_str(&fraction[..1 + usize::from(decimals.min(12))]);
    }
    out.extend(text.bytes());
    out.push(b'Z');
    Ok(())
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn unexpected<T>(&self) -> Result<T, TimeError> {
        Err(TimeError::Character { offset: self.at })
    }

    fn expect(&mut self, character: u8) -> Result<(), TimeError> {
        if self.text.get(self.at) != Some(&character) {
            return self.unexpected();
        }
        self.at += 1;
        Ok(())
    }

    fn digit(&mut self) -> Option<u64> {
        let digit = self.text.get(self.at).filter(|c| c.is_ascii_digit())?;
        self.at += 1;
        Some(u64::from(digit - b'0'))
    }

    fn digits(&mut self, count: usize) -> Result<u64, TimeError> {
        let mut value = 0;
        for _ in 0..count {
            match self.digit() {
                Some(digit) => value = value * 10 + digit,
                None => return self.unexpected(),
            }
        }
        Ok(value)
    }

    /// From the `T` on to the end.
    fn time_of_day(mut self, date: Date) -> Result<Utc, TimeError> {
        self.expect(b'T')?;
        let hour = self.digits(2)?;
        self.expect(b':')?;
        let minute = self.digits(2)?;
        self.expect(b':')?;
        let second = self.digits(2)?;
        let mut picoseconds = 0;
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            // Decimals beyond the picosecond are read and let go.
            let mut unit = PICOSECONDS;
            while let Some(digit) = self.digit() {
                unit /= 10;
                picoseconds += digit * unit;
            }
        }
        if self.text.get(self.at) == Some(&b'Z') {
            self.at += 1;
        }
        if self.at < self.text.len() {
            return self.unexpected();
        }
        Utc::from_clock(date, [hour as u8, minute as u8, second as u8], picoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_book_round_trip() {
        let a = AsciiA::parse(b"1988-01-18T17:20:43.123456Z").unwrap();
        let b = AsciiB::parse(b"1988-018T17:20:43.123456Z").unwrap();
        assert_eq!(a.0, b.0);
        let mut octets = Vec::new();
        a.write(6, &mut octets).unwrap();
        b.write(0, &mut octets).unwrap();
        assert_eq!(octets, b"1988-01-18T17:20:43.123456Z1988-018T17:20:43Z");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "1988-1-18T17:20:43Z",
            "1988-01-18 17:20:43Z",
            "1988-02-30T00:00:00Z",
            "1988-01-18T17:20:43ZZ",
        ] {
            assert!(AsciiA::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(AsciiA::parse(b"1988-01-18T17:20:43").is_ok());
        assert!(AsciiB::parse(b"1988-367T17:20:43").is_err());
    }
}
