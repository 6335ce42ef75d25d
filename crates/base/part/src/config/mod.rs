//! The configuration: one file with a table for each part, then the environment, then flags.
//!
//! Each part declares its table as a serde type with defaults beside its code. [`Settings`] merges what
//! the sources say, remembers where every value came from, and hands out tables. Whatever is wrong is
//! collected, so that one run names every mistake, each with its place and a hint.
//!
//! In the environment `PERIGEE_TELEMETRY__LIMITS__COUNT=3` sets `limits.count` of `[telemetry]`; a number
//! stands for a place in a list, as in `PERIGEE_LINK__0__ADDRESS`. Values are read as TOML, and as plain
//! text where they are not.

mod merge;
mod problem;
mod show;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use self::merge::Merged;
pub use self::problem::{Problem, Problems};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file.
    File {
        /// The file as it was named.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable of this name.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// All that the sources say, handed out table by table.
#[derive(Debug, Default)]
pub struct Settings {
    merged: Merged,
    problems: Vec<Problem>,
    /// Tables that someone asked for, with what they hold once defaults are filled in.
    effective: Vec<(String, Value)>,
    known: BTreeSet<String>,
}

impl Settings {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    pub fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let read = std::fs::read_to_string(path)
            .map_err(|error| Problem::new(format!("cannot read {name}: {error}")));
        if let Err(problem) = read.and_then(|text| self.merged.add_document(&text, &name)) {
            self.problems.push(problem);
        }
    }

    /// Adds the variables that speak of a table; others are passed over.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut spoken: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, value)| {
                let path = name.strip_prefix("PERIGEE_").filter(|rest| rest.contains("__"))?;
                Some((path.to_lowercase().split("__").map(str::to_owned).collect::<Vec<_>>(), name, value))
            })
            .collect();
        // List places in order, so that each finds the one before it: 2 before 10.
        spoken.sort_by_cached_key(|(path, ..)| {
            path.iter().map(|word| (word.parse::<usize>().ok(), word.clone())).collect::<Vec<_>>()
        });
        for (path, name, value) in spoken {
            self.set(&path, &value, Origin::Environment(name));
        }
    }

    /// Adds one flag: `key` is the dotted way to the value, `flag` what the user typed.
    pub fn flag(&mut self, key: &str, value: &str, flag: &str) {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        self.set(&path, value, Origin::Flag(flag.to_owned()));
    }

    fn set(&mut self, path: &[String], value: &str, origin: Origin) {
        if let Err(problem) = self.merged.set(path, value, origin) {
            self.problems.push(problem);
        }
    }

    /// Whether any source speaks of the table `name`.
    pub fn mentions(&self, name: &str) -> bool {
        self.merged.values.contains_key(name)
    }

    /// The table `name`; its default, and a problem on record, when it is wrong.
    pub fn table<T: DeserializeOwned + Serialize + Default>(&mut self, name: &str) -> T {
        self.known.insert(name.to_owned());
        let value = self.merged.values.get(name).cloned().unwrap_or_else(|| Value::Table(Default::default()));
        let table = self.read(name, value).unwrap_or_default();
        self.keep_for_show(name, &table);
        table
    }

    /// The list of tables `name` (`[[name]]` in the file); empty when there is none or one is wrong.
    pub fn list<T: DeserializeOwned + Serialize>(&mut self, name: &str) -> Vec<T> {
        self.known.insert(name.to_owned());
        let value = self.merged.values.get(name).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        if let Value::Table(_) = value {
            self.problems.push(
                Problem::new(format!("`{name}` is a list of tables"))
                    .at(self.merged.origin(name))
                    .hint(format!("write [[{name}]] with two brackets")),
            );
            return Vec::new();
        }
        let list = self.read(name, value).unwrap_or_default();
        self.keep_for_show(name, &list);
        list
    }

    /// What is wrong so far, tables that nobody asked for included.
    pub fn check(&self) -> Result<(), Problems> {
        let unknown = self.merged.values.keys().filter(|name| !self.known.contains(*name)).map(|name| {
            let known: Vec<_> = self.known.iter().map(String::as_str).collect();
            Problem::new(format!("there is no table [{name}]"))
                .at(self.merged.origin(name))
                .hint(problem::suggestion(name, &known))
        });
        let problems: Vec<_> = self.problems.iter().cloned().chain(unknown).collect();
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, value: Value) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(table) => Some(table),
            Err(error) => {
                self.problems.push(Problem::in_table(&self.merged, name, &error));
                None
            }
        }
    }

    fn keep_for_show(&mut self, name: &str, table: &impl Serialize) {
        match Value::try_from(table) {
            Ok(value) => self.effective.push((name.to_owned(), value)),
            Err(error) => self.problems.push(Problem::new(format!("cannot show [{name}]: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests;
