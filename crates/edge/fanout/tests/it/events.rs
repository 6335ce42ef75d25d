//! Server-sent events.

use std::time::Duration;

use perigee_access::Role;
use perigee_fanout::{Anonymous, Config};
use perigee_part::http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig};
use crate::source::Packet;

#[tokio::test(flavor = "multi_thread")]
async fn events_carry_the_same_messages() {
    let mut rig = Rig::new().await;
    let counter = rig.id("/Sat/Counter").await;
    rig.source.packets(&[Packet::new(1)]);
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let request = format!(
        "GET /api/events?parameters={counter}&topics=links HTTP/1.1\r\nhost: {}\r\n\r\n",
        rig.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    for (sent, wanted) in [(None, "\"v\":1,"), (Some(2), "\"v\":2,"), (Some(3), "\"v\":3,")] {
        if let Some(n) = sent {
            rig.source.packets(&[Packet::new(n)]);
        }
        while !text.contains(wanted) {
            let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time").unwrap();
            assert!(read > 0, "closed after {text}");
            text += &String::from_utf8_lossy(&buffer[..read]);
        }
    }
    assert!(text.contains("content-type: text/event-stream\r\n"), "{text}");
    assert!(text.contains("event: links\ndata: {\"op\":\"links\",\"links\":[]}\n\n"), "{text}");
    let value = format!("event: values\ndata: {{\"op\":\"values\",\"samples\":[{{\"id\":{counter},\"t\":");
    assert_eq!(text.matches(&value).count(), 3, "{text}");

    assert_eq!(rig.get("/api/events?parameters=x").await.refusal(), (400, "bad-request".into()));
    assert_eq!(rig.get("/api/events?topics=weather").await.refusal(), (400, "bad-request".into()));
    rig.drain.cancel();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "a stop ends the stream");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_at_all_loses_the_stream() {
    let limits = Limits { stream_timeout: Duration::from_secs(1), ..Limits::default() };
    let mut rig = Rig::build(Config::default(), perigee_telemetry::Config::default(), limits).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(rig.address).await.unwrap();
    let request = format!("GET /api/events?parameters=* HTTP/1.1\r\nhost: {}\r\n\r\n", rig.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    timeout(PATIENCE, async {
        while rig.metric("perigee_fanout_clients") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        while rig.metric("perigee_fanout_clients") > 0 {
            rig.source.packets(&[Packet::new(1); 200]);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it is given up");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_stream_ends_with_the_token_that_opened_it() {
    let config = Config { anonymous: Anonymous::None, ping: Duration::from_secs(1), ..Config::default() };
    let mut rig = Rig::with(config).await;
    let token = rig.token("olga", Role::Observer);
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let request = format!(
        "GET /api/events?parameters=* HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
        rig.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // More than one message between two checks, all the time: read until the stream has ended.
    let (mut text, mut buffer, mut revoked) = (String::new(), [0; 4096], false);
    timeout(PATIENCE, async {
        loop {
            rig.source.packets(&[Packet::new(1)]);
            match timeout(Duration::from_millis(5), stream.read(&mut buffer)).await {
                Err(_) => {}
                Ok(read) => match read.unwrap() {
                    0 => break,
                    read => text += &String::from_utf8_lossy(&buffer[..read]),
                },
            }
            // It outlives several checks while the token is good.
            if !revoked && text.matches("\n:\n\n").count() >= 3 {
                rig.access.revoke_token("test", "olga", "test").unwrap();
                revoked = true;
            }
        }
    })
    .await
    .expect("it ends, however busy it is");
    assert!(revoked, "it ended before the token was revoked: {text}");
    rig.stop().await;
}
