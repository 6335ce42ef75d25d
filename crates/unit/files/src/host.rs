//! What this machine is, for the specifiers in unit files.

use std::fs;

use perigee_units::unit::Host;

/// This machine, for units that run as the system's.
pub fn host() -> Host {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let id = |path: &str| {
        let digits: Option<String> = read(path).map(|text| text.replace('-', ""));
        digits.filter(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        other => other,
    };
    let os = read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default();
    Host {
        architecture: architecture.to_owned(),
        boot_id: id("/proc/sys/kernel/random/boot_id"),
        machine_id: id("/etc/machine-id"),
        name: read("/proc/sys/kernel/hostname").unwrap_or_default(),
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        os: os.lines().filter_map(os_line).collect(),
        user: ("root".to_owned(), 0),
        group: ("root".to_owned(), 0),
        home: "/root".to_owned(),
        shell: "/bin/sh".to_owned(),
    }
}

/// `NAME="value"` of os-release(5).
fn os_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
    Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
}
