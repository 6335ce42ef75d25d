//! The WebSocket.

use std::time::Duration;

use futures_util::SinkExt;
use perigee_fanout::Config;
use perigee_part::http::Limits;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Client;
use crate::rig::{PATIENCE, Rig};
use crate::source::Packet;

#[tokio::test(flavor = "multi_thread")]
async fn subscribed_values_arrive_until_they_are_unsubscribed() {
    let mut rig = Rig::new().await;
    let (counter, mode) = (rig.id("/Sat/Counter").await, rig.id("/Sat/Mode").await);
    let mut client = Client::json(rig.address).await;
    client.say(json!({"op": "subscribe", "parameters": [counter, mode]})).await;
    assert_eq!(client.settle().await, Vec::<Value>::new());
    rig.source.packets(&[Packet::new(1), Packet::new(2)]);
    let samples = client.samples(4).await;
    let seen: Vec<_> = samples.iter().map(|s| (s["id"].as_u64().unwrap() as u32, s["v"].clone())).collect();
    assert_eq!(seen, [(counter, json!(1)), (mode, json!("ON")), (counter, json!(2)), (mode, json!("ON"))]);
    assert_eq!(samples[1]["raw"], 1);
    assert_eq!(samples[1]["s"], "nominal");
    assert!(samples[0]["r"].as_i64().unwrap() > 1_700_000_000_000);

    client.say(json!({"op": "unsubscribe", "parameters": [counter]})).await;
    client.settle().await;
    rig.source.packets(&[Packet::new(3)]);
    let samples = client.samples(1).await;
    assert_eq!((samples.len(), &samples[0]["id"]), (1, &json!(mode)));

    client.say(json!({"op": "subscribe", "parameters": [counter]})).await;
    assert_eq!(client.samples(1).await[0]["v"], 3, "the latest value comes first");
    assert_eq!(rig.metric("perigee_fanout_clients"), 1);
    drop(client);
    tokio::time::timeout(PATIENCE, async {
        while rig.metric("perigee_fanout_clients") > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the client is forgotten");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messagepack_says_what_json_says() {
    let mut rig = Rig::new().await;
    let mut clients = [Client::json(rig.address).await, Client::msgpack(rig.address).await];
    for client in &mut clients {
        client.say(json!({"op": "subscribe", "parameters": "*", "topics": ["links", "rejections"]})).await;
        let greetings = client.settle().await;
        assert_eq!(
            greetings.iter().map(|g| g["op"].as_str().unwrap()).collect::<Vec<_>>(),
            ["links", "rejections"]
        );
    }
    rig.source.packets(&[Packet { wide: u64::MAX, voltage: f32::NAN, ..Packet::new(1) }]);
    rig.source.packets(&[Packet { wide: (1 << 53) - 1, voltage: f32::NEG_INFINITY, ..Packet::new(2) }]);
    let [json, msgpack] = &mut clients;
    let per_packet = rig.source.parameters();
    let (json, msgpack) = (json.samples(2 * per_packet).await, msgpack.samples(2 * per_packet).await);
    assert_eq!(json, msgpack);
    let of = |name: &str, id: u32| {
        json.iter().filter(|s| s["id"] == id).map(|s| s[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        of("v", rig.id("/Sat/Wide").await),
        [json!("18446744073709551615"), json!(9_007_199_254_740_991_u64)]
    );
    assert_eq!(of("v", rig.id("/Sat/Voltage").await), [json!("NaN"), json!("-Infinity")]);
    assert_eq!(of("v", rig.id("/Sat/Key").await), [json!("deadbeef"), json!("deadbeef")]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_loses_the_oldest_values_and_is_told_how_many() {
    let queue = Config { queue_octets: 64 << 10, frame_octets: 16 << 10, ..Config::default() };
    let mut rig = Rig::with(queue).await;
    let (counter, per_packet) = (rig.id("/Sat/Counter").await, rig.source.parameters());
    let mut slow = Client::open(rig.address, &[], Some(4096)).await.unwrap();
    let mut quick = Client::json(rig.address).await;
    for client in [&mut slow, &mut quick] {
        client.say(json!({"op": "subscribe", "parameters": "*"})).await;
        client.settle().await;
    }
    // So much that the buffers of the system cannot hold it.
    const BATCHES: u16 = 600;
    const PACKETS: u16 = 100;
    let mut quick_count = 0;
    for batch in 0..BATCHES {
        let packets: Vec<_> = (0..PACKETS).map(|n| Packet::new(batch * PACKETS + n)).collect();
        rig.source.packets(&packets);
        let packets = usize::from(PACKETS) * per_packet;
        quick_count += quick.samples(packets).await.len();
    }
    let sent = usize::from(BATCHES) * usize::from(PACKETS) * per_packet;
    assert_eq!(quick_count, sent, "the slow one costs the others nothing");

    let (mut received, mut missed, mut last) = (0, 0, -1);
    while last < i64::from(BATCHES * PACKETS) - 1 {
        let message = slow.hear().await.unwrap();
        match message["op"].as_str().unwrap() {
            "missed" => missed += message["count"].as_u64().unwrap(),
            "values" => {
                let samples = message["samples"].as_array().unwrap();
                received += samples.len();
                for sample in samples.iter().filter(|s| s["id"] == counter) {
                    let n = sample["v"].as_i64().unwrap();
                    assert!(n > last, "in order");
                    last = n;
                }
            }
            op => panic!("{op}"),
        }
    }
    assert!(missed > 0);
    assert_eq!(received + missed as usize, sent, "each value arrived or was counted");
    assert_eq!(rig.metric("perigee_fanout_missed_total"), missed);
    rig.stop().await;
}

// On one thread, so that the whole burst waits before the first of it is taken.
#[tokio::test(flavor = "current_thread")]
async fn a_burst_arrives_whole_and_in_order() {
    let mut rig = Rig::new().await;
    let counter = rig.id("/Sat/Counter").await;
    let mut client = Client::msgpack(rig.address).await;
    client.say(json!({"op": "subscribe", "parameters": [counter]})).await;
    client.settle().await;
    // Fewer than the stream holds, and many more than are taken in one go.
    for n in 0..800 {
        rig.source.packets(&[Packet::new(n)]);
    }
    let seen: Vec<_> = client.samples(800).await.iter().map(|s| s["v"].as_u64().unwrap()).collect();
    assert_eq!(seen, (0..800).collect::<Vec<_>>());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_thins_a_parameter_out() {
    let mut rig = Rig::new().await;
    let counter = rig.id("/Sat/Counter").await;
    let mut client = Client::json(rig.address).await;
    client.say(json!({"op": "subscribe", "parameters": [counter], "every": 200})).await;
    client.settle().await;
    for n in 1..=20 {
        rig.source.packets(&[Packet::new(n)]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&20) {
        seen.extend(client.samples(1).await.iter().map(|s| s["v"].as_u64().unwrap()));
    }
    assert_eq!(seen[0], 1, "the first goes at once");
    assert!(seen.len() <= 5, "{seen:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_answered_and_the_connection_stays() {
    let rig = Rig::new().await;
    let mut client = Client::json(rig.address).await;
    for (text, code) in [
        ("not json", "malformed"),
        (r#"{"op":"dance"}"#, "malformed"),
        (r#"{"op":"subscribe","parameters":[99999]}"#, "unknown-parameter"),
        (r#"{"op":"subscribe","parameters":"*","every":4000000000}"#, "interval-too-long"),
    ] {
        client.socket.send(Message::text(text)).await.unwrap();
        let error = client.hear().await.unwrap();
        assert_eq!(
            (error["op"].as_str(), error["error"]["code"].as_str()),
            (Some("error"), Some(code)),
            "{text}"
        );
    }
    client.socket.send(Message::binary(vec![0x80])).await.unwrap();
    assert_eq!(client.hear().await.unwrap()["error"]["code"], "wrong-frame");
    // Far more than a client that does not listen could be answered.
    for _ in 0..5000 {
        client.socket.feed(Message::text("{")).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    assert_eq!(client.settle().await.len(), 5000);
    assert_eq!(rig.metric("perigee_fanout_malformed_total"), 5002);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_ends_the_connection() {
    let rig = Rig::with(Config { message_octets: 1024, ..Config::default() }).await;
    let mut client = Client::json(rig.address).await;
    client.socket.send(Message::text(" ".repeat(2000))).await.unwrap();
    assert!(client.hear().await.is_err());
    assert!(Client::json(rig.address).await.settle().await.is_empty(), "others can connect");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_formats_and_own_pages_connect() {
    let rig = Rig::with(Config { origins: vec!["https://ops.example".into()], ..Config::default() }).await;
    let own = format!("http://{}", rig.address);
    for (headers, status) in [
        (vec![], 101),
        (vec![("origin", own.as_str())], 101),
        (vec![("origin", "https://ops.example")], 101),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-websocket-protocol", "chat, perigee.v1.msgpack")], 101),
        (vec![("sec-websocket-protocol", "chat")], 400),
        (vec![("host", "evil.example")], 421),
    ] {
        let refused = match Client::open(rig.address, &headers, None).await {
            Ok(_) => 101,
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("{headers:?}: {other}"),
        };
        assert_eq!(refused, status, "{headers:?}");
    }
    assert_eq!(rig.get("/api/stream").await.refusal(), (400, "no-websocket".into()));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_clients_and_a_stop_says_goodbye() {
    let rig = Rig::with(Config { max_clients: 2, ..Config::default() }).await;
    let mut one = Client::json(rig.address).await;
    let mut two = Client::msgpack(rig.address).await;
    match Client::open(rig.address, &[], None).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("{:?}", other.err()),
    }
    drop(rig.drain.clone());
    rig.drain.cancel();
    assert_eq!(one.hear().await, Err(1001));
    assert_eq!(two.hear().await, Err(1001));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_end_slow_requests_and_silent_clients_and_nobody_else() {
    let config = Config { ping: Duration::from_secs(1), idle: Duration::from_secs(3), ..Config::default() };
    let limits = Limits { read_timeout: Duration::from_secs(1), ..Limits::default() };
    let rig = Rig::build(config, perigee_telemetry::Config::default(), limits).await;
    let mut lively = Client::json(rig.address).await;
    lively.say(json!({"op": "subscribe", "parameters": "*"})).await;
    lively.settle().await;
    let silent = Client::json(rig.address).await;

    // A request whose head never comes to its end is cut off; here the read time-out is a second.
    let mut slow = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let begun = std::time::Instant::now();
    tokio::io::AsyncWriteExt::write_all(&mut slow, b"GET /api/about HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut slow, &mut rest))
        .await
        .unwrap()
        .ok();
    assert!(begun.elapsed() < Duration::from_secs(4));

    // The lively one answers pings while it waits for its messages; the silent one reads nothing.
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < until {
        let _ = tokio::time::timeout(Duration::from_millis(100), lively.socket.flush()).await;
        lively.settle().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.metric("perigee_fanout_clients"), 1, "the silent one is gone");
    drop(silent);
    rig.stop().await;
}
