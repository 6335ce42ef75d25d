//! `perigee ctl list-dependencies`: what a unit needs, or who needs it, as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Args;
use perigee_init::control::{Reply, Request, UnitStatus};

use super::act::WhichSupervisor;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The unit at the root
    #[arg(value_name = "UNIT", default_value = "default.target")]
    pub(crate) unit: String,
    /// Who needs it, instead of what it needs
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Units that it comes after, instead of those that it needs
    #[arg(long, conflicts_with = "reverse")]
    pub(crate) after: bool,
    /// Names only
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) supervisor: WhichSupervisor,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let units: BTreeMap<String, UnitStatus> = all(&arguments.supervisor)?;
    let root = super::full_name(&arguments.unit);
    anyhow::ensure!(units.contains_key(&root), "{root} is not loaded");
    let relations: &[&str] = match (arguments.reverse, arguments.after) {
        (true, _) => &["RequiredBy", "BoundBy", "WantedBy"],
        (_, true) => &["After"],
        _ => &["Requires", "BindsTo", "Requisite", "Wants"],
    };
    let mut tree = Tree { units: &units, relations, plain: arguments.plain, shown: BTreeSet::new() };
    let mut out = stdout().lock();
    writeln!(out, "{root}")?;
    tree.below(&mut out, &root, "")?;
    Ok(ExitCode::SUCCESS)
}

/// Every unit that is loaded.
pub(crate) fn all(supervisor: &WhichSupervisor) -> anyhow::Result<BTreeMap<String, UnitStatus>> {
    let replies = supervisor.connect()?.all(&Request::Status { units: vec!["*".to_owned()] })?;
    let units = replies.into_iter().filter_map(|reply| match reply {
        Reply::Unit(status) => Some((status.listed.unit.clone(), *status)),
        _ => None,
    });
    Ok(units.collect())
}

struct Tree<'a> {
    units: &'a BTreeMap<String, UnitStatus>,
    relations: &'a [&'static str],
    plain: bool,
    /// What was shown with all below it once is shown alone the next time.
    shown: BTreeSet<String>,
}

impl Tree<'_> {
    fn below(&mut self, out: &mut impl Write, unit: &str, indent: &str) -> std::io::Result<()> {
        if !self.shown.insert(unit.to_owned()) {
            return Ok(());
        }
        let Some(status) = self.units.get(unit) else { return Ok(()) };
        let names = self.relations.iter().filter_map(|relation| status.relations.get(*relation)).flatten();
        let names: BTreeSet<&String> = names.collect();
        let count = names.len();
        for (index, name) in names.into_iter().enumerate() {
            let (branch, more) = match (self.plain, index + 1 == count) {
                (true, _) => ("  ", "  "),
                (_, true) => ("└─", "  "),
                _ => ("├─", "│ "),
            };
            let active = self.units.get(name).map_or("inactive", |status| status.listed.active.as_str());
            let mark = if self.plain { String::new() } else { format!("{} ", super::show::mark(active)) };
            writeln!(out, "{mark}{indent}{branch}{name}")?;
            self.below(out, name, &format!("{indent}{more}"))?;
        }
        Ok(())
    }
}
