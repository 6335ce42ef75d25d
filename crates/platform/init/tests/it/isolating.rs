//! Isolating a unit, under a supervisor that is a process of its own.

use perigee_init::control::{Client, ClientError, Reply, Request};
use perigee_units::machine::Verb;

use crate::groups::Init;

const SLEEPS: &str = "[Service]\nExecStart=/bin/sleep 1000\n";

#[test]
fn what_does_not_belong_to_it_is_stopped() {
    let stays = format!("IgnoreOnIsolate=yes\n{SLEEPS}");
    let units = [
        ("all.target", "Wants=shared.service gone.service stays.service up.path\n"),
        ("small.target", "AllowIsolate=yes\nWants=shared.service new.service up.path\nAfter=new.service\n"),
        ("shared.service", SLEEPS),
        ("gone.service", SLEEPS),
        ("stays.service", &stays),
        ("new.service", SLEEPS),
        ("up.path", "[Path]\nPathExists=/\nUnit=kept.service\n"),
        ("kept.service", SLEEPS),
    ];
    let Some(init) = Init::begin("isolate", &units) else { return };
    let isolate = |unit: &str| {
        let request = Request::Isolate { unit: unit.to_owned(), wait: true };
        Client::connect(&init.folder.path().join("run")).unwrap().all(&request)
    };
    let state = |unit: &str| init.status(unit).listed.active;
    init.act(Verb::Start, "all.target");
    init.until("the path has started its service", || (state("kept.service") == "active").then_some(()));
    let pids = ["shared.service", "stays.service", "kept.service"].map(|unit| init.status(unit).main_pid);
    assert!(pids.iter().all(Option::is_some));
    let refused = isolate("all.target");
    assert!(
        matches!(&refused, Err(ClientError::Refused(why)) if why.contains("AllowIsolate=yes")),
        "{refused:?}"
    );
    assert_eq!(state("gone.service"), "active", "nothing was stopped for that");
    let replies = isolate("small.target").unwrap();
    assert!(replies.iter().any(|reply| matches!(reply, Reply::Finished { .. })), "{replies:?}");
    assert_eq!((state("small.target").as_str(), state("new.service").as_str()), ("active", "active"));
    init.until("the other one has gone", || (state("gone.service") == "inactive").then_some(()));
    init.until("its target too", || (state("all.target") == "inactive").then_some(()));
    assert_eq!(
        pids,
        ["shared.service", "stays.service", "kept.service"].map(|unit| init.status(unit).main_pid)
    );
}

#[test]
fn a_failure_may_isolate_a_unit() {
    let units = [
        (
            "fails.service",
            "OnFailure=small.target\nOnFailureJobMode=isolate\n[Service]\nType=oneshot\nExecStart=/bin/false\n",
        ),
        (
            "older.service",
            "OnFailure=other.target\nOnFailureIsolate=yes\n[Service]\nType=oneshot\nExecStart=/bin/false\n",
        ),
        ("small.target", "AllowIsolate=yes\nWants=new.service\n"),
        ("other.target", "Wants=new.service\n"),
        ("new.service", SLEEPS),
        ("gone.service", SLEEPS),
    ];
    let Some(init) = Init::begin("isolate-failure", &units) else { return };
    let state = |unit: &str| init.status(unit).listed.active;
    init.act(Verb::Start, "gone.service");
    init.act(Verb::Start, "older.service");
    let log = || std::fs::read_to_string(init.folder.path().join("log")).unwrap();
    init.until("it is told why nothing is isolated", || {
        log().contains("other.target: is not isolated: other.target may not be isolated").then_some(())
    });
    assert_eq!((state("gone.service").as_str(), state("new.service").as_str()), ("active", "inactive"));
    init.act(Verb::Start, "fails.service");
    init.until("the rest has gone", || (state("gone.service") == "inactive").then_some(()));
    init.until("and what belongs to it is there", || (state("new.service") == "active").then_some(()));
    assert_eq!((state("fails.service").as_str(), state("small.target").as_str()), ("failed", "active"));
}
