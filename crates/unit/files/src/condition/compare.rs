//! Operators and versions: `>= 5.10`, and which of two versions is the newer one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use perigee_units::value::{GlobKind, glob_matches, split_words};

use super::{TestError, Tested};

/// `<`, `<=`, `=`, `!=`, `>=`, `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    More,
}

impl Operator {
    /// Takes an operator off the front.
    pub(super) fn take(text: &str) -> (Option<Operator>, &str) {
        let all = [
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("!=", Operator::Unequal),
            ("<", Operator::Less),
            (">", Operator::More),
            ("=", Operator::Equal),
        ];
        let found = all.iter().find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)));
        found.map_or((None, text), |(operator, rest)| (Some(*operator), rest))
    }

    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::Unequal => order.is_ne(),
            Operator::AtLeast => order.is_ge(),
            Operator::More => order.is_gt(),
        }
    }
}

/// Whether a number is as the parameter says; at least as much where it has no operator.
pub(super) fn number(have: u64, parameter: &str, parse: impl Fn(&str) -> Option<u64>) -> Tested {
    let (operator, rest) = Operator::take(parameter);
    let wanted = parse(rest.trim()).ok_or_else(|| TestError::Parameter(parameter.to_owned()))?;
    Ok(operator.unwrap_or(Operator::AtLeast).holds(have.cmp(&wanted)))
}

/// Which of two versions is newer, as the version format specification of the UAPI group has it.
pub(super) fn versions(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one.as_bytes(), other.as_bytes());
    let separators = [b'-', b'^', b'.'];
    loop {
        let junk = |octet: &u8| !octet.is_ascii_alphanumeric() && !b"~-^.".contains(octet);
        a = &a[a.iter().take_while(|octet| junk(octet)).count()..];
        b = &b[b.iter().take_while(|octet| junk(octet)).count()..];
        // `~` comes before everything, even before the end.
        let begins = |text: &[u8], octet| text.first() == Some(&octet);
        match (begins(a, b'~'), begins(b, b'~')) {
            (true, true) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        if a.is_empty() || b.is_empty() {
            return (!a.is_empty()).cmp(&!b.is_empty());
        }
        if let Some(separator) = separators.into_iter().find(|octet| begins(a, *octet) || begins(b, *octet)) {
            match (begins(a, separator), begins(b, separator)) {
                (true, true) => (a, b) = (&a[1..], &b[1..]),
                (true, false) => return Ordering::Less,
                _ => return Ordering::Greater,
            }
            continue;
        }
        let digits = a[0].is_ascii_digit() || b[0].is_ascii_digit();
        let same = |octet: &&u8| if digits { octet.is_ascii_digit() } else { octet.is_ascii_alphabetic() };
        let (la, lb) = (a.iter().take_while(same).count(), b.iter().take_while(same).count());
        let ((first, rest_a), (second, rest_b)) = (a.split_at(la), b.split_at(lb));
        let order = if digits {
            // Letters come before digits; leading zeros say nothing.
            let plain =
                |text: &[u8]| text.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<_>>();
            let (x, y) = (plain(first), plain(second));
            (la > 0).cmp(&(lb > 0)).then(x.len().cmp(&y.len())).then(x.cmp(&y))
        } else {
            first.cmp(second)
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Patterns, and versions with operators before them; each must fit the kernel's release.
pub(super) fn kernel_version(release: &str, parameter: &str) -> Tested {
    let wrong = || TestError::Parameter(parameter.to_owned());
    let mut words = split_words(parameter).map_err(|_| wrong())?.into_iter();
    let mut first = true;
    while let Some(word) = words.next() {
        let (operator, rest) = Operator::take(word.trim());
        let fits = match operator {
            Some(operator) => {
                let mut wanted = rest.trim().to_owned();
                if wanted.is_empty() {
                    // A space behind the operator is taken at the first one only.
                    wanted = words.next().filter(|_| first).ok_or_else(wrong)?;
                }
                operator.holds(versions(release, &wanted))
            }
            None => glob_matches(rest, release, GlobKind::Name),
        };
        if !fits {
            return Ok(false);
        }
        first = false;
    }
    Ok(true)
}

/// `KEY=value` and comparisons of versions; each must fit.
pub(super) fn os_release(release: &BTreeMap<String, String>, parameter: &str) -> Tested {
    let wrong = || TestError::Parameter(parameter.to_owned());
    for word in split_words(parameter).map_err(|_| wrong())? {
        let at = word.find(['!', '<', '=', '>']).ok_or_else(wrong)?;
        let (key, rest) = word.split_at(at);
        let is_key = !key.is_empty()
            && !key.starts_with(|c: char| c.is_ascii_digit())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (operator, wanted) = Operator::take(rest);
        let operator = operator.filter(|_| is_key).ok_or_else(wrong)?;
        if wanted.is_empty() || wanted.starts_with(char::is_whitespace) {
            return Err(wrong());
        }
        let have = release.get(key).map(String::as_str);
        let fits = match operator {
            Operator::Equal => have == Some(wanted),
            Operator::Unequal => have != Some(wanted),
            operator => operator.holds(versions(have.unwrap_or_default(), wanted)),
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the older to the newer.
    #[test]
    fn versions_have_an_order() {
        let ordered = [
            "~1",
            "",
            "ab",
            "abb",
            "abc",
            "0001",
            "002",
            "12",
            "122",
            "122.9",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-3",
            "123^patched",
            "123.1",
            "124-1",
        ];
        for (i, one) in ordered.iter().enumerate() {
            for (j, other) in ordered.iter().enumerate() {
                assert_eq!(versions(one, other), i.cmp(&j), "{one} and {other}");
            }
        }
        assert_eq!(versions("1_2", "1+2"), Ordering::Equal);
    }

    #[test]
    fn kernel_versions() {
        for (parameter, expected) in [
            (">=5.10", true),
            (">= 5.10", true),
            ("> 6.18", true),
            ("<6.2", false),
            ("6.18.*", true),
            ("6.1.*", false),
            (">=6 <7", true),
            ("\">= 6\" \"< 6.18\"", false),
            ("=6.18.44", true),
            ("!=6.18.44", false),
        ] {
            assert_eq!(kernel_version("6.18.44", parameter).ok(), Some(expected), "{parameter}");
        }
        assert!(kernel_version("6.18.44", ">=").is_err());
        assert!(kernel_version("6.18.44", ">=5 < 7").is_err());
    }
}
