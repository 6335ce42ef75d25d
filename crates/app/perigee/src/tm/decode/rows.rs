//! Decoded packets as lines: JSON objects, or CSV with one value to a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use perigee_ccsds::time::Utc;
use perigee_telemetry::to_json;
use perigee_xtce::{Database, PacketWriter, Value};

use super::{Decoded, Format, Output};

/// Lines on their way to a file or to standard output.
pub(super) struct Rows<'d> {
    out: BufWriter<Box<dyn Write>>,
    name: String,
    line: Vec<u8>,
    database: &'d Database,
    /// Writes JSON; `None`: the lines are CSV.
    json: Option<PacketWriter<'d>>,
}

impl<'d> Rows<'d> {
    pub(super) fn create(
        path: Option<&Path>,
        format: Format,
        database: &'d Database,
    ) -> anyhow::Result<Self> {
        let (sink, name): (Box<dyn Write>, _) = match path {
            Some(path) => {
                let name = path.display().to_string();
                (Box::new(File::create(path).with_context(|| format!("cannot create {name}"))?), name)
            }
            None => (Box::new(io::stdout()), "standard output".to_owned()),
        };
        let json = (format == Format::Jsonl).then(|| PacketWriter::new(database));
        let mut line = Vec::new();
        if json.is_none() {
            line.extend_from_slice(b"packet,time,container,parameter,raw,eng\n");
        }
        let mut rows = Self { out: BufWriter::with_capacity(1 << 16, sink), name, line, database, json };
        rows.put()?;
        Ok(rows)
    }

    /// Writes the line; `false` when nobody reads any more.
    fn put(&mut self) -> anyhow::Result<bool> {
        let outcome = self.out.write_all(&self.line);
        self.line.clear();
        self.judge(outcome)
    }

    fn judge(&self, outcome: io::Result<()>) -> anyhow::Result<bool> {
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot write to {}", self.name)),
        }
    }

    fn csv(&mut self, packet: &Decoded<'_>) {
        let time = packet.time.map(|time| Utc::from_unix_nanoseconds(time).to_string()).unwrap_or_default();
        let container = self.database.container(packet.container).map_or("", |container| &container.name);
        for entry in &packet.values.entries {
            let Some(parameter) = self.database.parameter(entry.parameter) else { continue };
            // Writing to memory does not fail.
            let _ = write!(self.line, "{},{time},", packet.index);
            cell(&mut self.line, container);
            self.line.push(b',');
            cell(&mut self.line, &parameter.name);
            for value in [entry.raw, entry.eng] {
                self.line.push(b',');
                match value {
                    Value::Time(time) => cell(&mut self.line, &Utc::from_unix_nanoseconds(time).to_string()),
                    value => match to_json(value, &packet.values.arena, &parameter.labels) {
                        serde_json::Value::Null => {}
                        serde_json::Value::String(text) => cell(&mut self.line, &text),
                        other => cell(&mut self.line, &other.to_string()),
                    },
                }
            }
            self.line.push(b'\n');
        }
    }
}

impl Output for Rows<'_> {
    fn packet(&mut self, packet: &Decoded<'_>) -> anyhow::Result<bool> {
        if let Some(json) = &mut self.json {
            let entries = 0..packet.values.entries.len();
            json.write(packet.container, packet.time, packet.values, entries, &mut self.line);
            self.line.push(b'\n');
        } else {
            self.csv(packet);
        }
        self.put()
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        let outcome = self.out.flush();
        self.judge(outcome).map(drop)
    }
}

/// Writes one cell, in quotes where its text needs them (RFC 4180, 2).
fn cell(line: &mut Vec<u8>, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        return line.extend_from_slice(text.as_bytes());
    }
    line.push(b'"');
    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_where_they_need_it() {
        for (text, written) in [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\"")]
        {
            let mut line = Vec::new();
            cell(&mut line, text);
            assert_eq!(String::from_utf8_lossy(&line), written);
        }
    }
}
