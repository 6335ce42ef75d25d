//! The names of instances that serve one connection each, as systemd makes them: a number, and the two ends of the
//! connection, or who is at the other end of a local one.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use socket2::{SockAddr, Socket};

/// The instance for the connection of this number.
pub(super) fn name(number: u64, socket: &Socket, peer: &SockAddr) -> io::Result<String> {
    let local = socket.local_addr()?;
    if let (Some(local), Some(remote)) = (local.as_socket(), peer.as_socket()) {
        return Ok(format!("{number}-{}-{}", end(local), end(remote)));
    }
    if let (Some((cid, port)), Some((other, from))) = (local.as_vsock_address(), peer.as_vsock_address()) {
        return Ok(format!("{number}-{cid}:{port}-{other}:{from}"));
    }
    let credentials = getsockopt(socket, PeerCredentials).ok().filter(|peer| peer.pid() > 0);
    Ok(match credentials {
        Some(peer) => format!("{number}-{}-{}", peer.pid(), peer.uid()),
        None => format!("{number}-unknown"),
    })
}

/// An address and a port; what came as IPv4 over a socket of IPv6 is shown as IPv4.
fn end(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("{ip}:{}", address.port()),
    }
}

/// What counts as one source of connections: an address, or a machine.
pub(super) fn source(peer: &SockAddr) -> Option<String> {
    let address = peer.as_socket().map(|address| address.ip().to_canonical().to_string());
    address.or_else(|| peer.as_vsock_address().map(|(cid, _)| format!("vsock:{cid}")))
}
