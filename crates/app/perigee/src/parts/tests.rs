//! Order, restarts and grace, with parts made for it, a node and its supervisor.

use std::fs::File;
use std::io::{Read, Write};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use perigee_init::control::{Client, Reply, Request};
use perigee_part::Node;
use perigee_part::node::{Ended, PartStatus, Phase, orders};
use perigee_testkit::actors::{add, never_drains, node, panics_at_first, steady};
use perigee_units::machine::{Effect, Event, Machine, Outcome, Verb};
use perigee_units::tasks::Order;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::*;

/// Runs the node with its supervisor until `condition` holds of its parts, then `look`s at the supervisor, and stops.
async fn run_until(
    node: Node,
    condition: impl Fn(&[PartStatus]) -> bool,
    look: impl FnOnce(&Path) + Send + 'static,
) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let (orders, received) = orders();
    let (keeper, _waiting) = Keeper::new();
    let describe = |part: &str| format!("the {part}");
    let begun = Supervised::begin(None, &node.parts(), describe, orders, folder.path(), &keeper);
    let supervised = begun.expect("a supervisor");
    let (stop, stopped) = oneshot::channel::<()>();
    let readiness = node.readiness();
    let running = tokio::spawn(node.run(received, supervised.told(), async { drop(stopped.await) }));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition(&readiness.parts()) {
        assert!(Instant::now() < deadline, "{:?}", readiness.parts());
        sleep(Duration::from_millis(5)).await;
    }
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || look(&path)).await.expect("what is looked at is there");
    stop.send(()).expect("the node runs");
    let ended = running.await.expect("the node ends");
    supervised.end().expect("the supervisor ends");
    ended
}

fn all_ready(parts: &[PartStatus]) -> bool {
    parts.iter().all(|part| part.state == Phase::Ready)
}

#[tokio::test]
async fn parts_start_in_order_and_stop_in_reverse() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let ended = run_until(node, all_ready, |_| {}).await;
    assert_eq!(ended, Ended { late: vec![] });
    let expected = ["link1 holds 1", "telemetry1 runs", "link1 runs", "link1 ends", "telemetry1 ends"];
    assert_eq!(*journal.lock().expect("a journal"), expected);
}

#[tokio::test]
async fn a_part_that_panics_is_started_again_with_those_that_hold_its_handle() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", panics_at_first, &[]);
    let link = add(&mut node, &journal, "link", steady, &[&telemetry]);
    add(&mut node, &journal, "page", steady, &[&link]);
    add(&mut node, &journal, "other", steady, &[]);
    let twice = |parts: &[PartStatus]| parts[0].restarts == 2 && all_ready(parts);
    let look = |runtime: &Path| {
        let units = vec!["telemetry.task".to_owned()];
        let mut client = Client::connect(runtime).expect("a supervisor");
        let replies = client.all(&Request::Status { units }).expect("an answer");
        let Some(Reply::Unit(status)) = replies.into_iter().next() else { panic!("no status") };
        let listed = &status.listed;
        assert_eq!((listed.restarts, listed.sub.as_str()), (2, "running"));
        assert_eq!(listed.description, "the telemetry");
    };
    run_until(node, twice, look).await;
    let journal = journal.lock().expect("a journal");
    let about =
        |name: &str| journal.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(about("telemetry").last().map(String::as_str), Some("telemetry3 ends"));
    assert!(about("link").contains(&"link3 holds 3".to_owned()), "{journal:?}");
    assert!(about("page").contains(&"page3 holds 3".to_owned()), "{journal:?}");
    assert_eq!(about("other"), ["other1 runs", "other1 ends"], "others are not touched");
    let place = |line: &str| journal.iter().position(|other| other == line);
    // It may have gone down before its first life began.
    if let Some(ends) = place("link1 ends") {
        assert!(Some(ends) < place("telemetry2 runs"), "the old link is gone first: {journal:?}");
    }
    assert!(place("link2 ends") < place("telemetry3 runs"), "the old link is gone first: {journal:?}");
}

#[tokio::test]
async fn who_is_late_is_named_and_the_others_drain_all_the_same() {
    let (mut node, _, journal) = node(Duration::from_millis(400));
    let telemetry = add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "stubborn", never_drains, &[&telemetry]);
    let start = Instant::now();
    let ended = run_until(node, all_ready, |_| {}).await;
    assert_eq!(ended.late, ["stubborn"]);
    assert!(journal.lock().expect("a journal").contains(&"telemetry1 ends".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_part_that_is_stopped_by_request_stays_away_until_it_is_started() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let look = |runtime: &Path| {
        let act = |verb| {
            let units = vec!["link.task".to_owned()];
            let request = Request::Do { verb, units, active_only: false, or_restart: false, wait: true };
            let mut client = Client::connect(runtime).expect("a supervisor");
            client.all(&request).expect("an answer");
        };
        act(Verb::Stop);
        act(Verb::Start);
    };
    run_until(node, all_ready, look).await;
    let expected =
        ["telemetry1 runs", "link1 runs", "link1 ends", "link2 holds 1", "link2 runs", "link2 ends"];
    let journal = journal.lock().expect("a journal");
    assert_eq!(journal[1..7], expected, "{journal:?}");
}

/// What the machine makes of a part that falls as soon as it runs, in ten minutes.
#[test]
fn waits_double_up_to_a_bound() {
    let tasks = [Task::new("unlucky", &[], "unlucky")];
    let mut machine = Machine::new(own::units(&tasks).into_iter().map(|unit| unit.spec).collect());
    let unit = machine.unit("unlucky.task").expect("a unit");
    machine.request(Verb::Start, unit, Duration::ZERO).expect("it starts");
    let (mut at, mut starts, mut waits) = (Duration::ZERO, 0, Vec::new());
    while at < Duration::from_secs(600) {
        while let Some(effect) = machine.effect() {
            if effect == Effect::Start(unit) {
                starts += 1;
                machine.event(unit, Event::Ready, at);
                machine.event(unit, Event::Ended(Outcome::ExitCode(101)), at);
            }
        }
        let next = machine.timeout().expect("it is started again");
        waits.push(next - at);
        at = next;
        machine.tick(at);
    }
    assert!((25..30).contains(&(starts - 1)), "{starts} starts, after {waits:?}");
    assert_eq!(waits[0], Duration::from_millis(100));
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] <= pair[0] * 9 / 4), "{waits:?}");
}

/// Runs the node with a supervisor above it that is `supervisor`, which is given the other end of the socket; gives how
/// both have ended.
async fn run_below(
    node: Node,
    supervisor: impl FnOnce(File) + Send + 'static,
) -> (Ended, anyhow::Result<()>) {
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, theirs) = pair.expect("a pair of sockets");
    let supervisor = std::thread::spawn(move || supervisor(theirs.into()));
    let ((orders, received), (keeper, _waiting)) = (orders(), Keeper::new());
    let describe = |part: &str| format!("the {part}");
    let above = Some(Above::new(ours));
    let begun = Supervised::begin(above, &node.parts(), describe, orders, Path::new("/nonexistent"), &keeper);
    let supervised = begun.expect("the parts are brought");
    let ended = node.run(received, supervised.told(), std::future::pending()).await;
    supervisor.join().expect("the supervisor has heard what it expects");
    (ended, supervised.end())
}

fn hear(socket: &mut File) -> Said {
    let mut packet = [0; 4096];
    let count = socket.read(&mut packet).expect("a packet");
    Said::parse(&packet[..count]).expect("something is said")
}

fn order(socket: &mut File, order: &Order) {
    socket.write_all(&order.packet()).expect("the order is sent");
}

#[tokio::test]
async fn a_supervisor_above_decides_and_without_it_everything_drains() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", panics_at_first, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let (ended, supervised) = run_below(node, |mut socket| {
        let (telemetry, link) = ("telemetry".to_owned(), "link".to_owned());
        let tasks = [
            Task::new("telemetry", &[], "the telemetry"),
            Task::new("link", std::slice::from_ref(&telemetry), "the link"),
        ];
        assert_eq!(hear(&mut socket), Said::Tasks(tasks.to_vec()));
        order(&mut socket, &Order::Start(telemetry.clone()));
        assert_eq!(hear(&mut socket), Said::Ready(telemetry.clone()));
        let fell = Said::Ended(telemetry.clone(), End::Panicked, "panicked: life 1 is over".to_owned());
        assert_eq!(hear(&mut socket), fell);
        order(&mut socket, &Order::Start(link.clone()));
        // What is not understood is passed over.
        socket.write_all(b"DANCE=link").expect("sent");
        assert_eq!(hear(&mut socket), Said::Ready(link.clone()));
        order(&mut socket, &Order::Drain(link.clone()));
        assert_eq!(hear(&mut socket), Said::Ended(link.clone(), End::Well, String::new()));
        order(&mut socket, &Order::Start(link.clone()));
        assert_eq!(hear(&mut socket), Said::Ready(link));
    })
    .await;
    assert_eq!(ended, Ended { late: vec![] });
    let why = supervised.expect_err("it did not end by its own will").to_string();
    assert_eq!(why, "the supervisor is gone");
    assert_eq!(journal.lock().expect("a journal").last().map(String::as_str), Some("link2 ends"));
}

#[tokio::test]
async fn a_supervisor_above_that_does_not_take_the_parts_ends_the_station() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    add(&mut node, &journal, "telemetry", steady, &[]);
    let (ended, supervised) = run_below(node, |mut socket| {
        assert!(matches!(hear(&mut socket), Said::Tasks(_)));
        order(&mut socket, &Order::Refused("telemetry.task is another unit already".to_owned()));
        assert_eq!(hear(&mut socket), Said::End);
    })
    .await;
    assert_eq!(ended, Ended { late: vec![] });
    let why = supervised.expect_err("it is refused").to_string();
    assert!(why.ends_with("telemetry.task is another unit already"), "{why}");
    assert!(journal.lock().expect("a journal").is_empty(), "nothing has run");
}
