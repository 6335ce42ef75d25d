//! Datagrams of daemons that speak syslog, or journald's own protocol.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, getsockname, listen, sendto,
    setsockopt, socket, sockopt,
};
use perigee_journal::{Now, Priority, Record, Source, native, syslog};

use crate::origin::Origins;
use crate::stream::Buffers;

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

/// Whoever else keeps a log listens beside the socket, under this name, as systemd has it.
const NEIGHBOUR: &str = "syslog";

/// Reads some datagrams of /dev/log, and hands them on to a neighbour if there is one: it is not waited for. Returns
/// whether there may be more.
pub(super) fn read_syslog(
    socket: &OwnedFd,
    buffers: &mut Buffers,
    origins: &mut Origins,
    now: Now,
    mut each: impl FnMut(Record<'_>),
) -> bool {
    let own = getsockname::<UnixAddr>(socket.as_raw_fd()).ok();
    let neighbour = own.as_ref().and_then(UnixAddr::path).map(|path| path.with_file_name(NEIGHBOUR));
    let neighbour = neighbour.and_then(|path| UnixAddr::new(&path).ok());
    for _ in 0..MOST_A_TURN {
        let (count, writer) = match buffers.receive(socket, MsgFlags::empty()) {
            Ok(received) => (received.octets, received.writer),
            Err(nix::Error::EINTR) => continue,
            Err(_) => return false,
        };
        let writer = writer.filter(|writer| writer.pid() > 0);
        let pid = writer.and_then(|writer| u32::try_from(writer.pid()).ok());
        let unit = pid.map_or("", |pid| origins.unit(pid, now.monotonic));
        let mut record = Record::new(unit, Source::Syslog, Priority::INFO, b"");
        (record.time, record.monotonic) = (now.wall, now.monotonic);
        (record.pid, record.uid) = (pid, writer.map(|writer| writer.uid()));
        let said = &buffers.piece[..count];
        if let Some(neighbour) = &neighbour {
            let _ = sendto(socket.as_raw_fd(), said, neighbour, MsgFlags::MSG_DONTWAIT);
        }
        syslog::parse(said).fill(&mut record);
        each(record);
    }
    true
}

/// Reads some datagrams in journald's protocol. What is long comes as memory that is passed along (a memfd), with an
/// empty datagram. Returns how many were not understood.
pub(super) fn read_native(
    socket: &OwnedFd,
    buffers: &mut Buffers,
    origins: &mut Origins,
    now: Now,
    mut each: impl FnMut(Record<'_>),
) -> u64 {
    let mut wrong = 0;
    for _ in 0..MOST_A_TURN {
        let received = match buffers.receive(socket, MsgFlags::empty()) {
            Ok(received) => received,
            Err(nix::Error::EINTR) => continue,
            Err(_) => break,
        };
        let Some(writer) = received.writer.filter(|writer| writer.pid() > 0) else {
            wrong += 1;
            continue;
        };
        let memory = received.passed.map(memory).transpose();
        let said = match &memory {
            Ok(Some(memory)) => memory.as_slice(),
            Ok(None) => &buffers.piece[..received.octets],
            Err(_) => {
                wrong += 1;
                continue;
            }
        };
        let pid = u32::try_from(writer.pid()).ok();
        let unit = pid.map_or("", |pid| origins.unit(pid, now.monotonic));
        let whole = native::parse(said, |message| {
            let mut record = Record::new(unit, Source::Journal, Priority::INFO, b"");
            (record.time, record.monotonic) = (now.wall, now.monotonic);
            (record.pid, record.uid) = (pid, Some(writer.uid()));
            message.fill(&mut record);
            each(record);
        });
        wrong += u64::from(!whole);
    }
    wrong
}

/// What stands in memory that was passed along. Only such memory is read: reading a file could take for ever.
fn memory(passed: OwnedFd) -> io::Result<Vec<u8>> {
    fcntl(&passed, FcntlArg::F_GET_SEALS)?;
    let file = File::from(passed);
    let size = file.metadata()?.len();
    if size > native::MOST_OCTETS as u64 {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than is taken"));
    }
    let mut octets = vec![0; size as usize];
    let mut at = 0;
    while at < octets.len() {
        match file.read_at(&mut octets[at..], at as u64) {
            Ok(0) => break,
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    octets.truncate(at);
    Ok(octets)
}
