//! The whole node: the real program on a free port with a state directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a station may take to start.
const START: Duration = Duration::from_secs(60);

/// A station that runs until it is stopped, killed or dropped.
pub struct Station {
    child: Child,
    program: PathBuf,
    arguments: Vec<String>,
    state: Arc<TempDir>,
    address: SocketAddr,
    output: Output,
}

/// What the program wrote, line by line: standard output and standard error.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<String>>>);

/// What the station answered to a request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Station {
    /// Starts `program` (`env!("CARGO_BIN_EXE_perigee")`) with `perigee up`, a new state directory, a free
    /// port and further arguments such as `--set telemetry.archive.frames=false`; waits until it is ready.
    pub fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        let state = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::launch(program.as_ref().to_owned(), arguments, state)
    }

    /// Starts the program again, after it has ended, on the same state directory.
    #[must_use]
    pub fn start_again(self) -> Self {
        let (program, arguments, state) =
            (self.program.clone(), self.arguments.clone(), Arc::clone(&self.state));
        drop(self);
        Self::launch(program, arguments, state)
    }

    fn launch(program: PathBuf, arguments: Vec<String>, state: Arc<TempDir>) -> Self {
        let mut child = Command::new(&program)
            .args(["up", "--listen", "127.0.0.1:0", "--state"])
            .arg(state.path())
            .args(&arguments)
            // A file that lies about must not take part.
            .current_dir(state.path())
            .env_remove("PERIGEE_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let output = Output::default();
        output.follow(child.stdout.take().expect("piped"));
        output.follow(child.stderr.take().expect("piped"));
        let deadline = Instant::now() + START;
        let address = loop {
            if let Some(address) = output.address() {
                break address;
            }
            let ended = child.try_wait().expect("waiting for the station");
            if ended.is_some() || Instant::now() > deadline {
                let _ = child.kill();
                panic!("the station did not become ready ({ended:?}):\n{}", output.text());
            }
            thread::sleep(Duration::from_millis(5));
        };
        Self { child, program, arguments, state, address, output }
    }

    /// Where the page is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// All that it wrote so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// The one-time password of the first admin, where this start printed one.
    pub fn one_time_password(&self) -> Option<String> {
        let output = self.output.text();
        let line = output.lines().find(|line| line.contains("one-time password "))?;
        let words = line.split_once("one-time password ")?.1;
        words.split_whitespace().next().map(str::to_owned)
    }

    /// The resident memory in octets, from /proc.
    pub fn resident_octets(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// GET without further headers.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    /// One HTTP request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("connecting to the station");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.write_all(body))
            .expect("sending a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("reading an answer");
        parse(&answer)
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait(Duration::from_secs(30))
    }

    /// Sends SIGKILL, which nothing can prepare for.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(30));
    }

    /// Sends a signal and does not wait.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("sending a signal");
    }

    /// Waits for the end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for the station") {
                return status;
            }
            assert!(Instant::now() < deadline, "the station did not end:\n{}", self.output.text());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- what the station wrote ---\n{}", self.output.text());
        }
    }
}

impl Output {
    fn follow(&self, pipe: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().expect("no panic while locked").push(line);
            }
        });
    }

    fn text(&self) -> String {
        self.0.lock().expect("no panic while locked").join("\n")
    }

    fn address(&self) -> Option<SocketAddr> {
        let lines = self.0.lock().expect("no panic while locked");
        let page = lines.iter().find_map(|line| line.split_once("http://"))?.1;
        page.trim().trim_end_matches('/').parse().ok()
    }
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of the headers");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunk(&body);
    }
    Answer { status: status.expect("a status line"), headers, body }
}

/// Chunked transfer coding (RFC 9112, 7.1) undone.
fn unchunk(mut chunked: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunked.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&chunked[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let start = end + 2;
        if size == 0 || chunked.len() < start + size + 2 {
            break;
        }
        body.extend_from_slice(&chunked[start..start + size]);
        chunked = &chunked[start + size + 2..];
    }
    body
}
