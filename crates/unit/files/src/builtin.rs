//! Units that every machine needs and that a small one has from nobody else: the targets that other units name.
//!
//! They are written below the folder of run-time files, where the search path has them last: whatever a distribution
//! or an administrator says of the same names hides them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Name and text of a unit.
macro_rules! units {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../units/", $name)))),*]
    };
}

const UNITS: [(&str, &str); 33] = units![
    "basic.target",
    "default.target",
    "emergency.service",
    "emergency.target",
    "final.target",
    "getty.target",
    "graphical.target",
    "local-fs-pre.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network-pre.target",
    "network.target",
    "nss-lookup.target",
    "nss-user-lookup.target",
    "paths.target",
    "perigee-sysusers.service",
    "perigee-tmpfiles.service",
    "remote-fs-pre.target",
    "remote-fs.target",
    "rescue.service",
    "rescue.target",
    "rpcbind.target",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "swap.target",
    "sysinit.target",
    "syslog.socket",
    "time-set.target",
    "time-sync.target",
    "timers.target",
    "umount.target",
];

/// The station, as packages bring it too; nothing wants it until it is enabled.
const STATION: &str = include_str!("../../../../packaging/perigee.service");

/// Those that set a system up: they empty `/tmp`, among other things, and are for the boot of a whole system only.
const SETUP: [&str; 2] = ["perigee-sysusers.service", "perigee-tmpfiles.service"];

/// Writes them, and gives their folder. `PERIGEE` in them becomes the path of this program. With `whole` the units that
/// set the system up are among them.
///
/// # Errors
/// The folder cannot be written.
pub fn write_builtin(runtime: &Path, whole: bool) -> io::Result<PathBuf> {
    let folder = runtime.join("units");
    fs::create_dir_all(&folder)?;
    let program = std::env::current_exe()?.display().to_string();
    for (name, text) in UNITS.into_iter().filter(|(name, _)| whole || !SETUP.contains(name)) {
        fs::write(folder.join(name), text.replace("PERIGEE", &program))?;
    }
    fs::write(folder.join("perigee.service"), STATION.replace("/usr/bin/perigee", &program))?;
    Ok(folder)
}
