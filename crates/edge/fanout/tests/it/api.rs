//! The REST API and the page.

use serde_json::json;

use crate::rig::Rig;
use crate::source::Packet;

#[tokio::test(flavor = "multi_thread")]
async fn the_station_tells_what_it_is_and_what_it_knows() {
    let rig = Rig::new().await;
    let about = rig.get("/api/about").await.json();
    assert_eq!(about["name"], "Perigee");
    assert_eq!(about["database"]["parameters"], rig.source.parameters());
    assert!(about["started"].as_i64().unwrap() > 1_700_000_000_000);
    let parameters = rig.get("/api/parameters").await;
    let etag = parameters.header("etag").unwrap().to_owned();
    let again = rig.ask("GET", "/api/parameters", &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let parameters = parameters.json();
    let mode =
        parameters["parameters"].as_array().unwrap().iter().find(|p| p["name"] == "/Sat/Mode").unwrap();
    assert_eq!((&mode["kind"], &mode["labels"]), (&json!("enumerated"), &json!(["OFF", "ON"])));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused_with_a_reason() {
    let rig = Rig::new().await;
    for (method, path, status, code) in [
        ("GET", "/api/nothing", 404, "not-found"),
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/../../etc/passwd", 404, "not-found"),
        ("DELETE", "/api/about", 405, "method"),
        ("GET", "/api/latest?parameters=a", 400, "bad-request"),
        ("GET", "/api/latest?parameters=4000000000", 404, "unknown-parameter"),
        ("GET", "/api/latest?parameter=1", 400, "bad-request"),
        ("GET", "/api/history?parameter=1", 400, "bad-request"),
        ("GET", "/api/history?parameter=99999&start=0&end=1", 404, "unknown-parameter"),
        ("GET", "/api/history?parameter=1&start=1&end=0", 400, "bad-request"),
        ("GET", "/api/history?parameter=1&start=0&end=1&points=0", 400, "bad-request"),
        ("GET", "/api/history?parameter=1&start=-9e99&end=1", 400, "bad-request"),
        ("GET", "/api/completeness?start=5&end=1", 400, "bad-request"),
        ("POST", "/api/login", 415, "unsupported-media-type"),
    ] {
        let answer = rig.ask(method, path, &[], None).await;
        assert_eq!(answer.refusal(), (status, code.into()), "{method} {path}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_keeps_the_browser_safe() {
    let rig = Rig::new().await;
    for path in ["/", "/api/about", "/api/nothing", "/api/history"] {
        let answer = rig.get(path).await;
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}"));
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        let caching = if path == "/" { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), Some(caching), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let foreign = rig.ask("GET", "/api/latest", &[("host", "rebound.example:8080")], None).await;
    assert_eq!(foreign.refusal(), (421, "host".into()));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_values_are_those_received_last() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.get("/api/latest").await.json(), json!({"samples": []}));
    rig.source.packets(&[Packet::new(1), Packet { voltage: 4.5, mode: 0, ..Packet::new(2) }]);
    let all = rig.get("/api/latest").await.json();
    assert_eq!(all["samples"].as_array().unwrap().len(), rig.source.parameters());
    let (voltage, mode) = (rig.id("/Sat/Voltage").await, rig.id("/Sat/Mode").await);
    let two = rig.get(&format!("/api/latest?parameters={mode},{voltage}")).await.json();
    let (first, second) = (&two["samples"][0], &two["samples"][1]);
    assert_eq!((&first["id"], &first["v"], &first["raw"]), (&json!(mode), &json!("OFF"), &json!(0)));
    assert_eq!(
        (&second["id"], &second["v"], &second["s"]),
        (&json!(voltage), &json!(4.5), &json!("warning"))
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_whole_or_thinned_out_with_its_extremes() {
    let mut rig = Rig::new().await;
    let begun = now();
    for n in 0..500_u16 {
        let voltage = if n == 250 { 3.9 } else { 3.5 };
        rig.source.packets(&[Packet { voltage, ..Packet::new(n) }]);
    }
    let range = format!("start={begun}&end={}", now());
    let counter = rig.id("/Sat/Counter").await;
    let all = rig.get(&format!("/api/history?parameter={counter}&{range}")).await.json();
    assert_eq!(all["sampled"], false);
    let values: Vec<_> =
        all["samples"].as_array().unwrap().iter().map(|s| s["v"].as_u64().unwrap()).collect();
    assert_eq!(values, (0..500).collect::<Vec<_>>());

    let voltage = rig.id("/Sat/Voltage").await;
    let few = rig.get(&format!("/api/history?parameter={voltage}&{range}&points=4")).await.json();
    assert_eq!(few["sampled"], true);
    let samples = few["samples"].as_array().unwrap();
    assert!(!samples.is_empty() && samples.len() <= 4, "{few}");
    let greatest = samples.iter().filter_map(|s| s["max"].as_f64()).fold(0.0, f64::max);
    assert!((greatest - 3.9).abs() < 1e-6, "no extreme is hidden: {few}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dropped_and_what_is_missing_can_be_seen() {
    let mut rig = Rig::new().await;
    let begun = now();
    rig.source.reject(&[0xab; 40]);
    rig.source.packets(&[Packet::new(1), Packet::new(2)]);
    let rejections = rig.get("/api/rejections").await.json();
    assert_eq!((&rejections["total"], &rejections["by_reason"]), (&json!(1), &json!({"vc-gap": 1})));
    let recent = &rejections["recent"][0];
    assert_eq!(
        (&recent["link"], &recent["vcid"], &recent["length"]),
        (&json!("test"), &json!(3), &json!(40))
    );
    assert_eq!(recent["octets"], "ab".repeat(32));
    assert_eq!(rig.get("/api/links").await.json(), json!({"links": []}));

    let path = format!("/api/completeness?start={begun}&end={}", now() + 1);
    let deadline = std::time::Instant::now() + crate::rig::PATIENCE;
    let channels = loop {
        let channels = rig.get(&path).await.json()["channels"].clone();
        if channels[0]["spans"][0][2] == 2 || std::time::Instant::now() > deadline {
            break channels;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let key = ["scid", "vcid", "apid"].map(|part| channels[0][part].clone());
    assert_eq!(key, [21, 3, 1].map(|number| json!(number)), "{channels}");
    assert_eq!(channels[0]["spans"][0][2], 2, "{channels}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/api/openapi.json").await.json()["openapi"], "3.1.0");
    rig.stop().await;
}

fn now() -> i64 {
    perigee_part::Timestamp::now().as_millis()
}
