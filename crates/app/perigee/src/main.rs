//! The `perigee` command: a spacecraft ground-station node.
//!
//! The command reads the configuration, builds the parts, wires them ([`up`]) and runs them; offline
//! verbs work on recordings. Whatever is more than wiring lives in the rooms below.

mod cli;
mod documents;
mod tm;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Verb;

fn main() -> ExitCode {
    let outcome = match cli::Perigee::parse().verb {
        Verb::Tm(verb) => tm::run(verb),
        Verb::Completions(arguments) => documents::completions(&arguments),
        Verb::Man(arguments) => documents::man(&arguments),
        Verb::Version => documents::version(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("perigee: {error:#}");
            ExitCode::FAILURE
        }
    }
}
