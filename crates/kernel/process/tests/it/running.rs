//! Processes run and are reaped.

use std::fs::File;
use std::os::fd::AsFd;

use perigee_process::wait::{self, Exit};
use perigee_process::{Launch, pidfd};

use crate::{both, output, shell, text};

#[test]
fn exit_statuses() {
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 77", Exit::Code(77)),
        ("kill -9 $$", Exit::Signal { signal: 9, core: false }),
        ("kill -40 $$", Exit::Signal { signal: 40, core: false }),
    ] {
        assert_eq!(output(&shell(script)).unwrap().1, exit, "{script}");
    }
}

#[test]
fn arguments_and_environment() {
    let mut launch = shell("echo $0 $1 $A; env | sort | tr '\\n' ' '");
    launch.environment(vec![text("A=one two"), text("PATH=/bin")]);
    for printed in both(&launch) {
        assert_eq!(printed, "sh one two\nA=one two PATH=/bin PWD=".to_owned() + &cwd());
    }
}

fn cwd() -> String {
    std::env::current_dir().unwrap().display().to_string()
}

#[test]
fn a_variable_with_its_own_number() {
    let mut launch =
        Launch::new(text("/bin/sh"), ["sh", "-c", "echo $LISTEN_PID $$ $OTHER"].map(text).to_vec());
    launch.environment(vec![text("A=b")]).pid_variable(text("LISTEN_PID")).pid_variable(text("OTHER"));
    for printed in both(&launch) {
        let numbers: Vec<_> = printed.split(' ').collect();
        assert!(numbers.len() == 3 && numbers.iter().all(|number| *number == numbers[0]), "{printed}");
    }
}

/// Descriptors come to their places in any order, and nothing else is open.
#[test]
fn descriptors_in_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<File> = (0..4)
        .map(|index| {
            let path = folder.path().join(index.to_string());
            std::fs::write(&path, index.to_string()).unwrap();
            File::open(path).unwrap()
        })
        .collect();
    // Descriptors of the parent that stand where others shall come.
    let mut launch = shell("cat <&3; cat <&4; cat <&5; cat <&6; ls /proc/self/fd | tr '\\n' ' '");
    let (mut read, write) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    launch.descriptor(null.as_fd()).descriptor(write.as_fd()).descriptor(write.as_fd());
    // Given backwards, so that each stands in the way of another if the numbers are small.
    for file in files.iter().rev() {
        launch.descriptor(file.as_fd());
    }
    launch.environment(vec![text("PATH=/bin")]);
    let child = launch.spawn().unwrap();
    drop(write);
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut read, &mut printed).unwrap();
    assert_eq!(wait::wait_for(child.pidfd.as_fd()), Ok(Exit::Code(0)));
    // The seventh is what ls has opened itself.
    assert_eq!(printed.trim_end(), "32100 1 2 3 4 5 6 7");
}

/// Each of two descriptors where the other one is.
#[test]
fn descriptors_change_places() {
    let mut launch = shell("readlink /proc/self/fd/0 /proc/self/fd/2 1>&3");
    let out = tempfile::NamedTempFile::new().unwrap();
    let (input, error) = (std::io::stdin(), std::io::stderr());
    let link = |fd: u32| std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string();
    let expected = format!("{}\n{}\n", link(2), link(0));
    launch.environment(vec![text("PATH=/bin")]);
    let null = File::open("/dev/null").unwrap();
    launch
        .descriptor(error.as_fd())
        .descriptor(null.as_fd())
        .descriptor(input.as_fd())
        .descriptor(out.as_fd());
    let child = launch.spawn().unwrap();
    wait::wait_for(child.pidfd.as_fd()).unwrap();
    assert_eq!(std::fs::read_to_string(out.path()).unwrap(), expected);
}

#[test]
fn the_program_is_looked_for() {
    let mut launch = Launch::new(text("/nowhere/true"), vec![text("true")]);
    launch.or_program(text("/etc/passwd/true")).or_program(text("/bin/true"));
    assert_eq!(output(&launch).unwrap().1, Exit::Code(0));
}

#[test]
fn signals_by_descriptor() {
    let child = shell("exec sleep 1000").spawn().unwrap();
    assert_eq!(wait::reap_child(child.pidfd.as_fd()), Ok(None));
    let again = pidfd::open(child.pid).unwrap();
    pidfd::signal(again.as_fd(), 15).unwrap();
    assert_eq!(wait::wait_for(child.pidfd.as_fd()), Ok(Exit::Signal { signal: 15, core: false }));
    assert_eq!(wait::reap_child(child.pidfd.as_fd()), Err(nix::errno::Errno::ECHILD));
    assert_eq!(pidfd::signal(again.as_fd(), 15), Err(nix::errno::Errno::ESRCH));
    assert_eq!(pidfd::kill(-1, 15), Err(nix::errno::Errno::EINVAL));
}
