//! How the processes of a unit are made: what its file says of them, carried out.
//!
//! A [`Context`] is read once from the unit; nothing is looked at but the unit. It becomes [`Prepared`] at each start:
//! folders are made, files of variables read, users looked up. From that any number of processes are spawned, each
//! with what is its own ([`Attach`]). What is only for the time of a run is removed by [`Context::clean`].
//!
//! What the supervisor itself may not do, in a container for example, it cannot let a service do or keep it from doing.
//! Where a service can be started without, that is a note (`notes`) and no failure: a nice level, a resource limit
//! beyond the supervisor's own, a capability, a namespace. Where it says as whom, in which folder and with which files
//! it runs, it does not start without.
//!
//! Users and groups are those of `/etc/passwd` and `/etc/group` ([`perigee_process::accounts`]).

pub(crate) mod environment;
mod error;
mod filter;
mod folders;
pub mod fuzzing;
mod identity;
mod ipc;
mod mounts;
mod namespaces;
mod owned;
mod reader;
mod rights;
mod scheduling;
mod shared;
mod spawn;
mod streams;
mod temporary;

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::fcntl::Flock;
use perigee_cgroup::Entry;
use perigee_process::accounts::Accounts;
use perigee_process::this;
use perigee_units::unit::Unit;

use self::environment::{Environment, Variables};
pub use self::error::ExecError;
use self::filter::{Calls, Restrictions};
use self::folders::{Folders, Owner};
use self::identity::Who;
pub use self::ipc::{Owners, remove_ipc};
use self::namespaces::Namespaces;
use self::reader::Reader;
use self::rights::{Identity, Rights};
use self::scheduling::Scheduling;
use self::shared::Shared;
pub use self::spawn::Making;
use self::spawn::Steps;
pub use self::streams::{Input, Output, Ready, Streams};

/// What a unit says of its processes.
#[derive(Clone, Debug, Default)]
pub struct Context {
    settings: Arc<Settings>,
    run: Arc<Mutex<Run>>,
}

/// What stands in the unit.
#[derive(Debug, Default)]
struct Settings {
    name: String,
    environment: Environment,
    folders: Folders,
    scheduling: Scheduling,
    rights: Rights,
    namespaces: Namespaces,
    streams: Streams,
    calls: Calls,
    restrictions: Restrictions,
    /// What the two become, once it is needed.
    filters: OnceLock<filter::Filters>,
    who: Who,
    /// With `-` before it where it may be missing; `~` is the user's home.
    directory: Option<String>,
    umask: u32,
    ignore_pipe: bool,
    keyring: Keyring,
    /// What its user leaves behind goes with it.
    removes_ipc: bool,
    /// Only `ExecStart=` runs with the rights of the unit, or in its root.
    rights_at_start_only: bool,
    root_at_start_only: bool,
    /// What was not understood.
    problems: Vec<String>,
}

/// Whose keys a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keyring {
    #[default]
    Private,
    Shared,
    Inherit,
}

/// What is there for the time of a run.
#[derive(Debug, Default)]
struct Run {
    shared: Shared,
    /// The number of a user that passes, as long as it is locked.
    user: Option<(u32, Flock<File>)>,
}

/// The same, at one start.
#[derive(Clone, Debug)]
pub struct Prepared {
    settings: Arc<Settings>,
    variables: Variables,
    identity: Identity,
    home: String,
    shared: Shared,
    /// Capabilities of the supervisor: in force, and in the bounding set.
    capabilities: (u64, u64),
    /// What could not be done as the unit says and is no reason not to start, in words.
    pub notes: Vec<String>,
}

/// What is one process's own.
#[derive(Debug)]
pub struct Attach<'a> {
    /// Standard input, where the unit has it from a socket.
    pub stdin: BorrowedFd<'a>,
    /// Standard output, where the unit does not say that it goes elsewhere than to the log.
    pub stdout: BorrowedFd<'a>,
    /// Standard error, likewise.
    pub stderr: BorrowedFd<'a>,
    /// Descriptors from 3 on, with their names, as sd_listen_fds(3) has them.
    pub listen: &'a [(BorrowedFd<'a>, &'a str)],
    /// A descriptor behind those, where it is told of the units that are parts of it ([`perigee_units::tasks`]).
    pub tasks: Option<BorrowedFd<'a>>,
    /// Variables of this process alone. With `WATCHDOG_USEC` it gets `WATCHDOG_PID`.
    pub variables: &'a [(&'a str, String)],
    /// Its control group.
    pub group: Option<&'a Entry>,
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Spawned {
    /// Its number.
    pub pid: i32,
    /// A descriptor of it, readable when it has ended.
    pub pidfd: OwnedFd,
    /// What could not be done as the unit says and was no reason not to start it, in words.
    pub notes: Vec<String>,
}

impl Context {
    /// Reads a unit. What is not understood becomes a note at each start.
    pub fn read(unit: &Unit) -> Context {
        let Some(mut reader) = Reader::new(unit) else { return Context::default() };
        let reader = &mut reader;
        let scheduling = Scheduling::read(reader);
        let mut namespaces = Namespaces::read(reader);
        let mut restrictions = Restrictions::read(reader, &namespaces, scheduling.personality());
        let mut rights = Rights::read(reader);
        let who = Who::read(reader);
        if who.passing {
            namespaces.for_passing_user();
            restrictions.for_passing_user();
            rights.no_new_privileges = true;
        }
        let passing = who.passing;
        rights.without(namespaces.without());
        let mut settings = Settings {
            name: reader.name().to_owned(),
            environment: Environment::read(reader),
            folders: Folders::read(reader),
            streams: Streams::read(reader),
            calls: Calls::read(reader),
            scheduling,
            namespaces,
            restrictions,
            filters: OnceLock::new(),
            rights,
            who,
            directory: reader.text("WorkingDirectory").map(str::to_owned),
            umask: reader.mode("UMask").unwrap_or(0o022),
            ignore_pipe: reader.flag("IgnoreSIGPIPE") != Some(false),
            keyring: match reader.text("KeyringMode") {
                Some("shared") => Keyring::Shared,
                Some("inherit") => Keyring::Inherit,
                _ => Keyring::Private,
            },
            // A number that is given to others later must not own anything then.
            removes_ipc: reader.is("RemoveIPC") || passing,
            rights_at_start_only: reader.is("PermissionsStartOnly"),
            root_at_start_only: reader.is("RootDirectoryStartOnly"),
            problems: Vec::new(),
        };
        settings.problems = std::mem::take(&mut reader.problems);
        Context { settings: Arc::new(settings), run: Arc::default() }
    }

    /// What the unit says now, where it is read anew while it may run: its run goes on.
    #[must_use]
    pub fn read_anew(&self, unit: &Unit) -> Context {
        Context { run: Arc::clone(&self.run), ..Context::read(unit) }
    }

    /// Where the streams come from and go to; what goes to the log the caller attaches.
    pub fn streams(&self) -> &Streams {
        &self.settings.streams
    }

    /// What in the unit was not understood, in words.
    pub fn problems(&self) -> &[String] {
        &self.settings.problems
    }

    /// Whether what its user leaves behind in shared memory, semaphores and queues goes with it: `RemoveIPC=`.
    pub fn removes_ipc(&self) -> bool {
        self.settings.removes_ipc
    }

    /// As whom it runs where it says so; what it does not say, what nobody knows and the superuser are none.
    pub fn runs_as(&self, accounts: &Accounts) -> Owners {
        let held = self.run.lock().unwrap_or_else(PoisonError::into_inner).user.as_ref().map(|(uid, _)| *uid);
        self.settings.who.numbers(&self.settings.name, held, accounts)
    }

    /// The filters of its processes, for those who look at them.
    pub(crate) fn filters(&self) -> &[Vec<perigee_process::FilterInstruction>] {
        let settings = &self.settings;
        let made = || filter::programs(&settings.calls, &settings.restrictions);
        &settings.filters.get_or_init(made).programs
    }

    /// Makes ready what one start needs: looks the user up, makes folders, reads files of variables.
    ///
    /// # Errors
    /// What the unit needs is not there. What was made stays until [`Context::clean`].
    pub fn prepare(&self) -> Result<Prepared, ExecError> {
        self.prepare_with(&Variables::new(), &[])
    }

    /// The same, with variables that all units get, which count for less than whatever is said of this one, and for a
    /// unit that shares namespaces and temporary files with others, as far as they have them.
    ///
    /// # Errors
    /// As [`Context::prepare`].
    pub fn prepare_with(
        &self,
        all: &std::collections::BTreeMap<String, String>,
        joined: &[Context],
    ) -> Result<Prepared, ExecError> {
        let settings = &self.settings;
        let others: Vec<_> = joined.iter().map(Context::shared).collect();
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = settings.problems.clone();
        let capabilities = this::capabilities().unwrap_or_default();
        let found = settings.who.find(&settings.name, &mut run.user)?;
        // Where nobody else is named, all is the supervisor's own.
        let owner = Owner {
            uid: found.identity.uid.unwrap_or_else(|| nix::unistd::geteuid().as_raw()),
            gid: found.identity.gid.unwrap_or_else(|| nix::unistd::getegid().as_raw()),
            passing: settings.who.passing,
        };
        let mut own = all.clone();
        own.extend(found.variables);
        own.extend(settings.folders.make(owner)?);
        own.extend(settings.streams.variables());
        let variables = settings.environment.prepare(own, &mut notes)?;
        let can = capabilities.0 & spawn::CAP_SYS_ADMIN != 0;
        run.shared.complete(&settings.name, &settings.namespaces, can, &others)?;
        if settings.namespaces.users {
            let owners = Owners { uid: found.identity.uid, gid: found.identity.gid };
            notes.extend(run.shared.complete_users(owners).err());
        }
        Ok(Prepared {
            settings: settings.clone(),
            variables,
            identity: found.identity,
            home: found.home,
            shared: run.shared.clone(),
            capabilities,
            notes,
        })
    }

    /// Takes over a run that another supervisor has begun, from what its main process shows: the number of a user that
    /// passes is locked again, and the temporary files are known again, so that they are removed in the end. Where this
    /// one has begun the run nothing is done. `joined` are those with whom it shares them.
    pub fn resume(&self, main: i32, joined: &[Context]) {
        let others: Vec<_> = joined.iter().map(Context::shared).collect();
        let names = [self].into_iter().chain(joined).map(|context| context.settings.name.as_str());
        let names: Vec<_> = names.collect();
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        if self.settings.who.passing && run.user.is_none() {
            run.user = identity::held_by(main);
        }
        run.shared.resume(main, &names, &self.settings.namespaces, &others);
    }

    fn shared(&self) -> Shared {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).shared.clone()
    }

    /// Removes what was only for the time of the run: folders in `/run`, temporary files of its own, the number of a
    /// user that passes.
    pub fn clean(&self) {
        self.clean_up(false);
    }

    /// The same between two runs, when the unit starts again by itself: what `RuntimeDirectoryPreserve=restart` keeps
    /// stays.
    pub fn clean_for_restart(&self) {
        self.clean_up(true);
    }

    fn clean_up(&self, restarts: bool) {
        self.settings.folders.clean(restarts);
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.shared.clean();
        run.user = None;
    }
}
