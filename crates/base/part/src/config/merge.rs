//! Merging the sources, and remembering where each value came from.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Origin, Problem};

#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) values: Table,
    /// By dotted path, `link.0.address`; tables and lists as well as values.
    origins: BTreeMap<String, Origin>,
}

impl Merged {
    /// The place of `path`, or of the nearest thing around it that has one.
    pub(super) fn origin(&self, path: &str) -> Option<Origin> {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return Some(origin.clone());
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// The place of exactly `path`.
    pub(super) fn exact_origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(path)
    }

    /// Whether `path` was set in one piece from outside the file, with all that lies in it.
    pub(super) fn was_set_whole(&self, path: &str) -> bool {
        matches!(self.origins.get(path), Some(Origin::Environment(_) | Origin::Flag(_)))
    }

    /// Adds a whole document; tables are merged, everything else is replaced.
    pub(super) fn add_document(&mut self, text: &str, file: &str) -> Result<(), Problem> {
        let place = |offset: usize| Origin::File { path: file.to_owned(), line: line_of(text, offset) };
        let wrong = |error: toml::de::Error| {
            Problem::new(error.message().to_owned()).at(error.span().map(|span| place(span.start)))
        };
        let document = DeTable::parse(text).map_err(wrong)?;
        let values: Table = toml::from_str(text).map_err(wrong)?;
        note_table(document.get_ref(), "", &place, &mut self.origins);
        merge(&mut self.values, values);
        Ok(())
    }

    /// Sets one value, making the tables on the way.
    pub(super) fn set(&mut self, path: &[String], text: &str, origin: Origin) -> Result<(), Problem> {
        let misplaced = |what: &str| Problem::new(what.to_owned()).at(Some(origin.clone()));
        let [first, rest @ ..] = path else { return Err(misplaced("names no key")) };
        if rest.is_empty() || path.iter().any(String::is_empty) {
            return Err(misplaced("names no key: write TABLE.KEY").hint("for example log.level"));
        }
        let mut place = self.values.entry(first.clone()).or_insert_with(|| empty_for(rest));
        for (depth, key) in rest.iter().enumerate() {
            let further = &rest[depth + 1..];
            place = match place {
                Value::Table(table) => table.entry(key.clone()).or_insert_with(|| empty_for(further)),
                Value::Array(list) => {
                    let index: usize = key.parse().map_err(|_| misplaced("a list needs a number here"))?;
                    if index > list.len() {
                        let message =
                            format!("the list has {} entries: the next is {}", list.len(), list.len());
                        return Err(misplaced(&message));
                    }
                    if index == list.len() {
                        list.push(empty_for(further));
                    }
                    &mut list[index]
                }
                _ => {
                    return Err(misplaced(&format!(
                        "`{}` is a value, not a table",
                        path[..=depth].join(".")
                    )));
                }
            };
        }
        *place = read_value(text);
        self.origins.insert(path.join("."), origin);
        Ok(())
    }
}

/// What to make where the way goes on with `further`.
fn empty_for(further: &[String]) -> Value {
    match further.first() {
        Some(key) if key.parse::<usize>().is_ok() => Value::Array(Vec::new()),
        _ => Value::Table(Table::new()),
    }
}

/// A TOML value, or else the text itself.
fn read_value(text: &str) -> Value {
    #[derive(Deserialize)]
    struct Document {
        value: Value,
    }
    toml::from_str(&format!("value = {text}"))
        .map_or_else(|_| Value::String(text.to_owned()), |document: Document| document.value)
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&octet| octet == b'\n').count()
}

fn note_table(
    table: &DeTable<'_>,
    path: &str,
    place: &impl Fn(usize) -> Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let path =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        origins.insert(path.clone(), place(key.span().start));
        note_value(value, &path, place, origins);
    }
}

fn note_value(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    place: &impl Fn(usize) -> Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    match value.get_ref() {
        DeValue::Table(table) => note_table(table, path, place, origins),
        DeValue::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                let path = format!("{path}.{index}");
                origins.insert(path.clone(), place(entry.span().start));
                note_value(entry, &path, place, origins);
            }
        }
        _ => {}
    }
}
