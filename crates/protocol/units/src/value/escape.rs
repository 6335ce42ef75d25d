//! The escaping of names and paths in names of units: `/` is `-`, what cannot stand is `\xNN`.

use super::ValueError;

/// Escapes text for a name of a unit: `/` becomes `-`; what may not stand in a name becomes `\xNN`.
pub fn escape_name(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            b'/' => escaped.push('-'),
            b'.' if index == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => escaped.push(char::from(octet)),
            _ => escaped.push_str(&format!("\\x{octet:02x}")),
        }
    }
    escaped
}

/// Escapes an absolute path for a name of a unit: without the slashes at both ends, `-` for the root.
pub fn escape_path(path: &str) -> String {
    let steps: Vec<_> = path.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    if steps.is_empty() { "-".to_owned() } else { escape_name(&steps.join("/")) }
}

/// The way back: `-` becomes `/`, `\xNN` an octet.
///
/// # Errors
/// An escape sequence that is none, or octets that are no UTF-8.
pub fn unescape_name(escaped: &str) -> Result<String, ValueError> {
    let mut octets = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(first) = rest.chars().next() {
        let wrong = || ValueError::Escape(rest.chars().skip(1).take(3).collect());
        match first {
            '-' => octets.push(b'/'),
            '\\' => {
                let digits = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2)).ok_or_else(wrong)?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                octets.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
                rest = &rest[4..];
                continue;
            }
            c => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[first.len_utf8()..];
    }
    String::from_utf8(octets).map_err(|_| ValueError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for (plain, escaped) in [
            ("dev/sda", "dev-sda"),
            ("a-b", "a\\x2db"),
            (".hidden", "\\x2ehidden"),
            ("tür", "t\\xc3\\xbcr"),
            ("a.b:c_d", "a.b:c_d"),
        ] {
            assert_eq!(escape_name(plain), escaped);
            assert_eq!(unescape_name(escaped), Ok(plain.to_owned()));
        }
        for text in ["\\", "\\x", "\\x4", "\\xzz", "\\y41", "\\xff"] {
            assert!(unescape_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths() {
        for (path, escaped) in [("/", "-"), ("/var//lib/", "var-lib"), ("/a-b/c", "a\\x2db-c")] {
            assert_eq!(escape_path(path), escaped);
        }
    }
}
