//! `perigee ctl start` and its kin: what is asked of units, and what came of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches, Subcommand};
use perigee_init::control::{Client, ClientError, RUNTIME, Reason, Reply, Request};
use perigee_units::machine::{self, JobOutcome};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Start units
    Start(Arguments),
    /// Stop units
    Stop(Arguments),
    /// Stop units if they run, then start them
    Restart(Arguments),
    /// Restart those units that run
    TryRestart(Arguments),
    /// Let units read their configuration again
    Reload(Arguments),
    /// Reload units, or restart those that cannot reload
    ReloadOrRestart(Arguments),
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Units by name; a name without an ending is a service; patterns mean units that are loaded
    #[arg(required = true, value_name = "UNIT")]
    pub(crate) units: Vec<String>,
    /// Do not wait until it is done
    #[arg(long)]
    pub(crate) no_block: bool,
    /// Say nothing of what went well
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    supervisor: WhichSupervisor,
}

impl Arguments {
    /// These units of this supervisor.
    pub(crate) fn new(units: Vec<String>, supervisor: WhichSupervisor) -> Arguments {
        Arguments { units, no_block: false, quiet: false, supervisor }
    }
}

/// The command line, where it begins with `ctl` and one of these words: scripts use them all the time, and it takes longer
/// to set the whole command line up than to carry them out.
pub(crate) fn called() -> Option<Verb> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let (ctl, word) = (words.first()?, words.get(1)?.to_str()?);
    if ctl != "ctl" || !Verb::has_subcommand(word) {
        return None;
    }
    let command = Command::new("ctl").no_binary_name(true).bin_name("perigee ctl");
    let command = Verb::augment_subcommands(command.disable_help_subcommand(true));
    let matches = command.get_matches_from(&words[1..]);
    Some(Verb::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

pub(crate) fn run_verb(verb: &Verb) -> anyhow::Result<ExitCode> {
    let wish = |verb| Wish { verb, active_only: false, or_restart: false };
    match verb {
        Verb::Start(arguments) => run(arguments, wish(machine::Verb::Start)),
        Verb::Stop(arguments) => run(arguments, wish(machine::Verb::Stop)),
        Verb::Restart(arguments) => run(arguments, wish(machine::Verb::Restart)),
        Verb::TryRestart(arguments) => {
            run(arguments, Wish { active_only: true, ..wish(machine::Verb::Restart) })
        }
        Verb::Reload(arguments) => run(arguments, wish(machine::Verb::Reload)),
        Verb::ReloadOrRestart(arguments) => {
            run(arguments, Wish { or_restart: true, ..wish(machine::Verb::Reload) })
        }
    }
}

/// The supervisor that is asked.
#[derive(Args, Clone)]
pub(crate) struct WhichSupervisor {
    /// The folder of its run-time files
    #[arg(long, value_name = "FOLDER", default_value = RUNTIME)]
    pub(crate) runtime: PathBuf,
}

impl WhichSupervisor {
    pub(crate) fn connect(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.runtime)?)
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) verb: machine::Verb,
    pub(crate) active_only: bool,
    pub(crate) or_restart: bool,
}

impl Wish {
    /// What it is called.
    fn word(self) -> &'static str {
        match (self.verb, self.active_only, self.or_restart) {
            (machine::Verb::Start, ..) => "start",
            (machine::Verb::Stop, ..) => "stop",
            (machine::Verb::Restart, true, _) => "try-restart",
            (machine::Verb::Restart, ..) => "restart",
            (machine::Verb::Reload, true, true) => "try-reload-or-restart",
            (machine::Verb::Reload, _, true) => "reload-or-restart",
            (machine::Verb::Reload, ..) => "reload",
        }
    }
}

pub(crate) fn run(arguments: &Arguments, wish: Wish) -> anyhow::Result<ExitCode> {
    let request = Request::Do {
        verb: wish.verb,
        units: arguments.units.iter().map(|name| super::full_name(name)).collect(),
        active_only: wish.active_only,
        or_restart: wish.or_restart,
        wait: !arguments.no_block,
    };
    let mut status = 0;
    let answered = arguments.supervisor.connect()?.ask(&request, |reply| match reply {
        Reply::NotDone { unit, reason, why } => {
            eprintln!("Failed to {} {unit}: {}", wish.word(), sentence(wish.verb, &unit, reason, why));
            status = exit_status(reason);
        }
        Reply::Finished { job, outcome } if !matches!(outcome, JobOutcome::Done | JobOutcome::Skipped) => {
            status = status.max(1);
            eprintln!("Job for {} failed: {}; see `perigee ctl status {0}`", job.unit, words(outcome));
        }
        _ => {}
    });
    match answered {
        // It was said already.
        Err(ClientError::Refused(_)) if status != 0 => {}
        answered => answered?,
    }
    Ok(ExitCode::from(status))
}

/// Starts a unit with all that it drags along, and stops everything else. Exit status: 1 if the unit has not come up.
pub(crate) fn isolate(supervisor: &WhichSupervisor, unit: &str, wait: bool) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    supervisor.connect()?.ask(
        &Request::Isolate { unit: super::full_name(unit), wait },
        |reply| match reply {
            Reply::Finished { job, outcome }
                if !matches!(outcome, JobOutcome::Done | JobOutcome::Skipped) =>
            {
                status = ExitCode::FAILURE;
                eprintln!("Job for {} failed: {}; see `perigee ctl status {0}`", job.unit, words(outcome));
            }
            _ => {}
        },
    )?;
    Ok(status)
}

/// As systemctl has them.
fn exit_status(reason: Reason) -> u8 {
    match reason {
        Reason::NotFound | Reason::Needs => 5,
        Reason::NotApplicable => 3,
        Reason::NotPermitted => 4,
        Reason::Masked | Reason::Other => 1,
    }
}

/// In the words that scripts look for.
fn sentence(verb: machine::Verb, unit: &str, reason: Reason, why: String) -> String {
    match reason {
        Reason::NotFound if verb == machine::Verb::Stop => format!("Unit {unit} not loaded."),
        Reason::NotFound => format!("Unit {unit} not found."),
        Reason::Masked => format!("Unit {unit} is masked."),
        Reason::NotApplicable => format!("Job type reload is not applicable for unit {unit}."),
        Reason::NotPermitted => format!("Operation refused: {why}"),
        Reason::Needs | Reason::Other => why,
    }
}

fn words(outcome: JobOutcome) -> &'static str {
    match outcome {
        JobOutcome::Done => "done",
        JobOutcome::Skipped => "not started, since a condition does not hold",
        JobOutcome::Failed => "it has failed",
        JobOutcome::Dependency => "a unit that it needs is not there",
        JobOutcome::Cancelled => "a contrary request came",
        JobOutcome::Timeout => "it took too long",
    }
}
