//! How sockets are set up. What decides where a socket listens must work; anything else that the kernel refuses is
//! told, and the socket is used without it, as systemd does.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{SetSockOpt, sockopt};
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, Socket, TcpKeepalive, Type};

use super::spec::{Options, SocketSpec, Timestamping};

sockopt_impl!(
    /// The security label of the sender comes with each datagram, unix(7).
    PassSecurity,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_PASSSEC,
    bool
);
sockopt_impl!(
    /// A connection is shown when its first octets have come, or after so many seconds, tcp(7).
    DeferAccept,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    libc::c_int
);
sockopt_impl!(
    /// The sender's port comes with each message, netlink(7).
    NetlinkPacketInfo,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_PKTINFO,
    bool
);

/// Everything that counts when the socket is bound.
pub(super) fn before_bind(socket: &Socket, spec: &SocketSpec, notes: &mut Vec<String>) -> io::Result<()> {
    let options = &spec.options;
    let domain = socket.domain()?;
    let internet = matches!(domain, Domain::IPV4 | Domain::IPV6);
    if let (Domain::IPV6, Some(only)) = (domain, options.ipv6_only) {
        socket.set_only_v6(only)?;
    }
    if let Some(device) = options.device.as_ref().filter(|_| internet) {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if options.reuse_port && internet {
        note(notes, "ReusePort", socket.set_reuse_port(true));
    }
    if options.free_bind && internet {
        note(notes, "FreeBind", socket.set_freebind_v4(true));
    }
    if options.transparent && internet {
        let set = if domain == Domain::IPV6 {
            socket.set_ip_transparent_v6(true)
        } else {
            socket.set_ip_transparent_v4(true)
        };
        note(notes, "Transparent", set);
    }
    if internet {
        // A service that was stopped a moment ago has left connections behind.
        socket.set_reuse_address(true)?;
    }
    Ok(())
}

/// Everything else.
pub(super) fn after_bind(socket: &Socket, kind: Type, options: &Options, notes: &mut Vec<String>) {
    let domain = socket.domain().unwrap_or(Domain::UNIX);
    let (v4, v6) = (domain == Domain::IPV4, domain == Domain::IPV6);
    let tcp = (v4 || v6) && kind == Type::STREAM && options.protocol.is_none_or(|protocol| protocol == 262);
    let local = domain == Domain::UNIX;
    let netlink = domain == Domain::from(libc::AF_NETLINK);
    if tcp {
        after_bind_tcp(socket, options, notes);
    }
    if options.broadcast && kind == Type::DGRAM {
        note(notes, "Broadcast", socket.set_broadcast(true));
    }
    if options.pass_credentials && (local || netlink) {
        note(notes, "PassCredentials", socket.set_passcred(true));
    }
    if options.pass_security && (local || netlink) {
        note(notes, "PassSecurity", set(socket, PassSecurity, &true));
    }
    if options.pass_packet_info {
        let done = match domain {
            Domain::IPV4 => set(socket, sockopt::Ipv4PacketInfo, &true),
            Domain::IPV6 => set(socket, sockopt::Ipv6RecvPacketInfo, &true),
            _ if netlink => set(socket, NetlinkPacketInfo, &true),
            _ => Ok(()),
        };
        note(notes, "PassPacketInfo", done);
    }
    match options.timestamping {
        Timestamping::Off => {}
        Timestamping::Microseconds => {
            note(notes, "Timestamping", set(socket, sockopt::ReceiveTimestamp, &true));
        }
        Timestamping::Nanoseconds => {
            note(notes, "Timestamping", set(socket, sockopt::ReceiveTimestampns, &true));
        }
    }
    if let Some(size) = options.receive_buffer {
        // Beyond the system's bound for those who may.
        let forced = set(socket, sockopt::RcvBufForce, &size);
        note(notes, "ReceiveBuffer", forced.or_else(|_| socket.set_recv_buffer_size(size)));
    }
    if let Some(size) = options.send_buffer {
        let forced = set(socket, sockopt::SndBufForce, &size);
        note(notes, "SendBuffer", forced.or_else(|_| socket.set_send_buffer_size(size)));
    }
    if let Some(mark) = options.mark {
        note(notes, "Mark", socket.set_mark(mark));
    }
    if let Some(tos) = options.tos.filter(|_| v4 || v6) {
        note(notes, "IPTOS", set(socket, sockopt::Ipv4Tos, &tos));
    }
    // The type of service has set a priority as well; one that is named counts.
    if let Some(priority) = options.priority {
        note(notes, "Priority", set(socket, sockopt::Priority, &priority));
    }
    if let Some(ttl) = options.ttl.filter(|_| v4 || v6) {
        // A socket of IPv6 carries IPv4 too.
        let mut done = set(socket, sockopt::Ipv4Ttl, &ttl);
        if v6 {
            done = set(socket, sockopt::Ipv6Ttl, &ttl).or(done);
        }
        note(notes, "IPTTL", done);
    }
}

fn after_bind_tcp(socket: &Socket, options: &Options, notes: &mut Vec<String>) {
    if options.keep_alive {
        note(notes, "KeepAlive", socket.set_keepalive(true));
    }
    let mut probing = TcpKeepalive::new();
    let times = [options.keep_alive_time, options.keep_alive_interval];
    if let Some(time) = times[0] {
        probing = probing.with_time(time);
    }
    if let Some(interval) = times[1] {
        probing = probing.with_interval(interval);
    }
    if let Some(probes) = options.keep_alive_probes {
        probing = probing.with_retries(probes);
    }
    if times.iter().any(Option::is_some) || options.keep_alive_probes.is_some() {
        note(notes, "KeepAliveTimeSec", socket.set_tcp_keepalive(&probing));
        if !options.keep_alive {
            // The times may be set and the probing not.
            note(notes, "KeepAlive", socket.set_keepalive(false));
        }
    }
    if let Some(length) = options.defer_accept {
        let seconds = i32::try_from(length.as_secs().max(1)).unwrap_or(i32::MAX);
        note(notes, "DeferAcceptSec", set(socket, DeferAccept, &seconds));
    }
    if options.no_delay {
        note(notes, "NoDelay", socket.set_tcp_nodelay(true));
    }
    if let Some(name) = &options.congestion {
        note(notes, "TCPCongestion", socket.set_tcp_congestion(name.as_bytes()));
    }
}

fn set<T: SetSockOpt>(socket: &impl AsFd, option: T, value: &T::Val) -> io::Result<()> {
    nix::sys::socket::setsockopt(socket, option, value).map_err(io::Error::from)
}

fn note(notes: &mut Vec<String>, directive: &str, done: io::Result<()>) {
    if let Err(error) = done {
        notes.push(format!("{directive}=: {error}"));
    }
}
