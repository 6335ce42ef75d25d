//! A copy of the program that cannot read what the one before it has handed over: what runs goes on, nothing is started
//! twice, and sockets stay open. In between stands a script that writes something else into the handover.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use perigee_init::control::Request;
use perigee_units::machine::Verb;

use crate::supervised::{FOLDER, Supervised, TEST};

struct Init(Supervised);

impl Init {
    /// A supervisor that is PID 1 of its own name space, or not, and in whose place this script comes next.
    fn begin(first: bool, units: &[(&str, &str)], script: &str) -> Init {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in units {
            fs::write(at(name), text.replace("DIR", &folder.path().display().to_string())).unwrap();
        }
        let wants: Vec<_> = units.iter().map(|(name, _)| *name).collect();
        fs::write(at("default.target"), format!("[Unit]\nWants={}\n", wants.join(" "))).unwrap();
        if first {
            fs::write(at("first"), "").unwrap();
        }
        // By another process: one that is forked here meanwhile would keep the file open for writing.
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(at("perigee")).status();
        assert!(copied.unwrap().success());
        let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
        let mut words: Vec<&str> = if first { unshare.to_vec() } else { Vec::new() };
        words.extend(["env", "--block-signal"]);
        let process = Command::new(words[0])
            .args(&words[1..])
            .arg(at("perigee"))
            .args(["--test-threads=1", "--nocapture", "--exact", TEST])
            .env(FOLDER, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let init = Init(Supervised { folder, process });
        init.0.until("it answers", || init.0.client());
        for unit in wants {
            init.until(unit);
        }
        let folder = init.0.folder.path();
        fs::rename(folder.join("perigee"), folder.join("whole")).unwrap();
        let script =
            format!("#!/bin/sh\n{script}\nexec env --block-signal {}/whole \"$@\"\n", folder.display());
        fs::write(folder.join("perigee"), script).unwrap();
        fs::set_permissions(folder.join("perigee"), fs::Permissions::from_mode(0o755)).unwrap();
        init
    }

    fn until(&self, unit: &str) {
        let active = || (self.0.status(unit).listed.active == "active").then_some(());
        self.0.until(&format!("{unit} is active"), active);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.folder.path().join("log")).unwrap()
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.0.folder.path().join(name)).unwrap_or_default().lines().count()
    }

    fn pids(&self, units: &[&str]) -> Vec<Option<u32>> {
        units.iter().map(|unit| self.0.status(unit).main_pid).collect()
    }

    /// Another copy of the program; waits until it says this.
    fn reexecute(&self, says: &str) {
        self.0.ask(&Request::DaemonReexec);
        self.0.until(says, || self.log().contains(says).then_some(()));
        self.0.until("it answers again", || self.0.client());
    }

    fn ask(&self) -> String {
        let mut stream = UnixStream::connect(self.0.folder.path().join("echo.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert!(read.is_ok(), "{read:?} {answer:?}\n{:#?}\n{}", self.0.ask(&Request::List), self.log());
        answer
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if let Some(mut client) = self.0.client() {
            let _ = client.all(&Request::Exit { status: 0 });
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.0.process.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.process.kill();
        let _ = self.0.process.wait();
    }
}

const UNITS: [(&str, &str); 5] = [
    (
        "one.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sh -c 'echo >>DIR/one; exec sleep 100000'\n",
    ),
    // Nobody can guess which of the two is the main process; the record says it.
    (
        "two.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=forking\nPIDFile=DIR/two.pid\n\
         ExecStart=/bin/sh -c 'sleep 100000 & sleep 100001 & echo $! >DIR/two.pid; echo >>DIR/two'\n",
    ),
    (
        "once.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo >>DIR/once'\n",
    ),
    (
        "ends.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sh -c 'while [ ! -e DIR/end ]; do sleep 0.01; done; exit 7'\n",
    ),
    ("echo.socket", "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=DIR/echo.sock\nAccept=yes\n"),
];

const ECHO: &str =
    "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/echo served\nStandardInput=socket\n";

fn goes_on(first: bool, script: &str, says: &str) {
    let init = Init::begin(first, &UNITS, script);
    fs::write(init.0.folder.path().join("echo@.service"), ECHO).unwrap();
    assert_eq!(init.ask(), "served\n");
    let units = ["one.service", "two.service", "ends.service"];
    let before = init.pids(&units);
    assert!(before.iter().all(Option::is_some), "{before:?}");
    let socket = fs::metadata(init.0.folder.path().join("echo.sock")).map(|found| found.ino());
    init.reexecute(says);
    for (unit, _) in UNITS {
        init.until(unit);
    }
    assert_eq!(init.pids(&units), before, "{}", init.log());
    assert_eq!(
        ["one", "two", "once"].map(|name| init.lines(name)),
        [1; 3],
        "each was started once\n{}",
        init.log()
    );
    let now = fs::metadata(init.0.folder.path().join("echo.sock")).map(|found| found.ino());
    assert_eq!(socket.unwrap(), now.unwrap(), "the same socket");
    assert_eq!(init.ask(), "served\n");
    // How a process ends is told as before.
    fs::write(init.0.folder.path().join("end"), "").unwrap();
    let ended = init.0.until("the end of one", || init.0.status("ends.service").main_ended);
    assert_eq!(ended, "exited with 7");
    // What was taken up can be stopped, and its port is free then.
    init.0.act(Verb::Stop, "echo.socket");
    assert!(UnixStream::connect(init.0.folder.path().join("echo.sock")).is_err(), "nobody listens any more");
    init.0.act(Verb::Restart, "one.service");
    init.0.until("it was started again", || (init.lines("one") == 2).then_some(()));
}

const NEWER: &str = "echo '{\"version\":1000,\"units\":\"other\"}' >/proc/self/fd/$PERIGEE_HANDOVER";
const DAMAGED: &str = "head -c 300 /proc/self/fd/$PERIGEE_HANDOVER >DIR.part; cat DIR.part >/proc/self/fd/$PERIGEE_HANDOVER; rm DIR.part";

fn able(test: &str) -> bool {
    let able = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    let able = able.is_ok_and(|output| output.status.success());
    if !able {
        eprintln!("SKIPPED {test}: no name space of processes to be had");
    }
    able
}

#[test]
fn a_handover_of_a_newer_version() {
    goes_on(false, NEWER, "it is of version 1000");
}

#[test]
fn a_damaged_handover() {
    let part = std::env::temp_dir().join(format!("perigee-handover-{}", std::process::id()));
    goes_on(false, &DAMAGED.replace("DIR", &part.display().to_string()), "cannot be read");
}

#[test]
fn a_handover_of_a_newer_version_to_pid_1() {
    if able("a_handover_of_a_newer_version_to_pid_1") {
        goes_on(true, NEWER, "it is of version 1000");
    }
}

/// Where nothing at all is understood, PID 1 knows its units by their groups.
#[test]
fn nothing_is_left_but_the_groups() {
    let test = "nothing_is_left_but_the_groups";
    if !able(test) {
        return;
    }
    let script =
        "echo moon >/proc/self/fd/$PERIGEE_HANDOVER; echo '{\"moon\":1}' >/proc/self/fd/$PERIGEE_LEGACY";
    let init = Init::begin(true, &UNITS[..1], script);
    if init.0.status("one.service").group.is_none() {
        eprintln!("SKIPPED {test}: no control groups");
        return;
    }
    let before = init.pids(&["one.service"]);
    init.reexecute("cannot be read");
    init.until("one.service");
    assert_eq!(init.pids(&["one.service"]), before, "{}", init.log());
    assert_eq!(init.lines("one"), 1);
}
