//! `perigee init` under faults that need no machine of their own: a log that cannot be written, and kills of a supervisor
//! whose services end, print and listen meanwhile. Those that need one are in `boot`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use perigee_init::control::Request;
use perigee_units::machine::Verb;

use crate::storms::Storm;
use crate::support::PERIGEE;

/// A supervisor that is started again whenever it has ended, unless it is held.
const AGAIN: &str = "while :; do INIT; while [ -e DIR/hold ]; do sleep 0.01; done; done";

impl Storm {
    /// Kills the supervisor; with `hold` no other one comes until the file is removed.
    fn kill(&self, hold: bool) {
        if hold {
            fs::write(self.path("hold"), "").unwrap();
        }
        let pid = self.wait("supervisor", || self.supervisor());
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        self.wait("the end of the supervisor", || (self.supervisor() != Some(pid)).then_some(()));
    }

    fn is_active(&self, unit: &str) {
        self.wait(unit, || self.status(unit).filter(|unit| unit.listed.active == "active"));
    }

    /// What a unit has printed, as far as the log in this folder has it.
    fn logged(&self, folder: &str, unit: &str) -> Vec<String> {
        let arguments = ["ctl", "logs", "-u", unit, "-o", "cat", "--folder"];
        let output = Command::new(PERIGEE).args(arguments).arg(self.path(folder)).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn unit(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// Where the folder of the log cannot be made, what units print is beside the run-time files, and they do not notice.
#[test]
fn a_log_folder_that_cannot_be_written() {
    let units = [
        unit("says.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo something\n"),
        unit("stays.service", "[Unit]\nAfter=says.service\n[Service]\nExecStart=/bin/sleep 100000\n"),
    ];
    // A file is no folder, not even for root.
    let script = "echo >DIR/file; exec INIT --log DIR/file/below";
    let Some(storm) = Storm::begin("a_log_folder_that_cannot_be_written", script, &units) else { return };
    storm.is_active("stays.service");
    storm.wait("what was printed", || {
        storm.logged("run/log", "says").contains(&"something".to_owned()).then_some(())
    });
}

/// A process that ended while there was no supervisor, or under one whose child it is not: its status is what the kernel
/// still tells, or unknown, and never one that it did not have.
#[test]
fn an_exit_status_that_nobody_has_seen() {
    let ends = |status: u32| {
        format!(
            "[Service]\nExecStart=/bin/sh -c 'while [ ! -e DIR/end-{status} ]; do sleep 0.01; done; exit {status}'\n"
        )
    };
    let units = [unit("missed.service", &ends(3)), unit("later.service", &ends(4))];
    let Some(storm) = Storm::begin("an_exit_status_that_nobody_has_seen", AGAIN, &units) else { return };
    units.iter().for_each(|(name, _)| storm.is_active(name));
    storm.kill(true);
    fs::write(storm.path("end-3"), "").unwrap();
    // Whoever has it as a child now reaps it.
    std::thread::sleep(std::time::Duration::from_millis(300));
    fs::remove_file(storm.path("hold")).unwrap();
    let told = |name: &str| {
        storm.wait(&format!("end of {name}"), || {
            let there = storm.status(name)?;
            ["inactive", "failed"].contains(&there.listed.active.as_str()).then_some(there)
        })
    };
    let unknown = "nobody saw how it has ended";
    let missed = told("missed.service");
    assert_eq!(missed.main_ended.as_deref(), Some(unknown), "{missed:?}");
    storm.is_active("later.service");
    fs::write(storm.path("end-4"), "").unwrap();
    let later = told("later.service");
    match later.main_ended.as_deref() {
        // From Linux 6.15 on it is told to whoever holds the process.
        Some("exited with 4") => assert_eq!(later.listed.active, "failed", "{later:?}"),
        ended => {
            eprintln!("SKIPPED: this kernel does not tell how a stranger has ended");
            assert_eq!(ended, Some(unknown), "{later:?}");
        }
    }
}

/// The log holds the other ends of what units print into: they go on while there is no supervisor, and nothing is missing.
#[test]
fn what_is_printed_while_supervisors_are_killed() {
    let units = [
        unit("chatter.service", "[Service]\nExecStart=HELPER chatter\nLogRateLimitIntervalSec=0\n"),
        unit("fresh.service", "[Service]\nType=oneshot\nExecStart=/bin/echo something new\n"),
    ];
    let test = "what_is_printed_while_supervisors_are_killed";
    let Some(storm) = Storm::begin(test, AGAIN, &units) else { return };
    for _ in 0..5 {
        storm.is_active("chatter.service");
        storm.kill(false);
    }
    storm.is_active("chatter.service");
    let printed = |least: usize| {
        let lines = storm.logged("run/log", "chatter");
        let lines: Vec<_> = lines.into_iter().filter(|line| line.starts_with("line ")).collect();
        (lines.len() >= least).then_some(lines)
    };
    let before = storm.wait("some lines", || printed(10)).len();
    let lines = storm.wait("more lines", || printed(before + 10));
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {number}"), "none is missing, and none there twice");
    }
    // What a supervisor starts first of all is heard as well, beside the streams of earlier ones.
    let heard = || storm.logged("run/log", "fresh").iter().filter(|line| *line == "something new").count();
    storm.kill(true);
    let before = heard();
    fs::remove_file(storm.path("hold")).unwrap();
    storm.wait("what a new unit has printed", || (heard() > before).then_some(()));
}

/// Sockets stay open without a supervisor, and whoever has come meanwhile is served by the next one; what services have
/// stored is given back to them.
#[test]
fn sockets_and_stored_descriptors_outlive_their_supervisor() {
    let units = [
        unit("waits.socket", "[Socket]\nListenStream=DIR/waits.sock\n"),
        unit(
            "waits.service",
            "[Service]\nExecStart=/bin/sh -c 'echo $LISTEN_FDS >>DIR/waits; exec sleep 100000'\n",
        ),
        unit("taken.socket", "[Socket]\nListenStream=DIR/taken.sock\n"),
        unit(
            "taken.service",
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'echo $LISTEN_FDS >>DIR/taken; exec sleep 100000'\n",
        ),
        unit(
            "keeper.service",
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nExecStart=HELPER keeper DIR/kept\nFileDescriptorStoreMax=1\nRestart=always\nRestartSec=0\n",
        ),
    ];
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let net = [
        unit("net.socket", &format!("[Unit]\nStartLimitIntervalSec=0\n[Socket]\nListenStream={port}\n")),
        unit("net.service", "[Service]\nExecStart=/bin/sleep 100000\n"),
    ];
    let units = [&units[..], &net].concat();
    // Else the target would start the service of the first socket too.
    let wanted = ["waits.socket", "taken.socket", "taken.service", "keeper.service", "net.socket"];
    let test = "sockets_and_stored_descriptors_outlive_their_supervisor";
    let Some(storm) = Storm::begin_with(test, AGAIN, &units, &wanted) else { return };
    wanted.iter().for_each(|unit| storm.is_active(unit));
    let nodes = || ["waits.sock", "taken.sock"].map(|name| fs::metadata(storm.path(name)).unwrap().ino());
    let before = nodes();
    let kept_by = storm.status("keeper.service").unwrap().main_pid.unwrap();
    for _ in 0..2 {
        storm.kill(true);
        fs::remove_file(storm.path("hold")).unwrap();
        wanted.iter().for_each(|unit| storm.is_active(unit));
    }
    storm.kill(true);
    let _visitor = UnixStream::connect(storm.path("waits.sock")).unwrap();
    fs::remove_file(storm.path("hold")).unwrap();
    wanted.iter().for_each(|unit| storm.is_active(unit));
    assert_eq!(nodes(), before, "the same sockets\n{}", storm.text("log"));
    storm.wait("the visitor's service", || (storm.text("waits") == "1\n").then_some(()));
    assert_eq!(storm.text("taken"), "1\n", "started once");
    let act = |verb: Verb, unit: &str| {
        let units = vec![unit.to_owned()];
        storm.ask(&Request::Do { verb, units, active_only: false, or_restart: false, wait: true });
    };
    // Started anew it gets the socket of before.
    act(Verb::Restart, "taken.service");
    storm.wait("the socket once more", || (storm.text("taken") == "1\n1\n").then_some(()));
    assert_eq!(storm.text("kept"), "", "nothing was given back yet");
    let units = vec!["keeper.service".to_owned()];
    storm.ask(&Request::Kill { units, signal: "KILL".to_owned(), whom: Default::default() });
    storm.wait("what was kept", || (storm.text("kept") == format!("kept by {kept_by}\n")).then_some(()));
    // What is closed is closed for good.
    act(Verb::Stop, "taken.service");
    act(Verb::Stop, "taken.socket");
    let path = storm.path("taken.sock");
    storm.wait("its end", || UnixStream::connect(&path).is_err().then_some(()));
    // A port of the network can be listened at again at once.
    for _ in 0..20 {
        act(Verb::Restart, "net.socket");
        assert_eq!(storm.status("net.socket").unwrap().listed.active, "active", "{}", storm.text("log"));
    }
}
