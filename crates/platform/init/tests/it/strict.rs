//! Units of which something is not carried out are refused where that is configured, under a supervisor that is a process
//! of its own.

use std::fs;

use perigee_init::control::{Client, ClientError, Request};
use perigee_units::machine::Verb;

use crate::groups::Init;

const PLAIN: &str = "[Service]\nExecStart=/bin/sleep 1000\n";

fn lacking(more: &str) -> String {
    format!("{PLAIN}LogNamespace=mine\n{more}")
}

/// Why a request is refused; none if it is not.
fn refused(init: &Init, verb: Verb, unit: &str) -> Option<String> {
    let units = vec![unit.to_owned()];
    let request = Request::Do { verb, units, active_only: false, or_restart: false, wait: true };
    match Client::connect(&init.folder.path().join("run")).unwrap().all(&request) {
        Ok(_) => None,
        Err(ClientError::Refused(why)) => Some(why),
        Err(error) => panic!("{error:?}"),
    }
}

fn active(init: &Init, unit: &str) -> String {
    init.status(unit).listed.active
}

#[test]
fn what_is_not_carried_out_is_a_refusal_where_that_is_set() {
    let (lacking, unless, own) =
        (lacking(""), lacking("[X-Perigee]\nStrict=no\n"), lacking("[X-Perigee]\nStrict=yes\n"));
    let units = [
        ("plain.service", PLAIN),
        ("lacking.service", &lacking),
        ("unless.service", &unless),
        ("own.service", &own),
        ("wanting.target", "Wants=lacking.service plain.service\n"),
        ("empty.service", "[Service]\nType=simple\n"),
    ];
    let Some(init) = Init::begin("strict", &units) else { return };
    // Nothing is set: what is not carried out is told, and no more.
    assert_eq!(refused(&init, Verb::Start, "lacking.service"), None);
    assert_eq!(active(&init, "lacking.service"), "active");
    let why = refused(&init, Verb::Start, "own.service").unwrap();
    assert!(
        why.starts_with("own.service is not started: ") && why.contains(":5: LogNamespace=: not carried out"),
        "{why}"
    );
    // What can never be started is refused anyway.
    let why = refused(&init, Verb::Start, "empty.service").unwrap();
    assert!(why.contains("it has no ExecStart="), "{why}");
    assert_eq!(init.status("empty.service").listed.load, "bad-setting");
    // From now on it counts for all; what runs goes on, and is not stopped for a start that would be refused.
    fs::write(init.folder.path().join("system.conf"), "[X-Perigee]\nStrict=yes\n").unwrap();
    init.ask(&Request::DaemonReload);
    let main = init.status("lacking.service").main_pid;
    assert!(refused(&init, Verb::Restart, "lacking.service").is_some());
    assert_eq!(init.status("lacking.service").main_pid, main);
    assert_eq!(active(&init, "lacking.service"), "active");
    assert_eq!(refused(&init, Verb::Start, "unless.service"), None);
    assert_eq!(active(&init, "unless.service"), "active");
    // One that others want is refused as well, and they are told so.
    assert_eq!(refused(&init, Verb::Stop, "lacking.service"), None);
    assert_eq!(refused(&init, Verb::Start, "wanting.target"), None);
    init.until("what is whole is there", || (active(&init, "plain.service") == "active").then_some(()));
    let status = init.status("lacking.service");
    assert_eq!((status.listed.active.as_str(), status.result.as_str()), ("failed", "refused"));
    assert!(
        status.complaints.iter().any(|line| line.contains("it was not started: ")),
        "{:?}",
        status.complaints
    );
    let log = fs::read_to_string(init.folder.path().join("log")).unwrap();
    assert!(log.contains("lacking.service: is not started: "), "{log}");
    fs::write(init.folder.path().join("system.conf"), "[X-Perigee]\nStrict=no\n").unwrap();
    init.ask(&Request::DaemonReload);
    assert_eq!(refused(&init, Verb::Start, "lacking.service"), None);
    assert_eq!(active(&init, "lacking.service"), "active");
}
