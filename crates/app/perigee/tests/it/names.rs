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

/// What administrators make of units, on a system that does not run.
#[test]
fn units_are_edited_and_reverted() {
    use std::os::unix::fs::PermissionsExt;
    let root = system();
    let editor = root.path().join("editor");
    fs::write(&editor, "#!/bin/sh\necho \"$2\" >>\"$1\".seen; cat \"$2\" >>\"$1\".seen; cp \"$1\" \"$2\"\n")
        .unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let text_file = root.path().join("text");
    let link = root.path().join("systemctl");
    symlink(env!("CARGO_BIN_EXE_perigee"), &link).unwrap();
    let edit = |written: &str, arguments: &[&str]| {
        fs::write(&text_file, written).unwrap();
        let mut command = Command::new(&link);
        command.env("PERIGEE_RUNTIME", root.path().join("run/perigee")).env_remove("SYSTEMD_OFFLINE");
        command.env("SYSTEMD_EDITOR", format!("{} {}", editor.display(), text_file.display()));
        let root = format!("--root={}", root.path().display());
        let output = command.args([root.as_str(), "edit"]).args(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let dropin = root.path().join("etc/systemd/system/a.service.d/override.conf");
    assert_eq!(edit("[Service]\nNice=5\n", &["a"]).0, 0);
    assert_eq!(fs::read_to_string(&dropin).unwrap(), "[Service]\nNice=5\n");
    // The editor has shown what counts besides.
    let seen = fs::read_to_string(root.path().join("text.seen")).unwrap();
    assert!(seen.contains("# ExecStart=/bin/true"), "{seen}");
    assert!(seen.lines().next().unwrap().ends_with("/override.conf"), "{seen}");
    // What is wrong is not kept, and not lost either.
    let (status, told) = edit("[Service]\nNice=many\n", &["a"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("override.conf:2: Nice=: `many`"), "{told}");
    assert_eq!(fs::read_to_string(&dropin).unwrap(), "[Service]\nNice=5\n");
    let saved = told.trim().rsplit(' ').next().unwrap();
    assert_eq!(fs::read_to_string(saved).unwrap(), "[Service]\nNice=many\n");
    fs::remove_dir_all(Path::new(saved).parent().unwrap()).unwrap();
    let (status, told) = edit("", &["a"]);
    assert!(status == 0 && told.contains("nothing was changed"), "{told}");
    assert_eq!(edit("[Service]\nNice=7\n", &["--drop-in=more", "a"]).0, 0);
    assert!(dropin.with_file_name("more.conf").exists());
    assert_eq!(edit("[Service]\nExecStart=/bin/false\n", &["--full", "a"]).0, 0);
    let own = root.path().join("etc/systemd/system/a.service");
    assert_eq!(fs::read_to_string(&own).unwrap(), "[Service]\nExecStart=/bin/false\n");
    assert_eq!(edit("x", &["gone"]).0, 1);
    fs::write(&editor, "#!/bin/sh\nexit 3\n").unwrap();
    let (status, told) = edit("[Service]\nNice=9\n", &["a"]);
    assert!(status == 1 && told.contains("nothing is written"), "{told}");
    let ask = |arguments: &[&str]| {
        let output = called("systemctl", root.path(), arguments);
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let (status, told) = ask(&["revert", "a"]);
    assert_eq!((status, told.lines().count()), (0, 3), "{told}");
    assert!(!own.exists() && !dropin.parent().unwrap().exists());
    let (status, told) = ask(&["add-wants", "multi-user", "a"]);
    assert!(status == 0 && told.contains("multi-user.target.wants/a.service"), "{told}");
    assert_eq!(ask(&["add-requires", "multi-user.target", "gone"]).0, 1);
    assert_eq!(ask(&["add-requires", "multi-user.target"]).0, 1);
    let documented = root.path().join("lib/systemd/system/d.service");
    fs::write(
        documented,
        "[Unit]\nDocumentation=https://example.org/d file:/d\n[Service]\nExecStart=/bin/d\n",
    )
    .unwrap();
    let output = called("systemctl", root.path(), &["help", "d"]);
    assert_eq!(text(&output.stdout), "https://example.org/d\nfile:/d\n");
    assert_eq!(ask(&["help", "a"]).0, 1);
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
