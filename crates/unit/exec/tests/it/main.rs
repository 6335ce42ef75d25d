//! Processes of units, looked at from inside: every directive that is carried out, on a real process.

#![allow(clippy::unwrap_used)]

mod calls;
mod corpus;
mod coverage;
mod files;
mod rights;
mod sharing;
mod surroundings;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use perigee_exec::{Attach, Context, ExecError};
use perigee_process::wait::{self, Exit};
use perigee_units::unit::{Command, Host, Privileges, Source, Unit, UnitName, Value};

/// A service with these lines.
pub(crate) fn context(name: &str, lines: &str) -> Context {
    let name = UnitName::parse(name).unwrap();
    let text = format!("[Service]\nExecStart=/bin/true\n{lines}\n").into_bytes();
    let unit = Unit::read(name, &[Source { path: "test.service".into(), text }], &Host::default());
    let wrong: Vec<_> =
        unit.complaints.iter().filter(|c| !c.to_string().contains("yet")).map(ToString::to_string).collect();
    assert_eq!(wrong, Vec::<String>::new(), "{lines}");
    Context::read(&unit)
}

/// The shell with a script, in which nothing is substituted.
pub(crate) fn shell(script: &str, privileges: Privileges) -> Command {
    Command {
        program: "/bin/sh".to_owned(),
        arguments: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ignore_failure: false,
        substitute: false,
        privileges,
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) printed: String,
    pub(crate) exit: Exit,
    pub(crate) notes: Vec<String>,
}

/// Runs a command with what else is given; standard output and error come back.
pub(crate) fn run_as(
    context: &Context,
    command: &Command,
    variables: &[(&str, String)],
) -> Result<Seen, ExecError> {
    run_joined(context, &[], command, variables)
}

/// The same for a unit that shares with others.
pub(crate) fn run_joined(
    context: &Context,
    joined: &[Context],
    command: &Command,
    variables: &[(&str, String)],
) -> Result<Seen, ExecError> {
    let prepared = context.prepare_with(&std::collections::BTreeMap::new(), joined)?;
    let (mut read, write) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let (stdin, output) = (null.as_fd(), write.as_fd());
    let attach =
        Attach { stdin, stdout: output, stderr: output, listen: &[], tasks: None, variables, group: None };
    let spawned = prepared.begin(command, &attach)?.finish()?;
    drop(write);
    let mut printed = String::new();
    read.read_to_string(&mut printed).unwrap();
    let exit = wait::wait_for(spawned.pidfd.as_fd()).unwrap();
    let notes = prepared.notes.iter().cloned().chain(spawned.notes).collect();
    Ok(Seen { printed: printed.trim_end().to_owned(), exit, notes })
}

/// The same, once, for a service with these lines.
pub(crate) fn run(lines: &str, script: &str) -> Seen {
    let context = context("perigee-exec-test.service", lines);
    let seen = run_as(&context, &shell(script, Privileges::Unit), &[]);
    context.clean();
    seen.unwrap_or_else(|error| panic!("{lines}: {error}: {:?}", std::error::Error::source(&error)))
}

/// A service with these lines prints this and ends well, without a note.
#[track_caller]
pub(crate) fn check(lines: &str, script: &str, expected: &str) {
    let seen = run(lines, script);
    assert_eq!((seen.printed.as_str(), seen.exit, seen.notes), (expected, Exit::Code(0), vec![]), "{lines}");
}

/// A service with these lines does not start, with this status.
#[track_caller]
pub(crate) fn refused(lines: &str, status: u8) -> String {
    let context = context("perigee-exec-test.service", lines);
    let error = run_as(&context, &shell("exit 0", Privileges::Unit), &[]).expect_err(lines);
    context.clean();
    assert_eq!(error.status(), status, "{lines}: {error}");
    error.to_string()
}

/// Whether the test can do what only the superuser can; says so where not.
pub(crate) fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED {test}: not the superuser");
    }
    root
}

/// A line of `/proc/self/status`.
pub(crate) fn status(name: &str) -> String {
    format!("sed -n 's/^{name}:\\s*//p' /proc/self/status")
}

/// The first command of a unit.
pub(crate) fn first_command(line: &str) -> Command {
    let name = UnitName::parse("a.service").unwrap();
    let text = format!("[Service]\nExecStart={line}\n").into_bytes();
    let unit = Unit::read(name, &[Source { path: "a.service".into(), text }], &Host::default());
    match unit.last("Service", "ExecStart") {
        Some(Value::Commands(commands)) => commands[0].clone(),
        other => panic!("{line}: {other:?}"),
    }
}
