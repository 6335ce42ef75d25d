//! What a new process is made of, and what the parent learns of it.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use crate::Step;
use crate::make::{self, Making};
use crate::stack::{MOST_PID_VARIABLES, PID_VARIABLE};

/// A step of the list.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    /// Its failure is told, and the next step taken.
    pub(crate) lenient: bool,
}

/// The steps that a process takes, in their order.
#[derive(Clone, Debug, Default)]
pub struct StepList(pub(crate) Arc<Vec<Planned>>);

impl StepList {
    /// The step at a place.
    pub fn get(&self, place: usize) -> Option<&Step> {
        self.0.get(place).map(|planned| &planned.step)
    }
}

/// A process to be made. It may be made any number of times, from several threads too.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    pub(crate) programs: Vec<CString>,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) pid_variables: Vec<CString>,
    pub(crate) descriptors: Vec<BorrowedFd<'a>>,
    pub(crate) group: Option<BorrowedFd<'a>>,
    pub(crate) steps: StepList,
    pub(crate) own_memory: bool,
    pub(crate) patience: Duration,
}

/// A process that was made, and has become its program.
#[derive(Debug)]
pub struct Spawned {
    /// Its number.
    pub pid: i32,
    /// A descriptor of it: readable when it has ended. It closes at exec.
    pub pidfd: OwnedFd,
    /// Steps that failed and were allowed to: their places in the list, and why.
    pub lenient: Vec<(usize, Errno)>,
}

/// Where a process failed to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The process itself could not be made; where it was to begin in a control group, perhaps for that.
    Clone,
    /// The step at this place of the list.
    Step(usize),
    /// The program could not be executed.
    Exec,
}

/// Why a process is not there. Nothing is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// A system call failed.
    #[error("{errno}")]
    Failed {
        /// Where.
        at: At,
        /// Why.
        errno: Errno,
    },
    /// It was killed by somebody before it became its program.
    #[error("it was killed before the program began")]
    Killed {
        /// Where it was.
        at: At,
    },
    /// It took longer than [`Launch::patience`], and was killed.
    #[error("it hung before the program began, and was killed")]
    Hung {
        /// Where it was.
        at: At,
    },
}

impl SpawnError {
    /// Where it failed.
    pub fn at(&self) -> At {
        match *self {
            SpawnError::Failed { at, .. } | SpawnError::Killed { at } | SpawnError::Hung { at } => at,
        }
    }
}

impl<'a> Launch<'a> {
    /// The program at this path, with these arguments, the zeroth among them, and nothing else: no variables, no
    /// descriptors, no steps.
    pub fn new(program: CString, arguments: Vec<CString>) -> Launch<'a> {
        Launch {
            programs: vec![program],
            arguments,
            environment: Vec::new(),
            pid_variables: Vec::new(),
            descriptors: Vec::new(),
            group: None,
            steps: StepList::default(),
            own_memory: false,
            patience: Duration::from_secs(10),
        }
    }

    /// Where else the program may be, if it is not at the first place: as a shell looks for it in `PATH`, but as
    /// the process sees the file system after its steps.
    pub fn or_program(&mut self, program: CString) -> &mut Self {
        self.programs.push(program);
        self
    }

    /// The environment, each `NAME=VALUE`.
    pub fn environment(&mut self, environment: Vec<CString>) -> &mut Self {
        self.environment = environment;
        self
    }

    /// A variable whose value is the number of the process itself, such as `LISTEN_PID`.
    ///
    /// # Panics
    /// For the fifth, and for a name over 40 octets.
    pub fn pid_variable(&mut self, name: CString) -> &mut Self {
        assert!(self.pid_variables.len() < MOST_PID_VARIABLES, "at most {MOST_PID_VARIABLES} such variables");
        assert!(name.as_bytes().len() <= PID_VARIABLE - 24, "the name of the variable is too long");
        self.pid_variables.push(name);
        self
    }

    /// The next descriptor: standard input first, then output, then error, then those from 3 on. All others are
    /// closed when the program begins.
    pub fn descriptor(&mut self, descriptor: BorrowedFd<'a>) -> &mut Self {
        self.descriptors.push(descriptor);
        self
    }

    /// It begins in this control group of version 2: an open folder. Kernels before 5.7 cannot do it; use
    /// [`Step::JoinGroup`] there.
    pub fn group(&mut self, folder: BorrowedFd<'a>) -> &mut Self {
        self.group = Some(folder);
        self
    }

    /// The next step.
    pub fn step(&mut self, step: Step) -> &mut Self {
        self.plan(Planned { step, lenient: false })
    }

    /// The next step, whose failure is told, and no reason not to go on.
    pub fn lenient(&mut self, step: Step) -> &mut Self {
        self.plan(Planned { step, lenient: true })
    }

    fn plan(&mut self, planned: Planned) -> &mut Self {
        Arc::make_mut(&mut self.steps.0).push(planned);
        self
    }

    /// The steps so far.
    pub fn steps(&self) -> StepList {
        self.steps.clone()
    }

    /// Gives the child a copy of the memory instead of sharing it, as fork(2) does; slower the larger the parent is.
    pub fn own_memory(&mut self) -> &mut Self {
        self.own_memory = true;
        self
    }

    /// How long it may take until the program begins: 10 s if nothing is said. A step may hang, on a file system
    /// whose server is gone, say, and a process of the same user may stop the child; the parent hangs no longer
    /// than this.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// Begins to make the process, and returns while it takes its steps.
    ///
    /// # Errors
    /// It could not be made at all.
    pub fn begin(self) -> Result<Making, SpawnError> {
        make::begin(self)
    }

    /// Makes the process, and returns when it has become its program or failed to.
    ///
    /// # Errors
    /// Which step failed, and why. Nothing is left of the process then.
    pub fn spawn(&self) -> Result<Spawned, SpawnError> {
        self.clone().begin()?.finish()
    }
}
