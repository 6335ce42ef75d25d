//! Measures one supervisor on one kind of work, from beside: `observer PEER SCENARIO COUNT`.
//!
//! It is started as the first process, of a virtual machine or of a process name space. It writes the units,
//! forks, and becomes the supervisor; the child stays the observer, says a line `result NAME VALUE` for each figure
//! on standard output, then `end`, and where it is told to (`POWER_OFF=1`) switches the machine off.
//!
//! Scenarios: `once` and `long`, COUNT units of a kind from nothing to all ready; `storm`, COUNT units that crash
//! every 100 ms; `boot`, until nginx and redis answer.

mod page;
mod peer;
mod processes;

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use page::{Page, Word, now};
use peer::Peer;

/// How long anything may take.
const PATIENCE: u64 = 600_000_000_000;
const MILLISECOND: Duration = Duration::from_millis(1);
/// How long memory is given to settle, and a storm to reach its pace.
const SETTLED: Duration = Duration::from_secs(5);
/// How long a storm is watched.
const STORM: Duration = Duration::from_secs(10);
/// How often one unit is started and stopped.
const STARTS: usize = 15;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, scenario, count] = arguments.as_slice() else { panic!("observer PEER SCENARIO COUNT") };
    let (peer, count) = (Peer::named(peer).expect("a peer"), count.parse::<u64>().expect("a number"));
    let page = Page::create().expect("the shared page");
    let kind = if scenario == "storm" { "crash" } else { scenario.as_str() };
    if let Some(tree) = peer.tree().filter(|_| scenario != "boot") {
        let status = Command::new(tree).args([kind, &count.to_string()]).status();
        assert!(status.expect("the tree's script").success(), "{tree} failed");
    }
    let begin = now();
    // SAFETY: there is one thread, and both sides go on with what they have.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no fork");
    if child != 0 {
        become_supervisor(peer, if scenario == "boot" { "multi-user.target" } else { "bench.target" });
    }
    let outcome = observe(&page, peer, scenario, count, begin);
    if let Err(error) = outcome {
        println!("failed {error}");
    }
    println!("end");
    let _ = io::stdout().flush();
    if std::env::var_os("POWER_OFF").is_some() {
        // What was said must be on its way before the power goes.
        sleep(Duration::from_millis(200));
        // SAFETY: nothing here is to be kept.
        unsafe { libc::reboot(libc::RB_POWER_OFF) };
    }
    sleep(Duration::from_secs(3600));
}

/// The first process becomes the supervisor; where that is none of its kind, it reaps.
fn become_supervisor(peer: Peer, target: &str) -> ! {
    let words = peer.command(target);
    if peer == Peer::Floor || peer == Peer::Openrc {
        if let Some((program, rest)) = words.split_first() {
            let _ = quiet(program).args(rest).spawn();
        }
        loop {
            // SAFETY: the statuses are not asked for.
            if unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } < 0 {
                sleep(MILLISECOND);
            }
        }
    }
    let log = OpenOptions::new().create(true).append(true).open("/run/bench/log").expect("a log");
    let nothing = OpenOptions::new().read(true).open("/dev/null").expect("/dev/null");
    use std::os::fd::AsRawFd;
    for (from, to) in [(nothing.as_raw_fd(), 0), (log.as_raw_fd(), 1), (log.as_raw_fd(), 2)] {
        // SAFETY: both are descriptors of this process.
        unsafe { libc::dup2(from, to) };
    }
    let words: Vec<CString> = words.into_iter().map(|word| CString::new(word).expect("no zero")).collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: a path and a list of arguments, both ended by a null.
    unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
    panic!("{:?}: {}", words[0], io::Error::last_os_error());
}

fn result(name: &str, value: f64) {
    println!("result {name} {value:.3}");
}

fn milliseconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn wait_until(what: &str, pause: Duration, mut there: impl FnMut() -> bool) -> Result<(), String> {
    let begin = now();
    while !there() {
        if now() - begin > PATIENCE {
            return Err(format!("{what} did not come"));
        }
        sleep(pause);
    }
    Ok(())
}

fn observe(page: &Page, peer: Peer, scenario: &str, count: u64, begin: u64) -> Result<(), String> {
    if scenario == "boot" {
        wait_until("redis", 10 * MILLISECOND, || answers("127.0.0.1:6379", "PING\r\n", "+PONG"))?;
        result("redis_ms", milliseconds(begin, now()));
        wait_until("nginx", 10 * MILLISECOND, || {
            answers("127.0.0.1:80", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200")
        })?;
        result("ready_ms", milliseconds(begin, now()));
        return Ok(());
    }
    let mut bare = Vec::new();
    match (peer, scenario) {
        (Peer::Floor, _) => bare = bare_loop(scenario, count),
        (_, "once") if peer.is_told_once() => tell_once(count)?,
        _ => {}
    }
    // Seldom enough to cost nothing, since the units stamp the page themselves.
    wait_until("the last unit", 5 * MILLISECOND, || page.get(Word::Arrived) >= count)?;
    result("ready_ms", milliseconds(begin, page.get(Word::Last)));
    if scenario != "storm" && matches!(peer, Peer::Perigee | Peer::Systemd) {
        wait_until("the unit after all", 5 * MILLISECOND, || page.get(Word::Done) > 0)?;
        result("done_ms", milliseconds(begin, page.get(Word::Done)));
    }
    for child in &mut bare {
        if scenario == "once" {
            child.wait().map_err(|error| error.to_string())?;
        }
    }
    sleep(SETTLED);
    result("cpu_ms", processes::cpu() as f64 / 1e6);
    if scenario == "long" {
        let used = processes::measure();
        result("processes", used.processes as f64);
        result("rss_kib", used.rss_kib as f64);
        result("pss_kib", used.pss_kib as f64);
        println!("made of {:?}", used.names);
        start_latency(page, peer)?;
    }
    if scenario == "storm" {
        storm(page);
    }
    Ok(())
}

/// The floor: a loop that starts the same processes and does nothing else.
fn bare_loop(scenario: &str, count: u64) -> Vec<Child> {
    let program = format!("/bench/{scenario}");
    (0..count).map(|_| quiet(&program).spawn().expect("it starts")).collect()
}

fn tell_once(count: u64) -> Result<(), String> {
    for number in 0..count {
        let path = Peer::control(number);
        let mut control = None;
        wait_until(&path, MILLISECOND, || {
            control = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&path).ok();
            control.is_some()
        })?;
        let sent = control.expect("opened").write_all(b"o");
        sent.map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

/// From the start of the command to the first instruction of the unit, and to the command's return.
fn start_latency(page: &Page, peer: Peer) -> Result<(), String> {
    let run = |words: &[&str]| quiet(words[0]).args(&words[1..]).spawn().map_err(|error| error.to_string());
    if peer == Peer::Runit {
        let _ = run(&["/usr/bin/runsv", "/run/bench/extra/one"])?;
        sleep(Duration::from_millis(500));
    }
    let (mut started, mut returned) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        run(peer.stop_one())?.wait().map_err(|error| error.to_string())?;
        // runsv and s6-supervise start nothing twice within a second.
        sleep(Duration::from_millis(1_100));
        page.clear(Word::Last);
        let begin = now();
        let mut command = run(peer.start_one())?;
        wait_until("one unit", MILLISECOND / 10, || page.get(Word::Last) > 0)?;
        command.wait().map_err(|error| error.to_string())?;
        returned.push(milliseconds(begin, now()));
        started.push(milliseconds(begin, page.get(Word::Last)));
    }
    for (name, times) in [("start", &mut started), ("start_returned", &mut returned)] {
        times.sort_by(f64::total_cmp);
        result(&format!("{name}_min_ms"), times[0]);
        result(&format!("{name}_median_ms"), times[times.len() / 2]);
    }
    Ok(())
}

fn storm(page: &Page) {
    let words = [Word::Restarts, Word::LatencySum];
    let (before, cpu) = (words.map(|word| page.get(word)), processes::cpu());
    page.clear(Word::LatencyMax);
    sleep(STORM);
    let (after, spent) = (words.map(|word| page.get(word)), processes::cpu().saturating_sub(cpu));
    let restarts = (after[0] - before[0]) as f64;
    result("restarts_per_s", restarts / STORM.as_secs_f64());
    result("latency_mean_ms", (after[1] - before[1]) as f64 / 1e6 / restarts);
    result("latency_max_ms", page.get(Word::LatencyMax) as f64 / 1e6);
    result("cpu_per_restart_us", spent as f64 / 1e3 / restarts);
}

fn answers(address: &str, question: &str, answer: &str) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(question.as_bytes())?;
        let mut said = vec![0; answer.len()];
        stream.read_exact(&mut said)?;
        Ok(said == answer.as_bytes())
    };
    ask().unwrap_or(false)
}
