//! `perigee init` under more than it will ever meet: orphans by the thousand, units that crash without end, and kills of
//! the supervisor itself. `make soak` makes the same tests long. Needs root; says so where it is not to be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perigee_init::control::{Client, Reply, Request, UnitStatus};
use perigee_testkit::guest::compile;
use tempfile::TempDir;

use crate::init::remove_groups;
use crate::support::PERIGEE;

/// How long the short forms may take; the long ones have an hour.
const PATIENCE: Duration = Duration::from_secs(60);
/// Services that outlive their supervisor.
const SERVICES: usize = 10;

pub(crate) fn soak() -> bool {
    std::env::var_os("PERIGEE_SOAK").is_some()
}

/// Everything in a namespace of processes, which ends with it.
pub(crate) struct Storm {
    folder: TempDir,
    process: Child,
}

impl Storm {
    /// Runs `script` as the first process; `DIR` in it and in the units is the folder, `INIT` a supervisor on these units,
    /// `HELPER` the helper of the tests.
    pub(crate) fn begin(test: &str, script: &str, units: &[(String, String)]) -> Option<Storm> {
        let names: Vec<_> = units.iter().map(|(name, _)| name.as_str()).collect();
        Storm::begin_with(test, script, units, &names)
    }

    /// The same; of the units these alone are started.
    pub(crate) fn begin_with(
        test: &str,
        script: &str,
        units: &[(String, String)],
        names: &[&str],
    ) -> Option<Storm> {
        let may = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
        if !may.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED {test}: `unshare --pid` needs root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        compile(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/helper.c"),
            folder.path().join("helper"),
        );
        let place = |text: &str| {
            text.replace("INIT", &format!("{PERIGEE} init --path DIR/units --runtime DIR/run"))
                .replace("HELPER", "DIR/helper")
                .replace("DIR", &path)
        };
        fs::create_dir(folder.path().join("units")).unwrap();
        let target = ("default.target".to_owned(), format!("[Unit]\nWants={}\n", names.join(" ")));
        for (name, text) in units.iter().chain([&target]) {
            fs::write(folder.path().join("units").join(name), place(text)).unwrap();
        }
        let process = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", &place(script)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Some(Storm { folder, process })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn wait<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + if soak() { 60 * PATIENCE } else { PATIENCE };
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what}\n{}\n{:#?}", self.text("log"), self.units());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Option<Vec<Reply>> {
        Client::connect(&self.path("run")).ok()?.all(request).ok()
    }

    /// Every unit with its state, for whoever reads of a failure.
    fn units(&self) -> Vec<String> {
        let listed = self.ask(&Request::List).unwrap_or_default();
        let word = |reply: Reply| match reply {
            Reply::Listed(unit) => Some(format!("{} {} {} {:?}", unit.unit, unit.active, unit.sub, unit.job)),
            _ => None,
        };
        listed.into_iter().filter_map(word).collect()
    }

    pub(crate) fn status(&self, unit: &str) -> Option<UnitStatus> {
        match self.ask(&Request::Status { units: vec![unit.to_owned()] })?.into_iter().next()? {
            Reply::Unit(status) => Some(*status),
            _ => None,
        }
    }

    /// The supervisor, as this system numbers it: the child of the first process that was started as one.
    pub(crate) fn supervisor(&self) -> Option<i32> {
        let children =
            |pid: i32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let first = children(self.process.id() as i32).split_whitespace().next()?.parse().ok()?;
        let below = children(first);
        below.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|octet| *octet == 0).nth(1) == Some(b"init")
        })
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        remove_groups(&self.path("run"));
    }
}

/// The number behind `name=` in a line of the helper.
fn figure(line: &str, name: &str) -> Option<u64> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    word.parse().ok()
}

#[test]
fn no_orphan_stays_a_zombie() {
    let count = if soak() { 1_000_000 } else { 20_000 };
    let unit = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'HELPER orphans {count} >DIR/said'\n");
    let units = [("orphans.service".to_owned(), unit)];
    let Some(storm) = Storm::begin("no_orphan_stays_a_zombie", "exec INIT", &units) else { return };
    let said =
        storm.wait("answer of the helper", || Some(storm.text("said")).filter(|text| text.ends_with('\n')));
    eprintln!("{said}");
    assert_eq!((figure(&said, "orphans"), figure(&said, "left")), (Some(count), Some(0)), "{said}");
    assert!(figure(&said, "oldest_ms").is_some_and(|oldest| oldest < 1_000), "{said}");
    let counted = || match storm.ask(&Request::Manager)?.into_iter().next()? {
        Reply::Manager(manager) => Some(manager.orphans),
        _ => None,
    };
    // The last ones may be about to end when the helper has seen no zombie any more.
    storm.wait("count of all orphans", || counted().filter(|counted| *counted >= count));
}

#[test]
fn no_exit_status_is_lost() {
    let runs: usize = if soak() { 20_000 } else { 100 };
    // Each run leaves a letter; after so many of them it stays.
    let unit = |status: usize| {
        format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'printf x >>DIR/runs-{status}; \
             [ $$(wc -c <DIR/runs-{status}) -gt {runs} ] && exec sleep 100000; exit {status}'\n\
             Restart=on-failure\nRestartSec=0\n"
        )
    };
    let mut units: Vec<_> = (1..=4).map(|status| (format!("crash-{status}.service"), unit(status))).collect();
    // Whatever else ends at the same time is nobody's business: orphans, and all the processes that can be made.
    let count = if soak() { 1_000_000 } else { 20_000 };
    let noise = "[Service]\nExecStart=HELPER orphans 5000\n".to_owned();
    units.push(("noise.service".to_owned(), noise));
    for number in 0..2 {
        let forks = format!(
            "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'HELPER statuses {count} >DIR/statuses-{number}'\n"
        );
        units.push((format!("statuses{number}.service"), forks));
    }
    // Each command has to end with this status; another one fails the unit, and one that is lost holds it for ever.
    let commands = if soak() { 5_000 } else { 150 };
    for status in 11..=14 {
        let lines = format!("ExecStart=HELPER exit {status}\n").repeat(commands);
        let text = format!(
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\nSuccessExitStatus={status}\n{lines}"
        );
        units.push((format!("list-{status}.service"), text));
    }
    let Some(storm) = Storm::begin("no_exit_status_is_lost", "exec INIT", &units) else { return };
    let began = Instant::now();
    for status in 1..=4 {
        let name = format!("crash-{status}.service");
        // One that was lost would be the last.
        storm.wait(&format!("end of the crashes of {name}"), || {
            let there = storm.status(&name)?;
            let runs_now = storm.text(&format!("runs-{status}")).len();
            (runs_now > runs && there.listed.active == "active").then_some(())
        });
        assert_eq!(storm.text(&format!("runs-{status}")).len(), runs + 1);
    }
    for status in 11..=14 {
        let name = format!("list-{status}.service");
        let end = storm.wait(&format!("end of {name}"), || {
            storm.status(&name).filter(|there| there.listed.active != "activating")
        });
        assert_eq!((end.listed.active.as_str(), end.result.as_str()), ("active", "success"), "{end:?}");
    }
    let own = 4 * (commands + runs) as u64;
    eprintln!(
        "{own} processes of units told how they ended, {:.0} a second",
        own as f64 / began.elapsed().as_secs_f64()
    );
    for number in 0..2 {
        let said = storm.wait("the rate of the machine", || {
            Some(storm.text(&format!("statuses-{number}"))).filter(|text| text.ends_with('\n'))
        });
        eprintln!("{said}");
        assert_eq!((figure(&said, "statuses"), figure(&said, "right")), (Some(count), Some(count)));
    }
}

#[test]
fn a_supervisor_that_is_killed_finds_its_services_again() {
    let kills = if soak() { 300 } else { 8 };
    let unit =
        "[Service]\nExecStart=/bin/sh -c 'echo $$$$ >>DIR/started-%N; sleep 100001 & exec sleep 100000'\n";
    let units: Vec<_> =
        (0..SERVICES).map(|number| (format!("keeps{number}.service"), unit.to_owned())).collect();
    let script = "while [ ! -e DIR/over ]; do INIT; done";
    let test = "a_supervisor_that_is_killed_finds_its_services_again";
    let Some(storm) = Storm::begin(test, script, &units) else { return };
    let all_up = || {
        let up = |number: usize| {
            storm.status(&format!("keeps{number}.service")).filter(|unit| unit.listed.active == "active")
        };
        (0..SERVICES).map(|number| up(number)?.main_pid).collect::<Option<Vec<u32>>>()
    };
    let before = storm.wait("first start", all_up);
    let mut random = u64::from(std::process::id()) << 1 | 1;
    eprintln!("seed {random}");
    for _ in 0..kills {
        // At any point of a start anew, or of rest.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((random >> 33) % 150));
        let pid = storm.wait("supervisor", || storm.supervisor());
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    let after = storm.wait("services found again", all_up);
    assert_eq!(before, after, "the same processes\n{}", storm.text("log"));
    for number in 0..SERVICES {
        let starts = storm.text(&format!("started-keeps{number}"));
        assert_eq!(starts.lines().count(), 1, "keeps{number} was started more than once: {starts}");
    }
    // Nor does another copy of the program forget whose children they are: it hears when one ends, though others are left
    // in its group.
    storm.ask(&Request::DaemonReexec);
    assert_eq!(storm.wait("the same services once more", all_up), before);
    let main = fs::read_to_string(storm.path("started-keeps0")).unwrap();
    // As the namespace numbers it.
    let pattern = format!("^NSpid:.*\t{}$", main.trim());
    let find = format!("grep -lE '{pattern}' /proc/[0-9]*/status");
    let found = Command::new("sh").args(["-c", &find]).output().unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let outside = found.lines().filter_map(|path| path.split('/').nth(2)?.parse::<u32>().ok());
    let own = fs::read_link(format!("/proc/{}/ns/pid_for_children", storm.process.id())).unwrap();
    let same = outside.filter(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns == own));
    for pid in same.collect::<Vec<_>>() {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    storm.wait("the end of a service", || {
        let there = storm.status("keeps0.service")?;
        (there.listed.active == "failed" && there.processes.is_empty()).then_some(())
    });
}
