//! Records as text for people: a line each, with the time, the unit and the process; by colour how urgent it is.

use std::io::Write;

use crate::record::{Priority, Record};
use crate::time::Time;

/// How records are shown.
#[derive(Clone, Copy, Default)]
pub struct Style {
    /// Colours by priority.
    pub colours: bool,
    /// The message alone, as it was printed (`cat`).
    pub message_only: bool,
    /// Shows the time; in UTC where there is none.
    pub time: Option<fn(Time) -> String>,
}

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREY: &str = "\x1b[90m";
const PLAIN: &str = "\x1b[0m";

/// Appends a record as a line, or as several when its message has several. Control characters are shown, not sent, so
/// that no message paints the terminal.
pub fn show(record: &Record<'_>, style: &Style, out: &mut Vec<u8>) {
    let colour = match record.priority {
        _ if !style.colours => "",
        Priority::EMERGENCY | Priority::ALERT | Priority::CRITICAL | Priority::ERROR => RED,
        Priority::WARNING => YELLOW,
        Priority::NOTICE => BOLD,
        Priority::DEBUG => GREY,
        _ => "",
    };
    let begin = out.len();
    if !style.message_only {
        let time = style.time.map_or_else(|| record.time.to_string(), |show| show(record.time));
        let unit = if record.unit.is_empty() { &record.identifier } else { &record.unit };
        // Writing into memory does not fail.
        let _ = write!(out, "{time} {unit}");
        if let Some(pid) = record.pid {
            let _ = write!(out, "[{pid}]");
        }
        out.extend_from_slice(b": ");
    }
    let indent = out[begin..].len();
    out.extend_from_slice(colour.as_bytes());
    for (at, line) in record.text().split('\n').enumerate() {
        if at > 0 {
            out.push(b'\n');
            out.resize(out.len() + indent, b' ');
        }
        for character in line.chars() {
            match character {
                '\t' => out.push(b'\t'),
                '\r' => {}
                c if c.is_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    if !colour.is_empty() {
        out.extend_from_slice(PLAIN.as_bytes());
    }
    out.push(b'\n');
}
