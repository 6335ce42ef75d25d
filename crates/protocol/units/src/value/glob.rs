//! Patterns of names, as fnmatch(3) takes them: `*`, `?`, `[a-z]`, `[!0-9]`, `[[:digit:]]`, and a backslash that takes
//! the meaning from what follows it.

/// How `/` and a leading dot are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobKind {
    /// Nothing is special: patterns of names that are no paths.
    Name,
    /// `/` is matched by `/` alone, and a dot at the start of a step by a dot alone: patterns of paths.
    Path,
    /// Nothing is special, the backslash neither: what presets have.
    Plain,
}

/// Whether all of `text` is what `pattern` says. Takes no longer than the product of the two lengths.
pub fn glob_matches(pattern: &str, text: &str, kind: GlobKind) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and what of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let hidden = kind == GlobKind::Path && text[t] == b'.' && (t == 0 || text[t - 1] == b'/');
        if pattern.get(p) == Some(&b'*') && !hidden {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(next) = one(&pattern[p.min(pattern.len())..], text[t], kind, hidden) {
            p += next;
            t += 1;
            continue;
        }
        match star {
            // The star takes one more, unless that is a slash.
            Some((after, taken)) if !(kind == GlobKind::Path && text[taken] == b'/') => {
                star = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
            _ => return false,
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|octet| *octet == b'*')
}

/// Paths that one pattern finds are no more than this.
const MOST_PATHS: usize = 65_536;

/// Alternatives in braces that one pattern has, at most.
const MOST_BRACES: usize = 256;

/// Every path that a pattern of paths finds, in order, with `{a,b}` for one or the other: `list` tells the names in a
/// folder, `exists` whether a path is there.
pub fn glob_paths(
    pattern: &str,
    list: &mut dyn FnMut(&str) -> Vec<String>,
    exists: &mut dyn FnMut(&str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for pattern in braces(pattern) {
        let mut paths = vec![String::new()];
        let steps: Vec<&str> = pattern.split('/').filter(|step| !step.is_empty()).collect();
        for (at, step) in steps.iter().enumerate() {
            let mut next = Vec::new();
            for path in &paths {
                if !step.contains(['*', '?', '[', '\\']) {
                    next.push(format!("{path}/{step}"));
                    continue;
                }
                let mut names = list(if path.is_empty() { "/" } else { path });
                names.sort();
                names.retain(|name| glob_matches(step, name, GlobKind::Path));
                next.extend(names.into_iter().map(|name| format!("{path}/{name}")));
            }
            next.truncate(MOST_PATHS);
            // What is named, not matched, has not been seen yet.
            if at + 1 == steps.len() {
                next.retain(|path| exists(path));
            }
            paths = next;
        }
        found.extend(paths.into_iter().map(|path| if path.is_empty() { "/".to_owned() } else { path }));
    }
    found
}

/// A pattern with braces is several.
fn braces(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(pattern) = todo.pop() {
        let opened = pattern.rfind('{').filter(|_| done.len() + todo.len() < MOST_BRACES);
        let Some((open, close)) = opened.and_then(|open| Some((open, open + pattern[open..].find('}')?)))
        else {
            done.push(pattern);
            continue;
        };
        let parts = pattern[open + 1..close].split(',').rev();
        todo.extend(parts.map(|part| format!("{}{part}{}", &pattern[..open], &pattern[close + 1..])));
    }
    done
}

/// Whether the first part of `pattern` takes `octet`, and how long that part is.
fn one(pattern: &[u8], octet: u8, kind: GlobKind, hidden: bool) -> Option<usize> {
    let slash = kind == GlobKind::Path && octet == b'/';
    match *pattern.first()? {
        b'*' => None,
        b'?' => (!slash && !hidden).then_some(1),
        b'[' => match set(pattern, octet) {
            Some((length, found)) => (found && !slash && !hidden).then_some(length),
            // A bracket that is not closed stands for itself.
            None => (octet == b'[').then_some(1),
        },
        b'\\' if kind != GlobKind::Plain && pattern.len() > 1 => (pattern[1] == octet).then_some(2),
        other => (other == octet).then_some(1),
    }
}

/// `[…]`: how long it is, and whether `octet` is in it.
fn set(pattern: &[u8], octet: u8) -> Option<(usize, bool)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let (first, mut found) = (at, false);
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let length = pattern[at + 2..].windows(2).position(|pair| pair == b":]")?;
            found |= class(&pattern[at + 2..at + 2 + length], octet);
            at += length + 4;
            continue;
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                found |= (low..=*high).contains(&octet);
                at += 3;
            }
            _ => {
                found |= low == octet;
                at += 1;
            }
        }
    }
}

fn class(name: &[u8], octet: u8) -> bool {
    match name {
        b"alnum" => octet.is_ascii_alphanumeric(),
        b"alpha" => octet.is_ascii_alphabetic(),
        b"blank" => matches!(octet, b' ' | b'\t'),
        b"cntrl" => octet.is_ascii_control(),
        b"digit" => octet.is_ascii_digit(),
        b"graph" => octet.is_ascii_graphic(),
        b"lower" => octet.is_ascii_lowercase(),
        b"print" => octet.is_ascii_graphic() || octet == b' ',
        b"punct" => octet.is_ascii_punctuation(),
        b"space" => octet.is_ascii_whitespace() || octet == 0x0b,
        b"upper" => octet.is_ascii_uppercase(),
        b"xdigit" => octet.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*.service", "a.b.service", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[[:digit:]]*", "1a", true),
            ("[ab", "[ab", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b*c*", "xxaxxbxxc", true),
            ("*/b", "a/x/b", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
        ] {
            assert_eq!(glob_matches(pattern, text, GlobKind::Name), expected, "{pattern} {text}");
        }
        assert!(glob_matches("a\\x2db", "a\\x2db", GlobKind::Plain));
        assert!(!glob_matches("a\\x2db", "a\\x2db", GlobKind::Name));
    }

    #[test]
    fn paths() {
        for (pattern, text, expected) in [
            ("/tmp/*", "/tmp/a", true),
            ("/tmp/*", "/tmp/a/b", false),
            ("/tmp/*", "/tmp/.a", false),
            ("/tmp/.*", "/tmp/.a", true),
            ("/tmp/?a", "/tmp/.a", false),
            ("/*/x*", "/a/x.y", true),
            ("/a[/]b", "/a/b", false),
        ] {
            assert_eq!(glob_matches(pattern, text, GlobKind::Path), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_patterns_find() {
        let all = ["/a", "/a/x1", "/a/x2", "/a/.x", "/b", "/b/x1", "/b/x1/y"];
        let mut list = |folder: &str| {
            let folder = if folder == "/" { "" } else { folder };
            let inner = all.iter().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
            inner.filter(|name| !name.contains('/')).map(str::to_owned).collect::<Vec<_>>()
        };
        for (pattern, expected) in [
            ("/*/x1", vec!["/a/x1", "/b/x1"]),
            ("/{b,a}/x*", vec!["/b/x1", "/a/x1", "/a/x2"]),
            ("/{a{,/x1},c}", vec!["/a", "/a/x1"]),
            ("/b/x1/y", vec!["/b/x1/y"]),
            ("/n/*", vec![]),
            ("/a/.*", vec!["/a/.x"]),
        ] {
            assert_eq!(
                glob_paths(pattern, &mut list, &mut |path| all.contains(&path)),
                expected,
                "{pattern}"
            );
        }
    }

    /// A pattern of stars takes no more than the product of the lengths.
    #[test]
    fn hostile_patterns_end() {
        let pattern = "*a".repeat(2000);
        assert!(!glob_matches(&pattern, &"a".repeat(1999), GlobKind::Name));
        assert!(glob_matches(&pattern, &"a".repeat(2000), GlobKind::Name));
    }
}
