//! What cannot be made says where it failed, and leaves nothing behind.

use std::time::{Duration, Instant};

use perigee_process::{At, Errno, Launch, SpawnError, Step};

use crate::{output, shell, text};

fn check(launch: &Launch<'_>, at: At, errno: Errno) {
    let mut copying = launch.clone();
    copying.own_memory();
    for launch in [launch, &copying] {
        assert_eq!(launch.spawn().unwrap_err(), SpawnError::Failed { at, errno });
    }
}

#[test]
fn programs_that_are_none() {
    let program = |path: &str| Launch::new(text(path), vec![text("x")]);
    check(&program("/nowhere"), At::Exec, Errno::ENOENT);
    check(&program("/etc/passwd"), At::Exec, Errno::EACCES);
    check(&program("/etc"), At::Exec, Errno::EACCES);
    let mut several = program("/etc/passwd");
    several.or_program(text("/nowhere"));
    check(&several, At::Exec, Errno::EACCES);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no program").unwrap();
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = file.into_temp_path();
    // A child of another test may have come between with the descriptor by which the file was written.
    let begin = Instant::now();
    let busy = SpawnError::Failed { at: At::Exec, errno: Errno::ETXTBSY };
    while program(path.to_str().unwrap()).spawn().unwrap_err() == busy {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    check(&program(path.to_str().unwrap()), At::Exec, Errno::ENOEXEC);
}

#[test]
fn the_step_that_failed_is_told() {
    let mut launch = shell("exit 0");
    launch.step(Step::Umask(0)).step(Step::Directory(text("/nowhere"))).step(Step::Session);
    check(&launch, At::Step(1), Errno::ENOENT);
}

#[test]
fn a_lenient_step_is_told_and_passed() {
    let mut launch = shell("pwd");
    launch.step(Step::Directory(text("/"))).lenient(Step::Directory(text("/nowhere"))).step(Step::Session);
    let child = launch.spawn().unwrap();
    assert_eq!(child.lenient, [(1, Errno::ENOENT)]);
    perigee_process::wait::wait_for(std::os::fd::AsFd::as_fd(&child.pidfd)).unwrap();
    assert_eq!(launch.steps().get(1).unwrap().name(), "changing to the working directory");
}

/// A step that hangs holds the parent no longer than it has patience: opening a FIFO that nobody reads.
#[test]
fn what_hangs_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let path = text(path.to_str().unwrap());
    for copies in [false, true] {
        let mut launch = shell("exit 0");
        launch.step(Step::Write { path: path.clone(), text: b"x".to_vec() });
        launch.patience(Duration::from_millis(200));
        if copies {
            launch.own_memory();
        }
        let begin = Instant::now();
        assert_eq!(launch.spawn().unwrap_err(), SpawnError::Hung { at: At::Step(0) });
        assert!((200..1200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    }
    // The stack is good for the next one.
    assert!(output(&shell("exit 0")).is_ok());
}
