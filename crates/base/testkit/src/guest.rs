//! A virtual machine: Debian's cloud kernel in qemu, without hardware help, with what a test puts into it.
//!
//! The kernel, the Debian root and the tools come from `scripts/guest`, which `make test` runs first; without
//! them a test says `SKIPPED` and why. The guest has two serial ports: the console, on which one can also type,
//! and a report (`/dev/ttyS1`), a line for each thing that a script inside has to say. The monitor tells how
//! the machine ended.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::shared::workspace_root;

/// What a machine is made of: the files of its initramfs, and a disk where it has one.
pub struct Guest {
    folder: TempDir,
    disk: Option<(PathBuf, bool)>,
    kernel_arguments: String,
    memory_megabytes: u32,
}

/// A machine at work. It is killed when dropped.
pub struct Machine {
    qemu: Child,
    monitor: ChildStdin,
    console: Port,
    report: Port,
    end: Arc<Mutex<Option<End>>>,
    started: Instant,
    folder: TempDir,
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It switched itself off.
    PoweredOff,
    /// It was reset: a reboot, a watchdog that was not fed, or a panic of the kernel (see the console).
    Reset,
    /// The emulator itself ended, for reasons of its own.
    Gone,
}

/// One serial port: what came out of it until now, and the way in.
struct Port {
    said: Arc<Mutex<Vec<u8>>>,
    stream: UnixStream,
}

/// Where `scripts/guest` keeps what it made, or `None`, said loudly, where it made nothing.
fn cache() -> Option<PathBuf> {
    let cache = match (std::env::var_os("PERIGEE_GUEST_CACHE"), std::env::var_os("XDG_CACHE_HOME")) {
        (Some(own), _) => PathBuf::from(own),
        (None, Some(caches)) => PathBuf::from(caches).join("perigee/guest"),
        (None, None) => PathBuf::from(std::env::var_os("HOME")?).join(".cache/perigee/guest"),
    };
    for wanted in ["kernel/vmlinuz", "root-small.ext4"] {
        if !cache.join(wanted).exists() {
            eprintln!("SKIPPED: no virtual machine: {wanted} was not made, run scripts/guest all");
            return None;
        }
    }
    let there = Command::new("qemu-system-x86_64").arg("--version").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no virtual machine: qemu-system-x86_64 is not installed");
        return None;
    }
    Some(cache)
}

fn script(arguments: &[&str]) {
    let output =
        Command::new(workspace_root().join("scripts/guest")).args(arguments).output().expect("scripts/guest");
    assert!(
        output.status.success(),
        "scripts/guest {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Compiles a C program of the tests so that it needs nothing installed.
///
/// # Panics
/// When it cannot be compiled.
pub fn compile(source: impl AsRef<Path>, to: impl AsRef<Path>) {
    script(&["program", &source.as_ref().display().to_string(), &to.as_ref().display().to_string()]);
}

impl Guest {
    /// A machine with busybox, the kernel's modules and nothing else, or `None` where machines cannot be made.
    /// Its first process is `/init`, which is the caller's to give.
    pub fn new() -> Option<Self> {
        let cache = cache()?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let guest = Self { folder, disk: None, kernel_arguments: String::new(), memory_megabytes: 512 };
        for directory in ["bin", "dev", "etc", "mnt", "proc", "run", "sys", "tmp", "var"] {
            fs::create_dir_all(guest.path(directory)).expect("a directory");
        }
        let guest = guest.copy("/bin/busybox", "/bin/busybox");
        // The names that scripts use; the rest is called by way of busybox.
        let listed = Command::new("/bin/busybox").arg("--list").output().expect("busybox");
        for name in String::from_utf8_lossy(&listed.stdout).lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", guest.path("bin").join(name)).expect("a link");
        }
        fs::create_dir_all(guest.path("modules")).expect("a directory");
        for module in fs::read_dir(cache.join("kernel/modules")).expect("modules").map(Result::unwrap) {
            fs::copy(module.path(), guest.path("modules").join(module.file_name())).expect("a module");
        }
        Some(guest)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join("initramfs").join(inside.trim_start_matches('/'))
    }

    /// Puts a file of the host into it, as a program that can be run.
    #[must_use]
    pub fn copy(self, inside: &str, from: impl AsRef<Path>) -> Self {
        let text =
            fs::read(from.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", from.as_ref().display()));
        self.file(inside, text)
    }

    /// Puts a file of this text into it, as a program that can be run.
    #[must_use]
    pub fn file(self, inside: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a directory");
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        self
    }

    /// Puts a link into it.
    #[must_use]
    pub fn link(self, inside: &str, to: &str) -> Self {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a directory");
        std::os::unix::fs::symlink(to, path).expect("a link");
        self
    }

    /// Puts the program under test into it, without what only a debugger reads.
    #[must_use]
    pub fn program(self, inside: &str, from: impl AsRef<Path>) -> Self {
        let guest = self.file(inside, "");
        let status = Command::new("strip").arg("-o").arg(guest.path(inside)).arg(from.as_ref()).status();
        assert!(status.expect("strip").success(), "strip {}", from.as_ref().display());
        guest
    }

    /// Puts a C program of the tests into it, compiled so that it needs nothing installed.
    #[must_use]
    pub fn compiled(self, inside: &str, source: impl AsRef<Path>) -> Self {
        let guest = self.file(inside, "");
        compile(source, guest.path(inside));
        guest
    }

    /// Gives it the small Debian root as `/dev/vda`. What is written there is gone afterwards.
    #[must_use]
    pub fn debian(self) -> Self {
        let image = cache().expect("it was there when the guest was made").join("root-small.ext4");
        self.disk(image)
    }

    /// Gives it a disk, `/dev/vda`, with this image of a file system. What is written there is gone afterwards.
    #[must_use]
    pub fn disk(mut self, image: impl Into<PathBuf>) -> Self {
        self.disk = Some((image.into(), false));
        self.memory_megabytes = 1024;
        self
    }

    /// Gives it a disk, `/dev/vda`, with a new file system of so many megabytes in this file. What is written there stays.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new_disk(mut self, image: impl Into<PathBuf>, megabytes: u32) -> Self {
        let image = image.into();
        let made = Command::new("mke2fs")
            .args(["-q", "-t", "ext4", &image.display().to_string(), &format!("{megabytes}M")])
            .status();
        assert!(made.expect("mke2fs").success(), "mke2fs {}", image.display());
        self.disk = Some((image, true));
        self
    }

    /// Gives the kernel, and so the first process, further arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &str) -> Self {
        self.kernel_arguments = arguments.to_owned();
        self
    }

    /// Switches it on.
    pub fn boot(self) -> Machine {
        let cache = cache().expect("it was there when the guest was made");
        let initramfs = self.folder.path().join("initramfs.cpio");
        script(&["pack", &self.path("").display().to_string(), &initramfs.display().to_string()]);
        let port = |name: &str| self.folder.path().join(name);
        let socket = |name: &str| format!("socket,id={name},path={},server=on,wait=on", port(name).display());
        let append = format!("console=ttyS0 quiet panic=-1 {}", self.kernel_arguments);
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-smp", "1", "-m"]).arg(self.memory_megabytes.to_string());
        command.args(["-display", "none", "-nodefaults", "-no-reboot", "-no-user-config"]);
        command.arg("-kernel").arg(cache.join("kernel/vmlinuz")).arg("-initrd").arg(&initramfs);
        command.arg("-append").arg(append);
        command.args(["-chardev", &socket("console"), "-serial", "chardev:console"]);
        command.args(["-chardev", &socket("report"), "-serial", "chardev:report"]);
        command.args(["-chardev", "stdio,id=monitor", "-mon", "chardev=monitor,mode=control"]);
        if let Some((disk, stays)) = &self.disk {
            let snapshot = if *stays { "off" } else { "on" };
            command
                .arg("-drive")
                .arg(format!("file={},if=virtio,format=raw,snapshot={snapshot}", disk.display()));
        }
        let complaints = fs::File::create(port("complaints")).expect("a file");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let started = Instant::now();
        let mut qemu = command.spawn().expect("qemu starts");
        // The emulator waits for its ports in the order in which they were named.
        let console = Port::open(&port("console"));
        let report = Port::open(&port("report"));
        let (monitor, end) = watch(&mut qemu);
        Machine { qemu, monitor, console, report, end, started, folder: self.folder }
    }
}

/// Reads the monitor's events on a thread and keeps the one that tells of the end; with the way to tell the monitor.
fn watch(qemu: &mut Child) -> (ChildStdin, Arc<Mutex<Option<End>>>) {
    let end = Arc::new(Mutex::new(None));
    let mut input = qemu.stdin.take().expect("piped");
    let output = BufReader::new(qemu.stdout.take().expect("piped"));
    let kept = end.clone();
    let _ = input.write_all(b"{\"execute\":\"qmp_capabilities\"}\n");
    thread::spawn(move || {
        let mut seen = End::Gone;
        for line in output.lines().map_while(Result::ok).filter(|line| line.contains("\"SHUTDOWN\"")) {
            seen = if line.contains("guest-shutdown") { End::PoweredOff } else { End::Reset };
        }
        *kept.lock().unwrap() = Some(seen);
    });
    (input, end)
}

impl Port {
    fn open(path: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, kept) = (stream.try_clone().expect("a second handle"), said.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { said, stream }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).replace('\r', "")
    }
}

impl Machine {
    /// Everything on the console until now.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// The whole lines of the report until now.
    pub fn report(&self) -> Vec<String> {
        let text = self.report.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// How long it has been on.
    pub fn up_for(&self) -> Duration {
        self.started.elapsed()
    }

    /// Types on the console.
    pub fn type_in(&mut self, text: &str) {
        self.console.stream.write_all(text.as_bytes()).expect("the console takes it");
    }

    /// Presses these keys at once, by the emulator's names for them.
    ///
    /// # Panics
    /// When the emulator does not take them.
    pub fn press(&mut self, keys: &[&str]) {
        let keys: Vec<_> = keys.iter().map(|key| format!(r#"{{"type":"qcode","data":"{key}"}}"#)).collect();
        let command = format!(r#"{{"execute":"send-key","arguments":{{"keys":[{}]}}}}"#, keys.join(","));
        writeln!(self.monitor, "{command}").expect("the monitor takes it");
    }

    /// Waits until the report has a line that begins with `start`, and gives it.
    ///
    /// # Panics
    /// When it does not come within `limit` or the machine ends before; the console and the report are shown.
    pub fn wait_for_report(&self, start: &str, limit: Duration) -> String {
        let found = || self.report().into_iter().find(|line| line.starts_with(start));
        self.wait(limit, &format!("no line `{start}` in the report"), found)
    }

    /// Waits until the console shows `text`.
    ///
    /// # Panics
    /// As [`Self::wait_for_report`].
    pub fn wait_for_console(&self, text: &str, limit: Duration) {
        self.wait(limit, &format!("no `{text}` on the console"), || {
            self.console().contains(text).then_some(())
        });
    }

    /// Waits until the machine is off.
    ///
    /// # Panics
    /// When it is still on after `limit`; the console and the report are shown.
    pub fn wait_for_end(&self, limit: Duration) -> End {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(end) = *self.end.lock().unwrap() {
                return end;
            }
            assert!(Instant::now() < deadline, "the machine is still on after {limit:?}\n{self}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait<T>(&self, limit: Duration, complaint: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        loop {
            let ended = *self.end.lock().unwrap();
            if let Some(found) = found() {
                return found;
            }
            assert!(ended.is_none(), "{complaint}: the machine ended ({ended:?})\n{self}");
            assert!(Instant::now() < deadline, "{complaint} after {limit:?}\n{self}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let complaints = fs::read_to_string(self.folder.path().join("complaints")).unwrap_or_default();
        let report = self.report().join("\n");
        writeln!(f, "--- console\n{}\n--- report\n{report}\n--- qemu\n{complaints}---", self.console())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
