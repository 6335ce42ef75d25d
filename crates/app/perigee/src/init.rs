//! `perigee init`: the supervisor, as PID 1 of a machine or a container, or as an ordinary process under another init.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use nix::unistd::geteuid;
use perigee_files::{SearchPath, write_builtin};
use perigee_init::control::RUNTIME;
use perigee_init::pid1;
use perigee_init::supervisor::{Ending, Fstab, LOG_CONFIG, Settings, Supervisor};
use perigee_init::system::SystemFiles;
use perigee_init::watchdog::Watchdog;

/// Where what units print is kept on a machine.
const LOG_FOLDER: &str = "/var/log/perigee";

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
    /// The folder in which what units print is kept: /var/log/perigee for root, else beside the run-time files
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// What is set for the supervisor as a whole stands in this file, in the syntax of /etc/systemd/system.conf; PID 1
    /// of a system reads that one if nothing is said
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Default for Arguments {
    /// As the kernel starts it.
    fn default() -> Arguments {
        Arguments {
            unit: "default.target".to_owned(),
            path: Vec::new(),
            runtime: RUNTIME.into(),
            console: true,
            log: None,
            config: None,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if pid1::is_first() {
        pid1::begin();
    }
    // Only what is first, and has the system's own units, is a system that boots.
    let whole = pid1::is_first() && arguments.path.is_empty();
    let builtin = write_builtin(&arguments.runtime, whole)
        .with_context(|| format!("cannot write units below {}", arguments.runtime.display()))?;
    let search = match arguments.path.as_slice() {
        [] => SearchPath::system(),
        folders => SearchPath::new(folders.to_vec()),
    };
    let mut search = search;
    let mut fstab = None;
    if pid1::is_machine() && arguments.path.is_empty() {
        let folder = arguments.runtime.join("generated");
        search = search.and(folder.clone());
        fstab = Some(Fstab { file: "/etc/fstab".into(), folder });
    }
    let settings = Settings {
        search: search.and(builtin),
        runtime: arguments.runtime.clone(),
        target: crate::ctl::unit_name(&arguments.unit)?,
        is_first: pid1::is_first(),
        console: arguments.console,
        system: match &arguments.config {
            Some(file) => SystemFiles::File(file.clone()),
            None if whole => SystemFiles::Usual,
            None => SystemFiles::None,
        },
        fstab,
        log: Some(log(arguments)),
    };
    let (ending, watchdog) = match supervise(settings) {
        Ok(ended) => ended,
        Err(error) if pid1::is_machine() && pid1::is_first() => {
            eprintln!("perigee: {}", crate::told(&error));
            return Ok(pid1::rescue());
        }
        Err(error) => return Err(error),
    };
    if pid1::is_first() {
        return Ok(pid1::finish(ending, Some(watchdog)));
    }
    Ok(match ending {
        Ending::Exit(status) => ExitCode::from(status),
        Ending::PowerOff | Ending::Reboot | Ending::Halt => ExitCode::SUCCESS,
    })
}

/// Runs the supervisor until it ends. One that falls over is followed by another copy of the program.
fn supervise(settings: Settings) -> anyhow::Result<(Ending, Watchdog)> {
    let mut supervisor = Supervisor::new(settings)?;
    match catch_unwind(AssertUnwindSafe(|| supervisor.run())) {
        Ok(ended) => Ok((ended?, supervisor.into_watchdog())),
        Err(_) => {
            supervisor.recover();
            anyhow::bail!("the supervisor has fallen over too often")
        }
    }
}

/// Where the log is; the usual sockets and the console are for the one supervisor of a machine.
fn log(arguments: &Arguments) -> perigee_log::Config {
    let beside = arguments.runtime.join("log");
    let usual = arguments.runtime == Path::new(RUNTIME) && geteuid().is_root();
    let folder = match &arguments.log {
        Some(folder) => folder.clone(),
        None if usual => PathBuf::from(LOG_FOLDER),
        None => beside.clone(),
    };
    let mut journal = perigee_journal::Settings::new(&folder);
    journal.fallback = Some(beside).filter(|fallback| *fallback != folder);
    let mut config = perigee_log::Config::new(journal);
    config.socket = Some(arguments.runtime.join("log.sock"));
    if arguments.console {
        config.console = Some(PathBuf::from(if pid1::is_machine() { "/dev/console" } else { "/dev/stderr" }));
    }
    if usual && pid1::is_first() {
        config.syslog = Some(PathBuf::from("/run/systemd/journal/dev-log"));
        config.syslog_links = vec![PathBuf::from("/dev/log")];
        config.native = Some(PathBuf::from("/run/systemd/journal/socket"));
        config.stdout = Some(PathBuf::from("/run/systemd/journal/stdout"));
    }
    config
}

/// `perigee log-process`: started by the supervisor, never by hand.
pub(crate) fn log_process() -> anyhow::Result<ExitCode> {
    let text = std::env::var(LOG_CONFIG).context("the log process is started by `perigee init`")?;
    let config = serde_json::from_str(&text).context("what the log process was told")?;
    perigee_log::run(Some(perigee_process::pidfd::received(3)), config)?;
    Ok(ExitCode::SUCCESS)
}
