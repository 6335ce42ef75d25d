//! `perigee ctl start` and its kin: what is asked of units, and what came of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use perigee_init::control::{Client, RUNTIME, Reply, Request};
use perigee_units::machine::{JobOutcome, Verb};

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
    pub(crate) verb: Verb,
    pub(crate) active_only: bool,
    pub(crate) or_restart: bool,
}

pub(crate) fn run(arguments: &Arguments, wish: Wish) -> anyhow::Result<ExitCode> {
    let request = Request::Do {
        verb: wish.verb,
        units: arguments.units.iter().map(|name| super::full_name(name)).collect(),
        active_only: wish.active_only,
        or_restart: wish.or_restart,
        wait: !arguments.no_block,
    };
    let mut failed = false;
    arguments.supervisor.connect()?.ask(&request, |reply| {
        let Reply::Finished { job, outcome } = reply else { return };
        match outcome {
            JobOutcome::Done | JobOutcome::Skipped => {}
            _ => {
                failed = true;
                eprintln!("perigee: {}: {}; see `perigee ctl status {0}`", job.unit, words(outcome));
            }
        }
    })?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
