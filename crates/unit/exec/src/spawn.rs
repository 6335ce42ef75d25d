//! A process is put together, step by step, and made.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use perigee_process::{At, Errno, Launch, SpawnError, Step, StepList};
use perigee_units::tasks;
use perigee_units::unit::{Command, Privileges, UnitName};

use super::mounts::{self, View};
use super::rights::{Identity, Rights};
use super::{Attach, ExecError, Keyring, Prepared, Spawned, environment, filter};

/// Kinds of namespaces, of unshare(2).
const NEWUTS: i32 = 0x0400_0000;
const NEWIPC: i32 = 0x0800_0000;
const NEWNET: i32 = 0x4000_0000;
const NEWUSER: i32 = 0x1000_0000;
pub(super) const CAP_SYS_ADMIN: u64 = 1 << 21;

/// What a step is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// Nothing starts without it; else this exit status.
    Must(u8),
    /// It is told if it fails: for this directive.
    May(String),
    /// The same, but what is not there needs nothing.
    IfThere(String),
    /// It is not told either: what is there already, or need not be there.
    Quiet,
}

/// The steps of a process, with what each is for.
pub(super) struct Steps<'s, 'fd> {
    launch: &'s mut Launch<'fd>,
    purposes: Vec<Purpose>,
    notes: Vec<String>,
    /// Capabilities that the supervisor has in force.
    pub(super) capabilities: u64,
    /// And that can be had at all.
    pub(super) bounding: u64,
}

impl Steps<'_, '_> {
    /// A step that nothing starts without.
    pub(super) fn add(&mut self, status: u8, step: Step) {
        self.launch.step(step);
        self.purposes.push(Purpose::Must(status));
    }

    /// A step whose failure is a note.
    pub(super) fn try_to(&mut self, directive: &str, step: Step) {
        self.launch.lenient(step);
        self.purposes.push(Purpose::May(directive.to_owned()));
    }

    /// A step whose failure changes nothing.
    pub(super) fn quietly(&mut self, step: Step) {
        self.launch.lenient(step);
        self.purposes.push(Purpose::Quiet);
    }

    /// A step about a path of the view, which may be missing or not.
    pub(super) fn mount(&mut self, optional: bool, path: &std::path::Path, step: Step) {
        if !optional {
            return self.add(226, step);
        }
        self.launch.lenient(step);
        self.purposes.push(Purpose::IfThere(path.display().to_string()));
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// A process that takes its steps: it may not run its program yet.
#[derive(Debug)]
pub struct Making {
    process: perigee_process::Making,
    program: String,
    purposes: Vec<Purpose>,
    notes: Vec<String>,
}

impl Making {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.pid() as u32
    }

    /// Whether it runs its program, has failed to, or took too long: [`Making::finish`] waits for nothing then.
    pub fn is_over(&self) -> bool {
        self.process.is_over() || self.process.is_overdue()
    }

    /// Waits so long at most; whether it is over.
    pub fn wait(&self, most: Duration) -> bool {
        self.process.wait(most)
    }

    /// Waits until it runs its program.
    ///
    /// # Errors
    /// What could not be done. Nothing is left of the process then.
    pub fn finish(self) -> Result<Spawned, ExecError> {
        let Making { process, program, purposes, mut notes } = self;
        let steps = process.steps();
        let spawned = process.finish().map_err(|error| failed(error, &program, &steps, &purposes))?;
        for (place, errno) in spawned.lenient {
            let what = match purposes.get(place) {
                Some(Purpose::May(what)) => what,
                Some(Purpose::IfThere(path)) if errno != Errno::ENOENT => path,
                _ => continue,
            };
            if let Some(step) = steps.get(place) {
                notes.push(format!("{what}: {} failed: {}", step.name(), errno.desc()));
            }
        }
        Ok(Spawned { pid: spawned.pid, pidfd: spawned.pidfd, notes })
    }
}

impl Prepared {
    /// Begins to make a process which runs a command of the unit.
    ///
    /// # Errors
    /// What could not be done. Nothing is left of the process then.
    pub fn begin(&self, command: &Command, attach: &Attach<'_>) -> Result<Making, ExecError> {
        self.make(command, attach, command.privileges)
    }

    /// The same for a command other than `ExecStart=`: `PermissionsStartOnly=` lets it have all rights.
    ///
    /// # Errors
    /// As [`Prepared::begin`].
    pub fn begin_beside(&self, command: &Command, attach: &Attach<'_>) -> Result<Making, ExecError> {
        let all = self.settings.rights_at_start_only || self.settings.root_at_start_only;
        self.make(command, attach, if all { Privileges::Full } else { command.privileges })
    }

    fn make(
        &self,
        command: &Command,
        attach: &Attach<'_>,
        privileges: Privileges,
    ) -> Result<Making, ExecError> {
        let settings = &*self.settings;
        let mut variables = self.variables.clone();
        variables.extend(attach.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let names: Vec<_> = attach.listen.iter().map(|(_, name)| *name).collect();
        if !names.is_empty() {
            variables.insert("LISTEN_FDS".to_owned(), names.len().to_string());
            variables.insert("LISTEN_FDNAMES".to_owned(), names.join(":"));
        }
        if attach.tasks.is_some() {
            variables.insert(tasks::VARIABLE.to_owned(), (3 + names.len()).to_string());
            let own = UnitName::parse(&settings.name).ok();
            if let Some(instance) = own.as_ref().and_then(UnitName::instance) {
                variables.insert(tasks::INSTANCE_VARIABLE.to_owned(), instance.to_owned());
            }
        }
        settings.environment.finish(&mut variables);
        let arguments = command.substituted(|name| variables.get(name).map(String::as_str));
        let arguments = arguments.into_iter().map(text).collect::<Result<_, _>>()?;
        let search = settings.environment.search.as_deref().unwrap_or(environment::PATH);
        let mut programs = match command.program.starts_with('/') {
            true => vec![command.program.clone()],
            false => search.split(':').map(|folder| format!("{folder}/{}", command.program)).collect(),
        }
        .into_iter();
        let mut launch = Launch::new(text(programs.next().unwrap_or_default())?, arguments);
        for program in programs {
            launch.or_program(text(program)?);
        }
        let pairs = variables.iter().map(|(name, value)| text(format!("{name}={value}")));
        launch.environment(pairs.collect::<Result<_, _>>()?);
        launch.pid_variable(c"SYSTEMD_EXEC_PID".into());
        if !names.is_empty() {
            launch.pid_variable(c"LISTEN_PID".into());
        }
        if variables.contains_key("WATCHDOG_USEC") {
            launch.pid_variable(c"WATCHDOG_PID".into());
        }
        if attach.tasks.is_some() {
            launch.pid_variable(text(tasks::PID_VARIABLE.to_owned())?);
        }
        let terminal_notes = settings.streams.make_ready();
        let streams = settings.streams.open(attach)?;
        for fd in streams.descriptors() {
            launch.descriptor(fd);
        }
        for (fd, _) in attach.listen {
            launch.descriptor(*fd);
        }
        if let Some(fd) = attach.tasks {
            launch.descriptor(fd);
        }
        // It is entered last of all namespaces, when the descriptors are in their places.
        let users = self.shared.users.as_ref().filter(|_| privileges != Privileges::Full);
        let users = users.map(|users| {
            launch.descriptor(users.as_fd());
            3 + names.len() + usize::from(attach.tasks.is_some())
        });
        if let Some(folder) = attach.group.and_then(|group| group.clone_into.as_ref()) {
            launch.group(folder.as_fd());
        }
        let entered = self.open_namespaces()?;
        let (capabilities, bounding) = self.capabilities;
        let mut steps =
            Steps { launch: &mut launch, purposes: Vec::new(), notes: Vec::new(), capabilities, bounding };
        let users = users.map(|place| place as RawFd);
        self.steps(attach, privileges, &entered, users, &mut steps)?;
        let Steps { purposes, mut notes, .. } = steps;
        notes.extend(terminal_notes);
        let (steps, program) = (launch.steps(), command.program.clone());
        match launch.begin() {
            Ok(process) => Ok(Making { process, program, purposes, notes }),
            Err(error) => Err(failed(error, &program, &steps, &purposes)),
        }
    }

    /// `NetworkNamespacePath=` and `IPCNamespacePath=`, open.
    fn open_namespaces(&self) -> Result<Vec<(Arc<OwnedFd>, i32)>, ExecError> {
        let ns = &self.settings.namespaces;
        let paths =
            [(&ns.network_path, NEWNET, "NetworkNamespacePath"), (&ns.ipc_path, NEWIPC, "IPCNamespacePath")];
        let mut open = Vec::new();
        for (path, kind, directive) in paths {
            if let Some(path) = path {
                let wrong = |source| ExecError::Stream { path: path.clone(), directive, source };
                open.push((Arc::new(File::open(path).map_err(wrong)?.into()), kind));
            }
        }
        Ok(open)
    }

    fn steps(
        &self,
        attach: &Attach<'_>,
        privileges: Privileges,
        entered: &[(Arc<OwnedFd>, i32)],
        users: Option<RawFd>,
        steps: &mut Steps<'_, '_>,
    ) -> Result<(), ExecError> {
        let settings = &*self.settings;
        let full = privileges == Privileges::Full;
        let keeps_user = full || privileges == Privileges::KeepUser;
        let nobody = Identity::default();
        let identity = if keeps_user { &nobody } else { &self.identity };
        for join in attach.group.iter().flat_map(|group| &group.joins) {
            let step = Step::JoinGroup(Arc::clone(&join.file));
            match join.required {
                true => steps.add(219, step),
                false => steps.try_to(&join.hierarchy, step),
            }
        }
        if !full {
            for (file, kind) in entered {
                let status = if *kind == NEWNET { 225 } else { 226 };
                steps.add(status, Step::Enter { file: Arc::clone(file), kind: *kind });
            }
            for (shared, kind, status) in
                [(&self.shared.network, NEWNET, 225), (&self.shared.ipc, NEWIPC, 226)]
            {
                if let Some(fd) = shared {
                    steps.add(status, Step::Enter { file: Arc::clone(fd), kind });
                }
            }
        }
        steps.add(220, Step::Session);
        steps.add(207, Step::Signals { ignore_pipe: settings.ignore_pipe });
        steps.add(202, Step::Descriptors);
        if let Some(steal) = settings.streams.controls() {
            steps.try_to("StandardInput", Step::Terminal { steal });
        }
        let descriptors = settings.scheduling.steps(steps);
        if !full {
            Rights::group_steps(steps, identity);
            self.namespaces(steps)?;
        }
        if let Some(fd) = users {
            steps.try_to("PrivateUsers", Step::EnterLast { fd, kind: NEWUSER });
        }
        steps.add(1, Step::Umask(settings.umask));
        if settings.keyring != Keyring::Inherit {
            // A kernel without keyrings needs none of them kept apart.
            steps.quietly(Step::Keyring { link_user: settings.keyring == Keyring::Shared });
        }
        if !full {
            settings.rights.steps(steps, identity, keeps_user);
        }
        steps.add(200, Step::Directory(c"/".into()));
        if let Some(directory) = &settings.directory {
            let (optional, path) =
                directory.strip_prefix('-').map_or((false, directory.as_str()), |path| (true, path));
            let path = if path == "~" { &self.home } else { path };
            let step = Step::Directory(text(path.to_owned())?);
            if optional {
                steps.quietly(step);
            } else {
                steps.add(200, step);
            };
        }
        steps.add(205, descriptors);
        if full {
            return Ok(());
        }
        let filters =
            settings.filters.get_or_init(|| filter::programs(&settings.calls, &settings.restrictions));
        filters.lost.iter().for_each(|lost| steps.note(lost.clone()));
        let programs = &filters.programs;
        let dropped = identity.uid.is_some() || steps.capabilities & CAP_SYS_ADMIN == 0;
        if settings.rights.no_new_privileges || (dropped && !programs.is_empty()) {
            steps.add(227, Step::NoNewPrivileges);
        }
        for program in programs {
            steps.add(228, Step::Filter(program.clone()));
        }
        Ok(())
    }

    /// Namespaces, and what is in them.
    fn namespaces(&self, steps: &mut Steps<'_, '_>) -> Result<(), ExecError> {
        let ns = &self.settings.namespaces;
        let root = || ns.root.clone().map(text).transpose();
        let own = ns.network || ns.ipc || ns.host_name;
        if (ns.has_mounts() || own) && steps.capabilities & CAP_SYS_ADMIN == 0 {
            steps.note(
                "namespaces cannot be made without CAP_SYS_ADMIN: the service sees the whole system"
                    .to_owned(),
            );
        } else {
            if ns.host_name {
                steps.add(226, Step::Unshare(NEWUTS));
            }
            if ns.has_mounts() {
                let view = View {
                    namespaces: ns,
                    folders: &self.settings.folders,
                    passing: self.settings.who.passing,
                    tmp: self.shared.tmp.as_deref(),
                };
                return view.steps(steps);
            }
        }
        if let Some(root) = root()? {
            steps.add(210, Step::Root(root));
        }
        Ok(())
    }
}

/// In words, and with what to do about it.
fn failed(source: SpawnError, program: &str, steps: &StepList, purposes: &[Purpose]) -> ExecError {
    let errno = match source {
        SpawnError::Failed { errno, .. } => errno,
        _ => Errno::UnknownErrno,
    };
    let (step, hint, status) = match source.at() {
        At::Exec => {
            let hint = match errno {
                Errno::ENOENT => "; there is no such file, or not the interpreter that it names",
                Errno::EACCES => "; the file or a folder above it does not let this user execute it",
                Errno::ENOEXEC => "; the file is no program of this machine, or a script without `#!`",
                _ => "",
            };
            (format!("execute {program}"), hint, 203)
        }
        At::Clone => {
            let hint = match errno {
                Errno::EAGAIN => "; TasksMax=, LimitNPROC= or the machine has no room for another process",
                _ => "",
            };
            ("make a process".to_owned(), hint, 219)
        }
        At::Step(place) => {
            let step = steps.get(place);
            let what = match step {
                Some(Step::Directory(path)) => format!("work in {}", path.to_string_lossy()),
                Some(Step::Mount { source, target, .. }) if source.as_bytes().starts_with(b"/") => {
                    format!("mount {} on {}", mounts::real(source), mounts::real(target))
                }
                Some(Step::Mount { target, .. }) => format!("mount on {}", mounts::real(target)),
                Some(Step::MountAttributes { path, .. }) => format!("change {}", mounts::real(path)),
                Some(step) => step.name().to_owned(),
                None => "make a process".to_owned(),
            };
            let hint = match (step, errno) {
                (Some(Step::Directory(_)), Errno::ENOENT) => {
                    "; make it, or let it be missing by a `-` before the path"
                }
                (Some(Step::Mount { .. }), Errno::ENOENT) => {
                    "; one of them is not there: make it, or let it be missing by a `-` before the path"
                }
                (_, Errno::EPERM) => "; the supervisor has not the right to",
                _ => "",
            };
            let status = match purposes.get(place) {
                Some(Purpose::Must(status)) => *status,
                _ => 1,
            };
            (what, hint, status)
        }
    };
    ExecError::Spawn { step, source, hint, status }
}

fn text(text: String) -> Result<CString, ExecError> {
    CString::new(text.clone()).map_err(|_| ExecError::Nul(text))
}
