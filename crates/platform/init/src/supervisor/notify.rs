//! The socket of sd_notify(3): what comes from whom, and whether it counts.

use std::fs;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use perigee_units::machine::UnitId;
use perigee_units::notify::{LONGEST_DATAGRAM, Message};
use perigee_units::service::{NotifyAccess, Sender};

use super::{Supervisor, now};

/// The socket.
#[derive(Debug)]
pub(super) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Where it is, below the folder of run-time files.
const SOCKET: &str = "notify.sock";

/// Datagrams that are taken in before others have their turn.
const MOST_AT_ONCE: usize = 256;

/// Descriptors of one datagram.
const MOST_DESCRIPTORS: usize = 253;

/// A datagram.
struct Received {
    message: Message,
    pid: u32,
    descriptors: Vec<OwnedFd>,
}

impl NotifySocket {
    pub(super) fn bind(runtime: &Path) -> io::Result<NotifySocket> {
        let path = runtime.join(SOCKET);
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        // Services of every user may speak; who they are is told by the kernel.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        Ok(NotifySocket { socket, path })
    }

    /// The socket of the copy of the program before this one, with what waits in it.
    pub(super) fn taken(runtime: &Path, socket: OwnedFd) -> NotifySocket {
        NotifySocket { socket: socket.into(), path: runtime.join(SOCKET) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn receive(&self) -> Option<Received> {
        let mut buffer = [0; LONGEST_DATAGRAM];
        let mut control = cmsg_space!(UnixCredentials, [i32; MOST_DESCRIPTORS]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags).ok()?;
        let (mut pid, mut descriptors) = (0, Vec::new());
        for message in received.cmsgs().ok()? {
            match message {
                ControlMessageOwned::ScmCredentials(credentials) => pid = credentials.pid() as u32,
                ControlMessageOwned::ScmRights(fds) => descriptors.extend(owned(fds)),
                _ => {}
            }
        }
        let octets = received.bytes;
        // What is cut off may say something else than what was meant.
        let message = match received.flags.contains(MsgFlags::MSG_TRUNC) {
            true => Message::default(),
            false => Message::parse(&buffer[..octets]),
        };
        Some(Received { message, pid, descriptors })
    }
}

/// Descriptors that have just been received.
fn owned(fds: Vec<i32>) -> Vec<OwnedFd> {
    fds.into_iter().map(perigee_process::pidfd::received).collect()
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Supervisor {
    pub(super) fn take_in_notifications(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let Some(received) = self.notify.as_ref().and_then(NotifySocket::receive) else { return };
            let Some((unit, sender)) = self.sender(received.pid) else { continue };
            self.notified(unit, sender, received);
        }
    }

    /// Whose process it is.
    fn sender(&self, pid: u32) -> Option<(UnitId, Sender)> {
        let unit = self.processes.of(pid).or_else(|| {
            let path = self.groups.group_of(pid as i32)?;
            path.rsplit('/').find_map(|name| self.table.find(perigee_cgroup::unescape(name)))
        })?;
        let life = &self.table.service_ref(unit)?.life;
        Some(match pid {
            pid if life.main() == Some(pid) => (unit, Sender::Main),
            pid if life.control() == Some(pid) => (unit, Sender::Control),
            _ => (unit, Sender::Other),
        })
    }

    fn notified(&mut self, unit: UnitId, sender: Sender, received: Received) {
        let Some(service) = self.table.service_ref(unit) else { return };
        let settings = service.life.service().clone();
        let may = match settings.notify_access {
            NotifyAccess::None => false,
            NotifyAccess::Main => sender == Sender::Main,
            NotifyAccess::Exec => sender != Sender::Other,
            NotifyAccess::All => true,
        };
        // A barrier is only there to be closed, which happens at the end of this function.
        if !may {
            if !received.message.barrier {
                let text =
                    format!("a notification of process {} does not count: NotifyAccess=", received.pid);
                self.table.get_mut(unit).note(text);
            }
            return;
        }
        let mut message = received.message;
        if let Some(pid) = message.main_pid {
            if self.belongs(pid, unit) {
                self.take_main(unit, Some(pid));
            } else {
                let text = format!("MAINPID={pid} does not count: it is no process of the unit");
                self.table.get_mut(unit).note(text);
                message.main_pid = None;
            }
        }
        let Some(service) = self.table.service(unit) else { return };
        if message.store_remove {
            let name = message.descriptor_name.as_deref().unwrap_or_default();
            service.stored.retain(|(known, _)| known != name);
            self.release_stored(unit, Some(name));
        } else if message.store {
            let name = message.descriptor_name.clone().unwrap_or_else(|| "stored".to_owned());
            let room = settings.descriptor_store.saturating_sub(service.stored.len());
            for descriptor in received.descriptors.into_iter().take(room) {
                self.keep_stored(unit, &name, descriptor.as_fd());
                if let Some(service) = self.table.service(unit) {
                    service.stored.push((name.clone(), descriptor));
                }
            }
        }
        let Some(service) = self.table.service(unit) else { return };
        service.life.notified(&message, now());
        self.live(unit);
        if message.main_pid.is_some() {
            self.remember(unit);
        }
    }
}
