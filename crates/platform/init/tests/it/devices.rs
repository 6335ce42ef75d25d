//! Units of devices under a supervisor that is a process of its own: files below `/dev` by anybody, what the kernel tells
//! in a network name space of its own by root alone; says so where that is not to be had.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use perigee_init::control::Request;
use perigee_units::machine::Verb;
use perigee_units::value::escape_path;

use crate::supervised::{Supervised, TEST};

struct Init {
    supervised: Supervised,
}

impl Init {
    /// A supervisor with these units, started by a shell that does this before.
    fn begin(before: &str, shell: &[&str], units: &[(&str, &str)]) -> Init {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in units {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(folder.path().join("default.target"), "[Unit]\n").unwrap();
        let script =
            format!("{before}exec env --block-signal \"$0\" --test-threads=1 --nocapture --exact {TEST}");
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script).arg(std::env::current_exe().unwrap());
        Init { supervised: Supervised::begin(folder, &mut command) }
    }

    fn state(&self, unit: &str) -> String {
        let listed = self.supervised.status(unit).listed;
        format!("{} {}", listed.active, listed.sub)
    }

    fn until(&self, unit: &str, state: &str) {
        self.supervised.until(&format!("{unit} is {state}"), || (self.state(unit) == state).then_some(()));
    }

    /// Asks for a start without waiting for it.
    fn start(&self, unit: &str) {
        let units = vec![unit.to_owned()];
        let request =
            Request::Do { verb: Verb::Start, units, active_only: false, or_restart: false, wait: false };
        self.supervised.ask(&request);
    }

    fn reload(&self) {
        self.supervised.ask(&Request::DaemonReload);
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // In order, so that its services and groups go with it.
        let pid = nix::unistd::Pid::from_raw(self.supervised.process.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.supervised.process.try_wait().is_ok_and(|ended| ended.is_none())
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.supervised.process.kill();
        let _ = self.supervised.process.wait();
    }
}

/// A path below a folder of `/dev` where everybody may make files, which is removed at the end.
struct Node(String);

impl Node {
    fn new(name: &str) -> Node {
        Node(format!("/dev/shm/perigee-{name}-{}", std::process::id()))
    }

    fn unit(&self) -> String {
        format!("{}.device", escape_path(&self.0))
    }

    /// As a program that names devices makes links to them.
    fn plug(&self) {
        std::os::unix::fs::symlink("/dev/null", &self.0).unwrap();
    }

    fn unplug(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.unplug();
    }
}

const SLEEP: &str = "[Service]\nExecStart=/bin/sleep 1000\n";

#[test]
fn who_is_bound_to_a_device_comes_after_it_and_goes_with_it() {
    let (node, late) = (Node::new("bound"), Node::new("late"));
    let bound =
        |node: &Node| format!("[Unit]\nDefaultDependencies=no\nBindsTo={0}\nAfter={0}\n{SLEEP}", node.unit());
    let short = format!("{}.d/short.conf", late.unit());
    let init = Init::begin(
        "",
        &["sh"],
        &[
            ("bound.service", &bound(&node)),
            ("late.service", &bound(&late)),
            (&short, "[Unit]\nJobRunningTimeoutSec=300ms\n"),
        ],
    );
    init.start("bound.service");
    assert_eq!(init.state("bound.service"), "inactive dead");
    assert_eq!(init.state(&node.unit()), "inactive dead");
    // A file that is no device is none.
    fs::write(&node.0, "").unwrap();
    init.start("late.service");
    init.supervised.until("the job of the other one is over", || {
        let jobs = init.supervised.ask(&Request::Jobs);
        (!format!("{jobs:?}").contains("late")).then_some(())
    });
    assert_eq!(init.state("late.service"), "inactive dead");
    assert_eq!(init.state("bound.service"), "inactive dead");
    node.unplug();
    node.plug();
    init.until("bound.service", "active running");
    assert_eq!(init.state(&node.unit()), "active plugged");
    // Nobody can take it away but who unplugs it.
    init.supervised.act(Verb::Stop, &node.unit());
    assert_eq!(init.state(&node.unit()), "active plugged");
    init.start("bound.service");
    init.until("bound.service", "active running");
    node.unplug();
    init.until("bound.service", "inactive dead");
    assert_eq!(init.state(&node.unit()), "inactive dead");
}

#[test]
fn a_device_brings_what_it_wants() {
    let node = Node::new("wants");
    let link = format!("{}.wants/wanted.service", node.unit());
    let wanted = format!("[Unit]\nDefaultDependencies=no\n{SLEEP}");
    let init = Init::begin("", &["sh"], &[("wanted.service", &wanted), (&link, &wanted)]);
    assert_eq!(init.state("wanted.service"), "inactive dead");
    node.plug();
    init.until("wanted.service", "active running");
    // It stays, since it is not bound; and comes with the next one.
    node.unplug();
    init.until(&node.unit(), "inactive dead");
    assert_eq!(init.state("wanted.service"), "active running");
    init.supervised.act(Verb::Stop, "wanted.service");
    node.plug();
    init.until("wanted.service", "active running");
    // One that came while nobody knew of it is found when units are read anew.
    let other = Node::new("other");
    let folder = init.supervised.folder.path().join(format!("{}.wants", other.unit()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("second.service"), "x").unwrap();
    fs::write(init.supervised.folder.path().join("second.service"), &wanted).unwrap();
    other.plug();
    init.reload();
    init.until("second.service", "active running");
}

#[test]
fn the_kernel_tells_of_network_devices() {
    let test = "the_kernel_tells_of_network_devices";
    let able = || {
        let probe = "mount -t sysfs none /sys && ip link add v0 type veth peer name v1";
        Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", probe])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if !nix::unistd::getuid().is_root()
        || !able()
        || Command::new("nsenter").arg("--version").output().is_err()
    {
        eprintln!("SKIPPED {test}: no network name space with devices of its own to be had");
        return;
    }
    let device = "sys-subsystem-net-devices-v0.device";
    let bound = format!("[Unit]\nDefaultDependencies=no\nBindsTo={device}\nAfter={device}\n{SLEEP}");
    let init = Init::begin(
        "mount -t sysfs none /sys; ",
        &["unshare", "-n", "-m", "--propagation", "private", "sh"],
        &[("bound.service", &bound)],
    );
    let pid = init.supervised.process.id().to_string();
    let run = |arguments: &[&str]| {
        let output = Command::new("nsenter").args(["-t", &pid, "-n", "ip", "link"]).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    init.start("bound.service");
    assert_eq!(init.state("bound.service"), "inactive dead");
    run(&["add", "v0", "type", "veth", "peer", "name", "v1"]);
    init.until("bound.service", "active running");
    assert_eq!(init.state(device), "active plugged");
    // Under another name it is another one.
    run(&["set", "v0", "name", "w0"]);
    init.until("bound.service", "inactive dead");
    assert_eq!(init.state(device), "inactive dead");
    init.supervised.act(Verb::Start, "sys-subsystem-net-devices-w0.device");
    assert_eq!(init.state("sys-subsystem-net-devices-w0.device"), "active plugged");
    init.start("bound.service");
    run(&["set", "w0", "name", "v0"]);
    init.until("bound.service", "active running");
    run(&["del", "v0"]);
    init.until("bound.service", "inactive dead");
}
