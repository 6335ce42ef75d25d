//! `perigee ctl`: the words of systemctl, for units.

mod check;
mod order;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use perigee_init::files::SearchPath;
use perigee_units::unit::UnitName;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Say what of units Perigee does not carry out, and what is wrong with them
    ///
    /// A line for each directive: FILE:LINE: Directive=: reason. Nothing is printed about a unit that is carried out
    /// whole. Exit status: 0 done; 1 a unit was not found or could not be read, or, under --strict, something was
    /// printed; 2 the command line was wrong.
    Check(check::Arguments),
    /// Show what starting a unit would start, step by step; nothing is run
    ///
    /// The units of one line start together, and the next line waits for them. Circles in the order are named with
    /// the unit that is left out for each. Exit status: 0 done; 1 there is no such unit, or it cannot be started.
    Order(order::Arguments),
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Order(arguments) => order::run(&arguments),
    }
}

/// These folders, or those of the system.
fn search_path(folders: &[PathBuf]) -> SearchPath {
    if folders.is_empty() { SearchPath::system() } else { SearchPath::new(folders.to_vec()) }
}

/// A name without an ending is a service.
fn unit_name(text: &str) -> anyhow::Result<UnitName> {
    Ok(UnitName::parse(text).or_else(|_| UnitName::parse(&format!("{text}.service")))?)
}
