//! The table that `make bench` prints: each figure beside its peer, its target and its physical limit.

/// One line of the table.
pub struct Row {
    pub work: String,
    pub ours: String,
    pub peer: String,
    pub theirs: String,
    /// Ours to theirs; more is better.
    pub ratio: f64,
    /// The ratio that we set out to reach; `None` where the target is not a ratio.
    pub wanted: Option<f64>,
    /// What the machine itself allows, measured or counted.
    pub limit: String,
}

pub fn print(rows: &[Row]) {
    let head = ["work", "perigee", "peer", "peer's figure", "ratio", "wanted", "", "physical limit"];
    let cells: Vec<[String; 8]> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            cells.iter().map(|row| row[column].chars().count()).chain([head[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &[&str]| {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", padded.join(" | "));
    };
    line(&head);
    println!("|{}|", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|"));
    for row in &cells {
        line(&row.each_ref().map(String::as_str));
    }
}

fn cells(row: &Row) -> [String; 8] {
    let verdict = match row.wanted {
        Some(wanted) if row.ratio < wanted => "short",
        Some(_) => "ok",
        None => "",
    };
    [
        row.work.clone(),
        row.ours.clone(),
        row.peer.clone(),
        row.theirs.clone(),
        format!("{:.1}x", row.ratio),
        row.wanted.map_or(String::new(), |wanted| format!("{wanted}x")),
        verdict.to_owned(),
        row.limit.clone(),
    ]
}

/// `123456789.0` octets a second as `123.5 MB/s`.
pub fn rate(octets_per_second: f64) -> String {
    if octets_per_second >= 1e9 {
        format!("{:.2} GB/s", octets_per_second / 1e9)
    } else {
        format!("{:.1} MB/s", octets_per_second / 1e6)
    }
}

/// A count a second, in thousands or millions.
pub fn count(per_second: f64, what: &str) -> String {
    if per_second >= 1e6 {
        format!("{:.2} M {what}/s", per_second / 1e6)
    } else {
        format!("{:.1} k {what}/s", per_second / 1e3)
    }
}
