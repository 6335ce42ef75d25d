//! Limits of input and output, device by device.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::stat::{major, minor};
use perigee_units::value::{Amount, DeviceValue, OfDevice, Span};

use super::Limits;
use crate::hierarchy::write;
use crate::{Controller, Group, Mode, Unmet};

/// Directives, with their file and key in version 2 and their file in version 1.
const FILES: [(&str, &str, &str, &str); 6] = [
    ("IOReadBandwidthMax", "io.max", "rbps=", "blkio.throttle.read_bps_device"),
    ("IOWriteBandwidthMax", "io.max", "wbps=", "blkio.throttle.write_bps_device"),
    ("IOReadIOPSMax", "io.max", "riops=", "blkio.throttle.read_iops_device"),
    ("IOWriteIOPSMax", "io.max", "wiops=", "blkio.throttle.write_iops_device"),
    ("IODeviceWeight", "io.weight", "", "blkio.bfq.weight_device"),
    ("IODeviceLatencyTargetSec", "io.latency", "target=", ""),
];

/// The directives that are for devices.
pub(super) const DIRECTIVES: [&str; 6] =
    [FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0, FILES[4].0, FILES[5].0];

impl Group {
    /// Sets what is said of devices; what was said of others before is lifted.
    pub(super) fn apply_io(&self, limits: &Limits, before: Option<&Limits>) -> Vec<Unmet> {
        let same = |one: &(&str, OfDevice), other: &(&str, OfDevice)| {
            (one.0, &one.1.device) == (other.0, &other.1.device)
        };
        let lifted = before.iter().flat_map(|before| &before.io);
        for (directive, old) in lifted.filter(|old| !limits.io.iter().any(|new| same(old, new))) {
            // What is gone already needs no lifting.
            let _ = self.set_io(directive, &old.device, None);
        }
        let set = limits.io.iter().filter_map(|(directive, new)| {
            let reason = self.set_io(directive, &new.device, Some(new.value)).err()?;
            Some(Unmet::new(directive, format!("{}: {reason}", new.device)))
        });
        set.collect()
    }

    fn set_io(&self, directive: &str, device: &str, value: Option<DeviceValue>) -> Result<(), String> {
        let row = FILES.iter().find(|(name, ..)| *name == directive);
        let Some((_, unified, key, legacy)) = row else { return Ok(()) };
        let device = disk(Path::new(device), Path::new("/sys"))?;
        let (path, text) = match self.hierarchy.tree_of(Controller::Io) {
            Some(_) if legacy.is_empty() => {
                return Err("version 1 of control groups has nothing like it".into());
            }
            Some(tree) => (self.in_tree(tree).join(legacy), format!("{device} {}", legacy_text(value))),
            None if self.hierarchy.has(Controller::Io) == Some(Mode::Unified) => {
                (self.dir().join(unified), format!("{device} {key}{}", unified_text(value)))
            }
            None => return Err(self.hierarchy.why_not(Controller::Io)),
        };
        if !path.exists() {
            let name = path.file_name().unwrap_or_default().display();
            return Err(format!("this kernel has no {name}, or the controller is not handed down"));
        }
        write(&path, &text).map_err(|error| error.to_string())
    }
}

fn unified_text(value: Option<DeviceValue>) -> String {
    match value {
        Some(DeviceValue::Amount(Amount::Absolute(number))) => number.to_string(),
        Some(DeviceValue::Latency(Span::Finite(span))) => span.as_micros().to_string(),
        Some(DeviceValue::Amount(_)) => "max".to_owned(),
        Some(_) => "0".to_owned(),
        None => "max".to_owned(),
    }
}

/// 0 lifts a limit of version 1.
fn legacy_text(value: Option<DeviceValue>) -> String {
    match value {
        Some(DeviceValue::Amount(Amount::Absolute(number))) => number.to_string(),
        _ => "0".to_owned(),
    }
}

/// `MAJOR:MINOR` of the disk that a path means: the device itself, or the one that a file is on; of a partition its
/// whole disk, since only that has a queue.
fn disk(path: &Path, sys: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    let device = if metadata.file_type().is_block_device() { metadata.rdev() } else { metadata.dev() };
    whole(major(device), minor(device), sys)
}

fn whole(major: u64, minor: u64, sys: &Path) -> Result<String, String> {
    if major == 0 {
        return Err("it is on no disk".to_owned());
    }
    let folder = sys.join(format!("dev/block/{major}:{minor}"));
    if folder.join("partition").exists() {
        // The folder is a link below that of the disk.
        let above = fs::canonicalize(&folder).ok().and_then(|folder| Some(folder.parent()?.join("dev")));
        let text = above.and_then(|path| fs::read_to_string(path).ok());
        return text.map(|text| text.trim().to_owned()).ok_or_else(|| "its disk is not known".to_owned());
    }
    Ok(format!("{major}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_on_its_disk() {
        let sys = tempfile::tempdir().expect("a folder");
        let part = sys.path().join("devices/sda/sda1");
        fs::create_dir_all(&part).expect("made");
        fs::create_dir_all(sys.path().join("dev/block")).expect("made");
        fs::write(part.join("partition"), "1\n").expect("written");
        fs::write(sys.path().join("devices/sda/dev"), "8:0\n").expect("written");
        std::os::unix::fs::symlink(&part, sys.path().join("dev/block/8:1")).expect("linked");
        assert_eq!(whole(8, 1, sys.path()), Ok("8:0".to_owned()));
        assert_eq!(whole(8, 16, sys.path()), Ok("8:16".to_owned()));
        assert!(whole(0, 5, sys.path()).is_err());
        assert!(disk(Path::new("/proc/self"), sys.path()).is_err(), "it is on no disk");
        assert!(disk(Path::new("/no/such/device"), sys.path()).is_err());
    }

    #[test]
    fn texts_of_both_versions() {
        let amount = |amount| Some(DeviceValue::Amount(amount));
        for (value, unified, legacy) in [
            (amount(Amount::Absolute(5)), "5", "5"),
            (amount(Amount::Infinity), "max", "0"),
            (Some(DeviceValue::Latency(Span::parse("25ms").expect("a span"))), "25000", "0"),
            (None, "max", "0"),
        ] {
            assert_eq!((unified_text(value).as_str(), legacy_text(value).as_str()), (unified, legacy));
        }
    }
}
