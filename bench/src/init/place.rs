//! Where supervisors are measured, and the programs that are measured there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use super::machine;

/// Name and value, as the observer says them.
pub type Figures = Vec<(String, f64)>;

/// How long one run may take.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Packages of the root that all supervisors run in.
const PACKAGES: [&str; 6] = ["systemd", "s6", "runit", "openrc", "nginx", "redis-server"];
/// The same without a supervisor, which Perigee boots.
const PLAIN: [&str; 2] = ["nginx", "redis-server"];

pub enum Place {
    /// A process name space of this machine.
    Host(Arc<Programs>),
    /// A virtual machine.
    Guest(Arc<Programs>),
}

/// The folder that becomes /bench.
pub struct Programs {
    pub folder: TempDir,
    pub root: PathBuf,
    pub image: PathBuf,
    pub plain_image: PathBuf,
}

impl Place {
    pub fn all() -> anyhow::Result<Vec<Place>> {
        let programs = Arc::new(Programs::make()?);
        Ok(vec![Place::Host(programs.clone()), Place::Guest(programs)])
    }

    pub fn name(&self) -> &'static str {
        match self {
            Place::Host(_) => "this machine",
            Place::Guest(_) => "virtual machine",
        }
    }

    pub fn peers(&self) -> &'static [&'static str] {
        match self {
            Place::Host(_) => &["s6", "runit", "openrc"],
            Place::Guest(_) => &["systemd", "s6", "runit"],
        }
    }

    pub fn runs(&self) -> usize {
        match self {
            Place::Host(_) => 3,
            Place::Guest(_) => 2,
        }
    }

    pub fn boots(&self) -> bool {
        matches!(self, Place::Guest(_))
    }

    pub fn measure(&self, peer: &str, scenario: &str, count: u64) -> anyhow::Result<Figures> {
        let arguments = [peer.to_owned(), scenario.to_owned(), count.to_string()];
        let lines = match self {
            Place::Host(programs) => on_host(programs, &arguments)?,
            Place::Guest(programs) => machine::run(programs, &arguments)?,
        };
        let failed = lines.iter().find(|line| line.starts_with("failed"));
        anyhow::ensure!(failed.is_none(), "{}", failed.map_or("", |line| line.as_str()));
        let figures: Option<Figures> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("result "))
            .map(|line| {
                let (name, value) = line.split_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect();
        figures.filter(|figures| !figures.is_empty()).with_context(|| format!("no figures in {lines:?}"))
    }
}

/// A supervisor with everything below it, which ends with it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn on_host(programs: &Programs, arguments: &[String]) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]);
    command
        .arg(bench_folder().join("init/on-host"))
        .arg(&programs.root)
        .arg(programs.folder.path())
        .args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Killed(command.spawn().context("unshare")?);
    let output = child.0.stdout.take().context("piped")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut lines = Vec::new();
    loop {
        let line = receiver.recv_timeout(PATIENCE).with_context(|| format!("it stopped after {lines:?}"))?;
        if line == "end" {
            return Ok(lines);
        }
        lines.push(line);
    }
}

/// Where this package lies.
pub fn bench_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Programs {
    fn make() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let perigee =
            PathBuf::from(std::env::var("PERIGEE_BIN").context("PERIGEE_BIN is not set: use bench/run")?);
        let observer = std::env::var("PERIGEE_BENCH_OBSERVER")
            .context("PERIGEE_BENCH_OBSERVER is not set: use bench/run")?;
        std::fs::copy(observer, folder.path().join("observer"))?;
        let trees = folder.path().join("trees");
        std::fs::create_dir(&trees)?;
        for tree in std::fs::read_dir(bench_folder().join("init/trees"))? {
            let tree = tree?;
            std::fs::copy(tree.path(), trees.join(tree.file_name()))?;
        }
        for (kind, name, further) in [
            ("ONCE", "once", ""),
            ("LONG", "long", ""),
            ("CRASH", "crash", ""),
            ("DONE", "done", ""),
            ("ONCE", "once-s6", ""),
            ("LONG", "long-s6", "-DREADY_FD=3"),
            ("CRASH", "crash-s6", ""),
        ] {
            compile(kind, further, &folder.path().join(name))?;
        }
        let status =
            Command::new("strip").arg("-o").arg(folder.path().join("perigee")).arg(&perigee).status()?;
        anyhow::ensure!(status.success(), "strip {} failed", perigee.display());
        Ok(Self {
            folder,
            root: made("root", "peers", &PACKAGES)?,
            image: made("image", "peers", &PACKAGES)?,
            plain_image: made("image", "small", &PLAIN)?,
        })
    }
}

/// What `scripts/guest` makes, by the path that it prints.
fn made(what: &str, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let output =
        Command::new(bench_folder().join("../scripts/guest")).args([what, name]).args(packages).output()?;
    anyhow::ensure!(output.status.success(), "scripts/guest: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// A unit's program: a few hundred octets without a C library.
fn compile(kind: &str, further: &str, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cc");
    command.arg(format!("-D{kind}")).args(further.split_whitespace());
    command.args([
        "-Os",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-ffreestanding",
        "-nostdlib",
        "-static",
        "-fno-pie",
        "-no-pie",
    ]);
    command.args(["-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-s", "-o"]).arg(to);
    command.arg(bench_folder().join("init/unit.c"));
    anyhow::ensure!(command.status()?.success(), "the unit {kind} cannot be compiled");
    Ok(())
}
