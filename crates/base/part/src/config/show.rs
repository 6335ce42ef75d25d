//! Showing what the configuration comes to, and where each value came from.

use std::fmt::Write;

use toml::Value;

use super::Settings;

/// Whether the value of a key must not be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["password", "secret", "token", "private"].iter().any(|word| key.contains(word))
}

impl Settings {
    /// The tables handed out so far as TOML, every value with its origin behind it. Secrets are hidden.
    pub fn show(&self) -> String {
        let mut rows = Vec::new();
        for (name, value) in &self.effective {
            match value {
                Value::Array(list) => {
                    for (index, entry) in list.iter().enumerate() {
                        rows.push(Row::Header(format!("[[{name}]]")));
                        self.rows_of(&format!("{name}.{index}"), "", entry, &mut rows);
                    }
                }
                other => {
                    rows.push(Row::Header(format!("[{name}]")));
                    self.rows_of(name, "", other, &mut rows);
                }
            }
        }
        render(&rows)
    }

    /// Rows of one table: `path` leads to it, `key` is what was written before it on a line.
    fn rows_of(&self, path: &str, key: &str, value: &Value, rows: &mut Vec<Row>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    let key = if key.is_empty() { quoted(name) } else { format!("{key}.{}", quoted(name)) };
                    self.rows_of(&format!("{path}.{name}"), &key, value, rows);
                }
            }
            leaf => {
                let shown = if is_secret(key) { "\"[secret]\"".to_owned() } else { leaf.to_string() };
                rows.push(Row::Value(format!("{key} = {shown}"), self.origin_of_value(path)));
            }
        }
    }

    fn origin_of_value(&self, path: &str) -> String {
        // Only what was set itself, or inside a value that was set whole, came from somewhere.
        let mut at = path;
        loop {
            if let Some(origin) = self.merged.exact_origin(at) {
                let whole = at == path || self.merged.was_set_whole(at);
                return if whole { origin.to_string() } else { "default".to_owned() };
            }
            match at.rsplit_once('.') {
                Some((above, _)) => at = above,
                None => return "default".to_owned(),
            }
        }
    }
}

enum Row {
    Header(String),
    Value(String, String),
}

fn render(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| match row {
        Row::Value(value, _) if value.len() <= 60 => value.len(),
        _ => 0,
    });
    let width = width.max().unwrap_or(0);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = match row {
            Row::Header(header) if index == 0 => writeln!(text, "{header}"),
            Row::Header(header) => writeln!(text, "\n{header}"),
            Row::Value(value, origin) => writeln!(text, "{value:width$}  # {origin}"),
        };
    }
    text
}

/// A key as TOML writes it.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    if bare { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}
