//! The same scenarios once more in mount namespaces which show version 1 alone and version 2 alone.

use std::process::Command;

use perigee_cgroup::{Hierarchy, Mode};

const VIEW: &str = "PERIGEE_TEST_CGROUP_VIEW";

/// Runs the scenarios after `prepare`, in a mount namespace of their own.
fn scenarios_in(view: &str, prepare: &str) {
    if std::env::var_os(VIEW).is_some() {
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let script = format!("{prepare} || exit 77; exec \"$0\" --nocapture scenarios:: views::the_view");
    let output = Command::new("unshare")
        .args(["--mount", "--", "/bin/sh", "-c", &script])
        .arg(own)
        .env(VIEW, view)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIPPED view {view}: no unshare(1): {error}"),
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) || err.contains("unshare failed") {
        return eprintln!("SKIPPED view {view}: {err}");
    }
    err.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| eprintln!("{line} ({view})"));
    assert!(output.status.success(), "{view}\n{out}\n{err}");
    assert!(out.contains("views::the_view_is_as_asked ... ok"), "{out}");
}

#[test]
fn version_1_alone() {
    scenarios_in(
        "legacy",
        "if test -e /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; else false; fi",
    );
}

#[test]
fn version_2_alone() {
    scenarios_in("unified", "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup");
}

#[test]
fn a_read_only_tree_is_none() {
    let prepare = "umount -R /sys/fs/cgroup && mount -t cgroup2 -o ro none /sys/fs/cgroup";
    scenarios_in("none", prepare);
}

#[test]
fn the_view_is_as_asked() {
    let hierarchy = Hierarchy::detect();
    match std::env::var(VIEW).as_deref() {
        Ok("legacy") => assert_eq!(hierarchy.mode(), Mode::Legacy),
        Ok("unified") => assert_eq!(hierarchy.mode(), Mode::Unified),
        Ok("none") => {
            assert_eq!(hierarchy.mode(), Mode::None);
            assert_eq!(hierarchy.reasons(), ["version 2 is mounted read-only at /sys/fs/cgroup"]);
            let error = hierarchy.group("a").expect_err("no groups");
            assert!(error.to_string().starts_with("there are no control groups: version 2"), "{error}");
        }
        _ => eprintln!("{:?}: {:?}", hierarchy.mode(), hierarchy.reasons()),
    }
}
