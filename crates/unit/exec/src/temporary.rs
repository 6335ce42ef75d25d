//! Folders of a unit's own for `/tmp` and `/var/tmp`: `PrivateTmp=`.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ExecError;

/// Makes both, which only the superuser can come to from outside.
pub(super) fn make(unit: &str) -> Result<[PathBuf; 2], ExecError> {
    let made = make_in("/tmp", unit).and_then(|tmp| match make_in("/var/tmp", unit) {
        Ok(var_tmp) => Ok([tmp, var_tmp]),
        Err(error) => {
            remove(&[tmp]);
            Err(error)
        }
    });
    let path = "/tmp/perigee-private-…".to_owned();
    made.map_err(|source| ExecError::Folder { path, directive: "PrivateTmp", source })
}

/// `/tmp/perigee-private-UNIT-RANDOM/tmp`: nobody else can have made it before, and the outer folder keeps others out
/// while the inner one is open to every user of the unit.
fn make_in(base: &str, unit: &str) -> io::Result<PathBuf> {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let outer = Path::new(base).join(format!("perigee-private-{unit}-{}", random.trim()));
    DirBuilder::new().mode(0o700).create(&outer)?;
    let inner = outer.join("tmp");
    DirBuilder::new().mode(0o1777).create(&inner)?;
    fs::set_permissions(&inner, Permissions::from_mode(0o1777))?;
    Ok(inner)
}

/// Those that a process of the unit uses, from its mounts.
pub(super) fn used_by(pid: i32, unit: &str) -> Option<[PathBuf; 2]> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let begin = format!("perigee-private-{unit}-");
    let on = |base: &str| {
        // What is mounted stands there as a path of its file system, which may begin below the base.
        let root = mounts.lines().rev().find_map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            (fields.get(4) == Some(&base)).then(|| fields[3].to_owned())
        })?;
        let outer = Path::new(&root).parent()?.file_name()?.to_str()?;
        let path = Path::new(base).join(outer).join("tmp");
        (outer.starts_with(&begin) && path.is_dir()).then_some(path)
    };
    Some([on("/tmp")?, on("/var/tmp")?])
}

/// Removes them with all that is in them.
pub(super) fn remove(folders: &[PathBuf]) {
    for outer in folders.iter().filter_map(|inner| inner.parent()) {
        // What cannot be removed is cleaned up with the rest of /tmp.
        let _ = fs::remove_dir_all(outer);
    }
}
