//! What the child does. It may share memory with a parent that goes on meanwhile, so there is nothing here but
//! system calls on what the parent prepared: no allocation, no lock, no thread-local state, nothing that panics.

use std::ffi::{CString, c_char};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::Ordering;

use crate::launch::StepList;
use crate::raw::call;
use crate::stack::{MOST_LENIENT, Report, Stack};
use crate::{FilterInstruction, Step};

/// [`Report::at`]: executing the program.
pub(crate) const EXEC: u32 = u32::MAX;
/// [`Report::at`]: placing the descriptors, where no step says so.
const DESCRIPTORS: u32 = u32::MAX - 1;

/// Capabilities that a kernel may have.
const CAPABILITIES: u32 = 64;

/// What the parent prepared. It changes nothing of it while the child has not left its memory.
pub(crate) struct Plan {
    pub(crate) programs: Vec<CString>,
    pub(crate) arguments: Texts,
    pub(crate) environment: Texts,
    /// Where the child writes its own number, NUL-terminated by what is there.
    pub(crate) variables: Vec<*mut u8>,
    pub(crate) steps: StepList,
    pub(crate) descriptors_first: bool,
    pub(crate) moves: Vec<(i32, i32)>,
    /// The table of descriptors is the parent's until the child takes a copy of what is below this.
    pub(crate) own_table_below: Option<i32>,
    /// Descriptors below this stay open.
    pub(crate) kept: usize,
    pub(crate) stack: Stack,
}

// SAFETY: all that its pointers lead to is its own, in `Texts` and in its stack.
unsafe impl Send for Plan {}

impl Plan {
    pub(crate) fn report(&self) -> &Report {
        self.stack.report()
    }
}

/// Texts as execve(2) takes them.
pub(crate) struct Texts {
    /// Ends in a null.
    pointers: Vec<*const c_char>,
    /// What the pointers lead to.
    _texts: Vec<CString>,
}

impl Texts {
    /// These, and behind them others that live as long as the plan does.
    pub(crate) fn new(texts: Vec<CString>, more: impl IntoIterator<Item = *const c_char>) -> Texts {
        let own = texts.iter().map(|text| text.as_ptr());
        Texts { pointers: own.chain(more).chain([ptr::null()]).collect(), _texts: texts }
    }

    fn address(&self) -> usize {
        self.pointers.as_ptr() as usize
    }
}

/// Does everything, and becomes the program or ends.
///
/// # Safety
/// Only in a process that is made for it: it ends that.
pub(crate) unsafe extern "C" fn begin(plan: *const Plan) -> ! {
    // SAFETY: the parent keeps the plan until this process has left its memory.
    let plan = unsafe { &*plan };
    let errno = match run(plan) {
        Ok(never) => match never {},
        Err(errno) => errno,
    };
    plan.report().errno.store(errno, Ordering::Release);
    loop {
        // SAFETY: ends this process, and touches nothing.
        let _ = unsafe { call(libc::SYS_exit_group, [255, 0, 0, 0, 0, 0]) };
    }
}

enum Never {}

fn run(plan: &Plan) -> Result<Never, i32> {
    let report = plan.report();
    write_pid(plan)?;
    let mut blocked = true;
    if plan.descriptors_first {
        report.at.store(DESCRIPTORS, Ordering::Release);
        place_descriptors(plan)?;
    }
    for (index, planned) in (0u32..).zip(plan.steps.0.iter()) {
        report.at.store(index, Ordering::Release);
        // A filter need not allow what is done here: behind it come only other filters and the program.
        if blocked && matches!(planned.step, Step::Filter(_)) {
            unblock_signals()?;
            blocked = false;
        }
        match take(&planned.step, plan) {
            Err(errno) if planned.lenient => {
                let count = report.lenient_count.load(Ordering::Relaxed) as usize;
                if let Some(told) = report.lenient.get(count) {
                    told.store(u64::from(index) << 32 | u64::from(errno as u32), Ordering::Release);
                    report
                        .lenient_count
                        .store((count as u32 + 1).min(MOST_LENIENT as u32), Ordering::Release);
                }
            }
            taken => taken?,
        }
    }
    report.at.store(EXEC, Ordering::Release);
    if blocked {
        unblock_signals()?;
    }
    let mut error = libc::ENOENT;
    for program in &plan.programs {
        let arguments =
            [program.as_ptr() as usize, plan.arguments.address(), plan.environment.address(), 0, 0, 0];
        // SAFETY: a path and two lists which end in a null, all of strings which end in a NUL.
        let Err(errno) = (unsafe { call(libc::SYS_execve, arguments) }) else { continue };
        // One that is there and may not be executed says more than one that is not there.
        match errno {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => error = errno,
            errno => return Err(errno),
        }
    }
    Err(error)
}

/// A call whose arguments hold no pointers, or such as are good as long as the plan is.
fn system(number: i64, arguments: [usize; 6]) -> Result<(), i32> {
    // SAFETY: this file alone calls it, with what the kernel only reads: numbers, and strings and blocks of the plan
    // or of the caller's frame.
    unsafe { call(number, arguments) }.map(drop)
}

fn numbers<const N: usize>(number: i64, given: [usize; N]) -> Result<(), i32> {
    let mut arguments = [0; 6];
    for (argument, given) in arguments.iter_mut().zip(given) {
        *argument = given;
    }
    system(number, arguments)
}

fn prctl(option: i32, first: usize, second: usize) -> Result<(), i32> {
    numbers(libc::SYS_prctl, [option as usize, first, second, 0, 0])
}

const HERE: usize = libc::AT_FDCWD as usize;

fn at(text: &CString) -> usize {
    text.as_ptr() as usize
}

/// Null for an empty one.
fn or_null(text: &CString) -> usize {
    if text.as_bytes().is_empty() { 0 } else { at(text) }
}

/// What is there already is as good.
fn or_there(result: Result<(), i32>) -> Result<(), i32> {
    result.or_else(|errno| if errno == libc::EEXIST { Ok(()) } else { Err(errno) })
}

fn take(step: &Step, plan: &Plan) -> Result<(), i32> {
    match step {
        Step::Session => numbers(libc::SYS_setsid, []),
        Step::Signals { ignore_pipe } => reset_signals(*ignore_pipe),
        Step::JoinGroup(file) => {
            numbers(libc::SYS_write, [file.as_raw_fd() as usize, b"0".as_ptr() as usize, 1])
        }
        Step::Descriptors => place_descriptors(plan),
        Step::Terminal { steal } => {
            numbers(libc::SYS_ioctl, [0, libc::TIOCSCTTY as usize, usize::from(*steal)])
        }
        Step::Limit { resource, soft, hard } => {
            let limit = [*soft, *hard];
            numbers(libc::SYS_prlimit64, [0, *resource as usize, limit.as_ptr() as usize, 0])
        }
        Step::Nice(nice) => numbers(libc::SYS_setpriority, [0, 0, *nice as usize]),
        Step::IoPriority(priority) => numbers(libc::SYS_ioprio_set, [1, 0, *priority as usize]),
        Step::Scheduler { policy, priority, reset_on_fork } => {
            let reset = if *reset_on_fork { libc::SCHED_RESET_ON_FORK as u32 } else { 0 };
            let parameter = [*priority];
            let policy = (policy | reset) as usize;
            numbers(libc::SYS_sched_setscheduler, [0, policy, parameter.as_ptr() as usize])
        }
        Step::Affinity(mask) => {
            let size = size_of_val(mask.as_slice());
            numbers(libc::SYS_sched_setaffinity, [0, size, mask.as_ptr() as usize])
        }
        Step::MemoryPolicy { mode, nodes } => {
            let (mask, bits) = match *nodes {
                0 => (0, 0),
                _ => (ptr::from_ref(nodes) as usize, 65),
            };
            numbers(libc::SYS_set_mempolicy, [*mode as usize, mask, bits])
        }
        Step::TimerSlack(slack) => prctl(libc::PR_SET_TIMERSLACK, *slack as usize, 0),
        Step::OomScore(score) => {
            let mut digits = [0; 12];
            let text = decimal(i64::from(*score), &mut digits);
            write_file(c"/proc/self/oom_score_adj".as_ptr() as usize, text)
        }
        Step::Personality(personality) => numbers(libc::SYS_personality, [*personality as usize]),
        Step::Keyring { link_user } => {
            numbers(libc::SYS_keyctl, [libc::KEYCTL_JOIN_SESSION_KEYRING as usize, 0])?;
            if !link_user {
                return Ok(());
            }
            let (user, session) = (libc::KEY_SPEC_USER_KEYRING, libc::KEY_SPEC_SESSION_KEYRING);
            numbers(libc::SYS_keyctl, [libc::KEYCTL_LINK as usize, user as usize, session as usize])
        }
        Step::Umask(mask) => numbers(libc::SYS_umask, [*mask as usize]),
        Step::Directory(path) => numbers(libc::SYS_chdir, [at(path)]),
        Step::Root(path) => {
            numbers(libc::SYS_chroot, [at(path)])?;
            numbers(libc::SYS_chdir, [c"/".as_ptr() as usize])
        }
        Step::Write { path, text } => write_file(at(path), text),
        Step::Groups(groups) => numbers(libc::SYS_setgroups, [groups.len(), groups.as_ptr() as usize]),
        Step::Gid(id) => numbers(libc::SYS_setresgid, [*id as usize; 3]),
        Step::Uid(id) => numbers(libc::SYS_setresuid, [*id as usize; 3]),
        Step::KeepCapabilities(keep) => prctl(libc::PR_SET_KEEPCAPS, usize::from(*keep), 0),
        Step::SecureBits(bits) => prctl(libc::PR_SET_SECUREBITS, *bits as usize, 0),
        Step::Bounding(kept) => bound(*kept),
        Step::Capabilities { effective, permitted, inheritable } => {
            let header = [0x2008_0522u32, 0];
            let half = |set: &u64, upper: bool| if upper { (set >> 32) as u32 } else { *set as u32 };
            let mut data = [0u32; 6];
            for (place, (set, upper)) in data.iter_mut().zip([
                (effective, false),
                (permitted, false),
                (inheritable, false),
                (effective, true),
                (permitted, true),
                (inheritable, true),
            ]) {
                *place = half(set, upper);
            }
            numbers(libc::SYS_capset, [header.as_ptr() as usize, data.as_ptr() as usize])
        }
        Step::Ambient(set) => {
            prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0)?;
            for capability in (0..CAPABILITIES).filter(|capability| set >> capability & 1 == 1) {
                prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as usize, capability as usize)?;
            }
            Ok(())
        }
        Step::NoNewPrivileges => prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
        Step::Filter(filter) => set_filter(filter),
        Step::Unshare(flags) => numbers(libc::SYS_unshare, [*flags as usize]),
        Step::Enter { file, kind } => numbers(libc::SYS_setns, [file.as_raw_fd() as usize, *kind as usize]),
        Step::EnterLast { fd, kind } => {
            let entered = numbers(libc::SYS_setns, [*fd as usize, *kind as usize]);
            let _ = numbers(libc::SYS_close, [*fd as usize]);
            entered
        }
        Step::Loopback => loopback(),
        Step::HostName(name) => numbers(libc::SYS_sethostname, [at(name), name.as_bytes().len()]),
        Step::Mount { source, target, kind, flags, data } => {
            let (flags, data) = (*flags as usize, or_null(data));
            numbers(libc::SYS_mount, [or_null(source), at(target), or_null(kind), flags, data])
        }
        Step::MountAttributes { path, set, clear, recursive } => {
            let attributes = [*set, *clear, 0, 0];
            let recursive = if *recursive { libc::AT_RECURSIVE as usize } else { 0 };
            let place = attributes.as_ptr() as usize;
            numbers(libc::SYS_mount_setattr, [HERE, at(path), recursive, place, size_of_val(&attributes)])
        }
        Step::Unmount { path, flags } => numbers(libc::SYS_umount2, [at(path), *flags as usize]),
        Step::Pivot(path) => {
            numbers(libc::SYS_chdir, [at(path)])?;
            let here = c".".as_ptr() as usize;
            match numbers(libc::SYS_pivot_root, [here, here]) {
                // The old root lies over the new one then, and is taken off.
                Ok(()) => numbers(libc::SYS_umount2, [here, libc::MNT_DETACH as usize])?,
                // The first root, which an initial RAM disk is, cannot be taken away, only covered.
                Err(libc::EINVAL) => {
                    let root = c"/".as_ptr() as usize;
                    numbers(libc::SYS_mount, [here, root, 0, libc::MS_MOVE as usize, 0])?;
                    numbers(libc::SYS_chroot, [here])?;
                }
                refused => refused?,
            }
            numbers(libc::SYS_chdir, [c"/".as_ptr() as usize])
        }
        Step::Folder { path, mode } => or_there(numbers(libc::SYS_mkdirat, [HERE, at(path), *mode as usize])),
        Step::EmptyFile(path) => empty_file(at(path)),
        Step::Node { path, mode, device, real } => {
            match numbers(libc::SYS_mknodat, [HERE, at(path), *mode as usize, *device as usize]) {
                Err(libc::EPERM) => {
                    empty_file(at(path))?;
                    numbers(libc::SYS_mount, [at(real), at(path), 0, libc::MS_BIND as usize, 0])
                }
                made => made,
            }
        }
        Step::Link { target, path } => numbers(libc::SYS_symlinkat, [at(target), HERE, at(path)]),
    }
}

/// Makes an empty file, where there is none.
fn empty_file(path: usize) -> Result<(), i32> {
    let mode = (libc::S_IFREG | 0o444) as usize;
    or_there(numbers(libc::SYS_mknodat, [HERE, path, mode, 0]))
}

fn place_descriptors(plan: &Plan) -> Result<(), i32> {
    if let Some(below) = plan.own_table_below {
        let unshare = libc::CLOSE_RANGE_UNSHARE as usize;
        match numbers(libc::SYS_close_range, [below as usize, u32::MAX as usize, unshare]) {
            // Before 5.9: all of the table, which is right too.
            Err(libc::ENOSYS | libc::EINVAL | libc::EPERM) => {
                numbers(libc::SYS_unshare, [libc::CLONE_FILES as usize])?;
            }
            taken => taken?,
        }
    }
    for (from, to) in &plan.moves {
        let kept = (*to as usize) < plan.kept;
        if from == to {
            numbers(libc::SYS_fcntl, [*from as usize, libc::F_SETFD as usize, 0])?;
        } else {
            let flags = if kept { 0 } else { libc::O_CLOEXEC as usize };
            numbers(libc::SYS_dup3, [*from as usize, *to as usize, flags])?;
        }
    }
    // Not now: the rest is closed when the program begins, and only if it begins.
    let on_exec = libc::CLOSE_RANGE_CLOEXEC as usize;
    match numbers(libc::SYS_close_range, [plan.kept, u32::MAX as usize, on_exec]) {
        Err(libc::ENOSYS | libc::EINVAL | libc::EPERM) => close_one_by_one(plan.kept),
        closed => closed,
    }
}

/// For kernels before 5.11.
fn close_one_by_one(first: usize) -> Result<(), i32> {
    let mut limit = [0u64; 2];
    let place = limit.as_mut_ptr() as usize;
    // SAFETY: the kernel writes two words there.
    unsafe { call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, 0, place, 0, 0]) }?;
    for fd in first..limit[0].min(1 << 20) as usize {
        let _ = numbers(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, libc::FD_CLOEXEC as usize]);
    }
    Ok(())
}

/// Signals are numbered from 1 to 64. As the kernel has it: handler, flags, restorer, mask.
fn reset_signals(ignore_pipe: bool) -> Result<(), i32> {
    for signal in 1..=64usize {
        if signal == libc::SIGKILL as usize || signal == libc::SIGSTOP as usize {
            continue;
        }
        let ignored = ignore_pipe && signal == libc::SIGPIPE as usize;
        let action = [if ignored { libc::SIG_IGN } else { libc::SIG_DFL } as u64, 0, 0, 0];
        numbers(libc::SYS_rt_sigaction, [signal, action.as_ptr() as usize, 0, 8])?;
    }
    Ok(())
}

fn unblock_signals() -> Result<(), i32> {
    let none = 0u64;
    let set = libc::SIG_SETMASK as usize;
    numbers(libc::SYS_rt_sigprocmask, [set, &raw const none as usize, 0, 8])
}

fn write_file(path: usize, text: &[u8]) -> Result<(), i32> {
    let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
    // SAFETY: a string which ends in a NUL.
    let fd = unsafe { call(libc::SYS_openat, [HERE, path, flags, 0, 0, 0]) }?;
    let written = numbers(libc::SYS_write, [fd, text.as_ptr() as usize, text.len()]);
    let _ = numbers(libc::SYS_close, [fd]);
    written
}

/// Drops what is not kept; those that the kernel does not know end the list.
fn bound(kept: u64) -> Result<(), i32> {
    for capability in (0..CAPABILITIES).filter(|capability| kept >> capability & 1 == 0) {
        match prctl(libc::PR_CAPBSET_READ, capability as usize, 0) {
            Err(libc::EINVAL) => return Ok(()),
            read => read?,
        }
        prctl(libc::PR_CAPBSET_DROP, capability as usize, 0)?;
    }
    Ok(())
}

fn set_filter(filter: &[FilterInstruction]) -> Result<(), i32> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER as usize;
    numbers(libc::SYS_seccomp, [mode, 0, &raw const program as usize])
}

/// Flags of an interface, as ioctl(2) takes them: the name, then the flags.
pub(crate) fn loopback() -> Result<(), i32> {
    let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize;
    // SAFETY: no pointers.
    let socket = unsafe { call(libc::SYS_socket, [libc::AF_INET as usize, kind, 0, 0, 0, 0]) }?;
    let mut request = [0u8; 40];
    let up = (libc::IFF_UP as u16).to_ne_bytes();
    for (place, octet) in request.iter_mut().zip(*b"lo") {
        *place = octet;
    }
    for (place, octet) in request.iter_mut().skip(libc::IFNAMSIZ).zip(up) {
        *place = octet;
    }
    let result = numbers(libc::SYS_ioctl, [socket, libc::SIOCSIFFLAGS as usize, request.as_ptr() as usize]);
    let _ = numbers(libc::SYS_close, [socket]);
    result
}

fn write_pid(plan: &Plan) -> Result<(), i32> {
    if plan.variables.is_empty() {
        return Ok(());
    }
    // SAFETY: no arguments at all.
    let pid = unsafe { call(libc::SYS_getpid, [0; 6]) }?;
    let mut digits = [0; 12];
    let digits = decimal(pid as i64, &mut digits);
    for place in &plan.variables {
        for (index, digit) in digits.iter().enumerate() {
            // SAFETY: there is room for 22 digits and a NUL, see `Launch::pid_variable`; nobody else has the place.
            unsafe { place.add(index).write(*digit) };
        }
    }
    Ok(())
}

/// The decimal digits of a number of up to eleven, at the end of the buffer.
fn decimal(number: i64, digits: &mut [u8; 12]) -> &[u8] {
    let (mut left, mut begin) = (number.unsigned_abs(), digits.len());
    for (index, place) in digits.iter_mut().enumerate().rev() {
        *place = b'0' + (left % 10) as u8;
        left /= 10;
        begin = index;
        if left == 0 {
            break;
        }
    }
    if number < 0 && begin > 0 {
        begin -= 1;
        if let Some(place) = digits.get_mut(begin) {
            *place = b'-';
        }
    }
    digits.get(begin..).unwrap_or_default()
}
