//! The gate as a whole: first admin, roles, tokens, two processes at once, and what may not be seen.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Barrier, mpsc};
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
fn many_tries_at_once_are_no_more_than_one_after_the_other() {
    const AT_ONCE: usize = 24;
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    access.first_admin().unwrap();
    let start = Barrier::new(AT_ONCE);
    let wrong = std::thread::scope(|scope| {
        let one = || {
            start.wait();
            access.login("admin", &Secret::new("not the password"), PEER).unwrap_err()
        };
        let tries: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        let errors = tries.into_iter().map(|one| one.join().unwrap());
        errors.filter(|error| matches!(error, AccessError::WrongCredentials)).count()
    });
    // Five are free; where a busy machine takes long over them, the next one's time may have come.
    assert!((1..=6).contains(&wrong), "{wrong} passwords were checked");
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
fn a_reset_or_a_new_account_of_the_same_name_ends_sessions_of_the_running_node() {
    let state = tempfile::tempdir().unwrap();
    let (node, command) = (open(state.path()), open(state.path()));
    node.first_admin().unwrap();
    let login = |password: &Secret| node.login("bob", password, PEER).unwrap().token;
    let is_open = |token: &Secret| {
        let open = node.is_open(token.expose());
        assert_eq!(node.session(token.expose()).is_some(), open);
        open
    };
    let before = login(&command.add("admin", "bob", Role::Operator).unwrap());
    assert!(is_open(&before));
    let once = command.reset_password("admin", "bob").unwrap();
    assert!(!is_open(&before), "the password was reset");
    let after = login(&once);
    assert!(is_open(&after));

    command.remove("admin", "bob").unwrap();
    let once = command.add("admin", "bob", Role::Admin).unwrap();
    assert!(!is_open(&after), "this is another bob");
    assert!(is_open(&login(&once)));
}

#[test]
fn accounts_of_before_sessions_had_a_beginning_are_read() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    let once = access.first_admin().unwrap().unwrap();
    let path = state.path().join("access.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(kept["accounts"][0].as_object_mut().unwrap().remove("since").is_some());
    fs::remove_file(&path).unwrap();
    fs::write(&path, kept.to_string()).unwrap();
    let session = access.login("admin", &once, PEER).unwrap();
    assert!(access.session(session.token.expose()).is_some());
    access.reset_password("admin", "admin").unwrap();
    assert!(access.session(session.token.expose()).is_none());
}

#[test]
fn a_process_that_keeps_the_lock_holds_up_changes_for_a_while_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    let once = access.first_admin().unwrap().unwrap();
    let session = access.login("admin", &once, PEER).unwrap();
    let token = access.create_token("admin", "admin", "script", Role::Observer, None).unwrap();
    let lock = fs::File::options().write(true).open(state.path().join("access.lock")).unwrap();
    lock.lock().unwrap();

    let (done, changed) = mpsc::channel();
    let changing = access.clone();
    std::thread::spawn(move || done.send(changing.revoke_token("admin", "admin", "script")));
    assert!(changed.recv_timeout(Duration::from_millis(300)).is_err(), "it waits for the lock");
    let (done, looked) = mpsc::channel();
    let looking = access.clone();
    std::thread::spawn(move || {
        let identity = looking.session(session.token.expose()).is_some();
        let speaks = looking.token(token.expose()).is_some();
        done.send((identity, speaks, looking.login("admin", &once, PEER).is_ok()))
    });
    let seen = looked.recv_timeout(Duration::from_secs(4)).expect("who looks waits for nobody");
    assert_eq!(seen, (true, true, true));
    let refused = changed.recv_timeout(Duration::from_secs(20)).expect("the wait has an end");
    assert!(matches!(refused, Err(AccessError::Locked)), "{refused:?}");
    lock.unlock().unwrap();
    access.revoke_token("admin", "admin", "script").unwrap();
}

#[test]
fn what_cannot_be_put_on_record_is_not_done() {
    let state = tempfile::tempdir().unwrap();
    let access = open(state.path());
    access.first_admin().unwrap();
    person(&access, "alice", Role::Operator, "alpha centauri");
    access.create_token("admin", "alice", "script", Role::Observer, None).unwrap();
    let before = fs::read(state.path().join("access.json")).unwrap();

    let record = state.path().join("audit.jsonl");
    fs::remove_file(&record).unwrap();
    symlink("/dev/full", &record).unwrap();
    let access = open(state.path());
    let old = Secret::new("alpha centauri");
    let new = Secret::new("beta pictoris");
    let refused = [
        access.add("admin", "bob", Role::Observer).err(),
        access.remove("admin", "alice").err(),
        access.set_role("admin", "alice", Role::Admin).err(),
        access.reset_password("admin", "alice").err(),
        access.change_password("alice", &old, &new, PEER, None).err(),
        access.create_token("admin", "alice", "other", Role::Observer, None).err(),
        access.revoke_token("admin", "alice", "script").err(),
        access.login("alice", &old, PEER).err(),
    ];
    for (n, error) in refused.iter().enumerate() {
        assert!(matches!(error, Some(AccessError::Io { .. })), "{n}: {error:?}");
    }
    assert!(fs::read(state.path().join("access.json")).unwrap() == before, "nothing has changed");

    // Nor is there a first admin without a line of it.
    fs::remove_file(state.path().join("access.json")).unwrap();
    assert!(access.first_admin().is_err());
    assert!(access.accounts().unwrap().is_empty());
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
