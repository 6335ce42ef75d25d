//! What a system is, for the specifiers: read below its root, where it is not of the kernel.

use std::io::Read;

use perigee_units::unit::{Host, Scope, UnitName};
use perigee_units::value::ValueError;

use crate::Root;

/// Longest file that tells of the machine.
const LONGEST: u64 = 1 << 16;

/// Specifiers that stand for something outside of a unit too.
const KNOWN: &str = "aAbBCgGhHlLmMosStTuUvVwW%";

pub(crate) fn host(root: &Root) -> Host {
    let read = |path: &str| {
        let mut text = String::new();
        root.open_file(path).ok()??.take(LONGEST).read_to_string(&mut text).ok()?;
        Some(text.trim().to_owned())
    };
    let id = |text: Option<String>| {
        let digits = text.map(|text| text.replace('-', ""));
        digits.filter(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let os = read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default();
    let pairs = os.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    Host {
        architecture: match std::env::consts::ARCH {
            "x86_64" => "x86-64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        },
        boot_id: id(boot_id.map(|text| text.trim().to_owned())),
        machine_id: id(read("/etc/machine-id")),
        name: text(system.nodename()),
        kernel: text(system.release()),
        os: pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
            .collect(),
        user: ("root".to_owned(), 0),
        group: ("root".to_owned(), 0),
        home: "/root".to_owned(),
        shell: "/bin/sh".to_owned(),
    }
}

/// Expands specifiers; those of units mean nothing here.
pub(crate) fn expand(host: &Host, text: &str) -> Result<String, ValueError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.push(c);
        if c == '%' {
            match characters.next() {
                Some(letter) if KNOWN.contains(letter) => plain.push(letter),
                Some(letter) => {
                    return Err(ValueError::Specifier { letter, reason: "there is no such specifier" });
                }
                None => plain.push('%'),
            }
        }
    }
    let name = UnitName::parse("setup.service")?;
    Scope { name: &name, fragment: "", host }.expand(&plain)
}
