//! Which number a new user or group gets.

use std::collections::BTreeMap;

use super::tables::Table;

/// Numbers that a system hands out to its own users, as Debian's systemd has it.
const DEFAULT: (u32, u32) = (100, 999);

/// Who has which number, and what is still to be had.
#[derive(Debug)]
pub(super) struct Numbers {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
    ranges: Vec<(u32, u32)>,
    /// The last number that was tried; users and groups share it, so that theirs stay alike.
    last: Option<u32>,
}

impl Numbers {
    pub(super) fn new(passwd: &Table, group: &Table, ranges: Vec<(u32, u32)>) -> Numbers {
        let taken = |table: &Table| {
            let rows = table.rows.iter().filter_map(|row| Some((row.get(2)?.parse().ok()?, row[0].clone())));
            rows.collect()
        };
        let ranges = if ranges.is_empty() { vec![DEFAULT] } else { ranges };
        Numbers { users: taken(passwd), groups: taken(group), ranges, last: None }
    }

    /// Whether a user may have a number; `alone` also asks that no other's group has it.
    pub(super) fn user_may(&self, number: u32, name: &str, alone: bool) -> bool {
        let other = |groups: &BTreeMap<u32, String>| groups.get(&number).is_some_and(|other| other != name);
        !(self.users.contains_key(&number) || alone && other(&self.groups))
    }

    /// Whether a group may have a number; `alone` also asks that no other user has it.
    pub(super) fn group_may(&self, number: u32, name: &str, alone: bool) -> bool {
        let other = |users: &BTreeMap<u32, String>| users.get(&number).is_some_and(|other| other != name);
        !(self.groups.contains_key(&number) || alone && other(&self.users))
    }

    pub(super) fn take_user(&mut self, number: u32, name: &str) {
        self.users.insert(number, name.to_owned());
    }

    pub(super) fn take_group(&mut self, number: u32, name: &str) {
        self.groups.insert(number, name.to_owned());
    }

    /// The next number from the top that `fits`.
    pub(super) fn search(&mut self, fits: impl Fn(&Numbers, u32) -> bool) -> Option<u32> {
        loop {
            let below = self.last.unwrap_or(u32::MAX);
            let lower = self.ranges.iter().filter(|(first, _)| *first < below);
            let next = lower.map(|(_, last)| (*last).min(below - 1)).max()?;
            self.last = Some(next);
            if fits(self, next) {
                return Some(next);
            }
        }
    }
}
