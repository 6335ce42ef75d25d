//! What this process is to the system.

use std::ffi::CStr;

use nix::errno::Errno;

use crate::raw;

/// Orphans below this process become its children, as if it were PID 1.
///
/// # Errors
/// None that happen.
pub fn become_subreaper() -> Result<(), Errno> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// What ps(1) shows for this thread; 15 octets of it.
///
/// # Errors
/// None that happen.
pub fn set_name(name: &CStr) -> Result<(), Errno> {
    prctl(libc::PR_SET_NAME, name.as_ptr() as usize)
}

/// This process gets this signal when its parent ends.
///
/// # Errors
/// `EINVAL` for what is no signal.
pub fn die_with_parent(signal: i32) -> Result<(), Errno> {
    prctl(libc::PR_SET_PDEATHSIG, signal as usize)
}

/// The machine starts anew as it is, and its firmware or the driver that resets it is told this: reboot(2) with
/// `LINUX_REBOOT_CMD_RESTART2`. Comes back only with an error.
pub fn restart_with(argument: &CStr) -> Errno {
    let magic = [libc::LINUX_REBOOT_MAGIC1 as usize, libc::LINUX_REBOOT_MAGIC2 as usize];
    let command = libc::LINUX_REBOOT_CMD_RESTART2 as u32 as usize;
    // SAFETY: the text lives longer than the call, which takes no more than 255 octets of it.
    let result = unsafe {
        raw::call(libc::SYS_reboot, [magic[0], magic[1], command, argument.as_ptr() as usize, 0, 0])
    };
    result.map_or_else(Errno::from_raw, |_| Errno::UnknownErrno)
}

/// The capabilities of this thread, a bit for each: those in force, and those that can be had by execve(2) at all.
///
/// # Errors
/// None that happen.
pub fn capabilities() -> Result<(u64, u64), Errno> {
    let (mut header, mut data) = ([0x2008_0522u32, 0], [0u32; 6]);
    let arguments = [header.as_mut_ptr() as usize, data.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the version in the header is the one that has two words for each of three sets.
    unsafe { raw::call(libc::SYS_capget, arguments) }.map_err(Errno::from_raw)?;
    let read = |capability: u32| {
        // SAFETY: no pointers.
        unsafe {
            raw::call(libc::SYS_prctl, [libc::PR_CAPBSET_READ as usize, capability as usize, 0, 0, 0, 0])
        }
    };
    // Nobody here takes anything out of it, so it is asked for once.
    static BOUNDING: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let bounding = *BOUNDING.get_or_init(|| {
        let bounding = (0..64).filter(|capability| read(*capability) == Ok(1));
        bounding.fold(0, |set, capability| set | 1 << capability)
    });
    Ok((u64::from(data[0]) | u64::from(data[3]) << 32, bounding))
}

/// 128 random bits.
///
/// # Errors
/// `ENOSYS` before Linux 3.17.
pub fn random() -> Result<[u8; 16], Errno> {
    let mut bits = [0; 16];
    let arguments = [bits.as_mut_ptr() as usize, bits.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes so many octets at most there; up to 256 are never interrupted.
    unsafe { raw::call(libc::SYS_getrandom, arguments) }.map_err(Errno::from_raw)?;
    Ok(bits)
}

fn prctl(option: i32, argument: usize) -> Result<(), Errno> {
    // SAFETY: what the callers above give is a number, or a string which ends in a NUL and outlives the call.
    unsafe { raw::call(libc::SYS_prctl, [option as usize, argument, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(Errno::from_raw)
}
