//! What PID 1 mounts before anything else: the file systems of the kernel. What is mounted already is left alone, so
//! that in a container, where everything is there, nothing happens.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::Path;

use nix::mount::mount;

use super::options::MountOptions;

/// One of them.
struct Early {
    what: &'static str,
    place: &'static str,
    options: &'static str,
    /// The machine is no use without it.
    needed: bool,
}

const fn row(what: &'static str, place: &'static str, options: &'static str, needed: bool) -> Early {
    Early { what, place, options, needed }
}

/// In the order in which they are mounted.
const TABLE: [Early; 14] = [
    row("proc", "proc", "nosuid,noexec,nodev", true),
    row("sysfs", "sys", "nosuid,noexec,nodev", true),
    row("devtmpfs", "dev", "nosuid,strictatime,mode=0755", true),
    row("tmpfs", "dev/shm", "nosuid,nodev,strictatime,mode=1777", true),
    row("devpts", "dev/pts", "nosuid,noexec,gid=5,mode=0620,ptmxmode=0666", true),
    row("mqueue", "dev/mqueue", "nosuid,noexec,nodev", false),
    row("tmpfs", "run", "nosuid,nodev,strictatime,mode=0755", true),
    row("cgroup2", "sys/fs/cgroup", "nosuid,noexec,nodev,nsdelegate,memory_recursiveprot", true),
    row("securityfs", "sys/kernel/security", "nosuid,noexec,nodev", false),
    row("pstore", "sys/fs/pstore", "nosuid,noexec,nodev", false),
    row("efivarfs", "sys/firmware/efi/efivars", "nosuid,noexec,nodev", false),
    row("bpf", "sys/fs/bpf", "nosuid,noexec,nodev,mode=0700", false),
    row("debugfs", "sys/kernel/debug", "nosuid,noexec,nodev", false),
    row("tracefs", "sys/kernel/tracing", "nosuid,noexec,nodev", false),
];

/// Links in `/dev` that programs expect and the kernel does not make.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("/proc/kcore", "dev/core"),
];

/// What became of the early mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlyMounts {
    /// Places that were mounted now.
    pub mounted: Vec<&'static str>,
    /// What is needed and could not be mounted, in words.
    pub failed: Vec<String>,
}

/// Mounts what is not mounted yet, below `root`, which is `/` but in tests.
pub fn mount_early(root: &Path) -> EarlyMounts {
    let mut done = EarlyMounts::default();
    for early in &TABLE {
        let place = root.join(early.place);
        if is_mounted(&place) {
            continue;
        }
        match mount_one(early, &place) {
            Ok(()) => done.mounted.push(early.place),
            Err(error) if early.needed => done.failed.push(format!("/{}: {error}", early.place)),
            Err(_) => {}
        }
    }
    for (target, link) in LINKS {
        // On most machines they are there.
        let _ = symlink(target, root.join(link));
    }
    done
}

fn mount_one(early: &Early, place: &Path) -> io::Result<()> {
    if !place.is_dir() {
        // The kernel makes folders in /sys where it has such a file system, and nobody else can.
        let is_of_kernel = early.place.starts_with("sys/");
        if is_of_kernel {
            return Err(io::Error::new(io::ErrorKind::NotFound, "this kernel has none"));
        }
        DirBuilder::new().recursive(true).mode(0o755).create(place)?;
    }
    let options = MountOptions::parse(early.options);
    let attempt = |data: &str| mount(Some(early.what), place, Some(early.what), options.flags, Some(data));
    // Older kernels do not know every option of their control groups.
    attempt(&options.data).or_else(|error| if early.what == "cgroup2" { attempt("") } else { Err(error) })?;
    Ok(())
}

/// Whether something is mounted there: it lies on another file system than the folder above it.
fn is_mounted(place: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let above = place.parent().and_then(device);
    device(place).is_some_and(|own| above.is_some_and(|above| above != own))
}
