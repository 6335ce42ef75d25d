//! The loopback interface, which a machine has down when it begins and nearly every service relies on. One message of
//! rtnetlink(7) brings it up; the kernel then gives it its addresses.

use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// The loopback interface has this number in every network namespace.
const LOOPBACK: i32 = 1;
/// Octets of a message's header, and of what follows in this one (`struct nlmsghdr`, `struct ifinfomsg`).
const HEADER: usize = 16;
const BODY: usize = 16;

const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST_AND_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;

/// Brings it up; where it is up already nothing happens.
///
/// # Errors
/// The kernel refuses: this process may not, or there is no network.
pub(crate) fn bring_up() -> io::Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    send(socket.as_raw_fd(), &request(), MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    match refusal(&answer[..length]) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw(errno).into()),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel answers something else")),
    }
}

fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + BODY);
    message.extend(((HEADER + BODY) as u32).to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_AND_ACK.to_ne_bytes());
    // Number and sender, which are of no use for one message.
    message.extend([0; 8]);
    // Family and type of the interface are left open.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    // Which flags are meant.
    message.extend(IFF_UP.to_ne_bytes());
    message
}

/// The error number of an answer, 0 for none.
fn refusal(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let code = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then(|| code.saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_says() {
        let message = request();
        assert_eq!(message.len(), 32);
        assert_eq!(u32::from_ne_bytes(message[..4].try_into().expect("four")), 32);
    }

    #[test]
    fn answers_are_told_apart() {
        let mut answer = [0; 20];
        assert_eq!(refusal(&answer), None, "no answer to this");
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        assert_eq!(refusal(&answer), Some(0));
        answer[16..20].copy_from_slice(&(-(Errno::EPERM as i32)).to_ne_bytes());
        assert_eq!(refusal(&answer), Some(Errno::EPERM as i32));
        assert_eq!(refusal(&answer[..10]), None, "cut off");
    }
}
