//! Units that end everything when they end, under a supervisor that is a process of its own.

use std::fs;
use std::time::{Duration, Instant};

use perigee_init::control::Request;
use perigee_units::machine::Verb;

use crate::groups::Init;

/// Starts a unit, and gives the exit status of the supervisor, once it has ended by that.
fn ends(test: &str, text: &str) -> Option<(Init, i32)> {
    let other =
        "[Service]\nExecStart=/bin/sleep 1000\nExecStopPost=/bin/sh -c 'echo stopped >> DIR/stopped'\n";
    let folder = tempfile::tempdir().unwrap();
    let other = other.replace("DIR", folder.path().to_str().unwrap());
    let mut init = Init::begin(test, &[("ending.service", text), ("other.service", &other)])?;
    init.act(Verb::Start, "other.service");
    let units = vec!["ending.service".to_owned()];
    let start = Request::Do { verb: Verb::Start, units, active_only: false, or_restart: false, wait: false };
    init.ask(&start);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = init.supervised.process.try_wait().unwrap() {
            let stopped = fs::read_to_string(folder.path().join("stopped")).unwrap_or_default();
            assert_eq!(stopped, "stopped\n", "the other unit was stopped before");
            return Some((init, status.code().unwrap()));
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_failure_may_end_everything() {
    let text =
        "FailureAction=exit\nSuccessAction=none\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 9'\n";
    let Some((init, status)) = ends("action-failure", text) else { return };
    assert_eq!(status, 9, "as its main process has ended");
    let log = fs::read_to_string(init.folder.path().join("log")).unwrap();
    assert!(log.contains("ending.service: has failed: FailureAction=exit"), "{log}");
}

#[test]
fn a_success_may_end_everything_with_a_status_of_its_own() {
    let text =
        "SuccessAction=exit\nSuccessActionExitStatus=3\nFailureAction=exit\n[Service]\nExecStart=/bin/true\n";
    let Some((_, status)) = ends("action-success", text) else { return };
    assert_eq!(status, 3);
}

#[test]
fn too_many_starts_may_end_everything() {
    let text = "StartLimitBurst=3\nStartLimitAction=exit\nFailureActionExitStatus=5\n\
        [Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=10ms\n";
    let Some((init, status)) = ends("action-limit", text) else { return };
    assert_eq!(status, 5);
    let log = fs::read_to_string(init.folder.path().join("log")).unwrap();
    assert!(log.contains("was started too often: StartLimitAction=exit"), "{log}");
}

#[test]
fn a_job_that_takes_too_long_may_end_everything() {
    let text = "JobTimeoutSec=300ms\nJobTimeoutAction=exit\nFailureActionExitStatus=6\n\
        [Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n";
    let Some((_, status)) = ends("action-job", text) else { return };
    assert_eq!(status, 6);
}
