//! Orders, ends, grace and the admin endpoints of a node, with parts made for it. What a real supervisor makes of them is
//! tested where both meet, in the command.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perigee_part::metrics::Format;
use perigee_part::node::{End, Ended, Order, Orders, Readiness, Supervise, orders};
use perigee_part::{Context, Node, Running};
use perigee_testkit::actors::{Journal, add, never_drains, node, panics_at_first, steady};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// Starts all parts, and at the end drains one after the other, last first. It writes down what it hears.
struct Simple {
    orders: Orders,
    parts: Vec<String>,
    heard: Journal,
    ending: Mutex<Vec<String>>,
}

impl Simple {
    fn hear(&self, line: String) {
        self.heard.lock().unwrap().push(line);
    }

    fn drain_next(&self) {
        if let Some(part) = self.ending.lock().unwrap().pop() {
            assert!(self.orders.give(Order::Drain(part)));
        }
    }
}

impl Supervise for Simple {
    fn ready(&self, part: &str) {
        self.hear(format!("{part} ready"));
    }

    fn ended(&self, part: &str, end: &End) {
        self.hear(format!("{part} {end:?}"));
        self.drain_next();
    }

    fn patience(&self, _: &str, _: Duration) {}

    fn end(&self) {
        self.ending.lock().unwrap().extend(self.parts.iter().cloned());
        self.drain_next();
    }
}

/// A node at work.
struct AtWork {
    orders: Orders,
    readiness: Readiness,
    heard: Journal,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<Ended>,
}

impl AtWork {
    fn begin(node: Node) -> AtWork {
        let (orders, received) = orders();
        let parts: Vec<_> = node.parts().into_iter().map(|(name, _)| name).collect();
        for part in &parts {
            assert!(orders.give(Order::Start(part.clone())));
        }
        let (heard, readiness) = (Journal::default(), node.readiness());
        let simple =
            Simple { orders: orders.clone(), parts, heard: Arc::clone(&heard), ending: Mutex::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(node.run(received, simple, async { drop(stopped.await) }));
        AtWork { orders, readiness, heard, stop, running }
    }

    fn order(&self, order: Order) {
        assert!(self.orders.give(order));
    }

    /// Waits until the supervisor has heard this.
    async fn hears(&self, line: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.heard.lock().unwrap().iter().any(|heard| heard == line) {
            assert!(Instant::now() < deadline, "{line} is not among {:?}", self.heard.lock().unwrap());
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) -> Ended {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }
}

fn start(part: &str) -> Order {
    Order::Start(part.to_owned())
}

fn drain(part: &str) -> Order {
    Order::Drain(part.to_owned())
}

#[tokio::test]
async fn parts_start_and_stop_as_the_supervisor_says() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let needs = [("telemetry".to_owned(), vec![]), ("link".to_owned(), vec!["telemetry".to_owned()])];
    assert_eq!(node.parts(), needs);
    let at_work = AtWork::begin(node);
    at_work.readiness.ready().await;
    at_work.hears("link ready").await;
    assert_eq!(at_work.end().await, Ended { late: vec![] });
    let expected = ["link1 holds 1", "telemetry1 runs", "link1 runs", "link1 ends", "telemetry1 ends"];
    assert_eq!(*journal.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_part_that_panics_is_told_of_and_built_anew_with_those_that_hold_its_handle() {
    let (mut node, services, journal) = node(Duration::from_secs(5));
    let metrics = services.metrics.clone();
    let telemetry = add(&mut node, &journal, "telemetry", panics_at_first, &[]);
    let link = add(&mut node, &journal, "link", steady, &[&telemetry]);
    add(&mut node, &journal, "page", steady, &[&link]);
    let at_work = AtWork::begin(node);
    for life in 1..3 {
        at_work.hears(&format!("telemetry Panicked(\"panicked: life {life} is over\")")).await;
        assert!(!at_work.readiness.is_ready());
        at_work.heard.lock().unwrap().clear();
        at_work.order(drain("page"));
        at_work.hears("page Well").await;
        at_work.order(drain("link"));
        at_work.hears("link Well").await;
        for part in ["telemetry", "link", "page"] {
            at_work.order(start(part));
        }
        at_work.hears("page ready").await;
    }
    at_work.readiness.ready().await;
    assert_eq!(at_work.readiness.parts()[0].restarts, 2);
    at_work.end().await;
    let journal = journal.lock().unwrap();
    for line in ["telemetry3 ends", "link3 holds 3", "page3 holds 3"] {
        assert!(journal.contains(&line.to_owned()), "{line} is not in {journal:?}");
    }
    assert!(
        metrics.encode(Format::Prometheus).contains("perigee_link_lives_total 1"),
        "each life counts anew"
    );
}

#[tokio::test]
async fn a_part_that_was_built_with_the_handle_of_one_that_is_gone_is_built_anew() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", panics_at_first, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let (orders, received) = orders();
    let heard = Journal::default();
    let simple = Simple {
        orders: orders.clone(),
        parts: vec!["telemetry".to_owned(), "link".to_owned()],
        heard: Arc::clone(&heard),
        ending: Mutex::default(),
    };
    let readiness = node.readiness();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(node.run(received, simple, async { drop(stopped.await) }));
    let at_work = AtWork { orders, readiness, heard, stop, running };
    at_work.order(start("telemetry"));
    at_work.hears("telemetry Panicked(\"panicked: life 1 is over\")").await;
    // The link has never run, and holds the handle of the first life.
    at_work.order(start("telemetry"));
    at_work.order(start("link"));
    at_work.hears("link ready").await;
    at_work.end().await;
    assert!(journal.lock().unwrap().contains(&"link2 holds 2".to_owned()));
}

#[tokio::test]
async fn a_part_is_killed_where_it_stands_and_not_started_twice() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    add(&mut node, &journal, "stubborn", never_drains, &[]);
    let at_work = AtWork::begin(node);
    at_work.hears("stubborn ready").await;
    at_work.order(start("stubborn"));
    at_work.hears("stubborn Failed(\"its last run has not ended\")").await;
    at_work.order(start("nobody"));
    at_work.hears("nobody Failed(\"there is no such part\")").await;
    at_work.order(drain("stubborn"));
    at_work.order(Order::Kill("stubborn".to_owned()));
    at_work.hears("stubborn Killed").await;
    at_work.order(start("stubborn"));
    at_work.readiness.ready().await;
    assert!(journal.lock().unwrap().contains(&"stubborn2 runs".to_owned()));
}

#[tokio::test]
async fn who_is_late_is_named_and_the_others_drain_all_the_same() {
    let (mut node, _, journal) = node(Duration::from_millis(400));
    add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "stubborn", never_drains, &[]);
    let at_work = AtWork::begin(node);
    at_work.readiness.ready().await;
    let start = Instant::now();
    let ended = at_work.end().await;
    assert_eq!(ended.late, ["stubborn"]);
    assert!(journal.lock().unwrap().contains(&"telemetry1 ends".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn without_a_supervisor_everything_drains() {
    let (mut node, _, journal) = node(Duration::from_secs(5));
    add(&mut node, &journal, "telemetry", steady, &[]);
    struct Gone;
    impl Supervise for Gone {
        fn ready(&self, _: &str) {}
        fn ended(&self, _: &str, _: &End) {}
        fn patience(&self, _: &str, _: Duration) {}
        fn end(&self) {}
    }
    let (orders, received) = orders();
    assert!(orders.give(start("telemetry")));
    let readiness = node.readiness();
    let running = tokio::spawn(node.run(received, Gone, std::future::pending()));
    readiness.ready().await;
    drop(orders);
    assert_eq!(running.await.unwrap(), Ended { late: vec![] });
    assert_eq!(*journal.lock().unwrap(), ["telemetry1 runs", "telemetry1 ends"]);
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_admin_endpoints_tell_how_the_node_is() {
    let (mut node, services, journal) = node(Duration::from_secs(5));
    fn starts_late(context: Context, _: u32) -> Running {
        Box::pin(async move {
            sleep(Duration::from_millis(300)).await;
            context.ready();
            context.drain.cancelled().await;
            Ok(())
        })
    }
    add(&mut node, &journal, "late", starts_late, &[]);
    let address = services.http.local_address(([127, 0, 0, 1], 0).into()).unwrap();
    let at_work = AtWork::begin(node);

    let health = get(address, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    assert!(health.contains("content-type: text/plain") && health.ends_with("\r\n\r\nOK"), "{health}");
    let not_yet = get(address, "/ready").await;
    assert!(not_yet.starts_with("HTTP/1.1 503"), "{not_yet}");
    assert!(not_yet.contains(r#"{"name":"late","state":"starting","restarts":0}"#), "{not_yet}");
    at_work.readiness.ready().await;
    assert!(get(address, "/ready").await.contains(r#"{"ready":true,"#));
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("perigee_node_part_ready{part=\"late\"} 1"), "{metrics}");
    assert_eq!(at_work.end().await, Ended { late: vec![] });
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
