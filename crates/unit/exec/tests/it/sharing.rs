//! What the processes of a run have in common, and what several units share: PrivateNetwork=, PrivateIPC=, PrivateTmp= and
//! PrivateUsers=.

use std::fs;
use std::os::unix::fs::chown;

use perigee_units::unit::{Host, Privileges, Source, Unit, UnitName};

use crate::{context, is_root, run, run_as, run_joined, shell};

const SPACES: &str = "readlink /proc/self/ns/net /proc/self/ns/ipc; cat /tmp/word 2>/dev/null";

#[test]
fn processes_of_a_run_share_and_so_do_units_that_join() {
    let test = "processes_of_a_run_share_and_so_do_units_that_join";
    if !is_root(test) {
        return;
    }
    let lines = "PrivateNetwork=yes\nPrivateIPC=yes\nPrivateTmp=yes";
    let [first, second, third] =
        ["first", "second", "third"].map(|name| context(&format!("perigee-{name}.service"), lines));
    let see = |script: &str| shell(script, Privileges::Unit);
    let own = run_as(&first, &see("echo word > /tmp/word; ip link show up 2>&1 >/dev/null"), &[]).unwrap();
    assert_eq!(own.notes, [""; 0]);
    let own = run_as(&first, &see(SPACES), &[]).unwrap().printed;
    assert!(own.ends_with("word"), "another process of the same run: {own}");
    let joined = run_joined(&second, std::slice::from_ref(&first), &see(SPACES), &[]).unwrap().printed;
    assert_eq!(joined, own);
    let other = run_as(&third, &see(SPACES), &[]).unwrap().printed;
    assert!(
        !other.contains("word") && other.lines().zip(own.lines()).all(|(one, two)| one != two),
        "{other}"
    );
    // What is shared stays for the one that is left.
    first.clean();
    assert_eq!(run_as(&second, &see(SPACES), &[]).unwrap().printed, own);
    let folders = || {
        let names = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("perigee-private-perigee-first.service"))
            .count()
    };
    assert_eq!(folders(), 1);
    second.clean();
    assert_eq!(folders(), 0);
    // A unit that is read anew while it runs goes on with what it has.
    let word = run_as(&third, &see("echo word > /tmp/word; cat /tmp/word"), &[]).unwrap().printed;
    let text = b"[Service]\nExecStart=/bin/true\nPrivateTmp=yes\n".to_vec();
    let name = UnitName::parse("perigee-third.service").unwrap();
    let anew = Unit::read(name, &[Source { path: "third".into(), text }], &Host::default());
    let anew = third.read_anew(&anew);
    drop(third);
    assert_eq!(run_as(&anew, &see("cat /tmp/word"), &[]).unwrap().printed, word);
    anew.clean();
    // Another run has others.
    assert_ne!(run_as(&first, &see(SPACES), &[]).unwrap().printed, own);
    first.clean();
}

#[test]
fn users_are_themselves_or_nobody() {
    let test = "users_are_themselves_or_nobody";
    if !is_root(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "of another user").unwrap();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    chown(&secret, Some(2), Some(2)).unwrap();
    let script = format!(
        "id -u; id -g; stat -c %u:%g {0}; cat /proc/self/uid_map | tr -s ' '; cat {0} 2>/dev/null; ls /proc/self/fd | wc -l",
        secret.display()
    );
    let seen = run("PrivateUsers=yes", &script);
    if seen.notes.iter().any(|note| note.contains("no user namespace can be made here")) {
        eprintln!("SKIPPED {test}: {:?}", seen.notes);
        return;
    }
    assert_eq!(seen.notes, [""; 0]);
    // The superuser has no rights over what others own, and no descriptor is left of the way there.
    assert_eq!(seen.printed, "0\n0\n65534:65534\n 0 0 1\n4");
    let seen = run("PrivateUsers=yes\nUser=1\nGroup=1\nProtectHome=yes\nNoNewPrivileges=yes", &script);
    assert_eq!((seen.printed.as_str(), seen.notes), ("1\n1\n65534:65534\n 0 0 1\n 1 1 1\n4", vec![]));
    // A command with all rights is not in it.
    let context = context("perigee-exec-test.service", "PrivateUsers=yes");
    let full = run_as(&context, &shell(&format!("cat {}", secret.display()), Privileges::Full), &[]).unwrap();
    assert_eq!(full.printed, "of another user");
    context.clean();
}

#[test]
fn where_there_are_no_user_namespaces_it_is_told() {
    let test = "where_there_are_no_user_namespaces_it_is_told";
    if !is_root(test) {
        return;
    }
    // In a user namespace that may have none below it.
    let script =
        "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" --exact sharing::told_inside --nocapture";
    let own = std::env::current_exe().unwrap();
    let output = std::process::Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", script])
        .arg(own)
        .env("PERIGEE_INSIDE", "1")
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED {test}: there is no unshare");
        return;
    };
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() && !text.contains("running 1 test") {
        eprintln!("SKIPPED {test}: {error}");
        return;
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}{error}");
}

/// Run by the test above; nothing by itself.
#[test]
fn told_inside() {
    if std::env::var_os("PERIGEE_INSIDE").is_none() {
        return;
    }
    let seen = run("PrivateUsers=yes", "echo here");
    assert_eq!(seen.printed, "here");
    let told =
        seen.notes.iter().any(|note| note.starts_with("PrivateUsers=: no user namespace can be made here"));
    assert!(told, "{:?}", seen.notes);
}
