//! Datagrams of daemons that speak syslog.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, listen, setsockopt, socket, sockopt,
};
use perigee_journal::{Now, Priority, Record, Source, syslog};

use crate::log::origin::Origins;
use crate::log::stream::Buffers;

/// Datagrams of a socket in one turn.
const MOST_A_TURN: usize = 64;

/// Opens a socket for datagrams that everybody may write to.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let socket = named(path, SockType::Datagram, 0o666)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    Ok(socket)
}

/// A socket with a name, in place of what was there.
pub(super) fn named(path: &Path, kind: SockType, mode: u32) -> io::Result<OwnedFd> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, kind, flags, None)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if kind != SockType::Datagram {
        listen(&socket, Backlog::new(16)?)?;
    }
    Ok(socket)
}

/// Makes `link` lead to `path`, unless it is the same place or a real file is there that is no socket.
pub(super) fn link(link: &Path, path: &Path) -> io::Result<()> {
    if link == path || fs::read_link(link).is_ok_and(|to| to == path) {
        return Ok(());
    }
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(path, link)
}

/// Reads some datagrams of /dev/log. Returns whether there may be more.
pub(super) fn read_syslog(
    socket: &OwnedFd,
    buffers: &mut Buffers,
    origins: &mut Origins,
    now: Now,
    mut each: impl FnMut(Record<'_>),
) -> bool {
    for _ in 0..MOST_A_TURN {
        let (count, writer) = match buffers.receive(socket, MsgFlags::empty()) {
            Ok(received) => received,
            Err(nix::Error::EINTR) => continue,
            Err(_) => return false,
        };
        let writer = writer.filter(|writer| writer.pid() > 0);
        let pid = writer.and_then(|writer| u32::try_from(writer.pid()).ok());
        let unit = pid.map_or("", |pid| origins.unit(pid, now.monotonic));
        let mut record = Record::new(unit, Source::Syslog, Priority::INFO, b"");
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        (record.pid, record.uid) = (pid, writer.map(|writer| writer.uid()));
        syslog::parse(&buffers.piece[..count]).fill(&mut record);
        each(record);
    }
    true
}
