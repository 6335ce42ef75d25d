//! Namespaces that are there before the processes which enter them, so that several can share one: a child is made in a new
//! one, the namespace is opened, and the child ends.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, getegid, geteuid, pipe2};

use crate::make::with_signals_blocked;
use crate::{child, pidfd, raw, wait};

/// A network of its own, whose loopback interface is up.
///
/// # Errors
/// It takes `CAP_SYS_ADMIN`, and the kernel's bound on such namespaces.
pub fn network() -> io::Result<OwnedFd> {
    make(libc::CLONE_NEWNET, "net", |_| Ok(()))
}

/// Inter-process communication of its own.
///
/// # Errors
/// It takes `CAP_SYS_ADMIN`, and the kernel's bound on such namespaces.
pub fn ipc() -> io::Result<OwnedFd> {
    make(libc::CLONE_NEWIPC, "ipc", |_| Ok(()))
}

/// Users of its own: the superuser, this user and this group are themselves, and everybody else is nobody. Who is not the
/// superuser can have but himself in it. No process in it changes its supplementary groups.
///
/// # Errors
/// The kernel has no such namespaces, lets nobody make them, or has enough of them.
pub fn users(uid: Option<u32>, gid: Option<u32>) -> io::Result<OwnedFd> {
    let (own_uid, own_gid) = (geteuid().as_raw(), getegid().as_raw());
    let map = |own: u32, other: Option<u32>| {
        let other = other.filter(|other| own_uid == 0 && *other != own);
        let line = |id: u32| format!("{id} {id} 1\n");
        format!("{}{}", line(own), other.map(line).unwrap_or_default())
    };
    make(libc::CLONE_NEWUSER, "user", |pid| {
        // Else who is in a group that takes rights away could leave it, user_namespaces(7).
        fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
        fs::write(format!("/proc/{pid}/gid_map"), map(own_gid, gid))?;
        fs::write(format!("/proc/{pid}/uid_map"), map(own_uid, uid))
    })
}

fn make(flags: i32, kind: &str, set_up: impl FnOnce(i32) -> io::Result<()>) -> io::Result<OwnedFd> {
    // The child says that it is there, and ends when the parent lets go.
    let (told, tells) = pipe2(OFlag::O_CLOEXEC)?;
    let (held, holds) = pipe2(OFlag::O_CLOEXEC)?;
    let numbers = [flags as usize | libc::SIGCHLD as usize, 0, 0, 0, 0, 0];
    let loopback = flags == libc::CLONE_NEWNET;
    let made = with_signals_blocked(|| {
        // SAFETY: without a stack and without shared memory it returns twice, as fork(2) does; the child calls only system
        // calls from there on, and does not come back.
        match unsafe { raw::call(libc::SYS_clone, numbers) } {
            Ok(0) => inside(tells.as_raw_fd(), held.as_raw_fd(), holds.as_raw_fd(), loopback),
            made => made.map_err(Errno::from_raw),
        }
    });
    drop(tells);
    let pid = made? as i32;
    // It is our child and not reaped yet, so the number is its own still.
    let descriptor = pidfd::open(pid);
    let mut word = [0];
    let namespace = match File::from(told).read_exact(&mut word) {
        Ok(()) if word == *b"+" => set_up(pid).and_then(|()| File::open(format!("/proc/{pid}/ns/{kind}"))),
        Ok(()) => Err(io::Error::other("its loopback interface does not come up")),
        Err(error) => Err(error),
    };
    drop(holds);
    match descriptor {
        Ok(descriptor) => drop(wait::wait_for(descriptor.as_fd())),
        Err(_) => drop(nix::sys::wait::waitpid(Pid::from_raw(pid), None)),
    }
    Ok(namespace?.into())
}

/// The child: it says that it is there, and ends when nobody holds it any more.
fn inside(tells: i32, held: i32, holds: i32, loopback: bool) -> ! {
    let up = !loopback || child::loopback().is_ok();
    let word: &[u8] = if up { b"+" } else { b"-" };
    let mut end = [0u8];
    // SAFETY: numbers, and texts of one octet that live as long as the calls; the descriptors are copies of the child's own.
    unsafe {
        let _ = raw::call(libc::SYS_close, [holds as usize, 0, 0, 0, 0, 0]);
        let _ = raw::call(libc::SYS_write, [tells as usize, word.as_ptr() as usize, 1, 0, 0, 0]);
        let _ = raw::call(libc::SYS_read, [held as usize, end.as_mut_ptr() as usize, 1, 0, 0, 0]);
        loop {
            let _ = raw::call(libc::SYS_exit_group, [0; 6]);
        }
    }
}
