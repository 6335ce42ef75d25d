//! Real processes, looked at from inside and from outside.

#![allow(clippy::unwrap_used)]

mod attributes;
mod failing;
mod making;
mod namespaces;
mod running;
mod storm;

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use perigee_process::wait::{self, Exit};
use perigee_process::{Launch, SpawnError};

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// The shell with this script.
fn shell<'a>(script: &str) -> Launch<'a> {
    Launch::new(text("/bin/sh"), ["sh", "-c", script].map(text).to_vec())
}

/// What the process prints, and how it ends.
fn output(launch: &Launch<'_>) -> Result<(String, Exit), SpawnError> {
    let (mut read, write) = std::io::pipe().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let mut launch = launch.clone();
    launch.descriptor(null.as_fd()).descriptor(write.as_fd()).descriptor(write.as_fd());
    let child = launch.spawn()?;
    assert_eq!(child.lenient, []);
    drop(launch);
    drop(write);
    let mut printed = String::new();
    read.read_to_string(&mut printed).unwrap();
    Ok((printed.trim_end().to_owned(), wait::wait_for(child.pidfd.as_fd()).unwrap()))
}

/// Both ways in which a process is made.
fn both(launch: &Launch<'_>) -> [String; 2] {
    let mut copying = launch.clone();
    copying.own_memory();
    [launch, &copying].map(|launch| {
        let (printed, exit) = output(launch).unwrap();
        assert_eq!(exit, Exit::Code(0), "{printed}");
        printed
    })
}

/// Whether this test can do what only the superuser can; says so where not.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED {test}: not the superuser");
    }
    root
}
