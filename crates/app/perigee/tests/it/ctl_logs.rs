//! `perigee ctl logs`: what is found, in which form, and with which exit status.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use perigee_journal::{Journal, Now, Priority, Record, Settings, Source, Time};
use serde_json::Value;

/// 2026-11-25 15:51 UTC.
const BEGIN: i64 = 1_795_621_860_000_000;

fn write(journal: &mut Journal, minute: u64, unit: &str, priority: Priority, text: &[u8]) {
    let now = Now { wall: Time(BEGIN + minute as i64 * 60_000_000), monotonic: minute * 60_000_000 };
    let mut record = Record::new(unit, Source::Stdout, priority, text);
    (record.time, record.monotonic, record.pid) = (now.wall, now.monotonic, Some(40 + minute as u32));
    record.fields =
        vec![("SITE".to_owned(), if minute.is_multiple_of(2) { b"even" } else { b"odd!" }.to_vec())].into();
    journal.write(record);
    journal.flush(now);
}

fn journal(folder: &Path) -> Journal {
    let mut journal = Journal::open(Settings { file_bytes: 700, ..Settings::new(folder) }, Now::default());
    for minute in 0..10 {
        let unit = if minute < 5 { "first.service" } else { "second@x.service" };
        let priority = if minute == 7 { Priority::ERROR } else { Priority::INFO };
        write(&mut journal, minute, unit, priority, format!("Message {minute}").as_bytes());
    }
    write(&mut journal, 10, "raw.service", Priority::INFO, b"\x1b[31mcaf\xe9");
    journal
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perigee"));
    command.args(["ctl", "logs", "--utc", "--folder"]).arg(folder).args(arguments);
    command
}

fn logs(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("it starts")
}

/// The numbers at the ends of the texts that were found.
fn found(folder: &Path, arguments: &[&str]) -> String {
    let output = logs(folder, &[arguments, &["-o", "cat"]].concat());
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(i32::from(lines.is_empty())), "{output:?}");
    lines.lines().filter_map(|line| line.strip_prefix("Message ")).collect()
}

#[test]
fn what_is_asked_is_found() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path()).close(Now::default());
    for (arguments, expected) in [
        (&[][..], "0123456789"),
        (&["-n", "3"], "89"),
        (&["-n", "2", "-u", "first"], "34"),
        (&["-u", "first", "-u", "second@*"], "0123456789"),
        (&["-u", "second@x.service", "-r"], "98765"),
        (&["-p", "err"], "7"),
        (&["-p", "3"], "7"),
        (&["--since", "2026-11-25 15:53", "--until", "2026-11-25 15:55 UTC"], "234"),
        (&["--since", "2026-11-25 15:59", "-n", "1", "-g", "message"], "9"),
        (&["-g", "MESSAGE"], ""),
        (&["-g", "Message [3-5]"], "345"),
        (&["--field", "SITE=even"], "02468"),
        (&["--field", "pid=41", "--field", "pid=42"], "12"),
        (&["--field", "pid=41", "--field", "SITE=even"], ""),
        (&["-b", "-g", "message"], "0123456789"),
        (&["-b", "1", "-u", "first"], "01234"),
        (&["-u", "nobody"], ""),
    ] {
        assert_eq!(found(folder.path(), arguments), expected, "{arguments:?}");
    }
}

#[test]
fn forms() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path()).close(Now::default());
    let raw = &["-u", "raw"][..];
    let text = |arguments: &[&str]| logs(folder.path(), &[raw, arguments].concat()).stdout;
    // What would paint the terminal is shown.
    let short = text(&[]);
    let expected = "2026-11-25 16:01:00.000000 raw.service[50]: \\x1b[31mcaf\u{fffd}\n";
    assert_eq!(String::from_utf8_lossy(&short), expected);
    // Into a pipe every octet as it was.
    assert_eq!(text(&["-o", "cat"]), b"\x1b[31mcaf\xe9\n");
    let json: Value = serde_json::from_slice(&text(&["--json"])).unwrap();
    assert_eq!((&json["unit"], &json["seq"], &json["prio"]), (&"raw.service".into(), &11.into(), &6.into()));
    assert_eq!((&json["msg_base64"], &json["fields"]["SITE"]), (&"G1szMW1jYWbp".into(), &"even".into()));
    let boots = logs(folder.path(), &["--list-boots"]);
    assert!(String::from_utf8_lossy(&boots.stdout).ends_with("2026-11-25 15:51:00.000000\n"), "{boots:?}");
}

#[test]
fn wrong_questions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, status) in [
        (&["--since", "soon"][..], 1),
        (&["-g", "("], 1),
        (&["--field", "SITE"], 1),
        (&["-b", "-3"], 1),
        (&["-p", "loud"], 2),
        (&["-n", "many"], 2),
    ] {
        let output = logs(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    // No log is an empty one.
    assert_eq!(logs(&folder.path().join("none"), &[]).status.code(), Some(1));
}

#[test]
fn following_shows_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path());
    let mut child = command(folder.path(), &["-f", "-n", "1", "-o", "cat"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n').map(Result::unwrap);
    assert!(lines.next().unwrap().ends_with(b"caf\xe9"));
    for minute in 11..40 {
        write(&mut journal, minute, "late.service", Priority::INFO, format!("Message {minute}").as_bytes());
        assert_eq!(lines.next().unwrap(), format!("Message {minute}").into_bytes());
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
