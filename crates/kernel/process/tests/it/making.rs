//! Processes that are made side by side.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use perigee_process::wait::{self, Exit};
use perigee_process::{At, Errno, SpawnError, Step};

use crate::{shell, text};

/// More than there are places for descriptors; each has its own output, whichever way it was made.
#[test]
fn each_has_its_own() {
    let null = File::open("/dev/null").unwrap();
    let begun: Vec<_> = (0..40)
        .map(|number| {
            let (read, write) = std::io::pipe().unwrap();
            let mut launch = shell(&format!("echo {number}; exit {number}"));
            launch.environment(vec![text(&format!("NUMBER={number}"))]);
            launch.descriptor(null.as_fd()).descriptor(write.as_fd());
            (launch.begin().unwrap(), read)
        })
        .collect();
    for (number, (making, mut read)) in begun.into_iter().enumerate().rev() {
        let pid = making.pid();
        let child = making.finish().unwrap();
        assert_eq!(child.pid, pid);
        assert_eq!(wait::wait_for(child.pidfd.as_fd()), Ok(Exit::Code(number as i32)));
        let mut printed = String::new();
        read.read_to_string(&mut printed).unwrap();
        assert_eq!(printed, format!("{number}\n"));
    }
}

/// One that hangs holds up no other, and is known to hang without waiting for it.
#[test]
fn one_that_hangs_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut hangs = shell("exit 0");
    hangs.step(Step::Write { path: text(path.to_str().unwrap()), text: b"x".to_vec() });
    hangs.patience(Duration::from_millis(400));
    let begin = Instant::now();
    let hangs = hangs.begin().unwrap();
    let fails = {
        let mut launch = shell("exit 0");
        launch.step(Step::Directory(text("/nowhere")));
        launch.begin().unwrap()
    };
    let runs = shell("exit 3").begin().unwrap();
    assert_eq!(wait::wait_for(runs.finish().unwrap().pidfd.as_fd()), Ok(Exit::Code(3)));
    assert_eq!(fails.finish().unwrap_err(), SpawnError::Failed { at: At::Step(0), errno: Errno::ENOENT });
    assert!(!hangs.is_over() && !hangs.is_overdue(), "{:?}", begin.elapsed());
    assert!(!hangs.wait(Duration::from_millis(1)));
    assert_eq!(hangs.finish().unwrap_err(), SpawnError::Hung { at: At::Step(0) });
    assert!(begin.elapsed() >= Duration::from_millis(400));
}

/// Whoever loses interest does not take away what the child still uses.
#[test]
fn one_that_nobody_waits_for_begins_all_the_same() {
    let (mut read, write) = std::io::pipe().unwrap();
    let mut launch = shell("echo here");
    launch.descriptor(read.as_fd()).descriptor(write.as_fd());
    drop(launch.begin().unwrap());
    drop(write);
    let mut printed = String::new();
    read.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "here\n");
}
