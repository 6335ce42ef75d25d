//! `perigee ctl`: the words of systemctl, for units.

pub(crate) mod act;
mod analyze;
mod check;
mod declared;
pub(crate) mod install;
pub(crate) mod lists;
mod logs;
pub(crate) mod manage;
mod order;
pub(crate) mod properties;
pub(crate) mod show;
pub(crate) mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use perigee_files::SearchPath;
use perigee_init::control::Request;
use perigee_units::machine;
use perigee_units::unit::UnitName;

use act::Wish;

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
    /// Start units
    Start(act::Arguments),
    /// Stop units
    Stop(act::Arguments),
    /// Stop units if they run, then start them
    Restart(act::Arguments),
    /// Restart those units that run
    TryRestart(act::Arguments),
    /// Let units read their configuration again
    Reload(act::Arguments),
    /// Reload units, or restart those that cannot reload
    ReloadOrRestart(act::Arguments),
    /// Start a unit with all that it needs and wants, and stop everything else
    ///
    /// Its file must say AllowIsolate=yes; units whose files say IgnoreOnIsolate=yes go on.
    Isolate {
        /// The unit by name; a name without an ending is a service
        #[arg(value_name = "UNIT")]
        unit: String,
        /// Do not wait until it is done
        #[arg(long)]
        no_block: bool,
        #[command(flatten)]
        supervisor: act::WhichSupervisor,
    },
    /// Show how units are; without a unit, how the supervisor is
    ///
    /// Exit status: 0 all are active; 3 one is not; 4 there is no such unit.
    Status(show::Units),
    /// Whether units are active; exit status 3 if none is
    IsActive {
        #[command(flatten)]
        units: show::Units,
        /// Say nothing
        #[arg(long, short)]
        quiet: bool,
    },
    /// List the units that are loaded
    ListUnits(show::List),
    /// List the timers, and when they elapse
    ListTimers(lists::Arguments),
    /// List the sockets of units, and what they listen at
    ListSockets(lists::Arguments),
    /// Show what a unit needs, and what that needs, as a tree
    ListDependencies(tree::Arguments),
    /// How long units took to start, and why
    #[command(subcommand)]
    Analyze(analyze::Verb),
    /// Send a signal to the processes of units
    Kill(manage::Kill),
    /// Forget that units have failed
    ResetFailed(manage::SomeUnits),
    /// List what was asked for and is not done
    ListJobs(act::WhichSupervisor),
    /// Cancel jobs
    Cancel(manage::Cancel),
    /// Run a command as a unit that has no file
    Run(manage::Run),
    /// Read unit files again
    DaemonReload(act::WhichSupervisor),
    /// Let the program at the supervisor's path take over; no unit is started again
    DaemonReexec(act::WhichSupervisor),
    /// Stop everything and switch the machine off
    Poweroff(act::WhichSupervisor),
    /// Stop everything and start the machine anew
    Reboot(act::WhichSupervisor),
    /// Stop everything and halt
    Halt(act::WhichSupervisor),
    /// Stop everything and end the supervisor
    Exit {
        /// Its exit status
        #[arg(default_value_t = 0)]
        status: u8,
        #[command(flatten)]
        supervisor: act::WhichSupervisor,
    },
    /// Show what is known of units as NAME=VALUE
    Show(properties::Arguments),
    #[command(flatten)]
    Install(install::Verb),
    /// Show every change of state as it happens
    Events(show::Events),
    /// Show what units have printed, from the files of the log; the supervisor need not run
    ///
    /// Without an option all of it, the oldest first. Options that are given must all fit. Control characters in a text
    /// are shown, not sent to the terminal, but with -o cat into a pipe, which gives every octet as it was printed.
    ///
    /// Exit status: 0 something was found; 1 nothing was, or the log cannot be read; 2 the command line was wrong.
    ///
    /// Examples: `perigee ctl logs -fu nginx`; `perigee ctl logs -b -p warning`; `perigee ctl logs --since '1h ago'
    /// --grep carrier`; `perigee ctl logs -u 'link-*' --json | jq -r .msg`.
    Logs(Box<logs::Arguments>),
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Order(arguments) => order::run(&arguments),
        Verb::Start(arguments) => act::run(&arguments, wish(machine::Verb::Start)),
        Verb::Stop(arguments) => act::run(&arguments, wish(machine::Verb::Stop)),
        Verb::Restart(arguments) => act::run(&arguments, wish(machine::Verb::Restart)),
        Verb::TryRestart(arguments) => {
            act::run(&arguments, Wish { active_only: true, ..wish(machine::Verb::Restart) })
        }
        Verb::Reload(arguments) => act::run(&arguments, wish(machine::Verb::Reload)),
        Verb::ReloadOrRestart(arguments) => {
            act::run(&arguments, Wish { or_restart: true, ..wish(machine::Verb::Reload) })
        }
        Verb::Isolate { unit, no_block, supervisor } => act::isolate(&supervisor, &unit, !no_block),
        Verb::Status(arguments) => show::status(&arguments),
        Verb::IsActive { units, quiet } => show::is_active_verb(&units, quiet),
        Verb::Show(arguments) => properties::run(&arguments),
        Verb::Install(verb) => install::run(verb),
        Verb::ListUnits(arguments) => show::list(&arguments),
        Verb::Logs(arguments) => logs::run(&arguments),
        Verb::ListTimers(arguments) => lists::timers(&arguments),
        Verb::ListSockets(arguments) => lists::sockets(&arguments),
        Verb::ListDependencies(arguments) => tree::run(&arguments),
        Verb::Analyze(verb) => analyze::run(&verb),
        Verb::Kill(arguments) => manage::kill(&arguments),
        Verb::ResetFailed(arguments) => manage::reset_failed(&arguments),
        Verb::ListJobs(supervisor) => manage::list_jobs(&supervisor),
        Verb::Cancel(arguments) => manage::cancel(&arguments),
        Verb::Run(arguments) => manage::run(&arguments),
        Verb::DaemonReload(supervisor) => manage::ask(&supervisor, &Request::DaemonReload),
        Verb::DaemonReexec(supervisor) => manage::ask(&supervisor, &Request::DaemonReexec),
        Verb::Poweroff(supervisor) => manage::ask(&supervisor, &Request::PowerOff),
        Verb::Reboot(supervisor) => manage::ask(&supervisor, &Request::Reboot),
        Verb::Halt(supervisor) => manage::ask(&supervisor, &Request::Halt),
        Verb::Exit { status, supervisor } => manage::ask(&supervisor, &Request::Exit { status }),
        Verb::Events(arguments) => show::events(&arguments),
    }
}

fn wish(verb: machine::Verb) -> Wish {
    Wish { verb, active_only: false, or_restart: false }
}

/// A name without an ending is a service.
pub(crate) fn full_name(name: &str) -> String {
    unit_name(name).map_or_else(|_| name.to_owned(), |name| name.to_string())
}

/// These folders, or those of the system.
fn search_path(folders: &[PathBuf]) -> SearchPath {
    if folders.is_empty() { SearchPath::system() } else { SearchPath::new(folders.to_vec()) }
}

/// A name without an ending is a service.
pub(crate) fn unit_name(text: &str) -> anyhow::Result<UnitName> {
    Ok(UnitName::parse(text).or_else(|_| UnitName::parse(&format!("{text}.service")))?)
}
