//! What the tests of the running station share.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use perigee_testkit::{Answer, Station};
use serde_json::Value;

pub(crate) const PERIGEE: &str = env!("CARGO_BIN_EXE_perigee");

/// The body of a good answer.
pub(crate) fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Asks again until `found` finds what it looks for.
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what}");
        sleep(Duration::from_millis(50));
    }
}

/// The first link, and how much it dropped, by reason. What it met in the middle of a packet when it began to
/// listen is left out: who comes late has missed something.
pub(crate) fn link(station: &Station) -> (Value, BTreeMap<String, u64>) {
    let link = json(&station.get("/api/links"))["links"][0].take();
    let mut dropped: BTreeMap<String, u64> = serde_json::from_value(link["rejections"].clone()).unwrap();
    dropped.remove("no-start");
    (link, dropped)
}
