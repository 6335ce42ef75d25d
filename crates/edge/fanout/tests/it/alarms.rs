//! Alarms from the limit to the acknowledgement.

use perigee_access::{Access, Role, Secret};
use perigee_fanout::Config;
use perigee_part::http::Limits;
use serde_json::json;

use crate::client::Client;
use crate::rig::Rig;
use crate::source::Packet;

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_seen_acknowledged_and_recorded() {
    let mut rig = Rig::new().await;
    let id = rig.id("/Sat/Voltage").await;
    let mut client = Client::msgpack(rig.address).await;
    client.say(json!({"op": "subscribe", "topics": ["alarms"]})).await;
    assert!(client.settle().await.is_empty(), "no alarm yet");

    rig.source.packets(&[Packet { voltage: 4.5, ..Packet::new(1) }]);
    let alarm = client.expect("alarm").await["alarm"].clone();
    assert_eq!((&alarm["id"], &alarm["name"]), (&json!(id), &json!("/Sat/Voltage")));
    assert_eq!((&alarm["severity"], &alarm["state"]), (&json!("warning"), &json!("active")));
    assert_eq!((&alarm["value"], &alarm["acknowledged"]), (&json!(4.5), &json!(null)));
    assert_eq!(rig.get("/api/alarms").await.json()["alarms"], json!([alarm]));
    let mut late = Client::json(rig.address).await;
    late.say(json!({"op": "subscribe", "topics": ["alarms"]})).await;
    assert_eq!(late.expect("alarm").await["alarm"], alarm, "who comes later is shown what there is");

    let path = format!("/api/alarms/{id}/acknowledge");
    let comment = json!({"comment": "panel in the sun"});
    assert_eq!(rig.post(&path, &[], &comment).await.refusal(), (401, "unauthorised".into()));
    let observer = format!("Bearer {}", rig.token("olga", Role::Observer));
    assert_eq!(rig.post(&path, &[("authorization", &observer)], &comment).await.refusal().0, 403);
    let operator = format!("Bearer {}", rig.token("otto", Role::Operator));
    let operator = ("authorization", operator.as_str());
    let long = json!({"comment": "x".repeat(1001)});
    assert_eq!(rig.post(&path, &[operator], &long).await.refusal().0, 400);
    let done = rig.post(&path, &[operator], &comment).await;
    assert_eq!(done.status, 200);
    let done = done.json();
    assert_eq!(
        (&done["acknowledged"]["by"], &done["acknowledged"]["comment"]),
        (&json!("otto"), &json!("panel in the sun"))
    );
    assert_eq!(client.expect("alarm").await["alarm"], done, "everyone is told");
    assert_eq!(rig.post(&path, &[operator], &comment).await.refusal(), (409, "acknowledged".into()));
    let record = rig.audit().pop().unwrap();
    assert_eq!((&record["who"], &record["what"]), (&json!("otto"), &json!("alarm.acknowledge")));
    assert_eq!((&record["subject"], &record["detail"]), (&json!("/Sat/Voltage"), &json!("panel in the sun")));

    rig.source.packets(&[Packet::new(2)]);
    assert_eq!(client.expect("alarm").await["alarm"]["state"], "cleared");
    assert_eq!(rig.get("/api/alarms").await.json()["alarms"], json!([]));
    rig.stop().await;
}

// On one thread: nothing is delivered while the packets come in, so that changes are sure to be missed.
#[tokio::test]
async fn an_alarm_that_ended_unheard_goes_from_the_screens() {
    let mut rig = Rig::new().await;
    let (voltage, counter) = (rig.id("/Sat/Voltage").await, rig.id("/Sat/Counter").await);
    let mut client = Client::msgpack(rig.address).await;
    client.say(json!({"op": "subscribe", "topics": ["alarms"]})).await;
    client.settle().await;
    rig.source.packets(&[Packet { voltage: 4.5, ..Packet::new(1) }]);
    assert_eq!(client.expect("alarm").await["alarm"]["state"], "active");
    let operator = format!("Bearer {}", rig.token("otto", Role::Operator));
    let path = format!("/api/alarms/{voltage}/acknowledge");
    assert_eq!(rig.post(&path, &[("authorization", &operator)], &json!({})).await.status, 200);
    assert_eq!(client.expect("alarm").await["alarm"]["acknowledged"]["by"], "otto");

    // The alarm ends, and more changes of another one follow than are kept for who is behind.
    rig.source.packets(&[Packet::new(2)]);
    for _ in 0..1000 {
        rig.source.packets(&[Packet::new(60_001), Packet::new(3)]);
    }
    for (id, by) in [(voltage, json!("otto")), (counter, json!(null))] {
        loop {
            let alarm = client.expect("alarm").await["alarm"].clone();
            if alarm["id"] == id && alarm["state"] == "cleared" {
                assert_eq!(alarm["acknowledged"].get("by").unwrap_or(&json!(null)), &by);
                break;
            }
        }
    }
    let listed = rig.get("/api/alarms").await.json()["alarms"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(counter)));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_cannot_be_put_on_record_is_not_made() {
    let state = tempfile::tempdir().unwrap();
    let access = Access::open(state.path(), &perigee_access::Config::default()).unwrap();
    let once = access.add("test", "otto", Role::Operator).unwrap();
    let own = Secret::new("a good long secret");
    access.change_password("otto", &once, &own, [127, 0, 0, 1].into(), None).unwrap();
    let token = access.create_token("test", "otto", "test", Role::Operator, None).unwrap();
    let record = state.path().join("audit.jsonl");
    std::fs::remove_file(&record).unwrap();
    std::os::unix::fs::symlink("/dev/full", &record).unwrap();

    let (people, telemetry) = (perigee_access::Config::default(), perigee_telemetry::Config::default());
    let mut rig = Rig::within(state, people, Config::default(), telemetry, Limits::default()).await;
    let id = rig.id("/Sat/Voltage").await;
    rig.source.packets(&[Packet { voltage: 4.5, ..Packet::new(1) }]);
    let bearer = format!("Bearer {}", token.expose());
    let path = format!("/api/alarms/{id}/acknowledge");
    let answer = rig.post(&path, &[("authorization", &bearer)], &json!({"comment": "seen"})).await;
    assert_eq!(answer.status, 500);
    let listed = rig.get("/api/alarms").await.json()["alarms"][0].clone();
    assert_eq!((&listed["id"], &listed["acknowledged"]), (&json!(id), &json!(null)));
    rig.stop().await;
}
