//! The end of a machine: what lies on disks is unmounted, and what cannot be is made read only, so that nothing is lost
//! and no file system is found unclean.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::table::{Mounted, list};
use super::{AT_ONCE, NETWORK};

/// Rounds; what holds a mount below it may go in one, and the mount in the next.
const MOST_ROUNDS: usize = 8;

/// Unmounts everything at `below` and under it that is no file system of the kernel alone, the last mount first. What
/// cannot be unmounted is made read only; what could not even be that is told. No process may be left that writes.
pub fn unmount_all(below: &Path) -> Vec<String> {
    for _ in 0..MOST_ROUNDS {
        let gone = lasting(below).iter().filter(|mounted| unmount(mounted)).count();
        if gone == 0 {
            break;
        }
    }
    let mut kept = Vec::new();
    for mounted in lasting(below) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let done = mount(None::<&str>, mounted.place.as_str(), None::<&str>, flags, None::<&str>);
        if let Err(error) = done
            && mounted.options.split(',').all(|option| option != "ro")
        {
            kept.push(format!("{} stays writable: {error}", mounted.place));
        }
    }
    kept
}

/// Mounts that something may be lost of, the last one first.
fn lasting(below: &Path) -> Vec<Mounted> {
    let of_kernel = |kind: &str| kind != "overlay" && (AT_ONCE.contains(&kind) || kind == "rootfs");
    let mut found = list().unwrap_or_default();
    found.retain(|mounted| Path::new(&mounted.place).starts_with(below) && !of_kernel(&mounted.kind));
    found.reverse();
    found
}

fn unmount(mounted: &Mounted) -> bool {
    if matches!(mounted.place.as_str(), "/" | "/usr") {
        return false;
    }
    // A server that is gone must not hold the machine.
    let far = NETWORK.contains(&mounted.kind.as_str()) || mounted.kind.starts_with("fuse");
    let flags = if far { MntFlags::MNT_DETACH } else { MntFlags::UMOUNT_NOFOLLOW };
    umount2(mounted.place.as_str(), flags).is_ok()
}
