//! `perigee ctl`: the words of systemctl, for units.

pub(crate) mod act;
mod analyze;
mod check;
mod declared;
pub(crate) mod edit;
pub(crate) mod environment;
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
    #[command(flatten)]
    Act(act::Verb),
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
    /// Show the variables that all services get
    ShowEnvironment(environment::Show),
    /// Set variables that all services get from their next start on
    ///
    /// They are kept by the supervisor alone, until it ends.
    SetEnvironment(environment::Set),
    /// Take back what was set so
    UnsetEnvironment(environment::Unset),
    /// Set variables as they are here
    ImportEnvironment(environment::Import),
    /// Set limits of a unit, at once and for its next starts
    ///
    /// Directives of resource control alone, such as CPUWeight=200 or MemoryMax=1G; an empty value takes one back. They are
    /// kept as drop-ins, which `perigee ctl revert` removes.
    SetProperty(environment::Property),
    /// Show how much the supervisor says of itself, or change it
    LogLevel(environment::Level),
    /// List the machines whose units are managed here: this one
    ListMachines(environment::Machines),
    /// Edit a drop-in of units, or with --full their unit files
    ///
    /// What was written is checked before it is kept, and the supervisor reads the units again. The editor is that of
    /// $SYSTEMD_EDITOR, $EDITOR or $VISUAL, else the first of editor, nano, vim and vi that is there.
    Edit(edit::Edit),
    /// Remove what administrators have made of units: drop-ins, and files that hide those of packages
    Revert(edit::Revert),
    /// Let a unit want others, without their [Install] sections
    AddWants(edit::Dependency),
    /// Let a unit require others, without their [Install] sections
    AddRequires(edit::Dependency),
    /// Show the documentation that units name: manual pages are opened, the others are listed
    Help(install::Named),
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
        Verb::Act(verb) => act::run_verb(&verb),
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
        Verb::ShowEnvironment(arguments) => environment::show(&arguments),
        Verb::SetEnvironment(arguments) => environment::set(&arguments),
        Verb::UnsetEnvironment(arguments) => environment::unset(&arguments),
        Verb::ImportEnvironment(arguments) => environment::import(&arguments),
        Verb::SetProperty(arguments) => environment::set_property(&arguments),
        Verb::LogLevel(arguments) => environment::log_level(&arguments),
        Verb::ListMachines(arguments) => environment::list_machines(&arguments),
        Verb::Edit(arguments) => edit::edit(&arguments),
        Verb::Revert(arguments) => edit::revert(&arguments),
        Verb::AddWants(arguments) => edit::add_dependency(&arguments, false),
        Verb::AddRequires(arguments) => edit::add_dependency(&arguments, true),
        Verb::Help(arguments) => edit::help(&arguments),
        Verb::DaemonReload(supervisor) => manage::ask(&supervisor, &Request::DaemonReload),
        Verb::DaemonReexec(supervisor) => manage::ask(&supervisor, &Request::DaemonReexec),
        Verb::Poweroff(supervisor) => manage::ask(&supervisor, &Request::PowerOff),
        Verb::Reboot(supervisor) => manage::ask(&supervisor, &Request::Reboot),
        Verb::Halt(supervisor) => manage::ask(&supervisor, &Request::Halt),
        Verb::Exit { status, supervisor } => manage::ask(&supervisor, &Request::Exit { status }),
        Verb::Events(arguments) => show::events(&arguments),
    }
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
