//! System call filters: `SystemCallFilter=` and everything that is done by the same means.

mod assemble;
mod groups;
mod numbers;
mod restrict;

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;
use perigee_process::FilterInstruction;

use self::assemble::{Action, MOST_INSTRUCTIONS, program, ranges};
use self::numbers::{Architecture, HERE};
use super::reader::Reader;
pub(super) use restrict::Restrictions;

/// Numbers of the second ABI that x86-64 has beside its own begin here; nobody uses it, and it must not be a way
/// around a filter.
const X32: u32 = 0x4000_0000;

/// What a unit says of system calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// Whether only what is listed is allowed, instead of all but that.
    allow: bool,
    /// Those that are listed, with what becomes of them where it is not what becomes of all.
    listed: BTreeMap<&'static str, Option<Action>>,
    /// What becomes of the others.
    refused: Option<Action>,
    /// Only programs of these architectures run.
    architectures: Option<BTreeSet<Architecture>>,
    log: Option<(bool, BTreeSet<&'static str>)>,
}

impl Calls {
    pub(super) fn read(reader: &mut Reader<'_>) -> Calls {
        let refused = reader.text("SystemCallErrorNumber").map(str::to_owned);
        let refused = refused.and_then(|text| {
            let action = action(&text);
            if action.is_none() {
                reader.problem("SystemCallErrorNumber", &text, "there is no such error");
            }
            action
        });
        let mut calls = Calls { refused, ..Calls::default() };
        calls.read_lists(reader);
        calls.read_architectures(reader);
        calls.read_log(reader);
        calls
    }

    fn read_lists(&mut self, reader: &mut Reader<'_>) {
        for (index, line) in reader.lines("SystemCallFilter").into_iter().enumerate() {
            let (negated, words) = split(line);
            if index == 0 {
                self.allow = !negated;
                if self.allow {
                    names("@default", &mut |name| {
                        self.listed.insert(name, None);
                    });
                }
            }
            for word in words {
                let (name, special) = match word.split_once(':') {
                    Some((name, text)) => match action(text) {
                        Some(action) => (name, Some(action)),
                        None => {
                            reader.problem("SystemCallFilter", word, "there is no such error");
                            continue;
                        }
                    },
                    None => (word, None),
                };
                let takes = negated != self.allow;
                let known = names(name, &mut |name| match takes {
                    // Of the list's own kind: one more.
                    true => drop(self.listed.insert(name, special.filter(|_| !self.allow))),
                    // One less, unless it is to fail in its own way.
                    false if self.allow && special.is_some() => drop(self.listed.insert(name, special)),
                    false => drop(self.listed.remove(name)),
                });
                if !known {
                    reader.problem("SystemCallFilter", word, "there is no such system call or group");
                }
            }
        }
    }

    fn read_architectures(&mut self, reader: &mut Reader<'_>) {
        for word in reader.words("SystemCallArchitectures") {
            let set = self.architectures.get_or_insert_default();
            let all = [Architecture::X86_64, Architecture::X86, Architecture::Arm64];
            match (word, all.iter().find(|a| a.name() == word)) {
                ("native", _) => set.extend(HERE.first()),
                (_, Some(architecture)) => drop(set.insert(*architecture)),
                // Those that this machine has not, it does not run either.
                ("x32" | "arm" | "ppc64-le" | "ppc64" | "ppc" | "s390" | "s390x" | "riscv64", _) => {}
                _ => reader.problem("SystemCallArchitectures", word, "there is no such architecture"),
            }
        }
    }

    fn read_log(&mut self, reader: &mut Reader<'_>) {
        for (index, line) in reader.lines("SystemCallLog").into_iter().enumerate() {
            let (negated, words) = split(line);
            let (all_but, mut set) =
                self.log.take().filter(|_| index > 0).unwrap_or((negated, BTreeSet::new()));
            for word in words {
                let known = names(word, &mut |name| match negated == all_but {
                    true => drop(set.insert(name)),
                    false => drop(set.remove(name)),
                });
                if !known {
                    reader.problem("SystemCallLog", word, "there is no such system call or group");
                }
            }
            self.log = Some((all_but, set));
        }
    }

    fn filters(&self) -> bool {
        self.allow || !self.listed.is_empty()
    }

    /// The programs, in the order in which they are set; the strictest last, since each applies to setting the next.
    fn programs(&self) -> Vec<Vec<FilterInstruction>> {
        let mut programs = Vec::new();
        if let Some(allowed) = &self.architectures {
            let section = |a: &Architecture| {
                (
                    a.audit(),
                    ranges(&[
                        (0, Action::Allow),
                        (X32, if *a == Architecture::X86_64 { Action::Kill } else { Action::Allow }),
                    ]),
                )
            };
            programs.push(program(&allowed.iter().map(section).collect::<Vec<_>>(), Action::Kill));
        }
        if let Some((all_but, set)) = &self.log {
            let chosen =
                |name: &str| if set.contains(name) != *all_but { Action::Log } else { Action::Allow };
            programs.push(by_name(&chosen, Action::Allow));
        }
        if self.filters() {
            let refused = self.refused.unwrap_or(Action::Kill);
            let chosen = |name: &str| match (self.listed.get(name), self.allow) {
                (Some(Some(special)), _) => *special,
                (Some(None), true) | (None, false) => Action::Allow,
                (Some(None), false) | (None, true) => refused,
            };
            // What nobody has heard of yet a C library tries first, and then does as it did before.
            let unknown = if self.allow { Action::Error(Errno::ENOSYS as u16) } else { Action::Allow };
            programs.push(by_name(&chosen, unknown));
        }
        programs
    }
}

/// Every filter of a unit.
#[derive(Debug)]
pub(super) struct Filters {
    /// In the order in which they are set.
    pub(super) programs: Vec<Vec<FilterInstruction>>,
    /// What cannot be filtered here, in words.
    pub(super) lost: Option<String>,
}

/// Every filter of a unit.
pub(super) fn programs(calls: &Calls, restrictions: &Restrictions) -> Filters {
    let mut programs = restrictions.programs();
    programs.extend(calls.programs());
    if HERE.is_empty() && (calls.filters() || restrictions.any() || calls.architectures.is_some()) {
        let lost = Some("system calls are filtered on x86-64 and arm64 only".to_owned());
        return Filters { programs: Vec::new(), lost };
    }
    let all = programs.len();
    programs.retain(|program| program.len() <= MOST_INSTRUCTIONS);
    let lost = (programs.len() < all).then(|| "a system call filter is too long for the kernel".to_owned());
    Filters { programs, lost }
}

/// A program which chooses by the name of the call.
fn by_name(chosen: &dyn Fn(&str) -> Action, unknown: Action) -> Vec<FilterInstruction> {
    let sections = HERE.iter().map(|architecture| {
        let mut numbers: Vec<(u32, Action)> =
            architecture.names().map(|(name, number)| (number, chosen(name))).collect();
        numbers.sort_unstable_by_key(|(number, _)| *number);
        let mut cut: Vec<(u32, Action)> = Vec::new();
        let mut next = 0;
        let mut push = |from: u32, action: Action| {
            if cut.last().is_none_or(|(_, last)| *last != action) {
                cut.push((from, action));
            }
        };
        for (number, action) in numbers {
            if number > next {
                push(next, unknown);
            }
            push(number, action);
            next = number + 1;
        }
        push(next, unknown);
        if *architecture == Architecture::X86_64 {
            push(X32, Action::Error(Errno::ENOSYS as u16));
        }
        (architecture.audit(), ranges(&cut))
    });
    // Programs of other architectures do not run on this kernel, or cannot be told apart: they run no more.
    program(&sections.collect::<Vec<_>>(), Action::Error(Errno::ENOSYS as u16))
}

/// `~` before the first word takes the list as what is meant not.
fn split(line: &[String]) -> (bool, Vec<&str>) {
    let mut words: Vec<&str> = line.iter().map(String::as_str).collect();
    let negated = words.first().is_some_and(|word| word.starts_with('~'));
    if let Some(first) = words.first_mut().filter(|_| negated) {
        *first = &first[1..];
    }
    words.retain(|word| !word.is_empty());
    (negated, words)
}

/// Gives every system call that a name or a group stands for; whether there is such.
fn names(name: &str, take: &mut dyn FnMut(&'static str)) -> bool {
    if name.starts_with('@') {
        let Some(members) = groups::members(name) else { return false };
        for member in members {
            names(member, take);
        }
        return true;
    }
    match numbers::known(name) {
        Some(known) => {
            take(known);
            true
        }
        // The groups name calls of architectures that are not here.
        None => groups::GROUPS.iter().any(|(_, members)| members.split_whitespace().any(|m| m == name)),
    }
}

/// `kill`, `log`, a name such as `EPERM`, or a number.
fn action(text: &str) -> Option<Action> {
    match text {
        "kill" => Some(Action::Kill),
        "log" => Some(Action::Log),
        text => {
            let number = text.parse().ok().filter(|number| (0..=4095).contains(number));
            let named = || {
                let all = (1..134).map(Errno::from_raw).filter(|errno| *errno != Errno::UnknownErrno);
                let known = all.into_iter().find(|errno| format!("{errno:?}") == text);
                known.map(|errno| errno as i32)
            };
            number.or_else(named).map(|number: i32| Action::Error(number as u16))
        }
    }
}

#[cfg(test)]
mod tests {
    use perigee_units::unit::{Host, Source, Unit, UnitName};

    use super::*;

    fn calls(lines: &str) -> Calls {
        let name = UnitName::parse("a.service").unwrap();
        let text = format!("[Service]\nExecStart=/bin/true\n{lines}\n").into_bytes();
        let unit = Unit::read(name, &[Source { path: "a.service".into(), text }], &Host::default());
        let mut reader = Reader::new(&unit).unwrap();
        let calls = Calls::read(&mut reader);
        assert_eq!(reader.problems, Vec::<String>::new(), "{lines}");
        calls
    }

    /// What becomes of a call on the machine's own architecture.
    fn check(lines: &str, expected: &[(&str, Action)]) {
        let programs = calls(lines).programs();
        for (name, action) in expected {
            let number = HERE[0].number(name).unwrap();
            let codes =
                programs.iter().map(|program| assemble::run(program, HERE[0].audit(), number, [0; 6]));
            // The kernel takes the strictest: as signed numbers, the least.
            let code = codes.min_by_key(|code| *code as i32).unwrap_or(Action::Allow.code());
            assert_eq!(code, action.code(), "{lines}: {name}");
        }
    }

    #[test]
    fn lists_that_allow_and_lists_that_deny() {
        use Action::{Allow, Error, Kill};
        let eperm = Error(Errno::EPERM as u16);
        check("", &[("read", Allow), ("reboot", Allow)]);
        check("SystemCallFilter=@system-service", &[("read", Allow), ("execve", Allow), ("reboot", Kill)]);
        check(
            "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\nSystemCallFilter=~@privileged @resources",
            &[("read", Allow), ("chroot", eperm), ("setrlimit", eperm), ("prlimit64", Allow)],
        );
        check(
            "SystemCallFilter=~@mount reboot:EPERM",
            &[("mount", Kill), ("reboot", eperm), ("read", Allow)],
        );
        check("SystemCallFilter=~@mount\nSystemCallFilter=umount2", &[("mount", Kill), ("umount2", Allow)]);
        check("SystemCallFilter=read\nSystemCallFilter=write", &[("write", Allow), ("open", Kill)]);
        check(
            "SystemCallFilter=read\nSystemCallFilter=\nSystemCallFilter=~write",
            &[("open", Allow), ("write", Kill)],
        );
        check("SystemCallLog=read", &[("read", Action::Log), ("write", Allow)]);
    }

    #[test]
    fn other_architectures() {
        let native = calls("SystemCallArchitectures=native").programs();
        assert_eq!(assemble::run(&native[0], HERE[0].audit(), 1, [0; 6]), Action::Allow.code());
        assert_eq!(assemble::run(&native[0], 1, 1, [0; 6]), Action::Kill.code());
        if HERE[0] == Architecture::X86_64 {
            assert_eq!(assemble::run(&native[0], HERE[0].audit(), X32 | 1, [0; 6]), Action::Kill.code());
            let denied = calls("SystemCallFilter=~reboot").programs();
            let x86 = Architecture::X86;
            let reboot = x86.number("reboot").unwrap();
            assert_eq!(assemble::run(&denied[0], x86.audit(), reboot, [0; 6]), Action::Kill.code());
        }
    }

    #[test]
    fn a_call_that_nobody_knows_is_missing_where_a_list_allows() {
        let allowed = calls("SystemCallFilter=@system-service").programs();
        let missing = Action::Error(Errno::ENOSYS as u16).code();
        assert_eq!(assemble::run(&allowed[0], HERE[0].audit(), 5000, [0; 6]), missing);
        let denied = calls("SystemCallFilter=~reboot").programs();
        assert_eq!(assemble::run(&denied[0], HERE[0].audit(), 5000, [0; 6]), Action::Allow.code());
    }

    /// systemd says itself what is in its groups, where it is installed.
    #[test]
    fn groups_are_those_of_systemd() {
        let output =
            std::process::Command::new("systemd-analyze").args(["--no-pager", "syscall-filter"]).output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else {
            eprintln!("SKIPPED groups_are_those_of_systemd: systemd-analyze is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (mut group, mut seen) = (String::new(), 0);
        for line in text.lines() {
            match line.trim() {
                "" => group.clear(),
                name if line.starts_with('@') => group = name.to_owned(),
                comment if comment.starts_with('#') => {}
                member if !group.is_empty() && group != "@known" => {
                    let members: Vec<_> = groups::members(&group).expect(&group).collect();
                    assert!(members.contains(&member), "{group}: {member}");
                    seen += 1;
                }
                _ => {}
            }
        }
        assert!(seen > 400, "systemd names {seen} calls only");
    }
}
