//! `perigee ctl check` and `order`: what is said of units, where, and with which exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perigee"));
    command.current_dir(folder).args(["ctl", "check"]).args(arguments).output().expect("it starts")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn a_line_for_each_directive() {
    let folder = tempfile::tempdir().unwrap();
    let unit = "[Unit]\nDescription=Beacon\n\n[Service]\nExecStart=/usr/bin/beacon \\\n  --band %i\nExecStrat=/bin/x\nRestartSec=soon\nRootImage=/x.img\n";
    fs::write(folder.path().join("beacon@.service"), unit).unwrap();
    fs::write(folder.path().join("idle.target"), "[Unit]\nDescription=Nothing\n").unwrap();
    let output = check(folder.path(), &["./beacon@.service"]);
    assert!(output.status.success());
    let said = text(&output.stdout);
    let has =
        |line: &str| assert!(said.lines().any(|said| said.starts_with(line)), "{line} is not in\n{said}");
    has("./beacon@.service:7: ExecStrat=: there is no such directive in [Service]; is it ExecStart=?");
    has("./beacon@.service:8: RestartSec=: `soon` is not a time span");
    has("./beacon@.service:9: RootImage=: not carried out: ");
    assert!(!said.contains(":2: "), "a description is carried out by being shown");
    // By name, for programs, and strictly.
    let output = check(folder.path(), &["--path", ".", "--json", "--strict", "beacon@ka"]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = rows.as_array().unwrap().iter().find(|row| row["line"] == 8).unwrap();
    assert_eq!(row["unit"], "beacon@ka.service");
    assert_eq!((&row["directive"], &row["level"]), (&Value::from("RestartSec"), &Value::from("wrong")));
    let output = check(folder.path(), &["--strict", "idle.target"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
}

#[test]
fn a_unit_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), &["--path", ".", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "perigee: there is no unit nowhere.service\n");
    assert_eq!(check(folder.path(), &["./nowhere.service"]).status.code(), Some(1));
    assert_eq!(check(folder.path(), &[]).status.code(), Some(2));
}

#[test]
fn the_order_of_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("all.target", "[Unit]\nWants=a.service b.service c.service gone.service\nAfter=a.service\n");
    for (unit, after) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let text = format!(
            "[Unit]\nDefaultDependencies=no\nAfter={after}.service\n[Service]\nExecStart=/bin/{unit}\n"
        );
        write(&format!("{unit}.service"), &text);
    }
    let order = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perigee"));
        command.current_dir(folder.path()).args(["ctl", "order", "--path", "."]).args(arguments);
        command.output().expect("it starts")
    };
    let output = order(&["all.target"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "   1  all.target c.service\n   2  b.service\ncircle: a.service after b.service after c.service; left out: a.service\n"
    );
    let rows: Value = serde_json::from_slice(&order(&["--json", "all.target"]).stdout).expect("JSON");
    assert_eq!(rows["steps"][1][0], "b.service");
    assert_eq!(order(&["gone"]).status.code(), Some(1));
}
