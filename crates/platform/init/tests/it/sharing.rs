//! What the users of units leave behind, under a supervisor that is a process of its own.

use std::path::Path;

use perigee_process::ipc;
use perigee_units::machine::Verb;

use crate::groups::Init;

/// A number that no account has.
const USER: u32 = 61_003;

fn leaves(name: &str, removes: bool) -> String {
    let more = if removes { "RemoveIPC=yes\n" } else { "" };
    format!(
        "[Service]\nUser={USER}\nGroup={USER}\n{more}\
         ExecStart=/bin/sh -c 'echo > /dev/shm/{name}; ipcmk -M 4096 >/dev/null; ipcmk -S 2 >/dev/null; \
         ipcmk -Q >/dev/null; touch /dev/shm/{name}-done; exec sleep 1000'\n"
    )
}

fn objects() -> usize {
    ipc::list().into_iter().filter(|object| object.uid == USER).count()
}

#[test]
fn what_a_user_leaves_behind_goes_with_the_last_unit_of_this_user() {
    let test = "what_a_user_leaves_behind_goes_with_the_last_unit_of_this_user";
    let names = ["first", "second"].map(|name| format!("perigee-test-{}-{name}", std::process::id()));
    let (first, second) = (leaves(&names[0], true), leaves(&names[1], false));
    let Some(init) = Init::begin("leavings", &[("first.service", &first), ("second.service", &second)])
    else {
        return;
    };
    if std::process::Command::new("ipcmk").arg("--version").output().is_err()
        || !Path::new("/dev/shm").is_dir()
    {
        eprintln!("SKIPPED {test}: there is no ipcmk, or no /dev/shm");
        return;
    }
    let there = |name: &str| Path::new("/dev/shm").join(name).exists();
    for (unit, name) in [("first.service", &names[0]), ("second.service", &names[1])] {
        init.act(Verb::Start, unit);
        init.until("it has left something", || there(&format!("{name}-done")).then_some(()));
    }
    assert_eq!(objects(), 6);
    init.act(Verb::Stop, "first.service");
    assert!(objects() == 6 && there(&names[0]), "another unit runs as the same user");
    init.act(Verb::Stop, "second.service");
    assert_eq!(objects(), 0);
    assert!(!there(&names[0]) && !there(&names[1]) && !there(&format!("{}-done", names[1])));
    // Nobody has asked for it this time.
    init.act(Verb::Start, "second.service");
    init.until("it has left something", || there(&format!("{}-done", names[1])).then_some(()));
    init.act(Verb::Stop, "second.service");
    assert!(objects() == 3 && there(&names[1]));
    // A last run takes it away.
    init.act(Verb::Start, "first.service");
    init.until("it is there", || there(&format!("{}-done", names[0])).then_some(()));
    init.act(Verb::Stop, "first.service");
    assert!(objects() == 0 && !there(&names[1]));
}

#[test]
fn units_share_namespaces_and_temporary_files() {
    let test = "units_share_namespaces_and_temporary_files";
    let own = "PrivateTmp=yes\nPrivateNetwork=yes\nPrivateIPC=yes\n";
    let first = format!("[Service]\n{own}ExecStart=/bin/sh -c 'echo mine > /tmp/word; exec sleep 1000'\n");
    let second = format!("JoinsNamespaceOf=first.service\n[Service]\n{own}ExecStart=/bin/sleep 1000\n");
    let third = format!("[Service]\n{own}ExecStart=/bin/sleep 1000\n");
    let units = [("first.service", &*first), ("second.service", &*second), ("third.service", &*third)];
    let Some(init) = Init::begin("sharing", &units) else { return };
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED {test}: not the superuser");
        return;
    }
    for (unit, _) in units {
        init.act(Verb::Start, unit);
    }
    let pid = |unit: &str| init.status(unit).main_pid.unwrap();
    let spaces = |unit: &str| {
        ["net", "ipc"].map(|kind| std::fs::read_link(format!("/proc/{}/ns/{kind}", pid(unit))).unwrap())
    };
    let word = |unit: &str| format!("/proc/{}/root/tmp/word", pid(unit));
    init.until("the first one has written", || Path::new(&word("first.service")).exists().then_some(()));
    assert_eq!(spaces("first.service"), spaces("second.service"));
    assert_eq!(std::fs::read_to_string(word("second.service")).unwrap(), "mine\n");
    assert_ne!(spaces("first.service"), spaces("third.service"));
    assert!(!Path::new(&word("third.service")).exists());
    // They stay as long as one of the two has them, and go on to the first one when it comes back.
    let shared = spaces("second.service");
    init.act(Verb::Stop, "first.service");
    assert_eq!(std::fs::read_to_string(word("second.service")).unwrap(), "mine\n");
    init.act(Verb::Start, "first.service");
    assert_eq!(spaces("first.service"), shared);
    init.act(Verb::Stop, "second.service");
    let left = || {
        let names = std::fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with("perigee-private-first.service-")).count()
    };
    let before = left();
    assert!(before > 0);
    init.act(Verb::Stop, "first.service");
    assert_eq!(left(), before - 1);
    init.act(Verb::Stop, "third.service");
}
