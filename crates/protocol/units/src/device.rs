//! Units of devices, systemd.device(5): which file or folder a name stands for, and what the kernel tells when a device
//! comes or goes (the uevents of its socket `NETLINK_KOBJECT_UEVENT`).
//!
//! Where systemd asks udev which devices are units, and by which other names, here every path below `/dev` and `/sys`
//! may be one, and `/sys/subsystem/S/devices/D` is the device D of the class or the bus S.

use crate::unit::{UnitKind, UnitName};
use crate::value::{escape_path, unescape_name};

/// Octets of the longest message; the kernel's own is 2 KiB with a path before it.
pub const LONGEST: usize = 8 << 10;

/// Variables of one message are no more than this; the kernel has 64.
const MOST_VARIABLES: usize = 256;

/// Where the device of a unit may be: it is there if any of these is. None for a name that stands for no path below
/// `/dev` or `/sys`, which is never there.
pub fn places(name: &UnitName) -> Vec<String> {
    if name.kind() != UnitKind::Device {
        return Vec::new();
    }
    let Ok(path) = unescape_name(name.stem()) else { return Vec::new() };
    let words: Vec<&str> = path.split('/').collect();
    if words.iter().any(|word| ["", ".", ".."].contains(word) || word.contains('\0')) {
        return Vec::new();
    }
    match words[..] {
        ["sys", "subsystem", system, "devices", device] => {
            vec![format!("/sys/class/{system}/{device}"), format!("/sys/bus/{system}/devices/{device}")]
        }
        ["dev" | "sys", _, ..] => vec![format!("/{path}")],
        _ => Vec::new(),
    }
}

/// What the kernel tells of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// What has happened: `add`, `remove`, `change`, `move`, `bind` and so on.
    pub action: String,
    /// The path of the device below `/sys`, with a slash before it.
    pub path: String,
    /// The path that it had, if it has another one now.
    pub old_path: Option<String>,
    /// The class or bus that it belongs to.
    pub subsystem: Option<String>,
    /// Its file below `/dev`, without a slash before it.
    pub node: Option<String>,
}

/// Why a message says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than the kernel writes any.
    #[error("it is too long")]
    Long,
    /// It does not begin with an action and a path.
    #[error("it does not begin with ACTION@PATH")]
    Head,
    /// The variables do not say the same as the beginning, or nothing that can be a path.
    #[error("its variables are not those of the device it begins with")]
    Variables,
}

impl Uevent {
    /// Reads one message of the kernel: `ACTION@PATH` and variables, each ending with a NUL.
    ///
    /// # Errors
    /// It is none; a message of udev, which begins with `libudev`, is none either.
    pub fn parse(message: &[u8]) -> Result<Uevent, Fault> {
        if message.len() > LONGEST {
            return Err(Fault::Long);
        }
        let mut words = message.split(|octet| *octet == 0).map(|word| std::str::from_utf8(word).ok());
        let head = words.next().flatten().and_then(|head| head.split_once('@')).ok_or(Fault::Head)?;
        let (action, path) = head;
        if action.is_empty() || !action.bytes().all(|octet| octet.is_ascii_lowercase()) || !is_plain(path) {
            return Err(Fault::Head);
        }
        let mut event = Uevent {
            action: action.to_owned(),
            path: path.to_owned(),
            old_path: None,
            subsystem: None,
            node: None,
        };
        // What is no text is of no use here, and no reason to miss the rest.
        for (name, value) in words.flatten().filter_map(|word| word.split_once('=')).take(MOST_VARIABLES) {
            let plain = |value: &str| is_plain(&format!("/{value}"));
            match name {
                "ACTION" if value != action => return Err(Fault::Variables),
                "DEVPATH" if value != path => return Err(Fault::Variables),
                "DEVPATH_OLD" if is_plain(value) => event.old_path = Some(value.to_owned()),
                "SUBSYSTEM" if plain(value) && !value.contains('/') => {
                    event.subsystem = Some(value.to_owned());
                }
                "DEVNAME" if plain(value) => event.node = Some(value.to_owned()),
                "DEVPATH_OLD" | "SUBSYSTEM" | "DEVNAME" => return Err(Fault::Variables),
                _ => {}
            }
        }
        Ok(event)
    }

    /// The units that it may be about.
    pub fn units(&self) -> Vec<UnitName> {
        let mut paths: Vec<String> = self.node.iter().map(|node| format!("/dev/{node}")).collect();
        for path in [Some(&self.path), self.old_path.as_ref()].into_iter().flatten() {
            paths.push(format!("/sys{path}"));
            let device = path.rsplit('/').next().unwrap_or_default();
            if let Some(system) = &self.subsystem {
                paths.push(format!("/sys/subsystem/{system}/devices/{device}"));
                paths.push(format!("/sys/class/{system}/{device}"));
                paths.push(format!("/sys/bus/{system}/devices/{device}"));
            }
        }
        let names = paths.iter().map(|path| UnitName::parse(&format!("{}.device", escape_path(path))));
        // A path that is too long for a name is that of no unit.
        names.filter_map(Result::ok).collect()
    }
}

/// Whether this is a path from the root on, without anything that leads elsewhere.
fn is_plain(path: &str) -> bool {
    let mut words = path.split('/');
    path.len() > 1 && words.next() == Some("") && words.all(|word| !["", ".", ".."].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UnitName {
        UnitName::parse(text).expect("a name")
    }

    #[test]
    fn names_stand_for_paths() {
        for (unit, expected) in [
            ("dev-sda1.device", &["/dev/sda1"][..]),
            (
                "dev-virtio\\x2dports-org.qemu.guest_agent.0.device",
                &["/dev/virtio-ports/org.qemu.guest_agent.0"],
            ),
            ("sys-devices-virtual-net-lo.device", &["/sys/devices/virtual/net/lo"]),
            ("sys-subsystem-net-devices-eth0.device", &["/sys/class/net/eth0", "/sys/bus/net/devices/eth0"]),
            // What leads elsewhere, or is the whole folder.
            ("dev.device", &[]),
            ("etc-passwd.device", &[]),
            ("dev-..-etc.device", &[]),
            ("dev-\\x2e\\x2e-etc.device", &[]),
            ("dev-a\\x00b.device", &[]),
            ("dev-a\\x2fb\\x2f..\\x2fc.device", &[]),
            ("dev-sda1.service", &[]),
        ] {
            assert_eq!(places(&name(unit)), expected, "{unit}");
        }
    }

    const ETH: &[u8] = b"add@/devices/pci0000:00/0000:00:03.0/net/eth0\0ACTION=add\0\
        DEVPATH=/devices/pci0000:00/0000:00:03.0/net/eth0\0SUBSYSTEM=net\0INTERFACE=eth0\0IFINDEX=2\0SEQNUM=900\0";

    #[test]
    fn messages_of_the_kernel() {
        let event = Uevent::parse(ETH).expect("a message");
        let units: Vec<_> = event.units().iter().map(ToString::to_string).collect();
        assert_eq!(
            units,
            [
                "sys-devices-pci0000:00-0000:00:03.0-net-eth0.device",
                "sys-subsystem-net-devices-eth0.device",
                "sys-class-net-eth0.device",
                "sys-bus-net-devices-eth0.device",
            ]
        );
        let disk = b"remove@/devices/virtual/block/loop0\0ACTION=remove\0DEVNAME=loop0\0SUBSYSTEM=block\0";
        let event = Uevent::parse(disk).expect("a message");
        assert_eq!((event.action.as_str(), event.node.as_deref()), ("remove", Some("loop0")));
        assert_eq!(event.units()[0].as_str(), "dev-loop0.device");
        let moved = b"move@/devices/virtual/net/b\0ACTION=move\0DEVPATH=/devices/virtual/net/b\0\
            SUBSYSTEM=net\0DEVPATH_OLD=/devices/virtual/net/a\0";
        let units = Uevent::parse(moved).expect("a message").units();
        let both = ["a", "b"].map(|device| name(&format!("sys-subsystem-net-devices-{device}.device")));
        assert!(both.iter().all(|unit| units.contains(unit)), "{units:?}");
    }

    #[test]
    fn what_is_no_message() {
        for (message, fault) in [
            (&b""[..], Fault::Head),
            (b"libudev\0\xfe\xed\xca\xfe", Fault::Head),
            (b"add", Fault::Head),
            (b"add@devices/a\0", Fault::Head),
            (b"add@/devices/../a\0", Fault::Head),
            (b"Add@/a\0", Fault::Head),
            (b"add@\0", Fault::Head),
            (b"add@/\0", Fault::Head),
            (b"\xff@/a\0", Fault::Head),
            (b"add@/a\0ACTION=remove\0", Fault::Variables),
            (b"add@/a\0DEVPATH=/b\0", Fault::Variables),
            (b"add@/a\0DEVNAME=../x\0", Fault::Variables),
            (b"add@/a\0SUBSYSTEM=a/b\0", Fault::Variables),
            (&[b'a'; LONGEST + 1], Fault::Long),
        ] {
            assert_eq!(Uevent::parse(message), Err(fault), "{:?}", String::from_utf8_lossy(message));
        }
        // The end may be missing, and what is no text is passed over.
        assert!(Uevent::parse(&ETH[..60]).is_ok());
        assert!(Uevent::parse(b"add@/a\0X=\xff\0NOTHING\0").is_ok());
    }
}
