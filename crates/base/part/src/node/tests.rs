//! Order, restarts, grace and the admin endpoints, with parts made for it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::*;
use crate::metrics::Registry;
use crate::{Context, Running};

type Journal = Arc<Mutex<Vec<String>>>;

/// A part that writes down what happens to it and behaves as told.
struct Actor {
    name: &'static str,
    journal: Journal,
    run: fn(Context, u32) -> Running,
    life: u32,
}

impl Part for Actor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            let (name, life) = (self.name, self.life);
            self.journal.lock().unwrap().push(format!("{name}{life} runs"));
            let ended = (self.run)(context, life).await;
            self.journal.lock().unwrap().push(format!("{name}{life} ends"));
            ended
        })
    }
}

fn steady(context: Context, _: u32) -> Running {
    Box::pin(async move {
        context.ready();
        context.drain.cancelled().await;
        Ok(())
    })
}

fn panics_at_first(context: Context, life: u32) -> Running {
    Box::pin(async move {
        context.ready();
        if life < 3 {
            sleep(Duration::from_millis(20)).await;
            panic!("life {life} is over");
        }
        context.drain.cancelled().await;
        Ok(())
    })
}

fn never_drains(context: Context, _: u32) -> Running {
    Box::pin(async move {
        context.ready();
        std::future::pending().await
    })
}

const ANYWHERE: AdminConfig =
    AdminConfig { listen: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0) };

fn services() -> Services {
    Services {
        http: http::Listeners::new(http::Limits::default()),
        metrics: Registry::new(),
        state: "/nonexistent".into(),
    }
}

fn node(grace: Duration) -> (Node, Journal) {
    (Node::new(services(), &ANYWHERE, grace).unwrap(), Journal::default())
}

/// Adds an actor that takes the handles of `needs`; its own handle is its life.
fn add(
    node: &mut Node,
    journal: &Journal,
    name: &'static str,
    run: fn(Context, u32) -> Running,
    needs: &[&Wire<u32>],
) -> Wire<u32> {
    let lives = AtomicU32::new(0);
    let (journal, needs) =
        (Arc::clone(journal), needs.iter().map(|wire| (*wire).clone()).collect::<Vec<_>>());
    node.add(name, move |site| {
        let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
        site.services().metrics.counter("lives", "Lives begun").inc();
        for wire in &needs {
            let of_neighbour = site.handle(wire);
            journal.lock().unwrap().push(format!("{name}{life} holds {of_neighbour}"));
        }
        let part = Actor { name, journal: Arc::clone(&journal), run, life };
        Ok((Box::new(part) as Box<dyn Part>, life))
    })
    .unwrap()
}

/// Runs the node until `condition` holds of its parts, then stops it.
async fn run_until(node: Node, condition: impl Fn(&[PartStatus]) -> bool) -> Ended {
    let (stop, stopped) = oneshot::channel::<()>();
    let readiness = node.readiness();
    let running = tokio::spawn(node.run(async { drop(stopped.await) }));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition(&readiness.parts()) {
        assert!(Instant::now() < deadline, "{:?}", readiness.parts());
        sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap()
}

fn all_ready(parts: &[PartStatus]) -> bool {
    parts.iter().all(|part| part.state == Phase::Ready)
}

#[tokio::test]
async fn parts_start_in_order_and_stop_in_reverse() {
    let (mut node, journal) = node(Duration::from_secs(5));
    let telemetry = add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "link", steady, &[&telemetry]);
    let ended = run_until(node, all_ready).await;
    assert_eq!(ended, Ended { late: vec![] });
    let expected = ["link1 holds 1", "telemetry1 runs", "link1 runs", "link1 ends", "telemetry1 ends"];
    assert_eq!(*journal.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_part_that_panics_is_started_again_with_those_that_hold_its_handle() {
    let (mut node, journal) = node(Duration::from_secs(5));
    let metrics = node.services.metrics.clone();
    let telemetry = add(&mut node, &journal, "telemetry", panics_at_first, &[]);
    let link = add(&mut node, &journal, "link", steady, &[&telemetry]);
    add(&mut node, &journal, "page", steady, &[&link]);
    add(&mut node, &journal, "other", steady, &[]);
    run_until(node, |parts| parts[0].restarts == 2 && all_ready(parts)).await;
    let journal = journal.lock().unwrap();
    let about =
        |name: &str| journal.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(about("telemetry").last().unwrap(), "telemetry3 ends");
    assert!(about("link").contains(&"link3 holds 3".to_owned()), "{journal:?}");
    assert!(about("page").contains(&"page3 holds 3".to_owned()), "{journal:?}");
    assert_eq!(about("other"), ["other1 runs", "other1 ends"], "others are not touched");
    let ends = journal.iter().position(|line| line == "link1 ends").unwrap();
    let again = journal.iter().position(|line| line == "telemetry2 runs").unwrap();
    assert!(ends < again, "the old link is gone before the new telemetry runs: {journal:?}");
    assert!(
        metrics.encode(crate::metrics::Format::Prometheus).contains("perigee_link_lives_total 1"),
        "each life counts anew"
    );
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_a_bound() {
    let (mut node, journal) = node(Duration::from_secs(5));
    fn falls(context: Context, _: u32) -> Running {
        Box::pin(async move {
            context.ready();
            Err(PartError::Failed("no luck".into()))
        })
    }
    add(&mut node, &journal, "unlucky", falls, &[]);
    let start = Instant::now();
    let readiness = node.readiness();
    let minutes = async { sleep(Duration::from_secs(600)).await };
    node.run(minutes).await;
    let restarts = readiness.parts()[0].restarts;
    assert!((25..30).contains(&restarts), "{restarts} restarts in {:?}", start.elapsed());
}

#[tokio::test]
async fn who_is_late_is_named_and_the_others_drain_all_the_same() {
    let (mut node, journal) = node(Duration::from_millis(400));
    add(&mut node, &journal, "telemetry", steady, &[]);
    add(&mut node, &journal, "stubborn", never_drains, &[]);
    let start = Instant::now();
    let ended = run_until(node, all_ready).await;
    assert_eq!(ended.late, ["stubborn"]);
    assert!(journal.lock().unwrap().contains(&"telemetry1 ends".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
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
    let (mut node, journal) = node(Duration::from_secs(5));
    fn starts_late(context: Context, _: u32) -> Running {
        Box::pin(async move {
            sleep(Duration::from_millis(300)).await;
            context.ready();
            context.drain.cancelled().await;
            Ok(())
        })
    }
    add(&mut node, &journal, "late", starts_late, &[]);
    let address = node.services.http.local_address(ANYWHERE.listen).unwrap();
    let readiness = node.readiness();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(node.run(async { drop(stopped.await) }));

    let health = get(address, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    assert!(health.contains("content-type: text/plain") && health.ends_with("\r\n\r\nOK"), "{health}");
    let not_yet = get(address, "/ready").await;
    assert!(not_yet.starts_with("HTTP/1.1 503"), "{not_yet}");
    assert!(not_yet.contains(r#"{"name":"late","state":"starting","restarts":0}"#), "{not_yet}");
    readiness.ready().await;
    assert!(get(address, "/ready").await.contains(r#"{"ready":true,"#));
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("perigee_node_part_ready{part=\"late\"} 1"), "{metrics}");
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ended { late: vec![] });
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
