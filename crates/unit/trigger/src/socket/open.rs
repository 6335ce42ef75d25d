//! Opens what a `.socket` unit lists: sockets, FIFOs, special files, netlink, message queues.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_close, mq_open, mq_unlink};
use nix::sys::socket::NetlinkAddr;
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::{Address, Netlink};
use super::options;
use super::spec::{Listen, SocketSpec};
use perigee_process::accounts::Accounts;

/// What could not be opened, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A place that cannot be listened at.
    #[error("{place}: {source}")]
    Place {
        /// Where.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// A user or a group which does not exist.
    #[error("{directive}={name}: there is no such account")]
    Account {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: String,
    },
}

impl OpenError {
    /// Whether somebody else listens there.
    pub fn is_taken(&self) -> bool {
        matches!(self, OpenError::Place { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// A descriptor to listen on.
#[derive(Debug)]
pub struct Port {
    /// The descriptor; it does not block.
    pub fd: OwnedFd,
    /// Whether connections are to be accepted from it.
    pub connects: bool,
}

/// Everything that was opened, and settings that could not be made, in words.
pub(super) type Opened = (Vec<Port>, Vec<String>);

/// Opens all places in order. If one fails, none is left open, and what was made is removed again.
pub(super) fn open(spec: &SocketSpec, accounts: &Accounts) -> Result<Opened, OpenError> {
    let owner = owner(spec, accounts)?;
    let (mut ports, mut notes) = (Vec::new(), Vec::new());
    for (at, listen) in spec.listens.iter().enumerate() {
        match one(spec, listen, owner, &mut notes) {
            Ok(port) => ports.push(port),
            Err(source) => {
                spec.listens[..at].iter().for_each(remove);
                return Err(OpenError::Place { place: place(listen), source });
            }
        }
    }
    if let Some(target) = spec.listens.iter().find_map(Listen::path) {
        for link in &spec.symlinks {
            let made = parents(link, spec.directory_mode).and_then(|()| {
                // A link of an earlier run goes; anything else stays.
                if fs::symlink_metadata(link).is_ok_and(|found| found.file_type().is_symlink()) {
                    fs::remove_file(link)?;
                }
                symlink(target, link)
            });
            made.unwrap_or_else(|error| notes.push(format!("Symlinks=: {link}: {error}")));
        }
    }
    Ok((ports, notes))
}

/// Removes the nodes of a unit from the file system.
pub(super) fn remove_all(spec: &SocketSpec) {
    spec.listens.iter().for_each(remove);
    for link in &spec.symlinks {
        // It may have gone already.
        let _ = fs::remove_file(link);
    }
}

fn remove(listen: &Listen) {
    // What is not there need not be removed.
    let _ = match listen {
        Listen::Queue(name) => mq_unlink(name.as_str()).map_err(io::Error::from),
        listen => listen.path().map_or(Ok(()), fs::remove_file),
    };
}

fn place(listen: &Listen) -> String {
    match listen {
        Listen::Stream(address) | Listen::Datagram(address) | Listen::Packet(address) => address.to_string(),
        Listen::Fifo(path) | Listen::Special(path) | Listen::Queue(path) => path.clone(),
        Listen::Netlink(netlink) => format!("netlink {} {}", netlink.family, netlink.groups),
    }
}

/// Whom the nodes belong to.
type Owner = (Option<u32>, Option<u32>);

fn owner(spec: &SocketSpec, accounts: &Accounts) -> Result<Owner, OpenError> {
    let missing = |directive, name: &str| OpenError::Account { directive, name: name.to_owned() };
    let user = match &spec.user {
        Some(name) => Some(accounts.user(name).ok_or_else(|| missing("SocketUser", name))?),
        None => None,
    };
    let gid = match &spec.group {
        Some(name) => Some(accounts.gid(name).ok_or_else(|| missing("SocketGroup", name))?),
        // A user brings the user's own group along.
        None => user.as_ref().map(|user| user.gid),
    };
    Ok((user.map(|user| user.uid), gid))
}

/// Makes the folders above a path.
fn parents(path: &str, mode: u32) -> io::Result<()> {
    match Path::new(path).parent() {
        Some(parent) if !parent.is_dir() => DirBuilder::new().recursive(true).mode(mode).create(parent),
        _ => Ok(()),
    }
}

fn one(spec: &SocketSpec, listen: &Listen, owner: Owner, notes: &mut Vec<String>) -> io::Result<Port> {
    match listen {
        Listen::Stream(address) => socket(spec, address, Type::STREAM, owner, notes),
        Listen::Datagram(address) => socket(spec, address, Type::DGRAM, owner, notes),
        Listen::Packet(address) => socket(spec, address, Type::SEQPACKET, owner, notes),
        Listen::Fifo(path) => fifo(spec, path, owner, notes),
        Listen::Special(path) => special(spec, path),
        Listen::Netlink(netlink) => open_netlink(spec, *netlink, notes),
        Listen::Queue(name) => queue(spec, name, owner),
    }
}

fn socket(
    spec: &SocketSpec,
    address: &Address,
    kind: Type,
    owner: Owner,
    notes: &mut Vec<String>,
) -> io::Result<Port> {
    let protocol = spec.options.protocol.map(Protocol::from);
    let make = |domain| {
        let protocol = protocol.filter(|_| matches!(domain, Domain::IPV4 | Domain::IPV6));
        Socket::new(domain, kind.nonblocking(), protocol)
    };
    let (socket, target) = match address {
        Address::Path(path) => (make(Domain::UNIX)?, SockAddr::unix(path)?),
        Address::Abstract(name) => (make(Domain::UNIX)?, SockAddr::unix(format!("\0{name}"))?),
        Address::Port(port) => match make(Domain::IPV6) {
            Ok(socket) => (socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port)).into()),
            // A machine without IPv6.
            Err(_) => (make(Domain::IPV4)?, SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)).into()),
        },
        Address::Internet(address, interface) => {
            let mut address = *address;
            if let (SocketAddr::V6(address), Some(interface)) = (&mut address, interface) {
                let index = match interface.parse() {
                    Ok(index) => index,
                    Err(_) => nix::net::if_::if_nametoindex(interface.as_str())?,
                };
                address.set_scope_id(index);
            }
            (make(Domain::for_address(address))?, address.into())
        }
        Address::Vsock(cid, port) => {
            // VMADDR_CID_ANY, vsock(7).
            (make(Domain::VSOCK)?, SockAddr::vsock(cid.unwrap_or(u32::MAX), *port))
        }
    };
    options::before_bind(&socket, spec, notes)?;
    match address {
        Address::Path(path) => bind_path(&socket, &target, path, spec, owner)?,
        _ => socket.bind(&target)?,
    }
    options::after_bind(&socket, kind, &spec.options, notes);
    let connects = kind != Type::DGRAM;
    if connects {
        // The kernel has a bound of its own, net.core.somaxconn.
        socket.listen(spec.options.backlog.unwrap_or(i32::MAX))?;
    }
    Ok(Port { fd: socket.into(), connects })
}

/// Binds to a path in the place of what an earlier run has left there. Nobody finds a node that is open to more than
/// it shall be: the mode of the socket is set before it has a name.
fn bind_path(
    socket: &Socket,
    target: &SockAddr,
    path: &str,
    spec: &SocketSpec,
    owner: Owner,
) -> io::Result<()> {
    parents(path, spec.directory_mode)?;
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    fchmod(socket, Mode::from_bits_truncate(spec.mode))?;
    socket.bind(target)?;
    own(path, spec.mode, owner).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// The owner first: giving a node away takes bits of its mode.
fn own(path: &str, mode: u32, (uid, gid): Owner) -> io::Result<()> {
    if uid.is_some() || gid.is_some() {
        std::os::unix::fs::lchown(path, uid, gid)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn fifo(spec: &SocketSpec, path: &str, owner: Owner, notes: &mut Vec<String>) -> io::Result<Port> {
    parents(path, spec.directory_mode)?;
    match nix::unistd::mkfifo(path, Mode::from_bits_truncate(spec.mode)) {
        Ok(()) => own(path, spec.mode, owner)?,
        Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW;
    // Open in both directions: there is always a reader, and the end of a writer is no end.
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    let found = file.metadata()?;
    let ours = owner.0.is_none_or(|uid| found.uid() == uid) && owner.1.is_none_or(|gid| found.gid() == gid);
    if !found.file_type().is_fifo() || found.mode() & 0o7777 != spec.mode || !ours {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something is there already which is no FIFO of this mode and owner",
        ));
    }
    if let Some(size) = spec.options.pipe_size
        && let Err(error) = fcntl(&file, FcntlArg::F_SETPIPE_SZ(size))
    {
        notes.push(format!("PipeSize=: {error}"));
    }
    Ok(Port { fd: file.into(), connects: false })
}

fn special(spec: &SocketSpec, path: &str) -> io::Result<Port> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW;
    let file =
        OpenOptions::new().read(true).write(spec.options.writable).custom_flags(flags.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_char_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file and no character device"));
    }
    Ok(Port { fd: file.into(), connects: false })
}

fn open_netlink(spec: &SocketSpec, netlink: Netlink, notes: &mut Vec<String>) -> io::Result<Port> {
    let family = Domain::from(nix::libc::AF_NETLINK);
    let socket = Socket::new(family, Type::RAW.nonblocking(), Some(Protocol::from(netlink.family)))?;
    options::before_bind(&socket, spec, notes)?;
    nix::sys::socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, netlink.groups))?;
    options::after_bind(&socket, Type::RAW, &spec.options, notes);
    Ok(Port { fd: socket.into(), connects: false })
}

fn queue(spec: &SocketSpec, name: &str, owner: Owner) -> io::Result<Port> {
    let flags = MQ_OFlag::O_RDONLY | MQ_OFlag::O_CREAT | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
    let (messages, size) = (spec.options.queue_messages, spec.options.queue_message_size);
    // What the kernel takes where nothing is said, mq_overview(7).
    let attributes = MqAttr::new(0, messages.unwrap_or(10), size.unwrap_or(8192), 0);
    let queue = mq_open(name, flags, Mode::from_bits_truncate(spec.mode), Some(&attributes))?;
    let made = fchmod(&queue, Mode::from_bits_truncate(spec.mode))
        .map_err(io::Error::from)
        .and_then(|()| std::os::unix::fs::fchown(&queue, owner.0, owner.1))
        .and_then(|()| queue.as_fd().try_clone_to_owned());
    // The copy stays.
    mq_close(queue)?;
    Ok(Port { fd: made?, connects: false })
}
