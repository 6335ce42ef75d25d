//! Mounts, sockets and timers under a supervisor that is a process of its own, in a mount name space of its own. Needs root; says so
//! where it is not to be had.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use perigee_init::control::{Client, Reply, Request};
use perigee_units::machine::Verb;
use perigee_units::value::escape_path;

use crate::supervised::{Supervised, TEST};

struct Init {
    supervised: Supervised,
}

impl Init {
    /// A supervisor with a unit for each of these places below its folder, by the place's name and the unit's text.
    fn begin(test: &str, units: &[(&str, &str)]) -> Option<Init> {
        Init::with(test, units, |_| {})
    }

    /// The same, with a folder in which more has been made ready.
    fn with(test: &str, units: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Option<Init> {
        if !nix::unistd::getuid().is_root() || Command::new("nsenter").arg("--version").output().is_err() {
            eprintln!("SKIPPED {test}: only root may mount, and nsenter(1) is needed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for (place, text) in units {
            let name = format!("{}.mount", escape_path(&folder.path().join(place).display().to_string()));
            fs::write(folder.path().join(name), format!("[Unit]\nDefaultDependencies=no\n{text}")).unwrap();
        }
        fs::write(folder.path().join("default.target"), "[Unit]\nRefuseManualStop=yes\n").unwrap();
        prepare(folder.path());
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "env", "--block-signal"]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--test-threads=1", "--nocapture", "--exact", TEST]);
        Some(Init { supervised: Supervised::begin(folder, &mut command) })
    }

    fn at(&self, place: &str) -> String {
        self.folder.path().join(place).display().to_string()
    }

    fn unit(&self, place: &str) -> String {
        format!("{}.mount", escape_path(&self.at(place)))
    }

    fn state(&self, place: &str) -> String {
        self.status(&self.unit(place)).listed.active.to_string()
    }

    /// Runs a program where the supervisor's mounts are.
    fn run(&self, arguments: &[&str]) {
        let pid = self.process.id().to_string();
        let output = Command::new("nsenter").args(["-t", &pid, "-m", "--"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the supervisor's name space has at a place, by the kernel's table.
    fn is_mounted(&self, place: &str) -> bool {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.process.id())).unwrap();
        table.contains(&format!(" {} ", self.at(place)))
    }
}

impl Deref for Init {
    type Target = Supervised;

    fn deref(&self) -> &Supervised {
        &self.supervised
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.supervised.process.kill();
        let _ = self.supervised.process.wait();
    }
}

#[test]
fn mounts_come_and_go_by_units_and_by_hand() {
    let tmpfs = "[Mount]\nWhat=tmpfs\nType=tmpfs\nOptions=size=1M\n";
    let Some(init) =
        Init::begin("mounts_come_and_go_by_units_and_by_hand", &[("one", tmpfs), ("two", tmpfs)])
    else {
        return;
    };
    init.act(Verb::Start, &init.unit("one"));
    assert!(init.is_mounted("one") && init.state("one") == "active");
    init.act(Verb::Stop, &init.unit("one"));
    assert!(!init.is_mounted("one") && init.state("one") == "inactive");
    // By hand, with a unit that is known and one that has no file.
    fs::create_dir_all(init.at("two")).unwrap();
    fs::create_dir_all(init.at("three")).unwrap();
    assert_eq!(init.state("two"), "inactive");
    init.run(&["mount", "-t", "tmpfs", "x", &init.at("two")]);
    init.run(&["mount", "-t", "tmpfs", "x", &init.at("three")]);
    init.until("it is seen", || (init.state("two") == "active").then_some(()));
    init.act(Verb::Start, &init.unit("three"));
    assert_eq!(init.state("three"), "active");
    let found = init.status(&init.unit("three"));
    assert_eq!(found.files, [Path::new("/proc/self/mountinfo")]);
    init.run(&["umount", &init.at("two")]);
    init.until("it has gone", || (init.state("two") == "inactive").then_some(()));
    assert!(init.is_mounted("three"));
    let units = vec!["default.target".to_owned()];
    let stop = Request::Do { verb: Verb::Stop, units, active_only: false, or_restart: false, wait: true };
    let refused = Client::connect(&init.folder.path().join("run")).unwrap().all(&stop).unwrap_err();
    assert!(refused.to_string().contains("with other units only"), "{refused}");
    // A command on units that asks for it unmounts what was found.
    init.act(Verb::Stop, &init.unit("three"));
    assert!(!init.is_mounted("three"));
}

#[test]
fn a_helper_that_hangs_is_ended_in_time() {
    let disk = "[Mount]\nWhat=/dev/nowhere\nType=ext4\nTimeoutSec=300ms\n";
    let Some(mut init) =
        Init::begin("a_helper_that_hangs_is_ended_in_time", &[("gentle", disk), ("stubborn", disk)])
    else {
        return;
    };
    let script = init.at("script");
    for (place, trap) in [("gentle", ""), ("stubborn", "trap '' TERM; ")] {
        fs::write(
            &script,
            format!("#!/bin/sh\n{trap}echo $$ > {}\nsleep 1000 & wait; wait\nsleep 1000\n", init.at("pid")),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        if place == "gentle" {
            init.run(&["mount", "--bind", &script, "/usr/bin/mount"]);
        }
        let began = Instant::now();
        init.act(Verb::Start, &init.unit(place));
        init.until("it has failed", || (init.state(place) == "failed").then_some(()));
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert_eq!(init.status(&init.unit(place)).result, "timeout");
        let pid = fs::read_to_string(init.at("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "the helper of {place} is gone");
    }
    // A found mount stays when the supervisor ends.
    init.ask(&Request::Exit { status: 0 });
    let status = init.supervised.process.wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn timers_sockets_and_mounts_go_on_in_another_copy_of_the_program() {
    let tmpfs = "[Mount]\nWhat=tmpfs\nType=tmpfs\n";
    let test = "timers_sockets_and_mounts_go_on_in_another_copy_of_the_program";
    let Some(init) = Init::begin(test, &[("one", tmpfs)]) else { return };
    let write = |name: &str, text: &str| {
        fs::write(init.folder.path().join(name), format!("[Unit]\nDefaultDependencies=no\n{text}")).unwrap();
    };
    write("x.timer", "[Timer]\nOnActiveSec=1h\nRandomizedDelaySec=30min\nAccuracySec=1us\n");
    write("x.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    write("y.socket", &format!("[Socket]\nListenStream={}\nAccept=yes\n", init.at("node")));
    write("y@.service", "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n");
    for unit in ["x.timer", "y.socket", &init.unit("one")] {
        init.act(Verb::Start, unit);
    }
    let next = init.status("x.timer").next.expect("it waits");
    let mut client = std::os::unix::net::UnixStream::connect(init.at("node")).unwrap();
    let instance = |number: u32| {
        let listed = init.ask(&Request::List).into_iter().find_map(|reply| match reply {
            Reply::Listed(unit) if unit.unit.starts_with(&format!("y@{number}-")) => Some(unit.active),
            _ => None,
        });
        listed.filter(|state| state == "active").map(drop)
    };
    init.until("an instance runs", || instance(0));
    let manager = || init.client()?.all(&Request::List).ok().map(drop);
    let _ = Client::connect(&init.folder.path().join("run")).unwrap().all(&Request::DaemonReexec);
    init.until("the copy answers", manager);
    let log = fs::read_to_string(init.folder.path().join("log")).unwrap();
    assert!(log.contains("goes on as another copy"), "{log}");
    let after = init.status("x.timer").next.expect("it waits still");
    assert!(next.abs_diff(after) < 100_000, "{next} became {after}");
    assert!(init.is_mounted("one") && init.state("one") == "active");
    // The connection lives on, and the next one has the next number.
    std::io::Write::write_all(&mut client, b"hello").unwrap();
    let mut text = [0; 5];
    std::io::Read::read_exact(&mut client, &mut text).unwrap();
    assert_eq!(&text, b"hello");
    let _second = std::os::unix::net::UnixStream::connect(init.at("node")).unwrap();
    init.until("the next instance runs", || instance(1));
    init.act(Verb::Stop, "y.socket");
    init.act(Verb::Stop, &init.unit("one"));
    assert!(!init.is_mounted("one"));
}

#[test]
fn services_get_their_sockets_as_they_ask_for_them() {
    let Some(init) = Init::begin("services_get_their_sockets_as_they_ask_for_them", &[]) else { return };
    let write = |name: &str, text: &str| {
        fs::write(init.folder.path().join(name), format!("[Unit]\nDefaultDependencies=no\n{text}")).unwrap();
    };
    // What the first service is started for is what it finds; the other one asks for the same socket by name.
    let report = |to: &str| {
        format!(
            "ExecStart=/bin/sh -c '(echo $LISTEN_FDS $LISTEN_FDNAMES; grep flags /proc/$$$$/fdinfo/3) > {to}.new; mv {to}.new {to}; exec sleep 1000'\n"
        )
    };
    write("a.socket", &format!("[Socket]\nListenStream={}\nFileDescriptorName=web\n", init.at("node")));
    write("a.service", &format!("[Service]\n{}", report(&init.at("a"))));
    write("b.service", &format!("[Service]\nSockets=a.socket\nNonBlocking=yes\n{}", report(&init.at("b"))));
    let told = |name: &str| {
        let text = init.until("the service tells", || fs::read_to_string(init.at(name)).ok());
        let mut lines = text.lines().map(str::to_owned);
        let names = lines.next().unwrap();
        let flags = lines.next().unwrap();
        let flags = u32::from_str_radix(flags.split_whitespace().nth(1).unwrap(), 8).unwrap();
        (names, flags & 0o4000 != 0)
    };
    init.act(Verb::Start, "a.socket");
    assert_eq!(init.status("a.socket").listed.sub, "listening");
    let _client = std::os::unix::net::UnixStream::connect(init.at("node")).unwrap();
    assert_eq!(told("a"), ("1 web".to_owned(), false), "by default reading from them waits");
    assert_eq!(init.status("a.socket").listed.sub, "running");
    init.act(Verb::Stop, "a.service");
    // The client still waits, so that the service comes again; then the other one.
    init.until("it is started again", || (init.status("a.service").listed.active == "active").then_some(()));
    init.act(Verb::Start, "b.service");
    assert_eq!(told("b"), ("1 web".to_owned(), true));
}

#[test]
fn paths_and_those_who_uphold_start_services() {
    let Some(init) = Init::begin("paths_and_those_who_uphold_start_services", &[]) else { return };
    let write = |name: &str, text: &str| {
        fs::write(init.folder.path().join(name), format!("[Unit]\nDefaultDependencies=no\n{text}")).unwrap();
    };
    // A spool: the service empties it, and is started again for the next job only.
    let spool = init.at("spool");
    write("spool.path", &format!("[Path]\nDirectoryNotEmpty={spool}\nMakeDirectory=yes\n"));
    write(
        "spool.service",
        &format!(
            "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo run >> {}; rm -f {spool}/*'\n",
            init.at("runs")
        ),
    );
    let runs = || fs::read_to_string(init.at("runs")).unwrap_or_default().lines().count();
    init.act(Verb::Start, "spool.path");
    for job in 1..=3 {
        fs::write(Path::new(&spool).join("job"), "x").unwrap();
        init.until("the spool is emptied", || {
            (runs() == job && !Path::new(&spool).join("job").exists()).then_some(())
        });
    }
    init.until("it waits again", || (init.status("spool.path").listed.sub == "waiting").then_some(()));
    init.act(Verb::Stop, "spool.path");
    fs::write(Path::new(&spool).join("job"), "x").unwrap();
    // What stays true ends at a limit, and not never.
    write("always.path", &format!("[Path]\nPathExists={spool}\nTriggerLimitBurst=4\n"));
    write("always.service", "StartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/true\n");
    init.act(Verb::Start, "always.path");
    init.until("it has failed", || (init.status("always.path").listed.active == "failed").then_some(()));
    // One that is upheld comes back, whatever takes it down, until nobody upholds it.
    write("keeper.target", "Upholds=kept.service\n");
    write("kept.service", "[Service]\nExecStart=/bin/sleep 1000\n");
    init.act(Verb::Start, "keeper.target");
    let pid = || init.status("kept.service").main_pid;
    let first = init.until("it is upheld", pid);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first as i32), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    init.until("it is back", || pid().filter(|pid| *pid != first));
    init.act(Verb::Stop, "keeper.target");
    init.act(Verb::Stop, "kept.service");
    assert_eq!(init.status("kept.service").listed.active, "inactive");
    assert_eq!(runs(), 3);
}

/// A line that comes, changes and goes: what is declared by it does so with daemon-reload.
#[test]
fn lines_of_fstab_are_read_anew() {
    let line = |init: &Init, size: &str| format!("tmpfs {} tmpfs size={size},nofail 0 0\n", init.at("line"));
    let Some(init) = Init::with("lines_of_fstab_are_read_anew", &[], |folder| {
        fs::write(folder.join("fstab"), "# nothing yet\n").unwrap();
        fs::write(folder.join("local-fs.target"), "[Unit]\nDefaultDependencies=no\n").unwrap();
        fs::write(folder.join("default.target"), "[Unit]\nWants=local-fs.target\n").unwrap();
    }) else {
        return;
    };
    let (file, unit) = (init.folder.path().join("fstab"), init.unit("line"));
    let load = || init.status(&unit).listed.load;
    let reload = |text: String| {
        fs::write(&file, text).unwrap();
        init.ask(&Request::DaemonReload);
    };
    let size = || {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", init.process.id())).unwrap();
        let place = format!(" {} ", init.at("line"));
        table.lines().find(|line| line.contains(&place)).map(|line| line.contains("size=2048k"))
    };
    assert_eq!(load(), "not-found");
    reload(line(&init, "1M"));
    assert_eq!((load().as_str(), init.state("line").as_str()), ("loaded", "inactive"));
    // The target is there already; its start brings what it wants all the same.
    init.act(Verb::Start, "local-fs.target");
    init.until("it is mounted", || (size() == Some(false)).then_some(()));
    // It changes: a reload of what is mounted takes what the line says now.
    reload(line(&init, "2M"));
    assert_eq!((size(), init.state("line").as_str()), (Some(false), "active"));
    init.act(Verb::Reload, &unit);
    assert_eq!(size(), Some(true));
    // It goes: what is mounted stays until somebody stops it, and cannot be mounted again by a unit then.
    reload(String::new());
    assert_eq!((size(), init.state("line").as_str()), (Some(true), "active"));
    init.act(Verb::Stop, &unit);
    assert_eq!(size(), None);
    init.ask(&Request::DaemonReload);
    assert_eq!(load(), "not-found");
    let units = vec![unit.clone()];
    let start = Request::Do { verb: Verb::Start, units, active_only: false, or_restart: false, wait: true };
    let refused = Client::connect(&init.folder.path().join("run")).unwrap().all(&start).unwrap_err();
    assert!(refused.to_string().contains("no unit"), "{refused}");
    // A file that cannot be read is no reason to forget what it said.
    reload(line(&init, "1M"));
    init.act(Verb::Start, &unit);
    fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    init.ask(&Request::DaemonReload);
    assert_eq!((load().as_str(), size()), ("loaded", Some(false)));
    init.act(Verb::Stop, &unit);
    init.ask(&Request::DaemonReload);
    assert_eq!(load(), "loaded");
}
