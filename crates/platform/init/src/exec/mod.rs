//! How the processes of a unit are made: what its file says of them, ready to be carried out.
//!
//! A [`Context`] is read once from the unit. It becomes [`Prepared`] at each start: folders are made, files of
//! variables read, users looked up. From that any number of processes are spawned, each with what is its own
//! ([`Attach`]).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::BorrowedFd;

use perigee_cgroup::Entry;
use perigee_process::{At, Launch, SpawnError, Spawned, Step};
use perigee_units::unit::{Command, EnvironmentFile, Unit, Value};

/// Where programs without a path are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a unit says of its processes.
#[derive(Clone, Debug, Default)]
pub struct Context {
    environment: BTreeMap<String, String>,
    files: Vec<EnvironmentFile>,
    directory: Option<String>,
}

/// The same, at one start.
#[derive(Clone, Debug)]
pub struct Prepared {
    environment: BTreeMap<String, String>,
    directory: Option<String>,
    /// What could not be done as the unit says and is no reason not to start, in words.
    pub notes: Vec<String>,
}

/// What is one process's own.
#[derive(Debug)]
pub struct Attach<'a> {
    /// Standard input.
    pub stdin: BorrowedFd<'a>,
    /// Standard output.
    pub stdout: BorrowedFd<'a>,
    /// Standard error.
    pub stderr: BorrowedFd<'a>,
    /// Descriptors from 3 on, with their names, as sd_listen_fds(3) has them.
    pub listen: &'a [(BorrowedFd<'a>, &'a str)],
    /// Variables of this process alone.
    pub variables: &'a [(&'a str, String)],
    /// Its control group.
    pub group: Option<&'a Entry>,
}

/// Why a process is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A file of variables cannot be read.
    #[error("cannot read {path}")]
    Environment {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The command is not in the unit any more.
    #[error("the unit has no such command any more")]
    Gone,
    /// A text that no process can be given.
    #[error("{0:?} has a NUL octet in it")]
    Nul(String),
    /// The system refused.
    #[error("cannot {step}: {source}")]
    Spawn {
        /// What.
        step: String,
        /// Why.
        source: SpawnError,
        /// The exit status that stands for it, as in systemd.exec(5).
        status: u8,
    },
}

impl ExecError {
    /// The exit status that stands for it, as in systemd.exec(5).
    pub fn status(&self) -> u8 {
        match self {
            ExecError::Environment { .. } | ExecError::Nul(_) | ExecError::Gone => 203,
            ExecError::Spawn { status, .. } => *status,
        }
    }
}

impl Context {
    /// Reads a unit.
    pub fn read(unit: &Unit) -> Context {
        let Some(section) = unit.name.kind().section() else { return Context::default() };
        let mut context = Context::default();
        for setting in unit.settings.iter().filter(|setting| setting.section == section) {
            match (setting.directive, &setting.value) {
                ("Environment", Value::Environment(pairs)) => context.environment.extend(pairs.clone()),
                ("EnvironmentFile", Value::EnvironmentFile(file)) => context.files.push(file.clone()),
                ("WorkingDirectory", Value::Text(path)) => context.directory = Some(path.clone()),
                _ => {}
            }
        }
        context
    }

    /// Makes ready what one start needs.
    ///
    /// # Errors
    /// What the unit needs is not there.
    pub fn prepare(&self) -> Result<Prepared, ExecError> {
        let mut environment = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        environment.extend(self.environment.clone());
        for file in &self.files {
            match fs::read_to_string(&file.path) {
                Ok(text) => environment.extend(text.lines().filter_map(assignment)),
                Err(_) if file.optional => {}
                Err(source) => return Err(ExecError::Environment { path: file.path.clone(), source }),
            }
        }
        Ok(Prepared { environment, directory: self.directory.clone(), notes: Vec::new() })
    }

    /// Removes what was only for the time of the run.
    pub fn clean(&self) {}
}

impl Prepared {
    /// Makes a process.
    ///
    /// # Errors
    /// What could not be done.
    pub fn spawn(&self, command: &Command, attach: &Attach<'_>) -> Result<Spawned, ExecError> {
        let mut variables = self.environment.clone();
        variables.extend(attach.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let names: Vec<_> = attach.listen.iter().map(|(_, name)| *name).collect();
        if !names.is_empty() {
            variables.insert("LISTEN_FDS".to_owned(), names.len().to_string());
            variables.insert("LISTEN_FDNAMES".to_owned(), names.join(":"));
        }
        let arguments = command.substituted(|name| variables.get(name).map(String::as_str));
        let arguments = arguments.into_iter().map(text).collect::<Result<_, _>>()?;
        let programs: Vec<String> = if command.program.starts_with('/') {
            vec![command.program.clone()]
        } else {
            PATH.split(':').map(|folder| format!("{folder}/{}", command.program)).collect()
        };
        let mut launch = Launch::new(text(programs[0].clone())?, arguments);
        for program in &programs[1..] {
            launch.or_program(text(program.clone())?);
        }
        let pairs = variables.iter().map(|(name, value)| text(format!("{name}={value}")));
        launch.environment(pairs.collect::<Result<_, _>>()?);
        if !names.is_empty() {
            launch.pid_variable(text("LISTEN_PID".to_owned())?);
        }
        launch.descriptor(attach.stdin).descriptor(attach.stdout).descriptor(attach.stderr);
        for (descriptor, _) in attach.listen {
            launch.descriptor(*descriptor);
        }
        if let Some(group) = attach.group {
            use std::os::fd::{AsFd, AsRawFd};
            if let Some(folder) = &group.clone_into {
                launch.group(folder.as_fd());
            }
            for join in &group.joins {
                let step = Step::JoinGroup(join.file.as_raw_fd());
                if join.required {
                    launch.step(step)
                } else {
                    launch.lenient(step)
                };
            }
        }
        launch.step(Step::Descriptors).step(Step::Session).step(Step::Signals { ignore_pipe: true });
        if let Some(directory) = &self.directory {
            let (optional, path) =
                directory.strip_prefix('-').map_or((false, &**directory), |path| (true, path));
            let step = Step::Directory(text(if path == "~" { "/root" } else { path }.to_owned())?);
            if optional {
                launch.lenient(step)
            } else {
                launch.step(step)
            };
        }
        launch.spawn().map_err(|source| {
            let (step, status) = match source.at() {
                At::Exec => (format!("execute {}", command.program), 203),
                At::Clone => ("make a process".to_owned(), 219),
                At::Step(place) => match launch.step_at(place) {
                    Some(Step::Directory(path)) => (format!("work in {}", path.to_string_lossy()), 200),
                    Some(step) => (step.name().to_owned(), 1),
                    None => ("make a process".to_owned(), 1),
                },
            };
            ExecError::Spawn { step, source, status }
        })
    }
}

fn text(text: String) -> Result<CString, ExecError> {
    CString::new(text.clone()).map_err(|_| ExecError::Nul(text))
}

/// A line of a file of variables.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
    Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
}
