//! All lines of a system, in their order: first what removes and cleans, then what makes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use perigee_units::unit::Host;
use perigee_units::value::{GlobKind, glob_matches, glob_paths};
use rustix::fs::FileType;

use super::clean::Cleaner;
use super::create::{DEEPEST, Maker, Trouble};
use super::line::{Item, Kind, parse};
use crate::conf::{Given, Problem, lines, texts};
use crate::root::{empty, remove_all};
use crate::{Accounts, Root, host};
use std::os::fd::AsFd;

/// Where the files are; an earlier folder hides the later ones.
const FOLDERS: [&str; 5] = [
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
    "/lib/tmpfiles.d",
];

/// Lines that are taken, of all files together.
const MOST_LINES: usize = 100_000;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Make what lines name.
    pub create: bool,
    /// Remove old things.
    pub clean: bool,
    /// Remove what lines name for that.
    pub remove: bool,
    /// Take the lines that are for boot only, too.
    pub boot: bool,
    /// Only paths that begin so.
    pub prefixes: Vec<String>,
    /// No paths that begin so.
    pub excluded: Vec<String>,
    /// These files instead of all.
    pub given: Vec<Given>,
    /// The given files stand where this one would.
    pub replace: Option<String>,
    /// The folder with credentials.
    pub credentials: Option<String>,
    /// The time; now where it is not said.
    pub now: Option<SystemTime>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lines that were not understood.
    pub wrong: Vec<Problem>,
    /// Lines that could not be carried out.
    pub failed: Vec<Problem>,
    /// What was cleaned away.
    pub cleaned: u64,
}

/// A line, and where it stands.
struct Line {
    item: Item,
    file: String,
    number: u32,
}

/// Lines by their paths, in the order of the paths' first lines.
#[derive(Default)]
struct Lines {
    all: Vec<(String, Vec<Line>)>,
    index: BTreeMap<String, usize>,
}

/// Carries out tmpfiles.d on a system.
pub fn run(root: &Root, request: &Request) -> Report {
    let mut report = Report::default();
    let (host, accounts) = (host::host(root), Accounts::read(root));
    let (mut named, mut patterns) = (Lines::default(), Lines::default());
    let mut count = 0;
    for text in texts(root, &FOLDERS, &request.given, request.replace.as_deref(), &mut report.wrong) {
        for (number, line) in lines(&text.text) {
            count += 1;
            let read = line.map_err(|()| Trouble::from("the line is not UTF-8".to_owned()));
            let read = read.and_then(|line| take(line, &host, &accounts, request));
            let item = match read {
                Ok(Some(item)) if count <= MOST_LINES => item,
                Ok(_) => continue,
                Err(Trouble { reason, tolerated }) => {
                    let list = if tolerated { &mut report.failed } else { &mut report.wrong };
                    list.push(Problem { file: text.path.clone(), line: number, reason, tolerated });
                    continue;
                }
            };
            let lines = if item.kind.takes_pattern() { &mut patterns } else { &mut named };
            lines.add(Line { item, file: text.path.clone(), number });
        }
    }
    inherit_ages(&named, &mut patterns);
    let mut work = Work { root, request, named: &named, patterns: &patterns, accounts: &accounts, report };
    if request.remove || request.clean {
        work.all(&mut Work::away, true);
    }
    if request.create {
        work.all(&mut Work::make, false);
    }
    work.report
}

/// Reads a line; none where the request leaves it out.
fn take(line: &str, host: &Host, accounts: &Accounts, request: &Request) -> Result<Option<Item>, Trouble> {
    let mut item = parse(line, host).map_err(|error| error.to_string())?;
    if item.boot && !request.boot {
        return Ok(None);
    }
    if let Some(rest) = item.path.strip_prefix("/var/run/") {
        item.path = format!("/run/{rest}");
    }
    let below = |prefixes: &[String]| prefixes.iter().any(|prefix| starts_with(&item.path, prefix));
    if below(&request.excluded) || !request.prefixes.is_empty() && !below(&request.prefixes) {
        return Ok(None);
    }
    let user = item.user.as_ref().filter(|owner| accounts.user(&owner.name).is_none());
    let group = item.group.as_ref().filter(|owner| accounts.group(&owner.name).is_none());
    let unknown = user.map(|owner| ("user", owner)).or(group.map(|owner| ("group", owner)));
    if let Some((what, owner)) = unknown {
        return Err(format!("there is no {what} {}", owner.name).into());
    }
    if item.credential {
        let name = item.argument.take().filter(|name| !name.contains('/')).unwrap_or_default();
        let Some(folder) = &request.credentials else { return Ok(None) };
        match std::fs::read_to_string(format!("{folder}/{name}")) {
            Ok(text) => item.argument = Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("the credential {name}: {error}").into()),
        }
    }
    if item.base64 {
        let argument = item.argument.take().unwrap_or_default();
        let octets =
            base64(&argument).ok_or_else(|| Trouble::passed("the argument is no base64".to_owned()))?;
        item.argument =
            Some(String::from_utf8(octets).map_err(|_| "the decoded argument is not UTF-8".to_owned())?);
    }
    Ok(Some(item))
}

impl Lines {
    /// Adds a line, unless an earlier one says already what the path is.
    fn add(&mut self, line: Line) {
        let at = *self.index.entry(line.item.path.clone()).or_insert_with(|| {
            self.all.push((line.item.path.clone(), Vec::new()));
            self.all.len() - 1
        });
        let lines = &mut self.all[at].1;
        let owns = line.item.kind.owns();
        let taken = owns && lines.iter().any(|other| other.item.kind.owns() && other.item != line.item);
        // What is appended adds up.
        if taken && !(line.item.plus && line.item.kind == Kind::Write) {
            return;
        }
        // What makes the path comes before what adjusts it.
        let before = lines.iter().position(|other| owns && !other.item.kind.owns());
        lines.insert(before.unwrap_or(lines.len()), line);
    }
}

/// A folder that is not removed itself is cleaned like the folder it lies in.
fn inherit_ages(named: &Lines, patterns: &mut Lines) {
    for line in patterns.all.iter_mut().flat_map(|(_, lines)| lines) {
        if line.item.kind != Kind::IgnoreFolder || line.item.age.is_some() {
            continue;
        }
        let folders = named.all.iter().flat_map(|(_, lines)| lines).filter(|other| {
            matches!(other.item.kind, Kind::Folder | Kind::EmptiedFolder | Kind::Subvolume)
                && starts_with(&line.item.path, &other.item.path)
        });
        line.item.age = folders.max_by_key(|other| other.item.path.len()).and_then(|other| other.item.age);
    }
}

/// Whether a path is another one, or lies below it.
fn starts_with(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Work<'a> {
    root: &'a Root,
    request: &'a Request,
    named: &'a Lines,
    patterns: &'a Lines,
    accounts: &'a Accounts,
    report: Report,
}

impl<'a> Work<'a> {
    /// One phase over all lines: folders before what lies in them, or the other way round.
    fn all(&mut self, step: &mut dyn FnMut(&mut Work<'a>, &Line), inner_first: bool) {
        let mut done = BTreeSet::new();
        let named = self.named;
        for (path, _) in &named.all {
            self.with_others(path, step, inner_first, &mut done);
        }
        for line in self.patterns.all.iter().flat_map(|(_, lines)| lines) {
            step(self, line);
        }
    }

    fn with_others(
        &mut self,
        path: &str,
        step: &mut dyn FnMut(&mut Work<'a>, &Line),
        inner_first: bool,
        done: &mut BTreeSet<String>,
    ) {
        if done.contains(path) {
            return;
        }
        let named = self.named;
        let order: Vec<&str> = if inner_first {
            // Names below it follow each other in the index.
            let below = format!("{path}/");
            let inner = named.index.range(below.clone()..).map(|(other, _)| other.as_str());
            inner.take_while(|other| other.starts_with(&below)).chain([path]).collect()
        } else {
            let ends = path.match_indices('/').map(|(at, _)| &path[..at]).filter(|outer| !outer.is_empty());
            ends.chain([path]).collect()
        };
        let mut order: Vec<&str> = order.into_iter().filter(|path| named.index.contains_key(*path)).collect();
        if inner_first {
            order.sort_by_key(|path| std::cmp::Reverse(path.len()));
        }
        for path in order {
            if done.insert(path.to_owned()) {
                let at = named.index[path];
                named.all[at].1.iter().for_each(|line| step(self, line));
            }
        }
    }

    /// The paths that a line is for.
    fn paths(&self, item: &Item) -> Vec<String> {
        if !item.kind.takes_pattern() {
            return vec![item.path.clone()];
        }
        glob_paths(&item.path, &mut |folder| self.root.list(folder), &mut |path| self.root.exists(path))
    }

    fn make(&mut self, line: &Line) {
        let maker = Maker { root: self.root, accounts: self.accounts };
        for path in self.paths(&line.item) {
            if let Err(trouble) = maker.make(&line.item, &path) {
                self.failed(line, trouble);
            }
        }
    }

    /// Removes and cleans.
    fn away(&mut self, line: &Line) {
        if self.request.remove {
            self.remove(line);
        }
        let cleaned = matches!(
            line.item.kind,
            Kind::Folder
                | Kind::EmptiedFolder
                | Kind::ExistingFolder
                | Kind::Subvolume
                | Kind::Copy
                | Kind::IgnoreFolder
        );
        let age = line.item.age.filter(|_| self.request.clean && cleaned);
        let Some(age) = age else { return };
        let now = self.request.now.unwrap_or_else(SystemTime::now);
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i128);
        let (named, patterns) = (self.named, self.patterns);
        let spared = |path: &str| {
            named.index.contains_key(path)
                || patterns.all.iter().any(|(pattern, _)| glob_matches(pattern, path, GlobKind::Path))
        };
        let mut cleaner = Cleaner { now, spared: &spared, sockets: sockets(), removed: 0 };
        for path in self.paths(&line.item) {
            if let Err(reason) = cleaner.folder(self.root, &path, &age) {
                self.failed(line, reason);
            }
        }
        self.report.cleaned += cleaner.removed;
    }

    fn remove(&mut self, line: &Line) {
        if !matches!(line.item.kind, Kind::Remove | Kind::RemoveAll | Kind::EmptiedFolder) {
            return;
        }
        for path in self.paths(&line.item) {
            let node = match self.root.find(&path) {
                Ok(Some(node)) => node,
                Ok(None) => continue,
                Err(error) => {
                    self.failed(line, error.to_string());
                    continue;
                }
            };
            let is_folder = node.kind() == FileType::Directory;
            let (parent, name) = (node.parent.as_fd(), node.name.as_str());
            let removed = match line.item.kind {
                Kind::RemoveAll => remove_all(parent, name, DEEPEST),
                Kind::EmptiedFolder if is_folder => empty(parent, name, DEEPEST),
                Kind::Remove if is_folder => {
                    rustix::fs::unlinkat(parent, name, rustix::fs::AtFlags::REMOVEDIR)
                }
                Kind::Remove => rustix::fs::unlinkat(parent, name, rustix::fs::AtFlags::empty()),
                _ => Ok(()),
            };
            if let Err(errno) = removed {
                self.failed(line, format!("{path}: {errno}"));
            }
        }
    }

    fn failed(&mut self, line: &Line, trouble: impl Into<Trouble>) {
        let Trouble { reason, tolerated } = trouble.into();
        let (file, number, tolerated) = (line.file.clone(), line.number, tolerated || line.item.optional);
        self.report.failed.push(Problem { file, line: number, reason, tolerated });
    }
}

/// The sockets of the machine that have a path.
fn sockets() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let paths = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(7));
    paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
}

/// Decodes base64, with whitespace between.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    let text: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let end = text.iter().position(|octet| *octet == b'=').unwrap_or(text.len());
    if text[end..].iter().any(|octet| *octet != b'=') || text.len() - end > 2 || end % 4 == 1 {
        return None;
    }
    for octet in &text[..end] {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, plain) in [("", ""), ("TQ==", "M"), ("TWE=", "Ma"), ("TWFu", "Man"), ("TWFu TQ", "ManM")] {
            assert_eq!(base64(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        for text in ["T", "T=Q=", "T!==", "TWFu===="] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
