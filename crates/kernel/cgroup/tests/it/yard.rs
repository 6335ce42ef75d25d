//! A place of our own in the control groups of this machine, and processes for it.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use perigee_cgroup::{Controller, Group, Hierarchy, Mode};

/// A tree of groups that goes when it is dropped, with all that is in it.
pub(crate) struct Yard {
    pub(crate) hierarchy: Hierarchy,
    outer: Group,
}

impl Yard {
    /// None, said loudly, where this machine gives us no groups.
    pub(crate) fn open(test: &str) -> Option<Yard> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let detected = Hierarchy::detect();
        if detected.mode() == Mode::None {
            eprintln!("SKIPPED {test}: no control groups: {}", detected.reasons().join("; "));
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("perigee-test-{}-{count}", std::process::id());
        let outer = detected.group(&name).expect("a group");
        let hierarchy = detected.below(&name).expect("a tree of our own");
        Some(Yard { hierarchy, outer })
    }

    /// Whether limits of this controller can be tried; said loudly where not.
    pub(crate) fn has(&self, test: &str, controller: Controller) -> bool {
        let has = self.hierarchy.has(controller).is_some();
        if !has {
            eprintln!("SKIPPED {test}: there is no {controller:?} controller in this view");
        }
        has
    }

    pub(crate) fn group(&self, path: &str, controllers: &[Controller]) -> Group {
        let group = self.hierarchy.group(path).expect(path);
        group.create(controllers).expect(path);
        group
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.outer.kill_all();
        until("the yard is empty", || !self.outer.is_populated().unwrap_or(true));
        if let Err(error) = self.outer.remove() {
            eprintln!("{error}");
        }
    }
}

/// A shell in a group, which runs `script` once it is there.
pub(crate) fn run(group: &Group, script: &str) -> Child {
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let refused = group.attach(child.id() as i32).expect("attached");
    assert_eq!(refused, [""; 0]);
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("written");
    child
}

/// Waits for something to become true, for 10 s at most.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
