//! Devices: whether they are there, and who tells when they come and go.
//!
//! The kernel tells of every device on a netlink socket, as soon as it knows of it. Links below `/dev`, such as those of
//! `/dev/disk`, are made by a program later on, and in a container the kernel may tell nothing: so the folders on the
//! way to what is waited for are watched too, by inotify(7). What lies below `/sys` is heard of by the socket alone.

mod folders;
mod uevents;

use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileTypeExt;

use perigee_units::device::places;
use perigee_units::unit::UnitName;

use folders::Folders;
use uevents::Uevents;

/// What was heard of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Units that something may have changed for.
    pub units: Vec<UnitName>,
    /// Something was not heard, or it is not known of what: any unit may be another.
    pub any: bool,
}

/// Who tells of devices; nobody before somebody has asked for any.
#[derive(Debug, Default)]
pub struct Devices {
    uevents: Option<Uevents>,
    folders: Option<Folders>,
    begun: bool,
}

/// Whether the device of this unit is there: a file of a device below `/dev`, or anything below `/sys`.
pub fn is_there(unit: &UnitName) -> bool {
    places(unit).iter().any(|place| match place.starts_with("/dev/") {
        true => fs::metadata(place).is_ok_and(|found| {
            let kind = found.file_type();
            kind.is_block_device() || kind.is_char_device()
        }),
        false => fs::metadata(place).is_ok(),
    })
}

impl Devices {
    /// Begins to listen, and says what cannot be had. Call it before the first look: what changes in between is heard.
    pub fn begin(&mut self) -> Vec<String> {
        let mut missing = Vec::new();
        if std::mem::replace(&mut self.begun, true) {
            return missing;
        }
        match Uevents::open() {
            Ok(uevents) => self.uevents = Some(uevents),
            Err(error) => missing.push(format!(
                "the kernel does not tell of devices, those below /sys are not waited for: {error}"
            )),
        }
        match Folders::new() {
            Ok(folders) => self.folders = Some(folders),
            Err(error) => missing.push(format!("folders below /dev are not watched: {error}")),
        }
        missing
    }

    /// Whether [`Devices::begin`] was called.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Readable when the kernel has told something.
    pub fn kernel(&self) -> Option<BorrowedFd<'_>> {
        self.uevents.as_ref().map(Uevents::as_fd)
    }

    /// Readable when something has changed in a folder that is watched.
    pub fn folders(&self) -> Option<BorrowedFd<'_>> {
        self.folders.as_ref().map(Folders::as_fd)
    }

    /// Watches the folders on the way to the devices of these units, and no others.
    pub fn watch<'a>(&mut self, units: impl Iterator<Item = &'a UnitName>) {
        if let Some(folders) = &mut self.folders {
            folders.set(units.flat_map(places).filter(|place| place.starts_with("/dev/")));
        }
    }

    /// What the kernel has told.
    pub fn hear(&mut self) -> Heard {
        self.uevents.as_mut().map(Uevents::read).unwrap_or_default()
    }

    /// Whether anything has changed in the folders.
    pub fn changed(&mut self) -> bool {
        self.folders.as_mut().is_some_and(Folders::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there() {
        let there = |name: &str| is_there(&UnitName::parse(name).expect("a name"));
        assert!(there("dev-null.device"));
        assert!(!there("dev-no\\x2dsuch.device"));
        // A folder is no device.
        assert!(!there("dev-pts.device") && !there("dev-shm.device"));
        assert!(!there("etc-passwd.device") && !there("dev-null.service"));
        if std::path::Path::new("/sys/class/net/lo").exists() {
            assert!(there("sys-subsystem-net-devices-lo.device") && there("sys-class-net-lo.device"));
        } else {
            eprintln!("SKIPPED what_is_there: no /sys here");
        }
        assert!(!there("sys-subsystem-net-devices-nosuch.device"));
    }
}
