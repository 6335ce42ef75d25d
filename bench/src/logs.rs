//! What units print, from a stream to the disk: lines a second of one core, beside svlogd (runit) and s6-log, which put
//! a time before each line, and beside `cat` into a file, the floor. CPU time of the logger alone is counted; the lines are
//! written in blocks, as a busy program with a buffer writes them, and line by line.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use perigee_log::{Client, Config, StreamSpec, Told};
use perigee_journal::{Rate, Settings, Source};

use crate::table::{Row, count};

/// The word in the environment by which this program becomes the log process, with the folder.
const FOLDER: &str = "PERIGEE_BENCH_LOG";

/// Lines of a run, and octets of a line with its newline.
const LINES: usize = 1_000_000;
const LINE: usize = 100;
/// Lines of the run in which each is a write of its own.
const SINGLE_LINES: usize = 300_000;
/// The best of so many runs.
const RUNS: usize = 3;

/// In the log process: its socket is standard input.
pub fn become_log_process() -> Option<anyhow::Result<()>> {
    let folder = std::env::var_os(FOLDER)?;
    let run = || {
        // Compressing is counted apart: the peers are not asked for it.
        let compress = std::env::var_os("PERIGEE_BENCH_COMPRESS").is_some();
        let settings = Settings { compress, ..Settings::new(Path::new(&folder)) };
        let socket = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?;
        Ok(perigee_log::run(Some(socket), Config::new(settings))?)
    };
    Some(run())
}

/// CPU seconds of a child that has been waited for.
fn wait(mut child: Child) -> anyhow::Result<f64> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both places are valid for the answer.
    let pid = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, usage.as_mut_ptr()) };
    ensure!(pid == child.id() as i32, "the logger cannot be waited for");
    let exit = std::process::ExitStatus::from_raw(status);
    ensure!(exit.success(), "the logger ended with {exit}");
    // It is gone already; this only tells the standard library.
    let _ = child.try_wait();
    // SAFETY: wait4 has filled it.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// Writes numbered lines, so many at a time.
fn print(end: OwnedFd, lines: usize, together: usize) -> std::io::Result<()> {
    let mut end = File::from(end);
    let mut block = Vec::with_capacity(together * LINE);
    for first in (0..lines).step_by(together) {
        block.clear();
        for line in first..(first + together).min(lines) {
            let before = block.len();
            write!(block, "line {line:>9} ")?;
            block.resize(before + LINE - 1, b'x');
            block.push(b'\n');
        }
        end.write_all(&block)?;
    }
    Ok(())
}

/// CPU seconds of our log process for so many lines.
fn ours(lines: usize, together: usize, compress: bool) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let (here, there) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(FOLDER, folder.path()).stdin(there);
    if compress {
        command.env("PERIGEE_BENCH_COMPRESS", "1");
    }
    let child = command.spawn()?;
    drop(command);
    let mut client = Client::new();
    client.connect(here);
    let mut spec = StreamSpec::new("bench.service", Source::Stdout);
    spec.rate = Rate { interval: Duration::ZERO, burst: 0 };
    spec.identifier = "bench".to_owned();
    let (_, end) = client.stream(spec)?;
    print(end, lines, together)?;
    let id = client.flush();
    until(&mut client, &Told::Flushed(id))?;
    client.stop();
    until(&mut client, &Told::Stopped)?;
    let seconds = wait(child)?;
    if !compress {
        let written: usize = std::fs::read_dir(folder.path())?
            .map(|entry| {
                std::fs::read(entry?.path()).map(|text| text.split(|octet| *octet == b'\n').count() - 1)
            })
            .sum::<std::io::Result<usize>>()?;
        ensure!(written == lines, "{written} of {lines} lines were written");
    }
    Ok(seconds)
}

fn until(client: &mut Client, wanted: &Told) -> anyhow::Result<()> {
    for _ in 0..60_000 {
        if client.ready().contains(wanted) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("the log process does not answer")
}

/// CPU seconds of a logger that reads a pipe.
fn theirs(arguments: &[&str], lines: usize, together: usize) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let (reading, writing) = std::io::pipe()?;
    let mut command = Command::new(arguments[0]);
    let log = folder.path().join("log");
    std::fs::create_dir(&log)?;
    command.args(&arguments[1..]).stdin(reading).stderr(Stdio::null());
    if arguments[0] == "cat" {
        command.stdout(File::create(log.join("all"))?);
    } else {
        command.arg(&log).stdout(Stdio::null());
    }
    let child = command.spawn().with_context(|| format!("{} cannot be started", arguments[0]))?;
    // The reading end is the child's alone.
    drop(command);
    print(writing.into(), lines, together)?;
    wait(child)
}

fn best(run: impl Fn() -> anyhow::Result<f64>, lines: usize) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        best = best.min(run()?);
    }
    Ok(lines as f64 / best)
}

pub fn run() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, lines, together) in [("in blocks of 40", LINES, 40), ("one by one", SINGLE_LINES, 1)] {
        let mine = best(|| ours(lines, together, false), lines)?;
        let floor = best(|| theirs(&["cat"], lines, together), lines)?;
        let svlogd = ["svlogd", "-tt"];
        // No limit on what is kept, since nothing is to be lost in the comparison; files as large as ours.
        let s6 = ["s6-log", "T", "n100", "s16777216"];
        for peer in [&svlogd[..], &s6] {
            let other = best(|| theirs(peer, lines, together), lines)?;
            rows.push(Row {
                work: format!("lines of {LINE} octets, {what}, to disk, a core"),
                ours: count(mine, "lines"),
                peer: peer.join(" "),
                theirs: count(other, "lines"),
                ratio: mine / other,
                wanted: Some(1.0),
                limit: format!("{}, cat into a file", count(floor, "lines")),
            });
        }
    }
    let plain = best(|| ours(LINES, 40, false), LINES)?;
    let compressed = best(|| ours(LINES, 40, true), LINES)?;
    rows.push(Row {
        work: "the same in blocks, closed files compressed".to_owned(),
        ours: count(compressed, "lines"),
        peer: "not compressed".to_owned(),
        theirs: count(plain, "lines"),
        ratio: compressed / plain,
        wanted: None,
        limit: String::new(),
    });
    Ok(rows)
}
