//! Words of a value: separated by whitespace, with quotation marks and the escape sequences of C, as
//! systemd.syntax(7) has them. A backslash before anything else stays, as systemd lets it stay: regular
//! expressions in real units rely on it.

use super::ValueError;

/// Words of one value are no more than this.
const MOST_WORDS: usize = 4096;

/// Splits a value into its words: quotation marks and escape sequences are resolved.
///
/// # Errors
/// A quotation mark without its pair, octets that are no UTF-8, too many words.
pub fn split_words(text: &str) -> Result<Vec<String>, ValueError> {
    let mut words = Words::new(text);
    let mut found = Vec::new();
    while let Some(word) = words.next_word()? {
        if found.len() == MOST_WORDS {
            return Err(ValueError::TooLong(MOST_WORDS));
        }
        found.push(word);
    }
    Ok(found)
}

/// Splits a value at whitespace only; for lists of what never has quotation marks.
///
/// # Errors
/// Too many words.
pub fn cut_words(text: &str) -> Result<Vec<String>, ValueError> {
    let words: Vec<_> = text.split_whitespace().take(MOST_WORDS + 1).map(str::to_owned).collect();
    if words.len() > MOST_WORDS { Err(ValueError::TooLong(MOST_WORDS)) } else { Ok(words) }
}

/// Takes words off the front of a value.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `text`.
    pub fn new(text: &'a str) -> Words<'a> {
        Words { rest: text.trim_start() }
    }

    /// What has not been taken yet, without the whitespace before it.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next word as it stands in the text, quotation marks and all; nothing is taken.
    pub fn peek_raw(&self) -> &'a str {
        &self.rest[..self.rest.find(char::is_whitespace).unwrap_or(self.rest.len())]
    }

    /// The next word; none at the end.
    ///
    /// # Errors
    /// A quotation mark without its pair, or octets that are no UTF-8.
    pub fn next_word(&mut self) -> Result<Option<String>, ValueError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut word = Vec::new();
        let mut quote = None;
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = characters.next() {
            match (c, quote) {
                ('\\', _) => {
                    let used = unescape(&self.rest[at + 1..], &mut word);
                    let stop = at + 1 + used;
                    while characters.offset() < stop {
                        characters.next();
                    }
                }
                (_, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                (_, None) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                _ => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if quote.is_some() {
            return Err(ValueError::Quote);
        }
        self.rest = self.rest[end..].trim_start();
        // Octets given by number may be no UTF-8; a unit file is text, so they are refused.
        String::from_utf8(word).map(Some).map_err(|_| ValueError::NotText)
    }
}

/// Resolves the escape sequence after a backslash and says how many octets of `text` it took: none where it is
/// no escape sequence, and the backslash stays.
fn unescape(text: &str, word: &mut Vec<u8>) -> usize {
    let resolved = match text.chars().next() {
        Some('a') => Some((1, 0x07)),
        Some('b') => Some((1, 0x08)),
        Some('f') => Some((1, 0x0C)),
        Some('n') => Some((1, u32::from(b'\n'))),
        Some('r') => Some((1, u32::from(b'\r'))),
        Some('t') => Some((1, u32::from(b'\t'))),
        Some('v') => Some((1, 0x0B)),
        Some('s') => Some((1, u32::from(b' '))),
        Some(c @ ('\\' | '"' | '\'')) => Some((1, u32::from(c))),
        Some('x') => number(text, 1, 2, 16),
        Some('u') => number(text, 1, 4, 16),
        Some('U') => number(text, 1, 8, 16),
        Some('0'..='7') => number(text, 0, 3, 8),
        _ => None,
    };
    match resolved {
        // Two hexadecimal or three octal digits are an octet, more are a character.
        Some((used, value)) if used <= 3 && value <= 0xFF => word.push(value as u8),
        Some((used, value)) if used > 3 && char::from_u32(value).is_some() => {
            let c = char::from_u32(value).unwrap_or_default();
            word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => {
            word.push(b'\\');
            return 0;
        }
    }
    resolved.map_or(0, |(used, _)| used)
}

/// Exactly `digits` digits after `skip` octets: what was used, and the value; zero is no value.
fn number(text: &str, skip: usize, digits: usize, base: u32) -> Option<(usize, u32)> {
    let part = text.get(skip..skip + digits)?;
    let value = part.chars().all(|c| c.is_digit(base)).then(|| u32::from_str_radix(part, base).ok())??;
    (value != 0).then_some((skip + digits, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_escapes() {
        let cases: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("  one  two\tthree ", &["one", "two", "three"]),
            ("\"one two\" three", &["one two", "three"]),
            ("'one \"two\"'", &["one \"two\""]),
            ("a=\"b c\"d e", &["a=b cd", "e"]),
            ("\"\" x", &["", "x"]),
            (r"a\sb \x41\101 \u00fc", &["a b", "AA", "ü"]),
            (r"\xc3\xbc", &["ü"]),
            (r#""\"quoted\"""#, &["\"quoted\""]),
            (r"tab\there", &["tab\there"]),
        ];
        for (text, expected) in cases {
            assert_eq!(split_words(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_strange_backslash_stays() {
        for text in [r"\q", r"\x4", r"\xzz", r"\x00", r"\400", r"\ud800", r"a\.b", r"\d+", "a\\"] {
            assert_eq!(split_words(text), Ok(vec![text.to_owned()]), "{text}");
        }
    }

    #[test]
    fn what_is_no_word() {
        assert_eq!(split_words("\"one"), Err(ValueError::Quote));
        assert_eq!(split_words("it's"), Err(ValueError::Quote));
        for text in [r"\xff", r"\377"] {
            assert!(matches!(split_words(text), Err(ValueError::NotText)), "{text}");
        }
        let many = "a ".repeat(MOST_WORDS + 1);
        assert_eq!(split_words(&many), Err(ValueError::TooLong(MOST_WORDS)));
        assert_eq!(cut_words(&many), Err(ValueError::TooLong(MOST_WORDS)));
    }
}
