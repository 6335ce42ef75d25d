//! System calls that have no safe wrapper.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Sends a signal by its number; those of real time too, which nix(3) cannot name.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill(2) takes two numbers and touches no memory of ours.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

// Commands and constants of bpf(2), linux/bpf.h.
const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const PROG_QUERY: i32 = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;

/// Programs of one group that are looked at.
const MOST_PROGRAMS: usize = 64;

/// The attributes of a command: a structure that is zero but for what is set, in words of 32 bits.
struct Attributes([u64; 16]);

impl Attributes {
    fn new() -> Attributes {
        Attributes([0; 16])
    }

    /// Sets the 32 bits at this octet.
    fn word(mut self, at: usize, value: u32) -> Attributes {
        let shift = at % 8 * 8;
        self.0[at / 8] |= u64::from(value) << if cfg!(target_endian = "little") { shift } else { 32 - shift };
        self
    }

    /// Sets the 64 bits at this octet.
    fn long(mut self, at: usize, value: u64) -> Attributes {
        self.0[at / 8] = value;
        self
    }

    /// # Safety
    /// Addresses among the attributes must be good for what the command does with them.
    unsafe fn call(&mut self, command: i32) -> io::Result<i32> {
        let size = size_of_val(&self.0);
        // SAFETY: the kernel reads and writes `size` octets at most; the caller answers for the rest.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
    }

    /// # Safety
    /// As [`Attributes::call`], for a command that makes a descriptor.
    unsafe fn open(mut self, command: i32) -> io::Result<OwnedFd> {
        // SAFETY: the caller answers for it.
        let number = unsafe { self.call(command) }?;
        // SAFETY: the kernel has made it for us.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// Loads a program that says which devices may be used.
pub(crate) fn load_device_program(instructions: &[u64]) -> io::Result<OwnedFd> {
    let licence = c"MIT";
    let attributes = Attributes::new()
        .word(0, PROG_TYPE_CGROUP_DEVICE)
        .word(4, instructions.len() as u32)
        .long(8, instructions.as_ptr() as u64)
        .long(16, licence.as_ptr() as u64)
        .word(68, CGROUP_DEVICE);
    // SAFETY: both addresses are of values that live longer than the call, which only reads them.
    unsafe { attributes.open(PROG_LOAD) }
}

fn of_group(group: &File, program: &OwnedFd) -> Attributes {
    let attributes = Attributes::new().word(0, group.as_raw_fd() as u32);
    attributes.word(4, program.as_raw_fd() as u32).word(8, CGROUP_DEVICE)
}

/// Has a program decide for a group, beside others.
pub(crate) fn attach_device_program(group: &File, program: &OwnedFd) -> io::Result<()> {
    // SAFETY: there are no addresses.
    unsafe { of_group(group, program).word(12, ALLOW_MULTI).call(PROG_ATTACH) }.map(drop)
}

/// Takes a program away from a group.
pub(crate) fn detach_device_program(group: &File, program: &OwnedFd) -> io::Result<()> {
    // SAFETY: there are no addresses.
    unsafe { of_group(group, program).call(PROG_DETACH) }.map(drop)
}

/// The programs that decide on devices for a group itself.
pub(crate) fn device_programs(group: &File) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut attributes = Attributes::new()
        .word(0, group.as_raw_fd() as u32)
        .word(4, CGROUP_DEVICE)
        .long(16, ids.as_mut_ptr() as u64)
        .word(24, MOST_PROGRAMS as u32);
    // SAFETY: the kernel writes as many numbers into `ids` as it has room for.
    unsafe { attributes.call(PROG_QUERY) }?;
    let count = (attributes.0[3] as u32 as usize).min(MOST_PROGRAMS);
    // SAFETY: there are no addresses.
    ids[..count].iter().map(|id| unsafe { Attributes::new().word(0, *id).open(PROG_GET_FD_BY_ID) }).collect()
}
