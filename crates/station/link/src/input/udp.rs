//! UDP: each datagram is shown whole, many datagrams for each system call.
//!
//! The kernel says with each datagram how many it has had to drop since the socket was made
//! (`SO_RXQ_OVFL`), so a loss between the network and this program is counted too.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt::RxqOvfl};
use socket2::{Domain, Protocol, Socket as Socket2, Type};

use super::{Event, Input, TICK, Taker};

/// Datagrams taken by one system call.
const BATCH: usize = 32;

/// The largest datagram is 65,535 octets; a slot is one more, so that slots begin on pages.
const SLOT: usize = 65_536;

/// A bound socket and the slots it is read into.
pub(super) struct Socket {
    socket: UdpSocket,
    address: SocketAddr,
    slots: Box<[u8]>,
    /// Datagrams dropped by the kernel so far, as it counts them: modulo 2^32.
    overflowed: u32,
}

impl Socket {
    pub(super) fn bind(address: SocketAddr, receive_buffer: usize) -> std::io::Result<Self> {
        let socket = Socket2::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(receive_buffer)?;
        // Also the deadline of `recvmmsg` for its first datagram; its own time-out argument is broken.
        socket.set_read_timeout(Some(TICK))?;
        setsockopt(&socket, RxqOvfl, &1)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr()?;
        Ok(Self { socket, address, slots: vec![0; BATCH * SLOT].into(), overflowed: 0 })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Input for Socket {
    fn read(&mut self, taker: &mut dyn Taker) -> Event {
        // Made anew for each batch: a kept one would lose the control messages, since the kernel writes
        // into its length fields and nobody resets them.
        let mut headers = MultiHeaders::<()>::preallocate(BATCH, Some(nix::cmsg_space!(u32)));
        let mut slots = self.slots.chunks_exact_mut(SLOT);
        let mut vectors: [[IoSliceMut; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let flags = MsgFlags::MSG_WAITFORONE;
        let datagrams = match recvmmsg(self.socket.as_raw_fd(), &mut headers, vectors.iter_mut(), flags, None)
        {
            Ok(datagrams) => datagrams,
            Err(Errno::EAGAIN | Errno::EINTR) => return Event::Idle,
            Err(e) => {
                std::thread::sleep(TICK);
                return Event::Trouble(e.to_string());
            }
        };
        let mut overflowed = self.overflowed;
        for datagram in datagrams {
            for message in datagram.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(count) = message {
                    overflowed = count;
                }
            }
            taker.octets(datagram.iovs().next().unwrap_or_default());
        }
        let lost = overflowed.wrapping_sub(self.overflowed);
        if lost > 0 {
            self.overflowed = overflowed;
            taker.overflowed(u64::from(lost));
        }
        Event::Octets
    }

    fn connected(&self) -> bool {
        true
    }
}
