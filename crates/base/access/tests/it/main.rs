//! The gate as a whole: first admin, roles, tokens, two processes at once, and what may not be seen.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use perigee_access::{Access, AccessError, Config, Identity, Role, Secret};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn open(state: &Path) -> Access {
    Access::open(state, &Config::default()).unwrap()
}

/// Adds an account and gives it a password of its own.
fn person(access: &Access, name: &str, role: Role, password: &str) {
    let once = access.add("test", name, role).unwrap();
    access.change_password(name, &once, &Secret::new(password), PEER, None).unwrap();
}

#[test]
fn the_first_admin_must_change_the_password_before_changing_anything_else() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    let once = access.first_admin().unwrap().expect("a one-time password");
    assert!(access.first_admin().unwrap().is_none(), "only once");

    let session = access.login("admin", &once, PEER).unwrap();
    assert!(session.identity.must_change_password);
    assert_eq!(session.identity.role, Role::Observer);

    let other = access.login("admin", &once, PEER).unwrap();
    let keep = Some(session.token.expose());
    let new = Secret::new("a better secret");
    assert!(matches!(
        access.change_password("admin", &once, &Secret::new("short"), PEER, keep),
        Err(AccessError::WeakPassword(_))
    ));
    let identity = access.change_password("admin", &once, &new, PEER, keep).unwrap();
    assert_eq!((identity.role, identity.must_change_password), (Role::Admin, false));
    assert_eq!(access.session(session.token.expose()).unwrap().role, Role::Admin);
    assert!(access.session(other.token.expose()).is_none(), "other sessions ended");
    assert!(matches!(access.login("admin", &once, PEER), Err(AccessError::WrongCredentials)));

    // A restart keeps accounts and ends sessions.
    drop(access);
    let access = open(state.path());
    assert!(access.session(session.token.expose()).is_none());
    assert_eq!(access.login("admin", &new, PEER).unwrap().identity.role, Role::Admin);
}

#[test]
fn wrong_names_and_passwords_look_alike_and_are_throttled() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    access.first_admin().unwrap();
    let wrong = Secret::new("not the password");
    for name in ["admin", "nobody"] {
        let message = access.login(name, &wrong, PEER).unwrap_err().to_string();
        assert_eq!(message, "wrong name or password");
    }
    for _ in 0..4 {
        let _ = access.login("admin", &wrong, PEER);
    }
    assert!(matches!(access.login("admin", &wrong, PEER), Err(AccessError::Throttled(_))));
}

#[test]
fn a_token_never_does_more_than_its_account() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    access.first_admin().unwrap();
    person(&access, "alice", Role::Commander, "alpha centauri");
    let day = Some(Duration::from_secs(86_400));
    let token = access.create_token("admin", "alice", "planner", Role::Operator, day).unwrap();
    let as_seen = |role| Some(Identity { name: "alice".into(), role, must_change_password: false });
    assert_eq!(access.token(token.expose()), as_seen(Role::Operator));
    assert!(access.create_token("admin", "alice", "root", Role::Admin, day).is_err());
    assert!(access.token("perigee_wrong").is_none());

    access.set_role("admin", "alice", Role::Observer).unwrap();
    assert_eq!(access.token(token.expose()), as_seen(Role::Observer));
    access.revoke_token("admin", "alice", "planner").unwrap();
    assert!(access.token(token.expose()).is_none());

    let expired = access.create_token("admin", "alice", "old", Role::Observer, Some(Duration::ZERO)).unwrap();
    assert!(access.token(expired.expose()).is_none());
}

#[test]
fn the_last_admin_stays() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    access.first_admin().unwrap();
    assert!(access.remove("test", "admin").is_err());
    assert!(access.set_role("test", "admin", Role::Observer).is_err());
    access.add("admin", "second", Role::Admin).unwrap();
    access.remove("second", "admin").unwrap();
    assert!(access.add("second", "Not A Name", Role::Observer).is_err());
}

#[test]
fn the_running_node_sees_what_the_command_line_changes() {
    let state = tempfile::tempdir().unwrap();
    let (node, command) = (open(state.path()), open(state.path()));
    node.first_admin().unwrap();
    person(&command, "bob", Role::Operator, "beta pictoris");
    let session = node.login("bob", &Secret::new("beta pictoris"), PEER).unwrap();
    let token = command.create_token("bob", "bob", "script", Role::Operator, None).unwrap();
    assert!(node.token(token.expose()).is_some());
    command.remove("admin", "bob").unwrap();
    assert!(node.session(session.token.expose()).is_none());
    assert!(node.token(token.expose()).is_none());

    let threads: Vec<_> = [node, command]
        .into_iter()
        .enumerate()
        .map(|(side, access)| {
            std::thread::spawn(move || {
                for n in 0..5 {
                    let token = format!("t{side}-{n}");
                    access.create_token("test", "admin", &token, Role::Observer, None).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(open(state.path()).tokens().unwrap().len(), 10, "no change is lost");
}

#[test]
fn secrets_are_kept_as_hashes_in_private_files_and_changes_are_on_record() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    let once = access.first_admin().unwrap().unwrap();
    let session = access.login("admin", &once, PEER).unwrap();
    let _ = access.login("typed-my-password-here", &once, PEER);
    let token = access.create_token("admin", "admin", "script", Role::Observer, None).unwrap();
    access.audit("admin", "alarm.acknowledge", "/Sat/Battery", "seen \"it\"\n").unwrap();

    let shown = format!("{access:?} {session:?} {:?}", access.accounts().unwrap());
    for name in ["access.json", "audit.jsonl"] {
        let path = state.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let text = fs::read_to_string(&path).unwrap() + &shown;
        for secret in [once.expose(), session.token.expose(), token.expose(), "typed-my-password-here"] {
            assert!(!text.contains(secret), "{name} shows a secret");
        }
        assert!(!shown.contains("argon2id"), "{shown}");
    }

    let record = fs::read_to_string(state.path().join("audit.jsonl")).unwrap();
    let what: Vec<String> = record
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["what"].as_str().unwrap().into())
        .collect();
    assert_eq!(what, ["account.add", "login", "login.refused", "token.create", "alarm.acknowledge"]);
}

#[test]
fn a_damaged_file_is_said_and_not_overwritten() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("access.json"), "{\"accounts\":[{\"password\":\"hunter2\"").unwrap();
    let error = Access::open(state.path(), &Config::default()).unwrap_err().to_string();
    assert!(
        error.contains("access.json") && error.contains("line 1") && !error.contains("hunter2"),
        "{error}"
    );
}
