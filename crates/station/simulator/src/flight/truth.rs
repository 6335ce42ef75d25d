//! What the flight software means, by the names of the mission database: what a ground that decodes it must find.

use super::PACKETS;
use super::layout::{Coding, Field};
use crate::model::Satellite;

/// A value on board.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth {
    /// A number, and how far the one that is read on the ground may lie from it.
    Number(f64, f64),
    /// A text.
    Text(&'static str),
}

/// The container of a kind of packet.
///
/// # Panics
/// From [`KINDS`](super::KINDS) on.
pub fn container(kind: usize) -> &'static str {
    PACKETS[kind].name
}

/// Every value of a kind of packet, in order, with the parameter's qualified name.
///
/// # Panics
/// From [`KINDS`](super::KINDS) on.
pub fn values(kind: usize, satellite: &Satellite) -> Vec<(String, Truth)> {
    let packet = PACKETS[kind];
    let system = packet.name.rsplit_once('/').map_or("", |(system, _)| system);
    let mut all = Vec::new();
    let mut push = |name: String, truth| all.push((format!("{system}/{name}"), truth));
    let number = |value: f64, coding: Coding| Truth::Number(value, coding.resolution(value));
    for field in packet.fields {
        match field {
            Field::Value { name, coding, value } => {
                push((*name).to_owned(), number(value(satellite), *coding));
            }
            Field::Flag { name, value } => {
                push((*name).to_owned(), Truth::Number(u8::from(value(satellite)).into(), 0.0));
            }
            Field::Array { name, count, coding, value } => {
                (0..*count).for_each(|i| push(format!("{name}[{i}]"), number(value(satellite, i), *coding)));
            }
            Field::Group { name, count, members } => {
                for i in 0..*count {
                    for member in *members {
                        let value = (member.value)(satellite, i);
                        push(format!("{name}[{i}].{}", member.name), number(value, member.coding));
                    }
                }
            }
            Field::Text { name, value, .. } => push((*name).to_owned(), Truth::Text(value(satellite))),
            Field::Spare(_) => {}
        }
    }
    all
}
