//! Time-outs, limits, shared listeners and drain, over real sockets.

use std::convert::Infallible;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn limits() -> Limits {
    let second = Duration::from_secs(1);
    Limits {
        read_timeout: second,
        write_timeout: second,
        body_octets: 1000,
        connections: 3,
        ..Limits::default()
    }
}

struct Server {
    address: SocketAddr,
    drain: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

async fn serve(router: Router) -> Server {
    let listeners = Listeners::new(limits());
    let address = listeners.scoped("test").mount(ANYWHERE, router).unwrap();
    let drain = CancellationToken::new();
    Server { address, serving: tokio::spawn(listeners.serve(drain.clone())), drain }
}

/// Sends octets and reads what comes until the server closes.
async fn exchange(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is the server's way to say that it reads no more.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn parts_share_an_address_and_may_not_answer_the_same_path() {
    let listeners = Listeners::new(limits());
    let (page, admin) = (listeners.scoped("page"), listeners.scoped("admin"));
    let address = page.mount(ANYWHERE, Router::new().route("/", get(async || "page"))).unwrap();
    let shared = admin.mount(ANYWHERE, Router::new().route("/health", get(async || "OK"))).unwrap();
    assert_eq!(address, shared);
    let clash = listeners.scoped("other").mount(ANYWHERE, Router::new().route("/health", get(async || "no")));
    assert!(clash.unwrap_err().to_string().contains("admin, other, page answer the same path"));

    let drain = CancellationToken::new();
    let serving = tokio::spawn(listeners.clone().serve(drain.clone()));
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(exchange(address, ask("/").as_bytes()).await.ends_with("page"));
    assert!(exchange(address, ask("/health").as_bytes()).await.ends_with("OK"));
    // A part that is built again takes its place; until then its paths are gone.
    let page = listeners.scoped("page");
    assert!(exchange(address, ask("/").as_bytes()).await.starts_with("HTTP/1.1 404"));
    page.mount(ANYWHERE, Router::new().route("/", get(async || "again"))).unwrap();
    assert!(exchange(address, ask("/").as_bytes()).await.ends_with("again"));
    drain.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind(ANYWHERE).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listeners::new(limits()).mount(address, Router::new()).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn who_is_slow_to_ask_is_let_go() {
    let server = serve(Router::new().route("/", post(async |body: Bytes| body.len().to_string()))).await;
    let start = Instant::now();
    // Nothing at all, half a head, half a body.
    for begun in ["", "POST / HTTP/1.1\r\nho", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"]
    {
        let answer = exchange(server.address, begun.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{begun:?}: {answer}");
    }
    let elapsed = start.elapsed();
    assert!((Duration::from_millis(2900)..Duration::from_secs(8)).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = serve(Router::new().route("/", post(async |body: Bytes| body.len().to_string()))).await;
    let with = |headers: &str, body: usize| {
        let body = "x".repeat(body);
        format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(exchange(server.address, with("", 1000).as_bytes()).await.ends_with("1000"));
    assert!(exchange(server.address, with("", 1001).as_bytes()).await.starts_with("HTTP/1.1 413"));
    let long = format!("long: {}\r\n", "x".repeat(100 * 1024));
    // The answer may be lost in the reset that ends what the server no longer reads.
    let answer = exchange(server.address, with(&long, 1).as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_503() {
    let server = serve(Router::new().route("/", get(async || sleep(Duration::from_secs(60)).await))).await;
    let answer = exchange(server.address, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""code":"timeout""#), "{answer}");
}

/// More than the sockets of both sides hold.
const LARGE: usize = 64 << 20;

#[tokio::test]
async fn who_stops_reading_loses_the_connection_and_who_reads_slowly_does_not() {
    let server = serve(Router::new().route("/", get(async || Body::from(vec![b'x'; LARGE])))).await;
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(ask).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(ask).await.unwrap();
    let (mut taken, mut piece) = (0, vec![0; 8 << 20]);
    loop {
        sleep(Duration::from_millis(200)).await;
        match slow.read(&mut piece).await.unwrap() {
            0 => break,
            octets => taken += octets,
        }
    }
    assert!(taken > LARGE, "all of it arrives: {taken}");
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE, "the rest was given up");
}

#[tokio::test]
async fn event_streams_outlive_the_time_outs() {
    let events = futures_util::stream::unfold(0, async |n| {
        sleep(Duration::from_millis(1200)).await;
        Some((Ok::<_, Infallible>(Event::default().data(n.to_string())), n + 1))
    });
    let events = Arc::new(Mutex::new(Some(events)));
    let router = Router::new()
        .route("/", get(async move || Sse::new(Box::pin(events.lock().unwrap().take().unwrap()))));
    let server = serve(router).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (mut heard, mut piece) = (String::new(), [0; 1024]);
    while !heard.contains("data: 2") {
        let octets = timeout(Duration::from_secs(10), stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(octets, 0, "closed after {heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..octets]));
    }
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let server = serve(Router::new().route("/", get(async || "here"))).await;
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    sleep(Duration::from_millis(100)).await;
    let refused = exchange(server.address, b"").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    drop(held);
    sleep(Duration::from_millis(100)).await;
    assert!(exchange(server.address, ask).await.ends_with("here"));
}

#[tokio::test]
async fn a_request_in_hand_is_finished_before_the_end() {
    let router = Router::new().route(
        "/",
        get(async || {
            sleep(Duration::from_millis(400)).await;
            "done"
        }),
    );
    let server = serve(router).await;
    let asking = tokio::spawn(exchange(server.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    sleep(Duration::from_millis(100)).await;
    server.drain.cancel();
    assert!(asking.await.unwrap().ends_with("done"));
    timeout(Duration::from_secs(2), server.serving).await.expect("drained").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
