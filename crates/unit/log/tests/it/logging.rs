//! The log process: what units print is written, whoever is killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use perigee_journal::{Id, Priority, Rate, Record, Settings, Source};
use perigee_log::{Client, Config, Event, StreamSpec, Told, run};
use perigee_units::unit::{Host, Source as UnitFile, Unit, UnitName};

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("a pair")
}

/// The log process on a thread of this one.
struct Logger {
    client: Client,
    thread: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl Logger {
    fn start(change: impl FnOnce(&mut Config)) -> Logger {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::new(Settings::new(folder.path().join("log")));
        change(&mut config);
        let (ours, theirs) = pair();
        let thread = std::thread::spawn(move || run(Some(theirs), config).expect("runs"));
        let mut client = Client::new();
        client.connect(ours);
        Logger { client, thread: Some(thread), folder }
    }

    fn records(&self) -> Vec<Record<'static>> {
        records(&self.folder.path().join("log"))
    }

    fn stop(&mut self) {
        self.client.stop();
        until(&mut self.client, |told| *told == Told::Stopped);
        self.thread.take().expect("runs").join().expect("ends well");
    }
}

/// Every record in a folder, the oldest first.
fn records(folder: &Path) -> Vec<Record<'static>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".jsonl"))
        .collect();
    files.sort();
    let mut records = Vec::new();
    for file in files {
        let octets = std::fs::read(file).expect("readable");
        records.extend(
            octets
                .split_inclusive(|octet| *octet == b'\n')
                .map(|line| Record::decode(line).expect("a record").into_owned()),
        );
    }
    assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "numbers go up");
    records
}

/// Waits for something that the log process tells; what it told before that.
fn until(client: &mut Client, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
    let limit = Instant::now() + Duration::from_secs(20);
    let mut all = Vec::new();
    loop {
        for told in client.ready() {
            let found = wanted(&told);
            all.push(told);
            if found {
                return all;
            }
        }
        assert!(Instant::now() < limit, "the log process told only {all:?}");
        if let Some(socket) = client.socket() {
            let mut fds = [PollFd::new(socket, PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(100u16)).expect("poll");
        }
    }
}

fn flush(client: &mut Client) {
    let id = client.flush();
    until(client, |told| *told == Told::Flushed(id));
}

fn texts(records: &[Record<'_>], unit: &str) -> Vec<String> {
    records.iter().filter(|record| record.unit == unit).map(|record| record.text().into_owned()).collect()
}

#[test]
fn what_a_unit_prints_is_written_with_who_and_how_urgent() {
    let mut logger = Logger::start(|_| {});
    let mut spec = StreamSpec::new("a.service", Source::Stdout);
    spec.invocation = Some(Id(7));
    spec.identifier = "alpha".to_owned();
    spec.max_level = Priority::INFO;
    spec.fields = vec![("SITE".to_owned(), "Kiruna".to_owned())];
    let (key, end) = logger.client.stream(spec).expect("a stream");
    let mut child = Command::new("/bin/sh")
        .args(["-c", "echo one; echo '<3>two'; echo '<7>not this'; printf 'caf\\351\\nlast'"])
        .stdout(Stdio::from(end))
        .spawn()
        .expect("a shell");
    child.wait().expect("ends");
    // Its end of the stream is in this process no more, so all that it printed comes, the last line too.
    flush(&mut logger.client);
    let records = logger.records();
    assert_eq!(texts(&records, "a.service"), ["one", "two", "caf\u{fffd}", "last"]);
    for record in &records[..4] {
        assert_eq!(record.pid, Some(child.id()));
        assert_eq!(record.uid, Some(nix::unistd::geteuid().as_raw()));
        assert_eq!(record.invocation, Some(Id(7)));
        assert_eq!((&*record.identifier, record.source), ("alpha", Source::Stdout));
        assert_eq!(record.fields[..], [("SITE".to_owned(), b"Kiruna".to_vec())]);
        assert!(record.monotonic > 0 && record.boot == Id::of_this_boot());
    }
    assert_eq!(records[1].priority, Priority::ERROR);
    assert_eq!(records[2].message[..], b"caf\xe9"[..]);
    let ended = Told::Ended { key, unit: "a.service".to_owned() };
    logger.client.record(Event::new("a.service", Priority::NOTICE, "stopped"));
    let id = logger.client.flush();
    let told = until(&mut logger.client, |told| *told == Told::Flushed(id));
    assert!(told.contains(&ended) || logger.client.streams().count() == 0);
    assert_eq!(texts(&logger.records(), "a.service").last().map(String::as_str), Some("stopped"));
    logger.stop();
}

/// What a run has said before its streams go on with the next one is its own, a line without its end too.
#[test]
fn streams_go_on_with_the_next_run() {
    let mut logger = Logger::start(|_| {});
    let (keys, ends): (Vec<_>, Vec<_>) = [Source::Stdout, Source::Stderr]
        .map(|source| {
            let spec = StreamSpec { invocation: Some(Id(1)), ..StreamSpec::new("a.service", source) };
            logger.client.stream(spec).expect("a stream")
        })
        .into_iter()
        .unzip();
    for run in 1..=20u128 {
        let script =
            format!("for i in 1 2 3; do echo {run}; echo {run} >&2; done; printf {run}; printf {run} >&2");
        let [output, error] = [0, 1].map(|end: usize| ends[end].try_clone().expect("another"));
        let child = Command::new("/bin/sh").args(["-c", &script]).stdout(output).stderr(error).status();
        assert!(child.expect("a shell").success());
        for (key, end) in keys.iter().zip(&ends) {
            assert!(logger.client.renew(*key, end.as_fd(), Id(run + 1)));
        }
    }
    flush(&mut logger.client);
    let records = logger.records();
    assert_eq!(records.len(), 20 * 8);
    for record in &records {
        assert_eq!(record.invocation.map(|Id(id)| id.to_string()), Some(record.text().into_owned()));
    }
    drop(ends);
    logger.stop();
}

#[test]
fn what_a_unit_says_of_its_lines_is_done() {
    let text = "[Service]\nExecStart=/usr/bin/beacon\nSyslogIdentifier=band-%i\nSyslogFacility=local3\n\
        SyslogLevel=notice\nSyslogLevelPrefix=no\nLogLevelMax=notice\nLogRateLimitIntervalSec=1min\n\
        LogRateLimitBurst=3\nLogExtraFields=SITE=Kiruna \"NOTE=a b\"\n";
    let name = UnitName::parse("beacon@ka.service").expect("a name");
    let file = UnitFile { path: "beacon@.service".into(), text: text.as_bytes().to_vec() };
    let unit = Unit::read(name, &[file], &Host::default());
    let mut logger = Logger::start(|_| {});
    let [output, error] = StreamSpec::both(&unit);
    let (_, output) = logger.client.stream(output).expect("a stream");
    let (_, error) = logger.client.stream(error).expect("a stream");
    let script = "for i in 1 2 3 4 5; do echo '<3>'$i; done";
    let status = Command::new("/bin/sh").args(["-c", script]).stdout(output).status().expect("a shell");
    assert!(status.success());
    flush(&mut logger.client);
    drop(error);
    flush(&mut logger.client);
    let records = logger.records();
    let said = texts(&records, "beacon@ka.service");
    assert_eq!(said[..3], ["<3>1", "<3>2", "<3>3"]);
    assert!(said.len() == 4 && said[3].starts_with("2 records were suppressed"), "{said:?}");
    let record = &records[0];
    assert_eq!(
        (&*record.identifier, record.facility, record.priority),
        ("band-ka", Some(19), Priority::NOTICE)
    );
    let fields = [("NOTE", "a b"), ("SITE", "Kiruna")];
    assert_eq!(record.fields[..], fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    logger.stop();
}

#[test]
fn a_line_that_comes_octet_by_octet_holds_nobody_up() {
    let mut logger = Logger::start(|_| {});
    let (_, end) = logger.client.stream(StreamSpec::new("slow.service", Source::Stderr)).expect("a stream");
    let mut end = File::from(end);
    // Far more writes than the socket has room for.
    for _ in 0..2000 {
        end.write_all(b"x").expect("room");
    }
    end.write_all(b"\n").expect("room");
    flush(&mut logger.client);
    let records = logger.records();
    assert_eq!(texts(&records, "slow.service"), ["x".repeat(2000)]);
    logger.stop();
}

#[test]
fn the_lines_of_two_processes_are_not_mixed() {
    let mut logger = Logger::start(|_| {});
    let (_, end) = logger.client.stream(StreamSpec::new("two.service", Source::Stdout)).expect("a stream");
    let script = "printf open; /bin/echo of another; /bin/echo whole";
    let status = Command::new("/bin/sh").args(["-c", script]).stdout(end).status().expect("a shell");
    assert!(status.success());
    flush(&mut logger.client);
    let records = logger.records();
    assert_eq!(texts(&records, "two.service"), ["open", "of another", "whole"]);
    assert!(records[0].cut && records[0].pid != records[1].pid);
    logger.stop();
}

#[test]
fn a_unit_that_says_too_much_is_held_and_it_is_told() {
    let mut logger = Logger::start(|_| {});
    let mut spec = StreamSpec::new("loud.service", Source::Stdout);
    spec.rate = Rate { interval: Duration::from_secs(60), burst: 100 };
    let (_, end) = logger.client.stream(spec).expect("a stream");
    let mut end = File::from(end);
    for line in 0..1000 {
        writeln!(end, "{line}").expect("room");
    }
    drop(end);
    flush(&mut logger.client);
    let texts = texts(&logger.records(), "loud.service");
    assert_eq!(texts.len(), 101);
    assert!(texts[100].starts_with("900 records were suppressed"), "{}", texts[100]);
    logger.stop();
}

#[test]
fn a_storm_in_one_unit_holds_up_no_other() {
    let mut logger = Logger::start(|config| config.journal.file_bytes = 1 << 20);
    let spec = |unit: &str| StreamSpec {
        rate: Rate { interval: Duration::ZERO, burst: 0 },
        ..StreamSpec::new(unit, Source::Stdout)
    };
    let (_, storm) = logger.client.stream(spec("storm.service")).expect("a stream");
    let mut yes = Command::new("/usr/bin/yes").arg("a line of a storm").stdout(storm).spawn().expect("yes");
    let (_, calm) = logger.client.stream(spec("calm.service")).expect("a stream");
    let mut calm = File::from(calm);
    let mut longest = Duration::ZERO;
    for line in 0..20 {
        writeln!(calm, "{line}").expect("room");
        let begin = Instant::now();
        flush(&mut logger.client);
        longest = longest.max(begin.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    yes.kill().expect("a process");
    yes.wait().expect("ends");
    assert!(longest < Duration::from_secs(10), "a flush took {longest:?}");
    logger.stop();
}

/// Not a test of its own: the log process that the tests below kill. Its socket is standard input.
#[test]
fn log_process_to_be_killed() {
    let Some(folder) = std::env::var_os("PERIGEE_TEST_LOG") else { return };
    let mut config = Config::new(Settings::new(Path::new(&folder).join("log")));
    config.socket = Some(Path::new(&folder).join("log.sock"));
    config.syslog = Some(Path::new(&folder).join("dev-log"));
    config.native = Some(Path::new(&folder).join("native"));
    config.stdout = Some(Path::new(&folder).join("stdout"));
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    run(Some(socket), config).expect("runs");
}

/// Does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log_process(folder: &Path) -> (Process, OwnedFd) {
    let (ours, theirs) = pair();
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "logging::log_process_to_be_killed", "--nocapture"])
        .env("PERIGEE_TEST_LOG", folder)
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    (Process(child), ours)
}

#[test]
fn a_killed_log_process_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::new();
    let (mut process, socket) = log_process(folder.path());
    client.connect(socket);
    let rate = Rate { interval: Duration::ZERO, burst: 0 };
    let soak = std::env::var_os("PERIGEE_SOAK").is_some();
    let (rounds, lines) = if soak { (200, 4_000_000) } else { (5, 20_000) };
    let writers: Vec<_> = (0..3)
        .map(|unit| {
            let spec = StreamSpec { rate, ..StreamSpec::new(&format!("u{unit}.service"), Source::Stdout) };
            let (_, end) = client.stream(spec).expect("a stream");
            std::thread::spawn(move || {
                let mut end = File::from(end);
                for line in 0..lines {
                    // In one piece: a line whose end is long in coming is in memory meanwhile.
                    let line = format!("line {line}\n");
                    end.write_all(line.as_bytes()).expect("the receiving end is kept");
                }
            })
        })
        .collect();
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(20 + 13 * (round % 9)));
        process.0.kill().expect("a process");
        process.0.wait().expect("ends");
        let (next, socket) = log_process(folder.path());
        process = next;
        client.connect(socket);
    }
    // They end only when all is read.
    writers.into_iter().for_each(|writer| writer.join().expect("all is written"));
    flush(&mut client);
    let records = records(&folder.path().join("log"));
    for unit in 0..3 {
        let mut next = 0;
        let mut twice = 0;
        for text in texts(&records, &format!("u{unit}.service")) {
            let number = text.strip_prefix("line ").and_then(|number| number.parse().ok());
            let number: u32 = number.unwrap_or_else(|| panic!("u{unit}: no whole line: {text}"));
            // What was written and not yet taken out comes twice, in its order.
            assert!(number <= next, "u{unit}: {number} comes where {next} should");
            twice += u32::from(number < next);
            next = number + 1;
        }
        assert_eq!(next, lines);
        // A piece of a stream for each kill.
        assert!(twice < rounds as u32 * 8_000, "{twice}");
    }
    ended(client, process);
}

/// Not a test of its own: the unit that the test below kills. It prints numbered lines, and after each puts its number
/// into a file.
#[test]
fn unit_to_be_killed() {
    let Some(path) = std::env::var_os("PERIGEE_TEST_UNIT") else { return };
    let mut output = File::from(std::io::stdout().as_fd().try_clone_to_owned().expect("an output"));
    let accepted = File::create(path).expect("writable");
    for line in 1u64.. {
        writeln!(output, "line {line}").expect("room");
        accepted.write_all_at(&line.to_le_bytes(), 0).expect("writable");
    }
}

#[test]
fn a_killed_unit_has_said_what_it_said() {
    let rounds = if std::env::var_os("PERIGEE_SOAK").is_some() { 500 } else { 8 };
    let mut logger = Logger::start(|_| {});
    for round in 0..rounds {
        let unit = format!("killed@{round}.service");
        let mut spec = StreamSpec::new(&unit, Source::Stdout);
        spec.rate = Rate { interval: Duration::ZERO, burst: 0 };
        let (_, end) = logger.client.stream(spec).expect("a stream");
        let accepted = logger.folder.path().join("accepted");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "logging::unit_to_be_killed", "--nocapture"])
            .env("PERIGEE_TEST_UNIT", &accepted)
            .stdout(end)
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let begun = Instant::now() + Duration::from_secs(10);
        while std::fs::metadata(&accepted).map_or(0, |file| file.len()) < 8 && Instant::now() < begun {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 7 % 20));
        child.kill().expect("a process");
        child.wait().expect("ends");
        flush(&mut logger.client);
        let accepted_octets = std::fs::read(&accepted).expect("readable");
        std::fs::remove_file(&accepted).expect("removable");
        let accepted = u64::from_le_bytes(accepted_octets[..8].try_into().expect("a number"));
        let said = texts(&logger.records(), &unit);
        let lines: Vec<u64> = said
            .iter()
            .filter_map(|text| text.strip_prefix("line ").and_then(|number| number.parse().ok()))
            .collect();
        let count = lines.len() as u64;
        assert_eq!(lines, (1..=count).collect::<Vec<_>>(), "in order and once");
        assert!((accepted..=accepted + 1).contains(&count), "{count} of {accepted} lines");
    }
    logger.stop();
}

#[test]
fn a_supervisor_that_comes_back_gets_its_streams() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Client::new();
    let (mut process, socket) = log_process(folder.path());
    first.connect(socket);
    let (key, end) = first.stream(StreamSpec::new("a.service", Source::Stdout)).expect("a stream");
    let mut end = File::from(end);
    writeln!(end, "before").expect("room");
    flush(&mut first);
    // The supervisor is killed: its descriptors are gone.
    drop(first);
    writeln!(end, "between").expect("the log process has the other end");
    let address = nix::sys::socket::UnixAddr::new(&folder.path().join("log.sock")).expect("an address");
    let socket =
        nix::sys::socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
            .expect("a socket");
    nix::sys::socket::connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).expect("a log process");
    let mut second = Client::new();
    second.connect(socket);
    let told = until(&mut second, |told| *told == Told::Ready);
    assert!(told.contains(&Told::Adopted { key, unit: "a.service".to_owned() }), "{told:?}");
    let (other, _end) = second.stream(StreamSpec::new("b.service", Source::Stdout)).expect("a stream");
    assert!(other > key);
    writeln!(end, "after").expect("room");
    drop(end);
    flush(&mut second);
    assert_eq!(texts(&records(&folder.path().join("log")), "a.service"), ["before", "between", "after"]);
    second.stop();
    until(&mut second, |told| *told == Told::Stopped);
    assert!(process.0.wait().expect("ends").success());
}

/// A log process that answers.
fn begun() -> (tempfile::TempDir, Client, Process) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::new();
    let (process, socket) = log_process(folder.path());
    client.connect(socket);
    flush(&mut client);
    (folder, client, process)
}

/// It writes everything and ends well.
fn ended(mut client: Client, mut process: Process) {
    client.stop();
    until(&mut client, |told| *told == Told::Stopped);
    assert!(process.0.wait().expect("ends").success());
}

#[test]
fn syslog_is_taken() {
    let (folder, mut client, process) = begun();
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    // Another log beside it gets each datagram as it came.
    let neighbour = std::os::unix::net::UnixDatagram::bind(folder.path().join("syslog")).expect("a socket");
    neighbour.set_read_timeout(Some(Duration::from_secs(10))).expect("it waits");
    let path = folder.path().join("dev-log");
    socket.send_to(b"<28>Nov 25 15:51:02 gpsd[99]: no fix", path).expect("a log process");
    flush(&mut client);
    let records = records(&folder.path().join("log"));
    let record = records.iter().find(|record| record.source == Source::Syslog).expect("a record");
    assert_eq!((&*record.identifier, &*record.text()), ("gpsd", "no fix"));
    assert_eq!((record.priority, record.facility), (Priority::WARNING, Some(3)));
    let mut said = [0; 64];
    let count = neighbour.recv(&mut said).expect("a datagram");
    assert_eq!(&said[..count], b"<28>Nov 25 15:51:02 gpsd[99]: no fix");
    // The kernel's word, not the message's.
    assert_eq!(record.pid, Some(std::process::id()));
    ended(client, process);
}

#[test]
fn the_protocol_of_journald_is_taken_in_datagrams_and_in_memory() {
    let (folder, mut client, process) = begun();
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    let path = folder.path().join("native");
    socket.connect(&path).expect("a log process");
    socket.send(b"MESSAGE=short\nPRIORITY=4\nSYSLOG_IDENTIFIER=nm\nUNIT_STATE=up\n").expect("room");
    let long = "x".repeat(300_000);
    let pass = |file: &File| {
        let fds = [std::os::fd::AsRawFd::as_raw_fd(file)];
        let rights = [nix::sys::socket::ControlMessage::ScmRights(&fds)];
        let number = std::os::fd::AsRawFd::as_raw_fd(&socket);
        nix::sys::socket::sendmsg::<()>(number, &[], &rights, nix::sys::socket::MsgFlags::empty(), None)
    };
    let memory =
        nix::sys::memfd::memfd_create("m", nix::sys::memfd::MFdFlags::MFD_ALLOW_SEALING).expect("memory");
    let mut memory = File::from(memory);
    memory.write_all(format!("MESSAGE={long}\nPRIORITY=3\n").as_bytes()).expect("room");
    pass(&memory).expect("room");
    // What is no memory is not read.
    pass(&File::open("/dev/zero").expect("a device")).expect("room");
    socket.send(b"MESSAGE=last\n").expect("room");
    flush(&mut client);
    let records = records(&folder.path().join("log"));
    let said: Vec<_> = records.iter().filter(|record| record.source == Source::Journal).collect();
    assert_eq!(said.iter().map(|record| record.message.len()).collect::<Vec<_>>(), [5, long.len(), 4]);
    assert_eq!((said[0].priority, &*said[0].identifier), (Priority::WARNING, "nm"));
    assert_eq!(said[0].fields[..], [("UNIT_STATE".to_owned(), b"up".to_vec())]);
    assert_eq!((said[1].priority, said[1].pid), (Priority::ERROR, Some(std::process::id())));
    assert!(texts(&records, "").iter().any(|text| text.starts_with("1 datagrams in journald's protocol")));
    ended(client, process);
}

#[test]
fn a_process_may_connect_its_output() {
    let (folder, mut client, process) = begun();
    let path = folder.path().join("stdout");
    let mut output = std::os::unix::net::UnixStream::connect(path).expect("a log process");
    // As systemd-cat(1) begins; the unit that it claims is not believed.
    output.write_all(b"cat\nroot.service\n5\n1\n0\n0\n0\nfirst\n<3>second\nlast").expect("room");
    drop(output);
    let limit = Instant::now() + Duration::from_secs(10);
    let mut found = Vec::new();
    while found.len() < 3 && Instant::now() < limit {
        flush(&mut client);
        let all = records(&folder.path().join("log"));
        found = all.into_iter().filter(|record| record.identifier == "cat").collect();
    }
    assert_eq!(found.iter().map(|record| record.text()).collect::<Vec<_>>(), ["first", "second", "last"]);
    assert_eq!((found[0].priority, found[1].priority), (Priority::NOTICE, Priority::ERROR));
    assert!(
        found.iter().all(|record| record.pid == Some(std::process::id()) && record.unit != "root.service")
    );
    ended(client, process);
}

#[test]
fn a_client_without_a_log_process_keeps_what_it_can() {
    let mut client = Client::new();
    let (_, end) = client.stream(StreamSpec::new("early.service", Source::Stdout)).expect("a stream");
    writeln!(File::from(end), "early").expect("room");
    for event in 0..5000 {
        client.record(Event::new("", Priority::INFO, format!("event {event}")));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = pair();
    let config = Config::new(Settings::new(folder.path()));
    let thread = std::thread::spawn(move || run(Some(theirs), config));
    client.connect(ours);
    flush(&mut client);
    let records = records(folder.path());
    assert_eq!(texts(&records, "early.service"), ["early"]);
    let mut kinds = BTreeMap::new();
    for text in texts(&records, "") {
        *kinds.entry(text.starts_with("event ")).or_insert(0) += 1;
        assert!(text != "event 0");
    }
    assert!(kinds[&true] > 4000);
    assert!(texts(&records, "").iter().any(|text| text.contains("events were dropped")));
    client.stop();
    until(&mut client, |told| *told == Told::Stopped);
    thread.join().expect("ends").expect("well");
}

#[test]
fn reading_from_a_stream_finds_its_end() {
    let mut client = Client::new();
    let (_, end) = client.stream(StreamSpec::new("a.service", Source::Stdout)).expect("a stream");
    assert_eq!(File::from(end).read(&mut [0; 8]).expect("no wait"), 0);
}
