//! `perigee ctl`: the words of systemctl, for units.

mod check;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Say what of units Perigee does not carry out, and what is wrong with them
    ///
    /// A line for each directive: FILE:LINE: Directive=: reason. Nothing is printed about a unit that is carried out
    /// whole. Exit status: 0 done; 1 a unit was not found or could not be read, or, under --strict, something was
    /// printed; 2 the command line was wrong.
    Check(check::Arguments),
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
    }
}
