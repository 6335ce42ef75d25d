//! The syntax of unit files, systemd.syntax(7): sections, assignments, comments, continued lines.

/// A file is no longer than this.
pub const LONGEST_FILE: usize = 1 << 20;

/// `key=value` in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The section it stands in.
    pub section: String,
    /// Left of the first `=`.
    pub key: String,
    /// Right of it, without whitespace at both ends; continued lines are joined by a space.
    pub value: String,
    /// The line it begins on, from 1.
    pub line: u32,
}

/// What a line is, if it is nothing that can stand in a unit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// A section header without its closing bracket, or without a name.
    #[error("the section header is not `[Name]`")]
    Header,
    /// A line that is neither header, nor assignment, nor comment.
    #[error("the line has no `=`")]
    NoEquals,
    /// An assignment without a name.
    #[error("nothing stands before the `=`")]
    NoKey,
    /// An assignment before the first section.
    #[error("the line stands in no section")]
    NoSection,
    /// Octets that are no text.
    #[error("the line is not UTF-8")]
    NotText,
    /// A NUL, which no system call takes.
    #[error("the line has a NUL in it")]
    Nul,
    /// More than is read of one file.
    #[error("the file is longer than {LONGEST_FILE} octets; the rest is not read")]
    TooLong,
}

/// What stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Every assignment, in order.
    pub assignments: Vec<Assignment>,
    /// The sections, in order, with their lines.
    pub sections: Vec<(String, u32)>,
    /// Lines that could not be read; nothing else is lost by them.
    pub faults: Vec<(u32, SyntaxError)>,
}

/// Reads a file. What cannot be read is a fault of its line; the rest is taken.
pub fn parse(text: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let text = if text.len() > LONGEST_FILE {
        parsed.faults.push((0, SyntaxError::TooLong));
        &text[..LONGEST_FILE]
    } else {
        text
    };
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut section = None;
    // A line that ended in a backslash, and the number of the first of them.
    let mut open: Option<(String, u32)> = None;
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let line = match std::str::from_utf8(line) {
            Ok(line) if !line.contains('\0') => line,
            Ok(_) => {
                parsed.faults.push((number, SyntaxError::Nul));
                continue;
            }
            Err(_) => {
                parsed.faults.push((number, SyntaxError::NotText));
                continue;
            }
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Comments may stand between continued lines, and are no part of them.
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (mut whole, first) = open.take().unwrap_or((String::new(), number));
        let slashes = line.len() - line.trim_end_matches('\\').len();
        if slashes % 2 == 1 {
            whole.push_str(&line[..line.len() - 1]);
            whole.push(' ');
            open = Some((whole, first));
            continue;
        }
        whole.push_str(line);
        parsed.take(&whole, first, &mut section);
    }
    if let Some((whole, first)) = open {
        parsed.take(&whole, first, &mut section);
    }
    parsed
}

impl Parsed {
    fn take(&mut self, line: &str, number: u32, section: &mut Option<String>) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(['[', ']']));
            match name {
                Some(name) => self.sections.push((name.to_owned(), number)),
                None => self.faults.push((number, SyntaxError::Header)),
            }
            // What follows a header that is none belongs nowhere.
            *section = name.map(str::to_owned);
            return;
        }
        let fault = match (line.split_once('='), section.as_ref()) {
            (None, _) => SyntaxError::NoEquals,
            (Some((key, _)), _) if key.trim().is_empty() => SyntaxError::NoKey,
            (Some(_), None) => SyntaxError::NoSection,
            (Some((key, value)), Some(section)) => {
                self.assignments.push(Assignment {
                    section: section.clone(),
                    key: key.trim_end().to_owned(),
                    value: value.trim_start().to_owned(),
                    line: number,
                });
                return;
            }
        };
        self.faults.push((number, fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, u32)> {
        let parsed = parse(text.as_bytes());
        assert_eq!(parsed.faults, [], "{text}");
        let shown = |a: &Assignment| format!("{}.{}={}", a.section, a.key, a.value);
        parsed.assignments.iter().map(|assignment| (shown(assignment), assignment.line)).collect()
    }

    fn check(text: &str, expected: &[(&str, u32)]) {
        let expected: Vec<_> = expected.iter().map(|(text, line)| ((*text).to_owned(), *line)).collect();
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn assignments_and_comments() {
        check("[A]\nx=1\n\n# y=2\n  ; y=3\n y = 4 \n[B]\nx=\n", &[("A.x=1", 2), ("A.y=4", 6), ("B.x=", 8)]);
        check("\u{FEFF}[A]\r\nx=1\r\n", &[("A.x=1", 2)]);
        check("[A]\nx=a # no comment", &[("A.x=a # no comment", 2)]);
        check("[A]\nx==a=b", &[("A.x==a=b", 2)]);
        check("", &[]);
    }

    /// The examples of systemd.syntax(7).
    #[test]
    fn continued_lines() {
        check(
            "[Section C]\nKeyThree=value 3\\\n# this line is ignored\n; this line is ignored too\n       value 3 continued\n",
            &[("Section C.KeyThree=value 3        value 3 continued", 2)],
        );
        check("[A]\nx=a\\\n\ny=b", &[("A.x=a", 2), ("A.y=b", 4)]);
        check("[A]\nx=a\\\\\ny=b", &[("A.x=a\\\\", 2), ("A.y=b", 3)]);
        check("[A]\nx=a\\", &[("A.x=a", 2)]);
    }

    #[test]
    fn faults_have_lines_and_cost_nothing_else() {
        let parsed = parse(b"x=1\n[A\ny=2\n[A]\nnothing\n=3\nz=\xFF\nz=\0\nz=4\n[]\nw=5\n");
        assert_eq!(
            parsed.faults,
            [
                (1, SyntaxError::NoSection),
                (2, SyntaxError::Header),
                (3, SyntaxError::NoSection),
                (5, SyntaxError::NoEquals),
                (6, SyntaxError::NoKey),
                (7, SyntaxError::NotText),
                (8, SyntaxError::Nul),
                (10, SyntaxError::Header),
                (11, SyntaxError::NoSection),
            ]
        );
        assert_eq!(parsed.assignments.len(), 1);
        assert_eq!(parsed.assignments[0].line, 9);
    }

    #[test]
    fn a_file_has_an_end() {
        let parsed = parse(&vec![b'#'; LONGEST_FILE + 1]);
        assert_eq!(parsed.faults, [(0, SyntaxError::TooLong)]);
    }
}
