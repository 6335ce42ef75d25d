//! The command line: help, completions and manual pages all come from these definitions.

use clap::{Parser, Subcommand};

use crate::{account, archive, configuration, ctl, documents, init, setup, tm, up};

/// A spacecraft ground-station node.
///
/// Turns radio frames into engineering values, archives them and shows them live in a browser.
#[derive(Parser)]
#[command(name = "perigee", version, arg_required_else_help = true, propagate_version = false)]
pub(crate) struct Perigee {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run the station until Ctrl-C
    Up(up::UpArguments),
    /// Run one part of the station, with those that it needs
    Run(up::RunArguments),
    /// Show the configuration and where each value comes from, or check it
    Config(configuration::Arguments),
    /// Work on recorded telemetry: frames, packets, engineering values
    ///
    /// Exit status: 0 done; 1 it could not be done: a file that cannot be read, a wrong link file, nothing decoded
    /// at all; 2 the command line was wrong; 3 under --strict: done, but something was rejected. What was rejected,
    /// and why, is told on standard error.
    #[command(subcommand)]
    Tm(tm::Verb),
    /// Look into the archive, check it, decode its packets again; the station need not run
    #[command(subcommand)]
    Archive(archive::Verb),
    /// Write what units print
    #[command(hide = true)]
    LogProcess,
    /// Run units: as PID 1, or as a supervisor under another init
    ///
    /// Starts default.target, or the unit that is named, and all that it drags along. SIGTERM stops everything in order.
    /// As PID 1, SIGINT and SIGRTMIN+5 reboot, SIGRTMIN+4 powers off. `perigee ctl` talks to it.
    Init(init::Arguments),
    /// Ask the supervisor about units, and tell it what to do with them
    #[command(subcommand, disable_help_subcommand = true)]
    Ctl(ctl::Verb),
    /// Set a system up: the files of tmpfiles.d, the accounts of sysusers.d
    #[command(subcommand)]
    Setup(setup::Verb),
    /// Manage accounts and API tokens
    Account(account::Arguments),
    /// Print the completions of a shell
    Completions(documents::CompletionsArguments),
    /// Print the manual page, or write one for every command into a directory
    Man(documents::ManArguments),
    /// Print the version
    Version,
}
