//! What this machine runs in: a container, a virtual machine, or neither.
//!
//! Told from files of the kernel alone; a hypervisor that only the processor names is found by the clock that it
//! offers, else it is `vm-other`.

use super::World;

/// Names of firmware makers, in the order in which they count.
const MAKERS: [(&str, &str); 17] = [
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Oracle Corporation", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
];

pub(super) fn test(world: &World, parameter: &str) -> bool {
    if parameter == "private-users" {
        let map = world.read("/proc/self/uid_map").unwrap_or_default();
        return !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"]);
    }
    let container = container(world);
    let machine = if container.is_none() { machine(world) } else { None };
    if let Ok(wanted) = perigee_units::value::parse_bool(parameter) {
        return (container.is_some() || machine.is_some()) == wanted;
    }
    match parameter {
        "vm" => machine.is_some(),
        "container" => container.is_some(),
        name => container.as_deref() == Some(name) || machine == Some(name),
    }
}

/// The container manager's name.
pub(super) fn container(world: &World) -> Option<String> {
    if world.has("/proc/vz") && !world.has("/proc/bc") {
        return Some("openvz".to_owned());
    }
    let release = world.kernel_release();
    if release.contains("Microsoft") || release.contains("WSL") {
        return Some("wsl".to_owned());
    }
    let named = world.read("/run/systemd/container").or_else(|| {
        let environment = world.read("/proc/1/environ")?;
        environment.split('\0').find_map(|line| Some(line.strip_prefix("container=")?.to_owned()))
    });
    let name = match named.as_deref() {
        // Podman says so when it poses as Docker.
        Some("oci") | None => None,
        Some("") => return None,
        Some(name) => Some(name),
    };
    let known = ["systemd-nspawn", "lxc-libvirt", "lxc", "docker", "podman", "rkt", "wsl", "proot", "pouch"];
    match name {
        Some(name) if known.contains(&name) => Some(name.to_owned()),
        Some(_) => Some("container-other".to_owned()),
        None if world.has("/run/.containerenv") => Some("podman".to_owned()),
        None if world.has("/.dockerenv") => Some("docker".to_owned()),
        None => named.map(|_| "container-other".to_owned()),
    }
}

/// The hypervisor's name.
fn machine(world: &World) -> Option<&'static str> {
    let folder = "/sys/class/dmi/id";
    for file in ["product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"] {
        let text = world.read(&format!("{folder}/{file}")).unwrap_or_default();
        if let Some((_, name)) = MAKERS.iter().find(|(maker, _)| text.starts_with(maker)) {
            // KVM shows itself in QEMU's machines too.
            let kvm = *name == "qemu" && clocks(world).contains("kvm-clock");
            return Some(if kvm { "kvm" } else { name });
        }
    }
    if world.read("/sys/hypervisor/type").is_some_and(|kind| kind == "xen") {
        // The first domain is the machine itself.
        let features = world.read("/sys/hypervisor/properties/features").unwrap_or_default();
        let first =
            u64::from_str_radix(features.trim_start_matches("0x"), 16).is_ok_and(|bits| bits >> 11 & 1 == 1);
        return (!first).then_some("xen");
    }
    let clocks = clocks(world);
    for (clock, name) in [("kvm-clock", "kvm"), ("hyperv", "microsoft"), ("xen", "xen")] {
        if clocks.contains(clock) {
            return Some(name);
        }
    }
    let cpu = world.read("/proc/cpuinfo").unwrap_or_default();
    if cpu.contains("User Mode Linux") {
        return Some("uml");
    }
    let flags = cpu.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "hypervisor").then_some("vm-other")
}

fn clocks(world: &World) -> String {
    world.read("/sys/devices/system/clocksource/clocksource0/available_clocksource").unwrap_or_default()
}
