//! Sockets of units, with real ones: what they listen at, how they are set up, and what becomes of what comes.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use perigee_process::accounts::Accounts;
use perigee_trigger::socket::{Incoming, OpenError, Phase, Port, SocketSpec, Sockets, SpecError};
use perigee_units::unit::{Host, Source, Unit, UnitName};
use socket2::SockRef;

const NOW: Duration = Duration::from_secs(100);

fn unit(name: &str, text: &str) -> Unit {
    let text = format!("[Socket]\n{text}");
    let source = Source { path: name.into(), text: text.into_bytes() };
    let unit = Unit::read(UnitName::parse(name).unwrap(), &[source], &Host::default());
    let wrong: Vec<_> = unit.complaints.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    unit
}

fn sockets(name: &str, text: &str) -> Sockets {
    Sockets::new(SocketSpec::read(&unit(name, text)).unwrap())
}

fn started(name: &str, text: &str) -> Sockets {
    let mut sockets = sockets(name, text);
    assert_eq!(sockets.start(&Accounts::default()).unwrap(), Vec::<String>::new());
    sockets
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first thing that comes of each connection which is there.
fn connections(sockets: &mut Sockets, index: usize) -> Vec<perigee_trigger::socket::Connection> {
    let found = sockets.ready(index, NOW).into_iter().map(|incoming| match incoming {
        Incoming::Connection(connection) => connection,
        other => panic!("{other:?}"),
    });
    found.collect()
}

#[test]
fn everything_that_can_be_listened_at() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    let (port, queue) = (free_port(), format!("/perigee-{}", std::process::id()));
    let text = format!(
        "ListenStream={}\nListenDatagram={}\nListenSequentialPacket={}\nListenFIFO={}\nListenStream=127.0.0.1:{port}\n\
         ListenDatagram=127.0.0.1:{port}\nListenStream=@perigee-{port}\nListenNetlink=route 0\nListenSpecial=/dev/null\n\
         ListenMessageQueue={queue}\nRemoveOnStop=yes\nSocketMode=0640\nDirectoryMode=0700\n",
        at("deep/er/stream"),
        at("datagram"),
        at("packet"),
        at("fifo"),
    );
    let mut sockets = started("many.socket", &text);
    let passed: Vec<_> =
        sockets.passed().map(|(fd, name)| (fd.try_clone_to_owned().unwrap(), name)).collect();
    assert_eq!(passed.len(), 10);
    assert!(passed.iter().all(|(_, name)| *name == "many.socket"));
    let kinds = passed.iter().map(|(fd, _)| SockRef::from(fd).r#type().map(i32::from).unwrap_or(0));
    assert_eq!(kinds.collect::<Vec<_>>(), [1, 2, 5, 0, 1, 2, 1, 3, 0, 0], "the order of the file");
    for name in ["deep/er/stream", "datagram", "packet"] {
        let node = fs::metadata(at(name)).unwrap();
        assert!(node.file_type().is_socket() && node.mode() & 0o7777 == 0o640, "{name}");
    }
    assert!(fs::metadata(at("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(fs::metadata(at("deep/er")).unwrap().mode() & 0o777, 0o700);
    // Each end is where it should be.
    UnixStream::connect(at("deep/er/stream")).unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"hello", at("datagram")).unwrap();
    let datagrams = UnixDatagram::from(passed[1].0.try_clone().unwrap());
    let mut text = [0; 16];
    assert_eq!(datagrams.recv(&mut text).unwrap(), 5);
    fs::OpenOptions::new().write(true).open(at("fifo")).unwrap().write_all(b"x").unwrap();
    assert_eq!(nix::unistd::read(&passed[3].0, &mut text).unwrap(), 1);
    assert!(sockets.fds().count() == 10 && sockets.phase() == Phase::Listening);
    sockets.stop();
    assert_eq!((sockets.fds().count(), sockets.phase()), (0, Phase::Closed));
    for name in ["deep/er/stream", "datagram", "packet", "fifo"] {
        assert!(!Path::new(&at(name)).exists(), "{name}");
    }
}

#[test]
fn a_place_that_is_taken_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("node");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("ListenStream={}\nListenStream={address}\n", path.display());
    let mut one = sockets("a.socket", &text);
    let error = one.start(&Accounts::default()).unwrap_err();
    assert!(matches!(&error, OpenError::Place { place, .. } if *place == address.to_string()), "{error}");
    assert!(!path.exists() && one.phase() == Phase::Closed);
    let mut other =
        sockets("a.socket", &format!("ListenStream={}\nSocketUser=nobody-here\n", path.display()));
    let error = other.start(&Accounts::default()).unwrap_err();
    assert_eq!(error.to_string(), "SocketUser=nobody-here: there is no such account");
    // What is no socket is not removed to make room for one.
    fs::write(&path, "precious").unwrap();
    let mut third = sockets("a.socket", &format!("ListenStream={}\n", path.display()));
    assert!(third.start(&Accounts::default()).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_service_has_all_sockets_and_gives_them_back() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("node");
    let text = format!(
        "ListenStream={}\nFlushPending=yes\nFileDescriptorName=web\nService=other.service\n",
        path.display()
    );
    let mut sockets = started("a.socket", &text);
    assert_eq!(sockets.spec().service.as_str(), "other.service");
    assert_eq!(sockets.passed().map(|(_, name)| name).collect::<Vec<_>>(), ["web"]);
    let _waits = UnixStream::connect(&path).unwrap();
    assert!(matches!(sockets.ready(0, NOW)[..], [Incoming::Start]));
    sockets.service_up();
    assert_eq!((sockets.fds().count(), sockets.ready(0, NOW).len()), (0, 0));
    sockets.service_down();
    assert_eq!(sockets.fds().count(), 1);
    // What the service left was thrown away: nothing waits any more.
    let (fd, _) = sockets.passed().next().unwrap();
    assert!(SockRef::from(&fd).accept().is_err());
    // Twenty times in two seconds, not more.
    for _ in 0..19 {
        assert!(matches!(sockets.ready(0, NOW)[..], [Incoming::Start]));
    }
    assert!(matches!(sockets.ready(0, NOW)[..], [Incoming::TooOften]));
    assert_eq!(sockets.phase(), Phase::Closed);
    assert!(path.exists(), "without RemoveOnStop= the node stays");
    sockets.start(&Accounts::default()).unwrap();
    assert!(matches!(sockets.ready(0, NOW)[..], [Incoming::Start]), "starting it again forgets the limit");
}

#[test]
fn an_instance_for_each_connection() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("node");
    let port = free_port();
    let text = format!(
        "ListenStream=127.0.0.1:{port}\nListenStream=[::]:{port}\nListenStream={}\nBindIPv6Only=ipv6-only\nAccept=yes\n\
         MaxConnections=4\nMaxConnectionsPerSource=2\n",
        path.display()
    );
    let mut sockets = started("echo.socket", &text);
    assert_eq!(sockets.spec().service.as_str(), "echo@.service");
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let [one] = connections(&mut sockets, 0).try_into().expect("one connection");
    assert_eq!(one.instance, format!("0-127.0.0.1:{port}-{}", client.local_addr().unwrap()));
    assert_eq!(
        one.remote,
        Some(("127.0.0.1".to_owned(), Some(u32::from(client.local_addr().unwrap().port()))))
    );
    let name = sockets.spec().service.with_instance(&one.instance).unwrap();
    assert!(name.as_str().starts_with("echo@0-127.0.0.1:"));
    let mut server = TcpStream::from(one.fd);
    client.write_all(b"ping").unwrap();
    let mut octets = [0; 4];
    server.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"ping");
    let _local = UnixStream::connect(&path).unwrap();
    let [two] = connections(&mut sockets, 2).try_into().expect("one connection");
    let uid = nix::unistd::getuid();
    assert_eq!((two.instance, two.remote), (format!("1-{}-{uid}", std::process::id()), None));
    let _second = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let [three] = connections(&mut sockets, 0).try_into().expect("one connection");
    // A third one from the same source is one too many, one from another source is not.
    let mut third = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let incoming = sockets.ready(0, NOW);
    assert!(matches!(incoming[..], [Incoming::Refused(1, why)] if why.contains("PerSource")), "{incoming:?}");
    assert_eq!(third.read(&mut octets).unwrap(), 0, "it was closed");
    if let Ok(six) = TcpStream::connect(("::1", port)) {
        let [four] = connections(&mut sockets, 1).try_into().expect("one connection");
        let from = six.local_addr().unwrap().port();
        assert_eq!(four.instance, format!("3-::1:{port}-::1:{from}"));
    } else {
        eprintln!("SKIPPED part of an_instance_for_each_connection: this machine has no IPv6");
        let _another = UnixStream::connect(&path).unwrap();
        assert_eq!(connections(&mut sockets, 2).len(), 1);
    }
    let _fifth = UnixStream::connect(&path).unwrap();
    assert!(
        matches!(sockets.ready(2, NOW)[..], [Incoming::Refused(2, why)] if why.contains("MaxConnections="))
    );
    sockets.ended(&three.instance);
    let _sixth = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(connections(&mut sockets, 0).len(), 1, "room was made");
    assert_eq!(sockets.counts(), (5, 4, 2));
    // In another program the numbers go on, and who is there counts.
    let ports = sockets.passed().map(|(fd, _)| Port { fd: fd.try_clone_to_owned().unwrap(), connects: true });
    let mut next = self::sockets("echo.socket", &text);
    next.resume(ports.collect(), sockets.kept());
    assert_eq!((next.counts(), next.phase()), ((5, 4, 2), Phase::Listening));
    let _seventh = UnixStream::connect(&path).unwrap();
    assert!(matches!(next.ready(2, NOW)[..], [Incoming::Refused(3, _)]), "it is still full");
    next.ended(&one.instance);
    let _eighth = UnixStream::connect(&path).unwrap();
    let [eight] = connections(&mut next, 2).try_into().expect("one connection");
    assert!(eight.instance.starts_with("5-"), "{}", eight.instance);
}

#[test]
fn how_sockets_are_set_up() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("node");
    let port = free_port();
    let text = format!(
        "ListenStream=127.0.0.1:{port}\nListenDatagram={}\nKeepAlive=yes\nKeepAliveTimeSec=42\nKeepAliveIntervalSec=7\n\
         KeepAliveProbes=3\nNoDelay=yes\nDeferAcceptSec=1\nPriority=3\nReceiveBuffer=64K\nSendBuffer=32K\n\
         IPTOS=low-delay\nIPTTL=9\nReusePort=yes\nFreeBind=yes\nTCPCongestion=reno\nPassCredentials=yes\n\
         PassSecurity=yes\nTimestamping=ns\nPassPacketInfo=yes\nBacklog=5\n",
        path.display()
    );
    let sockets = started("a.socket", &text);
    let passed: Vec<_> = sockets.passed().map(|(fd, _)| fd).collect();
    let tcp = SockRef::from(&passed[0]);
    assert!(tcp.keepalive().unwrap() && tcp.tcp_nodelay().unwrap() && tcp.reuse_port().unwrap());
    let seconds = |time: Duration| time.as_secs();
    let times = (seconds(tcp.tcp_keepalive_time().unwrap()), seconds(tcp.tcp_keepalive_interval().unwrap()));
    assert_eq!((times, tcp.tcp_keepalive_retries().unwrap()), ((42, 7), 3));
    assert_eq!((tcp.tos_v4().unwrap(), tcp.ttl_v4().unwrap()), (0x10, 9));
    assert!(tcp.freebind_v4().unwrap());
    assert!(tcp.tcp_congestion().unwrap().starts_with(b"reno"));
    // The kernel doubles what it is told, socket(7).
    assert_eq!((tcp.recv_buffer_size().unwrap(), tcp.send_buffer_size().unwrap()), (128 << 10, 64 << 10));
    let local = SockRef::from(&passed[1]);
    assert!(local.passcred().unwrap());
    use nix::sys::socket::{getsockopt, sockopt};
    assert!(getsockopt(&passed[1].as_fd(), sockopt::ReceiveTimestampns).unwrap());
    assert!(getsockopt(&passed[0].as_fd(), sockopt::Ipv4PacketInfo).unwrap());
    assert_eq!(getsockopt(&passed[0].as_fd(), sockopt::Priority).unwrap(), 3);
}

#[test]
fn owners_links_and_settings_that_the_kernel_refuses() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    let text = format!(
        "ListenStream={}\nSymlinks={} {}\nRemoveOnStop=yes\nMessageQueueMaxMessages=5\n",
        at("node"),
        at("one"),
        at("two")
    );
    let mut plain = started("a.socket", &text);
    assert_eq!(fs::read_link(at("two")).unwrap(), Path::new(&at("node")));
    // A second start over what a killed supervisor left.
    let mut again = started("a.socket", &text);
    UnixStream::connect(at("one")).unwrap();
    again.stop();
    plain.stop();
    assert!(fs::symlink_metadata(at("one")).is_err() && !Path::new(&at("node")).exists());
    let text =
        "ListenStream=127.0.0.1:PORT\nTCPCongestion=nonsense\n".replace("PORT", &free_port().to_string());
    let notes = sockets("a.socket", &text).start(&Accounts::default()).unwrap();
    assert!(notes.len() == 1 && notes[0].starts_with("TCPCongestion=: "), "{notes:?}");
    if !nix::unistd::getuid().is_root() {
        eprintln!("SKIPPED part of owners_links_and_settings_that_the_kernel_refuses: not root");
        return;
    }
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(at("etc/passwd"), "web:x:33:34:w:/:/bin/sh\n").unwrap();
    fs::write(at("etc/group"), "adm:x:4:\n").unwrap();
    let accounts = Accounts::read(root.path()).unwrap();
    for (group, gid) in [("", 34), ("SocketGroup=adm\n", 4)] {
        let text = format!(
            "ListenStream={}\nListenFIFO={}\nSocketUser=web\nSocketMode=0600\nRemoveOnStop=yes\n{group}",
            at("owned"),
            at("pipe")
        );
        let mut owned = sockets("a.socket", &text);
        owned.start(&accounts).unwrap();
        for name in ["owned", "pipe"] {
            let node = fs::metadata(at(name)).unwrap();
            assert_eq!((node.uid(), node.gid(), node.mode() & 0o7777), (33, gid, 0o600), "{name}");
        }
        owned.stop();
    }
}

#[test]
fn an_empty_value_takes_every_place_back() {
    let unit = unit(
        "a.socket",
        "ListenStream=80\nListenDatagram=81\nListenStream=\nListenStream=@a\nListenStream=@b\n",
    );
    let listens = SocketSpec::read(&unit).unwrap().listens;
    assert_eq!(format!("{listens:?}"), "[Stream(Abstract(\"a\")), Stream(Abstract(\"b\"))]");
}

#[test]
fn what_cannot_be() {
    for (text, directive) in [
        ("ListenStream=nowhere\n", "ListenStream"),
        ("ListenSequentialPacket=80\n", "ListenSequentialPacket"),
        ("ListenDatagram=80\nAccept=yes\n", "Accept"),
        ("ListenStream=80\nAccept=yes\nService=a.service\n", "Service"),
        ("ListenStream=80\nSymlinks=/run/x\n", "Symlinks"),
        ("ListenStream=80\nIPTOS=much\n", "IPTOS"),
        ("ListenNetlink=weather 1\n", "ListenNetlink"),
        ("ListenMessageQueue=name\n", "ListenMessageQueue"),
    ] {
        let error: SpecError = SocketSpec::read(&unit("a.socket", text)).unwrap_err();
        assert_eq!(error.directive, directive, "{error}");
    }
}
