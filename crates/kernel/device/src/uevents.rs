//! The kernel's own socket for what becomes of devices.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, setsockopt,
    socket, sockopt,
};
use perigee_units::device::{LONGEST, Uevent};

use super::Heard;

/// The group to which the kernel speaks; programs such as udev speak to others.
const KERNEL: u32 = 1;

/// Messages that are read in one go, so that a storm cannot keep the loop.
const MOST_READ: usize = 256;

/// Octets that wait to be read: a boot tells of thousands of devices at once.
const WAITING: usize = 4 << 20;

/// The socket.
#[derive(Debug)]
pub(super) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    pub(super) fn open() -> io::Result<Uevents> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        // More than a plain user may have is only granted to root; the usual room does too, and what is lost is told.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &WAITING)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &WAITING));
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
        Ok(Uevents { socket })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what is there.
    pub(super) fn read(&mut self) -> Heard {
        let mut heard = Heard::default();
        let mut room = [0; LONGEST];
        for _ in 0..MOST_READ {
            let mut parts = [IoSliceMut::new(&mut room)];
            let read =
                recvmsg::<NetlinkAddr>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT);
            let (length, cut, from) = match read {
                Ok(read) => (read.bytes, read.flags.contains(MsgFlags::MSG_TRUNC), read.address),
                // The kernel had more to tell than there was room for.
                Err(Errno::ENOBUFS) => {
                    heard.any = true;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(_) => break,
            };
            if !from.is_some_and(|from| from.pid() == 0 && from.groups() == KERNEL) {
                continue;
            }
            match Uevent::parse(&room[..length]) {
                Ok(event) if !cut => heard.units.extend(event.units()),
                // Whatever it was, it was the kernel's.
                _ => heard.any = true,
            }
        }
        heard.units.sort_unstable();
        heard.units.dedup();
        heard
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use perigee_units::unit::UnitName;

    use super::*;

    /// The kernel tells of a device again when it is asked to by a file of it.
    #[test]
    fn the_kernel_is_heard_and_nobody_else() {
        let Ok(mut uevents) = Uevents::open() else {
            eprintln!("SKIPPED the_kernel_is_heard_and_nobody_else: no socket of the kernel here");
            return;
        };
        // Another program that speaks to the same group is not the kernel.
        let other = Uevents::open().expect("another one");
        let said = b"add@/devices/virtual/net/forged\0ACTION=add\0SUBSYSTEM=net\0";
        let group = NetlinkAddr::new(0, KERNEL);
        let sent = nix::sys::socket::sendto(other.socket.as_raw_fd(), said, &group, MsgFlags::empty());
        let forged = UnitName::parse("sys-subsystem-net-devices-forged.device").expect("a name");
        assert!(!uevents.read().units.contains(&forged), "{sent:?}");
        if fs::write("/sys/class/net/lo/uevent", "change").is_err() {
            eprintln!("SKIPPED the_kernel_is_heard_and_nobody_else: no right to let it speak");
            return;
        }
        let lo = UnitName::parse("sys-subsystem-net-devices-lo.device").expect("a name");
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if uevents.read().units.contains(&lo) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // In a name space of a container the kernel need not speak.
        eprintln!("SKIPPED the_kernel_is_heard_and_nobody_else: the kernel says nothing here");
    }
}
