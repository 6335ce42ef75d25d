//! Making processes: from a parent with little and with much memory, beside posix_spawn(3), which is the least that
//! the C library can do, and fork(2) with execve(2). The program does nothing but end, so that what is measured is the
//! making of it.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::ptr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use perigee_process::wait::{self, Exit};
use perigee_process::{Launch, Step};

use crate::table::Row;

/// Processes of one measurement; the best of several counts, since machines are shared.
const BATCH: u32 = 200;
const RUNS: usize = 15;

/// A program of one instruction sequence, exit(0), for x86-64: a header, one segment, and the code.
const PROGRAM: [u8; 132] =
    *b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3E\0\x01\0\0\0\x78\0\x40\0\0\0\0\0\
        \x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0\
        \x01\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40\0\0\0\0\0\
        \x84\0\0\0\0\0\0\0\x84\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\
        \x31\xFF\xB8\xE7\0\0\0\x0F\x05\x90\x90\x90";

pub fn run() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let program = if cfg!(target_arch = "x86_64") {
        let path = folder.path().join("nothing");
        std::fs::write(&path, PROGRAM)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        CString::new(path.to_str().context("a path that is no text")?)?
    } else {
        CString::new("/bin/true")?
    };
    let mut rows = Vec::new();
    for megabytes in [10, 500] {
        // Touched, so that a copy of the page tables has something to copy.
        let ballast = vec![1u8; megabytes << 20];
        let [ours, steps, spawn, fork] = times(&program)?;
        std::hint::black_box(&ballast);
        let shown = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
        let row = |what: &str, ours: Duration, peer: &str, theirs: Duration, wanted| Row {
            work: format!("a process, {what}, from {megabytes} MB"),
            ours: shown(ours),
            peer: peer.to_owned(),
            theirs: shown(theirs),
            ratio: theirs.as_secs_f64() / ours.as_secs_f64(),
            wanted,
            limit: format!("posix_spawn {}", shown(spawn)),
        };
        rows.push(row("nothing set", ours, "posix_spawn", spawn, Some(0.9)));
        rows.push(row("as a service", steps, "posix_spawn, nothing set", spawn, None));
        rows.push(row("as a service", steps, "fork+exec, nothing set", fork, Some(1.0)));
    }
    Ok(rows)
}

/// Of one process, made and waited for: ours, ours with the steps of a service, posix_spawn, fork and exec. They take
/// turns, so that what else the machine does falls on all of them.
fn times(program: &CString) -> anyhow::Result<[Duration; 4]> {
    let bare = Launch::new(program.clone(), vec![program.clone()]);
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    let mut service = bare.clone();
    for _ in 0..3 {
        service.descriptor(null.as_fd());
    }
    service.pid_variable(c"SYSTEMD_EXEC_PID".into());
    for step in [
        Step::Session,
        Step::Signals { ignore_pipe: true },
        Step::Descriptors,
        Step::Limit { resource: libc::RLIMIT_NOFILE as u32, soft: 1024, hard: 1024 },
        Step::Nice(0),
        Step::Umask(0o022),
        Step::Directory(c"/".into()),
        Step::NoNewPrivileges,
    ] {
        service.step(step);
    }
    let mut best = [Duration::MAX; 4];
    for _ in 0..RUNS {
        let makers: [&dyn Fn() -> anyhow::Result<()>; 4] =
            [&|| ours(&bare), &|| ours(&service), &|| posix_spawn(program), &|| fork(program)];
        for (index, (best, make)) in best.iter_mut().zip(makers).enumerate() {
            // A copy of much memory takes long enough for a few to do.
            let batch = if index == 3 { BATCH / 20 } else { BATCH };
            let begin = Instant::now();
            for _ in 0..batch {
                make()?;
            }
            *best = (*best).min(begin.elapsed() / batch);
        }
    }
    Ok(best)
}

fn ours(launch: &Launch<'_>) -> anyhow::Result<()> {
    let child = launch.spawn()?;
    ensure!(wait::wait_for(child.pidfd.as_fd())? == Exit::Code(0), "the program failed");
    Ok(())
}

fn posix_spawn(program: &CString) -> anyhow::Result<()> {
    let arguments = [program.as_ptr().cast_mut(), ptr::null_mut()];
    let environment = [ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: a path and two lists of strings which end in a null, all of which outlive the call.
    let status = unsafe {
        let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
        libc::posix_spawn(&raw mut pid, program.as_ptr(), ptr::null(), ptr::null(), arguments, environment)
    };
    ensure!(status == 0, "posix_spawn failed: {status}");
    reap(pid)
}

fn fork(program: &CString) -> anyhow::Result<()> {
    let arguments = [program.as_ptr(), ptr::null()];
    let environment = [ptr::null()];
    // SAFETY: the child calls nothing but execve(2) and _exit(2).
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above, with lists which end in a null.
        unsafe {
            libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
            libc::_exit(127);
        }
    }
    ensure!(pid > 0, "fork failed");
    reap(pid)
}

fn reap(pid: i32) -> anyhow::Result<()> {
    let mut status = 0;
    // SAFETY: the kernel writes the status there.
    let reaped = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    ensure!(reaped == pid && status == 0, "the program failed: {status}");
    Ok(())
}
