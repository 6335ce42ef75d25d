//! What the tests share: a small system, whether systemd's programs are here, and all that lies below a folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Whether the program is that of systemd 252 and this process may make files for others; says so where not.
pub(crate) fn theirs(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    let version =
        found.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let right = version.starts_with("systemd 252") && rustix_is_root();
    if !right {
        eprintln!("SKIPPED {test}: {program} of systemd 252 is not installed, or this is not root");
    }
    right
}

/// Whether this process is root.
pub(crate) fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// The folder that packages were unpacked into, which PERIGEE_PACKAGES names, or this machine.
pub(crate) fn packages() -> PathBuf {
    std::env::var_os("PERIGEE_PACKAGES").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// A system with accounts and the files that are given.
pub(crate) fn system(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let accounts = [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\nbeacon:x:1000:1000::/home/beacon:/bin/sh\n",
        ),
        ("etc/group", "root:x:0:\nbin:x:2:\nadm:x:4:beacon\nutmp:x:43:\nbeacon:x:1000:\n"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
        ("etc/gshadow", "root:*::\nadm:*::beacon\n"),
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ];
    for (path, text) in accounts.iter().chain(files) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// Everything below a folder: kind, mode, owner, content.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let metadata = path.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            let shown = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_file() {
                format!("file {:?}", String::from_utf8_lossy(&fs::read(&path).unwrap()))
            } else if kind.is_fifo() {
                "pipe".to_owned()
            } else if kind.is_dir() {
                "folder".to_owned()
            } else {
                format!("device {}", metadata.rdev())
            };
            let mode = if kind.is_symlink() { 0 } else { metadata.mode() & 0o7777 };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.insert(name, format!("{mode:04o} {}:{} {shown}", metadata.uid(), metadata.gid()));
            if kind.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// What is different below two folders.
pub(crate) fn differences(one: &Path, other: &Path) -> Vec<String> {
    let (mine, its) = (tree(one), tree(other));
    let names: std::collections::BTreeSet<_> = mine.keys().chain(its.keys()).collect();
    let differs = names.into_iter().filter(|name| mine.get(*name) != its.get(*name));
    differs.map(|name| format!("{name}: {:?}, systemd {:?}", mine.get(name), its.get(name))).collect()
}
