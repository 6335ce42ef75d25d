//! What the program says about itself: completions, manual pages, version.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::cli::Perigee;

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

#[derive(Args)]
pub(crate) struct ManArguments {
    /// Write perigee.1, perigee-up.1 and so on here; left out: print perigee.1
    directory: Option<PathBuf>,
}

pub(crate) fn completions(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    clap_complete::generate(arguments.shell, &mut Perigee::command(), "perigee", &mut stdout());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(arguments: &ManArguments) -> anyhow::Result<ExitCode> {
    match &arguments.directory {
        None => clap_mangen::Man::new(Perigee::command()).render(&mut stdout())?,
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(Perigee::command(), directory))
                .with_context(|| format!("writing manual pages into {}", directory.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn version() -> anyhow::Result<ExitCode> {
    writeln!(stdout(), "perigee {}", env!("CARGO_PKG_VERSION"))?;
    Ok(ExitCode::SUCCESS)
}
