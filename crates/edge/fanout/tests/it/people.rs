//! Who may do what.

use std::time::Duration;

use futures_util::future::join_all;
use perigee_access::Role;
use perigee_fanout::{Anonymous, Config};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::client::Client;
use crate::rig::{Answer, PATIENCE, Rig};

const MARK: (&str, &str) = ("x-perigee-request", "1");

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_password_is_changed_before_anything_else() {
    let rig = Rig::new().await;
    let once = rig.access.first_admin().unwrap().unwrap();
    let wrong = rig.post("/api/login", &[], &json!({"name": "admin", "password": "guess"})).await;
    assert_eq!(wrong.refusal(), (401, "wrong-credentials".into()));

    let login = rig.post("/api/login", &[], &json!({"name": "admin", "password": once.expose()})).await;
    assert_eq!(login.json(), json!({"name": "admin", "role": "observer", "must_change_password": true}));
    let cookie = login.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("perigee_session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = ("cookie", cookie.split(';').next().unwrap());

    let early = rig.post("/api/alarms/0/acknowledge", &[cookie, MARK], &json!({})).await;
    assert_eq!(early.refusal(), (403, "forbidden".into()));
    assert_eq!(early.json()["error"]["hint"], "change the one-time password first");
    let weak = rig.post("/api/password", &[cookie, MARK], &json!({"old": once.expose(), "new": "x"})).await;
    assert_eq!(weak.refusal(), (422, "weak-password".into()));
    let new = json!({"old": once.expose(), "new": "correct horse battery"});
    assert_eq!(rig.post("/api/password", &[cookie], &new).await.refusal(), (403, "forged".into()));
    let changed = rig.post("/api/password", &[cookie, MARK], &new).await;
    assert_eq!(changed.json(), json!({"name": "admin", "role": "admin"}));
    let session = rig.ask("GET", "/api/session", &[cookie], None).await;
    assert_eq!(session.json(), json!({"name": "admin", "role": "admin"}));

    let logout = rig.post("/api/logout", &[cookie, MARK], &json!({})).await;
    assert_eq!(logout.status, 204);
    assert!(logout.header("set-cookie").unwrap().contains("Max-Age=0"));
    let session = rig.ask("GET", "/api/session", &[cookie], None).await;
    assert_eq!(session.json(), json!({"name": "anonymous", "role": "observer"}));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_passwords_are_not_repeated() {
    let rig = Rig::new().await;
    rig.access.first_admin().unwrap();
    let guess = json!({"name": "admin", "password": "hunter2-hunter2"});
    let mut last = (0, String::new());
    for _ in 0..6 {
        let answer = rig.post("/api/login", &[], &guess).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
        last = answer.refusal();
    }
    assert_eq!(last, (429, "throttled".into()));
    let odd = rig.post("/api/login", &[], &json!({"name": "admin", "password": ["hunter2"]})).await;
    assert_eq!(odd.refusal(), (400, "bad-request".into()));
    assert!(!String::from_utf8_lossy(&odd.body).contains("hunter2"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_at_a_time_are_bounded() {
    let rig = Rig::new().await;
    let guess = json!({"name": "admin", "password": "hunter2-hunter2"});
    let answers = join_all((0..64).map(|_| rig.post("/api/login", &[], &guess))).await;
    let count = |status, code: &str, message: &str| {
        let is = |answer: &&Answer| {
            let said = answer.json()["error"]["message"].as_str().unwrap().starts_with(message);
            said && answer.refusal() == (status, code.into())
        };
        answers.iter().filter(is).count()
    };
    assert!(count(503, "busy", "too many logins") > 0, "some are turned away before they take a thread");
    assert!(count(401, "wrong-credentials", "") <= 6, "and no more are checked than one after the other");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_does_not_keep_a_session_from_being_idle() {
    let config = Config { anonymous: Anonymous::None, ping: Duration::from_secs(1), ..Config::default() };
    let people =
        perigee_access::Config { session_idle: Duration::from_secs(2), ..perigee_access::Config::default() };
    let rig = Rig::among(people, config).await;
    rig.access.add("test", "olga", Role::Observer).unwrap();
    rig.person("olga", "a good long secret");
    let own = json!({"name": "olga", "password": "a good long secret"});
    let login = rig.post("/api/login", &[], &own).await;
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mut client = Client::open(rig.address, &[("cookie", &cookie)], None).await.unwrap();
    client.settle().await;
    // Pings keep coming: the wait as a whole has an end.
    let ended = timeout(PATIENCE, client.hear()).await.expect("the session ends, though it is watched");
    assert_eq!(ended, Err(1008));
    assert_eq!(rig.ask("GET", "/api/session", &[("cookie", &cookie)], None).await.status, 401);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_who_changes_something() {
    let rig = Rig::new().await;
    let (observer, operator) = (rig.token("olga", Role::Observer), rig.token("otto", Role::Operator));
    let (observer, operator) = (format!("Bearer {observer}"), format!("Bearer {operator}"));
    for (headers, expected) in [
        (vec![], (401, "unauthorised")),
        (vec![("authorization", "Bearer perigee_nonsense")], (401, "unauthorised")),
        (vec![("authorization", "Basic b3R0bzp4")], (401, "unauthorised")),
        (vec![("cookie", "perigee_session=nonsense"), MARK], (401, "unauthorised")),
        (vec![("authorization", observer.as_str())], (403, "forbidden")),
        (vec![("authorization", operator.as_str())], (404, "not-found")),
    ] {
        let answer = rig.post("/api/alarms/1/acknowledge", &headers, &json!({"comment": "seen"})).await;
        assert_eq!(answer.refusal(), (expected.0, expected.1.into()), "{headers:?}");
    }
    let bad = rig.ask("GET", "/api/about", &[("authorization", "Bearer perigee_nonsense")], None).await;
    assert_eq!(bad.refusal().0, 401, "a token that is not good is told so even where nothing is asked");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anonymous_reading_everything_needs_a_name() {
    let rig = Rig::with(Config { anonymous: Anonymous::None, ..Config::default() }).await;
    for path in ["/api/session", "/api/about", "/api/latest", "/api/events", "/api/openapi.json"] {
        assert_eq!(rig.get(path).await.refusal(), (401, "unauthorised".into()), "{path}");
    }
    match Client::open(rig.address, &[], None).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(rig.get("/").await.status, 200, "the page itself, which asks for the name");
    let token = format!("Bearer {}", rig.token("olga", Role::Observer));
    let answer = rig.ask("GET", "/api/session", &[("authorization", &token)], None).await;
    assert_eq!(answer.json(), json!({"name": "olga", "role": "observer"}));
    Client::open(rig.address, &[("authorization", &token)], None).await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_session_that_opened_it() {
    let config = Config { anonymous: Anonymous::None, ping: Duration::from_secs(1), ..Config::default() };
    let rig = Rig::with(config).await;
    let token = format!("Bearer {}", rig.token("olga", Role::Observer));
    let mut client = Client::open(rig.address, &[("authorization", &token)], None).await.unwrap();
    client.settle().await;
    rig.access.revoke_token("test", "olga", "test").unwrap();
    assert_eq!(client.hear().await, Err(1008));
    rig.stop().await;
}
