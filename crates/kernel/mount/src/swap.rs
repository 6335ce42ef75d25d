//! Swap space, by the helpers swapon(8) and swapoff(8): what they do may take long, and is not PID 1's to wait for.

use std::fs;
use std::io;

use perigee_units::unit::{Unit, Value};

use super::{Begun, MountError, device, helper};

/// A `.swap` unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The device or file.
    pub what: String,
    options: String,
    priority: Option<i64>,
}

impl Swap {
    /// Reads a `.swap` unit; none where it does not say what.
    pub fn read(unit: &Unit) -> Option<Swap> {
        let text = |name| match unit.last("Swap", name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let priority = match unit.last("Swap", "Priority") {
            Some(Value::Number(priority)) => Some(*priority),
            _ => None,
        };
        Some(Swap { what: text("What")?, options: text("Options").unwrap_or_default(), priority })
    }

    /// The command that switches it on, unless it is on.
    ///
    /// # Errors
    /// There is no swapon(8).
    pub fn start(&self) -> Result<Begun, MountError> {
        if is_swapped(&self.what) {
            return Ok(Begun::Done);
        }
        let mut command = vec![self.helper("swapon")?];
        if let Some(priority) = self.priority.filter(|priority| *priority >= 0) {
            command.extend(["-p".to_owned(), priority.to_string()]);
        }
        let ours = |option: &&str| !option.is_empty() && !option.starts_with("x-") && !is_for_fstab(option);
        let options: Vec<_> = super::options::split(&self.options).filter(ours).collect();
        if !options.is_empty() {
            command.extend(["-o".to_owned(), options.join(",")]);
        }
        command.push(device(&self.what));
        Ok(Begun::Command(command))
    }

    /// The command that switches it off, unless it is off.
    ///
    /// # Errors
    /// There is no swapoff(8).
    pub fn stop(&self) -> Result<Begun, MountError> {
        if !is_swapped(&self.what) {
            return Ok(Begun::Done);
        }
        Ok(Begun::Command(vec![self.helper("swapoff")?, device(&self.what)]))
    }

    fn helper(&self, name: &'static str) -> Result<String, MountError> {
        let missing = || MountError {
            place: self.what.clone(),
            doing: "switch swap space on or off",
            source: io::Error::new(io::ErrorKind::NotFound, format!("there is no {name} on this machine")),
        };
        helper(name).ok_or_else(missing)
    }
}

fn is_for_fstab(option: &str) -> bool {
    matches!(option, "sw" | "swap" | "defaults" | "auto" | "noauto" | "nofail")
}

/// Whether a device or file is swap space now, `/proc/swaps`.
pub fn is_swapped(what: &str) -> bool {
    let device = device(what);
    let own = fs::canonicalize(&device).unwrap_or_else(|_| device.into());
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let mut lines = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    lines.any(|used| own.as_os_str() == super::table::unescape(used).as_str())
}
