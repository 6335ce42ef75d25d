//! A server under measurement: a child process with a folder of its own, its CPU time and its memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub struct Server {
    child: Child,
    folder: PathBuf,
    /// From the start of the process to the first good answer of its ready page.
    pub start_to_ready: Duration,
}

impl Server {
    /// Starts `command` and waits until `url` answers 200.
    pub fn start(mut command: Command, folder: &Path, url: &str) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("server.log"))?;
        let begin = Instant::now();
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{command:?} could not be started"))?;
        let mut server = Self { child, folder: folder.to_owned(), start_to_ready: Duration::ZERO };
        while http_status(url) != Some(200) {
            if begin.elapsed() > Duration::from_secs(120) {
                bail!("{command:?} was not ready in 120 s: see {}", folder.join("server.log").display());
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended with {status}: see {}", folder.join("server.log").display());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        server.start_to_ready = begin.elapsed();
        Ok(server)
    }

    /// CPU seconds that the process has used, user and system.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        // USER_HZ is 100 on every Linux that this runs on.
        Ok(ticks as f64 / 100.0)
    }

    /// Peak resident memory, in octets.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
        let kilo: u64 = line.split_ascii_whitespace().nth(1).context("no VmHWM")?.parse()?;
        Ok(kilo * 1024)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of a plain GET, without keeping the connection.
pub fn http_status(url: &str) -> Option<u16> {
    http_get(url).map(|(status, _)| status)
}

/// The status and body of a plain GET over HTTP/1.0.
pub fn http_get(url: &str) -> Option<(u16, String)> {
    use std::io::{Read, Write};
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream =
        std::net::TcpStream::connect_timeout(&host.parse().ok()?, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split_ascii_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
}
