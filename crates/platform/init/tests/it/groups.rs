//! Units in their control groups, under a supervisor that is a process of its own. Needs root; says so where it is not
//! to be had.

use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use perigee_cgroup::{Controller, Hierarchy, Mode};
use perigee_init::control::{Client, Reply, Request, UnitStatus};
use perigee_units::machine::Verb;

use crate::supervised::{FOLDER, Supervised, TEST};

/// A supervisor in a group of its own.
pub(crate) struct Init {
    pub(crate) supervised: Supervised,
    groups: Hierarchy,
    /// Where the supervisor has the groups of its units: it keeps them apart from those of others.
    own: Hierarchy,
}

impl Init {
    pub(crate) fn begin(test: &str, units: &[(&str, &str)]) -> Option<Init> {
        let detected = Hierarchy::detect();
        if detected.mode() == Mode::None {
            eprintln!("SKIPPED {test}: no control groups: {}", detected.reasons().join("; "));
            return None;
        }
        let name = format!("perigee-init-{test}-{}", std::process::id());
        let groups = detected.below(&name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in units {
            let text = format!("[Unit]\nDefaultDependencies=no\n{text}");
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("default.target"), "[Unit]\n").unwrap();
        let process = spawn(&groups, folder.path());
        let runtime = folder.path().join("run").display().to_string();
        let own = groups.below(&format!("perigee-{}", runtime.trim_matches('/').replace('/', "-"))).unwrap();
        let init = Init { supervised: Supervised { folder, process }, groups, own };
        init.until("it answers", || init.answers());
        Some(init)
    }

    /// Kills the supervisor, as no one should, waits a little, and starts another one in its place.
    fn succeed(&mut self, between: impl FnOnce(&Init)) {
        self.supervised.process.kill().unwrap();
        self.supervised.process.wait().unwrap();
        between(self);
        self.supervised.process = spawn(&self.groups, self.folder.path());
        self.until("the next one answers", || self.answers());
    }

    /// Whether this supervisor answers; a child that the one before it was just making may still have its socket.
    fn answers(&self) -> Option<()> {
        let replies = Client::connect(&self.folder.path().join("run")).ok()?.all(&Request::Manager).ok()?;
        let own = |reply: &Reply| matches!(reply, Reply::Manager(told) if told.pid == self.process.id());
        replies.iter().any(own).then_some(())
    }

    fn has(&self, test: &str, controller: Controller) -> bool {
        let has = self.groups.has(controller).is_some();
        if !has {
            eprintln!("SKIPPED {test}: there is no {controller:?} controller here");
        }
        has
    }
}

/// The supervisor as a process in the base of these groups.
fn spawn(groups: &Hierarchy, folder: &Path) -> Child {
    // Tests do not run on the first thread, which would take the signals that the supervisor waits for.
    let script = "read go; exec env --block-signal \"$0\" --test-threads=1 --nocapture --exact \"$1\"";
    let mut process = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(fs::File::options().append(true).create(true).open(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    // Its own group is the base of those that it makes, in every hierarchy.
    let base = groups.group("").unwrap();
    assert_eq!(base.attach(process.id() as i32).unwrap(), [""; 0]);
    process.stdin.take().unwrap().write_all(b"go\n").unwrap();
    process
}

impl Deref for Init {
    type Target = Supervised;

    fn deref(&self) -> &Supervised {
        &self.supervised
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let base = self.groups.group("").unwrap();
        let _ = base.kill_all();
        let _ = self.supervised.process.wait();
        let deadline = Instant::now() + Duration::from_secs(10);
        while base.is_populated().unwrap_or(true) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Err(error) = self.groups.remove() {
            eprintln!("{error}");
        }
    }
}

#[test]
fn limits_of_units_and_slices_hold_and_follow_their_files() {
    let test = "limits_of_units_and_slices_hold_and_follow_their_files";
    let service = "[Service]\nSlice=a-b.slice\nMemoryMax=32M\nTasksMax=10\nExecStart=/bin/sleep 1000\n";
    let units = [
        ("one.service", service),
        ("a-b.slice", "[Slice]\nTasksMax=7\n"),
        (
            "hungry.service",
            "[Service]\nMemoryMax=24M\nExecStart=/bin/sh -c 'x=0123456789abcdef; while :; do x=$$x$$x; done'\n",
        ),
    ];
    let Some(init) = Init::begin("limits", &units) else { return };
    init.act(Verb::Start, "one.service");
    let status = init.status("one.service");
    assert_eq!(status.group.as_deref(), Some("a.slice/a-b.slice/one.service"), "{status:?}");
    assert_eq!(status.processes.len(), 1, "{status:?}");
    if !init.has(test, Controller::Memory) || !init.has(test, Controller::Pids) {
        return;
    }
    let group = init.own.group("a.slice/a-b.slice/one.service").unwrap();
    let slice = init.own.group("a.slice/a-b.slice").unwrap();
    let limit = |group: &perigee_cgroup::Group| group.usage().tasks_max;
    assert_eq!((limit(&group), limit(&slice)), (Some(10), Some(7)));
    assert_eq!(group.usage().memory_max, Some(32 << 20));
    let usage = status.usage.expect("it is counted");
    assert!(usage.memory.is_some() && usage.tasks == Some(1) && usage.cpu().is_some(), "{usage:?}");
    // Both follow their files while the service runs.
    fs::write(
        init.folder.path().join("one.service"),
        service.replace("=10", "=20").replace("MemoryMax", "#"),
    )
    .unwrap();
    fs::write(init.folder.path().join("a-b.slice"), "[Slice]\nTasksMax=9\n").unwrap();
    init.ask(&Request::DaemonReload);
    assert_eq!((limit(&group), limit(&slice)), (Some(20), Some(9)));
    assert_eq!(group.usage().memory_max, None);
    init.act(Verb::Stop, "one.service");
    assert!(!group.exists());
    init.act(Verb::Start, "hungry.service");
    init.until("it was killed", || {
        let result = init.status("hungry.service").result;
        (result != "success").then_some(result)
    });
    assert_eq!(init.status("hungry.service").result, "oom-kill");
}

/// The daemons go on while their supervisor is gone; the next one finds them, starts none twice, and knows what has
/// become of those that have ended.
#[test]
fn services_outlive_their_supervisor() {
    let units = [
        ("simple.service", "[Service]\nExecStart=/bin/sh -c 'echo simple >> DIR/out; sleep 1000 & wait'\n"),
        (
            "forking.service",
            "[Service]\nType=forking\nPIDFile=DIR/pid\n\
             ExecStart=/bin/sh -c 'echo forking >> DIR/out; sleep 1000 & echo $$! > DIR/pid'\nExecStop=/bin/sh -c 'echo stop >> DIR/out'\n",
        ),
        (
            "once.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo once >> DIR/out'\n",
        ),
        (
            "preparing.service",
            "[Service]\nTimeoutStartSec=60\nExecStartPre=/bin/sh -c 'echo pre >> DIR/out; while test -e DIR/slow; do sleep 0.01; done'\n\
             ExecStart=/bin/sh -c 'echo main >> DIR/out; exec sleep 1000'\n",
        ),
        (
            "ends.service",
            "[Service]\nExecStart=/bin/sh -c 'echo ends >> DIR/out; while ! test -e DIR/end; do sleep 0.01; done; exit 3'\n",
        ),
        (
            "gone.service",
            "[Service]\nExecStart=/bin/sh -c 'echo gone >> DIR/out; while ! test -e DIR/go; do sleep 0.01; done; exit 4'\n",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let units: Vec<_> = units.iter().map(|(name, text)| (*name, text.replace("DIR", &place))).collect();
    let units: Vec<_> = units.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let Some(mut init) = Init::begin("kill", &units) else { return };
    let out = |line: &str| {
        let text = fs::read_to_string(folder.path().join("out")).unwrap_or_default();
        text.lines().filter(|known| *known == line).count()
    };
    fs::write(folder.path().join("slow"), "").unwrap();
    let running = ["simple.service", "forking.service", "once.service", "ends.service", "gone.service"];
    running.iter().for_each(|unit| drop(init.act(Verb::Start, unit)));
    let start = |unit: &str| Request::Do {
        verb: Verb::Start,
        units: vec![unit.to_owned()],
        active_only: false,
        or_restart: false,
        wait: false,
    };
    init.ask(&start("preparing.service"));
    let said = ["simple", "forking", "once", "ends", "gone", "pre"];
    init.until("all have spoken", || said.iter().all(|line| out(line) == 1).then_some(()));
    let before: Vec<_> = running.iter().map(|unit| init.status(unit)).collect();
    assert!(before.iter().all(|status| status.listed.active == "active"), "{before:#?}");

    init.succeed(|init| {
        fs::write(folder.path().join("go"), "").unwrap();
        let gone = before[4].main_pid.unwrap();
        init.until("it has ended", || (!Path::new(&format!("/proc/{gone}")).exists()).then_some(()));
    });
    let taken = init.until("all are taken up", || {
        let taken: Vec<_> = running.iter().map(|unit| init.status(unit)).collect();
        taken[..4].iter().all(|status| status.listed.active == "active").then_some(taken)
    });
    for (before, taken) in before.iter().zip(&taken).take(4) {
        assert_eq!(taken.main_pid, before.main_pid);
        assert_eq!(taken.invocation, before.invocation);
    }
    assert_eq!(taken[0].processes, before[0].processes);
    // The process of `simple` has a child, which is known too.
    assert_eq!(taken[0].processes.len(), 2);
    // It has ended while nobody looked: that is shown, not made up.
    let gone = init.until("its end is known", || {
        let status = init.status("gone.service");
        (status.listed.active == "inactive").then_some(status)
    });
    assert_eq!(gone.main_ended.as_deref(), Some("nobody saw how it has ended"));
    // One whose start was interrupted is started again, after what was left of it was killed.
    init.until("it prepares again", || (out("pre") == 2).then_some(()));
    fs::remove_file(folder.path().join("slow")).unwrap();
    init.until("it is there", || (init.status("preparing.service").listed.active == "active").then_some(()));

    // How a process ends that is nobody's child here is read from the kernel.
    fs::write(folder.path().join("end"), "").unwrap();
    let ended = init.until("its end is known", || {
        let status = init.status("ends.service");
        (status.listed.active != "active").then_some(status)
    });
    if ended.main_ended.as_deref() == Some("nobody saw how it has ended") {
        eprintln!("SKIPPED: this kernel does not tell how a process has ended that is no child");
    } else {
        assert_eq!((ended.listed.active.as_str(), ended.result.as_str()), ("failed", "exit-code 3"));
    }

    // Once more; then they stop as they would have.
    init.succeed(|_| ());
    init.until("it is taken up", || (init.status("forking.service").listed.active == "active").then_some(()));
    for unit in ["simple.service", "forking.service", "preparing.service"] {
        assert_eq!(init.status(unit).listed.restarts, 0);
        init.act(Verb::Stop, unit);
        let status = init.status(unit);
        assert_eq!((status.listed.active.as_str(), status.processes.len()), ("inactive", 0), "{status:?}");
    }
    for (line, count) in [
        ("simple", 1),
        ("forking", 1),
        ("once", 1),
        ("ends", 1),
        ("gone", 1),
        ("pre", 2),
        ("main", 1),
        ("stop", 1),
    ] {
        assert_eq!(out(line), count, "{line}");
    }
}

/// A service that does not end when asked is killed with all its processes; its last commands still run in its group.
#[test]
fn commands_run_in_a_group_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let text = format!(
        "[Service]\nTimeoutStopSec=0.2\nExecStart=/bin/sh -c 'trap \"\" TERM; sleep 1000 & while :; do wait; done'\n\
         ExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT >> {out}; cat /proc/self/cgroup >> {out}'\n",
        out = out.display()
    );
    let Some(init) = Init::begin("killed", &[("stubborn.service", &text)]) else { return };
    for round in 1..=2 {
        init.act(Verb::Start, "stubborn.service");
        init.until("two processes", || (init.status("stubborn.service").processes.len() == 2).then_some(()));
        init.act(Verb::Stop, "stubborn.service");
        let text = fs::read_to_string(&out).unwrap();
        let group = text.lines().filter(|line| line.ends_with("/system.slice/stubborn.service")).count();
        assert!(group >= round, "{text}");
    }
}

/// What starts again by itself finds its group as it was; what does not come back leaves none behind.
#[test]
fn a_group_stays_for_a_restart_and_no_longer() {
    let units = [(
        "again.service",
        "[Service]\nTasksMax=9\nRestart=always\nRestartSec=200ms\nExecStart=/bin/sleep 1000\n",
    )];
    let Some(init) = Init::begin("restart", &units) else { return };
    init.act(Verb::Start, "again.service");
    let before = init.status("again.service");
    let base = format!("*/perigee-init-restart-{}/*/again.service", std::process::id());
    let folders = || {
        let find =
            Command::new("find").args(["/sys/fs/cgroup", "-path", &base, "-printf", "%i %p\n"]).output();
        String::from_utf8(find.unwrap().stdout).unwrap()
    };
    let first = folders();
    assert!(!first.is_empty());
    let kill = |status: &UnitStatus| kill(Pid::from_raw(status.main_pid.unwrap() as i32), Signal::SIGKILL);
    kill(&before).unwrap();
    let after = init.until("it has started again", || {
        let now = init.status("again.service");
        (now.main_pid.is_some() && now.main_pid != before.main_pid).then_some(now)
    });
    assert_eq!((&after.group, after.tasks), (&before.group, Some(1)), "{after:?}");
    assert_eq!(folders(), first);
    // It is stopped while it waits to start again.
    kill(&after).unwrap();
    init.until("it waits", || init.status("again.service").main_pid.is_none().then_some(()));
    assert_eq!(folders(), first);
    init.act(Verb::Stop, "again.service");
    assert_eq!(folders(), "");
}

/// What was started before somebody took its group away is stopped in one with its limits all the same.
#[test]
fn a_group_that_was_taken_away_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let text = format!(
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nTasksMax=9\nExecStart=/bin/true\n\
         ExecStop=/bin/sh -c 'cat /proc/self/cgroup > {}'\n",
        out.display()
    );
    let Some(init) = Init::begin("taken", &[("away.service", &text)]) else { return };
    init.act(Verb::Start, "away.service");
    let group = init.own.group(&init.status("away.service").group.unwrap()).unwrap();
    group.remove().unwrap();
    assert!(!group.exists());
    init.act(Verb::Stop, "away.service");
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.lines().any(|line| line.ends_with("/system.slice/away.service")), "{text}");
    assert!(!group.exists());
}

/// The supervisor is killed at random moments while it starts, stops and restarts: no service is ever there twice, and all
/// are there in the end. A dozen times in every run of the tests, 300 times with PERIGEE_SOAK set.
#[test]
fn kills_at_random_moments() {
    const UNITS: u64 = 4;
    let kills = if std::env::var_os("PERIGEE_SOAK").is_some() { 300 } else { 12 };
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..UNITS).map(|number| format!("unit-{number}.service")).collect();
    // Each holds a lock as long as it lives: a second one beside it would be found out.
    let text = |name: &str| {
        let (lock, twice) = (folder.path().join(name), folder.path().join("twice"));
        let run = format!(
            "flock -n -E 77 -F {} sleep 1000; test $$? != 77 || echo {name} >> {}",
            lock.display(),
            twice.display()
        );
        let kind = if name.contains('0') { "forking\nPIDFile=DIR/pid" } else { "exec" };
        let run = match kind {
            "exec" => format!("/bin/sh -c '{run}'"),
            _ => format!("/bin/sh -c '(sleep 0.02; {run}) & echo $$! > DIR/pid'"),
        };
        let text = format!("[Service]\nType={kind}\nRestart=always\nRestartSec=10ms\nExecStart={run}\n");
        format!("{text}[Unit]\nStartLimitIntervalSec=0\n")
            .replace("DIR", &folder.path().display().to_string())
    };
    let texts: Vec<_> = names.iter().map(|name| text(name)).collect();
    let units: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let Some(mut init) = Init::begin("random", &units) else { return };
    names.iter().for_each(|name| drop(init.act(Verb::Start, name)));
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |sides: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % sides
    };
    for _ in 0..kills {
        for _ in 0..=roll(3) {
            let verb = [Verb::Restart, Verb::Stop, Verb::Start][roll(3) as usize];
            let units = vec![names[roll(UNITS) as usize].clone()];
            let request = Request::Do { verb, units, active_only: false, or_restart: false, wait: false };
            // To stop what is not loaded is refused.
            let mut client = Client::connect(&init.folder.path().join("run")).unwrap_or_else(|error| {
                let state = perigee_process::stranger::look(init.process.id() as i32);
                panic!("{error}; {state:?}\n{}", fs::read_to_string(init.folder.path().join("log")).unwrap())
            });
            let _ = client.all(&request);
            std::thread::sleep(Duration::from_micros(roll(3000)));
        }
        let (after, between) = (roll(20_000), roll(5_000));
        std::thread::sleep(Duration::from_micros(after));
        init.succeed(|_| std::thread::sleep(Duration::from_micros(between)));
    }
    names.iter().for_each(|name| drop(init.act(Verb::Start, name)));
    for name in &names {
        init.until("all are there", || (init.status(name).listed.active == "active").then_some(()));
    }
    // Those that come twice would need a moment for it.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(fs::read_to_string(folder.path().join("twice")).unwrap_or_default(), "", "seen twice");
    for name in &names {
        let status = init.status(name);
        let sleeps =
            status.processes.iter().filter(|process| process.command.starts_with("sleep 1000")).count();
        assert_eq!(sleeps, 1, "{status:#?}");
    }
}

/// A service whose group lets nothing make device files still gets a `/dev` of its own.
#[test]
fn devices_of_its_own_under_a_strict_policy() {
    let test = "devices_of_its_own_under_a_strict_policy";
    let service = "[Service]\nType=oneshot\nPrivateDevices=yes\nDevicePolicy=strict\nDeviceAllow=/dev/null rw\n\
                   ExecStart=/bin/sh -c 'test -c /dev/null && test ! -e /dev/mem && echo x > /dev/null'\n";
    let Some(init) = Init::begin(test, &[("strict.service", service)]) else { return };
    init.act(Verb::Start, "strict.service");
    let status = init.status("strict.service");
    assert_eq!(
        (status.result.as_str(), status.listed.active.as_str()),
        ("success", "inactive"),
        "{status:?}"
    );
}
