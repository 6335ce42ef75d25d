//! Strings (XTCE 1.2 StringDataEncodingType): where they end, and their character sets turned into
//! UTF-8. What is no character becomes U+FFFD.

use crate::database::types::Charset;

/// Characters 0x80 to 0x9F of Windows-1252; five of them are not assigned.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{FFFD}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{FFFD}', 'Ž', '\u{FFFD}',
    '\u{FFFD}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{FFFD}', 'ž', 'Ÿ',
];

impl Charset {
    /// Octets in the smallest unit of the encoding: where a termination character may begin.
    pub(crate) fn unit(self) -> usize {
        match self {
            Charset::UsAscii | Charset::Iso8859_1 | Charset::Windows1252 | Charset::Utf8 => 1,
            Charset::Utf16 | Charset::Utf16Le | Charset::Utf16Be => 2,
            Charset::Utf32 | Charset::Utf32Le | Charset::Utf32Be => 4,
        }
    }

    /// Appends the text in UTF-8.
    pub(crate) fn decode(self, octets: &[u8], out: &mut Vec<u8>) {
        match self {
            Charset::Utf8 => match std::str::from_utf8(octets) {
                Ok(_) => out.extend_from_slice(octets),
                Err(_) => out.extend_from_slice(String::from_utf8_lossy(octets).as_bytes()),
            },
            Charset::UsAscii if octets.is_ascii() => out.extend_from_slice(octets),
            Charset::UsAscii => {
                octets
                    .iter()
                    .for_each(|octet| push(if octet.is_ascii() { *octet as char } else { '\u{FFFD}' }, out));
            }
            Charset::Iso8859_1 => octets.iter().for_each(|octet| push(*octet as char, out)),
            Charset::Windows1252 => octets.iter().for_each(|octet| {
                push(
                    match octet {
                        0x80..=0x9F => WINDOWS_1252[usize::from(octet - 0x80)],
                        octet => *octet as char,
                    },
                    out,
                );
            }),
            Charset::Utf16Be => utf16(octets, u16::from_be_bytes, out),
            Charset::Utf16Le => utf16(octets, u16::from_le_bytes, out),
            // A byte order mark comes first; without one it is big-endian (RFC 2781, 4.3).
            Charset::Utf16 => match octets {
                [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes, out),
                [0xFE, 0xFF, rest @ ..] | rest => utf16(rest, u16::from_be_bytes, out),
            },
            Charset::Utf32Be => utf32(octets, u32::from_be_bytes, out),
            Charset::Utf32Le => utf32(octets, u32::from_le_bytes, out),
            Charset::Utf32 => match octets {
                [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes, out),
                [0, 0, 0xFE, 0xFF, rest @ ..] | rest => utf32(rest, u32::from_be_bytes, out),
            },
        }
    }

    /// The octets of a text; characters outside the set become `?`.
    pub(crate) fn encode(self, text: &str, out: &mut Vec<u8>) {
        for character in text.chars() {
            let code = character as u32;
            match self {
                Charset::Utf8 => push(character, out),
                Charset::UsAscii => out.push(if code < 0x80 { code as u8 } else { b'?' }),
                Charset::Iso8859_1 => out.push(u8::try_from(code).unwrap_or(b'?')),
                Charset::Windows1252 => {
                    out.push(match WINDOWS_1252.iter().position(|own| *own == character) {
                        Some(at) if character != '\u{FFFD}' => 0x80 + at as u8,
                        _ if code < 0x80 || (0xA0..0x100).contains(&code) => code as u8,
                        _ => b'?',
                    });
                }
                Charset::Utf16 | Charset::Utf16Be => {
                    character
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| out.extend(unit.to_be_bytes()));
                }
                Charset::Utf16Le => {
                    character
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| out.extend(unit.to_le_bytes()));
                }
                Charset::Utf32 | Charset::Utf32Be => out.extend(code.to_be_bytes()),
                Charset::Utf32Le => out.extend(code.to_le_bytes()),
            }
        }
    }
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn utf16(octets: &[u8], read: impl Fn([u8; 2]) -> u16, out: &mut Vec<u8>) {
    let (units, rest) = octets.as_chunks::<2>();
    for character in char::decode_utf16(units.iter().map(|unit| read(*unit))) {
        push(character.unwrap_or('\u{FFFD}'), out);
    }
    if !rest.is_empty() {
        push('\u{FFFD}', out);
    }
}

fn utf32(octets: &[u8], read: impl Fn([u8; 4]) -> u32, out: &mut Vec<u8>) {
    let (units, rest) = octets.as_chunks::<4>();
    for unit in units {
        push(char::from_u32(read(*unit)).unwrap_or('\u{FFFD}'), out);
    }
    if !rest.is_empty() {
        push('\u{FFFD}', out);
    }
}

/// Where the termination character begins, searched at whole units only.
pub(crate) fn terminated(octets: &[u8], termination: &[u8], unit: usize) -> Option<usize> {
    if let ([end], 1) = (termination, unit) {
        return octets.iter().position(|octet| octet == end);
    }
    (0..octets.len()).step_by(unit.max(1)).find(|at| octets[*at..].starts_with(termination))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(charset: Charset, octets: &[u8]) -> String {
        let mut out = Vec::new();
        charset.decode(octets, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn character_sets() {
        assert_eq!(decoded(Charset::Utf8, "Größe".as_bytes()), "Größe");
        assert_eq!(decoded(Charset::Utf8, &[b'a', 0xFF]), "a\u{FFFD}");
        assert_eq!(decoded(Charset::UsAscii, &[b'a', 0xFF]), "a\u{FFFD}");
        assert_eq!(decoded(Charset::Iso8859_1, &[0x47, 0xF6]), "Gö");
        assert_eq!(decoded(Charset::Windows1252, &[0x80, 0x9C, 0xE9]), "€œé");
        assert_eq!(decoded(Charset::Utf16, &[0xFF, 0xFE, 0x41, 0]), "A");
        assert_eq!(decoded(Charset::Utf16, &[0, 0x41]), "A");
        assert_eq!(decoded(Charset::Utf16Be, &[0xD8, 0x3D, 0xDE, 0x80, 0]), "🚀\u{FFFD}");
        assert_eq!(decoded(Charset::Utf32Le, &[0x80, 0xF6, 1, 0]), "🚀");
        for charset in [
            Charset::Utf8,
            Charset::Iso8859_1,
            Charset::Windows1252,
            Charset::Utf16,
            Charset::Utf16Le,
            Charset::Utf32,
            Charset::Utf32Le,
        ] {
            let mut octets = Vec::new();
            charset.encode("Größe", &mut octets);
            assert_eq!(decoded(charset, &octets), "Größe", "{charset:?}");
        }
    }

    #[test]
    fn terminations_are_found_at_whole_units() {
        assert_eq!(terminated(b"ab\0c", &[0], 1), Some(2));
        assert_eq!(terminated(&[1, 0, 0, 2, 0, 0], &[0, 0], 2), Some(4));
        assert_eq!(terminated(b"abc", &[0], 1), None);
    }
}
