//! Tests of what the kernel and the firmware are, and of what they were told.

use std::os::unix::fs::MetadataExt;

use perigee_units::value::{GlobKind, glob_matches, split_words};

use super::compare::{Operator, versions};
use super::{TestError, Tested, World, paths, virtualization, yes_or_no};

/// The capabilities by their numbers.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `=value` or a comparison behind a name in the folder of the firmware's own names.
const SMBIOS: &str = "/sys/class/dmi/id";

/// Whether it is this architecture; one that there is not is none that the machine has.
pub(super) fn architecture(world: &World, parameter: &str) -> bool {
    parameter == "native" || parameter == world.architecture
}

pub(super) fn firmware(world: &World, parameter: &str) -> Tested {
    let inner = |name: &str| parameter.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(compatible) = inner("device-tree-compatible") {
        let text = world.read("/proc/device-tree/compatible").unwrap_or_default();
        return Ok(text.split('\0').any(|known| known == compatible));
    }
    if let Some(field) = inner("smbios-field") {
        return smbios(world, field);
    }
    match parameter {
        "device-tree" => Ok(world.has("/sys/firmware/devicetree")),
        "uefi" => Ok(world.has("/sys/firmware/efi")),
        other => Err(TestError::Parameter(other.to_owned())),
    }
}

fn smbios(world: &World, field: &str) -> Tested {
    let wrong = || TestError::Parameter(field.to_owned());
    let at = field.find(['!', '<', '=', '>']).ok_or_else(wrong)?;
    let (name, rest) = (field[..at].trim(), &field[at..]);
    let (operator, wanted) = Operator::take(rest);
    let operator = operator.ok_or_else(wrong)?;
    if name.is_empty() || name.contains('/') {
        return Err(wrong());
    }
    let wanted = split_words(wanted).map_err(|_| wrong())?.join(" ");
    let Some(have) = world.read(&format!("{SMBIOS}/{name}")) else { return Ok(false) };
    Ok(match operator {
        Operator::Equal => glob_matches(&wanted, &have, GlobKind::Name),
        Operator::Unequal => !glob_matches(&wanted, &have, GlobKind::Name),
        operator => operator.holds(versions(&have, &wanted)),
    })
}

/// The machine's id, or a pattern of its name.
pub(super) fn host(world: &World, parameter: &str) -> bool {
    let id: String = parameter.chars().filter(|c| *c != '-').collect();
    if id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return world.read("/etc/machine-id").is_some_and(|own| own.eq_ignore_ascii_case(&id));
    }
    let name = world.read("/proc/sys/kernel/hostname").unwrap_or_default();
    glob_matches(&parameter.to_ascii_lowercase(), &name.to_ascii_lowercase(), GlobKind::Name)
}

/// A word of the command line: as a whole where it has a `=`, else by its name.
pub(super) fn command_line(world: &World, parameter: &str) -> bool {
    let line = command_line_of(world);
    let words = split_words(&line).unwrap_or_else(|_| line.split_whitespace().map(str::to_owned).collect());
    words.iter().any(|word| {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if parameter.contains('=') { word == parameter } else { name == parameter }
    })
}

/// What the machine was started with; in a container the arguments of its first process.
fn command_line_of(world: &World) -> String {
    if virtualization::container(world).is_some() {
        return world.read("/proc/1/cmdline").unwrap_or_default().replace('\0', " ");
    }
    world.read("/proc/cmdline").unwrap_or_default()
}

/// A word of the command line that is a switch of systemd's.
fn switch(world: &World, name: &str) -> Option<bool> {
    let line = command_line_of(world);
    let words = line.split_whitespace().filter_map(|word| word.strip_prefix(name));
    let value = words.filter_map(|rest| rest.strip_prefix('=')).next_back()?;
    perigee_units::value::parse_bool(value).ok()
}

pub(super) fn first_boot(world: &World, parameter: &str) -> Tested {
    let wanted = yes_or_no(parameter)?;
    let told = switch(world, "systemd.condition-first-boot");
    Ok(told.unwrap_or_else(|| world.has("/run/systemd/first-boot")) == wanted)
}

/// Whether `/usr` was changed since the folder was last brought up to date.
pub(super) fn needs_update(world: &World, folder: &str) -> bool {
    if let Some(told) = switch(world, "systemd.condition-needs-update") {
        return told;
    }
    if world.has("/etc/initrd-release") || !paths::is_writable(world, folder) {
        return false;
    }
    let stamp = format!("{folder}/.updated");
    let (Ok(usr), Ok(updated)) = (world.at("/usr").symlink_metadata(), world.at(&stamp).symlink_metadata())
    else {
        return true;
    };
    if (usr.mtime(), 0) != (updated.mtime(), updated.mtime_nsec()) {
        return (usr.mtime(), usr.mtime_nsec()) > (updated.mtime(), updated.mtime_nsec());
    }
    // A file system that keeps whole seconds only: the file says the rest.
    let text = world.read(&stamp).unwrap_or_default();
    let told = text.lines().find_map(|line| line.strip_prefix("TIMESTAMP_NSEC=")?.parse::<i128>().ok());
    let changed = i128::from(usr.mtime()) * 1_000_000_000 + i128::from(usr.mtime_nsec());
    told.is_none_or(|told| changed > told)
}

/// A credential that the supervisor was given.
pub(super) fn credential(world: &World, name: &str) -> bool {
    let folders = ["CREDENTIALS_DIRECTORY", "ENCRYPTED_CREDENTIALS_DIRECTORY"];
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    let mut folders = folders.iter().filter_map(|folder| world.environment.get(*folder));
    plain && folders.any(|folder| world.has(&format!("{folder}/{name}")))
}

pub(super) fn security(world: &World, parameter: &str) -> Tested {
    let efi = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    Ok(match parameter {
        "selinux" => world.has("/sys/fs/selinux/enforce"),
        "smack" => world.has("/sys/fs/smackfs"),
        "apparmor" => world.read("/sys/module/apparmor/parameters/enabled").is_some_and(|text| text == "Y"),
        "tomoyo" => world.has("/sys/kernel/security/tomoyo/version"),
        "ima" => world.has("/sys/kernel/security/ima"),
        "audit" => world.audit,
        "uefi-secureboot" => {
            let path = world.at(&format!("/sys/firmware/efi/efivars/SecureBoot{efi}"));
            std::fs::read(path).is_ok_and(|octets| octets.last() == Some(&1))
        }
        "tpm2" => !world.names("/sys/class/tpmrm").is_empty(),
        _ => false,
    })
}

/// A capability that is in the bounding set.
pub(super) fn capability(world: &World, parameter: &str) -> Tested {
    let wrong = || TestError::Parameter(parameter.to_owned());
    let name = parameter.to_ascii_lowercase();
    let name = name.strip_prefix("cap_").unwrap_or(&name);
    let number = CAPABILITIES.iter().position(|known| *known == name).ok_or_else(wrong)?;
    let bounding = world.status("CapBnd").and_then(|digits| u64::from_str_radix(&digits, 16).ok());
    Ok(bounding.ok_or(TestError::Unknown("/proc/self/status"))? >> number & 1 == 1)
}

/// Whether the machine runs on mains; one without batteries does.
pub(super) fn on_power(world: &World, parameter: &str) -> Tested {
    let wanted = yes_or_no(parameter)?;
    let folder = "/sys/class/power_supply";
    let (mut online, mut battery) = (false, false);
    for supply in world.names(folder) {
        let about = |file: &str| world.read(&format!("{folder}/{supply}/{file}")).unwrap_or_default();
        match about("type").as_str() {
            "Mains" | "USB" => online |= about("online") == "1",
            "Battery" => {
                battery |=
                    about("present") != "0" && about("scope") != "Device" && about("status") == "Discharging";
            }
            _ => {}
        }
    }
    Ok((online || !battery) == wanted)
}

/// Controllers that this machine has, or the version of its control groups. What no kernel has is passed over.
pub(super) fn controllers(world: &World, parameter: &str) -> bool {
    let root = "/sys/fs/cgroup";
    let unified = world.read(&format!("{root}/cgroup.controllers"));
    if parameter == "v2" || parameter == "v1" {
        return unified.is_some() == (parameter == "v2");
    }
    let known = ["cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids"];
    let legacy = world.read("/proc/cgroups").unwrap_or_default();
    let legacy: Vec<&str> = legacy
        .lines()
        .filter(|line| !line.starts_with('#') && line.ends_with('1'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let has = |name: &str| match &unified {
        // Accounting and devices need no controller in version 2.
        Some(listed) => {
            name == "cpuacct" || name == "devices" || listed.split_whitespace().any(|have| have == name)
        }
        None => legacy.contains(&name),
    };
    parameter.split_whitespace().filter(|name| known.contains(name)).all(has)
}
