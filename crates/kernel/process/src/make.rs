//! How the child is made: by clone3(2), with the parent's memory and a stack of its own, or, where that cannot be,
//! with a copy of the memory.
//!
//! It is not `CLONE_VFORK`, which would hold the parent until the program begins, however long a step hangs; the
//! kernel is asked to clear a word and wake its waiters when the child leaves the memory, by `CLONE_CHILD_CLEARTID`.

use std::ffi::{CStr, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::child::{self, EXEC, Plan, Texts};
use crate::launch::{At, Launch, SpawnError, Spawned, StepList};
use crate::pad::Placed;
use crate::stack::{PID_VARIABLE, Stack};
use crate::{Step, pad, pidfd, raw, wait};

/// Of clone3(2) alone; the C library's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// After a SIGKILL it is waited so long for the child to be gone.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A process that takes its steps: it may not have become its program yet. Other work can be done meanwhile.
pub struct Making {
    /// None once it is over.
    going: Option<Going>,
    pid: i32,
    steps: StepList,
    deadline: Instant,
}

struct Going {
    child: Child,
    plan: Box<Plan>,
    placed: Option<Placed>,
}

pub(crate) fn begin(launch: Launch<'_>) -> Result<Making, SpawnError> {
    let failed = |errno| SpawnError::Failed { at: At::Clone, errno };
    let mut stack = Stack::take().map_err(failed)?;
    let places = (0..).zip(&launch.pid_variables).map(|(index, name)| (stack.variable(index), name));
    let (places, variables): (Vec<_>, Vec<_>) =
        places.map(|(place, name)| (place.cast::<c_char>().cast_const(), write_name(name, place))).unzip();
    let copies = launch.own_memory || launch.steps.0.iter().any(|planned| planned.step.needs_own_memory());
    let placed = if copies { None } else { pad::place(&launch.descriptors) };
    let (moves, above) = match &placed {
        Some(placed) => moves(placed.numbers()),
        None => moves(&launch.descriptors.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>()),
    };
    let steps = launch.steps;
    let mut plan = Box::new(Plan {
        programs: launch.programs,
        arguments: Texts::new(launch.arguments, []),
        environment: Texts::new(launch.environment, places),
        variables,
        descriptors_first: !steps.0.iter().any(|planned| matches!(planned.step, Step::Descriptors)),
        steps: steps.clone(),
        moves,
        own_table_below: placed.as_ref().map(Placed::above),
        kept: launch.descriptors.len(),
        stack,
    });
    let made = with_signals_blocked(|| {
        let made = if copies { Err(Errno::ENOSYS) } else { sharing(&plan, launch.group) };
        match made {
            // A sandbox that does not know clone3(2) answers so, too.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                plan.own_table_below = None;
                copying(&plan, launch.group, above)
            }
            made => made,
        }
    });
    match made {
        Ok(child) => {
            let (pid, deadline) = (child.pid, Instant::now() + launch.patience);
            Ok(Making { going: Some(Going { child, plan, placed }), pid, steps, deadline })
        }
        Err(errno) => {
            plan.stack.give_back();
            Err(failed(errno))
        }
    }
}

impl Making {
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The steps that it takes.
    pub fn steps(&self) -> StepList {
        self.steps.clone()
    }

    /// Whether it has become its program or failed to, so that [`Making::finish`] waits for nothing.
    pub fn is_over(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Whether it took longer than [`Launch::patience`].
    pub fn is_overdue(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits so long at most; whether it is over.
    pub fn wait(&self, most: Duration) -> bool {
        self.going.as_ref().is_none_or(|going| going.child.wait(&going.plan, most))
    }

    /// Waits until it is over, and says what became of it.
    ///
    /// # Errors
    /// Which step failed, and why. Nothing is left of the process then.
    pub fn finish(mut self) -> Result<Spawned, SpawnError> {
        self.going
            .take()
            .map_or(Err(SpawnError::Killed { at: At::Clone }), |going| going.finish(self.deadline))
    }
}

impl Drop for Making {
    /// The child may still be at work in this memory.
    fn drop(&mut self) {
        if let Some(going) = self.going.take() {
            let _ = going.finish(self.deadline);
        }
    }
}

impl std::fmt::Debug for Making {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Making")
            .field("pid", &self.pid)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Going {
    fn finish(self, deadline: Instant) -> Result<Spawned, SpawnError> {
        let Going { child, plan, placed } = self;
        let hung = !child.wait(&plan, deadline.saturating_duration_since(Instant::now()));
        if hung {
            let _ = pidfd::signal(child.pidfd.as_fd(), libc::SIGKILL);
            if !child.wait(&plan, LAST_WAIT) {
                // It hangs in a system call, and dies when that ends. Until then the plan is in use.
                let at = plan.at();
                std::mem::forget((plan, placed));
                return Err(SpawnError::Hung { at });
            }
        }
        let result = child.outcome(&plan, hung);
        plan.stack.give_back();
        result
    }
}

/// A child which may not have begun its program yet.
struct Child {
    pid: i32,
    pidfd: OwnedFd,
    /// Closed when it has; only where it has its own memory.
    pipe: Option<OwnedFd>,
}

impl Child {
    /// Waits until it has become its program or ended; whether it has.
    fn wait(&self, plan: &Plan, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match &self.pipe {
                Some(pipe) => {
                    let limit = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                    if let Ok(1..) = poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], limit) {
                        return true;
                    }
                }
                None => {
                    if plan.report().alive.load(Ordering::Acquire) == 0 {
                        return true;
                    }
                    if left.is_zero() {
                        return false;
                    }
                    let limit = libc::timespec {
                        tv_sec: left.as_secs() as libc::time_t,
                        tv_nsec: libc::c_long::from(left.subsec_nanos() as i32),
                    };
                    let word = plan.report().alive.as_ptr();
                    // SAFETY: the word and the time live longer than the call. The kernel wakes waiters of other
                    // processes too, so the futex is not a private one.
                    let _ = unsafe {
                        let limit = &raw const limit as usize;
                        raw::call(libc::SYS_futex, [word as usize, libc::FUTEX_WAIT as usize, 1, limit, 0, 0])
                    };
                    if plan.report().alive.load(Ordering::Acquire) == 0 {
                        return true;
                    }
                }
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    /// What became of it.
    fn outcome(self, plan: &Plan, hung: bool) -> Result<Spawned, SpawnError> {
        let (at, errno) = (plan.at(), plan.report().errno.load(Ordering::Acquire));
        let error = match errno {
            _ if hung => SpawnError::Hung { at },
            0 if at == At::Exec => {
                let lenient = plan.lenient();
                return Ok(Spawned { pid: self.pid, pidfd: self.pidfd, lenient });
            }
            0 => SpawnError::Killed { at },
            errno => SpawnError::Failed { at, errno: Errno::from_raw(errno) },
        };
        // It has ended, or is about to; who reaps everything may have been faster.
        let _ = wait::wait_for(self.pidfd.as_fd());
        Err(error)
    }
}

/// With the parent's memory, on a stack of its own.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn sharing(plan: &Plan, group: Option<BorrowedFd<'_>>) -> Result<Child, Errno> {
    let (low, length) = plan.stack.range();
    let mut pidfd: libc::c_int = -1;
    let alive = plan.report().alive.as_ptr();
    // What the child does to its descriptors it does to a table of its own, see `child::place_descriptors`.
    let files = if plan.own_table_below.is_some() { libc::CLONE_FILES } else { 0 };
    let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_CHILD_CLEARTID | files;
    let arguments = libc::clone_args {
        stack: low as u64,
        stack_size: length as u64,
        child_tid: alive as u64,
        ..clone_arguments(flags, &mut pidfd, group)
    };
    // SAFETY: the arguments live until the call returns in the parent; the child goes on on a stack that is in
    // nobody else's use, with a plan that lives until it has left this memory (`Making` sees to that).
    let result = unsafe { clone_to(&arguments, plan, child::begin) };
    let pid = raw::checked(result).map_err(Errno::from_raw)? as i32;
    // SAFETY: the kernel has put a new descriptor there, which nobody else knows of.
    Ok(Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) }, pipe: None })
}

/// On other processors there is always a copy.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn sharing(_: &Plan, _: Option<BorrowedFd<'_>>) -> Result<Child, Errno> {
    Err(Errno::ENOSYS)
}

/// clone3(2); the child calls `begin` with the plan and never returns.
///
/// # Safety
/// The stack in the arguments must be free, and the plan must outlive the child's use of this memory.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_to(
    arguments: &libc::clone_args,
    plan: &Plan,
    begin: unsafe extern "C" fn(*const Plan) -> !,
) -> isize {
    let result: isize;
    // SAFETY: the parent goes on behind the label with rax, rcx and r11 changed; the child, which has another
    // stack, calls `begin`, which does not return. All signals are blocked: no handler runs in between.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("r8") ptr::from_ref(plan),
            in("r9") begin,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// clone3(2); the child calls `begin` with the plan and never returns.
///
/// # Safety
/// The stack in the arguments must be free, and the plan must outlive the child's use of this memory.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_to(
    arguments: &libc::clone_args,
    plan: &Plan,
    begin: unsafe extern "C" fn(*const Plan) -> !,
) -> isize {
    let result: isize;
    // SAFETY: the parent goes on behind the label with x0 changed; the child, which has another stack, calls
    // `begin`, which does not return. All signals are blocked: no handler runs in between.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(arguments) as isize => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x9") ptr::from_ref(plan),
            in("x10") begin,
            lateout("x30") _,
        );
    }
    result
}

fn clone_arguments(
    flags: libc::c_int,
    pidfd: &mut libc::c_int,
    group: Option<BorrowedFd<'_>>,
) -> libc::clone_args {
    let into = if group.is_some() { CLONE_INTO_CGROUP } else { 0 };
    libc::clone_args {
        flags: flags as u64 | into,
        pidfd: ptr::from_mut(pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: group.map_or(0, |group| group.as_raw_fd() as u64),
    }
}

/// With a copy of the parent's memory.
fn copying(plan: &Plan, group: Option<BorrowedFd<'_>>, above: i32) -> Result<Child, Errno> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // Out of the way of the descriptors that the child puts in their places.
    let write = fcntl(&write, FcntlArg::F_DUPFD_CLOEXEC(above))?;
    // SAFETY: new, and nobody else's.
    let write = unsafe { OwnedFd::from_raw_fd(write) };
    let mut pidfd: libc::c_int = -1;
    let arguments = clone_arguments(libc::CLONE_PIDFD, &mut pidfd, group);
    // SAFETY: without a stack and without shared memory it returns twice, as fork(2) does; the child calls only
    // system calls from there on, and never returns from `begin`.
    let made = unsafe {
        let size = size_of::<libc::clone_args>();
        match raw::call(libc::SYS_clone3, [ptr::from_ref(&arguments) as usize, size, 0, 0, 0, 0]) {
            Ok(0) => child::begin(plan),
            Err(libc::ENOSYS | libc::EPERM) if group.is_none() => match libc::fork() {
                0 => child::begin(plan),
                -1 => Err(Errno::last()),
                pid => Ok(pid),
            },
            made => made.map(|pid| pid as i32).map_err(Errno::from_raw),
        }
    };
    drop(write);
    let pid = made?;
    let pidfd = match pidfd {
        // It is our child and not reaped yet, so the number is its own still.
        -1 => pidfd::open(pid)?,
        // SAFETY: the kernel has put a new descriptor there, which nobody else knows of.
        pidfd => unsafe { OwnedFd::from_raw_fd(pidfd) },
    };
    Ok(Child { pid, pidfd, pipe: Some(read) })
}

/// Blocks every signal for the time of `work`, those of the C library too, so that no handler of the parent can run
/// in the child.
pub(crate) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let (all, mut before) = (u64::MAX, 0u64);
    let set = libc::SIG_SETMASK as usize;
    // SAFETY: both masks are as large as the kernel's, and live longer than the call.
    let _ = unsafe {
        let (all, before) = (&raw const all as usize, &raw mut before as usize);
        raw::call(libc::SYS_rt_sigprocmask, [set, all, before, 8, 0, 0])
    };
    let result = work();
    // SAFETY: as above.
    let _ = unsafe { raw::call(libc::SYS_rt_sigprocmask, [set, &raw const before as usize, 0, 8, 0, 0]) };
    result
}

/// Writes `NAME=` into the place, and says where the number goes.
fn write_name(name: &CStr, place: *mut [u8; PID_VARIABLE]) -> *mut u8 {
    let name = name.to_bytes();
    // SAFETY: the place is in the stack's mapping, which `begin` has for itself until the child exists. The name
    // leaves room for number and NUL, as `Launch::pid_variable` asserts.
    unsafe {
        (*place).fill(0);
        (&mut (*place))[..name.len()].copy_from_slice(name);
        (*place)[name.len()] = b'=';
        place.cast::<u8>().add(name.len() + 1)
    }
}

/// The calls of dup3(2) which put every descriptor in its place, and the least number that they leave alone. Those
/// that stand where another is to come are moved away first.
fn moves(descriptors: &[i32]) -> (Vec<(i32, i32)>, i32) {
    let count = descriptors.len() as i32;
    let above = descriptors.iter().map(|from| from + 1).max().unwrap_or(0).max(count).max(3);
    let (mut away, mut into) = (Vec::new(), Vec::new());
    for (place, from) in (0..).zip(descriptors.iter().copied()) {
        if from < count && from != place {
            away.push((from, above + place));
            into.push((above + place, place));
        } else {
            into.push((from, place));
        }
    }
    away.extend(into);
    (away, above + count)
}

impl Plan {
    /// Where the child is, or was last.
    fn at(&self) -> At {
        match self.report().at.load(Ordering::Acquire) {
            EXEC => At::Exec,
            index if (index as usize) < self.steps.0.len() => At::Step(index as usize),
            _ => At::Clone,
        }
    }

    fn lenient(&self) -> Vec<(usize, Errno)> {
        let count = self.report().lenient_count.load(Ordering::Acquire) as usize;
        let told = self.report().lenient.iter().take(count).map(|told| told.load(Ordering::Acquire));
        told.map(|told| ((told >> 32) as usize, Errno::from_raw(told as u32 as i32))).collect()
    }
}
