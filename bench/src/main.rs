//! `make bench`: each figure beside a peer on the same input in the same run, and beside the limit of the
//! machine. Sections are named on the command line; all of them run when none is.

mod bulk;
mod center;
mod chain;
mod coding;
mod init;
mod libfec;
mod live;
mod logs;
mod measure;
mod spawn;
mod table;
mod values;
mod xtce;

use table::Row;

type Section = fn() -> anyhow::Result<Vec<Row>>;

const SECTIONS: [(&str, Section); 12] = [
    ("coding", coding::run),
    ("chain", chain::run),
    ("xtce", xtce::run),
    ("bulk", bulk::run),
    ("values", values::run),
    ("live", live::run),
    ("start", live::start),
    ("hold", live::hold::run),
    ("spawn", spawn::run),
    ("logs", logs::run),
    ("center", center::run),
    ("init", init::run),
];

fn main() -> anyhow::Result<()> {
    // The benches of the log start this program as the log process.
    if let Some(outcome) = logs::become_log_process() {
        return outcome;
    }
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for name in &asked {
        anyhow::ensure!(
            SECTIONS.iter().any(|(section, _)| section == name),
            "there is no section {name}: {}",
            SECTIONS.map(|(section, _)| section).join(", ")
        );
    }
    let mut rows = Vec::new();
    for (name, section) in SECTIONS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            eprintln!("{name} …");
            rows.extend(section()?);
        }
    }
    table::print(&rows);
    Ok(())
}
