//! Tests of paths.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::sys::stat::{major, minor};
use nix::sys::statvfs::{FsFlags, statvfs};
use perigee_units::value::glob_paths;

use super::World;

/// Whether anything fits the pattern.
pub(super) fn glob_exists(world: &World, pattern: &str) -> bool {
    let found = glob_paths(pattern, &mut |folder| world.names(folder), &mut |path| {
        world.at(path).symlink_metadata().is_ok()
    });
    !found.is_empty()
}

/// Whether something is mounted there; links are followed.
pub(super) fn is_mount_point(world: &World, path: &str) -> bool {
    let Ok(real) = fs::canonicalize(world.at(path)) else { return false };
    let Ok(root) = fs::canonicalize(&world.root) else { return false };
    let Ok(path) = real.strip_prefix(&root) else { return false };
    let path = format!("/{}", path.display());
    let mounts = world.read("/proc/self/mountinfo").unwrap_or_default();
    path == "/" || mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|at| unescape(at) == path)
}

/// `\040` and its like are octets by their octal number.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let octet = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octet {
            Some(octet) => {
                plain.push(octet);
                plain.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => plain.extend_from_slice(format!("\\{part}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Whether it is there, on a file system that is not mounted for reading alone.
pub(super) fn is_writable(world: &World, path: &str) -> bool {
    match statvfs(&world.at(path)) {
        Ok(system) => !system.flags().contains(FsFlags::ST_RDONLY),
        Err(error) => error != nix::errno::Errno::ENOENT,
    }
}

/// Whether its block device is made by dm-crypt, with nothing but one device between.
pub(super) fn is_encrypted(world: &World, path: &str) -> bool {
    let Ok(metadata) = world.at(path).metadata() else { return false };
    let mut device = format!("/sys/dev/block/{}:{}", major(metadata.dev()), minor(metadata.dev()));
    for _ in 0..10 {
        let uuid = world.read(&format!("{device}/dm/uuid")).unwrap_or_default();
        if uuid.starts_with("CRYPT-") {
            return true;
        }
        let slaves = world.names(&format!("{device}/slaves"));
        let [slave] = slaves.as_slice() else { return false };
        device = format!("{device}/slaves/{slave}");
    }
    false
}

/// Whether it is a folder with something in it; hidden files count for nothing.
pub(super) fn has_entries(world: &World, path: &str) -> bool {
    world.names(path).iter().any(|name| !name.starts_with('.') && !name.ends_with('~'))
}

/// Whether it is a file that this process could execute.
pub(super) fn is_executable(world: &World, path: &str) -> bool {
    let path = world.at(path);
    let regular = path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    regular && nix::unistd::access(&path, nix::unistd::AccessFlags::X_OK).is_ok()
}
