//! `perigee init`: the supervisor, as PID 1 of a machine or a container, or as an ordinary process under another init.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use perigee_init::control::RUNTIME;
use perigee_init::files::{SearchPath, write_builtin};
use perigee_init::pid1;
use perigee_init::supervisor::{Ending, Settings, Supervisor};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The unit to start
    #[arg(long, value_name = "UNIT", default_value = "default.target")]
    unit: String,
    /// Look for units in this folder instead of the system's; may be given again, the first one counts
    #[arg(long, value_name = "FOLDER")]
    path: Vec<PathBuf>,
    /// The folder of run-time files, with the control socket
    #[arg(long, value_name = "FOLDER", default_value = RUNTIME)]
    runtime: PathBuf,
    /// Show what units print here too
    #[arg(long)]
    console: bool,
}

impl Default for Arguments {
    /// As the kernel starts it.
    fn default() -> Arguments {
        Arguments {
            unit: "default.target".to_owned(),
            path: Vec::new(),
            runtime: RUNTIME.into(),
            console: true,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let builtin = write_builtin(&arguments.runtime)
        .with_context(|| format!("cannot write units below {}", arguments.runtime.display()))?;
    let search = match arguments.path.as_slice() {
        [] => SearchPath::system(),
        folders => SearchPath::new(folders.to_vec()),
    };
    let settings = Settings {
        search: search.and(builtin),
        runtime: arguments.runtime.clone(),
        target: crate::ctl::unit_name(&arguments.unit)?,
        is_first: pid1::is_first(),
        console: arguments.console,
    };
    let ending = Supervisor::new(settings)?.run()?;
    if pid1::is_first() {
        return Ok(pid1::finish(ending));
    }
    Ok(match ending {
        Ending::Exit(status) => ExitCode::from(status),
        Ending::PowerOff | Ending::Reboot | Ending::Halt => ExitCode::SUCCESS,
    })
}
