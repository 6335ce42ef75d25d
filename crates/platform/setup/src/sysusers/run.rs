//! All lines of a system: groups first, then users, then who is in which group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::line::{Id, Line, parse};
use super::numbers::Numbers;
use super::tables::{TABLES, Table, lock};
use crate::conf::{Given, Problem, lines, texts};
use crate::{Root, host};

/// Where the files are; an earlier folder hides the later ones.
const FOLDERS: [&str; 5] = [
    "/etc/sysusers.d",
    "/run/sysusers.d",
    "/usr/local/lib/sysusers.d",
    "/usr/lib/sysusers.d",
    "/lib/sysusers.d",
];

/// Users and groups that are made, of all files together.
const MOST: usize = 10_000;

/// A password that nothing is equal to, of an account that is locked.
const LOCKED: &str = "!*";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// These files, or lines, instead of all.
    pub given: Vec<Given>,
    /// The given files stand where this one would.
    pub replace: Option<String>,
    /// Nothing is written.
    pub dry_run: bool,
    /// The time; now where it is not said.
    pub now: Option<SystemTime>,
}

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A user.
    User {
        /// The name.
        name: String,
        /// What it is called in full.
        gecos: String,
        /// Its number and that of its group.
        ids: (u32, u32),
    },
    /// A group, with its number.
    Group(String, u32),
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was made, in order.
    pub made: Vec<Made>,
    /// Lines that were not understood.
    pub wrong: Vec<Problem>,
    /// What could not be made.
    pub failed: Vec<String>,
}

/// A user that a line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct User {
    id: Id,
    gecos: Option<String>,
    home: Option<String>,
    shell: Option<String>,
}

/// What all lines ask for; names in the order in which they came.
#[derive(Debug, Default)]
struct Asked {
    users: Vec<(String, User)>,
    groups: Vec<(String, Id)>,
    members: BTreeMap<String, BTreeSet<String>>,
    ranges: Vec<(u32, u32)>,
}

/// Carries out sysusers.d on a system.
pub fn run(root: &Root, request: &Request) -> Report {
    let mut report = Report::default();
    let mut asked = Asked::default();
    let host = host::host(root);
    for text in texts(root, &FOLDERS, &request.given, request.replace.as_deref(), &mut report.wrong) {
        for (number, line) in lines(&text.text) {
            let read = line.map_err(|()| "the line is not UTF-8".to_owned());
            let read = read.and_then(|line| parse(line, &host).map_err(|error| error.to_string()));
            let taken = read.and_then(|line| asked.take(line));
            if let Err(reason) = taken {
                report.wrong.push(Problem {
                    file: text.path.clone(),
                    line: number,
                    reason,
                    tolerated: false,
                });
            }
        }
    }
    // Without all of what was to be read nothing is done.
    if let Some(unread) = report.wrong.iter().find(|problem| problem.line == 0) {
        report.failed.push(unread.to_string());
        return report;
    }
    asked.complete();
    let held = if request.dry_run { Ok(None) } else { lock(root).map(Some) };
    match held {
        Err(reason) => report.failed.push(reason),
        Ok(held) => {
            make(root, request, &asked, &mut report);
            drop(held);
        }
    }
    report
}

impl Asked {
    fn take(&mut self, line: Line) -> Result<(), String> {
        if self.users.len() + self.groups.len() + self.members.len() > MOST {
            return Err("there are too many lines".to_owned());
        }
        match line {
            Line::User { name, id, gecos, home, shell } => {
                let user = User { id, gecos, home, shell };
                match self.users.iter().find(|(known, _)| *known == name) {
                    Some((_, known)) if *known != user => {
                        Err(format!("an earlier line says other things of {name}"))
                    }
                    Some(_) => Ok(()),
                    None => {
                        self.users.push((name, user));
                        Ok(())
                    }
                }
            }
            Line::Group { name, id } => match self.groups.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known != id => {
                    Err(format!("an earlier line says other things of {name}"))
                }
                Some(_) => Ok(()),
                None => {
                    self.groups.push((name, id));
                    Ok(())
                }
            },
            Line::Member { user, group } => {
                self.members.entry(group).or_default().insert(user);
                Ok(())
            }
            Line::Range(first, last) => {
                self.ranges.push((first, last));
                Ok(())
            }
        }
    }

    /// Members and groups that no line makes are made too.
    fn complete(&mut self) {
        for (group, users) in &self.members {
            for user in users {
                if !self.users.iter().any(|(known, _)| known == user) {
                    self.users.push((user.clone(), User::default()));
                }
            }
            let known =
                self.users.iter().map(|(name, _)| name).chain(self.groups.iter().map(|(name, _)| name));
            if !known.into_iter().any(|known| known == group) {
                self.groups.push((group.clone(), Id::default()));
            }
        }
    }
}

/// The tables while they are changed.
struct Making<'a> {
    root: &'a Root,
    numbers: Numbers,
    passwd: Table,
    group: Table,
    shadow: Table,
    gshadow: Table,
    /// Groups that were made now, with their numbers.
    new_groups: BTreeMap<String, u32>,
    made: Vec<Made>,
}

fn make(root: &Root, request: &Request, asked: &Asked, report: &mut Report) {
    let tables = TABLES.map(|(name, _)| Table::read(root, name));
    let [passwd, group, shadow, gshadow] = tables.clone();
    let numbers = Numbers::new(&passwd, &group, asked.ranges.clone());
    let (new_groups, made) = (BTreeMap::new(), Vec::new());
    let mut making = Making { root, numbers, passwd, group, shadow, gshadow, new_groups, made };
    for (name, id) in &asked.groups {
        if let Err(reason) = making.group(name, id, None) {
            report.failed.push(reason);
        }
    }
    let now = request.now.unwrap_or_else(SystemTime::now);
    let days = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    for (name, user) in &asked.users {
        if let Err(reason) = making.user(name, user, days) {
            report.failed.push(reason);
        }
    }
    for (group, users) in &asked.members {
        join(&mut making.group, group, users);
        join(&mut making.gshadow, group, users);
    }
    report.made = making.made;
    if request.dry_run {
        return;
    }
    let after = [making.passwd, making.group, making.shadow, making.gshadow];
    // The groups of a user are there before the user is.
    for at in [1, 3, 0, 2] {
        let (name, mode) = TABLES[at];
        if after[at] != tables[at]
            && let Err(reason) = after[at].write(root, name, mode)
        {
            report.failed.push(reason);
            return;
        }
    }
}

/// Adds users to the last column of a group; sorted, if any is new.
fn join(table: &mut Table, group: &str, users: &BTreeSet<String>) {
    let Some(row) = table.rows.iter_mut().find(|row| row[0] == group) else { return };
    let Some(column) = row.last_mut() else { return };
    let have: BTreeSet<String> =
        column.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if !users.is_subset(&have) {
        *column = have.union(users).cloned().collect::<Vec<_>>().join(",");
    }
}

impl Making<'_> {
    fn group_number(&self, name: &str) -> Option<u32> {
        self.group.find(name)?.get(2)?.parse().ok()
    }

    /// Makes a group, if there is none of this name; `user` is the number of the user whose group it is to be.
    fn group(&mut self, name: &str, id: &Id, user: Option<u32>) -> Result<u32, String> {
        if let Some(number) = self.group_number(name) {
            return Ok(number);
        }
        let wanted = id.number.filter(|number| self.numbers.group_may(*number, name, false));
        let number = wanted
            .or_else(|| user.filter(|number| self.numbers.group_may(*number, name, true)))
            .or_else(|| {
                let number = self.owner(id.of_file.as_deref()?)?.1;
                self.numbers.group_may(number, name, true).then_some(number)
            })
            .or_else(|| self.numbers.search(|numbers, number| numbers.group_may(number, name, true)))
            .ok_or_else(|| format!("there is no number left for the group {name}"))?;
        self.numbers.take_group(number, name);
        let row = |columns: [&str; 4]| columns.map(str::to_owned).to_vec();
        self.group.rows.push(row([name, "x", &number.to_string(), ""]));
        if self.gshadow.find(name).is_none() {
            self.gshadow.rows.push(row([name, LOCKED, "", ""]));
        }
        self.new_groups.insert(name.to_owned(), number);
        self.made.push(Made::Group(name.to_owned(), number));
        Ok(number)
    }

    fn user(&mut self, name: &str, user: &User, days: u64) -> Result<(), String> {
        let id = &user.id;
        let of_group = id.group_name.as_deref().unwrap_or(name);
        // With a group of its own the number should be that of the group; with another's it need not.
        let (group, own) = if let Some(number) = self.new_groups.get(of_group) {
            (*number, id.group_name.is_none())
        } else if let Some(group) = &id.group_name {
            let number = self.group_number(group);
            (number.ok_or_else(|| format!("there is no group {group} for the user {name}"))?, false)
        } else if let Some(number) = id.group {
            // A group that is named by its number must be there.
            if self.numbers.group_may(number, name, false) {
                return Err(format!("there is no group with number {number} for the user {name}"));
            }
            (number, false)
        } else {
            let asked = Id { of_file: id.of_file.clone(), ..Id::default() };
            (self.group(name, &asked, id.number)?, true)
        };
        if self.passwd.find(name).is_some() {
            return Ok(());
        }
        let wanted =
            id.number.filter(|number| self.numbers.user_may(*number, name, own && id.group.is_none()));
        let number = wanted
            .or_else(|| {
                let number = self.owner(id.of_file.as_deref()?)?.0;
                self.numbers.user_may(number, name, true).then_some(number)
            })
            .or_else(|| Some(group).filter(|number| self.numbers.user_may(*number, name, true)))
            .or_else(|| self.numbers.search(|numbers, number| numbers.user_may(number, name, true)))
            .ok_or_else(|| format!("there is no number left for the user {name}"))?;
        self.numbers.take_user(number, name);
        let root = number == 0;
        let gecos = user.gecos.clone().unwrap_or_default();
        let home = user.home.as_deref().unwrap_or(if root { "/root" } else { "/" });
        let shell = user.shell.as_deref().unwrap_or(if root { "/bin/bash" } else { "/usr/sbin/nologin" });
        let columns = [name, "x", &number.to_string(), &group.to_string(), &gecos, home, shell];
        self.passwd.rows.push(columns.map(str::to_owned).to_vec());
        if self.shadow.find(name).is_none() {
            let columns = [name, LOCKED, &days.to_string(), "", "", "", "", "", ""];
            self.shadow.rows.push(columns.map(str::to_owned).to_vec());
        }
        self.made.push(Made::User { name: name.to_owned(), gecos, ids: (number, group) });
        Ok(())
    }

    /// The owner and the group of a file.
    fn owner(&self, path: &str) -> Option<(u32, u32)> {
        let node = self.root.look(path).ok()??;
        Some((node.stat.st_uid, node.stat.st_gid))
    }
}
