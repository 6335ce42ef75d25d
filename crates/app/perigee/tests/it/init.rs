//! `perigee init` as PID 1 of a namespace of processes, with real processes for its units. Needs root; says so where it
//! is not to be had.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perigee_init::control::{Client, Reply, Request, UnitStatus};
use perigee_units::machine::{JobOutcome, State, Verb};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor that runs, and its folder.
pub(crate) struct Init {
    folder: tempfile::TempDir,
    process: Child,
}

/// Whether namespaces can be made here; else the test says that it was left out.
pub(crate) fn may_run(test: &str) -> bool {
    let made = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    let may = made.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("SKIPPED {test}: `unshare --pid` needs root");
    }
    may
}

impl Init {
    /// Boots `default.target`, which wants `wanted`, with these unit files; `DIR` in them is the folder, `TEST` this
    /// program.
    pub(crate) fn boot(wanted: &str, units: &[(&str, &str)]) -> Init {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let place = |text: &str| {
            text.replace("DIR", folder.path().to_str().unwrap()).replace("TEST", program.to_str().unwrap())
        };
        fs::create_dir(folder.path().join("units")).unwrap();
        let target = ("default.target", format!("[Unit]\nWants={wanted}\n"));
        let files = units.iter().map(|(name, text)| (*name, place(text))).chain([target]);
        for (name, text) in files {
            fs::write(folder.path().join("units").join(name), text).unwrap();
        }
        let process = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", env!("CARGO_BIN_EXE_perigee"), "init"])
            .args(["--path", &place("DIR/units"), "--runtime", &place("DIR/run")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let init = Init { folder, process };
        init.wait("it answers", || init.try_client().is_some());
        init
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn try_client(&self) -> Option<Client> {
        Client::connect(&self.path("run")).ok()
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}\n{}", self.text("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Vec<Reply> {
        self.try_client().unwrap().all(request).unwrap()
    }

    pub(crate) fn status(&self, unit: &str) -> UnitStatus {
        match self.ask(&Request::Status { units: vec![unit.to_owned()] }).remove(0) {
            Reply::Unit(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn wait_for(&self, unit: &str, state: State) {
        self.wait(&format!("{unit} is {state}"), || self.status(unit).listed.active == state.to_string());
    }

    /// Asks for something and waits until it is done.
    pub(crate) fn act(&self, verb: Verb, unit: &str) -> JobOutcome {
        let request = Request::Do {
            verb,
            units: vec![unit.to_owned()],
            active_only: false,
            or_restart: false,
            wait: true,
        };
        let outcome = self.ask(&request).into_iter().find_map(|reply| match reply {
            Reply::Finished { outcome, .. } => Some(outcome),
            _ => None,
        });
        outcome.expect("the job ends")
    }

    /// Ends it by the signal that is for that, and gives its exit status.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.ask(&Request::Exit { status: 7 });
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.text("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        remove_groups(&self.path("run"));
    }
}

/// Removes the control groups that a supervisor with this folder has left, the deepest first. Its processes have been
/// killed, and may need a moment to be gone.
pub(crate) fn remove_groups(runtime: &Path) {
    let name = format!("perigee-{}", runtime.display().to_string().trim_matches('/').replace('/', "-"));
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let find = Command::new("find")
            .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path"])
            .arg(format!("*{name}*"))
            .output();
        let found = find.map(|found| String::from_utf8_lossy(&found.stdout).into_owned()).unwrap_or_default();
        let left = found.lines().filter(|folder| fs::remove_dir(folder).is_err()).count();
        if left == 0 || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What units run of this program: it plays a part if it was told so, and is an empty test else.
#[test]
fn a_part_in_a_unit() {
    use std::os::unix::net::UnixDatagram;
    let Some(part) = std::env::var_os("PERIGEE_PART") else { return };
    let say = |text: &str| {
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(text.as_bytes(), std::env::var_os("NOTIFY_SOCKET").unwrap()).unwrap();
    };
    match part.to_str().unwrap() {
        "notify" => {
            say("STATUS=nearly");
            std::thread::sleep(Duration::from_millis(100));
            say("READY=1\nSTATUS=there");
            std::thread::sleep(Duration::from_secs(600));
        }
        "forge" => say(&std::env::var("FORGED").unwrap()),
        "watchdog" => {
            say("READY=1");
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("no such part: {other}"),
    }
}

/// A unit file's lines for a part of this program.
const PART: &str = "ExecStart=TEST --exact init::a_part_in_a_unit --nocapture\nEnvironment=PERIGEE_PART=";

#[test]
fn units_start_in_order_and_stop_in_the_other() {
    if !may_run("units_start_in_order_and_stop_in_the_other") {
        return;
    }
    let mut init = Init::boot(
        "c.service",
        &[
            (
                "a.service",
                "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'sleep 0.1; echo a >> DIR/out'\nExecStop=/bin/sh -c 'echo -a >> DIR/out'\n",
            ),
            (
                "b.service",
                "[Unit]\nRequires=a.service\nAfter=a.service\n[Service]\nExecStartPre=/bin/sh -c 'echo b >> DIR/out'\nExecStart=/bin/sleep 600\nExecStopPost=/bin/sh -c 'echo -b >> DIR/out'\n",
            ),
            (
                "c.service",
                "[Unit]\nRequires=b.service\nAfter=b.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo c >> DIR/out'\nExecStop=/bin/sh -c 'sleep 0.1; echo -c >> DIR/out'\n",
            ),
        ],
    );
    init.wait_for("default.target", State::Active);
    init.wait("all have spoken", || init.text("out").lines().count() == 3);
    assert_eq!(init.end(), Some(7));
    assert_eq!(init.text("out").split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "-c", "-b", "-a"]);
}

#[test]
fn a_service_says_when_it_is_ready_and_others_may_not_say_it_for_it() {
    if !may_run("a_service_says_when_it_is_ready_and_others_may_not_say_it_for_it") {
        return;
    }
    let notify = format!("[Service]\nType=notify\n{PART}notify\n");
    let forged =
        format!("[Service]\nType=notify\nTimeoutStartSec=1\n{PART}forge\nEnvironment=FORGED=MAINPID=1\n");
    let stranger = format!(
        "[Service]\nType=oneshot\n{PART}forge\nEnvironment=FORGED=READY=1 NOTIFY_SOCKET=DIR/run/notify.sock\n"
    );
    let mute = "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 600\n";
    let init = Init::boot(
        "notify.service mute.service",
        &[
            ("notify.service", &notify),
            ("forged.service", &forged),
            ("stranger.service", &stranger),
            ("mute.service", mute),
        ],
    );
    init.wait_for("notify.service", State::Active);
    assert_eq!(init.status("notify.service").status, "there");
    // Somebody else's READY is not the mute one's.
    assert_eq!(init.act(Verb::Start, "stranger.service"), JobOutcome::Done);
    assert_eq!(init.status("mute.service").listed.active, "activating");
    init.wait_for("mute.service", State::Failed);
    assert_eq!(init.status("mute.service").result, "timeout");
    // Who claims another's process as its own has claimed nothing, and ends without having been ready.
    assert_eq!(init.act(Verb::Start, "forged.service"), JobOutcome::Failed);
    let status = init.status("forged.service");
    assert_eq!(status.result, "protocol", "{status:?}");
}

#[test]
fn a_service_forks_and_leaves_its_number() {
    if !may_run("a_service_forks_and_leaves_its_number") {
        return;
    }
    // When it is told to, another one takes its place, as in an upgrade of the program.
    let script = "sleep 600 & old=$!; echo $old > DIR/forked.pid; \
                  (until test -e DIR/go; do sleep 0.01; done; sleep 600 & echo $! > DIR/forked.pid; kill $old) &";
    let script = script.replace('$', "$$");
    let forked =
        format!("[Service]\nType=forking\nPIDFile=DIR/forked.pid\nExecStart=/bin/sh -c '{script}'\n");
    let guessed = "[Service]\nType=forking\nExecStart=/bin/sh -c 'sleep 600 &'\n";
    let init = Init::boot(
        "forked.service guessed.service",
        &[("forked.service", &forked), ("guessed.service", guessed)],
    );
    init.wait_for("forked.service", State::Active);
    init.wait_for("guessed.service", State::Active);
    let pid = init.status("forked.service").main_pid.expect("a main process");
    assert_eq!(init.text("forked.pid").trim(), pid.to_string());
    assert!(init.status("guessed.service").main_pid.is_some());
    fs::write(init.path("go"), "").unwrap();
    init.wait("another one is there", || init.status("forked.service").main_pid != Some(pid));
    let status = init.status("forked.service");
    assert_eq!(status.main_pid.map(|pid| pid.to_string()).as_deref(), Some(init.text("forked.pid").trim()));
    assert_eq!(status.listed.active, "active");
    assert_eq!(init.act(Verb::Stop, "forked.service"), JobOutcome::Done);
    assert_eq!(init.status("forked.service").processes, []);
}

#[test]
fn who_does_not_end_is_killed_and_who_crashes_comes_back() {
    if !may_run("who_does_not_end_is_killed_and_who_crashes_comes_back") {
        return;
    }
    let deaf = "[Service]\nTimeoutStopSec=500ms\nExecStart=/bin/sh -c 'trap \"\" TERM; sleep 600 & sleep 600; sleep 600'\n";
    let crash = "[Service]\nRestart=on-failure\nRestartSec=10ms\nStartLimitBurst=3\nExecStart=/bin/sh -c 'echo x >> DIR/starts; exit 3'\n";
    let watchdog = format!("[Service]\nType=notify\nWatchdogSec=300ms\nTimeoutStopSec=1\n{PART}watchdog\n");
    let units = [("deaf.service", deaf), ("crash.service", crash), ("watchdog.service", &watchdog)];
    let init = Init::boot("deaf.service crash.service watchdog.service", &units);
    init.wait_for("crash.service", State::Failed);
    assert_eq!(
        (init.text("starts").lines().count(), &*init.status("crash.service").result),
        (3, "start-limit")
    );
    init.ask(&Request::ResetFailed { units: vec!["crash.service".to_owned()] });
    assert_eq!(init.status("crash.service").listed.active, "inactive");
    init.wait_for("watchdog.service", State::Failed);
    assert_eq!(init.status("watchdog.service").result, "watchdog");
    assert_eq!(init.act(Verb::Stop, "deaf.service"), JobOutcome::Done);
    let status = init.status("deaf.service");
    assert_eq!((&*status.listed.active, &*status.result, status.processes.len()), ("failed", "timeout", 0));
}

/// The units that set a system up, and empty `/tmp` for that, are not there for who brings units of its own.
#[test]
fn a_supervisor_with_its_own_units_sets_nothing_up() {
    if !may_run("a_supervisor_with_its_own_units_sets_nothing_up") {
        return;
    }
    let init = Init::boot("basic.target", &[]);
    init.wait_for("sysinit.target", State::Active);
    for unit in ["perigee-tmpfiles.service", "perigee-sysusers.service"] {
        assert_eq!(init.status(unit).listed.load, "not-found", "{unit}");
    }
}

#[test]
fn orphans_are_reaped() {
    if !may_run("orphans_are_reaped") {
        return;
    }
    let orphans = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.05 &) ; done; sleep 0.4; grep -l \"^State:.Z\" /proc/[0-9]*/status > DIR/zombies; true'\n";
    let init = Init::boot("orphans.service", &[("orphans.service", orphans)]);
    init.wait_for("orphans.service", State::Active);
    assert_eq!(init.text("zombies"), "");
    let Reply::Manager(manager) = init.ask(&Request::Manager).remove(0) else { panic!() };
    assert!(manager.orphans >= 9, "{manager:?}");
}

#[test]
fn every_change_is_told_in_order_and_strangers_change_nothing() {
    if !may_run("every_change_is_told_in_order_and_strangers_change_nothing") {
        return;
    }
    let init = Init::boot(
        "a.service",
        &[("a.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 600\n")],
    );
    init.wait_for("a.service", State::Active);
    let mut watcher = init.try_client().unwrap();
    watcher.send(&Request::Watch { from: Some(1) }).unwrap();
    for _ in 0..20 {
        assert_eq!(init.act(Verb::Restart, "a.service"), JobOutcome::Done);
    }
    let (mut sequence, mut active) = (0, 0);
    while active < 21 {
        let Reply::Change(change) = watcher.next_reply().unwrap() else { panic!("not a change") };
        sequence += 1;
        assert_eq!(change.sequence, sequence);
        active += usize::from(change.unit == "a.service" && change.to == State::Active);
    }
    let refused = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_perigee")])
        .args(["ctl", "stop", "a", "--runtime"])
        .arg(init.path("run"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let reached = !told.contains("ermission denied");
    assert!(!refused.status.success() && (!reached || told.contains("this is for root")), "{told}");
    assert_eq!(init.status("a.service").listed.active, "active");
}

/// Another copy of the program takes over: services, sockets, jobs and numbers of changes go on.
#[test]
fn the_program_is_exchanged_and_no_service_notices() {
    if !may_run("the_program_is_exchanged_and_no_service_notices") {
        return;
    }
    let notify = format!("[Service]\nType=notify\n{PART}notify\n");
    let units = [
        ("a.service", "[Service]\nExecStart=/bin/sleep 600\nExecStop=/bin/sh -c 'echo stopped > DIR/out'\n"),
        ("b.service", &notify),
        ("c.socket", "[Socket]\nListenStream=DIR/c.sock\n"),
        ("c.service", "[Service]\nExecStart=/bin/sh -c 'echo $LISTEN_FDS > DIR/c; exec sleep 600'\n"),
        ("slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 1; echo done > DIR/slow'\n"),
    ];
    let mut init = Init::boot("a.service b.service c.socket slow.service", &units);
    init.wait_for("b.service", State::Active);
    init.wait_for("c.socket", State::Active);
    let before = ["a.service", "b.service"].map(|unit| init.status(unit));
    let Reply::Manager(manager) = init.ask(&Request::Manager).remove(0) else { panic!() };
    for _ in 0..3 {
        assert_eq!(init.ask(&Request::DaemonReexec), []);
        init.wait("it answers again", || {
            init.try_client().is_some_and(|mut client| client.all(&Request::List).is_ok())
        });
    }
    for before in before {
        let after = init.status(&before.listed.unit);
        assert_eq!(
            (after.main_pid, after.invocation, after.status),
            (before.main_pid, before.invocation, before.status)
        );
    }
    let Reply::Manager(after) = init.ask(&Request::Manager).remove(0) else { panic!() };
    assert!(after.sequence >= manager.sequence && after.pid == manager.pid, "{after:?}");
    // The socket is the same one, and starts its service still.
    UnixStream::connect(init.path("c.sock")).unwrap();
    init.wait_for("c.service", State::Active);
    init.wait("it has its socket", || init.text("c").trim() == "1");
    // A process that was at work all the while ends in the sight of the last copy.
    init.wait_for("slow.service", State::Inactive);
    assert_eq!((&*init.text("slow"), &*init.status("slow.service").result), ("done\n", "success"));
    assert_eq!(init.end(), Some(7));
    assert_eq!(init.text("out"), "stopped\n");
}

#[test]
fn a_unit_that_has_no_file() {
    if !may_run("a_unit_that_has_no_file") {
        return;
    }
    let init = Init::boot("", &[]);
    let text = "[Service]\nType=oneshot\nExecStart=/bin/true\n".to_owned();
    let run = |text: String| Request::Run { unit: "once.service".to_owned(), text, wait: true };
    let replies = init.ask(&run(text));
    assert!(
        replies.iter().any(|reply| matches!(reply, Reply::Finished { outcome: JobOutcome::Done, .. })),
        "{replies:?}"
    );
    let wrong = run("[Service]\nType=nonsense\nExecStart=/bin/true\n".to_owned());
    let refused = init.try_client().unwrap().all(&wrong).unwrap_err().to_string();
    assert!(refused.contains("Type=: "), "{refused}");
}

#[test]
fn an_idle_service_waits_for_the_others() {
    if !may_run("an_idle_service_waits_for_the_others") {
        return;
    }
    let units = [
        (
            "idle.service",
            "[Service]\nType=idle\nExecStart=/bin/sh -c 'echo idle >> DIR/out; exec sleep 600'\n",
        ),
        ("busy.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 0.5; echo busy >> DIR/out'\n"),
    ];
    let init = Init::boot("idle.service busy.service", &units);
    init.wait("both have spoken", || init.text("out").lines().count() == 2);
    assert_eq!(init.text("out"), "busy\nidle\n");
}

/// However many connections come, and however many commands are run, no more units stay than there were at a time.
#[test]
fn units_of_one_run_make_room_for_the_next() {
    if !may_run("units_of_one_run_make_room_for_the_next") {
        return;
    }
    let units = [
        ("echo.socket", "[Socket]\nListenStream=DIR/echo.sock\nAccept=yes\nTriggerLimitIntervalSec=0\n"),
        ("echo@.service", "[Service]\nExecStart=/bin/sh -c 'echo %i >&3'\n"),
        ("bad.socket", "[Socket]\nListenStream=DIR/bad.sock\nAccept=yes\nTriggerLimitIntervalSec=0\n"),
        ("bad@.service", "[Service]\nExecStart=/bin/false\n"),
    ];
    let init = Init::boot("echo.socket bad.socket", &units);
    init.wait_for("echo.socket", State::Active);
    init.wait_for("bad.socket", State::Active);
    let mut said = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let mut answer = String::new();
        UnixStream::connect(init.path("echo.sock")).unwrap().read_to_string(&mut answer).unwrap();
        assert!(said.insert(answer), "each is an instance of its own");
        UnixStream::connect(init.path("bad.sock")).unwrap().read_to_string(&mut String::new()).unwrap();
    }
    for number in 0..20 {
        let text = "[Service]\nType=oneshot\nExecStart=/bin/true\n".to_owned();
        init.ask(&Request::Run { unit: format!("once{number}.service"), text, wait: true });
    }
    let listed = init.ask(&Request::List);
    let count = |prefix: &str| {
        let names = listed.iter().filter_map(|reply| match reply {
            Reply::Listed(listed) => Some(listed.unit.as_str()),
            _ => None,
        });
        names.filter(|name| name.starts_with(prefix)).count()
    };
    // Failures are kept to be looked at, up to a bound.
    assert!(count("bad@") <= 70 && count("bad@") >= 60, "{}", count("bad@"));
    assert!(count("echo@") + count("once") <= 10, "{} {}", count("echo@"), count("once"));
}

/// Bytes that are no request are refused in words, and the supervisor goes on.
#[test]
fn nonsense_on_the_control_socket() {
    use std::io::Write;
    if !may_run("nonsense_on_the_control_socket") {
        return;
    }
    let init = Init::boot("", &[]);
    let socket: &Path = &init.path("run/control.sock");
    for nonsense in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", b"[[[[[[[[\n"] {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(nonsense).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("this is no request"), "{nonsense:?}: {answer}");
    }
    let mut stream = UnixStream::connect(socket).unwrap();
    let long = vec![b'x'; 1 << 20];
    while stream.write_all(&long).is_ok() {}
    init.wait("it answers still", || !init.ask(&Request::List).is_empty());
}
