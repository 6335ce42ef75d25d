//! The commands of socket units, under a supervisor that is a process of its own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use perigee_init::control::{Reply, Request};
use perigee_units::machine::{JobOutcome, Verb};

use crate::groups::Init;

/// A socket in this folder whose commands say when they ran, whether its node was there, and in which group they were.
fn commanded(folder: &Path, more: &str) -> String {
    let say = |word: &str| {
        format!(
            "/bin/sh -c 'test -S DIR/node && n=open || n=closed; grep -q /own.socket$ /proc/self/cgroup || n=strange; echo {word} $n >> DIR/said'"
        )
    };
    let text = format!(
        "[Socket]\nListenStream=DIR/node\nRemoveOnStop=yes\nExecStartPre={}\nExecStartPost={}\n\
         ExecStopPre={}\nExecStopPost={}\n{more}",
        say("start-pre"),
        say("start-post"),
        say("stop-pre"),
        say("stop-post")
    );
    text.replace("DIR", folder.to_str().unwrap())
}

fn begin(test: &str, more: impl Fn(&str) -> String) -> Option<(Init, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let own = commanded(folder.path(), &more(folder.path().to_str().unwrap()));
    let service = "[Service]\nExecStart=/bin/sleep 1000\n";
    let init = Init::begin(test, &[("own.socket", &own), ("own.service", service)])?;
    Some((init, folder))
}

fn said(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join("said")).unwrap_or_default()
}

#[test]
fn commands_run_around_the_opening_of_sockets() {
    let test = "commands_run_around_the_opening_of_sockets";
    let hold = |folder: &str| {
        format!("ExecStartPost=/bin/sh -c 'while ! test -e {folder}/go; do sleep 0.01; done'\n")
    };
    let Some((init, folder)) = begin(test, hold) else { return };
    let state = || {
        let listed = init.status("own.socket").listed;
        (listed.active, listed.sub)
    };
    let start = Request::Do {
        verb: Verb::Start,
        units: vec!["own.socket".to_owned()],
        active_only: false,
        or_restart: false,
        wait: false,
    };
    init.ask(&start);
    init.until("start-post", || (state() == ("activating".into(), "start-post".into())).then_some(()));
    // It is open, but nobody is let in before the commands have ended.
    let _early = UnixStream::connect(folder.path().join("node")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(init.status("own.service").listed.active, "inactive");
    fs::write(folder.path().join("go"), "").unwrap();
    init.until("its service, for who has come", || {
        (init.status("own.service").listed.active == "active").then_some(())
    });
    assert_eq!(state(), ("active".into(), "running".into()));
    init.act(Verb::Stop, "own.service");
    init.act(Verb::Stop, "own.socket");
    assert_eq!(state(), ("inactive".into(), "dead".into()));
    assert_eq!(said(&folder), "start-pre closed\nstart-post open\nstop-pre open\nstop-post closed\n");
}

#[test]
fn commands_that_fail_fail_their_socket() {
    let test = "commands_that_fail_fail_their_socket";
    let Some((init, folder)) = begin(test, |_| "ExecStartPost=/bin/sh -c 'exit 7'\n".to_owned()) else {
        return;
    };
    let replies = init.act(Verb::Start, "own.socket");
    assert!(
        replies
            .iter()
            .any(|reply| matches!(reply, Reply::Finished { outcome, .. } if *outcome == JobOutcome::Failed)),
        "{replies:?}"
    );
    let status = init.status("own.socket");
    assert_eq!((status.listed.active.as_str(), status.result.as_str()), ("failed", "exit-code 7"));
    assert_eq!(said(&folder), "start-pre closed\nstart-post open\nstop-pre open\nstop-post closed\n");
}

#[test]
fn commands_of_a_socket_have_their_time() {
    let test = "commands_of_a_socket_have_their_time";
    let Some((init, folder)) = begin(test, |_| "ExecStartPre=/bin/sleep 1000\nTimeoutSec=200ms\n".to_owned())
    else {
        return;
    };
    init.act(Verb::Start, "own.socket");
    let status = init.status("own.socket");
    assert_eq!((status.listed.active.as_str(), status.result.as_str()), ("failed", "timeout"));
    assert!(said(&folder).starts_with("start-pre closed\n"));
    assert!(!said(&folder).contains("start-post"), "{}", said(&folder));
}
