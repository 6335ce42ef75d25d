//! Units in their control groups, under a supervisor that is a process of its own. Needs root; says so where it is not
//! to be had.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perigee_cgroup::{Controller, Hierarchy, Mode};
use perigee_init::control::{Client, Reply, Request, UnitStatus};
use perigee_init::files::SearchPath;
use perigee_init::supervisor::{Settings, Supervisor};
use perigee_units::machine::Verb;
use perigee_units::unit::UnitName;

const FOLDER: &str = "PERIGEE_TEST_GROUPS";

/// A supervisor in a group of its own.
struct Init {
    folder: tempfile::TempDir,
    groups: Hierarchy,
    process: Child,
}

impl Init {
    fn begin(test: &str, units: &[(&str, &str)]) -> Option<Init> {
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
        // Tests do not run on the first thread, which would take the signals that the supervisor waits for.
        let script = "read go; exec env --block-signal \"$0\" --test-threads=1 --nocapture --exact groups::a_supervisor";
        let mut process = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        // Its own group is the base of those that it makes, in every hierarchy.
        let base = groups.group("").unwrap();
        assert_eq!(base.attach(process.id() as i32).unwrap(), [""; 0]);
        process.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let init = Init { folder, groups, process };
        init.until("it answers", || Client::connect(&init.folder.path().join("run")).ok());
        Some(init)
    }

    /// Waits for something to be there.
    fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "not within 20 s: {what}\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask(&self, request: &Request) -> Vec<Reply> {
        Client::connect(&self.folder.path().join("run")).unwrap().all(request).unwrap()
    }

    fn act(&self, verb: Verb, unit: &str) {
        let units = vec![unit.to_owned()];
        self.ask(&Request::Do { verb, units, active_only: false, or_restart: false, wait: true });
    }

    fn status(&self, unit: &str) -> UnitStatus {
        match self.ask(&Request::Status { units: vec![unit.to_owned()] }).remove(0) {
            Reply::Unit(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn has(&self, test: &str, controller: Controller) -> bool {
        let has = self.groups.has(controller).is_some();
        if !has {
            eprintln!("SKIPPED {test}: there is no {controller:?} controller here");
        }
        has
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let base = self.groups.group("").unwrap();
        let _ = base.kill_all();
        let _ = self.process.wait();
        let deadline = Instant::now() + Duration::from_secs(10);
        while base.is_populated().unwrap_or(true) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Err(error) = self.groups.remove() {
            eprintln!("{error}");
        }
    }
}

/// The supervisor, where this program was started for that; else an empty test.
#[test]
fn a_supervisor() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let settings = Settings {
        search: SearchPath::new(vec![folder.to_owned()]),
        runtime: folder.join("run"),
        target: UnitName::parse("default.target").unwrap(),
        is_first: false,
        console: true,
        log: None,
    };
    Supervisor::new(settings).unwrap().run().unwrap();
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
    let group = init.groups.group("a.slice/a-b.slice/one.service").unwrap();
    let slice = init.groups.group("a.slice/a-b.slice").unwrap();
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
    init.until("it was killed", || (init.status("hungry.service").result == "signal SIGKILL").then_some(()));
}
