//! The program by the names under which the scripts of packages call it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the program by another name, on a system in a folder.
fn called(name: &str, root: &Path, arguments: &[&str]) -> Output {
    let link = root.join(name);
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_perigee"), &link).unwrap();
    }
    let mut command = Command::new(link);
    command.env("PERIGEE_RUNTIME", root.join("run/perigee")).env_remove("SYSTEMD_OFFLINE");
    command.arg(format!("--root={}", root.display())).args(arguments).output().expect("it starts")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn system() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "lib/systemd/system/a.service",
        "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    );
    write("lib/systemd/system/multi-user.target", "[Unit]\nDescription=x\n");
    write("lib/systemd/system/default.target", "[Unit]\nDescription=x\n");
    write("lib/systemd/system/rescue.target", "[Unit]\nDescription=x\n");
    write("usr/lib/tmpfiles.d/a.conf", "d /run/a 0750\nd! /run/boot\n");
    write("usr/lib/sysusers.d/a.conf", "u beacon 300 \"Beacon\"\n");
    root
}

/// What debhelper's scripts call, with the options that they give.
#[test]
fn what_scripts_ask_of_systemctl() {
    let root = system();
    let ask = |arguments: &[&str]| {
        let output = called("systemctl", root.path(), arguments);
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let enabled = |words: &str, status: i32| {
        assert_eq!(ask(&["is-enabled", "a.service"]), (status, format!("{words}\n")));
        assert_eq!(ask(&["--quiet", "--system", "is-enabled", "--", "a"]), (status, String::new()));
    };
    enabled("disabled", 1);
    assert_eq!(ask(&["--system", "--preset-mode=enable-only", "preset", "a.service"]), (0, String::new()));
    enabled("enabled", 0);
    assert_eq!(ask(&["--no-reload", "disable", "a", "--no-pager"]), (0, String::new()));
    enabled("disabled", 1);
    assert_eq!(ask(&["mask", "a"]).0, 0);
    enabled("masked", 1);
    assert_eq!(ask(&["unmask", "a"]).0, 0);
    assert_eq!(ask(&["-q", "enable", "a", "gone"]).0, 1);
    enabled("disabled", 1);
    assert_eq!(
        ask(&["list-unit-files", "--full", "--no-legend", "--type=service"]).1,
        "a.service disabled enabled\n"
    );
    // By the exit status scripts see whether there is such a unit.
    assert_eq!(ask(&["list-unit-files", "--no-legend", "gone.service"]), (1, String::new()));
    assert_eq!(ask(&["get-default"]).1, "default.target\n");
    assert_eq!(ask(&["set-default", "rescue"]).0, 0);
    assert_eq!(ask(&["get-default"]).1, "rescue.target\n");
    assert!(ask(&["cat", "a"]).1.ends_with("[Install]\nWantedBy=multi-user.target\n"));
    // In another root nothing runs that could be started.
    assert_eq!(ask(&["daemon-reload"]).0, 0);
    assert_eq!(ask(&["start", "a"]).0, 0);
    assert!(ask(&["--version", "--quiet"]).1.starts_with("systemd 252 ("));
    assert_eq!(ask(&["--user", "daemon-reload"]).0, 0);
    assert_ne!(ask(&["enable"]).0, 0);
    assert_ne!(ask(&["--nonsense"]).0, 0);
}

#[test]
fn files_and_accounts() {
    let root = system();
    let output = called("systemd-sysusers", root.path(), &["a.conf"]);
    let is_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata(root.path()).unwrap()) == 0;
    if !is_root {
        eprintln!("SKIPPED files_and_accounts: this is not root");
        return;
    }
    let told = text(&output.stderr);
    assert_eq!(
        told,
        "Creating group 'beacon' with GID 300.\nCreating user 'beacon' (Beacon) with UID 300 and GID 300.\n"
    );
    let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert_eq!(passwd, "beacon:x:300:300:Beacon:/:/usr/sbin/nologin\n");
    assert!(called("systemd-tmpfiles", root.path(), &["--create", "a.conf"]).status.success());
    assert!(root.path().join("run/a").is_dir() && !root.path().join("run/boot").exists());
    assert!(
        called("systemd-tmpfiles", root.path(), &["--create", "--boot", "--prefix=/run"]).status.success()
    );
    assert!(root.path().join("run/boot").is_dir());
    assert_eq!(called("systemd-tmpfiles", root.path(), &["--create", "gone.conf"]).status.code(), Some(1));
    assert_eq!(called("systemd-tmpfiles", root.path(), &[]).status.code(), Some(1));
}
